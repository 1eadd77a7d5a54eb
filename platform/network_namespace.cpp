#include "platform/network_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <thread>

#include "platform/file_descriptor.h"
#include "platform/process_table.h"

namespace portshare {
namespace {

std::uint64_t inode_of(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

std::vector<NetworkNamespace> other_network_namespaces() {
  const std::uint64_t own = inode_of("/proc/self/ns/net");
  std::vector<NetworkNamespace> namespaces;
  const auto is_new = [&](std::uint64_t inode) {
    return inode != 0 && inode != own &&
           std::ranges::find(namespaces, inode, &NetworkNamespace::inode) == namespaces.end();
  };
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/run/netns", error)) {
    const std::uint64_t inode = inode_of(entry.path());
    if (is_new(inode)) namespaces.push_back({inode, entry.path().filename(), entry.path()});
  }
  for (const auto& [inode, pid] : find_network_namespaces()) {
    const std::string number = std::to_string(pid);
    if (!is_new(inode)) continue;
    namespaces.push_back(
        {inode, "net:[" + std::to_string(inode) + "] of pid " + number, "/proc/" + number + "/ns/net"});
  }
  return namespaces;
}

bool run_in_network_namespace(const NetworkNamespace& where, const std::function<void()>& task) {
  const FileDescriptor descriptor(::open(where.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!descriptor.is_open()) return false;
  bool has_entered = false;
  // The namespace belongs to a thread; ours keeps its own.
  std::thread([&] {
    has_entered = ::setns(descriptor.get(), CLONE_NEWNET) == 0;
    if (has_entered) task();
  }).join();
  return has_entered;
}

}  // namespace portshare
