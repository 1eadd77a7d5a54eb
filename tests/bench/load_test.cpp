// Every load on both engines, against our own server.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "bench/load_run.h"
#include "bench/plot.h"
#include "bench/report.h"
#include "bench/test_server.h"
#include "platform/engine.h"
#include "platform/signals.h"

namespace portshare {
namespace {

using testing::HasSubstr;
using Behaviour = TestServerSettings::Behaviour;
using Kind = FirstBytesSettings::Kind;

class OnEngine : public testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    if (const auto unavailable = probe_engine(GetParam())) GTEST_SKIP() << unavailable->reason;
    block_signals();
  }

  const SocketAddress& serve(TestServerSettings settings) {
    settings.listen = {{.ip = IpEndpoint{IpAddress::v4({127, 0, 0, 1}), 0}, .unix_path = {}}};
    settings.engine = GetParam();
    auto server = TestServer::start(std::move(settings));
    EXPECT_TRUE(server) << server.error();
    server_ = std::move(*server);
    return server_->addresses().front();
  }

  /// A small load against the server, on two threads.
  LoadSettings load(LoadKind kind, Kind first_bytes) {
    LoadSettings settings;
    settings.kind = kind;
    settings.targets = server_->addresses();
    settings.first_bytes.kind = first_bytes;
    settings.engine = GetParam();
    settings.threads = 2;
    settings.connections = 5;
    settings.timeout = std::chrono::seconds{30};
    return settings;
  }

  static LoadResult run(const LoadSettings& settings) {
    auto result = run_load(settings);
    EXPECT_TRUE(result) << result.error();
    return std::move(*result);
  }

  std::unique_ptr<TestServer> server_;
};

TEST_P(OnEngine, ConnectionsGetTheirReply) {
  serve({.behaviour = Behaviour::reply, .reply_bytes = 3000});
  for (const Kind first : {Kind::tls, Kind::http, Kind::raw}) {
    LoadSettings settings = load(LoadKind::connections, first);
    settings.first_bytes.raw = {'x'};
    settings.count = 101;
    settings.until = {.kind = ReplyEnd::Kind::end_of_stream, .bytes = 3000};
    const LoadResult result = run(settings);
    EXPECT_EQ(result.statistics.completed, 101U);
    EXPECT_EQ(result.statistics.failed(), 0U);
    EXPECT_EQ(result.statistics.latency.count(), 101U);
    EXPECT_EQ(result.statistics.connect.count(), 101U);
    EXPECT_GT(result.generator_cpu, nanoseconds{});
    if (first == Kind::http)
      EXPECT_GT(result.statistics.bytes_received, 101U * 3000);
    else
      EXPECT_EQ(result.statistics.bytes_received, 101U * 3000);
    if (first == Kind::tls) {
      EXPECT_EQ(result.statistics.bytes_sent, 101U * 517);
    }
  }
}

TEST_P(OnEngine, TheClientClosesFirstWhereItHasEnough) {
  serve({.behaviour = Behaviour::reply, .reply_bytes = 100, .keeps_connections = true});
  for (const CloseMode mode : {CloseMode::orderly, CloseMode::reset}) {
    LoadSettings settings = load(LoadKind::connections, Kind::tls);
    settings.count = 50;
    settings.close_mode = mode;
    settings.until = {.kind = ReplyEnd::Kind::bytes, .bytes = 100};
    const LoadResult result = run(settings);
    EXPECT_EQ(result.statistics.completed, 50U);
    EXPECT_EQ(result.statistics.bytes_received, 50U * 100);
  }
}

TEST_P(OnEngine, AnOpenLoopKeepsItsSchedule) {
  serve({.behaviour = Behaviour::reply});
  LoadSettings settings = load(LoadKind::connections, Kind::tls);
  settings.count = 100;
  settings.rate = 1000;
  const LoadResult result = run(settings);
  EXPECT_EQ(result.statistics.completed, 100U);
  EXPECT_EQ(result.statistics.start_delay.count(), 100U);
  // The last arrival is 99 ms after the first, whatever the server does.
  EXPECT_GE(result.elapsed, std::chrono::milliseconds{98});
  // What waited before it started is part of the latency.
  EXPECT_GE(result.statistics.latency.max(), result.statistics.start_delay.min());
}

TEST_P(OnEngine, ErrorsAreCountedByKind) {
  const SocketAddress address = serve({.behaviour = Behaviour::reply, .reply_bytes = 10});
  LoadSettings settings = load(LoadKind::connections, Kind::tls);
  settings.count = 20;
  settings.until = {.kind = ReplyEnd::Kind::bytes, .bytes = 11};
  EXPECT_EQ(run(settings).statistics.errors[static_cast<std::size_t>(ErrorKind::ended_early)], 20U);
  settings.until.kind = ReplyEnd::Kind::end_of_stream;
  EXPECT_EQ(run(settings).statistics.errors[static_cast<std::size_t>(ErrorKind::ended_early)], 20U);
  settings.until = {};
  settings.first_bytes.kind = Kind::none;  // so that the server waits
  settings.timeout = std::chrono::milliseconds{20};
  EXPECT_EQ(run(settings).statistics.errors[static_cast<std::size_t>(ErrorKind::timeout)], 20U);
  server_.reset();
  const LoadResult refused = run(settings);
  EXPECT_EQ(refused.statistics.errors[static_cast<std::size_t>(ErrorKind::refused)], 20U)
      << address.to_string();
  EXPECT_TRUE(has_failures(refused));
}

