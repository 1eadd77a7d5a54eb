// A listening socket of a bind trial, in this process or in another one.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "platform/bind_trial.h"
#include "platform/file_descriptor.h"

struct sockaddr_storage;

namespace portshare {

/// One socket at a time, opened and closed again and again.
class TrialListener {
 public:
  virtual ~TrialListener() = default;
  virtual ListenAttempt open(ShareOption option, TrialAddress address, std::uint16_t port) = 0;
  /// Accepts all connections that wait, and ends them; how many they were.
  virtual std::uint32_t accept_all() = 0;
  virtual void close() = 0;
};

/// In this process.
class LocalTrialListener final : public TrialListener {
 public:
  ListenAttempt open(ShareOption option, TrialAddress address, std::uint16_t port) override;
  std::uint32_t accept_all() override;
  void close() override { socket_.close(); }

  /// The next connection; without one within a second the descriptor is closed.
  [[nodiscard]] FileDescriptor accept_one() const;

 private:
  FileDescriptor socket_;
};

enum class TrialUser : std::uint8_t { same, other };

/// In a child process, which ends with the object. The error says what stands against it, in a few words.
[[nodiscard]] std::expected<std::unique_ptr<TrialListener>, std::string> start_remote_trial_listener(
    TrialUser user);

/// Closes a connection by a reset, which leaves no TIME_WAIT behind on either side.
void reset_connection(FileDescriptor& connection);

/// The socket address, which bind and connect take. Returns its length.
std::uint32_t to_system_address(TrialAddress address, std::uint16_t port, sockaddr_storage& result);

}  // namespace portshare
