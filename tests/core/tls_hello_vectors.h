// First flights and what a TlsHelloReader must say about them. Shared by the tests and by the seeds of the
// fuzz target.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/verdict.h"
#include "tests/core/captured_hellos.h"
#include "tests/core/client_hello_builder.h"

namespace portshare::test {

struct TlsVector {
  std::string name;
  Bytes bytes;
  Verdict verdict = Verdict::recognised;
  std::string server_name = {};  ///< this and what follows: of a recognised one
  std::vector<std::string> alpn = {};
  bool has_encrypted_client_hello = false;
  std::size_t behind = 0;  ///< bytes behind the hello's last record
};

inline Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes result;
  for (const Bytes& part : parts) append(result, part);
  return result;
}

/// A hello of a dozen fields: name, ALPN, GREASE, a post-quantum key share.
inline ClientHelloBuilder browser_hello() {
  ClientHelloBuilder hello;
  hello.cipher_suites = {0x1a, 0x1a, 0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 0xc0, 0x2b};
  hello.add_extension(0x2a2a, {})
      .add_server_name("www.example.com")
      .add_extension(0xff01, Bytes{0})
      .add_alpn({"\x0a\x0a", "h2", "http/1.1"})
      .add_post_quantum_key_share()
      .add_extension(43, Bytes{4, 3, 4, 3, 3})
      .add_extension(0xfafa, Bytes{0});
  return hello;
}

/// A hello whose only extension is this one.
inline Bytes hello_with(std::uint16_t extension, const Bytes& body) {
  return ClientHelloBuilder().add_extension(extension, body).build();
}

/// A server_name extension with this list behind its right length.
inline Bytes hello_with_names(const Bytes& list) {
  return hello_with(0, with_length(list, 2));
}
inline Bytes hello_named(std::string_view name) {
  return ClientHelloBuilder().add_server_name(name).build();
}

/// A hello after a change to its fields.
template <typename Change>
Bytes changed_hello(Change change) {
  ClientHelloBuilder hello;
  hello.add_server_name("a.example");
  change(hello);
  return hello.build();
}

/// A handshake message with this body.
inline Bytes client_hello_message(const Bytes& body) {
  return joined({{1}, with_length(body, 3)});
}

