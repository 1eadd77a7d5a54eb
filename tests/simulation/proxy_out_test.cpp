// What a session tells its servers in a PROXY header.
#include <string_view>
#include <vector>

#include "tests/core/client_hello_builder.h"
#include "tests/simulation/proxy_session.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Ending = PeerScript::Ending;

class ProxyOutTest : public ProxySession {};

std::string announced(const ScriptedClient& client) {
  const IpEndpoint source = *client.address();
  return "PROXY TCP4 " + source.address.to_string() + " 198.51.100.1 " + std::to_string(source.port) +
         " 443\r\n";
}

TEST_F(ProxyOutTest, AServerThatSpeaksFirstIsToldFirst) {
  for (const ProxyHeaderVersion version : {ProxyHeaderVersion::v1, ProxyHeaderVersion::v2}) {
    Config config = proxy_config(ProxyHeaderPolicy::off);
    go_by_address(config);
    config.backends[0].proxy_header = version;
    const ScriptedClient& client =
        make(std::move(config), {.send = welcome}).add_client({.send = "late", .send_after = welcome.size()});
    ASSERT_NO_FATAL_FAILURE(finish());
    const std::string& received = server_record(0, 0, 0).received;
    ProxyHeader header;
    ASSERT_EQ(read_proxy_header(as_bytes(received), header), Verdict::recognised);
    EXPECT_EQ(header.source, *client.address());
    EXPECT_EQ(header.destination, *front_address.ip);
    EXPECT_EQ(received.substr(header.length), "late");
    EXPECT_EQ(received.starts_with("PROXY "), version == ProxyHeaderVersion::v1);
    EXPECT_EQ(logged().bytes_in, 4U) << "the header is ours, not the client's";
  }
}

TEST_F(ProxyOutTest, Version2TellsTheNameAndTheOnlyProtocol) {
  using Protocols = std::vector<std::string_view>;
  for (const Protocols& offered : {Protocols{"h2"}, Protocols{"h2", "http/1.1"}, Protocols{}}) {
    Config config = proxy_config(ProxyHeaderPolicy::off);
    config.backends[0].proxy_header = ProxyHeaderVersion::v2;
    test::ClientHelloBuilder builder;
    builder.add_server_name("App0.example");
    if (offered.size() == 1) builder.add_alpn({offered[0]});
    if (offered.size() == 2) builder.add_alpn({offered[0], offered[1]});
    const std::string hello(as_text(test::in_records(builder.message())));
    make(std::move(config), {.send = welcome}).add_client({.send = hello});
    ASSERT_NO_FATAL_FAILURE(finish());
    const std::string& received = server_record(0, 0, 0).received;
    ProxyHeader header;
    ASSERT_EQ(read_proxy_header(as_bytes(received), header), Verdict::recognised);
    EXPECT_EQ(header.authority, "app0.example");
    EXPECT_EQ(as_text(header.alpn), offered.size() == 1 ? "h2" : "");
    EXPECT_EQ(received.substr(header.length), hello);
  }
}

TEST_F(ProxyOutTest, EachServerOfAKeptAliveClientIsToldOnce) {
  const auto get = [](const std::string& name) { return "GET / HTTP/1.1\r\nHost: " + name + "\r\n\r\n"; };
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  Config config = proxy_config(ProxyHeaderPolicy::off);
  for (BackendConfig& backend : config.backends) backend.proxy_header = ProxyHeaderVersion::v1;
  // One answer for each request that has come.
  PeerScript server{.ending = Ending::wait};
  server.react = [answered = std::size_t{0}, answer](const std::string& received) mutable {
    PeerScript::Reaction reaction;
    std::size_t requests = 0;
    for (std::size_t at = 0; (at = received.find("\r\n\r\n", at)) != std::string::npos; ++at) ++requests;
    for (; answered < requests; ++answered) reaction.send += answer;
    return reaction;
  };
  const std::string one = get("app0.example");
  const std::string two = get("app1.example");
  const ScriptedClient& client =
      make(std::move(config), server).add_client({.send = one + one + two + two + one});
  ASSERT_NO_FATAL_FAILURE(finish());
  const std::string header = announced(client);
  EXPECT_EQ(client.record().received.size(), 5 * answer.size());
  ASSERT_EQ(world_->server(0, 0).connections().size(), 2U);
  EXPECT_EQ(server_record(0, 0, 0).received, header + one + one);
  EXPECT_EQ(server_record(1, 0, 0).received, header + two + two);
  EXPECT_EQ(server_record(0, 0, 1).received, header + one);
}

TEST_F(ProxyOutTest, TheSilentBackendIsToldToo) {
  Config config = proxy_config(ProxyHeaderPolicy::accept);
  have_a_silent_backend(config);
  config.backends[0].proxy_header = ProxyHeaderVersion::v1;
  const ScriptedClient& client =
      make(std::move(config), {.send = welcome}).add_client({.send = ssh, .send_after = welcome.size()});
  ASSERT_NO_FATAL_FAILURE(finish());
  EXPECT_EQ(server_record(0, 0, 0).received, announced(client) + ssh);
}

