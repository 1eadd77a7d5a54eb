#include "platform/process_usage.h"

#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <system_error>

namespace portshare {

using std::chrono::nanoseconds;

namespace {

struct ProcessStatus {
  std::string name;
  int parent = 0;
  std::uint64_t ended_children_ticks = 0;
};

nanoseconds from_ticks(std::uint64_t ticks) {
  return std::chrono::seconds{1} * ticks / ::sysconf(_SC_CLK_TCK);
}

// proc_pid_stat(5). The name is in parentheses and may hold any character, so the last one ends it.
std::optional<ProcessStatus> status_of_process(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  const std::size_t begin = line.find('(');
  const std::size_t end = line.rfind(')');
  if (begin == std::string::npos || end == std::string::npos) return std::nullopt;
  ProcessStatus status{.name = line.substr(begin + 1, end - begin - 1)};
  std::istringstream fields(line.substr(end + 1));
  std::string skipped;
  fields >> skipped >> status.parent;
  for (int i = 0; i < 11; ++i) fields >> skipped;  // up to stime, the 15th field
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  fields >> user >> system;
  if (!fields) return std::nullopt;
  status.ended_children_ticks = user + system;
  return status;
}

std::map<int, ProcessStatus> all_processes() {
  std::map<int, ProcessStatus> result;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (!std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) continue;
    const int pid = std::stoi(name);
    if (auto status = status_of_process(pid)) result.emplace(pid, std::move(*status));
  }
  return result;
}

bool is_under(const std::map<int, ProcessStatus>& all, int pid, int ancestor) {
  for (auto found = all.find(pid); found != all.end(); found = all.find(found->second.parent))
    if (found->first == ancestor) return true;
  return false;
}

std::expected<std::map<int, ProcessStatus>, std::string> process_tree(int root) {
  const auto all = all_processes();
  if (!all.contains(root)) return std::unexpected("there is no process " + std::to_string(root));
  std::map<int, ProcessStatus> tree;
  for (const auto& process : all)
    if (is_under(all, process.first, root)) tree.insert(process);
  return tree;
}

nanoseconds read_clock(clockid_t clock) {
  timespec time{};
  if (::clock_gettime(clock, &time) != 0) return {};
  return std::chrono::seconds{time.tv_sec} + nanoseconds{time.tv_nsec};
}

}  // namespace

std::expected<ProcessUsage, std::string> usage_of_process_tree(int pid) {
  const auto tree = process_tree(pid);
  if (!tree) return std::unexpected(tree.error());
  ProcessUsage usage;
  for (const auto& [member, status] : *tree) {
    clockid_t clock{};
    if (::clock_getcpuclockid(member, &clock) != 0) continue;  // it has just ended
    usage.cpu += read_clock(clock) + from_ticks(status.ended_children_ticks);
    ++usage.processes;
  }
  return usage;
}

std::expected<std::uint64_t, std::string> memory_of_process_tree(int pid) {
  const auto tree = process_tree(pid);
  if (!tree) return std::unexpected(tree.error());
  std::uint64_t bytes = 0;
  for (const auto& process : *tree) {
    std::ifstream file("/proc/" + std::to_string(process.first) + "/smaps_rollup");
    std::string word;
    while (file >> word && word != "Pss:") continue;
    std::uint64_t kibibytes = 0;
    if (!(file >> kibibytes)) {
      if (!status_of_process(process.first)) continue;  // it has just ended
      return std::unexpected("cannot read the memory of process " + std::to_string(process.first) + ": " +
                             std::generic_category().message(EACCES));
    }
    bytes += kibibytes * 1024;
  }
  return bytes;
}

std::vector<int> find_processes(std::string_view name) {
  constexpr std::size_t kept_characters = 15;
  const auto all = all_processes();
  std::vector<int> found;
  for (const auto& [pid, status] : all) {
    if (status.name != name.substr(0, kept_characters)) continue;
    const bool is_covered =
        std::ranges::any_of(found, [&](int ancestor) { return is_under(all, pid, ancestor); });
    if (!is_covered) found.push_back(pid);
  }
  return found;
}

nanoseconds cpu_time_of_this_process() {
  return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

nanoseconds cpu_time_of_this_machine() {
  // proc_stat(5): user nice system idle iowait irq softirq. What a guest or another guest used is not ours.
  std::ifstream file("/proc/stat");
  std::string cpu;
  std::uint64_t user = 0;
  std::uint64_t nice = 0;
  std::uint64_t system = 0;
  std::uint64_t idle = 0;
  std::uint64_t waiting = 0;
  std::uint64_t hard_interrupts = 0;
  std::uint64_t soft_interrupts = 0;
  file >> cpu >> user >> nice >> system >> idle >> waiting >> hard_interrupts >> soft_interrupts;
  return from_ticks(user + nice + system + hard_interrupts + soft_interrupts);
}

void make_waits_precise() {
  constexpr unsigned long shortest_slack_ns = 1;
  ::prctl(PR_SET_TIMERSLACK, shortest_slack_ns);
}

std::string describe_system() {
  utsname names{};
  if (::uname(&names) != 0) return "unknown system";
  return std::string(names.sysname) + ' ' + names.release + ' ' + names.machine;
}

std::string describe_machine() {
  std::ifstream file("/proc/cpuinfo");
  std::string model = "unknown processor";
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    model = line.substr(std::min(line.find(": ") + 2, line.size()));
    break;
  }
  return model + ", " + std::to_string(::sysconf(_SC_NPROCESSORS_ONLN)) + " CPUs";
}

}  // namespace portshare
