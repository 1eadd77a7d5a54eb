#include "core/host_name.h"

#include <algorithm>
#include <span>

#include "core/ip_address.h"

namespace portshare {
namespace {

/// What a byte of a host name becomes: itself in lower case, or 0 for a byte that no host name has. Letters,
/// digits, hyphen and dot (RFC 1123, 2.1), and the underscore, which is in use although RFC 1123 does not
/// have it.
constexpr std::array<char, 256> make_folding() {
  std::array<char, 256> folding{};
  for (char c = 'a'; c <= 'z'; ++c) {
    folding[static_cast<unsigned char>(c)] = c;
    folding[static_cast<unsigned char>(c - 'a' + 'A')] = c;
  }
  for (char c = '0'; c <= '9'; ++c) folding[static_cast<unsigned char>(c)] = c;
  for (const char c : {'-', '_', '.'}) folding[static_cast<unsigned char>(c)] = c;
  return folding;
}
constexpr std::array<char, 256> folding = make_folding();

}  // namespace

std::optional<HostName::Error> HostName::take_name(std::string_view name) {
  if (name.size() > max_length) return Error::too_long;
  char previous = '.';
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = folding[static_cast<unsigned char>(name[i])];
    if (c == 0) return Error::bad_character;
    // An empty label; the one dot that may stand alone is the empty name's.
    if (c == '.' && previous == '.' && name.size() > 1) return Error::bad_character;
    text_[i] = previous = c;
  }
  length_ = static_cast<std::uint8_t>(name.size());
  if (length_ != 0 && previous == '.') --length_;
  if (length_ == 0) return Error::empty;

  // A dotted quad ends with a digit, which few names do.
  if (const char last = text_[length_ - 1U]; last >= '0' && last <= '9') {
    if (const auto address = IpAddress::parse(view())) take_address(*address);
  }
  return std::nullopt;
}

void HostName::take_address(const IpAddress& address) {
  length_ =
      static_cast<std::uint8_t>(address.write_text(std::span(text_).first<IpAddress::max_text_length>()));
  is_address_ = true;
}

std::optional<HostName::Error> HostName::take_bracketed(std::string_view text) {
  const auto address = text.find(':') == std::string_view::npos ? std::nullopt : IpAddress::parse(text);
  if (!address) return Error::bad_address;
  take_address(*address);
  return std::nullopt;
}

std::expected<HostName, HostName::Error> HostName::parse(std::string_view text, bool empty_port_is_legal) {
  HostName result;
  std::string_view rest;  // from the colon of the port on
  std::optional<Error> error;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::unexpected(Error::bad_address);
    error = result.take_bracketed(text.substr(1, close - 1));
    rest = text.substr(close + 1);
    if (!error && !rest.empty() && rest.front() != ':') error = Error::bad_address;
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    error = result.take_name(text.substr(0, colon));
    rest = text.substr(colon);
  }
  if (error) return std::unexpected(*error);
  if (rest.empty()) return result;

  rest.remove_prefix(1);
  if (rest.empty() && empty_port_is_legal) return result;
  result.port_ = parse_port(rest);
  if (!result.port_) return std::unexpected(Error::bad_port);
  return result;
}

std::expected<HostName, HostName::Error> HostName::from_server_name(std::string_view text) {
  if (text.size() > max_length) return std::unexpected(Error::too_long);
  // Without brackets a second colon can only be that of an IPv6 address.
  if (!text.starts_with('[') && text.find(':') != text.rfind(':')) {
    const auto address = IpAddress::parse(text);
    if (!address) return std::unexpected(Error::bad_address);
    HostName result;
    result.take_address(*address);
    return result;
  }
  return parse(text, false);
}

std::expected<HostName, HostName::Error> HostName::from_authority(std::string_view text) {
  return parse(text, true);
}

}  // namespace portshare
