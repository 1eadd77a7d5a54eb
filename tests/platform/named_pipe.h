// A pipe with a name, and the end of it that is read.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <string>

namespace portshare {

class NamedPipe {
 public:
  /// Made anew at `path`, open for reading.
  explicit NamedPipe(const std::string& path) {
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    reading_end_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    EXPECT_GE(reading_end_, 0);
  }
  NamedPipe(const NamedPipe&) = delete;
  NamedPipe& operator=(const NamedPipe&) = delete;
  ~NamedPipe() { ::close(reading_end_); }

  /// From now on reading waits until the last writer has closed it.
  void has_a_writer() { EXPECT_EQ(::fcntl(reading_end_, F_SETFL, 0), 0); }

  std::string read_to_the_end() {
    std::string text;
    std::array<char, 65536> buffer{};
    for (ssize_t count = 0; (count = ::read(reading_end_, buffer.data(), buffer.size())) > 0;)
      text.append(buffer.data(), static_cast<std::size_t>(count));
    return text;
  }

 private:
  int reading_end_ = -1;
};

}  // namespace portshare
