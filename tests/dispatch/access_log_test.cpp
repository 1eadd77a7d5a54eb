// The way of records through the rings and the writer's thread.
#include "dispatch/access_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "tests/platform/named_pipe.h"
#include "tests/platform/temporary_folder.h"

namespace portshare {
namespace {

TEST(AccessLogRingTest, RecordsComeOutAsTheyWentIn) {
  AccessLogRing ring;
  AccessRecord in;
  in.bytes_in = 1;
  std::size_t pushed = 0;
  std::size_t popped = 0;
  // Several times round the ring, with records that never end where it does.
  for (std::size_t i = 0; i < 50'000; ++i) {
    in.bytes_out = i;
    ASSERT_TRUE(ring.push(in, std::string(i % 77, 'n'), std::string(i % 13, 'a')));
    ++pushed;
    if (i % 3 == 0) continue;
    AccessRecord out;
    std::string name;
    std::string alpn;
    for (std::size_t take = pushed - popped > 1'000 ? 500 : 1; take > 0; --take, ++popped) {
      ASSERT_TRUE(ring.pop(out, name, alpn));
      ASSERT_EQ(out.bytes_out, popped);
      ASSERT_EQ(name, std::string(popped % 77, 'n'));
      ASSERT_EQ(alpn, std::string(popped % 13, 'a'));
    }
  }
  EXPECT_EQ(ring.dropped(), 0U);
}

TEST(AccessLogRingTest, AFullRingDropsAndCounts) {
  AccessLogRing ring;
  std::size_t pushed = 0;
  while (ring.push({}, "name", "")) ++pushed;
  EXPECT_GT(pushed, 1'000U);
  EXPECT_FALSE(ring.push({}, "name", ""));
  EXPECT_EQ(ring.dropped(), 2U);
  AccessRecord record;
  std::string name;
  std::string alpn;
  EXPECT_TRUE(ring.pop(record, name, alpn));
  EXPECT_TRUE(ring.push({}, "name", "")) << "there is room again";
}

/// A log that is written to a pipe, so that the test decides how fast the writer gets on.
TEST(AccessLineTest, AClientWithoutAnAddressIsGoneOrOnAUnixSocket) {
  Config config;
  config.listeners.emplace_back().name = "front";
  const auto line_of = [&](const AccessRecord& record) {
    std::string line;
    format_access_line(config, ServerPool(), record, "", "", line);
    return line;
  };
  AccessRecord record;
  EXPECT_NE(line_of(record).find(R"("client":"unix:","destination":"unix:")"), std::string::npos);
  record.has_destination = true;
  record.destination = *IpEndpoint::parse("192.0.2.1:80");
  EXPECT_NE(line_of(record).find(R"("client":null,"destination":"192.0.2.1:80")"), std::string::npos);
}

class AccessLogTest : public testing::Test {
 protected:
  AccessLogTest() {
    config_.server.log.access = LogConfig::AccessTarget::file;
    config_.server.log.access_path = path_;
  }

  /// With one listener of that name.
  static std::shared_ptr<const Snapshot> snapshot(std::uint32_t number, const std::string& name) {
    auto config = std::make_shared<Config>();
    config->listeners.emplace_back().name = name;
    return std::make_shared<const Snapshot>(Snapshot{.number = number,
                                                     .config = std::move(config),
                                                     .servers = std::make_shared<const ServerPool>(),
                                                     .admission = nullptr,
                                                     .sockets = {}});
  }

  void open(std::size_t rings) {
    auto file = open_access_log(config_.server.log);
    ASSERT_TRUE(file) << file.error();
    log_ = std::make_unique<AccessLog>(rings);
    log_->adopt(snapshot(0, "front"), std::move(*file));
    pipe_.has_a_writer();
  }

  /// Ends the log and brings all that it has written.
  std::string close_and_read() {
    std::string text;
    std::thread reader([&] { text = pipe_.read_to_the_end(); });
    log_.reset();
    reader.join();
    return text;
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.file("access.log");
  NamedPipe pipe_{path_};
  Config config_;
  std::unique_ptr<AccessLog> log_;
};

std::size_t lines_in(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

TEST_F(AccessLogTest, ABusyWorkerDoesNotKeepTheOthersOutOfTheLog) {
  open(2);
  while (log_->ring(0).push({}, "busy", "")) {
  }
  ASSERT_TRUE(log_->ring(1).push({}, "patient", ""));
  log_->notify();
  const std::string text = close_and_read();
  const auto place = text.find("patient");
  ASSERT_NE(place, std::string::npos);
  EXPECT_LT(lines_in(text.substr(0, place)), lines_in(text.substr(place)));
}

TEST_F(AccessLogTest, ARecordIsReadByItsOwnSnapshotAndThatIsLetGo) {
  open(1);
  ASSERT_TRUE(log_->ring(0).push({}, "", ""));
  AccessRecord late;
  late.snapshot = 1;
  auto second = snapshot(1, "second");
  const std::weak_ptr<const Snapshot> life = second;
  auto file = open_access_log(config_.server.log);
  ASSERT_TRUE(file);
  log_->adopt(second, *file);
  log_->adopt(snapshot(2, "third"), *file);
  ASSERT_TRUE(log_->ring(0).push(late, "", ""));
  second.reset();  // by the last worker that had it
  late.snapshot = 2;
  ASSERT_TRUE(log_->ring(0).push(late, "", ""));
  while (!life.expired()) {  // for ever, if it is never let go
    log_->notify();
    std::this_thread::yield();
  }
  file->reset();
  const std::string text = close_and_read();
  const auto place = [&](std::string_view name) { return text.find(R"("listener":")" + std::string(name)); };
  EXPECT_EQ(lines_in(text), 3U);
  EXPECT_LT(place("front"), place("second"));
  EXPECT_LT(place("second"), place("third"));
  EXPECT_NE(place("third"), std::string::npos);
}

TEST_F(AccessLogTest, WhatCannotBeWrittenIsCountedForItsWorker) {
  auto full = open_access_log({.access = LogConfig::AccessTarget::file, .access_path = "/dev/full"});
  ASSERT_TRUE(full) << full.error();
  log_ = std::make_unique<AccessLog>(2);
  log_->adopt(snapshot(0, "front"), std::move(*full));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(log_->ring(0).push({}, "", ""));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(log_->ring(1).push({}, "", ""));
  log_->notify();
  while (log_->ring(0).lost() + log_->ring(1).lost() < 8) std::this_thread::yield();
  EXPECT_EQ(log_->ring(0).lost(), 5U);
  EXPECT_EQ(log_->ring(1).lost(), 3U);
  EXPECT_EQ(log_->ring(0).dropped(), 0U);
}

TEST_F(AccessLogTest, WhatWasPushedBeforeTheEndIsWritten) {
  open(3);
  for (std::size_t ring = 0; ring < 3; ++ring) {
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(log_->ring(ring).push({}, "", ""));
  }
  EXPECT_EQ(lines_in(close_and_read()), 30U) << "also if nobody said so";
}

}  // namespace
}  // namespace portshare
