#include "dispatch/privilege_drop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "platform/local_addresses.h"
#include "tests/dispatch/config_text.h"

namespace portshare {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Config config_bound_to(std::string_view address) {
  auto result =
      read_config(fmt::format("[listener.l]\nbind = [\"{}\"]\ndefault = \"b\"\n[backend.b]\nservers = "
                              "[\"127.0.0.1:8080\"]\n",
                              address),
                  "f");
  EXPECT_TRUE(result.config);
  return std::move(*result.config);
}

TEST(NeededCapabilities, ALowPortNeedsOneToBindItAgain) {
  EXPECT_THAT(needed_capabilities(config_bound_to("127.0.0.1:65535")), IsEmpty());
  EXPECT_THAT(needed_capabilities(config_bound_to("127.0.0.1:0")), IsEmpty());
  EXPECT_THAT(needed_capabilities(config_bound_to("unix:/run/web.sock")), IsEmpty());
  EXPECT_THAT(needed_capabilities(config_bound_to("systemd:web")), IsEmpty());
  if (first_unprivileged_port() <= 1) GTEST_SKIP() << "this system asks for nothing";
  EXPECT_THAT(needed_capabilities(config_bound_to("[::1]:1")), ElementsAre(Capability::net_bind_service));
  EXPECT_THAT(needed_capabilities(config_bound_to("*:1")), ElementsAre(Capability::net_bind_service));
}

TEST(NeededCapabilities, ConnectingFromAClientsAddressNeedsOne) {
  Config config = config_bound_to("127.0.0.1:65535");
  config.backends[0].is_transparent = true;
  EXPECT_THAT(needed_capabilities(config), ElementsAre(Capability::net_admin));
}

TEST(PrivilegeDrop, AUserThatIsNotThereIsAnErrorOfTheStart) {
  Config config = config_bound_to("127.0.0.1:0");
  config.server.user = "no-such-user";
  const auto drop = PrivilegeDrop::prepare(config);
  ASSERT_FALSE(drop);
  EXPECT_THAT(drop.error(), HasSubstr("there is no user 'no-such-user'"));
}

}  // namespace
}  // namespace portshare
