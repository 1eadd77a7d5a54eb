#include "core/proxy_header.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <utility>

#include "core/cursor.h"

namespace portshare {
namespace {

constexpr std::string_view line_prefix = "PROXY ";
constexpr std::string_view line_end = "\r\n";
constexpr std::size_t max_line_length = 107;  // with its CR LF
constexpr std::array<std::uint8_t, 12> signature{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                                 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
constexpr std::size_t fixed_length = 16;  // signature, version and command, family and transport, length

enum VersionAndCommand : std::uint8_t { v2_local = 0x20, v2_proxy = 0x21 };
enum AddressFamily : std::uint8_t { af_unspecified, af_inet, af_inet6, af_unix };
enum Transport : std::uint8_t { transport_unspecified, transport_stream, transport_datagram };
enum VectorType : std::uint8_t { type_alpn = 0x01, type_authority = 0x02, type_crc32c = 0x03 };
constexpr std::size_t unix_path_length = 108;

// The Castagnoli polynomial, reflected (RFC 4960, appendix B).
constexpr std::array<std::uint32_t, 256> crc32c_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ ((value & 1) != 0 ? 0x82f63b78U : 0U);
    table[i] = value;
  }
  return table;
}();

/// Of a header, with the four bytes at `field`, which hold the checksum, taken as zero.
std::uint32_t crc32c(ByteView header, std::size_t field) {
  std::uint32_t value = UINT32_MAX;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const std::uint8_t byte = i >= field && i < field + 4 ? std::uint8_t{0} : header[i];
    value = value >> 8 ^ crc32c_table[(value ^ byte) & 0xff];
  }
  return ~value;
}

/// The next part of a line whose parts are divided by single spaces; the last one ends with the line.
std::string_view take_part(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view part = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return part;
}

std::optional<IpAddress> parse_address(std::string_view text, ProxyHeader::Family family) {
  const bool is_ipv6_text = text.find(':') != std::string_view::npos;
  if (is_ipv6_text != (family == ProxyHeader::Family::ipv6)) return std::nullopt;
  return IpAddress::parse(text);
}

std::optional<std::uint16_t> parse_canonical_port(std::string_view text) {
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return parse_port(text);
}

/// What stands between "PROXY " and the line's end.
bool read_line(std::string_view line, ProxyHeader& header) {
  header.command = ProxyHeader::Command::proxy;
  const bool has_single_parts = !line.ends_with(' ');
  const std::string_view protocol = take_part(line);
  if (protocol == "UNKNOWN") return true;
  if (protocol == "TCP4") {
    header.family = ProxyHeader::Family::ipv4;
  } else if (protocol == "TCP6") {
    header.family = ProxyHeader::Family::ipv6;
  } else {
    return false;
  }
  const auto source = parse_address(take_part(line), header.family);
  const auto destination = parse_address(take_part(line), header.family);
  const auto source_port = parse_canonical_port(take_part(line));
  const auto destination_port = parse_canonical_port(take_part(line));
  if (!source || !destination || !source_port || !destination_port) return false;
  header.source = IpEndpoint{*source, *source_port};
  header.destination = IpEndpoint{*destination, *destination_port};
  return line.empty() && has_single_parts;
}

Verdict read_v1(std::string_view text, ProxyHeader& header) {
  const std::string_view longest = text.substr(0, max_line_length);
  const std::size_t end = longest.find('\n');
  if (end == std::string_view::npos) {
    return longest.size() == max_line_length ? Verdict::malformed : Verdict::need_more;
  }
  if (longest.find('\r') != end - 1) return Verdict::malformed;  // the prefix stands before it
  header.length = end + 1;
  const std::string_view line = longest.substr(line_prefix.size(), end - 1 - line_prefix.size());
  return read_line(line, header) ? Verdict::recognised : Verdict::malformed;
}

template <std::size_t size>
std::optional<IpAddress> read_address(Cursor& cursor) {
  const auto bytes = cursor.read_bytes(size);
  if (!bytes) return std::nullopt;
  std::array<std::uint8_t, size> octets{};
  std::ranges::copy(*bytes, octets.begin());
  if constexpr (size == 4) {
    return IpAddress::v4(octets);
  } else {
    return IpAddress::v6(octets);
  }
}

