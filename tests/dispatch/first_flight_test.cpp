#include "dispatch/first_flight.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/core/client_hello_builder.h"
#include "tests/core/h2_builder.h"
#include "tests/core/opener_vectors.h"

namespace portshare::test {
namespace {

using Progress = FirstFlight::Progress;

constexpr std::size_t all_at_once = 1 << 20;

struct Seen {
  Progress progress = Progress::need_more;
  Protocol protocol = Protocol::any;

  bool operator==(const Seen&) const = default;
};

/// What a flight makes of the bytes, shown in pieces of that size.
Seen show(const ListenerConfig& listener, const std::string& bytes, std::size_t piece) {
  FirstFlight flight(listener);
  Progress progress = Progress::need_more;
  for (std::size_t i = 0; i < bytes.size() && progress == Progress::need_more; i += piece) {
    progress = flight.read(as_bytes(bytes).subspan(i, std::min(piece, bytes.size() - i)));
  }
  return {progress, flight.protocol()};
}

ListenerConfig listener_for_all() {
  ListenerConfig listener;
  for (const Protocol protocol : all_protocols) listener.protocols.insert(protocol);
  return listener;
}

TEST(FirstFlight, KnowsEveryOpenerAmongAllOthers) {
  const ListenerConfig listener = listener_for_all();
  for (const OpenerVector& vector : opener_vectors()) {
    SCOPED_TRACE(::testing::PrintToString(vector.bytes));
    const Seen expected{Progress::complete, vector.protocol};
    EXPECT_EQ(show(listener, vector.bytes, all_at_once), expected);
    EXPECT_EQ(show(listener, vector.bytes, 1), expected);
    EXPECT_EQ(show(listener, vector.bytes.substr(0, vector.decided_after), 1), expected);
  }
}

TEST(FirstFlight, ClaimsOnlyForProtocolsThatAreEnabled) {
  for (const OpenerVector& vector : opener_vectors()) {
    SCOPED_TRACE(::testing::PrintToString(vector.bytes));
    ListenerConfig listener;
    listener.protocols = {Protocol::tls, Protocol::any};
    EXPECT_EQ(show(listener, vector.bytes, 1), (Seen{Progress::complete, Protocol::any}));
    listener.protocols = {Protocol::tls};
    EXPECT_EQ(show(listener, vector.bytes, 1), (Seen{Progress::malformed, Protocol::any}));
    listener.protocols = {vector.protocol};
    EXPECT_EQ(show(listener, vector.bytes, 1), (Seen{Progress::complete, vector.protocol}));
  }
}

TEST(FirstFlight, TellsHttp2FromHttp1ByItsPreface) {
  const ListenerConfig listener = listener_for_all();
  const std::string http2 = h2_start() + h2_headers(1, hpack_block(get_fields("A.example:80")));
  for (const std::size_t piece : {std::size_t{1}, all_at_once}) {
    EXPECT_EQ(show(listener, http2, piece), (Seen{Progress::complete, Protocol::http}));
    // HTTP/1 that begins in the same way
    for (const char* method : {"PRI", "PROPFIND", "POST", "P"}) {
      const std::string request = std::string(method) + " / HTTP/1.1\r\nHost: a.example\r\n\r\n";
      EXPECT_EQ(show(listener, request, piece), (Seen{Progress::complete, Protocol::http}));
    }
    EXPECT_EQ(show(listener, "PRI * HTTP/2.0\r\n\r\nST\r\n\r\n", piece),
              (Seen{Progress::malformed, Protocol::http}));
  }
  ListenerConfig without;
  without.protocols = {Protocol::tls, Protocol::any};
  EXPECT_EQ(show(without, http2, 1), (Seen{Progress::complete, Protocol::any}));

  FirstFlight flight(listener);
  ASSERT_EQ(flight.read(as_bytes(http2)), Progress::complete);
  RouteQuery query;
  flight.describe(query);
  EXPECT_EQ(query.name, "a.example");
  EXPECT_EQ(query.name_source, NameSource::host);
}

TEST(FirstFlight, BoundsTheFirstRequestOfHttp2) {
  ListenerConfig listener = listener_for_all();
  const std::string http2 = h2_start() + h2_headers(1, hpack_block(get_fields("a.example")));
  listener.first_flight_limit = http2.size();
  EXPECT_EQ(show(listener, http2, 1).progress, Progress::complete);
  EXPECT_EQ(show(listener, http2 + "more", all_at_once).progress, Progress::complete);
  listener.first_flight_limit = http2.size() - 1;
  EXPECT_EQ(show(listener, http2, 1).progress, Progress::too_large);
  EXPECT_EQ(show(listener, http2, all_at_once).progress, Progress::too_large);
  // The reader has a limit of its own for a header block.
  listener.first_flight_limit = std::size_t{1} << 20;
  std::string endless = h2_start() + h2_headers(1, "", 0);
  while (endless.size() < 70'000)
    endless += h2_frame(H2FrameType::continuation, 0, 1, std::string(10'000, '\x82'));
  EXPECT_EQ(show(listener, endless, all_at_once).progress, Progress::too_large);
}

TEST(FirstFlight, KnowsWhenAClientOfHttp2MayBeWaiting) {
  const ListenerConfig listener = listener_for_all();
  FirstFlight flight(listener);
  const auto awaits_after = [&](const std::string& bytes) {
    EXPECT_EQ(flight.read(as_bytes(bytes)), Progress::need_more);
    return flight.awaits_http2_settings();
  };
  EXPECT_FALSE(awaits_after(std::string(h2_preface)));
  EXPECT_FALSE(awaits_after(h2_settings().substr(0, 8)));
  EXPECT_TRUE(awaits_after(h2_settings().substr(8)));
  EXPECT_TRUE(awaits_after(h2_frame(H2FrameType::window_update, 0, 0, std::string("\0\0\0\1", 4))));
  EXPECT_FALSE(awaits_after(h2_headers(1, "", 0)));
}

TEST(FirstFlight, RefusesWhatNoOpenerClaims) {
  const ListenerConfig listener = listener_for_all();
  for (const std::string& bytes : bytes_of_no_opener()) {
    SCOPED_TRACE(::testing::PrintToString(bytes));
    const Seen seen = show(listener, bytes + "\r\n", all_at_once);
    EXPECT_TRUE(seen.progress == Progress::malformed || seen.protocol == Protocol::any);
  }
}

TEST(FirstFlight, KeepsNoMoreThanItsLimit) {
  ListenerConfig listener = listener_for_all();
  listener.first_flight_limit = 2'000;
  const std::string endless_hello =
      std::string("\x16\x03\x01\x00\x01\x01", 6) + std::string("\x16\x03\x01\x00\x01\x00", 6);
  for (std::string bytes : {std::string("GET / HTTP/1.1\r\nX: "), endless_hello}) {
    // A head without an end, and records of one byte for a hello of 16 MiB.
    while (bytes.size() < 10'000)
      bytes += bytes.front() == 'G' ? "x" : std::string("\x16\x03\x01\x00\x01\x07", 6);
    FirstFlight flight(listener);
    Progress progress = Progress::need_more;
    std::size_t shown = 0;
    while (progress == Progress::need_more) {
      ASSERT_LT(shown, listener.first_flight_limit);
      progress = flight.read(as_bytes(bytes).subspan(shown++, 1));
      ASSERT_LE(flight.bytes().size(), listener.first_flight_limit);
    }
    EXPECT_EQ(progress, Progress::too_large);
  }
}

/// What the log would say of these bytes.
std::string_view tls_of(const std::string& bytes, std::size_t piece) {
  const ListenerConfig listener = listener_for_all();
  FirstFlight flight(listener);
  Progress progress = Progress::need_more;
  for (std::size_t i = 0; i < bytes.size() && progress == Progress::need_more; i += piece) {
    progress = flight.read(as_bytes(bytes).subspan(i, std::min(piece, bytes.size() - i)));
  }
  return to_string(flight.tls());
}

TEST(FirstFlight, TellsClientHellosApart) {
  const auto text = [](const Bytes& bytes) { return std::string(as_text(bytes)); };
  const std::string named = text(ClientHelloBuilder().add_server_name("a.example").build());
  std::string broken = named;
  broken[5] = 2;  // a ServerHello
  struct Case {
    std::string bytes;
    std::string_view tls;
  };
  const Case cases[] = {
      {named, "sni"},
      {text(ClientHelloBuilder().add_server_name("a.example").build(1)), "sni"},
      {text(ClientHelloBuilder().build()), "no_sni"},
      {text(ClientHelloBuilder().add_server_name("outer.example").add_extension(0xfe0d, Bytes{0}).build()),
       "ech"},
      {text(ClientHelloBuilder().add_extension(0xfe0d, Bytes{0}).build()), "ech"},
      {text(ClientHelloBuilder().add_server_name("inner.example").add_extension(0xfe0d, Bytes{1}).build()),
       "sni"},
      {text(ClientHelloBuilder().add_server_name("").build()), "malformed"},
      {broken, "malformed"},
      {"\x80\x2e\x01", "malformed"},
      {named.substr(0, named.size() - 1), "incomplete"},
      {named.substr(0, 1), "incomplete"},
      {"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", ""},
      {"SSH-2.0-x\r\n", ""},
      {"\x80\x2e\x05", ""},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(::testing::PrintToString(one.bytes));
    EXPECT_EQ(tls_of(one.bytes, all_at_once), one.tls);
    EXPECT_EQ(tls_of(one.bytes, 1), one.tls);
  }
}

}  // namespace
}  // namespace portshare::test
