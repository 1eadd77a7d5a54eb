// What the tests of the PROXY protocol share.
#pragma once

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "tests/core/proxy_header_vectors.h"
#include "tests/simulation/dispatch_world.h"

namespace portshare {

/// From 192.0.2.1:4660 to 198.51.100.2:443, in both versions.
inline const std::string v1_header = "PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n";
inline const std::string v2_header = test::version_2(0x21, 0x11, test::ipv4_block());
/// From a client that came over a unix socket of its proxy.
inline const std::string unix_header = test::version_2(0x21, 0x31, std::string(216, '\0'));
inline const std::string ssh = "SSH-2.0-client\r\n";
inline const std::string welcome = "SSH-2.0-server\r\n";

inline void go_by_address(Config& config) {
  config.listeners[0].protocols = {};
  config.listeners[0].default_backend = 0;
}
inline void have_a_silent_backend(Config& config) {
  config.listeners[0].silent_backend = 0;
}

/// A listener with this policy in front of two backends.
inline Config proxy_config(ProxyHeaderPolicy policy, std::size_t servers = 1) {
  Config config = dispatch_config(2, servers);
  config.listeners[0].proxy_header = policy;
  config.listeners[0].first_flight_limit = 1'024;
  return config;
}

class ProxySession : public testing::Test {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }

  DispatchWorld& make(Config config, const DispatchWorld::ServerScripts& scripts,
                      const SimulatedFaults& faults = SimulatedFaults::none(), std::uint64_t seed = 1) {
    world_ = std::make_unique<DispatchWorld>(seed, faults, std::move(config), scripts);
    return *world_;
  }
  /// Each server says this, whoever comes.
  DispatchWorld& make(Config config, const PeerScript& server,
                      const SimulatedFaults& faults = SimulatedFaults::none(), std::uint64_t seed = 1) {
    return make(
        std::move(config), [server](std::size_t, std::size_t, std::size_t) { return server; }, faults, seed);
  }
  void finish() {
    ASSERT_TRUE(
        world_->run_until([&] { return std::ranges::all_of(world_->clients(), &ScriptedClient::is_done); },
                          std::chrono::minutes{5}));
    ASSERT_TRUE(world_->stop(std::chrono::minutes{1}));
    EXPECT_TRUE(world_->world().is_clean());
  }
  const PeerRecord& server_record(std::size_t backend, std::size_t server, std::size_t connection) {
    return world_->server(backend, server).connections().at(connection)->record();
  }
  const AccessRecord& logged() { return world_->logged().at(0).record; }

  std::unique_ptr<DispatchWorld> world_;
};

}  // namespace portshare
