#include "core/busy_names.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "core/hash_slots.h"

namespace portshare {

namespace {

std::uint64_t hash_of(std::string_view name) {
  std::uint64_t hash = name.size();
  while (!name.empty()) {
    std::uint64_t word = 0;
    const std::size_t length = std::min(name.size(), sizeof(word));
    std::memcpy(&word, name.data(), length);
    hash = combine_hash(hash, word);
    name.remove_prefix(length);
  }
  return hash;
}

}  // namespace

void BusyNames::Table::count(std::string_view name, std::uint64_t hash) {
  const std::size_t place = hash % set_count;
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  Set& set = sets[place];
  std::size_t rarest = 0;
  for (std::size_t way = 0; way < ways; ++way) {
    if (set.counts[way] != 0 && set.hashes[way] == tag && names[place][way] == name) {
      ++set.counts[way];
      return;
    }
    if (set.counts[way] < set.counts[rarest]) rarest = way;
  }
  // It takes over the count of the name that it pushes out: it may have come that often unnoticed.
  ++set.counts[rarest];
  set.hashes[rarest] = tag;
  names[place][rarest].assign(name);
}

void BusyNames::Table::clear() {
  for (Set& set : sets) set = {};
}

BusyNames::BusyNames() : present_(std::make_unique<Table>()), last_(std::make_unique<Table>()) {}

void BusyNames::turn_over(std::chrono::microseconds now) {
  if (std::exchange(has_begun_, true)) {
    if (now < present_since_ + window) return;
    std::swap(present_, last_);
    present_->clear();
    last_since_ = present_since_;
    if (now >= present_since_ + 2 * window) {
      last_->clear();
      last_since_ = now - window;  // in which nothing came
    }
  } else {
    last_since_ = now;
  }
  present_since_ = now;
}

void BusyNames::count(std::string_view name, std::chrono::microseconds now) {
  if (name.empty()) return;
  turn_over(now);
  present_->count(name, hash_of(name));
}

BusyNames::Counts BusyNames::counts(std::chrono::microseconds now) {
  turn_over(now);
  Counts result{.names = {}, .time = now - last_since_};
  for (const Table* table : {present_.get(), last_.get()}) {
    for (std::size_t place = 0; place < set_count; ++place) {
      for (std::size_t way = 0; way < ways; ++way) {
        const std::uint32_t count = table->sets[place].counts[way];
        if (count != 0) result.names.push_back({.name = table->names[place][way], .count = count});
      }
    }
  }
  return result;
}

std::vector<BusyName> busiest_of(const std::vector<BusyNames::Counts>& counts, std::size_t limit) {
  std::map<std::string_view, std::uint64_t> sums;
  for (const BusyNames::Counts& one : counts) {
    for (const BusyName& entry : one.names) sums[entry.name] += entry.count;
  }
  std::vector<BusyName> names;
  names.reserve(sums.size());
  for (const auto& [name, count] : sums) names.push_back({.name = std::string(name), .count = count});
  const auto middle = names.begin() + static_cast<std::ptrdiff_t>(std::min(limit, names.size()));
  std::ranges::partial_sort(names, middle, [](const BusyName& one, const BusyName& other) {
    return one.count != other.count ? one.count > other.count : one.name < other.name;
  });
  names.erase(middle, names.end());
  return names;
}

}  // namespace portshare
