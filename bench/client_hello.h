// ClientHellos like those of browsers: RFC 8446 (4.1.2), RFC 6066 (3), RFC 7301 (3.1), RFC 7685 (4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/random.h"

namespace portshare {

/// Which key shares a hello carries, and so how long it is.
enum class HelloStyle : std::uint8_t {
  classic,       ///< X25519 alone: 517 bytes, to which browsers padded
  post_quantum,  ///< X25519MLKEM768 too: 1800 bytes, more than a packet
};

/// Writes hellos for any number of names. The layout is built once; writing one is a few copies, so that it
/// costs nothing beside a connection. They are legal in form; their keys are random bytes, so that a server
/// which goes on with the handshake ends it by an alert.
class ClientHelloTemplate {
 public:
  /// A longer name is no DNS name (RFC 1035, 2.3.4).
  static constexpr std::size_t longest_name = 253;

  ClientHelloTemplate(HelloStyle style, std::span<const std::string> alpn);

  /// What write() needs room for.
  [[nodiscard]] std::size_t most_bytes() const;
  /// A hello for `name` (empty: without server_name) with a random of its own; how long it is. Short names
  /// all give the same length, that of the style.
  std::size_t write(std::string_view name, Random& random, std::span<std::uint8_t> out) const;

 private:
  std::vector<std::uint8_t> head_;  // record and handshake headers up to the compression methods
  std::vector<std::uint8_t> tail_;  // the extensions behind server_name
  std::size_t padded_length_;
};

}  // namespace portshare
