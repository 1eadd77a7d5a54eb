#include "platform/process_table.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <memory>
#include <optional>
#include <string_view>

#include "platform/file_descriptor.h"

namespace portshare {
namespace {

using Directory = std::unique_ptr<DIR, decltype([](DIR* directory) { ::closedir(directory); })>;

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<int> all_pids() {
  std::vector<int> pids;
  const Directory directory(::opendir("/proc"));
  if (!directory) return pids;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (const auto pid = parse_number<int>(entry->d_name)) pids.push_back(*pid);
  }
  return pids;
}

std::string path_of(int pid, std::string_view file) {
  return "/proc/" + std::to_string(pid) + "/" + std::string(file);
}

// Its first 32 KiB: a command line may have megabytes.
std::string content_of(int pid, std::string_view file) {
  constexpr std::size_t most = 32768;
  const FileDescriptor descriptor(::open(path_of(pid, file).c_str(), O_RDONLY | O_CLOEXEC));
  std::string content(most, '\0');
  std::size_t length = 0;
  while (descriptor.is_open() && length < most) {
    const ssize_t count = ::read(descriptor.get(), content.data() + length, most - length);
    if (count <= 0) break;
    length += static_cast<std::size_t>(count);
  }
  content.resize(length);
  return content;
}

// The number in a link such as "socket:[4711]"; 0 if it is another kind.
std::uint64_t inode_in_link(int directory, const char* name, std::string_view kind) {
  std::array<char, 64> target{};
  const ssize_t length = ::readlinkat(directory, name, target.data(), target.size());
  if (length < 0) return 0;
  std::string_view text(target.data(), static_cast<std::size_t>(length));
  if (!text.starts_with(kind) || !text.ends_with(']')) return 0;
  text.remove_prefix(kind.size());
  text.remove_suffix(1);
  return parse_number<std::uint64_t>(text).value_or(0);
}

class HolderSearch {
 public:
  explicit HolderSearch(std::span<const std::uint64_t> inodes) {
    for (const std::uint64_t inode : inodes) {
      if (inode != 0) found_.of.try_emplace(inode);
    }
  }

  SocketHolders run() {
    if (found_.of.empty()) return std::move(found_);
    const std::vector<int> pids = all_pids();
    std::vector<std::pair<int, Directory>> unfinished;
    for (const int pid : pids) {
      Directory directory(::opendir(path_of(pid, "fd").c_str()));
      if (!directory) {
        found_.some_are_hidden |= errno == EACCES || errno == EPERM;
        continue;
      }
      const bool is_finished = look(pid, directory.get(), first_descriptors);
      if (!is_finished) unfinished.emplace_back(pid, std::move(directory));
    }
    for (const auto& [pid, directory] : unfinished) {
      while (!all_have_a_holder() && !look(pid, directory.get(), first_descriptors)) continue;
    }
    for (auto& [inode, holders] : found_.of) std::ranges::sort(holders, {}, &SocketHolders::Holder::pid);
    return std::move(found_);
  }

 private:
  static constexpr std::size_t first_descriptors = 1024;

  [[nodiscard]] bool all_have_a_holder() const {
    return std::ranges::none_of(found_.of, [](const auto& entry) { return entry.second.empty(); });
  }

  // Looks at the next `most` descriptors, which come in ascending order; false: there are more.
  bool look(int pid, DIR* directory, std::size_t most) {
    const int folder = ::dirfd(directory);
    for (std::size_t count = 0; count < most; ++count) {
      const dirent* entry = ::readdir(directory);
      if (entry == nullptr) return true;
      const auto descriptor = parse_number<int>(entry->d_name);
      if (!descriptor) continue;
      const auto found = found_.of.find(inode_in_link(folder, entry->d_name, "socket:["));
      if (found == found_.of.end()) continue;
      auto& holders = found->second;
      if (holders.empty() || holders.back().pid != pid) {
        holders.push_back({.pid = pid, .descriptor = *descriptor});
      }
    }
    return false;
  }

  SocketHolders found_;
};

std::vector<std::string> split_at_nul(std::string_view content) {
  std::vector<std::string> words;
  while (!content.empty()) {
    const std::size_t end = std::min(content.find('\0'), content.size());
    words.emplace_back(content.substr(0, end));
    content.remove_prefix(std::min(end + 1, content.size()));
  }
  // Programs that write a title over their arguments leave empty ones behind.
  while (!words.empty() && words.back().empty()) words.pop_back();
  return words;
}

// The file that it runs. Where that may not be seen, the name that the kernel keeps, of 15 bytes.
std::string program_of(int pid) {
  std::array<char, 4096> target{};
  const ssize_t length = ::readlink(path_of(pid, "exe").c_str(), target.data(), target.size());
  if (length > 0) {
    std::string_view path(target.data(), static_cast<std::size_t>(length));
    constexpr std::string_view deleted = " (deleted)";  // replaced by an upgrade
    if (path.ends_with(deleted)) path.remove_suffix(deleted.size());
    return std::string(path.substr(path.rfind('/') + 1));
  }
  std::string name = content_of(pid, "comm");
  if (name.ends_with('\n')) name.pop_back();
  return name;
}

void read_status(ProcessInfo& process) {
  std::ifstream stream(path_of(process.pid, "status"));
  for (std::string word; stream >> word;) {
    if (word == "PPid:") stream >> process.parent;
    if (word == "Uid:") {
      std::uint32_t real = 0;
      stream >> real >> process.user;  // the second number is the effective one
      return;
    }
  }
}

}  // namespace

ProcessInfo read_process(int pid) {
  ProcessInfo process{.pid = pid,
                      .parent = 0,
                      .program = program_of(pid),
                      .command_line = split_at_nul(content_of(pid, "cmdline")),
                      .user = 0,
                      .control_group = parse_control_groups(content_of(pid, "cgroup"))};
  read_status(process);
  return process;
}

int own_pid() {
  return ::getpid();
}

std::string user_name(std::uint32_t user) {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found);
  return found != nullptr ? found->pw_name : std::to_string(user);
}

SocketHolders find_socket_holders(std::span<const std::uint64_t> inodes) {
  return HolderSearch(inodes).run();
}

std::vector<NamespaceMember> find_network_namespaces() {
  std::vector<NamespaceMember> members;
  for (const int pid : all_pids()) {
    const std::uint64_t inode = inode_in_link(AT_FDCWD, path_of(pid, "ns/net").c_str(), "net:[");
    if (inode == 0 || std::ranges::find(members, inode, &NamespaceMember::inode) != members.end()) continue;
    members.push_back({.inode = inode, .pid = pid});
  }
  return members;
}

}  // namespace portshare
