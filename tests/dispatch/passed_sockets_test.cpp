#include "dispatch/passed_sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace portshare {
namespace {

using testing::HasSubstr;

TEST(PassedSockets, AreMissedWithAWayToPassThem) {
  const auto sockets = open_passed_sockets(ServiceManager(), "web");
  ASSERT_FALSE(sockets);
  EXPECT_THAT(sockets.error(), HasSubstr("'systemd:web': no socket was passed to this program"));
}

}  // namespace
}  // namespace portshare
