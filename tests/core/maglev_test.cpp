#include "core/maglev.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/random.h"

namespace portshare {
namespace {

std::vector<std::string> names_of(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) {
    names.push_back("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1) + ":8080");
  }
  return names;
}

MaglevTable table_of(const std::vector<std::string>& names, const std::vector<std::uint32_t>& weights = {}) {
  std::vector<MaglevServer> servers;
  for (std::size_t i = 0; i < names.size(); ++i) {
    servers.push_back({.name = names[i], .weight = weights.empty() ? 1 : weights[i]});
  }
  return MaglevTable(servers);
}

std::vector<double> shares_of(const MaglevTable& table, std::size_t servers) {
  std::vector<double> shares(servers);
  for (const std::uint32_t server : table.slots()) shares.at(server) += 1;
  for (double& share : shares) share /= static_cast<double>(table.slots().size());
  return shares;
}

TEST(Maglev, SharesAreWithinOnePercentOfEven) {
  for (std::size_t count = 3; count <= 100; ++count) {
    const MaglevTable table = table_of(names_of(count));
    for (const double share : shares_of(table, count)) {
      EXPECT_NEAR(share * static_cast<double>(count), 1, 0.01) << count << " servers";
    }
  }
}

TEST(Maglev, AlsoOfManyServers) {
  for (const std::size_t count : {655U, 656U, 3'000U}) {
    const MaglevTable table = table_of(names_of(count));
    EXPECT_EQ(table.slots().size(), count <= 655 ? MaglevTable::small_size : MaglevTable::big_size);
    for (const double share : shares_of(table, count)) {
      EXPECT_NEAR(share * static_cast<double>(count), 1, 0.01) << count << " servers";
    }
  }
}

TEST(Maglev, SharesFollowWeights) {
  const std::vector<std::uint32_t> weights{1, 2, 3, 10, 100};
  const std::vector<double> shares = shares_of(table_of(names_of(weights.size()), weights), weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    EXPECT_NEAR(shares[i], weights[i] / 116.0, 0.0001) << "weight " << weights[i];
  }
}

TEST(Maglev, TheOrderOfServersDoesNotCount) {
  std::vector<std::string> names = names_of(20);
  const MaglevTable table = table_of(names);
  std::vector<std::string> reversed(names.rbegin(), names.rend());
  const MaglevTable other = table_of(reversed);
  for (std::size_t i = 0; i < table.slots().size(); ++i) {
    ASSERT_EQ(names[table.slots()[i]], reversed[other.slots()[i]]) << "slot " << i;
  }
}

// Whoever changes the hash moves every client of every cluster of which not all nodes run the same version.
TEST(Maglev, IsTheSameInEveryVersion) {
  const MaglevTable table =
      table_of({"127.0.0.1:8001", "127.0.0.1:8002", "[::1]:8003", "unix:/run/a.sock"}, {1, 1, 2, 1});
  std::string slots;
  for (std::size_t i = 0; i < 40; ++i) slots += std::to_string(table.slots()[i]);
  EXPECT_EQ(slots, "0222202300232303232021111232221303031110");
  std::string servers;
  for (std::uint64_t hash = 0; hash < 10; ++hash) servers += std::to_string(table.slot(hash * 1'000'003, 1));
  EXPECT_EQ(servers, "2130222010");
  EXPECT_EQ(hash_of_source(*IpAddress::parse("192.0.2.1")), 16217170724218189920U);
  EXPECT_EQ(hash_of_source(*IpAddress::parse("2001:db8::1")), 17266222851016975820U);
}

TEST(Maglev, FewSlotsMoveWhenAServerGoes) {
  for (const std::size_t count : {3U, 10U, 50U, 100U}) {
    const std::vector<std::string> names = names_of(count);
    const MaglevTable before = table_of(names);
    std::vector<std::string> rest = names;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(count / 2));
    const MaglevTable after = table_of(rest);
    std::size_t moved = 0;
    std::size_t stayed = 0;
    for (std::size_t i = 0; i < before.slots().size(); ++i) {
      if (names[before.slots()[i]] == names[count / 2]) continue;  // has to move
      (names[before.slots()[i]] == rest[after.slots()[i]] ? stayed : moved) += 1;
    }
    // 0.04 % of 3 servers' other slots, 0.25 of 10's, 0.5 of 50's and of 100's.
    EXPECT_LT(static_cast<double>(moved) / static_cast<double>(moved + stayed), 0.01) << count << " servers";
    EXPECT_GT(stayed, before.slots().size() / 2);
  }
}

TEST(Maglev, FurtherAttemptsSpreadTheClientsOfOneServer) {
  constexpr std::size_t count = 10;
  const MaglevTable table = table_of(names_of(count));
  std::vector<std::size_t> next(count);
  std::size_t all = 0;
  Random random(1);
  while (all < 90'000) {
    const std::uint64_t hash = random.next();
    if (table.slot(hash) != 0) continue;
    std::uint32_t attempt = 1;
    while (table.slot(hash, attempt) == 0) ++attempt;
    ++next[table.slot(hash, attempt)];
    ++all;
  }
  EXPECT_EQ(next[0], 0U);
  for (std::size_t i = 1; i < count; ++i) EXPECT_NEAR(static_cast<double>(next[i]), 10'000, 500) << i;
}

TEST(Maglev, AnIpv6NetworkIsOneSource) {
  const auto hash = [](const char* text) { return hash_of_source(*IpAddress::parse(text)); };
  EXPECT_EQ(hash("2001:db8:1:2::1"), hash("2001:db8:1:2:ffff::9"));
  EXPECT_NE(hash("2001:db8:1:2::1"), hash("2001:db8:1:3::1"));
  EXPECT_NE(hash("192.0.2.1"), hash("192.0.2.2"));
  EXPECT_EQ(hash("192.0.2.1"), hash("::ffff:192.0.2.1"));
}

TEST(Maglev, NeighbouringSourcesSpread) {
  constexpr std::size_t count = 8;
  const MaglevTable table = table_of(names_of(count));
  std::vector<double> clients(count);
  for (std::uint32_t i = 0; i < 40'000; ++i) {
    const IpAddress source =
        IpAddress::v4({10, 1, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)});
    clients[table.slot(hash_of_source(source))] += 1;
  }
  // 5,000 each, and a standard deviation of 66 for sources that are drawn.
  for (const double each : clients) EXPECT_NEAR(each, 5'000, 330);
}

}  // namespace
}  // namespace portshare
