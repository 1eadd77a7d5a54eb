// What this process may do beyond an ordinary one, and how it gives that up: capabilities(7), credentials(7).
//
// Credentials belong to threads, and new threads inherit them. The C library changes the user of all threads
// at once, but capabilities are changed for the calling thread alone. Hence two steps: what can be given up
// at the start is given up before the first thread, and the rest, when the user changes, before any thread
// that needs what is kept. Threads in between (the writers of logs) lose all capabilities with the change of
// the user.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

namespace portshare {

enum class Capability : std::uint8_t {
  net_bind_service,  ///< bind ports below first_unprivileged_port()
  net_admin,         ///< connect from addresses that are not this host's
  dac_override,      ///< root's way with files: reach everybody's unix sockets, write everybody's logs
  dac_read_search,   ///< look into every folder, as those of /proc
  sys_ptrace,        ///< see the open files of other users' processes
};

/// As capabilities(7) writes it: "CAP_NET_BIND_SERVICE".
[[nodiscard]] std::string to_string(Capability capability);

struct UserAccount {
  std::string name;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;  ///< all of them, `gid` too
};

/// Looks the user up. The error is a sentence.
[[nodiscard]] std::expected<UserAccount, std::string> find_user(const std::string& name);

[[nodiscard]] bool runs_as(const UserAccount& user);
[[nodiscard]] bool runs_as_root();

/// No program that this process executes gets more privileges than it has, by set-user-ID or file
/// capabilities (PR_SET_NO_NEW_PRIVS). For this thread and those that it starts, for good.
[[nodiscard]] std::expected<void, std::string> forbid_new_privileges();

/// Keeps none but these for programs to be executed: takes all others out of the bounding and the inheritable
/// set. Without CAP_SETPCAP the bounding set stays; after forbid_new_privileges() nothing can be gained from
/// it. For this thread.
[[nodiscard]] std::expected<void, std::string> limit_future_capabilities(std::span<const Capability> kept);

/// Keeps none but these: takes all others out of every set, and those that are there into the ambient one, so
/// that the successor in an upgrade has them, too. For this thread.
[[nodiscard]] std::expected<void, std::string> limit_capabilities(std::span<const Capability> kept);

/// Becomes this user for good, with the user's groups, which takes root, and then limit_capabilities(). Core
/// dumps and debuggers of that user are from then on what fs.suid_dumpable says, by default none: another
/// process of the same user has no way to the connections.
[[nodiscard]] std::expected<void, std::string> become_user(const UserAccount& user,
                                                           std::span<const Capability> kept);

}  // namespace portshare
