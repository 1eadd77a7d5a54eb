#include "platform/error_translation.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace portshare {
namespace {

TEST(ErrorTranslation, KnowsWhatAnOperatorTellsApart) {
  EXPECT_EQ(status_of(0), Status::ok);
  EXPECT_EQ(status_of(ECANCELED), Status::cancelled);
  EXPECT_EQ(status_of(ECONNREFUSED), Status::refused);
  EXPECT_EQ(status_of(ENOENT), Status::refused);
  EXPECT_EQ(status_of(EHOSTUNREACH), Status::unreachable);
  EXPECT_EQ(status_of(EADDRNOTAVAIL), Status::unreachable);
  EXPECT_EQ(status_of(ETIMEDOUT), Status::timed_out);
  EXPECT_EQ(status_of(ECONNRESET), Status::reset);
  EXPECT_EQ(status_of(EPIPE), Status::reset);
  EXPECT_EQ(status_of(EMFILE), Status::no_descriptors);
  EXPECT_EQ(status_of(ENFILE), Status::no_descriptors);
  EXPECT_EQ(status_of(ENOMEM), Status::no_resources);
  EXPECT_EQ(status_of(EACCES), Status::permission);
  EXPECT_EQ(status_of(EBADF), Status::failed);
}

TEST(ErrorTranslation, TellsAConnectionThatDiedFromAListenerThatFailed) {
  EXPECT_TRUE(is_about_the_waiting_connection(ECONNABORTED));
  EXPECT_TRUE(is_about_the_waiting_connection(EHOSTUNREACH));
  for (const int error :
       {EMFILE, ENFILE, ENOMEM, ENOBUFS, EBADF, EINVAL, EOPNOTSUPP, EPERM, ECANCELED, EAGAIN})
    EXPECT_FALSE(is_about_the_waiting_connection(error)) << error;
}

}  // namespace
}  // namespace portshare
