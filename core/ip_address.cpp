#include "core/ip_address.h"

#include <algorithm>
#include <charconv>

namespace portshare {
namespace {

constexpr std::size_t group_count = 8;

/// -1: not a digit of base 16.
int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Decimal digits alone, without a leading zero, which some programs would read as octal.
std::optional<std::uint32_t> parse_decimal(std::string_view text, std::uint32_t max) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  std::uint32_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return value <= max ? std::optional(value) : std::nullopt;
}

std::optional<std::array<std::uint8_t, 4>> parse_dotted_quad(std::string_view text) {
  std::array<std::uint8_t, 4> octets{};
  for (std::size_t i = 0; i < octets.size(); ++i) {
    const bool last = i + 1 == octets.size();
    const std::size_t end = last ? text.size() : text.find('.');
    if (end == std::string_view::npos) return std::nullopt;
    const auto octet = parse_decimal(text.substr(0, end), 255);
    if (!octet) return std::nullopt;
    octets[i] = static_cast<std::uint8_t>(*octet);
    if (!last) text.remove_prefix(end + 1);
  }
  return octets;
}

/// The groups of RFC 4291, section 2.2, in the order of the text; "::" is remembered and spread at the end.
std::optional<std::array<std::uint8_t, 16>> parse_groups(std::string_view text) {
  std::array<std::uint16_t, group_count> groups{};
  std::size_t count = 0;
  std::optional<std::size_t> gap;  // how many groups stand in front of "::"

  if (text.starts_with("::")) {
    gap = 0;
    text.remove_prefix(2);
  }
  while (!text.empty()) {
    if (count == group_count) return std::nullopt;
    const std::size_t end = std::min(text.find(':'), text.size());
    const std::string_view group = text.substr(0, end);
    if (group.find('.') != std::string_view::npos) {
      const auto octets =
          end == text.size() && count + 2 <= group_count ? parse_dotted_quad(group) : std::nullopt;
      if (!octets) return std::nullopt;
      groups[count++] = static_cast<std::uint16_t>((*octets)[0] << 8 | (*octets)[1]);
      groups[count++] = static_cast<std::uint16_t>((*octets)[2] << 8 | (*octets)[3]);
      break;
    }
    if (group.empty() || group.size() > 4) return std::nullopt;
    std::uint32_t value = 0;
    for (const char c : group) {
      const int digit = hex_value(c);
      if (digit < 0) return std::nullopt;
      value = value << 4 | static_cast<std::uint32_t>(digit);
    }
    groups[count++] = static_cast<std::uint16_t>(value);
    if (end == text.size()) break;

    text.remove_prefix(end + 1);
    if (text.starts_with(':')) {
      if (gap) return std::nullopt;
      gap = count;
      text.remove_prefix(1);
    } else if (text.empty()) {
      return std::nullopt;  // a single colon at the end
    }
  }
  // "::" stands for at least one group.
  if (gap ? count == group_count : count != group_count) return std::nullopt;

  const std::size_t missing = group_count - count;
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t position = gap && i >= *gap ? i + missing : i;
    bytes[2 * position] = static_cast<std::uint8_t>(groups[i] >> 8);
    bytes[2 * position + 1] = static_cast<std::uint8_t>(groups[i] & 0xff);
  }
  return bytes;
}

struct ZeroRun {
  std::size_t start = 0;
  std::size_t length = 0;
};

/// The first of the longest runs of zero groups, which "::" replaces; a single group is not a run (RFC
/// 5952, 4.2).
ZeroRun longest_zero_run(const std::array<std::uint32_t, group_count>& groups) {
  ZeroRun best;
  for (std::size_t i = 0; i < group_count;) {
    std::size_t end = i;
    while (end < group_count && groups[end] == 0) ++end;
    if (end - i > best.length) best = {i, end - i};
    i = end + 1;
  }
  return best.length > 1 ? best : ZeroRun{};
}

/// Are all bits behind the first `length` ones zero?
bool tail_is_zero(const std::array<std::uint8_t, 16>& bytes, std::size_t length) {
  for (std::size_t bit = length; bit < 128;) {
    const std::size_t byte = bit / 8;
    if ((bytes[byte] & (0xffU >> bit % 8)) != 0) return false;
    bit = (byte + 1) * 8;
  }
  return true;
}

}  // namespace

std::optional<std::uint16_t> parse_port(std::string_view text) {
  if (text.empty() || text.size() > 5) return std::nullopt;
  std::uint32_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return value <= 65535 ? std::optional(static_cast<std::uint16_t>(value)) : std::nullopt;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.find(':') == std::string_view::npos) {
    const auto octets = parse_dotted_quad(text);
    return octets ? std::optional(v4(*octets)) : std::nullopt;
  }
  const auto bytes = parse_groups(text);
  return bytes ? std::optional(v6(*bytes)) : std::nullopt;
}

