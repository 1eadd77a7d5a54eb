#include "dispatch/demo/http_conversation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace portshare {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view get = "GET /any HTTP/1.1\r\nHost: A.example:8080\r\n\r\n";
constexpr std::string_view page_of_a =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 41\r\n"
    "Connection: keep-alive\r\n\r\nHello from blue, you asked for a.example\n";

class HttpConversationTest : public testing::Test {
 protected:
  std::string ask(std::string_view request) {
    std::string answers;
    http.take(as_bytes(request), answers);
    return answers;
  }
  HttpConversation http{"blue"};
};

TEST_F(HttpConversationTest, ThePageNamesTheApplicationAndTheHost) {
  EXPECT_EQ(ask(get), page_of_a);
  EXPECT_FALSE(http.is_over());
}

TEST_F(HttpConversationTest, HeadIsThePageWithoutItsBody) {
  std::string request(get);
  request.replace(0, 3, "HEAD");
  EXPECT_EQ(ask(request), page_of_a.substr(0, page_of_a.size() - 41));
}

TEST_F(HttpConversationTest, AnswersEveryRequestOfAKeptAliveConnection) {
  const std::string two = std::string(get) + std::string(get);
  const std::string answers = std::string(page_of_a) + std::string(page_of_a);
  EXPECT_EQ(ask(two), answers);
  std::string one_by_one;
  for (const char c : two) one_by_one += ask({&c, 1});
  EXPECT_EQ(one_by_one, answers);
}

TEST_F(HttpConversationTest, EndsWhenTheClientWantsTo) {
  EXPECT_THAT(ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET"),
              HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(http.is_over());
  EXPECT_EQ(ask(get), "");
}

TEST_F(HttpConversationTest, ARequestWithoutAHostSaysSo) {
  EXPECT_THAT(ask("GET / HTTP/1.0\r\n\r\n"), EndsWith("\r\n\r\nHello from blue, you asked for no host\n"));
  EXPECT_TRUE(http.is_over());
}

TEST_F(HttpConversationTest, OtherMethodsAreNotAllowed) {
  EXPECT_THAT(ask("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"),
              testing::AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("\r\nAllow: GET, HEAD\r\n")));
  EXPECT_FALSE(http.is_over());
}

TEST_F(HttpConversationTest, ABodyIsNotTakenForTheNextRequest) {
  const std::string answers =
      ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 43\r\n\r\n" + std::string(get));
  EXPECT_THAT(answers, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(answers, Not(HasSubstr("Hello")));
  EXPECT_TRUE(http.is_over());
}

TEST_F(HttpConversationTest, WhatIsNoHttpIsRefused) {
  EXPECT_THAT(ask("SSH-2.0-client\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_TRUE(http.is_over());
}

TEST_F(HttpConversationTest, AHeadWithoutAnEndIsRefused) {
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: a\r\nx: "), "");
  EXPECT_THAT(ask(std::string(65536, 'x')), StartsWith("HTTP/1.1 431 "));
  EXPECT_TRUE(http.is_over());
}

}  // namespace
}  // namespace portshare
