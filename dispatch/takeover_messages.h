// What two programs say to each other when one takes the other's place; docs/upgrade.md has the conversation.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "core/byte_view.h"
#include "dispatch/control/control_socket.h"
#include "dispatch/listening_sockets.h"
#include "platform/socket_channel.h"

namespace portshare {

/// Grows when two versions can no longer talk to each other.
inline constexpr std::uint32_t takeover_protocol = 2;

/// The first byte of each message.
enum class TakeoverMessage : std::uint8_t {
  hello = 'H',              ///< old: its protocol and version
  listeners = 'L',          ///< old: some listening sockets
  control_sockets = 'D',    ///< old: those of the admin socket and of the monitor
  all_listeners = 'A',      ///< old: there are no more
  ready = 'R',              ///< new: connections are being accepted
  failed = 'F',             ///< new: it cannot start; the rest says why
  stopped_accepting = 'C',  ///< old: nobody accepts connections there any more
  session = 'S',            ///< old: one, with its two sockets
  bytes = 'B',              ///< old: some of the session's bytes, first those to the server
  taken = 'Y',              ///< new: the session goes on there
  refused = 'N',            ///< new: it stays where it is
  ending = 'E',             ///< new: this program ends in order, and did not crash
};

struct TakeoverHello {
  std::uint32_t protocol = 0;
  std::string version;
};

[[nodiscard]] std::vector<std::uint8_t> message_of(TakeoverMessage kind, ByteView rest = {});
/// Of a message that has any bytes.
[[nodiscard]] inline TakeoverMessage kind_of(ByteView message) {
  return TakeoverMessage{message[0]};
}

[[nodiscard]] std::vector<std::uint8_t> encode_hello(const TakeoverHello& hello);
[[nodiscard]] std::expected<TakeoverHello, std::string> decode_hello(ByteView rest);

/// At most SocketChannel::most_sockets of them; the sockets travel beside. Decoded they are borrowed.
[[nodiscard]] std::vector<std::uint8_t> encode_listeners(std::span<const ListeningSockets::Open> listeners);
[[nodiscard]] std::expected<std::vector<ListeningSockets::Open>, std::string> decode_listeners(
    ByteView rest, std::span<const Socket> sockets);

/// Likewise.
[[nodiscard]] std::vector<std::uint8_t> encode_control_sockets(std::span<const ControlSocket> sockets);
[[nodiscard]] std::expected<std::vector<ControlSocket>, std::string> decode_control_sockets(
    ByteView rest, std::span<const Socket> sockets);

}  // namespace portshare