template <std::size_t size>
bool read_endpoints(Cursor& cursor, ProxyHeader& header) {
  const auto source = read_address<size>(cursor);
  const auto destination = read_address<size>(cursor);
  const auto source_port = cursor.read_u16();
  const auto destination_port = cursor.read_u16();
  // All are asked: a read that fails takes nothing, so a shorter one behind it may succeed.
  if (!source || !destination || !source_port || !destination_port) return false;
  header.source = IpEndpoint{*source, *source_port};
  header.destination = IpEndpoint{*destination, *destination_port};
  return true;
}

/// `cursor` stands at the first vector of `header_bytes`, the whole header.
bool read_vectors(ByteView header_bytes, Cursor cursor, ProxyHeader& header) {
  bool has_alpn = false;
  bool has_authority = false;
  bool has_checksum = false;
  const auto is_second = [](bool& seen) { return std::exchange(seen, true); };
  while (!cursor.at_end()) {
    const auto type = cursor.read_u8();
    const auto value = cursor.read_vector16();
    if (!value) return false;
    switch (*type) {
      case type_alpn:
        if (is_second(has_alpn)) return false;
        header.alpn = *value;
        break;
      case type_authority:
        if (is_second(has_authority)) return false;
        header.authority = as_text(*value);
        break;
      case type_crc32c: {
        if (is_second(has_checksum) || value->size() != 4) return false;
        const std::size_t field = header_bytes.size() - cursor.remaining() - 4;
        if (Cursor(*value).read_u32() != crc32c(header_bytes, field)) return false;
        break;
      }
      default:
        break;
    }
  }
  return true;
}

bool read_block(ByteView header_bytes, AddressFamily family, ProxyHeader& header) {
  Cursor cursor(header_bytes.subspan(fixed_length));
  switch (family) {
    case af_inet:
      header.family = ProxyHeader::Family::ipv4;
      return read_endpoints<4>(cursor, header) && read_vectors(header_bytes, cursor, header);
    case af_inet6:
      header.family = ProxyHeader::Family::ipv6;
      return read_endpoints<16>(cursor, header) && read_vectors(header_bytes, cursor, header);
    case af_unix:
      header.family = ProxyHeader::Family::unix_socket;
      return cursor.read_bytes(2 * unix_path_length) && read_vectors(header_bytes, cursor, header);
    case af_unspecified:
      break;
  }
  return true;
}

Verdict read_v2(ByteView bytes, ProxyHeader& header) {
  Cursor cursor(bytes.subspan(signature.size()));
  const auto command = cursor.read_u8();
  if (!command) return Verdict::need_more;
  if (*command != v2_local && *command != v2_proxy) return Verdict::malformed;
  header.command = *command == v2_local ? ProxyHeader::Command::local : ProxyHeader::Command::proxy;

  const auto kind = cursor.read_u8();
  if (!kind) return Verdict::need_more;
  const bool is_local = *command == v2_local;
  const auto family = static_cast<std::uint8_t>(*kind >> 4);
  const auto transport = static_cast<std::uint8_t>(*kind & 0xf);
  if (!is_local && (family > af_unix || transport > transport_datagram)) return Verdict::malformed;

  const auto length = cursor.read_u16();
  if (!length) return Verdict::need_more;
  header.length = fixed_length + *length;
  if (bytes.size() < header.length) return Verdict::need_more;
  if (is_local || transport != transport_stream) return Verdict::recognised;
  return read_block(bytes.first(header.length), static_cast<AddressFamily>(family), header)
             ? Verdict::recognised
             : Verdict::malformed;
}

/// Fills a buffer from its front. What is written is bounded by the formats, so it always fits.
class Writer {
 public:
  explicit Writer(ProxyHeaderBuffer out) : out_(out) {}

