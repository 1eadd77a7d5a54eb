#include "platform/privileges.h"

#include <grp.h>
#include <pwd.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <system_error>
#include <type_traits>

namespace portshare {
namespace {

cap_value_t to_system(Capability capability) {
  switch (capability) {
    case Capability::net_bind_service:
      return CAP_NET_BIND_SERVICE;
    case Capability::net_admin:
      return CAP_NET_ADMIN;
    case Capability::dac_override:
      return CAP_DAC_OVERRIDE;
    case Capability::dac_read_search:
      return CAP_DAC_READ_SEARCH;
    case Capability::sys_ptrace:
      return CAP_SYS_PTRACE;
  }
  return -1;
}

std::string system_message(int error) {
  return std::generic_category().message(error);
}

std::unexpected<std::string> failure(const char* what) {
  return std::unexpected(std::string("cannot ") + what + ": " + system_message(errno));
}

struct FreeCapabilities {
  void operator()(cap_t set) const { ::cap_free(set); }
};
using CapabilityState = std::unique_ptr<std::remove_pointer_t<cap_t>, FreeCapabilities>;

bool has(const CapabilityState& state, cap_value_t value, cap_flag_t flag) {
  cap_flag_value_t is_set = CAP_CLEAR;
  return ::cap_get_flag(state.get(), value, flag, &is_set) == 0 && is_set == CAP_SET;
}

bool contains(std::span<const Capability> kept, cap_value_t value) {
  return std::ranges::find(kept, value, to_system) != kept.end();
}

std::expected<void, std::string> limit_bounding_set(std::span<const Capability> kept) {
  for (cap_value_t value = 0; CAP_IS_SUPPORTED(value); ++value) {
    if (contains(kept, value) || ::cap_get_bound(value) == 0) continue;
    if (::cap_drop_bound(value) != 0) return failure("limit the bounding set of capabilities");
  }
  return {};
}

/// The numbers in `groups` as the system has them.
std::expected<void, std::string> set_groups(const UserAccount& user) {
  const std::vector<gid_t> groups(user.groups.begin(), user.groups.end());
  if (::setgroups(groups.size(), groups.data()) != 0) return failure("set the groups");
  return {};
}

}  // namespace

std::string to_string(Capability capability) {
  const std::unique_ptr<char, int (*)(void*)> name(::cap_to_name(to_system(capability)), &::cap_free);
  std::string text = name ? name.get() : "";
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return text;
}

std::expected<UserAccount, std::string> find_user(const std::string& name) {
  std::vector<char> buffer(std::size_t{64} * 1024);
  passwd entry{};
  passwd* found = nullptr;
  const int error = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (error != 0 && error != ENOENT) {
    return std::unexpected("cannot look up the user '" + name + "': " + system_message(error));
  }
  if (!found) {
    return std::unexpected("there is no user '" + name +
                           "' on this system; make one (useradd --system), or set 'user' in [server] to "
                           "another");
  }
  UserAccount user{.name = name, .uid = entry.pw_uid, .gid = entry.pw_gid, .groups = {}};
  std::vector<gid_t> groups(16);
  int count = static_cast<int>(groups.size());
  while (::getgrouplist(name.c_str(), entry.pw_gid, groups.data(), &count) < 0) {
    groups.resize(std::max(static_cast<std::size_t>(count), groups.size() * 2));
    count = static_cast<int>(groups.size());
  }
  user.groups.assign(groups.begin(), groups.begin() + count);
  return user;
}

bool runs_as(const UserAccount& user) {
  return ::geteuid() == user.uid && ::getuid() == user.uid;
}

bool runs_as_root() {
  return ::geteuid() == 0;
}

std::expected<void, std::string> forbid_new_privileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failure("forbid new privileges");
  return {};
}

std::expected<void, std::string> limit_future_capabilities(std::span<const Capability> kept) {
  const CapabilityState state(::cap_get_proc());
  if (!state) return failure("read the capabilities");
  if (has(state, CAP_SETPCAP, CAP_EFFECTIVE)) {
    if (auto limited = limit_bounding_set(kept); !limited) return limited;
  }
  for (cap_value_t value = 0; CAP_IS_SUPPORTED(value); ++value) {
    if (!contains(kept, value)) ::cap_set_flag(state.get(), CAP_INHERITABLE, 1, &value, CAP_CLEAR);
  }
  if (::cap_set_proc(state.get()) != 0) return failure("limit the inheritable capabilities");
  return {};
}

std::expected<void, std::string> limit_capabilities(std::span<const Capability> kept) {
  if (auto limited = limit_future_capabilities(kept); !limited) return limited;
  const CapabilityState before(::cap_get_proc());
  const CapabilityState after(::cap_init());
  if (!before || !after) return failure("read the capabilities");
  std::vector<cap_value_t> values;
  for (const Capability capability : kept) {
    const cap_value_t value = to_system(capability);
    // What this process never had, or may never have again, is not kept.
    if (!has(before, value, CAP_PERMITTED) || ::cap_get_bound(value) != 1) continue;
    values.push_back(value);
    for (const cap_flag_t flag : {CAP_PERMITTED, CAP_EFFECTIVE, CAP_INHERITABLE}) {
      ::cap_set_flag(after.get(), flag, 1, &value, CAP_SET);
    }
  }
  if (::cap_set_proc(after.get()) != 0) return failure("give up capabilities");
  if (::cap_reset_ambient() != 0) return failure("give up ambient capabilities");
  for (const cap_value_t value : values) {
    if (::cap_set_ambient(value, CAP_SET) != 0) return failure("keep an ambient capability");
  }
  return {};
}

std::expected<void, std::string> become_user(const UserAccount& user, std::span<const Capability> kept) {
  const auto with_user = [&](const std::string& message) {
    return std::unexpected("cannot become the user '" + user.name + "': " + message);
  };
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return failure("keep capabilities over the change of user");
  // Groups first: afterwards nobody may change them.
  if (const auto set = set_groups(user); !set) return with_user(set.error());
  if (::setresgid(user.gid, user.gid, user.gid) != 0) return with_user(system_message(errno));
  if (::setresuid(user.uid, user.uid, user.uid) != 0) return with_user(system_message(errno));
  if (::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) return failure("end the keeping of capabilities");
  if (auto limited = limit_capabilities(kept); !limited) return limited;
  if (user.uid != 0 && ::setuid(0) == 0) return with_user("root could be had back");
  return {};
}

}  // namespace portshare
