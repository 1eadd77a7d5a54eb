// What processes cost: CPU time and memory, ours and others'.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace portshare {

/// Of a process and all processes under it.
struct ProcessUsage {
  /// User and system time of all their threads, also of those that have ended and of children that were
  /// waited for (which the system counts in hundredths of a second).
  std::chrono::nanoseconds cpu{};
  std::size_t processes = 0;
};

/// The error is a sentence: "there is no process 4711".
[[nodiscard]] std::expected<ProcessUsage, std::string> usage_of_process_tree(int pid);

/// Proportional set size (PSS: pages shared by n processes count as 1/n) of a process and all under it, in
/// bytes. It takes the rights of ptrace(2) on them. The error is a sentence.
[[nodiscard]] std::expected<std::uint64_t, std::string> memory_of_process_tree(int pid);

/// The processes whose program has this name (/proc/PID/comm, of which the system keeps 15 characters), but
/// not those that are under another one of them. Ascending.
[[nodiscard]] std::vector<int> find_processes(std::string_view name);

/// CPU time of this process, all threads, user and system.
[[nodiscard]] std::chrono::nanoseconds cpu_time_of_this_process();

/// CPU time that all processes of this machine, and its interrupts, have used since it started.
[[nodiscard]] std::chrono::nanoseconds cpu_time_of_this_machine();

/// Lets the waits of the calling thread end when their time is over, and not up to 50 µs later, which is how
/// long Linux may delay them to save wake-ups.
void make_waits_precise();

/// "Linux 6.1.0-18-amd64 x86_64", and "Intel(R) Xeon(R) …, 8 CPUs": for reports.
[[nodiscard]] std::string describe_system();
[[nodiscard]] std::string describe_machine();

}  // namespace portshare
