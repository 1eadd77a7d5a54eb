// IP addresses, address:port pairs and prefixes as plain values, without any header of an operating system.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace portshare {

/// An IPv4 or IPv6 address. An IPv4 address is kept in its IPv4-mapped form (RFC 4291, 2.5.5.2), and a mapped
/// address that comes in as IPv6 is the IPv4 address: there is one representation of each, so equality is
/// byte equality.
class IpAddress {
 public:
  /// The unspecified IPv6 address.
  constexpr IpAddress() = default;
  static constexpr IpAddress v4(std::array<std::uint8_t, 4> octets) {
    IpAddress address;
    address.bytes_[10] = address.bytes_[11] = 0xff;
    for (std::size_t i = 0; i < 4; ++i) address.bytes_[12 + i] = octets[i];
    return address;
  }
  static constexpr IpAddress v6(std::array<std::uint8_t, 16> octets) {
    IpAddress address;
    address.bytes_ = octets;
    return address;
  }
  /// Dotted quad without leading zeros, or RFC 4291 text (also with an embedded IPv4 address). No brackets,
  /// port, zone or spaces.
  static std::optional<IpAddress> parse(std::string_view text);

  [[nodiscard]] bool is_v4() const;
  [[nodiscard]] bool is_unspecified() const;  ///< 0.0.0.0 or ::
  [[nodiscard]] bool is_loopback() const;     ///< 127.0.0.0/8 or ::1
  /// All 16 bytes, mapped form for IPv4.
  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  /// RFC 5952 text; IPv4 as a dotted quad.
  [[nodiscard]] std::string to_string() const;
  static constexpr std::size_t max_text_length = 39;
  /// Writes what to_string() returns and says how long it is, without allocation and without a NUL behind it.
  std::size_t write_text(std::span<char, max_text_length> out) const;

  auto operator<=>(const IpAddress&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

/// A port in decimal: 1 to 5 digits, at most 65535.
std::optional<std::uint16_t> parse_port(std::string_view text);

/// An address and a TCP port.
struct IpEndpoint {
  IpAddress address;
  std::uint16_t port = 0;

  /// "192.0.2.1:80" or "[2001:db8::1]:80". The port is 1 to 5 digits, at most 65535.
  static std::optional<IpEndpoint> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
  auto operator<=>(const IpEndpoint&) const = default;
};

/// Whether a connection between them never leaves the host, as far as these addresses alone show it: false
/// for two different ones of one host, unless they are loopback addresses.
[[nodiscard]] inline bool is_within_host(const IpEndpoint& local, const IpEndpoint& peer) {
  return peer.address.is_loopback() || peer.address == local.address;
}

/// A network: an address and how many of its leading bits count. IPv4 prefixes never cover IPv6 addresses,
/// nor the reverse.
struct IpPrefix {
  IpAddress base;           ///< bits behind `length` are zero
  std::uint8_t length = 0;  ///< 0 to 32 for IPv4, 0 to 128 for IPv6

  enum class Error : std::uint8_t { syntax, host_bits_set };
  /// "198.51.100.0/24", "2001:db8::/32", or an address alone (the longest prefix). `host_bits_set`, e.g.
  /// "10.0.0.1/8", is reported apart, because the operator meant either the host or the network. `error` may
  /// be null.
  static std::optional<IpPrefix> parse(std::string_view text, Error* error = nullptr);
  [[nodiscard]] bool contains(const IpAddress& address) const;
  [[nodiscard]] std::string to_string() const;  ///< without "/32" and "/128"
  auto operator<=>(const IpPrefix&) const = default;
};

}  // namespace portshare
