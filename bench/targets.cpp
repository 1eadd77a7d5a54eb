#include "bench/targets.h"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>

#include "platform/resolver.h"

namespace portshare {
namespace {

using Error = std::unexpected<std::string>;

std::optional<std::uint8_t> parse_hex_byte(std::string_view text) {
  std::uint8_t value = 0;
  if (text.size() < 2) return std::nullopt;
  const std::string digits(text.substr(0, 2));
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::expected<std::vector<std::uint8_t>, std::string> parse_escapes(std::string_view text) {
  constexpr std::string_view letters = R"(rnt\)";
  constexpr std::string_view meanings = "\r\n\t\\";
  std::vector<std::uint8_t> bytes;
  while (!text.empty()) {
    const char first = text.front();
    text.remove_prefix(1);
    if (first != '\\') {
      bytes.push_back(static_cast<std::uint8_t>(first));
      continue;
    }
    const std::size_t letter = text.empty() ? std::string_view::npos : letters.find(text.front());
    if (letter != std::string_view::npos) {
      bytes.push_back(static_cast<std::uint8_t>(meanings[letter]));
      text.remove_prefix(1);
    } else if (const auto byte = text.starts_with('x') ? parse_hex_byte(text.substr(1)) : std::nullopt) {
      bytes.push_back(*byte);
      text.remove_prefix(3);
    } else {
      return Error(fmt::format("--raw: '\\{}' is none of \\r \\n \\t \\\\ \\xHH", text.substr(0, 1)));
    }
  }
  return bytes;
}

}  // namespace

std::expected<SocketAddress, std::string> parse_target(std::string_view text) {
  constexpr std::string_view unix_scheme = "unix:";
  if (text.starts_with(unix_scheme)) {
    const std::string_view path = text.substr(unix_scheme.size());
    if (path.empty() || path.size() > SocketAddress::max_path_length)
      return Error(fmt::format("'{}': the path of a unix socket has 1 to {} bytes", text,
                               SocketAddress::max_path_length));
    return SocketAddress{.ip = std::nullopt, .unix_path = std::string(path)};
  }
  if (const auto endpoint = IpEndpoint::parse(text)) return SocketAddress{.ip = endpoint, .unix_path = {}};
  const std::size_t colon = text.rfind(':');
  const auto port = colon == std::string_view::npos ? std::nullopt : parse_port(text.substr(colon + 1));
  const std::string host(text.substr(0, colon));
  if (!port || host.empty() || host.find_first_of(":[]/ ") != std::string::npos)
    return Error(
        fmt::format("'{}' is no target; write ADDRESS:PORT, [IPV6]:PORT, NAME:PORT or unix:/path", text));
  const auto addresses = resolve_host(host);
  if (!addresses) return Error(addresses.error());
  return SocketAddress{.ip = IpEndpoint{addresses->front(), *port}, .unix_path = {}};
}

std::expected<std::vector<std::uint8_t>, std::string> parse_raw_bytes(std::string_view text) {
  constexpr std::string_view hex_scheme = "hex:";
  if (text.starts_with('@')) {
    const std::string path(text.substr(1));
    std::ifstream file(path, std::ios::binary);
    if (!file) return Error(fmt::format("--raw: cannot read {}", path));
    return std::vector<std::uint8_t>(std::istreambuf_iterator<char>(file), {});
  }
  if (!text.starts_with(hex_scheme)) return parse_escapes(text);
  text.remove_prefix(hex_scheme.size());
  std::vector<std::uint8_t> bytes;
  for (; !text.empty(); text.remove_prefix(2)) {
    const auto byte = parse_hex_byte(text);
    if (!byte) return Error(fmt::format("--raw: '{}' is no hexadecimal byte", text.substr(0, 2)));
    bytes.push_back(*byte);
  }
  return bytes;
}

}  // namespace portshare
