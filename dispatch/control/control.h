// The admin socket and the monitor of a running program.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/socket_address.h"
#include "core/timer_wheel.h"
#include "dispatch/config.h"
#include "dispatch/control/control_socket.h"
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

  /// Addresses that are listened on and not served yet. What is not served in the end is closed with it.
  struct Opened;
  /// Opens what the configuration asks for and is not there yet. An address that cannot be had is an error, a
  /// sentence and more lines perhaps, unless it is the admin socket's default: then the log says so and the
  /// program goes on without. For clients nothing changes.
  std::expected<std::shared_ptr<Opened>, std::string> open(const ServerConfig& config);
  /// Serves what was opened for this configuration, and closes what it does without.
  void serve(const ServerConfig& config, Opened& opened);
  /// Closes what was opened.
  void discard(Opened& opened);
  /// Opens and serves.
  std::expected<void, std::string> adopt(const ServerConfig& config);
  /// Closes everything; answers that are under way go out. `stopped` may be called before this returns.
  void stop(std::function<void()> stopped);

  // When a program takes another one's place, which listens, too.
  /// Sockets of the other program for adopt() to find. They are only borrowed: should this program not start,
  /// nothing has happened to them.
  void inherit(std::vector<ControlSocket> sockets) { inherited_ = std::move(sockets); }
  /// The other program has left them to this one.
  void own_inherited();
  /// It accepts nothing there any more: closes those that the configuration does not have.
  void close_unused();
  /// The sockets for the program that takes our place.
  [[nodiscard]] std::vector<ControlSocket> sockets() const;
  /// They belong to it from now on. stop() is next.
  void lend_sockets();

  /// Where the monitor listens, with the port that the system chose; none: there is none.
  [[nodiscard]] std::optional<SocketAddress> monitor_address() const;

 private:
  /// A listening socket with its server.
  struct Door {
    SocketAddress configured;
    Socket listener = Socket::none;
    bool is_borrowed = false;  // from another program, which has it, too
    std::unique_ptr<HttpServer> server;
  };
  /// The door is none if there is to be none.
  using DoorResult = std::expected<std::unique_ptr<Door>, std::string>;

  /// Whether `door` is what `address` asks for; none: no door.
  static bool is_same(const std::unique_ptr<Door>& door, const std::optional<SocketAddress>& address);
  static void close(std::unique_ptr<Door> door);
  DoorResult open_admin(const AdminConfig& config);
  DoorResult open_monitor(const std::optional<SocketAddress>& address);
  std::unique_ptr<Door> make_door(ControlSocket::Purpose purpose, const SocketAddress& configured,
                                  Socket listener);
  std::unique_ptr<Door> inherited_door(ControlSocket::Purpose purpose, const SocketAddress& configured);
  [[nodiscard]] std::vector<Socket> monitors_on_port_of(const SocketAddress& address) const;
  void forget_shared_ports();
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
  std::vector<ControlSocket> inherited_;  // for which there is no door so far
  bool owns_inherited_ = false;
  std::vector<std::uint16_t> shared_ports_;  // of monitors, until the old ones are closed
  Timer tick_timer_;
  RateMeter meter_;
  std::vector<Sample> history_;
  bool report_pending_ = false;
  bool stopping_ = false;
  std::function<void()> stopped_;
};

struct Control::Opened {
  Opened() = default;
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  ~Opened();
  std::unique_ptr<Door> admin;
  std::unique_ptr<Door> monitor;
};

}  // namespace portshare
