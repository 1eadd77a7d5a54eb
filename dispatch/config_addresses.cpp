#include "dispatch/config_addresses.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "dispatch/config_names.h"

namespace portshare {
namespace {

constexpr std::string_view unix_scheme = "unix:";
constexpr std::string_view systemd_scheme = "systemd:";

/// As FileDescriptorName= of systemd.socket(5) takes them.
std::expected<std::string, std::string> parse_passed_socket(std::string_view text) {
  constexpr std::size_t longest_name = 255;
  const std::string_view name = text.substr(systemd_scheme.size());
  if (name.empty()) return std::unexpected(fmt::format("'{}' without the name of a socket", text));
  const auto is_legal = [](char c) { return c >= ' ' && c <= '~' && c != ':'; };
  if (name.size() > longest_name || !std::ranges::all_of(name, is_legal)) {
    return std::unexpected(
        fmt::format("'{}': the name of a socket, FileDescriptorName= of its unit, has up to {} ASCII "
                    "characters and no colon",
                    text, longest_name));
  }
  return std::string(name);
}

std::expected<std::string, std::string> parse_unix_path(std::string_view text) {
  const std::string_view path = text.substr(unix_scheme.size());
  if (path.starts_with('@')) {
    return std::unexpected(fmt::format("'{}': abstract sockets have no permissions; write a path", text));
  }
  if (!path.starts_with('/') || path.ends_with('/')) {
    return std::unexpected(fmt::format("'{}': the path of a unix socket is absolute, 'unix:/path'", text));
  }
  if (path.size() > SocketAddress::max_path_length) {
    return std::unexpected(fmt::format("'{}': the path has {} bytes; a unix socket's has at most {}", text,
                                       path.size(), SocketAddress::max_path_length));
  }
  if (path.find('\0') != std::string_view::npos) {
    return std::unexpected("the path of a unix socket with a NUL character in it");
  }
  return std::string(path);
}

struct HostAndPort {
  std::string_view host;
  std::uint16_t port;
};

std::expected<std::uint16_t, std::string> parse_port_of(std::string_view text, std::string_view digits,
                                                        std::uint16_t lowest) {
  std::uint16_t port = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || stop != digits.data() + digits.size() || digits.size() > 5 || port < lowest) {
    return std::unexpected(fmt::format("'{}': '{}' is no port ({} to 65535)", text, digits, lowest));
  }
  return port;
}

/// "HOST:PORT" with exactly one colon, or "[HOST]:PORT" with the brackets kept.
std::expected<HostAndPort, std::string> split_port(std::string_view text, std::uint16_t lowest) {
  if (text.starts_with('/')) {
    return std::unexpected(fmt::format("'{0}' is a path; write a unix socket as 'unix:{0}'", text));
  }
  const std::size_t colon = text.rfind(':');
  const bool bracketed = text.starts_with('[');
  if (!bracketed && text.find(':') != colon) {
    return std::unexpected(
        fmt::format("'{}': an IPv6 address with a port stands in brackets, '[2001:db8::1]:443'", text));
  }
  if (colon == std::string_view::npos || (bracketed && (colon == 0 || text[colon - 1] != ']'))) {
    return std::unexpected(fmt::format("'{}' has no port; write '{}:443', say", text, text));
  }
  const auto port = parse_port_of(text, text.substr(colon + 1), lowest);
  if (!port) return std::unexpected(port.error());
  return HostAndPort{text.substr(0, colon), *port};
}

std::optional<IpAddress> parse_host_address(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos) return std::nullopt;
  }
  return IpAddress::parse(host);
}

/// A name whose last part is a number is a mistyped address and no name (RFC 3696, 2: no such top-level
/// domain).
bool looks_like_an_address(std::string_view host) {
  const std::string_view last = host.substr(host.rfind('.') + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return host.starts_with('[') || (!last.empty() && std::ranges::all_of(last, is_digit));
}

IpAddress network_of(const IpAddress& address, unsigned length) {
  auto bytes = address.bytes();
  for (unsigned bit = length + (address.is_v4() ? 96U : 0U); bit < 128; ++bit) {
    const unsigned mask = 0x80U >> (bit % 8);
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~mask);
  }
  return IpAddress::v6(bytes);
}

std::string host_bits_message(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view digits = text.substr(slash + 1);
  unsigned length = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), length);
  const auto address = IpAddress::parse(text.substr(0, slash)).value_or(IpAddress());
  return fmt::format(
      "'{}' can be read in two ways: write '{}' for the one address or '{}/{}' for the network", text,
      address.to_string(), network_of(address, length).to_string(), length);
}

