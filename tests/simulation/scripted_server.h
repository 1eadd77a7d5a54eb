// A server of which every connection follows a script.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "core/random.h"
#include "platform/loop.h"
#include "tests/simulation/scripted_peer.h"

namespace portshare {

/// Stays where it is until is_stopped().
class ScriptedServer {
 public:
  /// What the connection accepted as number `index` does.
  using Scripts = std::function<PeerScript(std::size_t index)>;

  /// Owns `listener` from now on.
  ScriptedServer(Loop& loop, Random random, Socket listener, Scripts scripts)
      : loop_(loop),
        random_(random),
        listener_(listener),
        scripts_(std::move(scripts)),
        accept_([](Op&, void* self) { static_cast<ScriptedServer*>(self)->on_accepted(); }, this),
        close_([](Op&, void* self) { static_cast<ScriptedServer*>(self)->closed_ = true; }, this),
        retry_timer_([](void* self) { static_cast<ScriptedServer*>(self)->accept_next(); }, this) {}
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  void start() { accept_next(); }

  /// Stops accepting and closes the listener; connections go on.
  void stop() {
    if (stopping_) return;
    stopping_ = true;
    loop_.cancel(retry_timer_);
    loop_.cancel(accept_);
    if (accept_.is_idle()) loop_.close(close_, listener_, CloseMode::orderly);
  }
  /// As if the process died: stops and resets what is open.
  void kill() {
    stop();
    killed_ = true;
    for (const auto& peer : peers_) peer->abort();
  }

  /// The listener and all connections are closed.
  [[nodiscard]] bool is_stopped() const { return closed_ && open_connections() == 0; }
  [[nodiscard]] std::size_t open_connections() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(peers_, [](const auto& peer) { return !peer->is_closed(); }));
  }
  /// In the order of their accepts; closed ones stay.
  [[nodiscard]] const std::vector<std::unique_ptr<ScriptedPeer>>& connections() const { return peers_; }

 private:
  void accept_next() { loop_.accept(accept_, listener_); }

  void on_accepted() {
    if (accept_.succeeded()) {
      const std::size_t index = peers_.size();
      peers_.push_back(std::make_unique<ScriptedPeer>(loop_, Random(random_.next()), scripts_(index)));
      peers_.back()->start(accept_.socket);
      if (killed_) peers_.back()->abort();
    }
    if (stopping_) return loop_.close(close_, listener_, CloseMode::orderly);
    // Out of descriptors: a connection that ends gives one back.
    if (accept_.succeeded()) return accept_next();
    loop_.arm(retry_timer_, std::chrono::milliseconds{1});
  }

  Loop& loop_;
  Random random_;
  const Socket listener_;
  const Scripts scripts_;
  std::vector<std::unique_ptr<ScriptedPeer>> peers_;
  bool stopping_ = false;
  bool killed_ = false;
  bool closed_ = false;
  Op accept_;
  Op close_;
  Timer retry_timer_;
};

}  // namespace portshare
