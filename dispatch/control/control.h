// The admin socket and the monitor of a running program.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
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

  /// Opens what the configuration asks for. An address that cannot be had is an error, a sentence, unless it
  /// is the admin socket's default: then the log says so and the program goes on without. Called again after
  /// a reload, it closes, opens and leaves open what the change asks for; an error leaves all as it was.
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
  using DoorResult = std::expected<std::unique_ptr<Door>, std::string>;

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

}  // namespace portshare
