#include "dispatch/takeover.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <system_error>

#include "core/byte_view.h"
#include "dispatch/dispatcher.h"
#include "dispatch/moved_session_codec.h"
#include "dispatch/takeover_messages.h"

namespace portshare {

namespace {

ByteView rest_of(const SocketChannel::Message& message) {
  return ByteView(message.bytes).subspan(1);
}

}  // namespace

std::expected<std::unique_ptr<Takeover>, std::string> Takeover::begin(SocketChannel channel) {
  std::unique_ptr<Takeover> takeover(new Takeover(std::move(channel)));
  if (auto read = takeover->read_introduction(); !read) {
    takeover->failed(read.error());
    return std::unexpected(std::move(read.error()));
  }
  return takeover;
}

Takeover::~Takeover() {
  if (has_work_) (void)channel_.send(message_of(TakeoverMessage::ending));
  if (channel_.is_open()) channel_.shut_down();
  if (thread_.joinable()) {
    if (!has_work_) work_.set_value({});
    thread_.join();
  }
  for (const ListeningSockets::Open& open : sockets_) close_in_this_process(open.socket);
  for (const ControlSocket& each : control_sockets_) close_in_this_process(each.socket);
}

std::expected<void, std::string> Takeover::read_introduction() {
  bool is_known = false;
  for (;;) {
    const auto message = channel_.receive();
    if (!message) return std::unexpected("the program whose place this one was to take is gone");
    switch (kind_of(message->bytes)) {
      case TakeoverMessage::hello: {
        const auto hello = decode_hello(rest_of(*message));
        if (!hello) return std::unexpected(hello.error());
        if (hello->protocol != takeover_protocol) {
          return std::unexpected(
              fmt::format("version {} cannot take the place of version {}: they speak protocols {} and {}; "
                          "restart portshare instead",
                          PORTSHARE_VERSION, hello->version, takeover_protocol, hello->protocol));
        }
        is_known = true;
        break;
      }
      case TakeoverMessage::listeners: {
        auto listeners = decode_listeners(rest_of(*message), message->sockets);
        if (!listeners) return std::unexpected(std::move(listeners.error()));
        std::ranges::move(*listeners, std::back_inserter(sockets_));
        break;
      }
      case TakeoverMessage::control_sockets: {
        auto sockets = decode_control_sockets(rest_of(*message), message->sockets);
        if (!sockets) return std::unexpected(std::move(sockets.error()));
        std::ranges::move(*sockets, std::back_inserter(control_sockets_));
        break;
      }
      case TakeoverMessage::all_listeners:
        if (is_known) return {};
        [[fallthrough]];
      default:
        return std::unexpected("the program whose place this one was to take says what nobody understands");
    }
  }
}

void Takeover::decline(SocketChannel& channel, std::string_view why) {
  const ByteView text = as_bytes(why.substr(0, SocketChannel::most_bytes - 1));
  (void)channel.send(message_of(TakeoverMessage::failed, text));
}

std::expected<void, std::string> Takeover::prepare() {
  try {
    thread_ = std::thread([work = work_.get_future()]() mutable {
      if (const auto task = work.get()) task();
    });
  } catch (const std::system_error& failure) {
    return std::unexpected(
        fmt::format("cannot start a thread for the connections of the program before: {}; raise the limit of "
                    "tasks (TasksMax, ulimit -u)",
                    failure.code().message()));
  }
  return {};
}

void Takeover::ready(Dispatcher& dispatcher, std::function<void()> stopped_accepting) {
  if (!channel_.send(message_of(TakeoverMessage::ready))) {
    spdlog::warn("upgrade: the program before this one is gone, and its connections with it");
  }
  has_work_ = true;
  work_.set_value([this, &dispatcher, stopped_accepting = std::move(stopped_accepting)] {
    receive_until_end(dispatcher, stopped_accepting);
  });
}

void Takeover::receive_until_end(Dispatcher& dispatcher, std::function<void()> stopped_accepting) {
  const auto tell_once = [&] {
    if (const auto tell = std::exchange(stopped_accepting, nullptr)) tell();
  };
  std::size_t taken = 0;
  while (const auto message = channel_.receive()) {
    if (kind_of(message->bytes) == TakeoverMessage::stopped_accepting) {
      tell_once();
    } else if (kind_of(message->bytes) == TakeoverMessage::session && receive_session(dispatcher, *message)) {
      ++taken;
    } else if (!channel_.send(message_of(TakeoverMessage::refused))) {
      break;
    }
  }
  tell_once();
  spdlog::info("upgrade: {} connections have come from the program before", taken);
}

bool Takeover::receive_session(Dispatcher& dispatcher, const SocketChannel::Message& message) {
  auto decoded = decode_session(rest_of(message));
  const auto close_sockets = [&] {
    for (const Socket socket : message.sockets) close_in_this_process(socket);
    return false;
  };
  if (!decoded || message.sockets.size() != 2) {
    spdlog::error("upgrade: {}", decoded ? "a session comes without its sockets" : decoded.error());
    channel_.shut_down();  // what follows could not be told apart
    return close_sockets();
  }
  MovedSession& session = decoded->session;
  session.client = message.sockets[0];
  session.server = message.sockets[1];
  const bool is_whole = receive_bytes(session.upstream.bytes, decoded->upstream_length) &&
                        receive_bytes(session.downstream.bytes, decoded->downstream_length);
  // The answer decides. Who does not wait for it any more cannot be told, and goes on with the session.
  const auto commit = [this] { return channel_.send(message_of(TakeoverMessage::taken)); };
  if (!is_whole || !dispatcher.take_over(std::move(session), commit)) return close_sockets();
  return true;
}

bool Takeover::receive_bytes(std::vector<std::uint8_t>& bytes, std::uint64_t length) {
  while (bytes.size() < length) {
    const auto message = channel_.receive();
    if (!message || kind_of(message->bytes) != TakeoverMessage::bytes) return false;
    const ByteView some = rest_of(*message);
    bytes.insert(bytes.end(), some.begin(), some.end());
  }
  return bytes.size() == length;
}

}  // namespace portshare
