// Headers of the PROXY protocol and what read_proxy_header must say about them. Shared by the tests and by
// the fuzz target and its seeds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/byte_view.h"
#include "core/proxy_header.h"

namespace portshare::test {

/// What read_proxy_header answered, with copies of what the views showed.
struct ProxyAnswer {
  struct Reader {
    Verdict read(ByteView bytes, ProxyHeader& header) { return read_proxy_header(bytes, header); }
  };
  using Result = ProxyHeader;

  Verdict verdict = Verdict::need_more;
  ProxyHeader::Command command = ProxyHeader::Command::proxy;
  ProxyHeader::Family family = ProxyHeader::Family::unspecified;
  std::string source = {};  ///< empty: none
  std::string destination = {};
  std::string authority = {};
  std::string alpn = {};
  std::size_t length = 0;

  bool operator==(const ProxyAnswer&) const = default;

  static ProxyAnswer of(Verdict verdict, const ProxyHeader& header) {
    if (verdict != Verdict::recognised) return {.verdict = verdict};
    return {verdict,
            header.command,
            header.family,
            header.source ? header.source->to_string() : "",
            header.destination ? header.destination->to_string() : "",
            std::string(header.authority),
            std::string(as_text(header.alpn)),
            header.length};
  }
};

struct ProxyVector {
  std::string bytes;
  ProxyAnswer answer;
};

/// Text which holds NUL characters.
template <std::size_t size>
std::string raw(const char (&text)[size]) {
  return {text, size - 1};
}

/// A header of version 2 around this block.
inline std::string version_2(unsigned version_and_command, unsigned kind, const std::string& block) {
  return raw("\r\n\r\n\0\r\nQUIT\n") + static_cast<char>(version_and_command) + static_cast<char>(kind) +
         static_cast<char>(block.size() >> 8) + static_cast<char>(block.size() & 0xff) + block;
}

inline std::string type_length_value(unsigned type, const std::string& value) {
  return std::string() + static_cast<char>(type) + static_cast<char>(value.size() >> 8) +
         static_cast<char>(value.size() & 0xff) + value;
}

/// From 192.0.2.1:4660 to 198.51.100.2:443.
inline std::string ipv4_block() {
  return raw("\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x34\x01\xbb");
}

/// From [2001:db8::1]:4660 to [2001:db8::2]:443.
inline std::string ipv6_block() {
  const std::string prefix = raw("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0");
  return prefix + "\x01" + prefix + "\x02" + raw("\x12\x34\x01\xbb");
}

/// As HAProxy 2.6 sent it to [::1], with its checksum.
inline std::string haproxy_ipv6_header() {
  return raw(
      "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x2b"
      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x89\x76\xe1\xeb"
      "\x03\0\x04\xee\x08\x4d\x90");
}

/// The same over IPv4, with a unique id behind the checksum.
inline std::string haproxy_ipv4_header() {
  return raw(
      "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x29"
      "\x7f\0\0\x01\x7f\0\0\x01\xa8\x66\x8a\xb1\x03\0\x04\xd0\x80\xbf\xe7"
      "\x05\0\x13portshare-696083079");
}

inline void add_proxy_v1_vectors(std::vector<ProxyVector>& vectors) {
  using Family = ProxyHeader::Family;
  const auto legal = [&](const std::string& line, Family family, std::string source, std::string destination,
                         std::string_view behind = "GET / HTTP/1.1\r\n") {
    ProxyAnswer answer{.verdict = Verdict::recognised, .family = family};
    answer.source = std::move(source);
    answer.destination = std::move(destination);
    answer.length = line.size();
    vectors.push_back({line + std::string(behind), answer});
  };
  legal("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", Family::ipv4, "192.168.0.1:56324",
        "192.168.0.11:443");
  legal("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Family::ipv4, "255.255.255.255:65535",
        "255.255.255.255:65535");
  legal("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", Family::ipv4, "0.0.0.0:0", "0.0.0.0:0", "");
  legal("PROXY TCP4 127.0.0.1 127.0.0.1 46194 42993\r\n", Family::ipv4, "127.0.0.1:46194", "127.0.0.1:42993");
  legal("PROXY TCP6 ::1 ::1 50690 34007\r\n", Family::ipv6, "[::1]:50690", "[::1]:34007");
  legal("PROXY TCP6 2001:DB8::a 2001:db8:0:0:0:0:0:b 1 2\r\n", Family::ipv6, "[2001:db8::a]:1",
        "[2001:db8::b]:2");
  legal("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c000:202 1 2\r\n", Family::ipv6, "192.0.2.1:1", "192.0.2.2:2");
  const std::string longest_address = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  const std::string longest_line = longest_address + " " + longest_address + " 65535 65535\r\n";
  legal("PROXY TCP6 " + longest_line, Family::ipv6, "[" + longest_address + "]:65535",
        "[" + longest_address + "]:65535");
  legal("PROXY UNKNOWN\r\n", Family::unspecified, "", "");
  legal("PROXY UNKNOWN\r\n", Family::unspecified, "", "", "");
  legal("PROXY UNKNOWN " + longest_line, Family::unspecified, "", "");
  legal("PROXY UNKNOWN  what\tever\r\n", Family::unspecified, "", "");

  const std::string longer_than_any = "PROXY UNKNOWN " + std::string(92, 'x');
  for (const std::string& line : std::vector<std::string>{
           "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
           "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n",
           "PROXY TCP4 192.0.2.1\r192.0.2.2 1 2\r\n",
           "PROXY UNKNOWN \r \r\n",
           "PROXY \r\n",
           "PROXY \n",
           "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
           "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
           "PROXY TCP4 192.0.2.1 192.0.2.2 1  2\r\n",
           "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
           "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
           "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
           "PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n",
           "PROXY TCP4 192.0.2.1 192.0.2.2\r\n",
           "PROXY TCP4 192.0.2.1\t192.0.2.2 1 2\r\n",
           "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
           "PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n",
           "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
           "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
           "PROXY TCP4 192.0.2.1 192.0.2.2 00 2\r\n",
           "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
           "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
           "PROXY TCP4 192.0.2.1 192.0.2.2 1 -2\r\n",
           "PROXY TCP4 ::1 ::1 1 2\r\n",
           "PROXY TCP4 ::ffff:192.0.2.1 192.0.2.2 1 2\r\n",
           "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
           "PROXY TCP6 ::1 192.0.2.2 1 2\r\n",
           "PROXY TCP6 [::1] ::1 1 2\r\n",
           "PROXY TCP6 ::1%lo ::1 1 2\r\n",
           "PROXY TCP6 1::2::3 ::1 1 2\r\n",
           "PROXY TCP 192.0.2.1 192.0.2.2 1 2\r\n",
           "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
           "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
           "PROXY UNKNOWNS\r\n",
           "PROXY unknown\r\n",
           longer_than_any + "\r\n",
           longer_than_any + "x",
           longer_than_any + "\r",
       }) {
    vectors.push_back({line, {.verdict = Verdict::malformed}});
  }
  for (const std::string& start : std::vector<std::string>{"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r",
                                                           "PROXY UNKNOWN", longer_than_any, "PROXY", ""}) {
    vectors.push_back({start, {.verdict = Verdict::need_more}});
  }
  for (const std::string& other : std::vector<std::string>{
           "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", " PROXY UNKNOWN\r\n", "PROXYUNKNOWN\r\n",
           "PROXY\tUNKNOWN\r\n", "PROPFIND / HTTP/1.1\r\n", "GET / HTTP/1.1\r\n"}) {
    vectors.push_back({other, {.verdict = Verdict::not_mine}});
  }
}

inline void add_proxy_v2_vectors(std::vector<ProxyVector>& vectors) {
  using Command = ProxyHeader::Command;
  using Family = ProxyHeader::Family;
  const auto legal = [&](const std::string& header, ProxyAnswer answer, std::string_view behind = "hello") {
    answer.verdict = Verdict::recognised;
    answer.length = header.size();
    vectors.push_back({header + std::string(behind), answer});
  };
  const ProxyAnswer ipv4{
      .family = Family::ipv4, .source = "192.0.2.1:4660", .destination = "198.51.100.2:443"};
  const ProxyAnswer ipv6{
      .family = Family::ipv6, .source = "[2001:db8::1]:4660", .destination = "[2001:db8::2]:443"};
  const ProxyAnswer unspecified{};
  const ProxyAnswer local{.command = Command::local};
  const std::string unix_block = "/run/client" + std::string(97, '\0') + "/run/proxy" + std::string(98, '\0');

  legal(version_2(0x21, 0x11, ipv4_block()), ipv4);
  legal(version_2(0x21, 0x11, ipv4_block()), ipv4, "");
  legal(version_2(0x21, 0x21, ipv6_block()), ipv6);
  legal(version_2(0x21, 0x31, unix_block), {.family = Family::unix_socket});
  const std::string mapped = std::string(10, '\0') + "\xff\xff";
  legal(version_2(
            0x21, 0x21,
            mapped + ipv4_block().substr(0, 4) + mapped + ipv4_block().substr(4, 4) + ipv4_block().substr(8)),
        {.family = Family::ipv6, .source = ipv4.source, .destination = ipv4.destination});
  legal(haproxy_ipv4_header(),
        {.family = Family::ipv4, .source = "127.0.0.1:43110", .destination = "127.0.0.1:35505"});
  legal(haproxy_ipv6_header(),
        {.family = Family::ipv6, .source = "[::1]:35190", .destination = "[::1]:57835"});

  legal(version_2(0x20, 0x00, ""), local);
  legal(version_2(0x20, 0x11, ipv4_block()), local);
  legal(version_2(0x20, 0xff, "whatever"), local);
  legal(version_2(0x21, 0x00, ""), unspecified);
  legal(version_2(0x21, 0x00, "whatever"), unspecified);
  legal(version_2(0x21, 0x01, "whatever"), unspecified);
  legal(version_2(0x21, 0x10, ipv4_block()), unspecified);
  legal(version_2(0x21, 0x12, ipv4_block()), unspecified);
  legal(version_2(0x21, 0x22, ipv6_block()), unspecified);
  legal(version_2(0x21, 0x32, unix_block), unspecified);

  const std::string alpn = type_length_value(0x01, "h2");
  const std::string authority = type_length_value(0x02, "www.example.com");
  ProxyAnswer answer = ipv4;
  answer.alpn = "h2";
  answer.authority = "www.example.com";
  legal(version_2(0x21, 0x11, ipv4_block() + alpn + authority), answer);
  legal(version_2(0x21, 0x11, ipv4_block() + authority + alpn), answer);
  legal(version_2(0x21, 0x11,
                  ipv4_block() + type_length_value(0x04, std::string(700, '\0')) + authority +
                      type_length_value(0xe0, "") + alpn + type_length_value(0x04, "")),
        answer);
  answer = ipv6;
  answer.authority = raw("a\0b");
  legal(version_2(0x21, 0x21, ipv6_block() + type_length_value(0x02, raw("a\0b"))), answer);
  legal(version_2(0x21, 0x11, ipv4_block() + type_length_value(0x02, "") + type_length_value(0x01, "")),
        ipv4);
  legal(version_2(0x21, 0x31, unix_block + authority),
        {.family = Family::unix_socket, .authority = "www.example.com"});
  const std::size_t rest = max_proxy_header_length - 16 - 12 - 3;
  legal(version_2(0x21, 0x11, ipv4_block() + type_length_value(0xe0, std::string(rest, 'x'))), ipv4);

  const auto malformed = [&](const std::string& header) {
    vectors.push_back({header, {.verdict = Verdict::malformed}});
  };
  for (const unsigned command : {0x00U, 0x01U, 0x11U, 0x22U, 0x2fU, 0x31U, 0xffU}) {
    malformed(version_2(command, 0x11, ipv4_block()));
  }
  for (const unsigned kind : {0x13U, 0x41U, 0xf1U, 0x1fU, 0x03U, 0xffU}) {
    malformed(version_2(0x21, kind, ipv4_block()));
  }
  malformed(version_2(0x21, 0x11, ""));
  malformed(version_2(0x21, 0x11, ipv4_block().substr(0, 11)));
  malformed(version_2(0x21, 0x21, ipv6_block().substr(0, 35)));
  malformed(version_2(0x21, 0x21, ipv4_block()));
  malformed(version_2(0x21, 0x31, unix_block.substr(0, 215)));
  malformed(version_2(0x21, 0x11, ipv4_block() + "\x04"));
  malformed(version_2(0x21, 0x11, ipv4_block() + raw("\x04\0")));
  malformed(version_2(0x21, 0x11, ipv4_block() + raw("\x04\0\x01")));
  malformed(version_2(0x21, 0x11, ipv4_block() + raw("\x02\xff\xff") + "a.example"));
  malformed(version_2(0x21, 0x11, ipv4_block() + authority + "\x04"));
  malformed(version_2(0x21, 0x11, ipv4_block() + authority + authority));
  malformed(version_2(0x21, 0x11, ipv4_block() + alpn + authority + alpn));
  malformed(version_2(0x21, 0x11, ipv4_block() + type_length_value(0x03, raw("\0\0\0\0"))));
  malformed(version_2(0x21, 0x11, ipv4_block() + type_length_value(0x03, "")));
  malformed(version_2(0x21, 0x11, ipv4_block() + type_length_value(0x03, raw("\0\0\0\0\0"))));
  std::string damaged = haproxy_ipv4_header();
  damaged[16] ^= 1;
  malformed(damaged);
  damaged = haproxy_ipv4_header();
  damaged.back() ^= 1;
  malformed(damaged);
  damaged = haproxy_ipv6_header();
  damaged.back() ^= 1;
  malformed(damaged);

  vectors.push_back({raw("\r\n\r\n\0\r\nQUIT\r"), {.verdict = Verdict::not_mine}});
  vectors.push_back({"\r\n\r\nGET / HTTP/1.1\r\n", {.verdict = Verdict::not_mine}});
  vectors.push_back({raw("\r\n\r\n\0\r\nQUIT\n"), {.verdict = Verdict::need_more}});
  vectors.push_back({haproxy_ipv4_header().substr(0, 56), {.verdict = Verdict::need_more}});
}

inline std::vector<ProxyVector> proxy_vectors() {
  std::vector<ProxyVector> vectors;
  add_proxy_v1_vectors(vectors);
  add_proxy_v2_vectors(vectors);
  return vectors;
}

}  // namespace portshare::test
