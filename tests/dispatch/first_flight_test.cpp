#include "dispatch/first_flight.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

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

}  // namespace
}  // namespace portshare::test
