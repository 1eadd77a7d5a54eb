#include <nlohmann/json.hpp>

#include "bench/first_bytes.h"
#include "bench/report.h"
#include "platform/engine.h"
#include "platform/process_usage.h"

namespace portshare {
namespace {

using Json = nlohmann::ordered_json;

constexpr double us_per_ns = 1e-3;

}  // namespace

Json json_of_histogram(const Histogram& histogram) {
  Json json;
  json["count"] = histogram.count();
  json["min_us"] = static_cast<double>(histogram.min()) * us_per_ns;
  json["mean_us"] = histogram.mean() * us_per_ns;
  for (const NamedQuantile& each : reported_quantiles)
    json[std::string(each.name) + "_us"] = static_cast<double>(histogram.quantile(each.share)) * us_per_ns;
  json["max_us"] = static_cast<double>(histogram.max()) * us_per_ns;
  Json buckets = Json::array();
  histogram.for_each_bucket([&](const Histogram::Bucket& bucket) {
    buckets.push_back(Json::array({static_cast<double>(bucket.highest_value) * us_per_ns, bucket.count}));
  });
  json["buckets"] = std::move(buckets);
  return json;
}

Json json_of_load(const LoadSettings& settings) {
  Json json;
  json["version"] = PORTSHARE_VERSION;
  json["machine"] = describe_machine();
  json["system"] = describe_system();
  json["mode"] = to_string(settings.kind);
  json["unit"] = unit_of(settings.kind);
  json["loop"] = settings.is_open_loop() ? "open" : "closed";
  json["corrected_for_coordinated_omission"] = settings.is_open_loop();
  if (settings.is_open_loop()) json["rate"] = settings.rate;
  json["connections"] = settings.connections;
  json["threads"] = settings.threads;
  json["engine"] = to_string(settings.engine);
  json["first_bytes"] = FirstBytes(settings.first_bytes).describe();
  json["description"] = describe_load(settings);
  return json;
}

Json json_of_result(const LoadSettings& settings, const LoadResult& result) {
  const Statistics& statistics = result.statistics;
  const double seconds = as_seconds(result.elapsed);
  const double units = result.units(settings.kind);
  Json json;
  json["seconds"] = seconds;
  json["completed"] = statistics.completed;
  json["per_second"] = seconds > 0 ? units / seconds : 0;
  json["failed"] = statistics.failed();
  Json errors = Json::object();
  for (std::size_t i = 0; i < error_kind_count; ++i)
    if (statistics.errors[i] != 0)
      errors[to_string(ErrorKind{static_cast<std::uint8_t>(i)})] = statistics.errors[i];
  json["errors"] = std::move(errors);
  json["not_started"] = result.overdue;
  json["bytes_sent"] = statistics.bytes_sent;
  json["bytes_received"] = statistics.bytes_received;
  json["interrupted"] = result.was_interrupted;
  json["generator_cpu_us_per_unit"] = generator_cpu_per_unit(settings, result) * us_per_ns;
  json["generator_cpu_seconds"] = as_seconds(result.generator_cpu);
  if (result.server_cpu) {
    json["server_cpu_us_per_unit"] = server_cpu_per_unit(settings, result) * us_per_ns;
    json["server_cpu_seconds"] = as_seconds(*result.server_cpu);
  }
  json["other_cpu_seconds"] = as_seconds(result.other_cpu);
  if (settings.kind == LoadKind::idle) json["dropped"] = statistics.dropped;
  if (result.server_memory) {
    json["server_memory_before_bytes"] = *result.server_memory_before;
    json["server_memory_bytes"] = *result.server_memory;
    json["server_memory_bytes_per_connection"] = server_memory_per_connection(result);
  }
  if (settings.kind == LoadKind::slow) {
    const SlowClients& slow = statistics.slow;
    json["slow_clients"] = {{"opened", slow.opened},
                            {"answered", slow.answered},
                            {"cut_off", slow.cut_off},
                            {"failed", slow.failed}};
  }
  json["latency"] = json_of_histogram(statistics.latency);
  json["connect"] = json_of_histogram(statistics.connect);
  if (settings.is_open_loop()) json["start_delay"] = json_of_histogram(statistics.start_delay);
  return json;
}

Json json_report(const LoadSettings& settings, const LoadResult& result) {
  Json json = json_of_load(settings);
  Json targets = Json::array();
  for (const SocketAddress& target : settings.targets) targets.push_back(target.to_string());
  json["targets"] = std::move(targets);
  json.update(json_of_result(settings, result));
  return json;
}

}  // namespace portshare
