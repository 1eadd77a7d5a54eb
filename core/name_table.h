// Host names and wildcards, a million of them, found in one pass over the name that is looked up.
#pragma once

#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/hash_slots.h"

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
  [[nodiscard]] Suffix whole() const { return {starts_[count_ - 1].hash, name_}; }

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
    /// The greatest depth below `labels` at which there may be a wildcard; 0: none.
    [[nodiscard]] std::size_t next_below(std::size_t labels) const {
      if (labels > 64 && mask_ >> 63 != 0) return labels - 1;
      const std::uint64_t below = labels > 64 ? mask_ : mask_ & (bit(labels) - 1);
      return static_cast<std::size_t>(64 - std::countl_zero(below));
    }

   private:
    // The last bit stands for all depths from 64 on.
    static std::uint64_t bit(std::size_t labels) {
      return std::uint64_t{1} << (labels < 64 ? labels - 1 : 63);
    }
    std::uint64_t mask_ = 0;
  };

  /// At most `max_names` can be inserted. `seed` is best taken from a random source, so that nobody outside
  /// can aim at the longest run of occupied slots.
  NameTable(std::size_t max_names, std::uint64_t seed);

  [[nodiscard]] std::uint64_t seed() const { return seed_; }

  /// The value of the name, `no_value` if it is new; a wildcard comes without its "*.". Valid until the table
  /// goes.
  std::uint32_t& insert(std::uint32_t scope, Kind kind, std::string_view text);

  /// The value, or `no_value`.
  [[nodiscard]] std::uint32_t find(std::uint32_t scope, Kind kind, const HashedName::Suffix& name) const {
    const HashSlots::Place place = place_of(owner_of(scope, kind), name);
    return place.is_used ? slots_[place.slot].value : no_value;
  }

  /// Calls function(value&) for every name, in no particular order.
  template <class Function>
  void for_each_value(Function&& function) {
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
      if (hash_slots_.is_used(slot)) function(slots_[slot].value);
    }
  }

 private:
  // All of a name but the rest of a long one, so that one visit to memory is enough.
  struct Slot {
    static constexpr std::size_t text_length = 31;
    std::uint32_t owner = 0;  // scope and kind
    std::uint32_t value = no_value;
    std::uint8_t length = 0;
    // Of a longer name the beginning, followed by the place in rests_ where it goes on.
    std::array<char, text_length> text{};
    static constexpr std::size_t beginning = text_length - sizeof(std::uint32_t);
  };
  static_assert(sizeof(Slot) == 40);

  [[nodiscard]] HashSlots::Place place_of(std::uint32_t owner, const HashedName::Suffix& name) const {
    return hash_slots_.find(hash_of(owner, name),
                            [&](std::size_t slot) { return holds(slots_[slot], owner, name.text); });
  }
  [[nodiscard]] bool holds(const Slot& slot, std::uint32_t owner, std::string_view text) const;
  void write(Slot& slot, std::uint32_t owner, std::string_view text);

  static std::uint32_t owner_of(std::uint32_t scope, Kind kind) {
    return scope << 1 | (kind == Kind::wildcard ? 1U : 0U);
  }
  static std::uint64_t hash_of(std::uint32_t owner, const HashedName::Suffix& name) {
    return combine_hash(name.hash, owner);
  }
  HashSlots hash_slots_;
  std::vector<Slot> slots_;
  std::vector<char> rests_;  // of names that are too long for a slot
  std::uint64_t seed_;
};

}  // namespace portshare
