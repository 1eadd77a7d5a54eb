#include "dispatch/port_owner_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "dispatch/port_owner_text.h"

namespace portshare {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

LocalSocket listening(const char* address, std::uint16_t port = 80) {
  LocalSocket socket;
  socket.local = {.address = *IpAddress::parse(address), .port = port};
  socket.is_ipv6 = !socket.local.address.is_v4();
  socket.inode = 4711;
  return socket;
}

ProcessInfo process(int pid, const char* program, std::vector<std::string> command_line) {
  ProcessInfo info;
  info.pid = pid;
  info.program = program;
  info.command_line = std::move(command_line);
  return info;
}

PortOwner nginx() {
  PortOwner owner;
  owner.socket = listening("0.0.0.0");
  owner.processes = {process(812, "nginx", {"nginx: master process /usr/sbin/nginx"}),
                     process(814, "nginx", {"nginx: worker process"})};
  owner.user = "root";
  owner.control_group.unit = "nginx.service";
  owner.shares_port = false;
  return owner;
}

TEST(PortOwnerText, Addresses) {
  PortOwner owner = nginx();
  EXPECT_EQ(address_text(owner), "0.0.0.0:80");
  owner.interface = "eth0";
  EXPECT_EQ(address_text(owner), "0.0.0.0%eth0:80");
  owner.socket = listening("fe80::1");
  EXPECT_EQ(address_text(owner), "[fe80::1%eth0]:80");
  owner.interface = "";
  owner.socket = listening("::");
  EXPECT_EQ(address_text(owner), "[::]:80");
  owner.socket.takes_both = true;
  EXPECT_EQ(address_text(owner), "*:80");
}

TEST(PortOwnerText, Owners) {
  PortOwner owner = nginx();
  EXPECT_EQ(owner_text(owner), "nginx (pid 812 and 1 more, user root, nginx.service)");
  owner.processes.pop_back();
  owner.network_namespace = "blue";
  EXPECT_EQ(owner_text(owner), "nginx (pid 812, user root, nginx.service, network namespace blue)");
  owner = nginx();
  owner.processes.clear();
  owner.process_is_hidden = true;
  EXPECT_EQ(owner_text(owner), "a process of user root, nginx.service (pid not visible: run as root)");
  owner.process_is_hidden = false;
  owner.control_group = {};
  EXPECT_EQ(owner_text(owner), "the kernel, or a process that cannot be seen from here (user root)");
}

TEST(PortOwnerText, StopCommands) {
  PortOwner owner = nginx();
  EXPECT_EQ(stop_command(owner), "systemctl stop nginx.service");
  owner.control_group.is_of_user_manager = true;
  EXPECT_EQ(stop_command(owner), "systemctl --user stop nginx.service");
  owner.control_group.unit = "a\\x2db.service";
  owner.control_group.is_of_user_manager = false;
  EXPECT_EQ(stop_command(owner), R"(systemctl stop 'a\x2db.service')");
  owner.control_group.container = "podman 3f2a9c0b1d2e";
  EXPECT_EQ(stop_command(owner), "podman stop 3f2a9c0b1d2e");
  owner.control_group.container = "lxc web";
  EXPECT_EQ(stop_command(owner), "lxc-stop -n web");
  owner.control_group = {.unit = "session-3.scope", .is_of_user_manager = false, .container = {}};
  EXPECT_EQ(stop_command(owner), "kill 812");
  owner.processes[0].pid = 1;
  EXPECT_THAT(stop_command(owner), HasSubstr("systemctl list-sockets"));
  owner.processes[0].program = "docker-proxy";
  EXPECT_EQ(stop_command(owner), "docker stop $(docker ps -q --filter publish=80)");
  owner.processes.clear();
  EXPECT_EQ(stop_command(owner), "");
}

TEST(PortOwnerText, CommandLines) {
  EXPECT_EQ(command_line_text(process(1, "a", {"a", "-g", "daemon off;", "", "it's"})),
            R"(a -g 'daemon off;' '' 'it'\''s')");
  EXPECT_EQ(command_line_text(process(1, "a", {"a b c"})), "a b c");
  EXPECT_EQ(command_line_text(process(1, "a", {"a", "\x1b[2J\xff\n"})), R"(a '\x1b[2J\xff\x0a')");
  EXPECT_EQ(command_line_text(process(1, "a", {})), "");
}

TEST(PortOwnerReport, Table) {
  PortOwners found;
  found.owners = {nginx(), nginx()};
  found.owners[1].socket = listening("2001:db8:1234:5678:9abc:def0:1234:5678", 443);
  found.owners[1].socket.state = LocalSocket::State::bound;
  found.connections.push_back(
      {.transport = Transport::tcp, .port = 80, .network_namespace = {}, .open = 1204, .in_time_wait = 1});
  EXPECT_EQ(port_owners_table(found, 60),
            "PROTO  STATE   ADDRESS                                       PID  PROGRAM  USER  UNIT\n"
            "tcp    listen  0.0.0.0:80                                    812  nginx    root  nginx.service\n"
            "       nginx: master process /usr/sbin/nginx\n"
            "       shared with pid 814: nginx, user root\n"
            "tcp    bound   [2001:db8:1234:5678:9abc:def0:1234:5678]:443  812  nginx    root  nginx.service\n"
            "tcp port 80: and 1,204 connections, 1 in TIME_WAIT\n");
}

TEST(PortOwnerReport, CommandLinesAreCutToTheTerminal) {
  PortOwners found;
  found.owners = {nginx()};
  found.owners[0].processes = {process(7, "java", {"java", std::string(500, 'x')})};
  EXPECT_THAT(port_owners_table(found, 80), HasSubstr("\n       java " + std::string(65, 'x') + "...\n"));
  EXPECT_THAT(port_owners_table(found, std::nullopt), HasSubstr(std::string(500, 'x')));
}

TEST(PortOwnerReport, SocketsThatLookAlikeAreOneLine) {
  PortOwners found;
  found.owners = {nginx(), nginx(), nginx()};
  for (PortOwner& owner : found.owners) owner.shares_port = true;
  const std::string table = port_owners_table(found, std::nullopt);
  EXPECT_EQ(std::ranges::count(table, '\n'), 5);
  EXPECT_THAT(table, AllOf(HasSubstr("3 sockets"), HasSubstr("SO_REUSEPORT")));
}

TEST(PortOwnerReport, WhatCannotBeSeenIsSaid) {
  PortOwners found;
  found.owners = {nginx()};
  found.owners[0].processes.clear();
  found.owners[0].process_is_hidden = true;
  EXPECT_THAT(port_owners_table(found, std::nullopt), HasSubstr("pid not visible: run as root"));
  found.owners[0].process_is_hidden = false;
  EXPECT_THAT(port_owners_table(found, std::nullopt),
              AllOf(Not(HasSubstr("run as root")), HasSubstr("no process that can be seen from here")));
}

TEST(PortOwnerReport, Json) {
  PortOwners found;
  found.owners = {nginx()};
  found.owners[0].processes[0].command_line[0] += "\xff";
  const auto json = nlohmann::json::parse(
      to_json(found).dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  const auto& socket = json["sockets"][0];
  EXPECT_EQ(socket["protocol"], "tcp");
  EXPECT_EQ(socket["state"], "listen");
  EXPECT_EQ(socket["address"], "0.0.0.0");
  EXPECT_EQ(socket["port"], 80);
  EXPECT_EQ(socket["ipv4"], true);
  EXPECT_EQ(socket["ipv6"], false);
  EXPECT_EQ(socket["unit"], "nginx.service");
  EXPECT_EQ(socket["container"], nullptr);
  EXPECT_EQ(socket["reuse_port"], false);
  EXPECT_EQ(socket["processes"].size(), 2U);
  EXPECT_EQ(socket["processes"][0]["pid"], 812);
  EXPECT_EQ(socket["processes"][1]["program"], "nginx");
  EXPECT_EQ(json["connections"].size(), 0U);
}

}  // namespace
}  // namespace portshare