  void bytes(ByteView bytes) {
    assert(bytes.size() <= out_.size() - length_);
    std::ranges::copy(bytes, out_.subspan(length_).begin());
    length_ += bytes.size();
  }
  void text(std::string_view text) { bytes(as_bytes(text)); }
  void u8(std::uint8_t value) { bytes({&value, 1}); }
  void u16(std::size_t value) {
    assert(value <= UINT16_MAX);
    u8(static_cast<std::uint8_t>(value >> 8));
    u8(static_cast<std::uint8_t>(value & 0xff));
  }
  /// `mapped`: an IPv4 address in its IPv6 form.
  void address_text(const IpAddress& address, bool mapped) {
    if (mapped && address.is_v4()) text("::ffff:");
    std::array<char, IpAddress::max_text_length> digits{};
    text({digits.data(), address.write_text(digits)});
  }
  void decimal(std::uint16_t value) {
    std::array<char, 5> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    text({digits.data(), end.ptr});
  }
  /// One that is empty is left out.
  void vector(VectorType type, std::string_view value) {
    if (value.empty()) return;
    u8(type);
    u16(value.size());
    text(value);
  }
  [[nodiscard]] ByteView written() const { return ByteView(out_).first(length_); }

 private:
  ProxyHeaderBuffer out_;
  std::size_t length_ = 0;
};

/// The bytes of an address in a header of that family.
ByteView address_bytes(const IpAddress& address, bool as_ipv4) {
  const ByteView bytes(address.bytes());
  return as_ipv4 ? bytes.last(4) : bytes;
}

}  // namespace

Verdict read_proxy_header(ByteView bytes, ProxyHeader& header) {
  header = {};
  const std::string_view text = as_text(bytes);
  if (text.starts_with(line_prefix)) return read_v1(text, header);
  const std::size_t signature_length = std::min(bytes.size(), signature.size());
  if (std::ranges::equal(bytes.first(signature_length), std::span(signature).first(signature_length))) {
    return signature_length == signature.size() ? read_v2(bytes, header) : Verdict::need_more;
  }
  return line_prefix.starts_with(text) ? Verdict::need_more : Verdict::not_mine;
}

bool begins_proxy_header(ByteView bytes) {
  return as_text(bytes).starts_with(line_prefix) || as_text(bytes).starts_with(as_text(signature));
}

ByteView write_proxy_header_v1(const std::optional<IpEndpoint>& source,
                               const std::optional<IpEndpoint>& destination, ProxyHeaderBuffer out) {
  Writer writer(out);
  writer.text(line_prefix);
  if (!source || !destination) {
    writer.text("UNKNOWN");
  } else {
    const bool as_ipv4 = source->address.is_v4() && destination->address.is_v4();
    writer.text(as_ipv4 ? "TCP4 " : "TCP6 ");
    writer.address_text(source->address, !as_ipv4);
    writer.text(" ");
    writer.address_text(destination->address, !as_ipv4);
    writer.text(" ");
    writer.decimal(source->port);
    writer.text(" ");
    writer.decimal(destination->port);
  }
  writer.text(line_end);
  return writer.written();
}

ByteView write_proxy_header_v2(const std::optional<IpEndpoint>& source,
                               const std::optional<IpEndpoint>& destination, std::string_view authority,
                               std::string_view alpn, ProxyHeaderBuffer out) {
  assert(authority.size() <= 255 && alpn.size() <= 255);
  Writer writer(out);
  writer.bytes(signature);
  if (!source || !destination) {
    writer.u8(v2_local);
    writer.u8(af_unspecified << 4 | transport_unspecified);
    writer.u16(0);
    return writer.written();
  }
  const bool as_ipv4 = source->address.is_v4() && destination->address.is_v4();
  const auto vector_length = [](std::string_view value) { return value.empty() ? 0 : 3 + value.size(); };
  const std::size_t addresses_length = as_ipv4 ? 12 : 36;
  writer.u8(v2_proxy);
  writer.u8(static_cast<std::uint8_t>((as_ipv4 ? af_inet : af_inet6) << 4 | transport_stream));
  writer.u16(addresses_length + vector_length(authority) + vector_length(alpn));
  writer.bytes(address_bytes(source->address, as_ipv4));
  writer.bytes(address_bytes(destination->address, as_ipv4));
  writer.u16(source->port);
  writer.u16(destination->port);
  writer.vector(type_authority, authority);
  writer.vector(type_alpn, alpn);
  return writer.written();
}

}  // namespace portshare
