// Code that changes the process it runs in, tried in a child.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <string>

namespace portshare {

/// Runs `task` in a forked child and returns what it returns, which is empty if all is well. No other thread
/// may run.
inline std::string in_child(const std::function<std::string()>& task) {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    // Out of the way of descriptors that the task puts things on.
    const int answer = ::dup2(ends[1], 100);
    const std::string result = task();
    const bool is_written =
        ::write(answer, result.data(), result.size()) == static_cast<ssize_t>(result.size());
    ::_exit(is_written ? 0 : 1);
  }
  ::close(ends[1]);
  std::string result;
  char piece[512];
  for (ssize_t count = 0; (count = ::read(ends[0], piece, sizeof piece)) > 0;) {
    result.append(piece, static_cast<std::size_t>(count));
  }
  ::close(ends[0]);
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || status != 0) return "the child has failed";
  return result;
}

}  // namespace portshare