inline void add_legal_tls_vectors(std::vector<TlsVector>& vectors) {
  for (const CapturedHello& captured : captured_hellos()) {
    vectors.push_back({.name = "captured: " + captured.file,
                       .bytes = captured.bytes,
                       .server_name = captured.server_name,
                       .alpn = captured.alpn,
                       .has_encrypted_client_hello = captured.has_encrypted_client_hello,
                       .behind = captured.behind});
  }

  const auto add = [&](std::string name, Bytes bytes, std::string server_name = "",
                       std::vector<std::string> alpn = {}) {
    vectors.push_back({.name = std::move(name),
                       .bytes = std::move(bytes),
                       .server_name = std::move(server_name),
                       .alpn = std::move(alpn)});
  };
  const std::vector<std::string> browser_alpn = {"\x0a\x0a", "h2", "http/1.1"};

  add("no extensions at all", changed_hello([](auto& hello) { hello.has_extensions = false; }));
  add("an empty list of extensions", changed_hello([](auto& hello) { hello.extensions.clear(); }));
  add("no session id", changed_hello([](auto& hello) { hello.session_id.clear(); }), "a.example");
  add("a version of the future", changed_hello([](auto& hello) { hello.legacy_version = 0x03ff; }),
      "a.example");
  add("several compression methods", changed_hello([](auto& hello) { hello.compression_methods = {1, 0}; }),
      "a.example");
  add("the most cipher suites", changed_hello([](auto& hello) { hello.cipher_suites = Bytes(0xfffe, 0x2a); }),
      "a.example");
  add("GREASE and a post-quantum key share", browser_hello().build(), "www.example.com", browser_alpn);

  for (const std::size_t length : {1U, 2U, 3U, 5U, 64U, 1000U}) {
    add("records of " + std::to_string(length) + " bytes", browser_hello().build(length), "www.example.com",
        browser_alpn);
  }
  const Bytes message = browser_hello().message();
  const auto split_at = [&](std::size_t position) {
    const ByteView view(message);
    return joined({in_records(view.first(position)), in_records(view.subspan(position))});
  };
  add("a record that ends inside the message header", split_at(3), "www.example.com", browser_alpn);
  add("a record that ends behind the message header", split_at(4), "www.example.com", browser_alpn);
  add("a record of one byte at the end", split_at(message.size() - 1), "www.example.com", browser_alpn);
  add("a hello of 60 KiB",
      ClientHelloBuilder().add_padding(61000).add_server_name("big.example").add_alpn({"h2"}).build(),
      "big.example", {"h2"});

  ClientHelloBuilder crowded;
  for (std::uint16_t type = 100; type < 16000; ++type) crowded.add_extension(type, {});
  add("16,000 extensions", crowded.add_server_name("crowd.example").build(), "crowd.example");

  ClientHelloBuilder full;
  full.add_server_name("full.example");
  full.add_padding(16384 - full.message().size() - 4);
  add("one record of the greatest length", full.build(), "full.example");

  add("a name in upper case and with a dot at the end", hello_named("WWW.Example.COM."), "WWW.Example.COM.");
  add("an IPv4 address as the name", hello_named("192.0.2.1"), "192.0.2.1");
  add("an IPv6 address as the name", hello_named("2001:db8::1"), "2001:db8::1");
  const std::string longest = std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') +
                              "." + std::string(63, 'd');
  add("a name of 255 bytes", hello_named(longest), longest);
  add("one ALPN name", ClientHelloBuilder().add_alpn({"acme-tls/1"}).build(), "", {"acme-tls/1"});
  const std::string long_protocol(255, 'p');
  add("an ALPN name of 255 bytes", ClientHelloBuilder().add_alpn({"h2", long_protocol}).build(), "",
      {"h2", long_protocol});

  vectors.push_back({.name = "an encrypted ClientHello behind an outer name",
                     .bytes = ClientHelloBuilder()
                                  .add_server_name("outer.example")
                                  .add_extension(0xfe0d, Bytes{0, 0, 1, 0, 1, 7, 0, 0, 0, 0})
                                  .build(),
                     .server_name = "outer.example",
                     .has_encrypted_client_hello = true});
  vectors.push_back({.name = "an encrypted ClientHello without an outer name",
                     .bytes = ClientHelloBuilder().add_extension(0xfe0d, Bytes{0, 0, 1}).build(),
                     .has_encrypted_client_hello = true});
  // What a client-facing server forwards in split mode (RFC 9849, 7.1), and what is no ECHClientHello at all.
  for (const Bytes& body : {Bytes{1}, Bytes{2, 0, 1}, Bytes{}}) {
    add("an encrypted_client_hello extension of " + std::to_string(body.size()) + " bytes that is not outer",
        ClientHelloBuilder().add_server_name("inner.example").add_extension(0xfe0d, body).build(),
        "inner.example");
  }
  const Bytes followers[] = {{0x14, 3, 3, 0, 1, 1}, {0x17, 3, 3, 0, 2, 9, 9}, {0x16, 3, 1, 0, 0}, {0}};
  for (const Bytes& follower : followers) {
    vectors.push_back(
        {.name = "bytes of type " + std::to_string(follower[0]) + " behind the hello's last record",
         .bytes = joined({hello_named("a.example"), follower}),
         .server_name = "a.example",
         .behind = follower.size()});
  }
}

inline void add_malformed_tls_records(std::vector<TlsVector>& vectors) {
  const auto add = [&](std::string name, Bytes bytes) {
    vectors.push_back({.name = std::move(name), .bytes = std::move(bytes), .verdict = Verdict::malformed});
  };
  const Bytes message = browser_hello().message();
  const ByteView view(message);
  const auto second_record = [&](const Bytes& second) {
    return joined({in_records(view.first(100)), second, in_records(view.subspan(100))});
  };

  add("record version 2", {0x16, 2});
  add("record version 4", {0x16, 4, 0, 0, 5});
  add("an empty first record", {0x16, 3, 1, 0, 0});
  add("a record over 16384 bytes", {0x16, 3, 1, 0x40, 0x01});
  add("an empty record inside the hello", second_record({0x16, 3, 1, 0, 0}));
  add("an alert inside the hello", second_record({0x15, 3, 1, 0, 2, 1, 0}));
  add("a ChangeCipherSpec inside the hello", second_record({0x14, 3, 1, 0, 1, 1}));
  add("application data inside the hello", second_record({0x17, 3, 1, 0, 1, 1}));
  add("a second record of version 2", second_record({0x16, 2}));
  add("a second record over 16384 bytes", second_record({0x16, 3, 1, 0xff, 0xff}));
  add("an SSL 2 hello", {0x80, 0x2e, 1, 3, 1, 0, 0x15});
  add("an SSL 2 hello of SSL 2", {0x80, 0x1c, 1, 0, 2});
  add("a long SSL 2 hello", {0xff, 0xff, 1});

  add("a server_hello", {0x16, 3, 1, 0, 4, 2, 0, 0, 0});
  add("a hello_request", {0x16, 3, 1, 0, 4, 0, 0, 0, 0});
  add("another message's type in a record of one byte", {0x16, 3, 1, 0, 1, 11});
  add("an empty ClientHello", {0x16, 3, 1, 0, 4, 1, 0, 0, 0});
  const Bytes finished{20, 0, 0, 1, 0};
  add("another message behind the hello in its record", in_records(joined({message, finished})));
  add("a byte behind the hello in its last record",
      joined({in_records(view.first(100)),
              in_records(joined({Bytes(message.begin() + 100, message.end()), {0}}))}));
  add("a record longer than the message, header split over records",
      joined(
          {in_records(view.first(2)), in_records(joined({Bytes(message.begin() + 2, message.end()), {0}}))}));
}

