// The table "What a client sees", row by row: the bytes, the way in which the connection ends, and the line
// in the access log.
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <functional>
#include <ostream>
#include <string>
#include <utility>

#include "core/byte_view.h"
#include "tests/core/client_hello_builder.h"
#include "tests/core/h2_builder.h"
#include "tests/simulation/dispatch_world.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

std::string client_hello(const std::string& name) {
  test::ClientHelloBuilder builder;
  builder.add_server_name(name).add_alpn({"h2", "http/1.1"});
  return std::string(as_text(test::in_records(builder.message())));
}

std::string request(const std::string& name) {
  return "GET / HTTP/1.1\r\nHost: " + name + "\r\n\r\n";
}

std::string http2_request(const std::string& name, const std::string& value = "") {
  auto fields = test::get_fields(name);
  fields.emplace_back("x", value);
  return test::h2_start() + test::h2_headers(1, test::hpack_block(fields));
}

/// The settings of a server, and the answer on the first stream.
std::string http2_status(const std::string& status) {
  return test::h2_settings() + test::h2_headers(1, "\x08\x03" + status);
}

/// A fatal alert in a record of its own.
std::string alert(char description) {
  return {'\x15', '\x03', '\x01', '\x00', '\x02', '\x02', description};
}
constexpr char decode_error = 50;
constexpr char internal_error = 80;
constexpr char unrecognized_name = 112;

/// What happens to the servers before the client's bytes come.
enum class Servers : std::uint8_t { answer, refuse, stay_silent, unreachable, no_ports };

struct Row {
  std::string name;
  std::string sends;
  Outcome outcome;
  std::string receives;  ///< up to where answers are allowed to differ
  bool reset = false;
  Servers servers = Servers::answer;
  std::function<void(Config&)> configure = [](Config&) {};
  PeerScript::Ending ending = PeerScript::Ending::wait;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

void reject_everything(Config& config) {
  for (RouteRule& rule : config.rules) rule.backend = RouteRule::reject;
  build_routes(config);
}

void deny_everybody(Config& config) {
  config.listeners[0].deny = {*IpPrefix::parse("127.0.0.0/8")};
}

void allow_somebody_else(Config& config) {
  config.listeners[0].allow = {*IpPrefix::parse("10.0.0.0/8")};
}

void without_ssh_route(Config& config) {
  config.rules.pop_back();
  build_routes(config);
}

// Three letters may still become a method of HTTP.
void without_http(Config& config) {
  config.listeners[0].protocols = {Protocol::tls, Protocol::ssh};
}

void default_backend(Config& config) {
  config.listeners[0].default_backend = 0;
}

class ClientViewTest : public testing::TestWithParam<Row> {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }
};

TEST_P(ClientViewTest, BytesAndEndAndOutcome) {
  const Row& row = GetParam();
  Config config = dispatch_config(1, 2);
  config.listeners[0].first_flight_limit = 1'000;
  row.configure(config);
  DispatchWorld dispatch(7, SimulatedFaults::none(), std::move(config),
                         [](std::size_t, std::size_t, std::size_t) {
                           return PeerScript{.send = "welcome", .ending = PeerScript::Ending::wait};
                         });
  for (std::size_t server = 0; server < 2; ++server) {
    using Reach = SimulatedNetwork::Reach;
    const Reach reach = row.servers == Servers::refuse        ? Reach::refused
                        : row.servers == Servers::stay_silent ? Reach::silent
                        : row.servers == Servers::unreachable ? Reach::unreachable
                                                              : Reach::normal;
    dispatch.world().network.set_reach(server_address(0, server), reach);
  }
  ScriptedClient& client =
      dispatch.add_client({.send = row.sends, .ending = row.ending, .patience = minutes{2}});
  ASSERT_TRUE(dispatch.run_until([&] { return client.connect_status().has_value(); }, seconds{1}));
  if (row.servers == Servers::no_ports) {
    SimulatedFaults faults = SimulatedFaults::none();
    faults.no_ports = 1000;
    dispatch.world().network.set_faults(faults);
  }
  ASSERT_TRUE(dispatch.run_until([&] { return client.is_done(); }, minutes{5}));
  ASSERT_TRUE(dispatch.stop(seconds{10}));
  EXPECT_TRUE(dispatch.world().is_clean());

  std::string received = client.record().received;
  // A client whose request comes in pieces might have been waiting for settings, and so has got some before.
  const std::string settings = test::h2_settings();
  if (received.starts_with(settings + settings)) received.erase(0, settings.size());
  EXPECT_TRUE(received.starts_with(row.receives)) << testing::PrintToString(received);
  if (row.receives.empty() || row.sends.starts_with('\x16')) {
    EXPECT_EQ(client.record().received, row.receives) << "and nothing else";
  }
  EXPECT_EQ(client.record().receive_status, row.reset ? Status::reset : Status::ok);
  EXPECT_EQ(client.record().end_received, !row.reset);
  ASSERT_EQ(dispatch.logged().size(), 1U);
  const AccessRecord& logged = dispatch.logged()[0].record;
  EXPECT_EQ(to_string(logged.outcome), to_string(row.outcome));
  EXPECT_EQ(logged.bytes_out, client.record().received.size());
  if (!row.reset) {
    EXPECT_EQ(logged.bytes_in, row.sends.size());
  }
  for (std::size_t server = 0; server < 2; ++server) {
    EXPECT_TRUE(dispatch.server(0, server).connections().empty());
  }
}