TEST_P(OnEngine, MessagesGoThereAndBack) {
  serve({.behaviour = Behaviour::echo});
  for (const double rate : {0.0, 2000.0}) {
    LoadSettings settings = load(LoadKind::ping_pong, Kind::tls);
    settings.count = 301;
    settings.message_size = 40'000;  // more than a buffer
    settings.rate = rate;
    const LoadResult result = run(settings);
    EXPECT_EQ(result.statistics.completed, 301U);
    EXPECT_EQ(result.statistics.failed(), 0U);
    EXPECT_EQ(result.statistics.connect.count(), 5U);
    EXPECT_EQ(result.statistics.bytes_received, 301U * 40'000 + 5 * 517);
  }
}

TEST_P(OnEngine, PingPongEndsWithoutAServer) {
  serve({});
  LoadSettings settings = load(LoadKind::ping_pong, Kind::tls);
  server_.reset();
  settings.count = 10;
  const LoadResult result = run(settings);
  EXPECT_EQ(result.statistics.completed, 0U);
  EXPECT_GE(result.statistics.failed(), 10U);
}

TEST_P(OnEngine, BytesFlowInEachDirection) {
  struct Case {
    Behaviour behaviour;
    BulkDirections directions;
  };
  for (const auto& [behaviour, directions] : {Case{Behaviour::source, {.download = true, .upload = false}},
                                              Case{Behaviour::sink, {.download = false, .upload = true}},
                                              Case{Behaviour::source, {.download = true, .upload = true}},
                                              Case{Behaviour::echo, {.download = true, .upload = true}}}) {
    serve({.behaviour = behaviour});
    LoadSettings settings = load(LoadKind::bulk, Kind::tls);
    settings.directions = directions;
    settings.count = 10'000'000;
    const LoadResult result = run(settings);
    EXPECT_EQ(result.statistics.failed(), 0U);
    EXPECT_EQ(result.statistics.bytes_sent >= settings.count, directions.upload);
    EXPECT_EQ(result.statistics.bytes_received >= settings.count, directions.download);
  }
}

TEST_P(OnEngine, IdleConnectionsStayOrAreMissed) {
  serve({.behaviour = Behaviour::sink});
  LoadSettings settings = load(LoadKind::idle, Kind::tls);
  settings.connections = 200;
  settings.duration = std::chrono::milliseconds{20};
  const LoadResult held = run(settings);
  EXPECT_EQ(held.statistics.completed, 200U);
  EXPECT_EQ(held.statistics.dropped, 0U);

  serve({.behaviour = Behaviour::reply});  // which closes
  settings.targets = server_->addresses();
  settings.first_reply = 1;
  settings.duration = std::chrono::milliseconds{200};
  const LoadResult closed = run(settings);
  EXPECT_EQ(closed.statistics.completed, 200U);
  EXPECT_GT(closed.statistics.dropped, 0U);
}

TEST_P(OnEngine, SlowClientsAreServedBesideGoodOnes) {
  serve({.behaviour = Behaviour::reply});
  LoadSettings settings = load(LoadKind::slow, Kind::http);
  settings.slow_clients = 6;
  settings.interval = std::chrono::milliseconds{1};
  settings.rate = 200;
  settings.count = 100;
  const LoadResult result = run(settings);
  EXPECT_EQ(result.statistics.completed, 100U);
  EXPECT_EQ(result.statistics.failed(), 0U);
  EXPECT_GE(result.statistics.slow.opened, 6U);
  EXPECT_EQ(result.statistics.slow.cut_off, 0U);
}

TEST_P(OnEngine, ReportsSayWhatWasMeasured) {
  serve({.behaviour = Behaviour::reply});
  LoadSettings settings = load(LoadKind::connections, Kind::tls);
  settings.count = 64;
  const LoadResult result = run(settings);
  const auto json = nlohmann::ordered_json::parse(json_report(settings, result).dump());
  EXPECT_EQ(json["mode"], "connections");
  EXPECT_EQ(json["loop"], "closed");
  EXPECT_EQ(json["corrected_for_coordinated_omission"], false);
  EXPECT_EQ(json["engine"], to_string(GetParam()));
  EXPECT_EQ(json["completed"], 64);
  EXPECT_EQ(json["failed"], 0);
  EXPECT_TRUE(json["errors"].empty());
  EXPECT_EQ(json["latency"]["count"], 64);
  std::uint64_t in_buckets = 0;
  for (const auto& bucket : json["latency"]["buckets"]) in_buckets += bucket[1].get<std::uint64_t>();
  EXPECT_EQ(in_buckets, 64U);
  EXPECT_LE(json["latency"]["p50_us"], json["latency"]["p99_us"]);
  EXPECT_LE(json["latency"]["p99_us"], json["latency"]["max_us"]);
  EXPECT_THAT(human_report(settings, result), HasSubstr("not corrected for coordinated omission"));

  const std::array series{PlotSeries{"a <server>", &result.statistics.latency}};
  const std::string svg = svg_plot({.title = "t & t", .subtitle = "s", .footer = "f"}, series);
  EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
  EXPECT_THAT(svg, HasSubstr("t &amp; t"));
  EXPECT_THAT(svg, HasSubstr("a &lt;server&gt;"));
  EXPECT_THAT(svg, HasSubstr("99 %"));
  EXPECT_THAT(svg, testing::Not(HasSubstr("nan")));
  const std::string html = html_plot({.title = "t", .subtitle = "s", .footer = "f"}, series);
  EXPECT_THAT(html, HasSubstr("<svg "));
  EXPECT_THAT(html, testing::Not(HasSubstr("http://127")));
}

INSTANTIATE_TEST_SUITE_P(Load, OnEngine, testing::Values(Engine::io_uring, Engine::epoll),
                         [](const auto& parameter) { return std::string(to_string(parameter.param)); });

}  // namespace
}  // namespace portshare
