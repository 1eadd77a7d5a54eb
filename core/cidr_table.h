// Longest-prefix match over IP prefixes: a hash table in which every prefix length that is present is probed
// once.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/hash_slots.h"
#include "core/ip_address.h"

namespace portshare {

/// Maps prefixes to values. Many independent sets of prefixes share one table: each is a scope, a number
/// below 2^56 that its owner chooses, together with the prefix lengths that occur in it. Not changed any
/// more, it may be read by any number of threads.
class CidrTable {
 public:
  static constexpr std::uint32_t no_value = UINT32_MAX;

  /// Which prefix lengths occur in a scope: only these are looked up. An IPv4 length counts 96 more, as the
  /// mapped form has it.
  class Lengths {
   public:
    void add(const IpPrefix& prefix) {
      const std::size_t bits = bit_length(prefix);
      words_[bits / 64] |= std::uint64_t{1} << bits % 64;
    }
    [[nodiscard]] bool empty() const { return (words_[0] | words_[1] | words_[2]) == 0; }

   private:
    friend class CidrTable;
    std::array<std::uint64_t, 3> words_{};  // bits 0 to 128
  };

  /// At most `max_prefixes` can be inserted.
  CidrTable(std::size_t max_prefixes, std::uint64_t seed);

  /// The value of the prefix, `no_value` if it is new; valid until the table goes.
  std::uint32_t& insert(std::uint64_t scope, const IpPrefix& prefix);

  /// The value of exactly this prefix, or `no_value`.
  [[nodiscard]] std::uint32_t find(std::uint64_t scope, const IpPrefix& prefix) const {
    return find(Key::of(scope, Address::of(prefix.base), bit_length(prefix)));
  }

  /// Calls visit(prefix, value) for every prefix of the scope that covers `address`, the longest first, until
  /// it returns true; returns whether it did.
  template <class Visit>
  bool visit(std::uint64_t scope, const Lengths& lengths, const IpAddress& address, Visit&& visit) const {
    if (lengths.empty()) return false;
    const Address bytes = Address::of(address);
    const bool v4 = address.is_v4();
    for (std::size_t word = lengths.words_.size(); word-- > 0;) {
      for (std::uint64_t left = lengths.words_[word]; left != 0;) {
        const auto bit = static_cast<std::size_t>(63 - std::countl_zero(left));
        const std::size_t bits = word * 64 + bit;
        if (v4 && bits < v4_offset) return false;  // IPv6 prefixes never cover IPv4 addresses
        left &= ~(std::uint64_t{1} << bit);
        const Key key = Key::of(scope, bytes.masked(bits), bits);
        const std::uint32_t value = find(key);
        if (value != no_value && visit(key.prefix(), value)) return true;
      }
    }
    return false;
  }

  /// Calls function(value&) for every prefix, in no particular order.
  template <class Function>
  void for_each_value(Function&& function) {
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
      if (hash_slots_.is_used(slot)) function(slots_[slot].value);
    }
  }

 private:
  static constexpr std::size_t v4_offset = 96;

  /// The 16 bytes as numbers.
  struct Address {
    std::uint64_t high;
    std::uint64_t low;
    static Address of(const IpAddress& address);
    [[nodiscard]] Address masked(std::size_t bits) const;
  };
  struct Key {
    std::uint64_t high;
    std::uint64_t low;
    std::uint64_t scope_and_bits;
    static Key of(std::uint64_t scope, Address address, std::size_t bits) {
      return {address.high, address.low, scope << 8 | bits};
    }
    [[nodiscard]] IpPrefix prefix() const;
    bool operator==(const Key&) const = default;
  };
  struct Slot {
    Key key{};
    std::uint32_t value = no_value;
  };

  static std::size_t bit_length(const IpPrefix& prefix) {
    return prefix.base.is_v4() ? prefix.length + v4_offset : prefix.length;
  }
  [[nodiscard]] std::uint64_t hash_of(const Key& key) const {
    return combine_hash(combine_hash(combine_hash(seed_, key.scope_and_bits), key.high), key.low);
  }
  [[nodiscard]] HashSlots::Place place_of(const Key& key) const {
    return hash_slots_.find(hash_of(key), [&](std::size_t slot) { return slots_[slot].key == key; });
  }
  [[nodiscard]] std::uint32_t find(const Key& key) const;

  HashSlots hash_slots_;
  std::vector<Slot> slots_;
  std::uint64_t seed_;
};

}  // namespace portshare
