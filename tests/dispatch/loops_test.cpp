#include "dispatch/loops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/dispatch/config_text.h"

namespace portshare {
namespace {

using testing::ElementsAre;

Config config_of(std::string_view text) {
  auto result = read_config(text, "f");
  EXPECT_TRUE(result.config) << testing::PrintToString(faults_of(text));
  return std::move(*result.config);
}

SocketAddress at(std::string_view text) {
  return {.ip = IpEndpoint::parse(text), .unix_path = {}};
}

/// Three listeners in a row: a -> x -> b -> y -> c -> z.
const char* const row = R"(
listener.a = { bind = ["192.0.2.1:1"], default = "x" }
listener.b = { bind = ["0.0.0.0:2"], silent = "y", default = "idle" }
listener.c = { bind = ["[::]:3"] }
backend.x.servers = ["192.0.2.1:2"]
backend.y.servers = ["[2001:db8::1]:3"]
backend.z.servers = ["192.0.2.7:7"]
backend.idle.servers = ["192.0.2.8:8"]
[[route]]
listener = ["c"]
name = ["a.example"]
to = "z"
)";

class LoopFinderTest : public testing::Test {
 protected:
  LoopFinderTest() {
    for (std::uint32_t i = 0; i < 3; ++i) listening_.push_back({i, config_.listeners[i].bind[0]});
    for (const BackendConfig& backend : config_.backends) {
      servers_.push_back({*backend.servers[0].address});
      indices_[backend.name] = static_cast<std::uint32_t>(servers_.size() - 1);
    }
  }
  LoopFinder finder() {
    return {config_, listening_, servers_,
            [this](const IpAddress& address) { return std::ranges::find(local_, address) != local_.end(); }};
  }
  std::string circle(const std::string& backend, std::string_view server) {
    return finder().circle(indices_.at(backend), at(server)).value_or("none");
  }

  Config config_ = config_of(row);
  std::vector<ListenerAddress> listening_;
  std::vector<std::vector<SocketAddress>> servers_;
  std::map<std::string, std::uint32_t> indices_;
  std::vector<IpAddress> local_{*IpAddress::parse("192.0.2.1"), *IpAddress::parse("2001:db8::1")};
};

TEST_F(LoopFinderTest, KnowsWhatEachListenerLeadsTo) {
  EXPECT_THAT(config_.listeners[0].backends, ElementsAre(indices_["x"]));
  EXPECT_THAT(config_.listeners[1].backends, ElementsAre(indices_["y"], indices_["idle"]));
  EXPECT_THAT(config_.listeners[2].backends, ElementsAre(indices_["z"]));
}

TEST_F(LoopFinderTest, NamesTheShortestWayRound) {
  EXPECT_EQ(circle("x", "192.0.2.1:2"), "none") << "a row is no circle";
  EXPECT_EQ(circle("x", "192.0.2.1:1"), "listener 'a' -> backend 'x' -> listener 'a'");
  EXPECT_EQ(circle("idle", "192.0.2.1:2"), "listener 'b' -> backend 'idle' -> listener 'b'");
  EXPECT_EQ(
      circle("z", "192.0.2.1:1"),
      "listener 'c' -> backend 'z' -> listener 'a' -> backend 'x' -> listener 'b' -> backend 'y' -> listener "
      "'c'");
  servers_[indices_["x"]].push_back(at("[2001:db8::1]:3"));
  EXPECT_EQ(circle("z", "192.0.2.1:1"),
            "listener 'c' -> backend 'z' -> listener 'a' -> backend 'x' -> listener 'c'");
}

TEST_F(LoopFinderTest, AWildcardTakesTheAddressesOfThisHostAndOfItsFamily) {
  EXPECT_EQ(circle("y", "192.0.2.9:2"), "none") << "another host's";
  EXPECT_EQ(circle("y", "[2001:db8::1]:2"), "none") << "another family";
  EXPECT_EQ(circle("y", "192.0.2.1:2"), "listener 'b' -> backend 'y' -> listener 'b'");
}

TEST_F(LoopFinderTest, SuspectsAddressesThatMayBecomeThisHosts) {
  const auto suspects = [&](const std::string& backend, std::string_view server) {
    return finder().might_close_circle(indices_.at(backend), at(server));
  };
  EXPECT_TRUE(suspects("y", "192.0.2.9:2"));
  EXPECT_FALSE(suspects("y", "192.0.2.1:2")) << "known to be";
  EXPECT_FALSE(suspects("y", "192.0.2.9:1")) << "a listens on one address alone";
  EXPECT_FALSE(suspects("x", "192.0.2.9:2")) << "from b no way leads to x";
  EXPECT_FALSE(suspects("y", "[2001:db8::9]:2"));
}

TEST(Loops, MarksTheServersThatMayBeOurselves) {
  const Config config = config_of(R"(
listener.a = { bind = ["0.0.0.0:1"], default = "x" }
backend.x.servers = ["192.0.2.200:1", "192.0.2.200:2", "127.0.0.1:2", "127.0.0.1:65535", "unix:/run/x.sock"]
)");
  ServerRegistry registry(1);
  auto pool = ServerPool::resolve(config, {}, registry);
  ASSERT_TRUE(check_loops(config, {{0, at("0.0.0.0:1")}}, *pool));
  const std::vector<Server>& servers = pool->servers(0);
  EXPECT_TRUE(servers[0].may_be_ourselves);
  EXPECT_TRUE(servers[0].leads_back_if_local);
  for (const std::size_t other : {1U, 2U, 4U}) {
    EXPECT_FALSE(servers[other].may_be_ourselves) << other;
    EXPECT_FALSE(servers[other].leads_back_if_local) << other;
  }
  EXPECT_FALSE(servers[3].leads_back_if_local);
}

TEST(Loops, NamesThatAreLookedUpAreCheckedToo) {
  const Config config = config_of(
      "listener.a = { bind = [\"127.0.0.1:1\"], default = \"x\" }\nbackend.x.servers = [\"app.example:1\", "
      "\"[::1]:9\"]\n");
  ServerRegistry registry(1);
  const auto lookup = [](const std::string&) {
    return std::vector{*IpAddress::parse("192.0.2.3"), *IpAddress::parse("127.0.0.1")};
  };
  auto pool = ServerPool::resolve(config, lookup, registry);
  const auto checked = check_loops(config, {{0, at("127.0.0.1:1")}}, *pool);
  ASSERT_FALSE(checked);
  EXPECT_EQ(
      checked.error(),
      "f:2:22: error: 'servers': 'app.example:1' (127.0.0.1:1) leads back to portshare: listener 'a' -> "
      "backend 'x' -> listener 'a'");
}

}  // namespace
}  // namespace portshare
