// When names are looked up again, in virtual time, and what comes of the answers.
#include "dispatch/name_refresher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <map>
#include <string>
#include <vector>

#include "dispatch/config_reader.h"
#include "tests/simulation/simulated_world.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;

class NameRefresherTest : public testing::Test {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }

  /// As the dispatcher does: what is not known is asked for at once.
  void adopt(const std::string& backends) {
    const ConfigResult read =
        read_config("listener.l = { bind = [\"*:9\"], default = \"b\" }\n" + backends, "f");
    for (const Diagnostic& diagnostic : read.diagnostics) {
      if (diagnostic.severity == Severity::error) ADD_FAILURE() << diagnostic.to_string();
    }
    for (const BackendConfig& backend : read.config->backends) {
      for (const ServerAddress& server : backend.servers) (void)addresses_of(server.host);
    }
    refresher_.adopt(*read.config);
  }
  std::vector<IpAddress> addresses_of(const std::string& host) {
    auto found = refresher_.addresses_of(
        host, [&](const std::string& name) -> std::expected<std::vector<IpAddress>, std::string> {
          ++blocking_lookups_;
          if (answers_[name].addresses.empty()) return std::unexpected(std::string("no such name"));
          return answers_[name].addresses;
        });
    return found ? *found : std::vector<IpAddress>{};
  }
  void answer(const std::string& host, const std::vector<std::string>& addresses, int lifetime = 0) {
    HostAddresses& answer = answers_[host];
    answer = {};
    for (const std::string& address : addresses) answer.addresses.push_back(*IpAddress::parse(address));
    if (lifetime != 0) answer.lifetime = seconds{lifetime};
  }
  void run_for(milliseconds time) {
    (void)world_.run_until([] { return false; }, time);
  }
  int lookups_within(milliseconds time) {
    const int before = lookups_;
    run_for(time);
    return lookups_ - before;
  }

  SimulatedWorld world_{1};
  std::map<std::string, HostAddresses> answers_;
  int lookups_ = 0;
  int blocking_lookups_ = 0;
  int changes_ = 0;
  bool answers_come_ = true;
  NameRefresher refresher_{
      world_.loop,
      [this](const std::string& host, const std::function<void(DnsResolver::Answer)>& done) {
        ++lookups_;
        if (!answers_come_) return;
        if (answers_[host].addresses.empty()) {
          done(std::unexpected(std::string("no such name")));
        } else {
          done(answers_[host]);
        }
      },
      [this] { ++changes_; }};
};

const std::string every_ten_seconds = R"(backend.b = { servers = ["a.example:1"], resolve = "10s" })";

TEST_F(NameRefresherTest, LooksUpAtTheInterval) {
  answer("a.example", {"192.0.2.1"});
  adopt(every_ten_seconds);
  EXPECT_EQ(blocking_lookups_, 1);
  EXPECT_EQ(lookups_within(milliseconds{9'990}), 0);
  EXPECT_EQ(lookups_within(seconds{1}), 1);
  EXPECT_EQ(lookups_within(seconds{60}), 6);
  EXPECT_EQ(changes_, 0) << "the answer is the same";
}

TEST_F(NameRefresherTest, AnAnswerThatIsValidForLessIsLookedUpSooner) {
  answer("a.example", {"192.0.2.1"}, 2);
  adopt(every_ten_seconds);
  run_for(milliseconds{10'100});
  EXPECT_EQ(lookups_, 1);
  EXPECT_EQ(lookups_within(seconds{10}), 5);
  answer("a.example", {"192.0.2.1"}, 3600);
  run_for(seconds{3});
  EXPECT_EQ(lookups_within(seconds{60}), 6) << "`resolve` says how old an answer may be at most";
}

TEST_F(NameRefresherTest, ChangesAreTold) {
  answer("a.example", {"192.0.2.1"});
  adopt(every_ten_seconds);
  answer("a.example", {"192.0.2.2", "192.0.2.3"});
  run_for(seconds{11});
  EXPECT_EQ(changes_, 1);
  EXPECT_THAT(addresses_of("a.example"),
              ElementsAre(*IpAddress::parse("192.0.2.2"), *IpAddress::parse("192.0.2.3")));
  EXPECT_EQ(blocking_lookups_, 1) << "a reload does not wait for what is known";
}

TEST_F(NameRefresherTest, AFailureKeepsTheAddresses) {
  answer("a.example", {"192.0.2.1"});
  adopt(every_ten_seconds);
  answer("a.example", {});
  run_for(minutes{1});
  EXPECT_GE(lookups_, 5);
  EXPECT_EQ(changes_, 0);
  EXPECT_THAT(addresses_of("a.example"), ElementsAre(*IpAddress::parse("192.0.2.1")));
  answer("a.example", {"192.0.2.9"});
  run_for(seconds{11});
  EXPECT_EQ(changes_, 1);
}

TEST_F(NameRefresherTest, ANameWithoutAddressesIsTriedSooner) {
  adopt(R"(backend.b = { servers = ["a.example:1"], resolve = "1h" })");
  EXPECT_FALSE(refresher_.known("a.example"));
  EXPECT_EQ(lookups_within(seconds{21}), 4);
  answer("a.example", {"192.0.2.1"});
  run_for(seconds{6});
  EXPECT_EQ(changes_, 1);
  EXPECT_TRUE(refresher_.known("a.example"));
  EXPECT_EQ(lookups_within(minutes{50}), 0);
}

TEST_F(NameRefresherTest, NeverMeansNever) {
  answer("a.example", {"192.0.2.1"});
  adopt(R"(backend.b = { servers = ["a.example:1"], resolve = "0s" })");
  EXPECT_EQ(lookups_within(minutes{100}), 0);
  (void)addresses_of("a.example");
  EXPECT_EQ(blocking_lookups_, 2) << "but a reload asks again";
}

TEST_F(NameRefresherTest, TheShortestIntervalOfANameCounts) {
  answer("a.example", {"192.0.2.1"});
  adopt(every_ten_seconds +
        "\nbackend.c = { servers = [\"a.example:2\"], resolve = \"4s\" }\n"
        "backend.d = { servers = [\"a.example:3\"], resolve = \"0s\" }\n");
  EXPECT_EQ(lookups_within(milliseconds{20'100}), 5);
}

TEST_F(NameRefresherTest, WithoutAnAnswerNobodyAsksTwice) {
  answer("a.example", {"192.0.2.1"});
  adopt(every_ten_seconds);
  answers_come_ = false;
  EXPECT_EQ(lookups_within(minutes{10}), 1);
}

TEST_F(NameRefresherTest, AReloadForgetsNamesThatAreGone) {
  answer("a.example", {"192.0.2.1"});
  answer("b.example", {"192.0.2.2"});
  adopt(every_ten_seconds);
  adopt(R"(backend.b = { servers = ["b.example:1"], resolve = "10s" })");
  EXPECT_FALSE(refresher_.known("a.example"));
  answer("a.example", {"192.0.2.3"});
  EXPECT_EQ(lookups_within(seconds{11}), 1);
  EXPECT_EQ(changes_, 0);
}

}  // namespace
}  // namespace portshare