std::expected<SocketAddress, std::string> parse_socket_address(std::string_view text,
                                                               std::uint16_t lowest_port) {
  SocketAddress result;
  if (text.starts_with(unix_scheme)) {
    auto path = parse_unix_path(text);
    if (!path) return std::unexpected(std::move(path.error()));
    result.unix_path = std::move(*path);
    return result;
  }
  const auto split = split_port(text, lowest_port);
  if (!split) return std::unexpected(split.error());
  const auto address = parse_host_address(split->host);
  if (!address) {
    return std::unexpected(fmt::format("'{}': '{}' is no IP address", text, split->host));
  }
  result.ip = IpEndpoint{*address, split->port};
  return result;
}

}  // namespace

std::expected<SocketAddress, std::string> parse_socket_address(std::string_view text) {
  return parse_socket_address(text, 1);
}

std::expected<BindAddress, std::string> parse_bind_address(std::string_view text) {
  BindAddress result;
  if (text.starts_with(systemd_scheme)) {
    auto name = parse_passed_socket(text);
    if (!name) return std::unexpected(std::move(name.error()));
    result.passed_socket = std::move(*name);
    return result;
  }
  if (text.starts_with("*:")) {
    const auto port = parse_port_of(text, text.substr(2), 0);
    if (!port) return std::unexpected(port.error());
    for (const IpAddress& any : {IpAddress::v4({}), IpAddress()}) {
      result.addresses.push_back({.ip = IpEndpoint{any, *port}, .unix_path = {}});
    }
    return result;
  }
  auto address = parse_socket_address(text, 0);
  if (!address) return std::unexpected(std::move(address.error()));
  result.addresses.push_back(std::move(*address));
  return result;
}

std::expected<ServerAddress, std::string> parse_server_address(std::string_view text) {
  ServerAddress result;
  result.text = text;
  if (text.starts_with(unix_scheme)) {
    auto address = parse_socket_address(text);
    if (!address) return std::unexpected(std::move(address.error()));
    result.address = std::move(*address);
    return result;
  }
  const auto split = split_port(text, 1);
  if (!split) return std::unexpected(split.error());
  result.port = split->port;
  if (const auto address = parse_host_address(split->host)) {
    if (address->is_unspecified()) {
      return std::unexpected(
          fmt::format("'{}': one cannot connect to '{}'; write an address of the server", text, split->host));
    }
    result.address = SocketAddress{.ip = IpEndpoint{*address, split->port}, .unix_path = {}};
    return result;
  }
  if (looks_like_an_address(split->host)) {
    return std::unexpected(fmt::format("'{}': '{}' is no IP address", text, split->host));
  }
  const auto host = parse_host_name(split->host, NameSource::host);
  if (!host) return std::unexpected(host.error());
  result.host = host->view();
  return result;
}

std::expected<DestinationMatcher, std::string> parse_destination(std::string_view text) {
  DestinationMatcher result;
  if (text.starts_with(unix_scheme)) {
    return std::unexpected(
        fmt::format("'{}': a destination is an IP address; for a unix socket give the "
                    "route its listener",
                    text));
  }
  const bool has_port = text.starts_with('[') ||
                        (std::ranges::count(text, ':') == 1 && text.find('/') == std::string_view::npos);
  if (has_port) {
    const auto address = parse_socket_address(text);
    if (!address) return std::unexpected(address.error());
    result.prefix = {address->ip->address,
                     static_cast<std::uint8_t>(address->ip->address.is_v4() ? 32 : 128)};
    result.port = address->ip->port;
    return result;
  }
  const auto prefix = parse_prefix(text);
  if (!prefix) return std::unexpected(prefix.error());
  result.prefix = *prefix;
  return result;
}

std::expected<IpAddress, std::string> parse_local_address(std::string_view text) {
  const auto address = IpAddress::parse(text);
  if (!address) return std::unexpected(fmt::format("'{}' is no IP address, such as '192.0.2.1'", text));
  if (address->is_unspecified()) return std::unexpected(fmt::format("'{}' is the wildcard itself", text));
  return *address;
}

std::expected<IpPrefix, std::string> parse_prefix(std::string_view text) {
  auto error = IpPrefix::Error::syntax;
  const auto prefix = IpPrefix::parse(text, &error);
  if (prefix) return *prefix;
  if (error == IpPrefix::Error::host_bits_set) return std::unexpected(host_bits_message(text));
  return std::unexpected(
      fmt::format("'{}' is no address and no network, such as '192.0.2.1' or '198.51.100.0/24'", text));
}

}  // namespace portshare
