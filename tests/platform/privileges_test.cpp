#include "platform/privileges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "platform/log_file.h"
#include "tests/platform/in_child.h"
#include "tests/platform/temporary_folder.h"

namespace portshare {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr const char* bit_of_net_bind_service = "0000000000000400";  // capability 10
constexpr const char* none = "0000000000000000";

/// Lines of proc_pid_status(5), of the calling thread.
std::string status(const std::string& key) {
  std::ifstream file("/proc/thread-self/status");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    std::string value;
    words >> name >> std::ws;
    std::getline(words, value);
    if (name == key + ":") return value;
  }
  return "no such line";
}

std::string all_capabilities() {
  std::string text;
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    text.append(set).append(" ").append(status(set)).append("\n");
  }
  return text;
}

std::string five_times(const char* set) {
  std::string text;
  for (const char* name : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    text.append(name).append(" ").append(set).append("\n");
  }
  return text;
}

TEST(Privileges, KnowUsers) {
  const auto root = find_user("root");
  ASSERT_TRUE(root) << root.error();
  EXPECT_EQ(root->uid, 0U);
  EXPECT_THAT(root->groups, Contains(root->gid));
  EXPECT_EQ(runs_as(*root), ::geteuid() == 0);
  const auto nobody = find_user("no-such-user");
  ASSERT_FALSE(nobody);
  EXPECT_THAT(nobody.error(), HasSubstr("there is no user 'no-such-user' on this system"));
}

TEST(Privileges, HaveTheNamesOfTheManual) {
  EXPECT_EQ(to_string(Capability::net_bind_service), "CAP_NET_BIND_SERVICE");
  EXPECT_EQ(to_string(Capability::net_admin), "CAP_NET_ADMIN");
}

TEST(Privileges, NewOnesCanBeForbidden) {
  EXPECT_EQ(in_child([] {
              const auto forbidden = forbid_new_privileges();
              return forbidden ? status("NoNewPrivs") : forbidden.error();
            }),
            "1");
}

class PrivilegesOfRoot : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root has privileges to give up";
  }
};

TEST_F(PrivilegesOfRoot, OnlyTheKeptCapabilitiesStay) {
  constexpr std::array kept{Capability::net_bind_service};
  EXPECT_EQ(in_child([&] {
              const auto limited = limit_capabilities(kept);
              return limited ? all_capabilities() : limited.error();
            }),
            five_times(bit_of_net_bind_service));
  EXPECT_EQ(in_child([] {
              const auto limited = limit_capabilities({});
              return limited ? all_capabilities() : limited.error();
            }),
            five_times(none));
}

TEST_F(PrivilegesOfRoot, LimitingTheFutureLeavesThePresent) {
  EXPECT_EQ(in_child([]() -> std::string {
              const std::string before = status("CapEff");
              if (const auto limited = limit_future_capabilities({}); !limited) return limited.error();
              return status("CapBnd") + status("CapInh") +
                     (status("CapEff") == before ? " same" : " changed");
            }),
            std::string(none) + none + " same");
}

TEST_F(PrivilegesOfRoot, AnotherUserHasTheKeptCapabilitiesAndNoWayBack) {
  const auto nobody = find_user("nobody");
  ASSERT_TRUE(nobody) << nobody.error();
  constexpr std::array kept{Capability::net_bind_service};
  EXPECT_EQ(
      in_child([&]() -> std::string {
        if (const auto limited = limit_future_capabilities(kept); !limited) return limited.error();
        if (const auto became = become_user(*nobody, kept); !became) return became.error();
        if (::setuid(0) == 0 || ::seteuid(0) == 0) return "root is back";
        return all_capabilities() + status("Uid") + "\n" + status("Gid");
      }),
      five_times(bit_of_net_bind_service) + [&] {
        const std::string uid = std::to_string(nobody->uid);
        const std::string gid = std::to_string(nobody->gid);
        return uid + "\t" + uid + "\t" + uid + "\t" + uid + "\n" + gid + "\t" + gid + "\t" + gid + "\t" + gid;
      }());
}

TEST_F(PrivilegesOfRoot, WhoIsNotRootBecomesNobodyElse) {
  const auto nobody = find_user("nobody");
  const auto root = find_user("root");
  ASSERT_TRUE(nobody && root);
  EXPECT_THAT(in_child([&]() -> std::string {
                if (const auto became = become_user(*nobody, {}); !became) return became.error();
                const auto back = become_user(*root, {});
                return back ? "root again" : back.error();
              }),
              HasSubstr("cannot become the user 'root'"));
}

TEST_F(PrivilegesOfRoot, ANewLogBelongsToItsUserAndAnOldOneStays) {
  const auto nobody = find_user("nobody");
  ASSERT_TRUE(nobody) << nobody.error();
  const TemporaryFolder folder;
  const auto owner_after_opening = [&](const std::string& path) {
    const auto file = open_log_file(path, "nobody");
    EXPECT_TRUE(file) << file.error();
    if (file) (void)std::fclose(*file);
    struct stat made{};
    EXPECT_EQ(::stat(path.c_str(), &made), 0);
    return made.st_uid;
  };
  EXPECT_EQ(owner_after_opening(folder.file("new.log")), nobody->uid);
  std::ofstream(folder.file("old.log")) << "a line\n";
  EXPECT_EQ(owner_after_opening(folder.file("old.log")), 0U);
  ASSERT_EQ(::symlink(folder.file("target").c_str(), folder.file("link.log").c_str()), 0);
  EXPECT_EQ(owner_after_opening(folder.file("link.log")), 0U) << "a link may lead to anything";
}

}  // namespace
}  // namespace portshare
