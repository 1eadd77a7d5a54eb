#include "dispatch/access_log.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <type_traits>
#include <utility>

#include "platform/log_file.h"

namespace portshare {
namespace {

constexpr std::size_t max_text_length = 0xffff;

struct Header {
  AccessRecord record;
  std::uint16_t name_length;
  std::uint16_t alpn_length;
};
static_assert(std::is_trivially_copyable_v<Header>);

}  // namespace

void AccessLogRing::copy_in(std::size_t position, const void* from, std::size_t count) {
  if (count == 0) return;  // of an empty text, which may be nowhere
  const std::size_t place = position % capacity;
  const std::size_t first = std::min(count, capacity - place);
  std::memcpy(bytes_.get() + place, from, first);
  std::memcpy(bytes_.get(), static_cast<const std::byte*>(from) + first, count - first);
}

void AccessLogRing::copy_out(std::size_t position, void* to, std::size_t count) const {
  const std::size_t place = position % capacity;
  const std::size_t first = std::min(count, capacity - place);
  std::memcpy(to, bytes_.get() + place, first);
  std::memcpy(static_cast<std::byte*>(to) + first, bytes_.get(), count - first);
}

bool AccessLogRing::push(const AccessRecord& record, std::string_view name, std::string_view alpn) {
  name = name.substr(0, max_text_length);
  alpn = alpn.substr(0, max_text_length);
  const Header header{.record = record,
                      .name_length = static_cast<std::uint16_t>(name.size()),
                      .alpn_length = static_cast<std::uint16_t>(alpn.size())};
  const std::size_t total = sizeof header + name.size() + alpn.size();
  const std::size_t written = written_.load(std::memory_order_relaxed);
  if (capacity - (written - read_.load(std::memory_order_acquire)) < total) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  copy_in(written, &header, sizeof header);
  copy_in(written + sizeof header, name.data(), name.size());
  copy_in(written + sizeof header + name.size(), alpn.data(), alpn.size());
  written_.store(written + total);
  return true;
}

bool AccessLogRing::pop(AccessRecord& record, std::string& name, std::string& alpn) {
  const std::size_t read = read_.load(std::memory_order_relaxed);
  if (read == written_.load()) return false;
  Header header;
  copy_out(read, &header, sizeof header);
  record = header.record;
  name.resize(header.name_length);
  alpn.resize(header.alpn_length);
  copy_out(read + sizeof header, name.data(), name.size());
  copy_out(read + sizeof header + name.size(), alpn.data(), alpn.size());
  read_.store(read + sizeof header + name.size() + alpn.size(), std::memory_order_release);
  return true;
}

std::expected<AccessLogFile, std::string> open_access_log(const LogConfig& config, const std::string& owner) {
  switch (config.access) {
    case LogConfig::AccessTarget::off:
      return nullptr;
    case LogConfig::AccessTarget::standard_error:
      return AccessLogFile(stderr, [](std::FILE*) {});
    case LogConfig::AccessTarget::file:
      break;
  }
  const auto opened = open_log_file(config.access_path, owner);
  if (!opened) {
    return std::unexpected(
        fmt::format("cannot open the access log '{}': {}; check the folder and its permissions",
                    config.access_path, opened.error()));
  }
  return AccessLogFile(*opened, [](std::FILE* file) { (void)std::fclose(file); });
}

AccessLog::AccessLog(std::size_t rings) {
  for (std::size_t i = 0; i < rings; ++i) rings_.push_back(std::make_unique<AccessLogRing>());
  writer_ = std::thread([this] { write_until_stopped(); });
}

AccessLog::~AccessLog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  writer_.join();
}

void AccessLog::adopt(std::shared_ptr<const Snapshot> snapshot, AccessLogFile file) {
  const std::lock_guard lock(mutex_);
  adopted_.push_back(std::move(snapshot));
  adopted_file_ = std::move(file);
  asleep_.store(false);
  wake_.notify_one();
}

void AccessLog::take_adopted() {
  const std::lock_guard lock(mutex_);
  if (adopted_.empty()) return;
  std::ranges::move(adopted_, std::back_inserter(snapshots_));
  adopted_.clear();
  report_lost("the access log is another one");
  file_ = std::move(adopted_file_);
  line_is_cut_ = false;
}

void AccessLog::notify() {
  if (!asleep_.load() || !asleep_.exchange(false)) return;
  const std::lock_guard lock(mutex_);
  wake_.notify_one();
}

