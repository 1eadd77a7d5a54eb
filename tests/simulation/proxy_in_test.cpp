// What a session makes of the PROXY header that a proxy in front of it sends, or does not.
#include <functional>
#include <optional>

#include "tests/simulation/proxy_session.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using Ending = PeerScript::Ending;

const std::string client_v4 = "192.0.2.1:4660";
const std::string client_v6 = "[2001:db8::1]:4660";
// Longer than the first flight may be.
const std::string long_header =
    test::version_2(0x21, 0x21, test::ipv6_block() + test::type_length_value(0x04, std::string(2'000, 'x')));
const std::string local_header = test::version_2(0x20, 0x00, "");
const std::string propfind = "PROPFIND / HTTP/1.1\r\nHost: app0.example\r\n\r\n";  // begins like PROXY

void trust_nobody_here(Config& config) {
  config.listeners[0].trusted = {*IpPrefix::parse("10.0.0.0/8")};
}
void take_anything(Config& config) {
  config.listeners[0].protocols = {Protocol::any};
  config.listeners[0].default_backend = 0;
}

class ProxyInTest : public ProxySession {};

TEST_F(ProxyInTest, AHeaderIsReadHoweverItArrives) {
  const PeerScript server{.send = welcome, .send_after = ssh.size()};
  for (const ProxyHeaderPolicy policy : {ProxyHeaderPolicy::accept, ProxyHeaderPolicy::require}) {
    for (const std::string& header : {v1_header, v2_header, long_header}) {
      for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(testing::PrintToString(header) + " seed " + std::to_string(seed));
        // Byte by byte, in pieces of all sizes, and as one.
        const std::size_t chunk_max = seed == 1 ? 1 : seed % 2 == 0 ? 100'000 : 1 + seed;
        SimulatedFaults faults = SimulatedFaults::none();
        faults.partial_send = faults.partial_receive = seed == 1 ? 0 : 300;
        make(proxy_config(policy), server, faults, seed)
            .add_client({.send = header + ssh, .chunk_max = chunk_max});
        ASSERT_NO_FATAL_FAILURE(finish());
        ASSERT_EQ(server_record(0, 0, 0).received, ssh);
        EXPECT_EQ(world_->clients()[0].record().received, welcome);
        ASSERT_TRUE(logged().has_client && logged().has_destination);
        EXPECT_EQ(logged().client.to_string(), header == long_header ? client_v6 : client_v4);
        EXPECT_EQ(logged().destination.to_string(),
                  header == long_header ? "[2001:db8::2]:443" : "198.51.100.2:443");
        EXPECT_EQ(logged().bytes_in, ssh.size()) << "the header is the proxy's";
        EXPECT_EQ(logged().outcome, Outcome::ok);
        EXPECT_EQ(logged().protocol, Protocol::ssh);
      }
    }
  }
}

TEST_F(ProxyInTest, WithoutAHeaderTheFirstFlightIsWhole) {
  const PeerScript server{.send = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                          .send_after = propfind.size()};
  for (std::size_t chunk_max = 1; chunk_max < propfind.size(); ++chunk_max) {
    make(proxy_config(ProxyHeaderPolicy::accept), server, SimulatedFaults::none(), chunk_max)
        .add_client({.send = propfind, .chunk_max = chunk_max});
    ASSERT_NO_FATAL_FAILURE(finish());
    ASSERT_EQ(server_record(0, 0, 0).received, propfind);
    EXPECT_EQ(logged().client, *world_->clients()[0].address());
    EXPECT_EQ(logged().bytes_in, propfind.size());
    EXPECT_EQ(logged().protocol, Protocol::http);
  }
}

TEST_F(ProxyInTest, RulesSeeTheClientAndNotTheProxy) {
  for (const std::string& header : {v1_header, long_header}) {
    Config config = proxy_config(ProxyHeaderPolicy::require);
    RouteRule by_source;
    by_source.sources = {*IpPrefix::parse("192.0.2.0/24")};
    by_source.backend = 1;
    RouteRule by_destination;
    by_destination.destinations = {{*IpPrefix::parse("2001:db8::2"), 443}};
    by_destination.backend = 1;
    config.rules = {by_source, by_destination};
    build_routes(config);
    config.listeners[0].deny = {*IpPrefix::parse("127.0.0.0/8")};  // where the proxy is
    make(std::move(config), {.send = welcome}).add_client({.send = header + ssh});
    ASSERT_NO_FATAL_FAILURE(finish());
    EXPECT_EQ(logged().backend, 1U);
    EXPECT_EQ(logged().outcome, Outcome::ok);
  }
}

TEST_F(ProxyInTest, AHeaderWithoutAddressesLeavesTheRealOnes) {
  for (const std::string& header : {local_header, std::string("PROXY UNKNOWN 192.0.2.1 and more\r\n")}) {
    make(proxy_config(ProxyHeaderPolicy::require), {.send = welcome}).add_client({.send = header + ssh});
    ASSERT_NO_FATAL_FAILURE(finish());
    EXPECT_EQ(server_record(0, 0, 0).received, ssh);
    EXPECT_EQ(logged().client, *world_->clients()[0].address());
    EXPECT_EQ(logged().destination.to_string(), front_address.to_string());
  }
}

TEST_F(ProxyInTest, AClientOfAUnixSocketHasNoAddress) {
  make(proxy_config(ProxyHeaderPolicy::require), {.send = welcome}).add_client({.send = unix_header + ssh});
  ASSERT_NO_FATAL_FAILURE(finish());
  EXPECT_EQ(server_record(0, 0, 0).received, ssh);
  EXPECT_FALSE(logged().has_client);
  EXPECT_FALSE(logged().has_destination);
}

TEST_F(ProxyInTest, WithoutProtocolsTheHeaderComesFirstAllTheSame) {
  // The server speaks first, so the client says nothing but its proxy's header.
  Config config = proxy_config(ProxyHeaderPolicy::require);
  go_by_address(config);
  make(std::move(config), {.send = welcome})
      .add_client({.send = v2_header, .chunk_max = 3, .ending = Ending::wait});
  ASSERT_NO_FATAL_FAILURE(finish());
  EXPECT_EQ(world_->clients()[0].record().received, welcome);
  EXPECT_EQ(server_record(0, 0, 0).received, "");
  EXPECT_EQ(logged().client.to_string(), client_v4);
}

TEST_F(ProxyInTest, DrippingBytesDoNotExtendTheTimeForHeaderAndFirstFlight) {
  DispatchWorld& dispatch = make(proxy_config(ProxyHeaderPolicy::require), {.send = welcome});
  const ScriptedClient& client = dispatch.add_client({.send = v1_header + "GET /" + std::string(500, 'x'),
                                                      .chunk_max = 1,
                                                      .send_pause_max = milliseconds{100},
                                                      .ending = Ending::wait});
  EXPECT_FALSE(dispatch.run_until([&] { return !client.record().received.empty(); }, milliseconds{4'990}));
  EXPECT_TRUE(dispatch.run_until([&] { return !client.record().received.empty(); }, milliseconds{100}));
  EXPECT_TRUE(client.record().received.starts_with("HTTP/1.1 408 "));
  ASSERT_NO_FATAL_FAILURE(finish());
  EXPECT_EQ(logged().outcome, Outcome::timeout);
  EXPECT_EQ(logged().client.to_string(), client_v4);
}

/// What a client sends, and what becomes of it.
struct Row {
  std::string name;
  ProxyHeaderPolicy policy;
  std::string sends;
  Outcome outcome;
  std::optional<std::string> server_receives = {};  ///< none: no server is asked
  std::function<void(Config&)> configure = [](Config&) {};
  Ending ending = Ending::wait;
  std::string client_receives = {};  ///< its beginning; without a server, of a refusal
  bool reset = false;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

class ProxyInRows : public ProxyInTest, public testing::WithParamInterface<Row> {};

TEST_P(ProxyInRows, BytesAndEndAndOutcome) {
  const Row& row = GetParam();
  Config config = proxy_config(row.policy);
  row.configure(config);
  const ScriptedClient& client =
      make(std::move(config), {.send = welcome}).add_client({.send = row.sends, .ending = row.ending});
  ASSERT_NO_FATAL_FAILURE(finish());
  if (row.server_receives) {
    ASSERT_EQ(world_->server(0, 0).connections().size(), 1U);
    EXPECT_EQ(server_record(0, 0, 0).received, *row.server_receives);
    EXPECT_EQ(client.record().received, welcome);
  } else {
    EXPECT_TRUE(world_->server(0, 0).connections().empty());
    EXPECT_EQ(client.record().received.substr(0, 13), row.client_receives);
    EXPECT_EQ(client.record().receive_status, row.reset ? Status::reset : Status::ok);
  }
  ASSERT_EQ(world_->logged().size(), 1U);
  EXPECT_EQ(to_string(logged().outcome), to_string(row.outcome));
}

constexpr auto accept = ProxyHeaderPolicy::accept;
constexpr auto require = ProxyHeaderPolicy::require;
const std::string bad_header = "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n";
const auto name_of_row = [](const auto& row) { return row.param.name; };

INSTANTIATE_TEST_SUITE_P(
    Required, ProxyInRows,
    testing::Values(Row{"no_header", require, ssh, Outcome::malformed},
                    Row{"nearly_one", require, propfind, Outcome::malformed},
                    Row{"malformed", require, bad_header + ssh, Outcome::malformed},
                    Row{.name = "untrusted",
                        .policy = require,
                        .sends = v1_header + ssh,
                        .outcome = Outcome::denied,
                        .configure = trust_nobody_here,
                        .reset = true},
                    Row{.name = "denied_behind_the_proxy",
                        .policy = require,
                        .sends = v1_header + ssh,
                        .outcome = Outcome::denied,
                        .configure =
                            [](Config& config) {
                              config.listeners[0].deny = {*IpPrefix::parse("192.0.2.0/24")};
                            },
                        .reset = true},
                    Row{.name = "silence",
                        .policy = require,
                        .sends = "",
                        .outcome = Outcome::timeout,
                        .configure = have_a_silent_backend},
                    Row{.name = "silence_by_address",
                        .policy = require,
                        .sends = "",
                        .outcome = Outcome::timeout,
                        .configure = go_by_address},
                    Row{"half_a_header", require, v2_header.substr(0, 20), Outcome::timeout},
                    Row{.name = "silence_after_the_header",
                        .policy = require,
                        .sends = v2_header,
                        .outcome = Outcome::ok,
                        .server_receives = "",
                        .configure = have_a_silent_backend},
                    Row{.name = "a_look_at_the_port",
                        .policy = require,
                        .sends = "",
                        .outcome = Outcome::ok,
                        .ending = Ending::half_close},
                    Row{.name = "an_end_in_the_header",
                        .policy = require,
                        .sends = "PRO",
                        .outcome = Outcome::malformed,
                        .configure = go_by_address,
                        .ending = Ending::half_close},
                    Row{.name = "refused_in_the_language_of_the_client",
                        .policy = require,
                        .sends = v1_header + "GET / HTTP/1.1\r\n\r\n",
                        .outcome = Outcome::malformed,
                        .client_receives = "HTTP/1.1 400 "}),
    name_of_row);

INSTANTIATE_TEST_SUITE_P(
    Accepted, ProxyInRows,
    testing::Values(Row{"malformed", accept, bad_header + ssh, Outcome::malformed},
                    Row{.name = "malformed_where_anything_goes",
                        .policy = accept,
                        .sends = bad_header + ssh,
                        .outcome = Outcome::malformed,
                        .configure = take_anything},
                    Row{"half_a_header", accept, v1_header.substr(0, 20), Outcome::timeout},
                    Row{.name = "untrusted_is_a_first_flight",
                        .policy = accept,
                        .sends = v1_header + ssh,
                        .outcome = Outcome::ok,
                        .server_receives = v1_header + ssh,
                        .configure =
                            [](Config& config) {
                              trust_nobody_here(config);
                              take_anything(config);
                            },
                        .ending = Ending::half_close},
                    Row{.name = "untrusted_is_no_http",
                        .policy = accept,
                        .sends = v1_header + propfind,
                        .outcome = Outcome::malformed,
                        .configure = trust_nobody_here,
                        .client_receives = "HTTP/1.1 400 "},
                    Row{.name = "silence_with_a_silent_backend",
                        .policy = accept,
                        .sends = "",
                        .outcome = Outcome::ok,
                        .server_receives = "",
                        .configure = have_a_silent_backend},
                    Row{.name = "silence_by_address",
                        .policy = accept,
                        .sends = "",
                        .outcome = Outcome::ok,
                        .server_receives = "",
                        .configure = go_by_address},
                    Row{"silence", accept, "", Outcome::timeout},
                    Row{.name = "silence_from_a_denied_source",
                        .policy = accept,
                        .sends = "",
                        .outcome = Outcome::denied,
                        .configure =
                            [](Config& config) {
                              have_a_silent_backend(config);
                              config.listeners[0].deny = {*IpPrefix::parse("127.0.0.0/8")};
                            },
                        .reset = true},
                    Row{.name = "no_header_by_address",
                        .policy = accept,
                        .sends = propfind,
                        .outcome = Outcome::ok,
                        .server_receives = propfind,
                        .configure = go_by_address,
                        .ending = Ending::half_close},
                    Row{.name = "all_of_a_short_message_by_address",
                        .policy = accept,
                        .sends = "PR",
                        .outcome = Outcome::ok,
                        .server_receives = "PR",
                        .configure = go_by_address,
                        .ending = Ending::half_close},
                    Row{.name = "an_end_at_once_by_address",
                        .policy = accept,
                        .sends = "",
                        .outcome = Outcome::ok,
                        .server_receives = "",
                        .configure = go_by_address,
                        .ending = Ending::half_close},
                    Row{.name = "an_end_in_the_first_flight",
                        .policy = accept,
                        .sends = "PR",
                        .outcome = Outcome::malformed,
                        .ending = Ending::half_close,
                        .client_receives = "HTTP/1.1 400 "},
                    Row{.name = "an_end_in_the_header",
                        .policy = accept,
                        .sends = v1_header.substr(0, 6),
                        .outcome = Outcome::malformed,
                        .configure = go_by_address,
                        .ending = Ending::half_close}),
    name_of_row);

}  // namespace
}  // namespace portshare
