#include "dispatch/first_flight.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/core/client_hello_builder.h"
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

TEST(FirstFlight, RefusesWhatNoOpenerClaims) {
  ListenerConfig listener = listener_for_all();
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
