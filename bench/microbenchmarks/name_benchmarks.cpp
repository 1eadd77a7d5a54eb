// Names among 10, 10,000 and a million: the table by itself, and the whole way from an SNI to a route.
#include <benchmark/benchmark.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/microbenchmarks/name_population.h"
#include "core/host_name.h"
#include "core/name_table.h"
#include "core/route_table.h"

namespace portshare::bench {
namespace {

enum class Wanted : std::uint8_t { exact, wildcard, miss };

/// Enough names that none is still in a cache when its turn comes again.
constexpr std::size_t key_count = std::size_t{1} << 20;
constexpr std::uint64_t seed = 0x5eed;

struct Keys {
  PackedTexts exact;
  PackedTexts wildcard;
  PackedTexts miss;

  explicit Keys(NamePopulation& population) {
    for (std::size_t i = 0; i < key_count; ++i) {
      exact.add(population.exact_hit());
      wildcard.add(population.wildcard_hit());
      miss.add(population.miss());
    }
  }
  [[nodiscard]] const PackedTexts& operator[](Wanted wanted) const {
    if (wanted == Wanted::exact) return exact;
    return wanted == Wanted::wildcard ? wildcard : miss;
  }
};

/// Everything is made once, when the first benchmark asks for it.
struct Names {
  explicit Names(std::size_t count) : population(count), keys(population) {}
  NamePopulation population;
  Keys keys;

  static const Names& with(std::size_t count) {
    static std::map<std::size_t, Names> all;
    return all.try_emplace(count, count).first->second;
  }
};

NameTable make_name_table(const NamePopulation& population) {
  NameTable table(population.size(), seed);
  for (std::size_t i = 0; i < population.size(); ++i) {
    const auto kind = NamePopulation::is_wildcard(i) ? NameTable::Kind::wildcard : NameTable::Kind::exact;
    table.insert(0, kind, population[i]) = static_cast<std::uint32_t>(i);
  }
  return table;
}

enum class Rules : std::uint8_t { a_few, one_per_name };

RouteTable make_route_table(const NamePopulation& population, Rules layout) {
  constexpr std::size_t backends = 10;
  std::vector<RouteRule> rules(layout == Rules::a_few ? backends : population.size());
  for (std::size_t i = 0; i < population.size(); ++i) {
    const auto kind = NamePopulation::is_wildcard(i) ? NameMatcher::Kind::wildcard : NameMatcher::Kind::exact;
    RouteRule& rule = rules[i % rules.size()];
    rule.backend = static_cast<std::uint32_t>(i % backends);
    rule.names.push_back({kind, population[i], nullptr});
  }
  return std::move(*RouteTable::build(rules, 1, seed));
}

const RouteTable& route_table_with(std::size_t count, Rules layout) {
  static std::map<std::pair<std::size_t, Rules>, RouteTable> all;
  const auto place = std::pair(count, layout);
  const auto found = all.find(place);
  if (found != all.end()) return found->second;
  return all.emplace(place, make_route_table(Names::with(count).population, layout)).first->second;
}

/// All but the name.
RouteQuery make_query() {
  return {.destination = IpEndpoint::parse("192.0.2.20:443"),
          .source = IpAddress::parse("198.51.100.7"),
          .protocol = Protocol::tls,
          .name = {},
          .name_source = NameSource::sni,
          .alpn = as_bytes("\x02h2\x08http/1.1")};
}

template <Wanted wanted>
void name_table(benchmark::State& state) {
  const Names& names = Names::with(static_cast<std::size_t>(state.range(0)));
  const PackedTexts& keys = names.keys[wanted];
  const NameTable table = make_name_table(names.population);
  std::size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    const HashedName name(keys[i], table.seed());
    const std::uint32_t value = table.find(0, NameTable::Kind::exact, name.whole());
    if ((value != NameTable::no_value) != (wanted == Wanted::exact)) state.SkipWithError("a wrong answer");
    if (++i == keys.size()) i = 0;
  }
}

/// As the session does it, the name being normalised already. With `dependent` a look-up can begin only when
/// the one before is complete, which shows how long one takes; without, the processor overlaps them.
template <Wanted wanted, Rules layout, bool dependent>
void route_find(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const PackedTexts& keys = Names::with(count).keys[wanted];
  const RouteTable& table = route_table_with(count, layout);
  std::size_t nothing = 0;
  benchmark::DoNotOptimize(nothing);  // that it is zero is nobody's knowledge but ours
  RouteQuery query = make_query();
  std::size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    query.name = keys[i];
    const Route* route = table.find(0, query);
    if ((route != nullptr) != (wanted != Wanted::miss)) state.SkipWithError("a wrong answer");
    std::uint32_t backend = route != nullptr ? route->backend : 0;
    benchmark::DoNotOptimize(backend);
    if (++i == keys.size()) i = 0;
    if constexpr (dependent) i += backend & nothing;
  }
}

/// With what comes before: the name as it stands in the ClientHello.
void sni_to_route(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const PackedTexts& keys = Names::with(count).keys[Wanted::exact];
  const RouteTable& table = route_table_with(count, Rules::a_few);
  RouteQuery query = make_query();
  std::size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    const auto name = HostName::from_server_name(keys[i]);
    query.name = name ? name->view() : std::string_view();
    const Route* route = table.find(0, query);
    if (route == nullptr) state.SkipWithError("a wrong answer");
    benchmark::DoNotOptimize(route);
    if (++i == keys.size()) i = 0;
  }
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(10)->Arg(10'000)->Arg(1'000'000);
}

BENCHMARK(name_table<Wanted::exact>)->Name("name_table/hit")->Apply(sizes);
BENCHMARK(name_table<Wanted::miss>)->Name("name_table/miss")->Apply(sizes);
BENCHMARK(route_find<Wanted::exact, Rules::a_few, false>)->Name("route_find/exact")->Apply(sizes);
BENCHMARK(route_find<Wanted::wildcard, Rules::a_few, false>)->Name("route_find/wildcard")->Apply(sizes);
BENCHMARK(route_find<Wanted::miss, Rules::a_few, false>)->Name("route_find/miss")->Apply(sizes);
BENCHMARK(route_find<Wanted::exact, Rules::a_few, true>)->Name("route_find/exact/dependent")->Apply(sizes);
BENCHMARK(route_find<Wanted::wildcard, Rules::a_few, true>)
    ->Name("route_find/wildcard/dependent")
    ->Apply(sizes);
BENCHMARK(route_find<Wanted::miss, Rules::a_few, true>)->Name("route_find/miss/dependent")->Apply(sizes);
BENCHMARK(route_find<Wanted::exact, Rules::one_per_name, false>)
    ->Name("route_find/rule_per_name")
    ->Apply(sizes);
BENCHMARK(route_find<Wanted::exact, Rules::one_per_name, true>)
    ->Name("route_find/rule_per_name/dependent")
    ->Apply(sizes);
BENCHMARK(sni_to_route)->Apply(sizes);

}  // namespace
}  // namespace portshare::bench
