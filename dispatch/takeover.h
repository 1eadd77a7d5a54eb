// The way in: this program takes the place of another one.
#pragma once

#include <expected>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "dispatch/control/control_socket.h"
#include "dispatch/listening_sockets.h"
#include "platform/socket_channel.h"

namespace portshare {

class Dispatcher;

/// The other side of an Upgrade. Its calls wait for the other program, for which it is urgent, too.
class Takeover {
 public:
  /// Reads what the other program has to say: its version, and its listening sockets. The error is a
  /// sentence, which the other program is told, too.
  static std::expected<std::unique_ptr<Takeover>, std::string> begin(SocketChannel channel);
  Takeover(const Takeover&) = delete;
  Takeover& operator=(const Takeover&) = delete;
  /// Takes no more.
  ~Takeover();

  [[nodiscard]] std::vector<ListeningSockets::Open> take_sockets() { return std::exchange(sockets_, {}); }
  [[nodiscard]] std::vector<ControlSocket> take_control_sockets() {
    return std::exchange(control_sockets_, {});
  }
  /// There will be no start: the other program goes on, and says why.
  void failed(std::string_view why) { decline(channel_, why); }
  /// The same before begin().
  static void decline(SocketChannel& channel, std::string_view why);
  /// Before connections are accepted: what can fail of ready(). The error is a sentence.
  [[nodiscard]] std::expected<void, std::string> prepare();
  /// Connections are being accepted here. From now on sessions come, on a thread of its own, until the other
  /// program has no more. `stopped_accepting` is called there, once, when the other program accepts nothing
  /// any more, or is gone. The dispatcher must outlive this object.
  void ready(Dispatcher& dispatcher, std::function<void()> stopped_accepting);

 private:
  explicit Takeover(SocketChannel channel) : channel_(std::move(channel)) {}
  std::expected<void, std::string> read_introduction();
  void receive_until_end(Dispatcher& dispatcher, std::function<void()> stopped_accepting);
  bool receive_session(Dispatcher& dispatcher, const SocketChannel::Message& message);
  bool receive_bytes(std::vector<std::uint8_t>& bytes, std::uint64_t length);

  SocketChannel channel_;
  std::vector<ListeningSockets::Open> sockets_;
  std::vector<ControlSocket> control_sockets_;
  std::promise<std::function<void()>> work_;  // of the thread; an empty one: there is none after all
  bool has_work_ = false;
  std::thread thread_;
};

}  // namespace portshare
