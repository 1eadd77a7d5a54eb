// The network namespaces of this host (network_namespaces(7)): each has addresses and ports of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace portshare {

struct NetworkNamespace {
  std::uint64_t inode = 0;
  std::string name;  ///< as `ip netns` calls it; else "net:[4026532008] of pid 812"
  std::string path;  ///< by which it can be entered
};

/// The namespaces besides our own that can be seen: those of running processes, and the named ones.
[[nodiscard]] std::vector<NetworkNamespace> other_network_namespaces();

/// Runs `task` in that namespace, on a thread of its own which it waits for. False: this user may not enter
/// it (CAP_SYS_ADMIN), or it has gone.
[[nodiscard]] bool run_in_network_namespace(const NetworkNamespace& where, const std::function<void()>& task);

}  // namespace portshare
