#include "core/tls_probe.h"

#include <array>
#include <cassert>
#include <cstddef>

#include "core/cursor.h"

namespace portshare {

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint8_t handshake_record = 22;
constexpr std::uint8_t alert_record = 21;
constexpr std::uint8_t client_hello = 1;
constexpr std::uint8_t server_hello = 2;

// ECDHE, RSA and DHE with AES-GCM and ChaCha20 of TLS 1.3 and 1.2, and what very old servers may have alone.
constexpr std::array<std::uint16_t, 17> cipher_suites{0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c,
                                                      0xc030, 0xcca9, 0xcca8, 0x009e, 0x009f, 0xc009,
                                                      0xc013, 0xc014, 0x009c, 0x009d, 0x002f};
constexpr std::array<std::uint16_t, 4> groups{0x001d, 0x0017, 0x0018, 0x0019};
constexpr std::array<std::uint16_t, 10> signature_schemes{0x0403, 0x0503, 0x0603, 0x0807, 0x0804,
                                                          0x0805, 0x0806, 0x0401, 0x0501, 0x0601};

void add_u8(Bytes& bytes, std::size_t value) {
  bytes.push_back(static_cast<std::uint8_t>(value));
}
void add_u16(Bytes& bytes, std::size_t value) {
  add_u8(bytes, value >> 8);
  add_u8(bytes, value & 0xff);
}
/// A vector with a length of `length_size` bytes in front, which `fill` writes.
template <typename Fill>
void add_vector(Bytes& bytes, std::size_t length_size, Fill fill) {
  const std::size_t start = bytes.size();
  bytes.resize(start + length_size);
  fill();
  std::size_t length = bytes.size() - start - length_size;
  for (std::size_t i = length_size; i-- > 0; length >>= 8) {
    bytes[start + i] = static_cast<std::uint8_t>(length & 0xff);
  }
}
template <typename Numbers>
void add_list(Bytes& bytes, const Numbers& numbers) {
  add_vector(bytes, 2, [&] {
    for (const std::uint16_t number : numbers) add_u16(bytes, number);
  });
}
void add_random(Bytes& bytes, std::size_t count, Random& random) {
  for (std::size_t i = 0; i < count; ++i) add_u8(bytes, random.below(256));
}

void add_extensions(Bytes& bytes, std::string_view name) {
  const auto add = [&](std::uint16_t type, auto fill) {
    add_u16(bytes, type);
    add_vector(bytes, 2, fill);
  };
  if (!name.empty()) {
    add(0, [&] {  // server_name, a list of one host_name
      add_vector(bytes, 2, [&] {
        add_u8(bytes, 0);
        add_vector(bytes, 2, [&] { bytes.insert(bytes.end(), name.begin(), name.end()); });
      });
    });
  }
  add(10, [&] { add_list(bytes, groups); });
  add(11, [&] { add_vector(bytes, 1, [&] { add_u8(bytes, 0); }); });  // points: uncompressed
  add(13, [&] { add_list(bytes, signature_schemes); });
  add(23, [] {});  // extended_master_secret
  add(43, [&] {    // supported_versions
    add_vector(bytes, 1, [&] {
      add_u16(bytes, 0x0304);
      add_u16(bytes, 0x0303);
    });
  });
  add(45, [&] { add_vector(bytes, 1, [&] { add_u8(bytes, 1); }); });  // psk_dhe_ke
  add(51, [&] { add_u16(bytes, 0); });                                // no key_share
  add(0xff01, [&] { add_u8(bytes, 0); });                             // renegotiation_info
}

}  // namespace

std::vector<std::uint8_t> write_probe_hello(std::string_view server_name, Random& random) {
  assert(server_name.size() <= 255);
  Bytes bytes;
  add_u8(bytes, handshake_record);
  add_u16(bytes, 0x0301);
  add_vector(bytes, 2, [&] {
    add_u8(bytes, client_hello);
    add_vector(bytes, 3, [&] {
      add_u16(bytes, 0x0303);
      add_random(bytes, 32, random);
      add_vector(bytes, 1, [&] { add_random(bytes, 32, random); });  // session id, as TLS 1.2 has it
      add_list(bytes, cipher_suites);
      add_vector(bytes, 1, [&] { add_u8(bytes, 0); });  // compression: none
      add_vector(bytes, 2, [&] { add_extensions(bytes, server_name); });
    });
  });
  return bytes;
}

TlsProbeAnswer read_probe_answer(ByteView bytes) {
  using Kind = TlsProbeAnswer::Kind;
  Cursor cursor(bytes);
  const auto type = cursor.read_u8();
  if (!type) return {};
  if (*type != handshake_record && *type != alert_record) return {.kind = Kind::not_tls};
  const auto major = cursor.read_u8();
  if (!major) return {};
  if (*major != 3) return {.kind = Kind::not_tls};
  if (!cursor.read_u8()) return {};
  const auto length = cursor.read_u16();
  if (!length) return {};
  if (*length == 0) return {.kind = Kind::not_tls};
  const auto first = cursor.read_u8();
  if (!first) return {};
  if (*type == handshake_record) return {.kind = *first == server_hello ? Kind::server_hello : Kind::not_tls};
  if (*length != 2) return {.kind = Kind::not_tls};
  const auto alert = cursor.read_u8();  // `first` is its level
  if (!alert) return {};
  return {.kind = Kind::alert, .alert = *alert};
}

}  // namespace portshare
