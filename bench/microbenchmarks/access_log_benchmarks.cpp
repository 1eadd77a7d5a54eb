// A line of the access log: what the worker pays (the push), and what the writing thread pays (the text).
#include <benchmark/benchmark.h>

#include <chrono>
#include <string>
#include <string_view>

#include "dispatch/access_log.h"
#include "dispatch/access_record.h"

namespace portshare::bench {
namespace {

constexpr std::string_view name = "www.example.com";
constexpr std::string_view alpn = "h2,http/1.1";

Config make_config(AccessLogFormat format) {
  Config config;
  config.file = "/etc/portshare.toml";
  config.server.log.format = format;
  config.listeners.resize(1);
  config.listeners[0].name = "web";
  config.backends.resize(1);
  config.backends[0].name = "shop";
  config.backends[0].servers.resize(1);
  config.backends[0].servers[0].address = SocketAddress{IpEndpoint::parse("127.0.0.1:8001"), {}};
  config.backends[0].servers[0].text = "127.0.0.1:8001";
  return config;
}

AccessRecord make_record() {
  using std::chrono::microseconds;
  AccessRecord record;
  record.time = std::chrono::system_clock::time_point(microseconds(1'762'251'072'123'456));
  record.has_client = true;
  record.has_destination = true;
  record.client = *IpEndpoint::parse("198.51.100.7:50123");
  record.destination = *IpEndpoint::parse("192.0.2.20:443");
  record.protocol = Protocol::tls;
  record.knows_protocol = true;
  record.tls = TlsFlight::sni;
  record.route_line = 12;
  record.backend = 0;
  record.server = 0;
  record.bytes_in = 1893;
  record.bytes_out = 65432;
  record.first_flight = microseconds(512);
  record.connect = microseconds(187);
  record.duration = microseconds(1'234'567);
  return record;
}

void access_log_line(benchmark::State& state, AccessLogFormat format) {
  const Config config = make_config(format);
  ServerRegistry registry(1);
  const auto servers = ServerPool::resolve(config, {}, registry);
  const AccessRecord record = make_record();
  std::string line;
  for ([[maybe_unused]] auto _ : state) {
    line.clear();
    format_access_line(config, *servers, record, name, alpn, line);
    benchmark::DoNotOptimize(line.data());
  }
  if (!line.contains("duration_ms") || !line.contains("1234.567")) state.SkipWithError("a wrong line");
  state.SetLabel(std::to_string(line.size()) + " bytes");
}
BENCHMARK_CAPTURE(access_log_line, json, AccessLogFormat::json);
BENCHMARK_CAPTURE(access_log_line, text, AccessLogFormat::text);

/// Into the ring and out again on one thread, without the price of the cache lines that two would exchange.
void access_log_ring(benchmark::State& state) {
  AccessLogRing ring;
  AccessRecord record = make_record();
  std::string popped_name;
  std::string popped_alpn;
  for ([[maybe_unused]] auto _ : state) {
    if (!ring.push(record, name, alpn) || !ring.pop(record, popped_name, popped_alpn)) {
      state.SkipWithError("the record is lost");
    }
    benchmark::DoNotOptimize(popped_name.data());
  }
}
BENCHMARK(access_log_ring);

}  // namespace
}  // namespace portshare::bench
