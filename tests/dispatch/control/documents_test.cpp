// What the admin socket and the monitor say about a program.
#include "dispatch/control/documents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "dispatch/control/metrics_text.h"
#include "tests/dispatch/control/fake_program.h"

namespace portshare {
namespace {

using nlohmann::json;
using std::chrono::microseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// Counts a connection of the listener "web" to "app" at one of the workers.
void count_one(FakeProgram& program, std::size_t worker, Outcome outcome) {
  Counters& counters = program.present.workers[worker].counters;
  ++counters.accepted[0];
  ++counters.closed[Counters::closed_key(0, 1)][std::to_underlying(outcome)];
  counters.backends[1].bytes_in += 10;
  counters.backends[1].bytes_out += 100;
  counters.connect.record(microseconds{30});
}

std::string metrics_of(const FakeProgram& program) {
  return metrics_text(program.present, program.registry, "1.2.3");
}

TEST(Metrics, AreAddedUpOverTheWorkers) {
  FakeProgram program;
  count_one(program, 0, Outcome::ok);
  count_one(program, 1, Outcome::ok);
  count_one(program, 1, Outcome::refused);
  ++program.present.workers[0].counters.accepted[0];  // one that is open
  EXPECT_THAT(
      metrics_of(program),
      AllOf(HasSubstr("\nportshare_connections_accepted_total{listener=\"web\"} 4\n"),
            HasSubstr("\nportshare_connections_active{listener=\"web\"} 1\n"),
            HasSubstr(
                "\nportshare_connections_closed_total{listener=\"web\",backend=\"app\",outcome=\"ok\"} 2\n"),
            HasSubstr("{listener=\"web\",backend=\"app\",outcome=\"refused\"} 1\n"),
            HasSubstr("\nportshare_bytes_total{backend=\"app\",direction=\"out\"} 300\n"),
            HasSubstr("\nportshare_connect_seconds_bucket{le=\"2.5e-05\"} 0\n"),
            HasSubstr("\nportshare_connect_seconds_bucket{le=\"5e-05\"} 3\n"),
            HasSubstr("\nportshare_connect_seconds_bucket{le=\"+Inf\"} 3\n"),
            HasSubstr("\nportshare_connect_seconds_sum 9e-05\n"),
            HasSubstr("\nportshare_connect_seconds_count 3\n"),
            HasSubstr("\nportshare_build_info{version=\"1.2.3\",engine=\"epoll\"} 1\n")));
}

TEST(Metrics, LabelsAreEscaped) {
  EXPECT_THAT(metrics_of(FakeProgram()), HasSubstr(R"({listener="a\"b\\c"} 0)"));
  std::string text;
  MetricsWriter writer(text);
  writer.family("a", "gauge", "two\nlines \\ \"");
  writer.sample(1, {{"l", "two\nlines"}});
  EXPECT_EQ(text, "# HELP a two\\nlines \\\\ \"\n# TYPE a gauge\na{l=\"two\\nlines\"} 1\n");
}

TEST(Metrics, ServersHaveTheirState) {
  FakeProgram program;
  program.present.backends[0].servers[0].state = ServerStatus::State::down;
  const std::string server = "{backend=\"app\",server=\"127.0.0.1:8001\"";
  EXPECT_THAT(metrics_of(program),
              AllOf(HasSubstr("\nportshare_server_up" + server + "} 0\n"),
                    HasSubstr("\nportshare_server_state" + server + ",state=\"down\"} 1\n"),
                    HasSubstr("\nportshare_server_state" + server + ",state=\"up\"} 0\n")));
}

TEST(Metrics, RoutesAreCountedByTheirPlace) {
  FakeProgram program;
  program.present.workers[1].counters.routes[1] = 7;
  EXPECT_THAT(metrics_of(program),
              AllOf(HasSubstr("\nportshare_route_decisions_total{route=\"f.toml:6\"} 0\n"),
                    HasSubstr("\nportshare_route_decisions_total{route=\"f.toml:9\"} 7\n")));
}

TEST(MetricRegistry, NumbersStayOverReloads) {
  MetricRegistry registry;
  const auto ids_with = [&](std::string_view listener) {
    const std::string text = "[listener." + std::string(listener) +
                             "]\nbind = [\"127.0.0.1:80\"]\n[[route]]\nreject = true\n[backend.unused" +
                             std::string(listener) + "]\nservers = [\"127.0.0.1:8001\"]\n";
    return registry.ids_for(*read_config(text, "f.toml").config);
  };
  const auto first = ids_with("a");
  const auto other = ids_with("b");
  const auto again = ids_with("a");
  EXPECT_NE(first->listeners, other->listeners);
  EXPECT_EQ(first->listeners, again->listeners);
  EXPECT_EQ(first->backends, again->backends);
  EXPECT_EQ(again->listener_count, 2U);
  EXPECT_THAT(registry.backends(), testing::ElementsAre("", "unuseda", "unusedb"));
}

TEST(Status, HasWhatAnOperatorAsksFirst) {
  FakeProgram program;
  count_one(program, 0, Outcome::refused);
  program.present.time += seconds{90};
  program.present.second_listeners.push_back(
      {.listener = "web", .address = "127.0.0.1:80", .holder = "thief, pid 1", .effect = "takes it all"});
  const json status = json::parse(status_document(program.present, program.registry, "1.2.3"));
  EXPECT_EQ(status["version"], "1.2.3");
  EXPECT_EQ(status["pid"], 4711);
  EXPECT_EQ(status["uptime_seconds"], 90.0);
  EXPECT_EQ(status["started"], "2027-01-15T08:00:00.000Z");
  EXPECT_EQ(status["config"]["file"], "f.toml");
  EXPECT_EQ(status["connections"]["closed"], json({{"refused", 1}}));
  EXPECT_EQ(status["listeners"][0]["accepted"], 1);
  EXPECT_EQ(status["backends"][0]["servers"][0]["state"], "up");
  EXPECT_EQ(status["second_listeners"][0]["holder"], "thief, pid 1");
  EXPECT_EQ(status["workers"].size(), 2U);
}

TEST(Status, SurvivesBytesThatAreNoText) {
  FakeProgram program;
  program.present.second_listeners.push_back(
      {.listener = "web", .address = "127.0.0.1:80", .holder = "\xff\xfe", .effect = ""});
  EXPECT_FALSE(
      json::parse(status_document(program.present, program.registry, "1"), nullptr, false).is_discarded());
}

TEST(Routes, AreSaidInWordsWithTheirDecisions) {
  FakeProgram program;
  program.present.workers[0].counters.routes[0] = 5;
  const json routes = json::parse(routes_document(program.present));
  EXPECT_EQ(routes["count"], 2);
  EXPECT_EQ(routes["routes"][0],
            json({{"route", "f.toml:6"},
                  {"listeners", json::array()},
                  {"matchers", "name one.example, two.example, three.example and 1 more"},
                  {"backend", "app"},
                  {"decisions", 5}}));
  EXPECT_EQ(routes["routes"][1]["backend"], nullptr);
  EXPECT_EQ(routes["routes"][1]["matchers"], "source 10.0.0.0/8, protocol tls");
}

TEST(Rates, AreDifferencesOverTime) {
  FakeProgram program;
  RateMeter meter;
  count_one(program, 0, Outcome::ok);
  EXPECT_FALSE(meter.take(program.present, seconds{10})) << "there is nothing to compare with yet";
  for (int i = 0; i < 4; ++i) count_one(program, 1, i == 0 ? Outcome::refused : Outcome::ok);
  count_one(program, 0, Outcome::no_route);
  const auto details = meter.take(program.present, seconds{12});
  ASSERT_TRUE(details);
  EXPECT_DOUBLE_EQ(details->sample.rates.accepted, 2.5);
  EXPECT_DOUBLE_EQ(details->sample.rates.closed, 2.5);
  EXPECT_DOUBLE_EQ(details->sample.rates.failed, 0.5);
  EXPECT_DOUBLE_EQ(details->sample.rates.refused, 0.5);
  EXPECT_DOUBLE_EQ(details->sample.rates.bytes_out, 250);
  EXPECT_DOUBLE_EQ(details->listeners[0].accepted, 2.5);
  EXPECT_DOUBLE_EQ(details->backends[1].bytes_in, 25);
  ASSERT_TRUE(details->sample.connect);
  EXPECT_LE(details->sample.connect->p99, microseconds{50});
  EXPECT_FALSE(details->sample.first_flight) << "there was none";

  const auto quiet = meter.take(program.present, seconds{13});
  EXPECT_DOUBLE_EQ(quiet->sample.rates.accepted, 0);
  const json sample = json::parse(sample_document(*details, program.present, program.registry, "1"));
  EXPECT_EQ(sample["failed_per_second"], 0.5);
  EXPECT_EQ(sample["backends"][0]["bytes_out_per_second"], 250.0);
}

TEST(Rates, OfManyBackendsTheBusiestAreShown) {
  FakeProgram program;
  std::string text = "[listener.l]\nbind = [\"127.0.0.1:80\"]\ndefault = \"b0\"\n";
  for (int i = 0; i < 200; ++i)
    text += "[backend.b" + std::to_string(i) + "]\nservers = [\"127.0.0.1:8001\"]\n";
  program.config = std::make_shared<const Config>(std::move(*read_config(text, "f.toml").config));
  program.present.config = program.config;
  program.present.ids = program.registry.ids_for(*program.config);
  RateMeter meter;
  (void)meter.take(program.present, seconds{1});
  Counters& counters = program.present.workers[0].counters;
  counters.make_room(*program.present.ids);
  counters.backends[program.present.ids->backends[150]].bytes_in = 1'000;
  const auto details = meter.take(program.present, seconds{2});
  const json sample = json::parse(sample_document(*details, program.present, program.registry, "1"));
  EXPECT_EQ(sample["backend_count"], 200);
  EXPECT_EQ(sample["backends"].size(), 50U);
  const auto is_150 = [](const json& backend) { return backend["name"] == "b150"; };
  EXPECT_TRUE(std::ranges::any_of(sample["backends"], is_150));
}

TEST(ConnectionFilter, MatchesAllThatIsGiven) {
  const ConnectionView view{.worker = 1,
                            .number = 17,
                            .listener = "web",
                            .backend = "app",
                            .server = "127.0.0.1:8001",
                            .name = "www.one.example",
                            .protocol = "tls",
                            .state = "relaying",
                            .client = IpEndpoint::parse("10.1.2.3:4000"),
                            .destination = std::nullopt};
  const auto matches = [&](std::vector<std::pair<std::string, std::string>> parameters) {
    const auto filter = ConnectionFilter::parse(parameters);
    EXPECT_TRUE(filter) << filter.error();
    return filter && filter->matches(view);
  };
  EXPECT_TRUE(matches({}));
  EXPECT_TRUE(matches({{"id", "1-17"}}));
  EXPECT_FALSE(matches({{"id", "1-1"}}));
  EXPECT_TRUE(matches({{"client", "10.0.0.0/8"}, {"name", "*.one.example"}, {"state", "relaying"}}));
  EXPECT_TRUE(matches({{"client", "10.1.2.3"}}));
  EXPECT_FALSE(matches({{"client", "10.1.2.4"}}));
  EXPECT_FALSE(matches({{"listener", "web"}, {"backend", "other"}}));
  EXPECT_FALSE(matches({{"name", "one.example"}}));
  EXPECT_FALSE(matches({{"name", "*.ww.one.example"}}));
  EXPECT_FALSE(matches({{"server", "127.0.0.1:8002"}}));
}

TEST(ConnectionFilter, ComparesNamesWithoutCasePortAndTrailingDot) {
  ConnectionView view;
  view.name = "www.one.example";
  for (const char* name : {"WWW.One.example", "www.one.example.", "www.one.example:8443", "*.ONE.example."}) {
    const auto filter = ConnectionFilter::parse({{"name", name}});
    ASSERT_TRUE(filter) << filter.error();
    EXPECT_TRUE(filter->matches(view)) << name;
  }
}

TEST(ConnectionFilter, RefusesWhatItDoesNotUnderstand) {
  EXPECT_THAT(ConnectionFilter::parse({{"clientt", "x"}}).error(), HasSubstr("no filter 'clientt'"));
  EXPECT_THAT(ConnectionFilter::parse({{"client", "x"}}).error(), HasSubstr("no address"));
  EXPECT_THAT(ConnectionFilter::parse({{"state", "sleeping"}}).error(),
              HasSubstr("'sleeping' is none of first_flight, connecting"));
  EXPECT_THAT(ConnectionFilter::parse({{"name", "two words"}}).error(), HasSubstr("no name"));
  EXPECT_THAT(ConnectionFilter::parse({{"all", "no"}}).error(), HasSubstr("no value"));
  EXPECT_THAT(ConnectionFilter::parse({{"limit", "-1"}}).error(), HasSubstr("limit"));
  EXPECT_THAT(ConnectionFilter::parse({{"limit", "1000000"}}).error(), HasSubstr("limit"));
}

}  // namespace
}  // namespace portshare
