// One check of one server: connect, ask, judge the answer, close.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/byte_view.h"
#include "core/http_response_head.h"
#include "core/random.h"
#include "core/socket_address.h"
#include "core/timer_wheel.h"
#include "dispatch/config.h"
#include "dispatch/server_state.h"
#include "platform/loop.h"

namespace portshare {

/// What is asked, and of whom.
struct HealthQuestion {
  HealthConfig health;
  SocketAddress address;
  /// The server as the configuration writes it, without the port: TLS sends it as server_name. Empty: an
  /// address.
  std::string host;
  std::string host_field;                                     ///< HTTP's Host
  ProxyHeaderVersion proxy_header = ProxyHeaderVersion::off;  ///< which the server wants to see first

  bool operator==(const HealthQuestion&) const = default;
};

/// May be started again and again. Belongs to the thread of its loop.
class HealthCheck {
 public:
  /// None: the server could not be asked, for want of descriptors or memory, and nothing is said about it.
  using Result = std::optional<ServerState::CheckResult>;

  /// `done` is called with the result of each check that was not stopped, when it has left nothing behind.
  HealthCheck(Loop& loop, Random random, std::function<void(const Result&)> done);
  HealthCheck(const HealthCheck&) = delete;
  HealthCheck& operator=(const HealthCheck&) = delete;
  /// Must not be running.
  ~HealthCheck();

  /// Not while one is running.
  void start(HealthQuestion question);
  /// `done` is not called any more; the check is over soon.
  void stop();
  [[nodiscard]] bool is_running() const { return is_running_; }

 private:
  void op_ended();
  void connected();
  void send_more();
  void received();
  void judge_http();
  void judge_tls();
  void timed_out();
  void fail(std::string_view what, Status status);
  void finish(bool succeeded, std::string reason);
  void finish(Result result);
  void close();
  void over();

  Loop& loop_;
  Random random_;
  const std::function<void(const Result&)> done_;
  Op op_;
  Timer timer_;
  HealthQuestion question_;
  Socket socket_ = Socket::none;
  std::vector<std::uint8_t> request_;
  std::size_t sent_ = 0;
  std::vector<std::uint8_t> answer_;  // as far as it has come
  HttpResponseHeadReader http_;
  std::chrono::microseconds started_at_{0};
  Result result_;
  bool is_running_ = false;
  bool is_judged_ = false;
  bool is_stopped_ = false;
};

}  // namespace portshare