std::string broken_hello() {
  std::string hello = client_hello("app0.example");
  hello[5] = 2;  // a ServerHello
  return hello;
}
std::string long_hello() {
  test::ClientHelloBuilder builder;
  builder.add_server_name("app0.example").add_extension(21, test::Bytes(2'000, 0));
  return std::string(as_text(test::in_records(builder.message()))).substr(0, 500);
}
const std::string two_hosts = "GET / HTTP/1.1\r\nHost: app0.example\r\nHost: other.example\r\n\r\n";
const std::string long_head = "GET /" + std::string(2'000, 'x');
const std::string half_a_hello = client_hello("app0.example").substr(0, 50);
const std::string half_a_request = "GET / HTTP/1.1\r\nHost: app0";
const std::string half_an_http2_request = http2_request("app0.example").substr(0, 80);
const std::string http2_goaway = test::h2_frame(H2FrameType::goaway, 0, 0, std::string(8, '\0'));
const std::string nonsense("\x01\x02\x03", 3);

INSTANTIATE_TEST_SUITE_P(
    NoRoute, ClientViewTest,
    testing::Values(Row{"tls", client_hello("elsewhere.example"), Outcome::no_route,
                        alert(unrecognized_name)},
                    Row{"http", request("elsewhere.example"), Outcome::no_route, "HTTP/1.1 421 "},
                    Row{"http2", http2_request("elsewhere.example"), Outcome::no_route, http2_status("421")},
                    Row{.name = "other",
                        .sends = "SSH-2.0-x\r\n",
                        .outcome = Outcome::no_route,
                        .receives = "",
                        .reset = true,
                        .configure = without_ssh_route}),
    [](const auto& row) { return row.param.name; });

INSTANTIATE_TEST_SUITE_P(Rejected, ClientViewTest,
                         testing::Values(Row{.name = "tls",
                                             .sends = client_hello("app0.example"),
                                             .outcome = Outcome::rejected,
                                             .receives = alert(unrecognized_name),
                                             .configure = reject_everything},
                                         Row{.name = "http",
                                             .sends = request("app0.example"),
                                             .outcome = Outcome::rejected,
                                             .receives = "HTTP/1.1 421 ",
                                             .configure = reject_everything},
                                         Row{.name = "http2",
                                             .sends = http2_request("app0.example"),
                                             .outcome = Outcome::rejected,
                                             .receives = http2_status("421"),
                                             .configure = reject_everything},
                                         Row{.name = "other",
                                             .sends = "SSH-2.0-x\r\n",
                                             .outcome = Outcome::rejected,
                                             .receives = "",
                                             .reset = true,
                                             .configure = reject_everything}),
                         [](const auto& row) { return row.param.name; });

// Also where a default backend would take whatever has no route.
INSTANTIATE_TEST_SUITE_P(Malformed, ClientViewTest,
                         testing::Values(Row{.name = "tls",
                                             .sends = broken_hello(),
                                             .outcome = Outcome::malformed,
                                             .receives = alert(decode_error),
                                             .configure = default_backend},
                                         Row{.name = "http",
                                             .sends = two_hosts,
                                             .outcome = Outcome::malformed,
                                             .receives = "HTTP/1.1 400 ",
                                             .configure = default_backend},
                                         Row{.name = "http2",
                                             .sends = http2_request("a b"),
                                             .outcome = Outcome::malformed,
                                             .receives = http2_status("400"),
                                             .configure = default_backend},
                                         Row{.name = "other",
                                             .sends = nonsense,
                                             .outcome = Outcome::malformed,
                                             .receives = "",
                                             .configure = default_backend},
                                         Row{.name = "tls_that_ends_early",
                                             .sends = half_a_hello,
                                             .outcome = Outcome::malformed,
                                             .receives = alert(decode_error),
                                             .configure = default_backend,
                                             .ending = PeerScript::Ending::half_close},
                                         Row{.name = "http_that_ends_early",
                                             .sends = half_a_request,
                                             .outcome = Outcome::malformed,
                                             .receives = "HTTP/1.1 400 ",
                                             .configure = default_backend,
                                             .ending = PeerScript::Ending::half_close}),
                         [](const auto& row) { return row.param.name; });

INSTANTIATE_TEST_SUITE_P(TooLarge, ClientViewTest,
                         testing::Values(Row{.name = "tls",
                                             .sends = long_hello(),
                                             .outcome = Outcome::too_large,
                                             .receives = alert(decode_error),
                                             .configure = default_backend},
                                         Row{.name = "http2",
                                             .sends = http2_request("app0.example", std::string(2'000, 'x')),
                                             .outcome = Outcome::too_large,
                                             .receives = http2_status("431"),
                                             .configure = default_backend},
                                         Row{.name = "http",
                                             .sends = long_head,
                                             .outcome = Outcome::too_large,
                                             .receives = "HTTP/1.1 431 ",
                                             .configure = default_backend}),
                         [](const auto& row) { return row.param.name; });

INSTANTIATE_TEST_SUITE_P(Timeout, ClientViewTest,
                         testing::Values(Row{"tls", half_a_hello, Outcome::timeout, ""},
                                         Row{"http", half_a_request, Outcome::timeout, "HTTP/1.1 408 "},
                                         Row{"http2", half_an_http2_request, Outcome::timeout,
                                             http2_status("408")},
                                         Row{"http2_without_a_request", test::h2_start(), Outcome::timeout,
                                             test::h2_settings() + http2_goaway},
                                         Row{.name = "other",
                                             .sends = "SSH",
                                             .outcome = Outcome::timeout,
                                             .receives = "",
                                             .configure = without_http},
                                         Row{"silent", "", Outcome::timeout, ""},
                                         Row{.name = "silent_with_a_default_backend",
                                             .sends = "",
                                             .outcome = Outcome::timeout,
                                             .receives = "",
                                             .configure = default_backend}),
                         [](const auto& row) { return row.param.name; });

INSTANTIATE_TEST_SUITE_P(SilentClientThatLeaves, ClientViewTest,
                         testing::Values(Row{.name = "is_ok",
                                             .sends = "",
                                             .outcome = Outcome::ok,
                                             .receives = "",
                                             .ending = PeerScript::Ending::half_close}),
                         [](const auto& row) { return row.param.name; });

/// The languages in which a client is told that a server is missing.
testing::internal::ParamGenerator<Row> servers_missing(Servers servers, Outcome outcome,
                                                       const std::string& status) {
  return testing::Values(Row{.name = "tls",
                             .sends = client_hello("app0.example"),
                             .outcome = outcome,
                             .receives = alert(internal_error),
                             .servers = servers},
                         Row{.name = "http",
                             .sends = request("app0.example"),
                             .outcome = outcome,
                             .receives = "HTTP/1.1 " + status + " ",
                             .servers = servers},
                         Row{.name = "http2",
                             .sends = http2_request("app0.example"),
                             .outcome = outcome,
                             .receives = http2_status(status),
                             .servers = servers},
                         Row{.name = "other",
                             .sends = "SSH-2.0-x\r\n",
                             .outcome = outcome,
                             .receives = "",
                             .reset = true,
                             .servers = servers});
}

INSTANTIATE_TEST_SUITE_P(ServerRefused, ClientViewTest,
                         servers_missing(Servers::refuse, Outcome::refused, "502"),
                         [](const auto& row) { return row.param.name; });
INSTANTIATE_TEST_SUITE_P(ServerUnreachable, ClientViewTest,
                         servers_missing(Servers::unreachable, Outcome::refused, "502"),
                         [](const auto& row) { return row.param.name; });
INSTANTIATE_TEST_SUITE_P(ServerSilent, ClientViewTest,
                         servers_missing(Servers::stay_silent, Outcome::connect_timeout, "504"),
                         [](const auto& row) { return row.param.name; });
INSTANTIATE_TEST_SUITE_P(NoMeansToAsk, ClientViewTest,
                         servers_missing(Servers::no_ports, Outcome::unavailable, "503"),
                         [](const auto& row) { return row.param.name; });

INSTANTIATE_TEST_SUITE_P(Source, ClientViewTest,
                         testing::Values(Row{.name = "denied",
                                             .sends = request("app0.example"),
                                             .outcome = Outcome::denied,
                                             .receives = "",
                                             .reset = true,
                                             .configure = deny_everybody},
                                         Row{.name = "not_allowed",
                                             .sends = request("app0.example"),
                                             .outcome = Outcome::denied,
                                             .receives = "",
                                             .reset = true,
                                             .configure = allow_somebody_else}),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace portshare
