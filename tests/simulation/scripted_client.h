// A client that connects and then follows a script.
#pragma once

#include <chrono>
#include <optional>

#include "core/random.h"
#include "core/socket_address.h"
#include "platform/loop.h"
#include "tests/simulation/scripted_peer.h"

namespace portshare {

/// Stays where it is until is_done().
class ScriptedClient {
 public:
  ScriptedClient(Loop& loop, Random random, SocketAddress server, PeerScript script)
      : loop_(loop),
        server_(std::move(server)),
        peer_(loop, random, std::move(script)),
        connect_([](Op&, void* self) { static_cast<ScriptedClient*>(self)->on_connected(); }, this),
        patience_timer_([](void* self) { static_cast<ScriptedClient*>(self)->give_up(); }, this) {}
  ScriptedClient(const ScriptedClient&) = delete;
  ScriptedClient& operator=(const ScriptedClient&) = delete;

  /// Cancels the connect after `patience`, if that is set.
  void start(std::optional<std::chrono::milliseconds> patience = std::nullopt) {
    if (patience) loop_.arm(patience_timer_, *patience);
    loop_.connect(connect_, server_);
  }
  /// Ends the connect or resets the connection.
  void abort() {
    loop_.cancel(connect_);
    peer_.abort();
  }

  [[nodiscard]] bool is_done() const {
    return connect_status_ && (*connect_status_ != Status::ok || peer_.is_closed());
  }
  /// None: not yet.
  [[nodiscard]] std::optional<Status> connect_status() const { return connect_status_; }
  [[nodiscard]] const PeerRecord& record() const { return peer_.record(); }
  [[nodiscard]] Socket socket() const { return peer_.socket(); }
  /// Its own address, once it is connected.
  [[nodiscard]] const std::optional<IpEndpoint>& address() const { return address_; }

 private:
  void give_up() { loop_.cancel(connect_); }
  void on_connected() {
    loop_.cancel(patience_timer_);
    connect_status_ = connect_.status;
    if (!connect_.succeeded()) return;
    address_ = loop_.backend().local_endpoint(connect_.socket);
    peer_.start(connect_.socket);
  }

  Loop& loop_;
  const SocketAddress server_;
  ScriptedPeer peer_;
  std::optional<Status> connect_status_;
  std::optional<IpEndpoint> address_;
  Op connect_;
  Timer patience_timer_;
};

}  // namespace portshare