inline void add_malformed_hello_bodies(std::vector<TlsVector>& vectors) {
  const auto add = [&](std::string name, Bytes bytes) {
    vectors.push_back({.name = std::move(name), .bytes = std::move(bytes), .verdict = Verdict::malformed});
  };
  add("legacy_version 0x0200", changed_hello([](auto& hello) { hello.legacy_version = 0x0200; }));
  add("SSL 3.0 in a TLS record", changed_hello([](auto& hello) { hello.legacy_version = 0x0300; }));
  add("legacy_version 0x0403", changed_hello([](auto& hello) { hello.legacy_version = 0x0403; }));
  add("a session id of 33 bytes", changed_hello([](auto& hello) { hello.session_id.resize(33); }));
  add("no cipher suite", changed_hello([](auto& hello) { hello.cipher_suites.clear(); }));
  add("half a cipher suite", changed_hello([](auto& hello) { hello.cipher_suites.resize(3); }));
  add("compression and no way without", changed_hello([](auto& hello) { hello.compression_methods = {1}; }));
  add("no compression method", changed_hello([](auto& hello) { hello.compression_methods.clear(); }));
  add("a byte behind the extensions", changed_hello([](auto& hello) { hello.trailing = {0}; }));
  add("half an extension length", changed_hello([](auto& hello) {
        hello.has_extensions = false;
        hello.trailing = {0};
      }));
  add("extensions shorter than promised", changed_hello([](auto& hello) {
        hello.has_extensions = false;
        hello.trailing = {0, 5, 0, 23, 0, 0};
      }));
  add("half an extension type", changed_hello([](auto& hello) { append(hello.extensions, Bytes{0}); }));
  add("an extension without a length",
      changed_hello([](auto& hello) { append(hello.extensions, Bytes{0, 23}); }));
  add("an extension longer than the list",
      changed_hello([](auto& hello) { append(hello.extensions, Bytes{0, 23, 0, 1}); }));

  // A body which is cut anywhere, with lengths of message and record that fit the cut.
  Bytes body = ClientHelloBuilder().add_server_name("a.example").add_alpn({"h2"}).body();
  const std::size_t end_of_compression_methods = 2 + 32 + 33 + 8 + 2;
  for (std::size_t length = body.size(); length-- > 0;) {
    body.resize(length);
    if (length == end_of_compression_methods) continue;  // legal: no extensions
    add("a body of " + std::to_string(length) + " bytes", in_records(client_hello_message(body)));
  }

  for (const std::uint16_t type :
       std::initializer_list<std::uint16_t>{0x17, 0x3f, 0x40, 0x0a0a, 0xfe0d, 0xff01, 0xffff}) {
    add("extension " + std::to_string(type) + " twice",
        ClientHelloBuilder().add_extension(type, {}).add_padding(9).add_extension(type, {}).build());
  }
  add("server_name twice",
      ClientHelloBuilder().add_server_name("a.example").add_server_name("b.example").build());
  add("ALPN twice", ClientHelloBuilder().add_alpn({"h2"}).add_alpn({"h2"}).build());
}

