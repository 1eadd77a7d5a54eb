#include "dispatch/worker_snapshot.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "tests/dispatch/config_text.h"

namespace portshare {
namespace {

class WorkerSnapshotTest : public testing::Test {
 protected:
  static std::shared_ptr<const Snapshot> snapshot_of_two_backends(ServerRegistry& registry) {
    ConfigResult read = read_config(with_basics("backend.c.servers = [\"127.0.0.1:8081\"]"), "f");
    EXPECT_TRUE(read.config);
    auto servers = ServerPool::resolve(*read.config, {}, registry);
    EXPECT_TRUE(servers);
    return std::make_shared<const Snapshot>(
        Snapshot{.config = std::make_shared<const Config>(std::move(*read.config)),
                 .servers = std::make_shared<const ServerPool>(std::move(*servers)),
                 .admission = nullptr,
                 .sockets = {}});
  }

  ServerRegistry registry_{1};
  WorkerSnapshot snapshot_{snapshot_of_two_backends(registry_), 0, false};
};

TEST_F(WorkerSnapshotTest, IsSureOfWhoSpeaksFirstAfterManyConnections) {
  for (int connection = 0; connection < 64; ++connection) {
    EXPECT_FALSE(snapshot_.clients_speak_first(0)) << "after " << connection;
    snapshot_.note_first_speaker(0, true);
  }
  EXPECT_TRUE(snapshot_.clients_speak_first(0));
  EXPECT_FALSE(snapshot_.clients_speak_first(1)) << "another backend";
  for (int connection = 0; connection < 1000; ++connection) snapshot_.note_first_speaker(0, true);
  EXPECT_TRUE(snapshot_.clients_speak_first(0)) << "the count does not overflow";
}

TEST_F(WorkerSnapshotTest, OneServerThatSpeaksFirstIsEnoughForDoubt) {
  for (int connection = 0; connection < 64; ++connection) snapshot_.note_first_speaker(0, true);
  snapshot_.note_first_speaker(0, false);
  for (int connection = 0; connection < 63; ++connection) snapshot_.note_first_speaker(0, true);
  EXPECT_FALSE(snapshot_.clients_speak_first(0));
  snapshot_.note_first_speaker(0, true);
  EXPECT_TRUE(snapshot_.clients_speak_first(0));
}

}  // namespace
}  // namespace portshare
