// The endpoints: who may use which, and what they hand on to the program.
#include "dispatch/control/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "dispatch/control/http_server.h"
#include "platform/engine.h"
#include "platform/listening_socket.h"
#include "tests/dispatch/config_text.h"
#include "tests/dispatch/control/fake_program.h"
#include "tests/dispatch/control/http_question.h"

namespace portshare {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

class ApiTest : public testing::Test {
 protected:
  HttpQuestion::Answer ask(std::string_view method, std::string_view target, std::string_view body = {},
                           Api::Access access = Api::Access::admin) {
    const Api api(program_, access, [] { return std::string("event: history\ndata: []\n\n"); });
    return question_.ask([&](const HttpRequest& request, HttpReply reply) { api.handle(request, reply); },
                         method, target, body);
  }

  FakeProgram program_;
  HttpQuestion question_;
};

TEST_F(ApiTest, TheMonitorOnlyTells) {
  for (const char* path : {"/", "/healthz", "/status", "/metrics"}) {
    EXPECT_EQ(ask("GET", path, {}, Api::Access::monitor).status, 200U) << path;
    EXPECT_EQ(ask("POST", path, {}, Api::Access::monitor).status, 405U) << path;
  }
  for (const char* path : {"/connections", "/routes", "/backends"}) {
    EXPECT_EQ(ask("GET", path, {}, Api::Access::monitor).status, 404U) << path;
    EXPECT_EQ(ask("GET", path).status, 200U) << path;
  }
  for (const char* path : {"/reload", "/drain", "/upgrade", "/log-level", "/connections/kill?all",
                           "/backends/app/servers/127.0.0.1:8001"}) {
    EXPECT_EQ(ask("POST", path, R"({"state":"drain","level":"info"})", Api::Access::monitor).status, 404U)
        << path;
  }
  EXPECT_EQ(program_.drains, 0);
  EXPECT_THAT(program_.wishes, IsEmpty());
}

TEST_F(ApiTest, DrainsAndSaysSo) {
  EXPECT_EQ(ask("POST", "/drain").status, 202U);
  EXPECT_EQ(program_.drains, 1);
  program_.present.is_draining = true;
  EXPECT_EQ(ask("GET", "/healthz").status, 503U);
}

TEST_F(ApiTest, ReloadAnswersWithWhatHasChangedOrIsWrong) {
  program_.reloaded = {.succeeded = true, .changes = {"listener 'x' is new"}, .faults = {}};
  const auto good = ask("POST", "/reload");
  EXPECT_EQ(good.status, 200U);
  EXPECT_EQ(json::parse(good.body)["changes"], json({"listener 'x' is new"}));
  program_.reloaded = {.succeeded = false, .changes = {}, .faults = {"f.toml:1:1: error: no"}};
  const auto faulty = ask("POST", "/reload");
  EXPECT_EQ(faulty.status, 422U);
  EXPECT_EQ(json::parse(faulty.body)["faults"], json({"f.toml:1:1: error: no"}));
}

TEST_F(ApiTest, UpgradesToTheFileThatIsNamed) {
  EXPECT_EQ(ask("POST", "/upgrade").status, 200U);
  EXPECT_EQ(ask("POST", "/upgrade", R"({"binary": "/new"})").status, 200U);
  EXPECT_EQ(ask("POST", "/upgrade", R"({"binary": "/faulty"})").status, 422U);
  EXPECT_EQ(ask("POST", "/upgrade", "/new").status, 400U);
  EXPECT_THAT(program_.upgraded_to, ElementsAre("", "/new", "/faulty"));
}

TEST_F(ApiTest, SetsTheStateOfAServerByItsAddress) {
  EXPECT_EQ(ask("POST", "/backends/app/servers/127.0.0.1:8001", R"({"state":"drain"})").status, 200U);
  EXPECT_EQ(ask("POST", "/backends/app/servers/unix:%2Frun%2Fa.sock", R"({"state":"disabled"})").status,
            200U);
  EXPECT_EQ(ask("POST", "/backends/app/servers/unix:/run/a.sock", R"({"state":"enabled"})").status, 200U);
  EXPECT_THAT(program_.wishes, ElementsAre(Pair("127.0.0.1:8001", ServerWish::drain),
                                           Pair("unix:/run/a.sock", ServerWish::disabled),
                                           Pair("unix:/run/a.sock", ServerWish::enabled)));
  EXPECT_EQ(ask("POST", "/backends/other/servers/x", R"({"state":"drain"})").status, 404U);
  EXPECT_EQ(ask("POST", "/backends/app/x", R"({"state":"drain"})").status, 404U);
  for (const char* body : {"", "drain", "{", R"({"state":5})", R"({"state":"gone"})", "[]"}) {
    EXPECT_EQ(ask("POST", "/backends/app/servers/127.0.0.1:8001", body).status, 400U) << body;
  }
}

TEST_F(ApiTest, EndsOnlyConnectionsThatAreNamed) {
  EXPECT_EQ(ask("POST", "/connections/kill").status, 400U);
  EXPECT_EQ(ask("POST", "/connections/kill?limit=3").status, 400U);
  EXPECT_EQ(ask("POST", "/connections/kill?client=10.0.0.0%2F8").status, 200U);
  EXPECT_TRUE(program_.last_filter.client);
  EXPECT_EQ(ask("POST", "/connections/kill?all=no").status, 400U);
  EXPECT_EQ(json::parse(ask("POST", "/connections/kill?all").body)["killed"], 3);
}

TEST_F(ApiTest, SetsTheLogLevel) {
  EXPECT_EQ(ask("POST", "/log-level", R"({"level":"warn"})").status, 200U);
  EXPECT_EQ(ask("POST", "/log-level", R"({"level":"loud"})").status, 400U);
  EXPECT_THAT(program_.levels, ElementsAre(LogLevel::warning));
}

TEST_F(ApiTest, RefusalsAreSentencesInJson) {
  const auto sentence = [&](std::string_view method, std::string_view target, std::string_view body = {}) {
    return json::parse(ask(method, target, body).body)["error"].get<std::string>();
  };
  EXPECT_EQ(sentence("POST", "/log-level", R"({"level":"loud"})"),
            "'loud' is no level: use debug, info, warn or error");
  EXPECT_EQ(sentence("POST", "/backends/app/servers/127.0.0.1:8001", R"({"state":"off"})"),
            "'off' is no state: use enabled, disabled or drain");
  EXPECT_THAT(sentence("POST", "/log-level", "loud"), HasSubstr(R"({"level": "debug"})"));
  EXPECT_EQ(sentence("GET", "/%zz"), "this target names nothing here");
  EXPECT_EQ(sentence("POST", "/log-level", std::string(100'000, ' ')), "the body is too long");
}

TEST(AdminKeys, AreAUnixSocketAndAnAddress) {
  const auto config = [](std::string_view keys) {
    return read_config("[server]\n" + std::string(keys) +
                           "\n[listener.l]\nbind = [\"127.0.0.1:80\"]\n[[route]]\nreject = true\n",
                       "f")
        .config;
  };
  EXPECT_EQ(config("")->server.admin.address->to_string(), "unix:/run/portshare.sock");
  EXPECT_TRUE(config("")->server.admin.is_default);
  EXPECT_FALSE(config("")->server.monitor);
  EXPECT_EQ(config("admin = \"unix:/tmp/a\"")->server.admin.address->to_string(), "unix:/tmp/a");
  EXPECT_FALSE(config("admin = \"off\"")->server.admin.address);
  EXPECT_EQ(config("monitor = \"127.0.0.1:9180\"")->server.monitor->to_string(), "127.0.0.1:9180");
  EXPECT_THAT(faults_of("[server]\nadmin = \"127.0.0.1:1\"\n"),
              testing::Contains(HasSubstr("must be a unix socket")));
}

}  // namespace
}  // namespace portshare
