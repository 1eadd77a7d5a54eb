// Host names and wildcards, a million of them, found in one pass over the name that is looked up.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace portshare {

/// A name with the hashes of all its suffixes that begin at a label, computed from the right in one pass. The
/// text must outlive it; it is normalised (HostName::view), not empty, and at most HostName::max_length long.
class HashedName {
 public:
  struct Suffix {
    std::uint64_t hash;
    std::string_view text;
  };

  /// `seed`: that of the table in which the name will be looked up.
  HashedName(std::string_view name, std::uint64_t seed);

  [[nodiscard]] std::size_t label_count() const { return count_; }
  /// The last `labels` labels, 1 to label_count().
  [[nodiscard]] Suffix suffix(std::size_t labels) const {
    assert(labels > 0 && labels <= count_);
    const Start& start = starts_[labels - 1];
    return {start.hash, name_.substr(start.offset)};
  }
  [[nodiscard]] Suffix whole() const { return suffix(count_); }

 private:
  struct Start {
    std::uint64_t hash;
    std::size_t offset;
  };
  std::string_view name_;
  std::size_t count_ = 0;
  std::array<Start, 256> starts_;  // only the first count_ are written; 256 also holds a name of dots alone
};

/// Maps names to values. Many independent sets of names share one table: each is a scope. A name and the
/// wildcard of the same text
/// ("example.com", "*.example.com") are two entries. Not changed any more, it may be read by any number of
/// threads.
class NameTable {
 public:
  static constexpr std::uint32_t no_value = UINT32_MAX;
  enum class Kind : std::uint8_t { exact, wildcard };

  /// How deep the wildcards of a scope are, so that a look-up tries only depths that occur.
  class Depths {
   public:
    void add(std::string_view wildcard);
    [[nodiscard]] bool contains(std::size_t labels) const { return (mask_ & bit(labels)) != 0; }

   private:
    // The last bit stands for all depths from 64 on.
    static std::uint64_t bit(std::size_t labels) {
      return std::uint64_t{1} << (labels < 64 ? labels - 1 : 63);
    }
    std::uint64_t mask_ = 0;
  };

  /// At most `max_names` can be inserted. Room for `text_bytes` of names is set aside; more costs a copy.
  /// `seed` is best taken from a random source, so that nobody outside can aim at the longest run of occupied
  /// slots.
  NameTable(std::size_t max_names, std::size_t text_bytes, std::uint64_t seed);

  [[nodiscard]] std::uint64_t seed() const { return seed_; }

  /// The value of the name, `no_value` if it is new; a wildcard comes without its "*.". Valid until the table
  /// goes.
  std::uint32_t& insert(std::uint32_t scope, Kind kind, std::string_view text);

  /// The value, or `no_value`.
  [[nodiscard]] std::uint32_t find(std::uint32_t scope, Kind kind, const HashedName::Suffix& name) const {
    return slots_[slot_of(scope, kind, name)].value;
  }

  /// Calls function(value&) for every name, in no particular order.
  template <class Function>
  void for_each_value(Function&& function) {
    for (Slot& slot : slots_) {
      if (slot.entry != unused) function(slot.value);
    }
  }

 private:
  static constexpr std::uint32_t unused = UINT32_MAX;
  struct Slot {
    std::uint32_t fingerprint = 0;  // the half of the hash that does not say where the slot is
    std::uint32_t entry = unused;   // where the name stands in texts_
    std::uint32_t value = no_value;
  };

  /// Where the name is, or the unused slot where it would be.
  [[nodiscard]] std::size_t slot_of(std::uint32_t scope, Kind kind, const HashedName::Suffix& name) const;
  [[nodiscard]] bool entry_is(std::uint32_t entry, std::uint64_t owner, std::string_view text) const;

  std::vector<Slot> slots_;  // linear probing; at most half full
  std::vector<char> texts_;  // per name its scope and kind, a length byte, the text
  std::uint64_t seed_;
  std::size_t free_;
};

}  // namespace portshare
