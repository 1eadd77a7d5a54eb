#include "core/tls_hello.h"

#include <algorithm>
#include <bitset>
#include <cassert>
#include <optional>

#include "core/cursor.h"
#include "core/host_name.h"

namespace portshare {
namespace {

constexpr std::uint8_t handshake_content = 22;  // RFC 8446, 5.1
constexpr std::uint8_t version_major = 3;       // SSL 3.0 and every TLS version
constexpr std::uint16_t tls_1_0 = 0x0301;
constexpr std::size_t record_header_length = 5;
constexpr std::size_t max_record_length = 16384;

constexpr std::uint8_t client_hello_message = 1;  // RFC 8446, 4
constexpr std::size_t message_header_length = 4;
constexpr std::size_t random_length = 32;
constexpr std::size_t max_session_id_length = 32;

enum Extension : std::uint16_t {
  server_name_extension = 0,
  alpn_extension = 16,
  encrypted_client_hello_extension = 0xfe0d,
};

/// What bytes are that do not begin with a TLS record. A two-byte length with the top bit set and a
/// ClientHello behind it is how SSL 2 begins (RFC 5246, E.2).
Verdict judge_without_record(ByteView bytes) {
  if ((bytes[0] & 0x80) == 0) return Verdict::not_mine;
  if (bytes.size() < 3) return Verdict::need_more;
  return bytes[2] == client_hello_message ? Verdict::malformed : Verdict::not_mine;
}

/// The one host_name of a ServerNameList (RFC 6066, 3). In a ClientHello the extension is never empty.
std::optional<std::string_view> read_server_name(ByteView body) {
  constexpr std::uint8_t host_name_type = 0;
  Cursor extension(body);
  const auto list = extension.read_vector16();
  if (!list || !extension.at_end()) return std::nullopt;

  Cursor names(*list);
  const auto type = names.read_u8();
  const auto name = names.read_vector16();
  if (!type || *type != host_name_type || !name || !names.at_end()) return std::nullopt;
  if (!HostName::from_server_name(as_text(*name))) return std::nullopt;
  return as_text(*name);
}

/// A ProtocolNameList whose entries are all there and none is empty (RFC 7301, 3.1).
std::optional<ByteView> read_alpn(ByteView body) {
  Cursor extension(body);
  const auto list = extension.read_vector16();
  if (!list || list->empty() || !extension.at_end()) return std::nullopt;

  Cursor names(*list);
  while (!names.at_end()) {
    const auto name = names.read_vector8();
    if (!name || name->empty()) return std::nullopt;
  }
  return list;
}

/// Only the type of an ECHClientHello is looked at (RFC 9849, 5). Whether the rest of it makes sense is for
/// the server that holds the key; servers that know nothing of it have to ignore it as well.
bool is_outer_encrypted_hello(ByteView body) {
  constexpr std::uint8_t outer_type = 0;
  return Cursor(body).read_u8() == outer_type;
}

bool read_extensions(ByteView list, ClientHello& hello) {
  // A bit for every type there is: a 64 KiB hello can hold 16,000 extensions, and none of them may stand
  // there twice.
  std::bitset<65536> seen;
  Cursor extensions(list);
  while (!extensions.at_end()) {
    const auto type = extensions.read_u16();
    const auto body = extensions.read_vector16();
    if (!type || !body || seen[*type]) return false;
    seen[*type] = true;

    if (*type == server_name_extension) {
      const auto name = read_server_name(*body);
      if (!name) return false;
      hello.server_name = *name;
    } else if (*type == alpn_extension) {
      const auto names = read_alpn(*body);
      if (!names) return false;
      hello.alpn = *names;
    } else if (*type == encrypted_client_hello_extension) {
      hello.has_encrypted_client_hello = is_outer_encrypted_hello(*body);
    }
  }
  return true;
}

/// The body of the handshake message (RFC 8446, 4.1.2; without extensions RFC 5246, 7.4.1.2).
bool read_client_hello(ByteView body, ClientHello& hello) {
  Cursor cursor(body);
  const auto version = cursor.read_u16();
  if (!version || *version >> 8 != version_major || *version < tls_1_0) return false;
  if (!cursor.read_bytes(random_length)) return false;
  hello.legacy_version = *version;

  const auto session_id = cursor.read_vector8();
  if (!session_id || session_id->size() > max_session_id_length) return false;
  const auto cipher_suites = cursor.read_vector16();
  if (!cipher_suites || cipher_suites->empty() || cipher_suites->size() % 2 != 0) return false;
  const auto compression_methods = cursor.read_vector8();
  // The null method has to be among them (RFC 5246, 7.4.1.2).
  if (!compression_methods || std::ranges::find(*compression_methods, 0) == compression_methods->end()) {
    return false;
  }

  if (cursor.at_end()) return true;
  const auto extensions = cursor.read_vector16();
  return extensions && cursor.at_end() && read_extensions(*extensions, hello);
}

}  // namespace

Verdict TlsHelloReader::read(ByteView bytes, ClientHello& hello) {
  if (verdict_ == Verdict::need_more) verdict_ = walk(bytes);
  if (verdict_ != Verdict::recognised) return verdict_;

  ClientHello result;
  if (!read_client_hello(message(bytes).subspan(message_header_length), result)) {
    verdict_ = Verdict::malformed;
    return verdict_;
  }
  result.length = position_;
  hello = result;
  return verdict_;
}

/// Takes in record after record up to the end of the handshake message.
Verdict TlsHelloReader::walk(ByteView bytes) {
  assert(bytes.size() >= position_);
  while (message_length_ == 0 || message_received_ < message_length_) {
    if (record_missing_ == 0) {
      const Verdict header = read_record_header(bytes);
      if (header != Verdict::recognised) return header;
    }
    const ByteView rest = bytes.subspan(position_);
    const ByteView fragment = rest.first(std::min(rest.size(), record_missing_));
    if (fragment.empty()) return Verdict::need_more;
    if (!reassembled_.empty()) reassembled_.insert(reassembled_.end(), fragment.begin(), fragment.end());
    position_ += fragment.size();
    record_missing_ -= fragment.size();
    message_received_ += fragment.size();
    if (!read_message_header(bytes)) return Verdict::malformed;
  }
  return Verdict::recognised;
}

/// `recognised`: a payload of record_missing_ bytes follows at position_.
Verdict TlsHelloReader::read_record_header(ByteView bytes) {
  const bool is_first = position_ == 0;
  Cursor cursor(bytes.subspan(position_));
  const auto type = cursor.read_u8();
  if (!type) return Verdict::need_more;
  if (*type != handshake_content) return is_first ? judge_without_record(bytes) : Verdict::malformed;
  const auto major = cursor.read_u8();
  if (!major) return Verdict::need_more;
  if (*major != version_major) return Verdict::malformed;
  const auto minor = cursor.read_u8();
  const auto length = cursor.read_u16();
  if (!minor || !length) return Verdict::need_more;
  if (*length == 0 || *length > max_record_length) return Verdict::malformed;
  if (message_length_ != 0 && *length > message_length_ - message_received_) return Verdict::malformed;

  if (!is_first && reassembled_.empty()) {
    const ByteView first_fragment = message(bytes);
    reassembled_.assign(first_fragment.begin(), first_fragment.end());
  }
  position_ += record_header_length;
  record_missing_ = *length;
  return Verdict::recognised;
}

/// Looks at the header of the handshake message as far as it is there. A message that ends inside its record
/// has something behind it in the same flight, which no ClientHello may have.
bool TlsHelloReader::read_message_header(ByteView bytes) {
  if (message_length_ != 0) return true;
  Cursor cursor(message(bytes));
  const auto type = cursor.read_u8();
  if (!type || *type != client_hello_message) return false;
  const auto length = cursor.read_u24();
  if (!length) return true;
  message_length_ = message_header_length + *length;
  return message_received_ + record_missing_ <= message_length_;
}

/// What has been taken in of the handshake message. `bytes` are those of the current call.
ByteView TlsHelloReader::message(ByteView bytes) const {
  return reassembled_.empty() ? bytes.subspan(record_header_length, message_received_)
                              : ByteView(reassembled_);
}

std::size_t TlsHelloReader::announced_length() const {
  if (position_ == 0) return 0;
  const std::size_t end_of_record = position_ + record_missing_;
  if (message_length_ == 0) return end_of_record;
  // Bytes behind the current record come in records of their own, each with a header and as long as a record
  // may be.
  const std::size_t taken = std::min(message_received_ + record_missing_, message_length_);
  const std::size_t behind = message_length_ - taken;
  return end_of_record + behind + (behind + max_record_length - 1) / max_record_length * record_header_length;
}

}  // namespace portshare
