// The sample applications of the demo, all on one thread.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/socket_address.h"
#include "dispatch/demo/sample_application.h"
#include "dispatch/demo/tls_server.h"
#include "platform/loop.h"

namespace portshare {

struct SampleApplicationSettings {
  std::string name;
  const TlsServer* tls = nullptr;  ///< null: plain HTTP; must outlive the application
};

/// Starts and ends them; for the thread that started them.
class SampleApplications {
 public:
  /// Each listens on a free port of 127.0.0.1 when this returns. The error is a sentence.
  static std::expected<std::unique_ptr<SampleApplications>, std::string> start(
      std::vector<SampleApplicationSettings> settings);
  SampleApplications(const SampleApplications&) = delete;
  SampleApplications& operator=(const SampleApplications&) = delete;
  /// Ends all connections.
  ~SampleApplications();

  /// Of the application with this index in the settings.
  [[nodiscard]] const SocketAddress& address(std::size_t application) const {
    return addresses_[application];
  }

 private:
  explicit SampleApplications(std::vector<SampleApplicationSettings> settings)
      : settings_(std::move(settings)) {}
  std::expected<void, std::string> listen();
  std::expected<void, std::string> start_thread();
  void stop();

  std::vector<SampleApplicationSettings> settings_;
  std::vector<Socket> sockets_;
  std::vector<SocketAddress> addresses_;
  std::thread thread_;
  // These two belong to the thread, which runs until the destructor posts stop().
  Loop* loop_ = nullptr;
  std::vector<std::unique_ptr<SampleApplication>> applications_;
};

}  // namespace portshare
