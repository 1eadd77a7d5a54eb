// The admin socket and the monitor of a running program.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/socket_address.h"
#include "core/timer_wheel.h"
#include "dispatch/config.h"
#include "dispatch/control/controlled_program.h"
#include "dispatch/control/http_server.h"
#include "dispatch/control/rates.h"
#include "platform/loop.h"

namespace portshare {

/// Owns both servers, and the clock that makes the points of the plots. On the control thread, whose loop and
/// program must outlive it.
class Control {
 public:
  static constexpr std::chrono::seconds sample_interval{1};
  static constexpr std::size_t longest_history = 300;  ///< samples

  Control(Loop& loop, ControlledProgram& program);
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;
  /// Stopped, or never started.
  ~Control();

  /// Sockets on addresses that are not served yet. Closes those that nobody has taken.
  struct OpenedAddresses {
    OpenedAddresses() = default;
    OpenedAddresses(const OpenedAddresses&) = delete;
    OpenedAddresses& operator=(const OpenedAddresses&) = delete;
    ~OpenedAddresses();
    Socket admin = Socket::none;
    Socket monitor = Socket::none;
  };
  /// Opens what the configuration asks for and is not open yet. An address that cannot be had is an error, a
  /// sentence, unless it is the admin socket's default: then the log says so and the program goes on without.
  /// Nothing changes for clients before adopt().
  std::expected<std::shared_ptr<OpenedAddresses>, std::string> open(const ServerConfig& config) const;
  /// Serves what was opened for this configuration, and closes what it does without.
  void adopt(const ServerConfig& config, OpenedAddresses& opened);
  /// Both.
  std::expected<void, std::string> adopt(const ServerConfig& config);
  /// Closes everything; answers that are under way go out. `stopped` may be called before this returns.
  void stop(std::function<void()> stopped);

  /// Where the monitor listens, with the port that the system chose; none: there is none.
  [[nodiscard]] std::optional<SocketAddress> monitor_address() const;

 private:
  /// A listening socket with its server.
  struct Door {
    SocketAddress configured;
    Socket listener = Socket::none;
    std::unique_ptr<HttpServer> server;
  };

  /// Whether `door` is what `address` asks for; none: no door.
  static bool is_served(const std::unique_ptr<Door>& door, const std::optional<SocketAddress>& address);
  std::unique_ptr<Door> make_door(const SocketAddress& configured, Socket listener, HostPolicy hosts,
                                  bool is_admin);
  /// Stops a door that is no longer wanted; it is destroyed when its last client has gone.
  void retire(std::unique_ptr<Door> door);
  void door_closed(const Door* door);
  void check_stopped();
  [[nodiscard]] std::string first_events();
  [[nodiscard]] bool has_watchers() const;
  void begin_sampling();
  void tick();
  void sample(const ProgramReport& report);

  Loop& loop_;
  ControlledProgram& program_;
  std::unique_ptr<Door> admin_;
  std::unique_ptr<Door> monitor_;
  std::vector<std::unique_ptr<Door>> retired_;
  Timer tick_timer_;
  RateMeter meter_;
  std::vector<Sample> history_;
  bool report_pending_ = false;
  bool stopping_ = false;
  std::function<void()> stopped_;
};

}  // namespace portshare
