// Builds ClientHellos for tests: legal ones by default, broken ones by setting the fields to what no client
// sends.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "core/byte_view.h"

namespace portshare::test {

using Bytes = std::vector<std::uint8_t>;

inline void append(Bytes& to, ByteView bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

/// The lowest `size` bytes of `value`, big-endian.
inline void append_integer(Bytes& to, std::size_t value, std::size_t size) {
  for (std::size_t i = size; i-- > 0;) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

/// `bytes` behind its length in `size` bytes.
inline void append_vector(Bytes& to, ByteView bytes, std::size_t size) {
  append_integer(to, bytes.size(), size);
  append(to, bytes);
}

inline Bytes with_length(ByteView bytes, std::size_t size) {
  Bytes result;
  append_vector(result, bytes, size);
  return result;
}

/// A handshake message (or any other content) as TLS records of `fragment_length` bytes each, the last one
/// shorter.
inline Bytes in_records(ByteView content, std::size_t fragment_length = 16384,
                        std::uint8_t content_type = 22) {
  Bytes result;
  while (!content.empty()) {
    const ByteView fragment = content.first(std::min(fragment_length, content.size()));
    append(result, Bytes{content_type, 3, 1});
    append_vector(result, fragment, 2);
    content = content.subspan(fragment.size());
  }
  return result;
}

/// The fields of a ClientHello as they stand on the wire. Extensions keep the order in which they were added.
class ClientHelloBuilder {
 public:
  std::uint16_t legacy_version = 0x0303;
  Bytes random = Bytes(32, 0x52);
  Bytes session_id = Bytes(32, 0x53);
  Bytes cipher_suites = {0x13, 0x01, 0x13, 0x02, 0xc0, 0x2f};
  Bytes compression_methods = {0};
  bool has_extensions = true;
  Bytes extensions;  ///< the list without its length
  Bytes trailing;    ///< behind the extensions, inside the handshake message

  ClientHelloBuilder& add_extension(std::uint16_t type, ByteView body) {
    append_integer(extensions, type, 2);
    append_vector(extensions, body, 2);
    return *this;
  }

  ClientHelloBuilder& add_server_name(std::string_view name) {
    Bytes list{0};  // name_type host_name
    append_vector(list, as_bytes(name), 2);
    return add_extension(0, with_length(list, 2));
  }

  ClientHelloBuilder& add_alpn(std::initializer_list<std::string_view> protocols) {
    Bytes list;
    for (const std::string_view protocol : protocols) append_vector(list, as_bytes(protocol), 1);
    return add_extension(16, with_length(list, 2));
  }

  /// The padding extension (RFC 7685) with `length` zero bytes.
  ClientHelloBuilder& add_padding(std::size_t length) { return add_extension(21, Bytes(length, 0)); }

  /// Key shares as current browsers send them: X25519MLKEM768 with its 1216 bytes, and X25519.
  ClientHelloBuilder& add_post_quantum_key_share() {
    Bytes shares;
    append_integer(shares, 0x11ec, 2);
    append_vector(shares, Bytes(1216, 0x6b), 2);
    append_integer(shares, 0x001d, 2);
    append_vector(shares, Bytes(32, 0x78), 2);
    return add_extension(51, with_length(shares, 2));
  }

  [[nodiscard]] Bytes body() const {
    Bytes result;
    append_integer(result, legacy_version, 2);
    append(result, random);
    append_vector(result, session_id, 1);
    append_vector(result, cipher_suites, 2);
    append_vector(result, compression_methods, 1);
    if (has_extensions) append_vector(result, extensions, 2);
    append(result, trailing);
    return result;
  }

  /// The handshake message, without records.
  [[nodiscard]] Bytes message() const {
    Bytes result{1};  // client_hello
    append_vector(result, body(), 3);
    return result;
  }

  /// The bytes on the wire.
  [[nodiscard]] Bytes build(std::size_t fragment_length = 16384) const {
    return in_records(message(), fragment_length);
  }
};

}  // namespace portshare::test
