#include "bench/load_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/program_options/parsers.hpp>
#include <fstream>

namespace portshare {
namespace {

namespace po = boost::program_options;
using testing::ElementsAre;
using testing::HasSubstr;

std::expected<LoadSettings, std::string> read(LoadKind kind, std::vector<std::string> arguments,
                                              std::vector<std::string> targets = {"127.0.0.1:443"}) {
  po::options_description options;
  add_load_options(kind, options);
  add_engine_option(options);
  po::variables_map values;
  po::store(po::command_line_parser(arguments).options(options).run(), values);
  return read_load_settings(kind, values, targets);
}

std::string error_of(LoadKind kind, std::vector<std::string> arguments) {
  const auto settings = read(kind, std::move(arguments));
  return settings ? "" : settings.error();
}

TEST(LoadOptions, HaveDefaultsForEveryMode) {
  for (const LoadKind kind : {LoadKind::connections, LoadKind::ping_pong, LoadKind::bulk, LoadKind::idle}) {
    const auto settings = read(kind, {});
    ASSERT_TRUE(settings) << settings.error();
    EXPECT_EQ(settings->kind, kind);
    EXPECT_EQ(settings->duration, std::chrono::seconds{10});
    EXPECT_FALSE(settings->is_open_loop());
    EXPECT_EQ(settings->threads, 1U);
  }
  const auto slow = read(LoadKind::slow, {"--tls"});
  ASSERT_TRUE(slow) << slow.error();
  EXPECT_TRUE(slow->is_open_loop());
}

TEST(LoadOptions, AreRead) {
  const auto settings = read(LoadKind::connections,
                             {"--post-quantum",
                              "--name",
                              "a.example",
                              "--name",
                              "b.example",
                              "--in-turn",
                              "-c",
                              "100",
                              "-t",
                              "3",
                              "--rate",
                              "5k",
                              "--arrivals",
                              "poisson",
                              "-d",
                              "500ms",
                              "--warm-up",
                              "1s",
                              "--until",
                              "4096",
                              "--close",
                              "reset",
                              "--seed",
                              "9",
                              "--timeout",
                              "2s",
                              "--engine",
                              "epoll"},
                             {"192.0.2.1:1", "[2001:db8::1]:2", "unix:/run/x.sock"});
  ASSERT_TRUE(settings) << settings.error();
  EXPECT_EQ(settings->first_bytes.kind, FirstBytesSettings::Kind::tls);
  EXPECT_EQ(settings->first_bytes.hello_style, HelloStyle::post_quantum);
  EXPECT_THAT(settings->first_bytes.names, ElementsAre("a.example", "b.example"));
  EXPECT_TRUE(settings->first_bytes.names_in_turn);
  EXPECT_EQ(settings->connections, 100U);
  EXPECT_EQ(settings->threads, 3U);
  EXPECT_EQ(settings->rate, 5000);
  EXPECT_EQ(settings->arrivals, Arrivals::poisson);
  EXPECT_EQ(settings->duration, std::chrono::milliseconds{500});
  EXPECT_EQ(settings->warm_up, std::chrono::seconds{1});
  EXPECT_EQ(settings->until.kind, ReplyEnd::Kind::bytes);
  EXPECT_EQ(settings->until.bytes, 4096U);
  EXPECT_EQ(settings->close_mode, CloseMode::reset);
  EXPECT_EQ(settings->seed, 9U);
  EXPECT_EQ(settings->timeout, std::chrono::seconds{2});
  EXPECT_EQ(settings->engine, Engine::epoll);
  ASSERT_EQ(settings->targets.size(), 3U);
  EXPECT_EQ(settings->targets[1].to_string(), "[2001:db8::1]:2");
  EXPECT_EQ(settings->targets[2].to_string(), "unix:/run/x.sock");
}

TEST(LoadOptions, ACountAloneIsNoTimeLimit) {
  const auto alone = read(LoadKind::connections, {"-n", "10"});
  ASSERT_TRUE(alone);
  EXPECT_EQ(alone->count, 10U);
  EXPECT_EQ(alone->duration, nanoseconds{});
  const auto both = read(LoadKind::connections, {"-n", "10", "-d", "1s"});
  ASSERT_TRUE(both);
  EXPECT_EQ(both->duration, std::chrono::seconds{1});
  const auto bytes = read(LoadKind::bulk, {"--bytes", "1MB"});
  ASSERT_TRUE(bytes);
  EXPECT_EQ(bytes->count, 1'000'000U);
  EXPECT_EQ(bytes->duration, std::chrono::seconds{10});
}

TEST(LoadOptions, NoMoreThreadsThanConnections) {
  const auto settings = read(LoadKind::connections, {"-t", "8", "-c", "2"});
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->threads, 2U);
}

TEST(LoadOptions, FaultsAreExplained) {
  constexpr LoadKind kind = LoadKind::connections;
  EXPECT_THAT(error_of(kind, {"--duration", "soon"}), HasSubstr("--duration: 'soon' is not a duration"));
  EXPECT_THAT(error_of(kind, {"--duration", "0s"}), HasSubstr("--duration"));
  EXPECT_THAT(error_of(kind, {"-c", "0"}), HasSubstr("--connections"));
  EXPECT_THAT(error_of(kind, {"--rate", "0"}), HasSubstr("--rate"));
  EXPECT_THAT(error_of(kind, {"--arrivals", "poison"}), HasSubstr("did you mean 'poisson'?"));
  EXPECT_THAT(error_of(kind, {"--engine", "epol"}), HasSubstr("did you mean 'epoll'?"));
  EXPECT_THAT(error_of(kind, {"--tls", "--http"}), HasSubstr("exclude each other"));
  EXPECT_THAT(error_of(kind, {"--name", "a.example"}), HasSubstr("needs --tls or --http"));
  EXPECT_THAT(error_of(kind, {"--names", "/nowhere", "--tls"}), HasSubstr("cannot read /nowhere"));
  EXPECT_THAT(error_of(kind, {"--until", "0"}), HasSubstr("--until"));
  EXPECT_THAT(error_of(kind, {"--count", "5", "--warm-up", "1s"}), HasSubstr("exclude each other"));
  EXPECT_THAT(error_of(kind, {"--tls", "--name", std::string(254, 'x')}), HasSubstr("253"));
  EXPECT_THAT(error_of(LoadKind::slow, {}), HasSubstr("need first bytes"));
  EXPECT_THAT(error_of(LoadKind::bulk, {"--direction", "up"}), HasSubstr("--direction"));
  EXPECT_FALSE(read(kind, {}, {}));
}

TEST(LoadOptions, NamesComeFromAFile) {
  const std::string path = testing::TempDir() + "portshare-bench-names";
  std::ofstream(path) << "# names\na.example\r\n\nb.example\n";
  const auto settings = read(LoadKind::connections, {"--tls", "--names", path, "--name", "c.example"});
  ASSERT_TRUE(settings) << settings.error();
  EXPECT_THAT(settings->first_bytes.names, ElementsAre("c.example", "a.example", "b.example"));
}

}  // namespace
}  // namespace portshare
