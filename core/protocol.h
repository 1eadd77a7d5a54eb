// The protocols that a connection can speak, by the words of the configuration and of the access log.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

namespace portshare {

/// `any` stands for bytes that no recogniser claimed.
enum class Protocol : std::uint8_t { any, tls, http, ssh, rdp, openvpn, postgresql, socks, mqtt, xmpp };

/// In the order in which they are listed for people.
inline constexpr std::array all_protocols{
    Protocol::tls,   Protocol::http,       Protocol::ssh,  Protocol::rdp,  Protocol::openvpn,
    Protocol::socks, Protocol::postgresql, Protocol::mqtt, Protocol::xmpp, Protocol::any};

constexpr std::string_view to_string(Protocol protocol) {
  switch (protocol) {
    case Protocol::any:
      return "any";
    case Protocol::tls:
      return "tls";
    case Protocol::http:
      return "http";
    case Protocol::ssh:
      return "ssh";
    case Protocol::rdp:
      return "rdp";
    case Protocol::openvpn:
      return "openvpn";
    case Protocol::postgresql:
      return "postgresql";
    case Protocol::socks:
      return "socks";
    case Protocol::mqtt:
      return "mqtt";
    case Protocol::xmpp:
      return "xmpp";
  }
  return {};
}

/// The protocol with that name, if there is one.
constexpr std::optional<Protocol> protocol_of(std::string_view name) {
  for (const Protocol protocol : all_protocols) {
    if (to_string(protocol) == name) return protocol;
  }
  return std::nullopt;
}

class ProtocolSet {
 public:
  constexpr ProtocolSet() = default;
  constexpr ProtocolSet(std::initializer_list<Protocol> protocols) {
    for (const Protocol protocol : protocols) insert(protocol);
  }
  constexpr void insert(Protocol protocol) { bits_ |= bit_of(protocol); }
  [[nodiscard]] constexpr bool contains(Protocol protocol) const { return (bits_ & bit_of(protocol)) != 0; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  constexpr bool operator==(const ProtocolSet&) const = default;

 private:
  static constexpr std::uint32_t bit_of(Protocol protocol) {
    return std::uint32_t{1} << static_cast<unsigned>(protocol);
  }

  std::uint32_t bits_ = 0;
};

}  // namespace portshare