TEST_F(ProxyOutTest, WhatTheProxySaidIsPassedOn) {
  for (const std::string& header : {v1_header, v2_header, unix_header}) {
    Config config = proxy_config(ProxyHeaderPolicy::require);
    config.backends[0].proxy_header = ProxyHeaderVersion::v1;
    make(std::move(config), {.send = welcome}).add_client({.send = header + ssh});
    ASSERT_NO_FATAL_FAILURE(finish());
    EXPECT_EQ(server_record(0, 0, 0).received,
              (header == unix_header ? "PROXY UNKNOWN\r\n" : v1_header) + ssh);
  }
}

/// Nothing that is sent is taken before it is read.
SimulatedFaults without_room() {
  SimulatedFaults faults = SimulatedFaults::none();
  faults.send_buffer = faults.receive_buffer = 8;
  return faults;
}

/// The first server takes connections, and no bytes.
DispatchWorld::ServerScripts first_server(const PeerScript& script) {
  return [script](std::size_t, std::size_t server, std::size_t) {
    return server == 0 ? script : PeerScript{.send = welcome};
  };
}

TEST_F(ProxyOutTest, AServerThatResetsInsteadOfListeningIsPassedOver) {
  const PeerScript resetting{.reads = false, .ending = Ending::wait, .patience = milliseconds{20}};
  for (const std::uint32_t retries : {1U, 0U}) {
    Config config = proxy_config(ProxyHeaderPolicy::off, 2);
    config.backends[0].proxy_header = ProxyHeaderVersion::v1;
    config.backends[0].retries = retries;
    const ScriptedClient& client =
        make(std::move(config), first_server(resetting), without_room()).add_client({.send = ssh});
    ASSERT_NO_FATAL_FAILURE(finish());
    if (retries == 1) {
      EXPECT_EQ(client.record().received, welcome);
      EXPECT_EQ(server_record(0, 1, 0).received, announced(client) + ssh);
      EXPECT_EQ(logged().outcome, Outcome::ok);
      EXPECT_EQ(logged().server, 1U);
    } else {
      EXPECT_EQ(client.record().receive_status, Status::reset);
      EXPECT_EQ(logged().outcome, Outcome::refused);
      EXPECT_LT(logged().connect, milliseconds{0});
    }
  }
}

TEST_F(ProxyOutTest, AServerThatDoesNotListenIsGivenUpAfterTheConnectTimeout) {
  const PeerScript deaf{.receive_delay = seconds{30}, .ending = Ending::wait, .patience = minutes{1}};
  for (const std::uint32_t retries : {1U, 0U}) {
    Config config = proxy_config(ProxyHeaderPolicy::off, 2);
    config.backends[0].proxy_header = ProxyHeaderVersion::v1;
    config.backends[0].connect_timeout = milliseconds{700};
    config.backends[0].retries = retries;
    const ScriptedClient& client =
        make(std::move(config), first_server(deaf), without_room()).add_client({.send = ssh});
    ASSERT_NO_FATAL_FAILURE(finish());
    EXPECT_EQ(server_record(0, 0, 0).end, PeerRecord::End::failed) << "part of a header is no header";
    EXPECT_EQ(client.record().received, retries == 1 ? welcome : "");
    EXPECT_EQ(logged().outcome, retries == 1 ? Outcome::ok : Outcome::connect_timeout);
    EXPECT_GE(logged().duration, milliseconds{700});
    EXPECT_LT(logged().duration, milliseconds{900});
  }
}

TEST_F(ProxyOutTest, AConnectThatComesTooLateDoesNotWaitForEver) {
  // It has succeeded in spite of its timeout, which is over; the server takes no byte.
  const PeerScript deaf{.receive_delay = seconds{30}, .ending = Ending::wait, .patience = minutes{1}};
  std::size_t late = 0;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Config config = proxy_config(ProxyHeaderPolicy::off);
    config.backends[0].proxy_header = ProxyHeaderVersion::v1;
    config.backends[0].connect_timeout = milliseconds{15};
    SimulatedFaults faults = without_room();
    faults.latency_min = faults.latency_max = milliseconds{10};
    faults.cancel_delay_max = milliseconds{10};
    faults.late_cancel = 1000;
    make(std::move(config), deaf, faults, seed).add_client({.send = ssh});
    ASSERT_NO_FATAL_FAILURE(finish());
    EXPECT_EQ(logged().outcome, Outcome::connect_timeout);
    EXPECT_LT(logged().duration, seconds{1});
    if (logged().duration > milliseconds{60}) ++late;
  }
  EXPECT_GT(late, 10U);
}

}  // namespace
}  // namespace portshare
