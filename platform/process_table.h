// The processes of this host, and which sockets they have (proc(5)).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "platform/control_group.h"

namespace portshare {

struct ProcessInfo {
  int pid = 0;
  int parent = 0;
  std::string program;  ///< the name of its executable file, or what the process calls itself
  std::vector<std::string> command_line;  ///< empty: it has none, or has gone
  std::uint32_t user = 0;                 ///< the effective uid
  ControlGroup control_group;
};

/// What can be learned of a process. Every part is empty that this user may not see, or if it has ended.
[[nodiscard]] ProcessInfo read_process(int pid);

/// This process.
[[nodiscard]] int own_pid();

/// The name of a user, or its number where nobody knows it.
[[nodiscard]] std::string user_name(std::uint32_t user);

struct SocketHolders {
  struct Holder {
    int pid = 0;
    int descriptor = 0;
  };
  /// By inode number of the socket, in the order of their pids.
  std::unordered_map<std::uint64_t, std::vector<Holder>> of;
  /// There are processes whose descriptors this user may not see.
  bool some_are_hidden = false;
};

/// Finds the processes that have sockets with these inode numbers. A process with very many descriptors is
/// what this costs; so all of them are looked at only as long as a socket has no holder, and of each
/// process no more than its first 1,024, among which are those that it listens on.
[[nodiscard]] SocketHolders find_socket_holders(std::span<const std::uint64_t> inodes);

/// The processes of this host, each once for every network namespace that is in use: the first that is in it.
struct NamespaceMember {
  std::uint64_t inode = 0;  ///< of the namespace
  int pid = 0;
};
[[nodiscard]] std::vector<NamespaceMember> find_network_namespaces();

}  // namespace portshare
