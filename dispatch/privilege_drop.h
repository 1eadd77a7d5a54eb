// The privileges of the running program: only those that its configuration needs.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "dispatch/config.h"
#include "platform/privileges.h"

namespace portshare {

/// What a configuration needs as long as the program runs. Binding a low port is among it only where a
/// listener has one, since a reload or an address that comes later may bind it again.
[[nodiscard]] std::vector<Capability> needed_capabilities(const Config& config);

/// The two steps in which privileges are given up; platform/privileges.h says why there are two.
class PrivilegeDrop {
 public:
  /// Before the first thread. Looks up the configuration's `user`, forbids new privileges, and gives up what
  /// neither the start nor a running program needs. The error is a sentence.
  static std::expected<PrivilegeDrop, std::string> prepare(const Config& config);

  /// When all that takes root is done, that is when every address is bound and the logs are open, and before
  /// the workers start: becomes `user`.
  [[nodiscard]] std::expected<void, std::string> finish() const;

 private:
  std::string config_file_;
  std::optional<UserAccount> user_;  // to become; none: the present one stays
  std::vector<Capability> kept_;
};

}  // namespace portshare
