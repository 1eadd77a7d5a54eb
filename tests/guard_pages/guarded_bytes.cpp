#include "tests/guard_pages/guarded_bytes.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <system_error>
#include <utility>
#include <vector>

namespace portshare::test {
namespace {

using Guard = GuardedBytes::Guard;

std::size_t page_length() {
  static const auto length = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return length;
}

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

/// A guard, and so many bytes that can be used beside it.
std::uint8_t* map_pages(std::size_t usable, Guard guard) {
  void* const pages = ::mmap(nullptr, usable + page_length(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) fail("mmap");
  auto* const begin = static_cast<std::uint8_t*>(pages) + (guard == Guard::in_front ? page_length() : 0);
  if (usable > 0 && ::mprotect(begin, usable, PROT_READ | PROT_WRITE) != 0) fail("mprotect");
  return begin;
}

/// The pages that are not in use. They are never given back: a test places bytes a million times.
std::vector<std::uint8_t*>& unused_pages(std::size_t usable, Guard guard) {
  thread_local std::map<std::pair<std::size_t, Guard>, std::vector<std::uint8_t*>> unused;
  return unused[{usable, guard}];
}

}  // namespace

GuardedBytes::GuardedBytes(ByteView bytes, Guard guard)
    : guard_(guard), usable_((bytes.size() + page_length() - 1) / page_length() * page_length()) {
  std::vector<std::uint8_t*>& unused = unused_pages(usable_, guard_);
  if (unused.empty()) unused.push_back(map_pages(usable_, guard_));
  pages_ = unused.back();
  unused.pop_back();
  std::uint8_t* const copy = guard_ == Guard::in_front ? pages_ : pages_ + usable_ - bytes.size();
  std::ranges::copy(bytes, copy);
  view_ = ByteView(copy, bytes.size());
}

GuardedBytes::~GuardedBytes() {
  unused_pages(usable_, guard_).push_back(pages_);
}

}  // namespace portshare::test
