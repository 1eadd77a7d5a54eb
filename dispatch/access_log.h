// The access log: workers leave records in rings, one thread turns them into lines and writes them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "dispatch/access_record.h"
#include "dispatch/snapshot.h"

namespace portshare {

/// The way of records from one worker to the writer. Bounded: when the writer cannot keep up (a full disk, a
/// terminal that was stopped), records are dropped and counted, and the worker goes on. One thread pushes,
/// one pops.
class AccessLogRing {
 public:
  static constexpr std::size_t capacity = std::size_t{1} << 20;

  AccessLogRing() : bytes_(std::make_unique_for_overwrite<std::byte[]>(capacity)) {}

  /// `name` and `alpn` are cut at 64 KiB. False: no room, the record is dropped and counted.
  bool push(const AccessRecord& record, std::string_view name, std::string_view alpn);

  /// Takes the oldest record, if there is one. The strings are overwritten.
  bool pop(AccessRecord& record, std::string& name, std::string& alpn);

  [[nodiscard]] std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }
  /// The writer could not write what it had popped.
  void count_unwritten(std::uint64_t lines) { unwritten_.fetch_add(lines, std::memory_order_relaxed); }
  /// Dropped, or not written.
  [[nodiscard]] std::uint64_t lost() const { return dropped() + unwritten_.load(std::memory_order_relaxed); }

 private:
  void copy_in(std::size_t position, const void* from, std::size_t count);
  void copy_out(std::size_t position, void* to, std::size_t count) const;

  std::unique_ptr<std::byte[]> bytes_;
  // Positions count bytes since the beginning; the place in the ring is the position modulo its capacity.
  // Sequentially consistent, as AccessLog::asleep_ is: a worker writes the one and then looks at the other,
  // the writer of the log the other way round, and at least one of them must see what the other has written.
  alignas(64) std::atomic<std::size_t> written_ = 0;
  alignas(64) std::atomic<std::size_t> read_ = 0;
  alignas(64) std::atomic<std::uint64_t> dropped_ = 0;
  alignas(64) std::atomic<std::uint64_t> unwritten_ = 0;
};

/// Where lines go: the file that a configuration names, or stderr. Closed with the last who has it.
using AccessLogFile = std::shared_ptr<std::FILE>;

/// Opens the file, appending to it; null if the configuration wants no access log. The error is a sentence.
[[nodiscard]] std::expected<AccessLogFile, std::string> open_access_log(const LogConfig& config,
                                                                        const std::string& owner = {});

/// Owns the rings and the thread that empties them.
class AccessLog {
 public:
  /// `rings`: one per worker.
  explicit AccessLog(std::size_t rings);
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;
  /// Writes what is left.
  ~AccessLog();

  [[nodiscard]] AccessLogRing& ring(std::size_t worker) { return *rings_[worker]; }

  /// Before any worker has it: the snapshot to which records with its number will refer, and where lines go
  /// from now on. A snapshot that nobody else has any more is let go when its last line is written.
  void adopt(std::shared_ptr<const Snapshot> snapshot, AccessLogFile file);

  /// To be called after pushing; cheap while the writer is busy. Thread-safe.
  void notify();

 private:
  void write_until_stopped();
  bool write_batch();
  void write_lines();
  void count_lost_after(std::size_t written);
  void report_lost(std::string_view occasion);
  void report_dropped();
  void take_adopted();
  void let_go_of_snapshots();
  const Snapshot& snapshot_of(const AccessRecord& record);

  std::vector<std::unique_ptr<AccessLogRing>> rings_;
  // Of the writer's thread.
  std::vector<std::shared_ptr<const Snapshot>> snapshots_;  // the newest is the last
  AccessLogFile file_;
  std::size_t first_ring_ = 0;
  std::string lines_;
  std::vector<std::pair<AccessLogRing*, std::size_t>> line_ends_;  // whose lines end where in lines_
  std::string name_;
  std::string alpn_;
  std::uint64_t reported_dropped_ = 0;
  std::uint64_t lost_lines_ = 0;  // since a write has failed
  bool line_is_cut_ = false;      // the file ends in a part of one

  std::atomic<bool> asleep_ = false;
  std::mutex mutex_;
  std::vector<std::shared_ptr<const Snapshot>> adopted_;  // and not yet taken by the writer
  AccessLogFile adopted_file_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread writer_;
};

}  // namespace portshare
