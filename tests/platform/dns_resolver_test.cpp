// What needs no name server; the rest is in tests/end_to_end/relay/test_names.py.
#include "platform/dns_resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "platform/resolver.h"

namespace portshare {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

DnsResolver::Answer look_up(DnsResolver& resolver, const std::string& host) {
  std::promise<DnsResolver::Answer> promise;
  auto answer = promise.get_future();
  resolver.look_up(host, [&](DnsResolver::Answer found) { promise.set_value(std::move(found)); });
  return answer.get();
}

TEST(ResolveHosts, AnswersForEachByItsName) {
  std::vector<std::string> hosts;
  for (int last = 1; last <= 100; ++last) hosts.push_back("192.0.2." + std::to_string(last));
  const HostAnswers answers = resolve_hosts(hosts);
  ASSERT_EQ(answers.size(), hosts.size());
  for (const auto& [host, found] : answers) {
    ASSERT_TRUE(found) << found.error();
    EXPECT_THAT(*found, ElementsAre(*IpAddress::parse(host)));
  }
  EXPECT_TRUE(resolve_hosts({}).empty());
}

TEST(DnsResolver, KnowsTheFileOfHosts) {
  DnsResolver resolver;
  auto system = resolve_host("localhost");
  ASSERT_TRUE(system);
  std::ranges::sort(*system);
  for (int i = 0; i < 3; ++i) {
    const auto found = look_up(resolver, "localhost");
    ASSERT_TRUE(found) << found.error();
    EXPECT_EQ(found->addresses, *system);
    EXPECT_FALSE(found->lifetime);
  }
}

TEST(DnsResolver, AnAddressIsItself) {
  DnsResolver resolver;
  const auto found = look_up(resolver, "192.0.2.7");
  ASSERT_TRUE(found) << found.error();
  EXPECT_THAT(found->addresses, ElementsAre(*IpAddress::parse("192.0.2.7")));
}

TEST(DnsResolver, WhatIsNoNameIsAnError) {
  DnsResolver resolver;
  const auto found = look_up(resolver, std::string(300, 'a'));
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error(), AllOf(StartsWith("cannot resolve aaa"), HasSubstr(": ")));
}

TEST(DnsResolver, GivesUpWhatIsUnderWay) {
  for (int i = 0; i < 20; ++i) {
    DnsResolver resolver;
    resolver.look_up("name.invalid", [](const DnsResolver::Answer&) {});
  }
}

}  // namespace
}  // namespace portshare
