#include "bench/client_hello.h"

#include <algorithm>
#include <cassert>
#include <initializer_list>
#include <optional>

namespace portshare {
namespace {

constexpr std::size_t record_header_length = 5;
constexpr std::size_t message_header_length = 4;
constexpr std::size_t extension_header_length = 4;
constexpr std::size_t server_name_overhead = extension_header_length + 5;  // list length, type, name length
constexpr std::size_t random_offset = record_header_length + message_header_length + 2;
constexpr std::size_t random_length = 32;
constexpr std::size_t session_id_offset = random_offset + random_length + 1;

namespace extension {
constexpr std::uint16_t server_name = 0;
constexpr std::uint16_t supported_groups = 10;
constexpr std::uint16_t ec_point_formats = 11;
constexpr std::uint16_t signature_algorithms = 13;
constexpr std::uint16_t alpn = 16;
constexpr std::uint16_t padding = 21;
constexpr std::uint16_t extended_master_secret = 23;
constexpr std::uint16_t supported_versions = 43;
constexpr std::uint16_t psk_key_exchange_modes = 45;
constexpr std::uint16_t key_share = 51;
}  // namespace extension

constexpr std::uint16_t group_x25519 = 0x001d;
constexpr std::uint16_t group_secp256r1 = 0x0017;
constexpr std::uint16_t group_x25519_mlkem768 = 0x11ec;
constexpr std::size_t x25519_share_length = 32;
constexpr std::size_t x25519_mlkem768_share_length = 1216;

using Bytes = std::vector<std::uint8_t>;

void append_u8(Bytes& to, std::size_t value) {
  to.push_back(static_cast<std::uint8_t>(value));
}

void append_u16(Bytes& to, std::size_t value) {
  append_u8(to, value >> 8);
  append_u8(to, value);
}

void append(Bytes& to, const Bytes& bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

/// `bytes` behind their length in two bytes.
void append_vector(Bytes& to, const Bytes& bytes) {
  append_u16(to, bytes.size());
  append(to, bytes);
}

void append_extension(Bytes& to, std::uint16_t type, const Bytes& body) {
  append_u16(to, type);
  append_vector(to, body);
}

/// 16-bit values behind their length in bytes.
Bytes list_of(std::initializer_list<std::uint16_t> values) {
  Bytes list;
  append_u16(list, values.size() * 2);
  for (const std::uint16_t value : values) append_u16(list, value);
  return list;
}

void append_key_share(Bytes& to, std::uint16_t group, std::size_t length, Random& random) {
  append_u16(to, group);
  append_u16(to, length);
  for (std::size_t i = 0; i < length; ++i) append_u8(to, random.next());
}

Bytes key_shares(HelloStyle style, Random& random) {
  Bytes shares;
  if (style == HelloStyle::post_quantum)
    append_key_share(shares, group_x25519_mlkem768, x25519_mlkem768_share_length, random);
  append_key_share(shares, group_x25519, x25519_share_length, random);
  Bytes body;
  append_vector(body, shares);
  return body;
}

Bytes protocol_names(std::span<const std::string> alpn) {
  Bytes names;
  for (const std::string& name : alpn) {
    append_u8(names, name.size());
    names.insert(names.end(), name.begin(), name.end());
  }
  Bytes body;
  append_vector(body, names);
  return body;
}

/// Writes big-endian values one after the other.
class Writer {
 public:
  explicit Writer(std::span<std::uint8_t> out) : out_(out) {}
  void u8(std::size_t value) { out_[position_++] = static_cast<std::uint8_t>(value); }
  void u16(std::size_t value) {
    u8(value >> 8);
    u8(value);
  }
  void bytes(std::span<const std::uint8_t> bytes) {
    std::ranges::copy(bytes, out_.subspan(position_, bytes.size()).begin());
    position_ += bytes.size();
  }
  void zeros(std::size_t count) {
    std::ranges::fill(out_.subspan(position_, count), std::uint8_t{0});
    position_ += count;
  }
  void random_bytes(std::size_t count, Random& random) {
    for (; count >= 8; count -= 8) {
      std::uint64_t word = random.next();
      for (int i = 0; i < 8; ++i, word >>= 8) u8(word & 0xff);
    }
  }
  [[nodiscard]] std::size_t position() const { return position_; }

 private:
  std::span<std::uint8_t> out_;
  std::size_t position_ = 0;
};

}  // namespace

ClientHelloTemplate::ClientHelloTemplate(HelloStyle style, std::span<const std::string> alpn)
    : padded_length_(style == HelloStyle::classic ? 517 : 1800) {
  // Record header and handshake header, whose lengths write() fills in, legacy_version, random, session id.
  head_ = {22, 3, 1, 0, 0, 1, 0, 0, 0, 3, 3};
  head_.resize(random_offset + random_length);
  append_u8(head_, random_length);
  head_.resize(session_id_offset + random_length);
  // TLS 1.3's suites, and those of TLS 1.2 with forward secrecy.
  append(head_, list_of({0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8}));
  append(head_, {1, 0});  // the null compression method

  Random random(1);
  append_extension(tail_, extension::extended_master_secret, {});
  const bool is_classic = style == HelloStyle::classic;
  append_extension(tail_, extension::supported_groups,
                   is_classic ? list_of({group_x25519, group_secp256r1})
                              : list_of({group_x25519_mlkem768, group_x25519, group_secp256r1}));
  append_extension(tail_, extension::ec_point_formats, {1, 0});
  append_extension(tail_, extension::signature_algorithms,
                   list_of({0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601}));
  if (!alpn.empty()) append_extension(tail_, extension::alpn, protocol_names(alpn));
  append_extension(tail_, extension::supported_versions, {4, 3, 4, 3, 3});
  append_extension(tail_, extension::psk_key_exchange_modes, {1, 1});
  append_extension(tail_, extension::key_share, key_shares(style, random));
}

std::size_t ClientHelloTemplate::most_bytes() const {
  const std::size_t unpadded = head_.size() + 2 + server_name_overhead + longest_name + tail_.size();
  return std::max(padded_length_, unpadded);
}

std::size_t ClientHelloTemplate::write(std::string_view name, Random& random,
                                       std::span<std::uint8_t> out) const {
  assert(name.size() <= longest_name && out.size() >= most_bytes());
  const std::size_t server_name_length = name.empty() ? 0 : server_name_overhead + name.size();
  std::size_t length = head_.size() + 2 + server_name_length + tail_.size();
  // A padding extension is at least as long as its header.
  std::optional<std::size_t> padding;
  if (length + extension_header_length <= padded_length_) {
    padding = padded_length_ - length - extension_header_length;
    length = padded_length_;
  }

  Writer writer(out);
  writer.bytes(head_);
  writer.u16(length - head_.size() - 2);
  if (!name.empty()) {
    writer.u16(extension::server_name);
    writer.u16(name.size() + 5);
    writer.u16(name.size() + 3);
    writer.u8(0);  // host_name
    writer.u16(name.size());
    writer.bytes({reinterpret_cast<const std::uint8_t*>(name.data()), name.size()});
  }
  writer.bytes(tail_);
  if (padding) {
    writer.u16(extension::padding);
    writer.u16(*padding);
    writer.zeros(*padding);
  }
  assert(writer.position() == length);

  const std::size_t payload = length - record_header_length;
  Writer(out.subspan(3)).u16(payload);
  Writer(out.subspan(7)).u16(payload - message_header_length);  // of three bytes; the first one stays 0
  Writer(out.subspan(random_offset)).random_bytes(random_length, random);
  Writer(out.subspan(session_id_offset)).random_bytes(random_length, random);
  return length;
}

}  // namespace portshare
