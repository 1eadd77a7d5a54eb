// Where a hash table keeps its keys, for tables that are too big for the caches of the processor.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/word_bytes.h"

namespace portshare {

/// A hash with eight more bytes in it. Begin with the seed of the table.
constexpr std::uint64_t combine_hash(std::uint64_t hash, std::uint64_t bytes) {
  hash = (hash ^ bytes) * 0x9fb21c651e98df25U;
  return hash ^ hash >> 32;
}

/// Slots of a hash table, numbered from 0; what they hold is the owner's. A slot has a tag: a byte of its
/// key's hash, or 0 when it is unused. The tags of a group of eight slots are one number, so one comparison
/// tells which of them may hold a key. The tags of a million slots stay in the caches of the processor: a key
/// that is not there rarely costs a visit to memory, and one that is costs a single visit.
class HashSlots {
 public:
  struct Place {
    std::size_t slot;
    bool is_used;  ///< the key is there; otherwise it would be
  };

  /// Two thirds full with `max_keys`: fewer than one key in ten is not in its first group.
  explicit HashSlots(std::size_t max_keys) : groups_(max_keys * 3 / 2 / group_size + 1), free_(max_keys) {
    assert(groups_.size() <= UINT32_MAX);
  }

  [[nodiscard]] std::size_t size() const { return groups_.size() * group_size; }

  /// The key's slot, or the one that it would get. `holds(slot)` compares the whole key with that of a slot
  /// in use.
  template <class Holds>
  [[nodiscard]] Place find(std::uint64_t hash, Holds&& holds) const {
    const std::uint8_t tag = tag_of(hash);
    // The upper half of the hash as a fraction of the table, and from there on in turn.
    for (std::size_t group = (hash >> 32) * groups_.size() >> 32;;
         group = group + 1 == groups_.size() ? 0 : group + 1) {
      const std::uint64_t tags = groups_[group];
      for (std::uint64_t left = find_bytes(tag, tags); left != 0; left &= left - 1) {
        const std::size_t slot = group * group_size + lowest_byte_of(left);
        if (holds(slot)) return {slot, true};
      }
      const std::uint64_t unused = find_bytes(0, tags);
      if (unused != 0) return {group * group_size + lowest_byte_of(unused), false};
    }
  }

  /// Takes the unused slot that find() has returned for this hash.
  void use(std::size_t slot, std::uint64_t hash) {
    assert(free_ > 0 && !is_used(slot));
    --free_;
    groups_[slot / group_size] |= std::uint64_t{tag_of(hash)} << shift_of(slot);
  }
  [[nodiscard]] bool is_used(std::size_t slot) const {
    return (groups_[slot / group_size] >> shift_of(slot) & 0xff) != 0;
  }

 private:
  static constexpr std::size_t group_size = 8;
  static std::size_t shift_of(std::size_t slot) { return 8 * (slot % group_size); }
  /// Of the half of the hash that does not tell the group. Never 1, which find_bytes() may take for 0:
  /// holds() is asked about slots in use only.
  static std::uint8_t tag_of(std::uint64_t hash) {
    return static_cast<std::uint8_t>(std::max<std::uint64_t>(hash & 0xff, 2));
  }

  std::vector<std::uint64_t> groups_;  // the tag of a group's first slot is the lowest byte
  std::size_t free_;
};

}  // namespace portshare
