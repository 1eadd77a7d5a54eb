#include "dispatch/takeover.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>

#include "core/byte_view.h"
#include "dispatch/dispatcher.h"
#include "dispatch/moved_session_codec.h"
#include "dispatch/takeover_messages.h"
#include "platform/listening_socket.h"

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
  if (channel_.is_open()) channel_.shut_down();
  if (thread_.joinable()) thread_.join();
  for (const ListeningSockets::Open& open : sockets_) close_passed_socket(open.socket);
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
      case TakeoverMessage::all_listeners:
        if (is_known) return {};
        [[fallthrough]];
      default:
        return std::unexpected("the program whose place this one was to take says what nobody understands");
    }
  }
}

void Takeover::failed(std::string_view why) {
  const ByteView text = as_bytes(why.substr(0, SocketChannel::most_bytes - 1));
  (void)channel_.send(message_of(TakeoverMessage::failed, text));
}

void Takeover::ready(Dispatcher& dispatcher, std::function<void()> addresses_are_free) {
  if (!channel_.send(message_of(TakeoverMessage::ready))) {
    spdlog::warn("upgrade: the program before this one is gone, and its connections with it");
  }
  thread_ = std::thread([this, &dispatcher, addresses_are_free = std::move(addresses_are_free)]() mutable {
    receive_until_end(dispatcher, std::move(addresses_are_free));
  });
}

void Takeover::receive_until_end(Dispatcher& dispatcher, std::function<void()> addresses_are_free) {
  const auto free_addresses = [&] {
    if (const auto tell = std::exchange(addresses_are_free, nullptr)) tell();
  };
  std::size_t taken = 0;
  while (const auto message = channel_.receive()) {
    if (kind_of(message->bytes) == TakeoverMessage::addresses_are_free) {
      free_addresses();
      continue;
    }
    const bool is_taken =
        kind_of(message->bytes) == TakeoverMessage::session && receive_session(dispatcher, *message);
    if (is_taken) ++taken;
    if (!channel_.send(message_of(is_taken ? TakeoverMessage::taken : TakeoverMessage::refused))) break;
  }
  free_addresses();
  spdlog::info("upgrade: {} connections have come from the program before", taken);
}

bool Takeover::receive_session(Dispatcher& dispatcher, const SocketChannel::Message& message) {
  auto decoded = decode_session(rest_of(message));
  const auto close_sockets = [&] {
    for (const Socket socket : message.sockets) close_passed_socket(socket);
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
  if (!is_whole || !dispatcher.take_over(std::move(session))) return close_sockets();
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
