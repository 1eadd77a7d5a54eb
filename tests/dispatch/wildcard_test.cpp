// `except`: what the file may say, and what a wildcard stands for.
#include "dispatch/wildcard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dispatch/config_text.h"

namespace portshare {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A listener with these lines, and another one.
std::string file(std::string_view lines, std::string_view other = "bind = [\"unix:/o\"]") {
  return fmt::format(
      "[listener.l]\n{}\ndefault = \"b\"\n[listener.o]\n{}\ndefault = \"b\"\n[backend.b]\nservers = "
      "[\"unix:/s\"]\n",
      lines, other);
}

ListenerConfig listener(std::string_view lines) {
  auto result = read_config(file(lines), "f");
  EXPECT_TRUE(result.config) << testing::PrintToString(faults_of(file(lines)));
  return result.config->listeners[0];
}

InterfaceAddress local(const char* address, std::uint32_t interface = 1, bool is_tentative = false) {
  return {.address = *IpAddress::parse(address), .interface = interface, .is_tentative = is_tentative};
}

std::vector<std::string> wanted(const ListenerConfig& listener,
                                const std::vector<InterfaceAddress>& addresses) {
  std::vector<std::string> texts;
  for (const WantedAddress& each : wanted_addresses(listener, addresses)) {
    texts.push_back(each.address.to_string() + (each.is_of_wildcard ? " *" : ""));
  }
  return texts;
}

TEST(Wildcard, StandsForEveryAddressThatIsNotExcepted) {
  const auto of_both = listener("bind = [\"*:80\", \"unix:/a\"]\nexcept = [\"192.0.2.9\", \"2001:db8::9\"]");
  EXPECT_THAT(wanted(of_both, {local("127.0.0.1"), local("192.0.2.9"), local("192.0.2.1", 2), local("::1"),
                               local("2001:db8::9"), local("2001:db8::1")}),
              ElementsAre("127.0.0.1:80 *", "192.0.2.1:80 *", "[::1]:80 *", "[2001:db8::1]:80 *", "unix:/a"));
  EXPECT_THAT(wanted(of_both, {}), ElementsAre("unix:/a"));
}

TEST(Wildcard, OfOneFamily) {
  const auto of_v4 = listener("bind = [\"0.0.0.0:80\"]\nexcept = [\"192.0.2.9\"]");
  EXPECT_THAT(wanted(of_v4, {local("192.0.2.1"), local("::1")}), ElementsAre("192.0.2.1:80 *"));
  const auto of_v6 = listener("bind = [\"[::]:80\"]\nexcept = [\"::1\"]");
  EXPECT_THAT(wanted(of_v6, {local("192.0.2.1"), local("::1"), local("2001:db8::1")}),
              ElementsAre("[2001:db8::1]:80 *"));
}

TEST(Wildcard, StaysOneWithoutExceptions) {
  EXPECT_THAT(wanted(listener("bind = [\"*:80\"]\nexcept = []"), {local("192.0.2.1")}),
              ElementsAre("0.0.0.0:80", "[::]:80"));
}

TEST(Wildcard, OtherAddressesOfTheListenerStay) {
  EXPECT_THAT(wanted(listener("bind = [\"0.0.0.0:80\", \"192.0.2.9:81\"]\nexcept = [\"192.0.2.9\"]"),
                     {local("192.0.2.9"), local("192.0.2.1")}),
              ElementsAre("192.0.2.1:80 *", "192.0.2.9:81"));
}

TEST(Wildcard, ALinkLocalAddressIsOfItsInterface) {
  EXPECT_THAT(wanted(listener("bind = [\"[::]:80\"]\nexcept = [\"::1\"]"),
                     {local("fe80::1", 2), local("fe80::1", 3), local("2001:db8::1", 2)}),
              ElementsAre("[fe80::1%2]:80 *", "[fe80::1%3]:80 *", "[2001:db8::1]:80 *"));
}

TEST(Wildcard, AnAddressThatIsBeingCheckedHasToWait) {
  EXPECT_THAT(wanted(listener("bind = [\"[::]:80\"]\nexcept = [\"::1\"]"), {local("2001:db8::1", 2, true)}),
              IsEmpty());
}

TEST(Wildcard, AnAddressOfTwoInterfacesIsOne) {
  EXPECT_THAT(wanted(listener("bind = [\"0.0.0.0:80\"]\nexcept = [\"192.0.2.9\"]"),
                     {local("192.0.2.1", 2), local("192.0.2.1", 3)}),
              ElementsAre("192.0.2.1:80 *"));
}

TEST(Except, NeedsAWildcardAndAddresses) {
  EXPECT_THAT(faults_of(file("bind = [\"192.0.2.1:80\"]\nexcept = [\"192.0.2.9\"]")),
              ElementsAre(HasSubstr("3:10: error: 'except' without a wildcard in 'bind'")));
  EXPECT_THAT(faults_of(file("bind = [\"unix:/a\"]\nexcept = [\"192.0.2.9\"]")),
              ElementsAre(HasSubstr("without a wildcard")));
  EXPECT_THAT(
      faults_of(file("bind = [\"*:80\"]\nexcept = [\"192.0.2.0/24\", \"host\", \"192.0.2.9\", \"::\"]")),
      ElementsAre(HasSubstr("3:11: error: 'except': '192.0.2.0/24' is no IP address"),
                  HasSubstr("3:27: error: 'except': 'host' is no IP address"),
                  HasSubstr("3:48: error: 'except': '::' is the wildcard itself")));
  EXPECT_THAT(faults_of(file("bind = [\"*:80\"]\nexcept = [\"192.0.2.9\", \"192.0.2.9\"]")),
              ElementsAre("3:24: error: 'except': 192.0.2.9 stands there twice"));
  EXPECT_THAT(faults_of(file("bind = [\"*:80\"]\nexcept = \"192.0.2.9\"")),
              ElementsAre(HasSubstr("'except' must be an array")));
  EXPECT_THAT(faults_of(file("bind = [\"0.0.0.0:0\"]\nexcept = [\"192.0.2.9\"]")),
              ElementsAre(HasSubstr("it needs a port")));
}

TEST(Wildcard, AnExceptionOfTheOtherFamilyIsNoneAtAll) {
  const auto faults = [](std::string_view bind) {
    return faults_of(
        fmt::format("[listener.l]\nbind = [\"{}:80\"]\nexcept = [\"192.0.2.1\", \"2001:db8::1\"]\n"
                    "default = \"b\"\n[backend.b]\nservers = [\"127.0.0.1:8080\"]\n",
                    bind));
  };
  EXPECT_THAT(
      faults("0.0.0.0"),
      ElementsAre(HasSubstr("3:10: warning: 'except': 2001:db8::1 is no address of the wildcard in 'bind', "
                            "which takes IPv4 alone")));
  EXPECT_THAT(faults("[::]"), ElementsAre(HasSubstr("warning: 'except': 192.0.2.1 ")));
  EXPECT_THAT(faults("*"), ElementsAre());
}

TEST(Except, GivesTheAddressToAnotherListener) {
  const char* const wildcard = "bind = [\"*:80\"]\nexcept = [\"192.0.2.9\"]";
  const char* const before = "except = [\"192.0.2.9\"]\nbind = [\"*:80\"]";
  for (const char* lines : {wildcard, before}) {
    EXPECT_THAT(faults_of(file(lines, "bind = [\"192.0.2.9:80\"]")), IsEmpty());
    EXPECT_THAT(faults_of(file("bind = [\"192.0.2.9:80\"]", lines)), IsEmpty());
    EXPECT_THAT(faults_of(file(lines, "bind = [\"192.0.2.8:80\"]")),
                ElementsAre(HasSubstr("cannot be bound beside '0.0.0.0:80'")));
    EXPECT_THAT(faults_of(file("bind = [\"192.0.2.8:80\"]", lines)),
                ElementsAre(HasSubstr("cannot be bound beside '192.0.2.8:80'")));
    EXPECT_THAT(faults_of(file(lines, "bind = [\"0.0.0.0:80\"]")),
                ElementsAre(HasSubstr("is already bound")));
  }
}

TEST(Except, AServerThereIsNoCircle) {
  const auto circle = [](const char* except, const char* server) {
    return faults_of(
        fmt::format("[listener.l]\nbind = [\"*:80\"]\nexcept = [\"{}\"]\ndefault = "
                    "\"b\"\n[backend.b]\nservers = [\"{}\"]\n",
                    except, server));
  };
  EXPECT_THAT(circle("127.0.0.9", "127.0.0.9:80"), IsEmpty());
  EXPECT_THAT(circle("127.0.0.9", "127.0.0.1:80"), ElementsAre(HasSubstr("leads back to portshare")));
}

}  // namespace
}  // namespace portshare
