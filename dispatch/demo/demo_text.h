// What the demo says: its configuration, and what to try.
#pragma once

#include <cstdint>
#include <string>

namespace portshare {

/// The names under which the demo's applications are asked for; *.localhost is loopback (RFC 6761, 6.3).
namespace demo_name {
constexpr const char* blue = "blue.localhost";
constexpr const char* green = "green.localhost";
constexpr const char* secure = "secure.localhost";
constexpr const char* nobody = "red.localhost";
}  // namespace demo_name

/// What the demo found when it started.
struct DemoPorts {
  static constexpr std::uint16_t preferred_http = 8080;
  static constexpr std::uint16_t preferred_tls = 8443;

  std::uint16_t http = 0;
  std::uint16_t tls = 0;
  bool with_ipv6 = false;  ///< the listeners take [::1], too
  std::string blue;        ///< where the applications listen, as IP:PORT
  std::string green;
  std::string secure;
};

/// A configuration file.
[[nodiscard]] std::string demo_config(const DemoPorts& ports);

/// The page that the demo prints: applications, configuration, and curl lines, each followed by a line
/// `prints "…"` with what comes out. Each curl line stands alone on a line, to be copied as it is.
[[nodiscard]] std::string demo_introduction(const DemoPorts& ports, const std::string& config,
                                            const std::string& config_path,
                                            const std::string& certificate_path);

}  // namespace portshare