inline void add_malformed_names(std::vector<TlsVector>& vectors) {
  const auto add = [&](std::string name, Bytes bytes) {
    vectors.push_back({.name = std::move(name), .bytes = std::move(bytes), .verdict = Verdict::malformed});
  };
  add("server_name: empty extension", hello_with(0, {}));
  add("server_name: half a list length", hello_with(0, {0}));
  add("server_name: empty list", hello_with(0, {0, 0}));
  add("server_name: a byte behind the list", hello_with(0, {0, 4, 0, 0, 1, 'a', 0}));
  add("server_name: list longer than the extension", hello_with(0, {0, 5, 0, 0, 1, 'a'}));
  add("server_name: type alone", hello_with_names({0}));
  add("server_name: half a name length", hello_with_names({0, 0}));
  add("server_name: name longer than the list", hello_with_names({0, 0, 2, 'a'}));
  add("server_name: a byte behind the name", hello_with_names({0, 0, 1, 'a', 0}));
  add("server_name: another name type", hello_with_names({1, 0, 1, 'a'}));
  add("server_name: two names", hello_with_names({0, 0, 1, 'a', 0, 0, 1, 'b'}));
  add("server_name: the same name twice", hello_with_names({0, 0, 1, 'a', 0, 0, 1, 'a'}));
  add("server_name: a name and another type", hello_with_names({0, 0, 1, 'a', 1, 0, 1, 'b'}));
  const std::string_view names[] = {
      "",     ".",  "a b", " a",  "a ",  "a/b",  "a\tb", "a\rb", "a\nb", "a\x7f", "b\xc3\xbc.example",
      "a..b", ".a", "a@b", "a?b", "a#b", "a\\b", "[::1", "a:b:c"};
  for (const std::string_view name : names) {
    add("server_name: \"" + std::string(name) + "\"", hello_named(name));
  }
  add("server_name: NUL inside", hello_named({"a\0b", 3}));
  add("server_name: NUL at the end", hello_named({"a.example\0", 10}));
  add("server_name: 256 bytes", hello_named(std::string(256, 'a')));
  add("server_name: 16,000 bytes", hello_named(std::string(16000, 'a')));

  add("ALPN: empty extension", hello_with(16, {}));
  add("ALPN: half a list length", hello_with(16, {0}));
  add("ALPN: empty list", hello_with(16, {0, 0}));
  add("ALPN: an empty name", hello_with(16, {0, 1, 0}));
  add("ALPN: an empty name behind a good one", hello_with(16, {0, 4, 2, 'h', '2', 0}));
  add("ALPN: a name longer than the list", hello_with(16, {0, 3, 3, 'h', '2'}));
  add("ALPN: a list longer than the extension", hello_with(16, {0, 4, 2, 'h', '2'}));
  add("ALPN: a byte behind the list", hello_with(16, {0, 3, 2, 'h', '2', 0}));
}

inline void add_other_first_bytes(std::vector<TlsVector>& vectors) {
  const auto add = [&](std::string name, Bytes bytes, Verdict verdict) {
    vectors.push_back({.name = std::move(name), .bytes = std::move(bytes), .verdict = verdict});
  };
  for (const std::uint8_t byte : Bytes{0x00, 0x0a, 0x14, 0x15, 0x17, 'G', 'S', 0x7f}) {
    add("first byte " + std::to_string(byte), {byte, 3, 1}, Verdict::not_mine);
  }
  add("a top bit without a ClientHello behind it", {0x80, 0x2e, 2}, Verdict::not_mine);
  add("0xff", {0xff, 0xff, 0xff, 0xff}, Verdict::not_mine);

  const Bytes hello = browser_hello().build(500);
  add("nothing", {}, Verdict::need_more);
  add("one byte of a record", {0x16}, Verdict::need_more);
  add("two bytes of a record", {0x16, 3}, Verdict::need_more);
  add("a record header", {0x16, 3, 1, 0x40, 0}, Verdict::need_more);
  add("one byte with the top bit", {0x80}, Verdict::need_more);
  add("two bytes with the top bit", {0x80, 1}, Verdict::need_more);
  add("all but the last byte", Bytes(hello.begin(), hello.end() - 1), Verdict::need_more);
  add("the first of several records", Bytes(hello.begin(), hello.begin() + 505), Verdict::need_more);
  add("the first record and a header", Bytes(hello.begin(), hello.begin() + 510), Verdict::need_more);
}

inline std::vector<TlsVector> tls_vectors() {
  std::vector<TlsVector> vectors;
  add_legal_tls_vectors(vectors);
  add_malformed_tls_records(vectors);
  add_malformed_hello_bodies(vectors);
  add_malformed_names(vectors);
  add_other_first_bytes(vectors);
  return vectors;
}

}  // namespace portshare::test
