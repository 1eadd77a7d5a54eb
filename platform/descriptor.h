// A file descriptor that somebody owns.
#pragma once

#include <unistd.h>

#include <utility>

namespace portshare {

/// Closes the descriptor when it goes, unless it was let go.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(Descriptor&& other) noexcept : descriptor_(other.let_go()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      close();
      descriptor_ = other.let_go();
    }
    return *this;
  }
  ~Descriptor() { close(); }

  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  /// Negative: there is none.
  [[nodiscard]] int get() const { return descriptor_; }
  int let_go() { return std::exchange(descriptor_, -1); }
  void close() {
    if (is_open()) ::close(let_go());
  }

 private:
  int descriptor_ = -1;
};

}  // namespace portshare
