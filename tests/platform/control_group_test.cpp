#include "platform/control_group.h"

#include <gtest/gtest.h>

namespace portshare {
namespace {

constexpr const char* id = "3f2a9c0b1d2e4f5a6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c";

ControlGroup at(std::string path) {
  const std::size_t place = path.find("ID");
  if (place != std::string::npos) path.replace(place, 2, id);
  return parse_control_group_path(path);
}

TEST(ControlGroup, Units) {
  EXPECT_EQ(at("/system.slice/nginx.service").unit, "nginx.service");
  EXPECT_TRUE(at("/system.slice/nginx.service").can_be_stopped());
  EXPECT_EQ(at("/system.slice/system-php.slice/php@7.service").unit, "php@7.service");
  EXPECT_EQ(at("/system.slice/nginx.service/workers").unit, "nginx.service");
  EXPECT_EQ(at("/user.slice/user-1000.slice/session-3.scope").unit, "session-3.scope");
  EXPECT_FALSE(at("/user.slice/user-1000.slice/session-3.scope").can_be_stopped());
  EXPECT_FALSE(at("/init.scope").can_be_stopped());
  for (const char* nothing : {"", "/", "/user.slice", "/batch/jobs"})
    EXPECT_EQ(at(nothing).unit, "") << nothing;
}

TEST(ControlGroup, UnitsOfAUsersManager) {
  const auto group = at("/user.slice/user-1000.slice/user@1000.service/app.slice/web.service");
  EXPECT_EQ(group.unit, "web.service");
  EXPECT_TRUE(group.is_of_user_manager);
  EXPECT_FALSE(at("/system.slice/web.service").is_of_user_manager);
  const auto manager = at("/user.slice/user-1000.slice/user@1000.service/init.scope");
  EXPECT_FALSE(manager.can_be_stopped());
}

TEST(ControlGroup, Containers) {
  EXPECT_EQ(at("/system.slice/docker-ID.scope").container, "docker 3f2a9c0b1d2e");
  EXPECT_EQ(at("/docker/ID").container, "docker 3f2a9c0b1d2e");
  EXPECT_EQ(at("/machine.slice/libpod-ID.scope/container").container, "podman 3f2a9c0b1d2e");
  EXPECT_EQ(at("/kubepods.slice/kubepods-pod1.slice/cri-containerd-ID.scope").container,
            "containerd 3f2a9c0b1d2e");
  EXPECT_EQ(at("/kubepods/burstable/pod77/ID").container, "container 3f2a9c0b1d2e");
  EXPECT_EQ(at("/lxc.payload.web/system.slice/nginx.service").container, "lxc web");
  EXPECT_EQ(at("/machine.slice/systemd-nspawn@web.service/payload").container, "nspawn web");
  for (const char* none :
       {"/system.slice/nginx.service", "/docker/abc", "/system.slice/docker-compose.service"}) {
    EXPECT_EQ(at(none).container, "") << none;
  }
}

TEST(ControlGroup, WhatIsInsideOfAContainerIsNotAUnitOfThisHost) {
  EXPECT_EQ(at("/lxc.payload.web/system.slice/nginx.service").unit, "");
}

TEST(ControlGroup, BothVersionsOfTheFile) {
  EXPECT_EQ(parse_control_groups("0::/system.slice/a.service\n").unit, "a.service");
  EXPECT_EQ(parse_control_groups("9:cpu,cpuacct:/x\n1:name=systemd:/system.slice/b.service\n0::/\n").unit,
            "b.service");
  EXPECT_EQ(parse_control_groups("1:name=systemd:/system.slice/b.service\n0::/system.slice/c.service").unit,
            "c.service");
  EXPECT_EQ(parse_control_groups("").unit, "");
}

}  // namespace
}  // namespace portshare