void AccessLog::write_until_stopped() {
  for (;;) {
    take_adopted();
    let_go_of_snapshots();
    report_dropped();
    asleep_.store(true);
    if (write_batch()) {
      asleep_.store(false);
      continue;
    }
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return stopping_ || !asleep_.load(); });
    if (stopping_) break;
  }
  while (write_batch()) {
  }
  report_dropped();
  report_lost("the access log could not be written");
}

/// Writes what there is, and forgets the snapshots to which nothing can refer any more.
void AccessLog::let_go_of_snapshots() {
  // Whoever let a snapshot go has left its records before, so that they are among those written now.
  std::vector<std::uint32_t> left;
  for (const auto& snapshot : snapshots_) {
    if (snapshot.use_count() != 1 || snapshot == snapshots_.back()) continue;
    left.push_back(snapshot->number);
    // The count alone orders nothing: giving a copy back makes what the last holder has written visible here.
    std::shared_ptr<const Snapshot>(snapshot).reset();
  }
  while (write_batch()) {
  }
  std::erase_if(snapshots_,
                [&](const auto& snapshot) { return std::ranges::count(left, snapshot->number) > 0; });
}

const Snapshot& AccessLog::snapshot_of(const AccessRecord& record) {
  const auto find = [&] { return std::ranges::find(snapshots_, record.snapshot, &Snapshot::number); };
  auto snapshot = find();
  if (snapshot == snapshots_.end()) {
    take_adopted();
    snapshot = find();
  }
  assert(snapshot != snapshots_.end());
  return **snapshot;
}

bool AccessLog::write_batch() {
  constexpr std::size_t batch_bytes = std::size_t{64} * 1024;
  lines_.clear();
  line_ends_.clear();
  AccessRecord record;
  // Each batch begins with another ring, so that a busy worker does not keep the others out.
  first_ring_ = (first_ring_ + 1) % rings_.size();
  for (std::size_t i = 0; i < rings_.size(); ++i) {
    AccessLogRing& ring = *rings_[(first_ring_ + i) % rings_.size()];
    while (lines_.size() < batch_bytes && ring.pop(record, name_, alpn_)) {
      const Snapshot& snapshot = snapshot_of(record);
      format_access_line(*snapshot.config, *snapshot.servers, record, name_, alpn_, lines_);
    }
    line_ends_.emplace_back(&ring, lines_.size());
  }
  if (lines_.empty()) return false;
  if (!file_) return true;  // of connections that began before the log was turned off
  write_lines();
  return true;
}

void AccessLog::write_lines() {
  // What a failed write has left of a line ends there, so that it spoils no other one.
  const std::size_t repair = line_is_cut_ ? 1 : 0;
  lines_.insert(0, repair, '\n');
  const std::size_t written = std::fwrite(lines_.data(), 1, lines_.size(), file_.get());
  if (written == lines_.size()) {
    line_is_cut_ = false;
    report_lost("the access log can be written again");
    return;
  }
  if (lost_lines_ == 0) {
    spdlog::error("cannot write the access log: {}; lines are lost until it can be written again",
                  std::strerror(errno));
  }
  if (written > 0) line_is_cut_ = lines_[written - 1] != '\n';
  lines_.erase(0, repair);
  count_lost_after(std::max(written, repair) - repair);
  std::clearerr(file_.get());
}

void AccessLog::count_lost_after(std::size_t written) {
  for (const auto& [ring, end] : line_ends_) {
    if (end <= written) continue;
    const std::string_view lost = std::string_view(lines_).substr(written, end - written);
    const auto lines = static_cast<std::uint64_t>(std::ranges::count(lost, '\n'));
    ring->count_unwritten(lines);
    lost_lines_ += lines;
    written = end;
  }
}

void AccessLog::report_lost(std::string_view occasion) {
  if (lost_lines_ > 0) spdlog::warn("{}; {} lines were lost", occasion, lost_lines_);
  lost_lines_ = 0;
}

void AccessLog::report_dropped() {
  std::uint64_t dropped = 0;
  for (const auto& ring : rings_) dropped += ring->dropped();
  if (dropped == reported_dropped_) return;
  spdlog::warn("the access log could not keep up: {} lines were dropped", dropped - reported_dropped_);
  reported_dropped_ = dropped;
}

}  // namespace portshare
