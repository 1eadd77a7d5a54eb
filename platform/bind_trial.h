// How this system lets two sockets have one port: tried for real, on loopback.
//
// The question is an old one (Microsoft Knowledge Base Q307175, "SO_REUSEADDR and SO_EXCLUSIVEADDRUSE"): a
// first socket has or had a port, a second one is to be bound to it. Whether it may, and which of the two
// then gets the connections, depends on the state of the port, on whose the sockets are, on their addresses
// and on an option of each.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace portshare {

/// What a socket says, before it is bound, about others on its port.
enum class ShareOption : std::uint8_t { none, reuse_address, reuse_port };

/// Those that this system knows. (Windows has SO_EXCLUSIVEADDRUSE, and no SO_REUSEPORT.)
[[nodiscard]] std::span<const ShareOption> share_options();
/// "none", or as the system calls it: "SO_REUSEADDR".
[[nodiscard]] std::string_view to_string(ShareOption option);

/// What is on the port when the second socket comes.
enum class PortUse : std::uint8_t {
  listening,  ///< the first socket listens
  connected,  ///< it was closed, and a connection that it accepted lives
  time_wait,  ///< it was closed, and a connection that it accepted is in TIME_WAIT
};
inline constexpr std::array all_port_uses{PortUse::listening, PortUse::connected, PortUse::time_wait};

/// Whose the second socket is. The first one is this process's.
enum class SecondOwner : std::uint8_t { same_process, other_process, other_user };
inline constexpr std::array all_second_owners{SecondOwner::same_process, SecondOwner::other_process,
                                              SecondOwner::other_user};

enum class TrialAddress : std::uint8_t {
  loopback,  ///< 127.0.0.1
  any_v4,    ///< 0.0.0.0
  any,       ///< [::] for IPv6 and IPv4 alike (no IPV6_V6ONLY)
};
[[nodiscard]] std::string_view to_string(TrialAddress address);

struct AddressPair {
  TrialAddress first = TrialAddress::loopback;
  TrialAddress second = TrialAddress::loopback;
  bool operator==(const AddressPair&) const = default;
};
inline constexpr std::array all_address_pairs{
    AddressPair{TrialAddress::loopback, TrialAddress::loopback},
    AddressPair{TrialAddress::any_v4, TrialAddress::loopback},
    AddressPair{TrialAddress::loopback, TrialAddress::any_v4},
    AddressPair{TrialAddress::any, TrialAddress::any_v4},
    AddressPair{TrialAddress::any_v4, TrialAddress::any},
};

struct BindTrial {
  PortUse use = PortUse::listening;
  AddressPair addresses;
  SecondOwner owner = SecondOwner::same_process;
  ShareOption first = ShareOption::none;
  ShareOption second = ShareOption::none;
  bool operator==(const BindTrial&) const = default;
};

/// An attempt to listen: an errno per step, 0 if it went well. What an option or the socket itself met with
/// counts as of bind; where that failed, listen was not tried.
struct ListenAttempt {
  int bind_error = 0;
  int listen_error = 0;
  [[nodiscard]] bool succeeded() const { return bind_error == 0 && listen_error == 0; }
};

struct BindOutcome {
  ListenAttempt second;
  /// Who got the connections that were then made to 127.0.0.1: several, and more where both sockets listen.
  std::uint32_t first_got = 0;
  std::uint32_t second_got = 0;
  std::uint32_t refused = 0;
  /// In PortUse::connected: bytes still pass on the connection of the first socket.
  bool established_lives = true;
};

/// "EADDRINUSE".
[[nodiscard]] std::string error_name(int system_error);

class TrialListener;

/// Makes trials, each on a port of its own that the system chooses. Starts two helper processes, for the
/// sockets of others, and ends them when it goes. For one thread, and while there is no other, since it
/// forks.
class BindTrials {
 public:
  /// The error is a sentence.
  [[nodiscard]] static std::expected<BindTrials, std::string> start();
  BindTrials(BindTrials&&) noexcept;
  BindTrials& operator=(BindTrials&&) = delete;
  ~BindTrials();

  /// The error is why it could not be tried: "needs root", "this system has no IPv6".
  [[nodiscard]] std::expected<BindOutcome, std::string> attempt(const BindTrial& trial);

 private:
  BindTrials();
  [[nodiscard]] std::expected<TrialListener*, std::string> second_listener(SecondOwner owner) const;

  bool has_ipv6_ = false;
  std::unique_ptr<TrialListener> same_process_;
  std::unique_ptr<TrialListener> other_process_;
  std::expected<std::unique_ptr<TrialListener>, std::string> other_user_;
};

}  // namespace portshare
