// The listening sockets of the program, over changes of the configuration.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "core/socket_address.h"
#include "dispatch/config.h"
#include "dispatch/snapshot.h"
#include "dispatch/wildcard.h"
#include "platform/service_manager.h"

namespace portshare {

/// Owns every listening socket: opened for the first configuration that wants its address, and closed when
/// none does any more. Belongs to the control thread.
class ListeningSockets {
 public:
  /// A socket that listens already: handed over by the service manager or by the program that this one
  /// replaces. `address` is the one by which configurations ask for it.
  struct Open {
    SocketAddress wanted;  ///< as the configuration writes it, maybe with port 0
    SocketAddress bound;
    Socket socket;
    std::chrono::seconds deferral{0};  ///< see ListenerConfig::defers_accept
    /// "systemd:NAME" in configurations; then `wanted` is empty, the address is the service manager's, and
    /// the socket stays open, used or not. Several may have one name.
    std::string passed_as = {};
    /// Another program listens there, too, and it belongs to that one: it is closed in this process alone.
    bool is_borrowed = false;
    bool is_announced = false;  ///< the log has said that a listener takes connections there
  };

  ListeningSockets() = default;
  ListeningSockets(const ListeningSockets&) = delete;
  ListeningSockets& operator=(const ListeningSockets&) = delete;
  /// Closes them all.
  ~ListeningSockets();

  /// Takes an open socket over, for open_for() to find.
  void inherit(Open socket) {
    socket.is_announced = true;
    open_.push_back(std::move(socket));
  }
  void inherit(const PassedSocket& passed);
  /// The other program has left those to this one that were borrowed.
  void own_all();
  /// From now on they belong to another program, which listens there, too.
  void lend_all();

  /// What happens if an address cannot be bound for which a wildcard with `except` stands.
  enum class Unavailable : std::uint8_t {
    fails,  ///< an error as with any other, unless the address is not usable yet, or has been waited for
            ///< before
    waits,  ///< it is logged, once, and is_waiting() from then on
  };
  /// One socket for each address of the configuration: those that are there, and new ones; and all those that
  /// were passed under its names. The error is a line for each that can't be had, and then nothing is left
  /// behind.
  [[nodiscard]] std::expected<std::vector<ListeningSocket>, std::string> open_for(
      const Config& config, Unavailable unavailable = Unavailable::fails);
  /// Addresses are missing which may be had later: by open_for().
  [[nodiscard]] bool is_waiting() const { return !waiting_.empty(); }
  /// What a configuration that is adopted changes in sockets which were there before.
  void apply_deferral(const Config& config, const std::vector<ListeningSocket>& sockets);
  /// The others of our own are to be closed soon: what is in their queues may still be taken, and nothing new
  /// comes.
  void stop_handshakes_of_all_but(const std::vector<ListeningSocket>& kept);
  /// Whether close_all_but(kept) closes any.
  [[nodiscard]] bool has_others(const std::vector<ListeningSocket>& kept) const;
  /// Closes those of our own that `kept` does not have. No accept may be pending on them.
  void close_all_but(const std::vector<ListeningSocket>& kept);
  /// Closes them all, those of the service manager too. No accept may be pending.
  void close_all();
  /// Names in the log the sockets that were passed and that no listener uses.
  void warn_about_unused(const Config& config) const;

  [[nodiscard]] const std::vector<Open>& all() const { return open_; }

 private:
  /// Addresses that are to be bound when they can be.
  using Waiting = std::vector<SocketAddress>;
  std::expected<Open, std::string> open(const ListenerConfig& listener, const WantedAddress& wanted,
                                        Unavailable unavailable, Waiting& waiting);
  std::expected<std::vector<Socket>, std::string> passed_sockets(const std::string& name);
  [[nodiscard]] std::string missing_message(const std::string& name) const;

  std::vector<Open> open_;
  Waiting waiting_;
  std::vector<std::uint16_t> shared_ports_;  // among our own sockets, until the old ones are closed
};

}  // namespace portshare