bool IpAddress::is_v4() const {
  constexpr std::array<std::uint8_t, 12> mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::equal(mapped.begin(), mapped.end(), bytes_.begin());
}

bool IpAddress::is_unspecified() const {
  return *this == IpAddress() || *this == v4({0, 0, 0, 0});
}

bool IpAddress::is_loopback() const {
  constexpr IpAddress v6_loopback = v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  return is_v4() ? bytes_[12] == 127 : *this == v6_loopback;
}

std::size_t IpAddress::write_text(std::span<char, max_text_length> out) const {
  char* position = out.data();
  char* const end = position + out.size();
  const auto append = [&](std::uint32_t value, int base) {
    position = std::to_chars(position, end, value, base).ptr;
  };
  if (is_v4()) {
    for (std::size_t i = 12; i < 16; ++i) {
      if (i != 12) *position++ = '.';
      append(bytes_[i], 10);
    }
    return static_cast<std::size_t>(position - out.data());
  }

  std::array<std::uint32_t, group_count> groups{};
  for (std::size_t i = 0; i < group_count; ++i) {
    groups[i] = static_cast<std::uint32_t>(bytes_[2 * i] << 8 | bytes_[2 * i + 1]);
  }
  const ZeroRun run = longest_zero_run(groups);
  for (std::size_t i = 0; i < group_count;) {
    if (run.length != 0 && i == run.start) {
      *position++ = ':';
      *position++ = ':';
      i += run.length;
      continue;
    }
    if (i != 0 && (run.length == 0 || i != run.start + run.length)) *position++ = ':';
    append(groups[i], 16);
    ++i;
  }
  return static_cast<std::size_t>(position - out.data());
}

std::string IpAddress::to_string() const {
  std::array<char, max_text_length>
      text;  // NOLINT(cppcoreguidelines-pro-type-member-init): written before it is read
  return {text.data(), write_text(text)};
}

std::optional<IpEndpoint> IpEndpoint::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  // Brackets go with colons: "[192.0.2.1]:80" and "2001:db8::1:80" are both refused.
  if (bracketed != (host.find(':') != std::string_view::npos)) return std::nullopt;

  const auto address = IpAddress::parse(host);
  const auto port = parse_port(text.substr(colon + 1));
  if (!address || !port) return std::nullopt;
  return IpEndpoint{*address, *port};
}

std::string IpEndpoint::to_string() const {
  const std::string port_text = std::to_string(port);
  return address.is_v4() ? address.to_string() + ":" + port_text
                         : "[" + address.to_string() + "]:" + port_text;
}

std::optional<IpPrefix> IpPrefix::parse(std::string_view text, Error* error) {
  const auto fail = [&](Error what) {
    if (error != nullptr) *error = what;
    return std::nullopt;
  };
  const std::size_t slash = text.find('/');
  const std::string_view address_text = text.substr(0, slash);
  const auto address = IpAddress::parse(address_text);
  if (!address) return fail(Error::syntax);

  // The length counts the bits of the form that was written, so that "::ffff:192.0.2.0/120" is 192.0.2.0/24.
  const bool written_as_v4 = address_text.find(':') == std::string_view::npos;
  std::uint32_t bits = 128;
  if (slash != std::string_view::npos) {
    const auto length = parse_decimal(text.substr(slash + 1), written_as_v4 ? 32 : 128);
    if (!length) return fail(Error::syntax);
    bits = written_as_v4 ? *length + 96 : *length;
  }
  // A mapped address under a prefix shorter than 96 has the "ffff" of its form behind the prefix, so it stops
  // here too.
  if (!tail_is_zero(address->bytes(), bits)) return fail(Error::host_bits_set);
  return IpPrefix{*address, static_cast<std::uint8_t>(address->is_v4() ? bits - 96 : bits)};
}

bool IpPrefix::contains(const IpAddress& address) const {
  if (base.is_v4() != address.is_v4()) return false;
  const std::size_t bits = base.is_v4() ? length + 96U : length;
  const std::size_t whole = bits / 8;
  const auto& ours = base.bytes();
  const auto& theirs = address.bytes();
  if (!std::equal(ours.begin(), ours.begin() + static_cast<std::ptrdiff_t>(whole), theirs.begin()))
    return false;
  if (bits % 8 == 0) return true;
  return ((ours[whole] ^ theirs[whole]) >> (8 - bits % 8)) == 0;
}

std::string IpPrefix::to_string() const {
  const bool whole = length == (base.is_v4() ? 32 : 128);
  return whole ? base.to_string() : base.to_string() + "/" + std::to_string(length);
}

}  // namespace portshare
