// Names by which connections are routed, in the one form in which they are compared.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

namespace portshare {

class IpAddress;

/// A host name, lower-cased, without port and trailing dot, kept inside the object: no allocation. An address
/// literal ("192.0.2.1", "2001:db8::1", without brackets, in its canonical text) is kept too, and says so. A
/// name is letters, digits, "-" and "_" in labels that are not empty. A label may be longer than the 63 bytes
/// of RFC 1035: routing needs no such limit, and the answer to such a name is the business of whoever gets
/// it.
class HostName {
 public:
  static constexpr std::size_t max_length = 255;
  enum class Error : std::uint8_t {
    empty,          ///< nothing, or only a dot
    too_long,       ///< over 255 bytes
    bad_character,  ///< NUL, space, slash, any control, non-ASCII or other byte no name has; an empty label
    bad_port,       ///< not 1 to 5 digits, or over 65535
    bad_address,    ///< brackets, or in an SNI several colons, that are not those of an IPv6 address
  };

  /// For the SNI of a ClientHello (RFC 6066, section 3): a port is dropped, an address literal, IPv6 also
  /// without brackets, is accepted and marked.
  static std::expected<HostName, Error> from_server_name(std::string_view text);
  /// For `uri-host [":" port]` of a Host field, an absolute request target or :authority (RFC 3986, 3.2.2;
  /// RFC 9110, 7.2). No userinfo. An empty port ("example.com:") is legal there.
  static std::expected<HostName, Error> from_authority(std::string_view text);

  [[nodiscard]] std::string_view view() const { return {text_.data(), length_}; }
  [[nodiscard]] bool is_address() const { return is_address_; }
  /// The port that stood behind the name.
  [[nodiscard]] std::optional<std::uint16_t> port() const { return port_; }

 private:
  static std::expected<HostName, Error> parse(std::string_view text, bool empty_port_is_legal);
  std::optional<Error> take_name(std::string_view name);
  std::optional<Error> take_bracketed(std::string_view text);
  void take_address(const IpAddress& address);

  std::array<char, max_length> text_;
  std::uint8_t length_ = 0;
  bool is_address_ = false;
  std::optional<std::uint16_t> port_;
};

}  // namespace portshare
