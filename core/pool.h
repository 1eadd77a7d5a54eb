// Objects of one type, made and unmade often, kept in slabs.
#pragma once

#include <cassert>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace portshare {

/// Gives storage to objects of type T. Memory that was taken once stays with the pool and is handed out
/// again, last released first, because that one is still in the cache. Every object must be released before
/// the pool goes. Not thread-safe.
template <typename T>
class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() { assert(in_use_ == 0); }

  /// A new T(arguments...), at one place in memory until it is released.
  template <typename... Arguments>
  T* make(Arguments&&... arguments) {
    if (free_.empty()) grow();
    T* object = new (free_.back()) T(std::forward<Arguments>(arguments)...);
    free_.pop_back();
    ++in_use_;
    return object;
  }

  void release(T* object) {
    assert(object && in_use_ > 0);
    object->~T();
    free_.push_back(object);
    --in_use_;
  }

  [[nodiscard]] std::size_t in_use() const { return in_use_; }

 private:
  static constexpr std::size_t objects_per_slab = 64;
  struct Slab {
    alignas(T) std::byte storage[objects_per_slab * sizeof(T)];
  };

  void grow() {
    slabs_.push_back(std::make_unique_for_overwrite<Slab>());
    free_.reserve(slabs_.size() * objects_per_slab);  // so that release() never allocates
    for (std::size_t i = objects_per_slab; i-- > 0;) free_.push_back(slabs_.back()->storage + i * sizeof(T));
  }

  std::size_t in_use_ = 0;
  std::vector<void*> free_;
  std::vector<std::unique_ptr<Slab>> slabs_;
};

}  // namespace portshare
