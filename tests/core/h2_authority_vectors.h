// Beginnings of HTTP/2 connections and what an H2AuthorityReader must say about them. Shared by the tests and
// by the fuzz target and its seeds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/h2_authority.h"
#include "tests/core/h2_builder.h"

namespace portshare::test {

/// What the reader answered, with copies of what the views showed.
struct H2Answer {
  using Reader = H2AuthorityReader;
  using Result = H2FirstRequest;

  Verdict verdict = Verdict::need_more;
  std::string method = {};
  std::string authority = {};
  std::string port = {};  ///< empty: none
  std::uint32_t stream = 0;
  std::size_t length = 0;

  bool operator==(const H2Answer&) const = default;

  static H2Answer of(Verdict verdict, const H2FirstRequest& first) {
    if (verdict != Verdict::recognised) return {.verdict = verdict};
    const HostName& name = first.request.authority;
    return {verdict,
            std::string(first.request.method),
            std::string(name.view()),
            name.port() ? std::to_string(*name.port()) : "",
            first.stream,
            first.length};
  }
};

struct H2Vector {
  std::string bytes;
  H2Answer answer;
};

/// What clients sent, captured.
inline std::string captured_curl() {
  return bytes_of_hex(
      "505249202a20485454502f322e300d0a0d0a534d0d0a0d0a 000012040000000000 000300000064 000402000000 "
      "000200000000"
      "000004080000000000 01ff0001 000045010400000001 "
      "8304022f78864190f1e3c2e5f23a6ba0ab90f4dc6c2cbeff7a8825b650"
      "c3abbcf2e153032a2f2a0f0d01335f981d75d0620d263d4c795bc78f0b4a7b295adb282d443c8593 000003000100000001 "
      "613d62");
}
inline std::string captured_nghttp() {
  return bytes_of_hex(
      "505249202a20485454502f322e300d0a0d0a534d0d0a0d0a 00000c040000000000 000300000064 00040000ffff"
      "000005020000000003 00000000c8 000005020000000005 0000000064 000005020000000007 0000000000"
      "000005020000000009 0000000700 00000502000000000b 0000000300 00002801250000000d 0000000b0f"
      "828486418cf1e3c2e5f23a6ba0ab90f4ff53032a2f2a907a8aaa69d29ac4c0576c4b83");
}
/// With a Host field in the place of :authority.
inline std::string captured_node() {
  return bytes_of_hex(
      "505249202a20485454502f322e300d0a0d0a534d0d0a0d0a 000000040000000000 000011010500000001"
      "848286668cf1e3c2e5f23a6ba0ab90f4ff");
}
inline std::string captured_h2load() {
  return bytes_of_hex(
      "505249202a20485454502f322e300d0a0d0a534d0d0a0d0a 00000c040000000000 000200000000 00043fffffff"
      "000004080000000000 3fff0000 000021010500000001"
      "8486418b089d5c0b8170dc699680ef827a8f9c541c722954d3a5358980aed89707");
}

inline H2Answer get_answer(std::string authority, std::size_t length) {
  return {.verdict = Verdict::recognised,
          .method = "GET",
          .authority = std::move(authority),
          .stream = 1,
          .length = length};
}

inline void add_legal_h2_vectors(std::vector<H2Vector>& vectors) {
  const auto legal = [&](const std::string& bytes, H2Answer answer, std::string_view behind = "\x01\x02") {
    answer.verdict = Verdict::recognised;
    answer.length = bytes.size();
    vectors.push_back({bytes + std::string(behind), answer});
  };
  const auto get = [&](const std::string& bytes, const std::string& authority = "a.example") {
    legal(bytes, get_answer(authority, 0));
  };
  const std::string curl = captured_curl();
  legal(curl.substr(0, curl.size() - 12),
        {.method = "POST", .authority = "www.example.com", .port = "51399", .stream = 1},
        curl.substr(curl.size() - 12));
  legal(captured_nghttp(), {.method = "GET", .authority = "www.example.com", .stream = 13}, "");
  legal(captured_node(), {.method = "GET", .authority = "www.example.com", .stream = 1}, "");
  legal(captured_h2load(), {.method = "GET", .authority = "127.0.0.1", .port = "43407", .stream = 1}, "");

  // RFC 7541, C.3.1 and C.4.1.
  get(h2_start() + h2_headers(1, bytes_of_hex("828684410f7777772e6578616d706c652e636f6d")),
      "www.example.com");
  get(h2_start() + h2_headers(1, bytes_of_hex("828684418cf1e3c2e5f23a6ba0ab90f4ff")), "www.example.com");

  const std::string block = hpack_block(get_fields("a.example"));
  constexpr unsigned all = H2FrameHeader::end_headers | H2FrameHeader::end_stream;
  get(h2_start() + h2_headers(1, block));
  get(h2_start() + h2_headers(1, block, H2FrameHeader::end_headers));
  get(h2_start() + h2_headers(1, hpack_block(get_fields("A.Example."))));
  get(h2_start() + h2_headers(1, "\x20" + hpack_block(get_fields("a.example"), Indexing::incremental)));
  get(h2_start() + h2_headers(1, hpack_block(get_fields("a.example"), Indexing::never)));
  get(h2_start() +
      h2_headers(1, std::string(1, '\5') + block + std::string(5, '\0'), all | H2FrameHeader::padded));
  get(h2_start() + h2_headers(1, std::string(4, '\0') + "\x10" + block, all | H2FrameHeader::has_priority));
  get(h2_start() + h2_headers(1, std::string("\1\x80\0\0\3\x10", 6) + block + std::string(1, '\0'),
                              all | H2FrameHeader::padded | H2FrameHeader::has_priority));
  const auto continued = [&](std::size_t piece) {
    std::string bytes = h2_headers(1, block.substr(0, piece), H2FrameHeader::end_stream);
    for (std::size_t i = piece; i < block.size(); i += piece) {
      const unsigned flags = i + piece >= block.size() ? H2FrameHeader::end_headers : 0U;
      bytes += h2_frame(H2FrameType::continuation, flags, 1, block.substr(i, piece));
    }
    return bytes;
  };
  get(h2_start() + continued(20));
  get(h2_start() + continued(1));
  get(h2_start() + h2_headers(1, "", 0) + h2_frame(H2FrameType::continuation, 0, 1, "") +
      h2_frame(H2FrameType::continuation, H2FrameHeader::end_headers, 1, block));
  get(h2_start() + h2_frame(H2FrameType::window_update, 0, 0, std::string("\0\0\0\1", 4)) +
      h2_frame(H2FrameType::settings, H2FrameHeader::ack, 0, "") +
      h2_frame(H2FrameType::ping, 0, 0, "12345678") + h2_settings(std::string("\0\1\0\0\0\0", 6)) +
      h2_frame(H2FrameType::priority, 0, 3, std::string(5, '\0')) +
      h2_frame(static_cast<H2FrameType>(0x10), 0, 0, std::string("\0\0\0\1u=1", 7)) +
      h2_frame(static_cast<H2FrameType>(0xbe), 0xff, 77, "grease") + h2_headers(1, block));
  get(std::string(h2_preface) +
      h2_settings(std::string("\0\2\0\0\0\1\0\4\x7f\xff\xff\xff\0\5\0\xff\xff\xff\x9a\xbc\1\2\3\4", 24)) +
      h2_headers(1, block));
  legal(h2_start() + h2_headers(0x7fffffff, block),
        {.method = "GET", .authority = "a.example", .stream = 0x7fffffff});

  const auto with = [&](H2Fields extra) {
    H2Fields fields = get_fields("a.example");
    fields.insert(fields.end(), extra.begin(), extra.end());
    return h2_start() + h2_headers(1, hpack_block(fields));
  };
  get(with({{"host", "a.example"}}));
  get(with({{"host", "A.example:80"}}));
  get(with({{"te", "trailers"}, {"cookie", "a=b"}, {"cookie", ""}, {"x", "a\tb \x80"}}));
  get(with({{"x", std::string(10000, 'v')}}));
  const auto request = [&](const H2Fields& fields) {
    return h2_start() + h2_headers(1, hpack_block(fields));
  };
  get(request({{":path", "/"}, {":scheme", "http"}, {":method", "GET"}, {"host", "a.example"}}));
  get(request({{":method", "GET"},
               {":scheme", "https"},
               {":path", "/"},
               {":authority", "a.example"},
               {"host", "a.example:443"}}));
  legal(request({{":method", "CONNECT"}, {":authority", "a.example:22"}}),
        {.method = "CONNECT", .authority = "a.example", .port = "22", .stream = 1});
  legal(request({{":method", "CONNECT"},
                 {":protocol", "websocket"},
                 {":scheme", "http"},
                 {":path", "/chat"},
                 {":authority", "a.example"}}),
        {.method = "CONNECT", .authority = "a.example", .stream = 1});
  // The examples of RFC 9113, 8.8.1 and 8.8.3, and of RFC 8441, 5.1.
  get(request({{":method", "GET"},
               {":scheme", "https"},
               {":authority", "example.org"},
               {":path", "/resource"},
               {"host", "example.org"},
               {"accept", "image/jpeg"}}),
      "example.org");
  legal(request({{":method", "POST"},
                 {":authority", "example.org"},
                 {":path", "/resource"},
                 {":scheme", "https"},
                 {"content-type", "image/jpeg"},
                 {"host", "example.org"},
                 {"content-length", "123"}}),
        {.method = "POST", .authority = "example.org", .stream = 1});
  legal(request({{":method", "CONNECT"},
                 {":protocol", "websocket"},
                 {":scheme", "https"},
                 {":path", "/chat"},
                 {":authority", "server.example.com"},
                 {"sec-websocket-protocol", "chat, superchat"},
                 {"sec-websocket-extensions", "permessage-deflate"},
                 {"sec-websocket-version", "13"},
                 {"origin", "http://www.example.com"}}),
        {.method = "CONNECT", .authority = "server.example.com", .stream = 1});
  legal(request({{":method", "OPTIONS"}, {":scheme", "http"}, {":path", "*"}, {":authority", "[::1]:8080"}}),
        {.method = "OPTIONS", .authority = "::1", .port = "8080", .stream = 1});
}

inline void add_malformed_h2_vectors(std::vector<H2Vector>& vectors) {
  const auto malformed = [&](const std::string& bytes) {
    vectors.push_back({bytes, {.verdict = Verdict::malformed}});
  };
  const std::string block = hpack_block(get_fields("a.example"));
  const std::string get = h2_headers(1, block);
  constexpr unsigned all = H2FrameHeader::end_headers | H2FrameHeader::end_stream;

  malformed(std::string(h2_preface) + get);
  malformed(std::string(h2_preface) + h2_frame(H2FrameType::settings, H2FrameHeader::ack, 0, ""));
  malformed(std::string(h2_preface) + h2_frame(H2FrameType::ping, 0, 0, "12345678"));
  malformed(std::string(h2_preface) + h2_frame(H2FrameType::settings, 0, 1, ""));
  malformed(std::string(h2_preface) + h2_settings("12345"));
  malformed(std::string(h2_preface) + h2_settings(std::string("\0\2\0\0\0\2", 6)));
  malformed(std::string(h2_preface) + h2_settings(std::string("\0\4\x80\0\0\0", 6)));
  malformed(std::string(h2_preface) + h2_settings(std::string("\0\5\0\0\x3f\xff", 6)));
  malformed(std::string(h2_preface) + h2_settings(std::string("\0\5\1\0\0\0", 6)));
  malformed(h2_start() + h2_frame(H2FrameType::settings, H2FrameHeader::ack, 0, std::string(6, '\0')));

  for (const H2FrameType type :
       {H2FrameType::data, H2FrameType::rst_stream, H2FrameType::push_promise, H2FrameType::continuation}) {
    malformed(h2_start() + h2_frame(type, H2FrameHeader::end_headers, 1, std::string(4, '\0')) + get);
  }
  malformed(h2_start() + h2_frame(H2FrameType::window_update, 0, 1, std::string("\0\0\0\1", 4)) + get);
  malformed(h2_start() + h2_frame(H2FrameType::window_update, 0, 0, std::string("\0\0\0\0", 4)) + get);
  malformed(h2_start() + h2_frame(H2FrameType::window_update, 0, 0, std::string("\0\0\1", 3)) + get);
  malformed(h2_start() + h2_frame(H2FrameType::priority, 0, 0, std::string(5, '\0')) + get);
  malformed(h2_start() + h2_frame(H2FrameType::priority, 0, 1, std::string(4, '\0')) + get);
  malformed(h2_start() + h2_frame(H2FrameType::ping, 0, 0, "1234567") + get);
  malformed(h2_start() + h2_frame(H2FrameType::ping, 0, 1, "12345678") + get);
  malformed(h2_start() + h2_frame(H2FrameType::goaway, 0, 0, "1234567") + get);
  malformed(h2_start() +
            h2_frame(static_cast<H2FrameType>(0xbe), 0, 0, std::string(16385, 'x')).substr(0, 9));

  malformed(h2_start() + h2_headers(0, block));
  malformed(h2_start() + h2_headers(2, block));
  malformed(h2_start() + h2_headers(1, "", all | H2FrameHeader::padded));
  malformed(h2_start() + h2_headers(1, "\1", all | H2FrameHeader::padded));
  malformed(h2_start() + h2_headers(1, std::string(4, '\0'), all | H2FrameHeader::has_priority));
  malformed(h2_start() +
            h2_headers(1, std::string("\0\0\0\1\0", 5) + block, all | H2FrameHeader::has_priority));
  malformed(h2_start() + h2_headers(1, block, H2FrameHeader::end_stream) + h2_settings());
  malformed(h2_start() + h2_headers(1, block, H2FrameHeader::end_stream) +
            h2_frame(H2FrameType::continuation, H2FrameHeader::end_headers, 3, ""));
  malformed(h2_start() + h2_headers(1, block, H2FrameHeader::end_stream) + h2_headers(3, block));

  // Broken HPACK: an index that does not exist, a string longer than the block, bad Huffman code, a table
  // larger than allowed, a size update that does not stand in front.
  malformed(h2_start() + h2_headers(1, "\x80"));
  malformed(h2_start() + h2_headers(1, "\xbe"));
  malformed(h2_start() + h2_headers(1, block + std::string("\0\x7f", 2)));
  malformed(h2_start() + h2_headers(1, block.substr(0, block.size() - 1)));
  malformed(h2_start() + h2_headers(1, std::string("\0\x81\xff\1x", 5)));
  malformed(h2_start() + h2_headers(1, "\x3f\xe2\x1f" + block));
  malformed(h2_start() + h2_headers(1, block + "\x20"));

  // A flood of continuations, and a block that unfolds to more than may be.
  std::string flood = h2_start() + h2_headers(1, block, H2FrameHeader::end_stream);
  for (int i = 0; i < 7300; ++i) flood += h2_frame(H2FrameType::continuation, 0, 1, "");
  malformed(flood);
  std::string bomb =
      hpack_block(get_fields("a.example")) + hpack_field("x", std::string(3000, 'v'), Indexing::incremental);
  for (int i = 0; i < 100; ++i) bomb += "\xbe";
  malformed(h2_start() + h2_headers(1, bomb));

  const auto request = [&](const H2Fields& fields) {
    malformed(h2_start() + h2_headers(1, hpack_block(fields)));
  };
  const auto with = [&](const H2Fields& extra) {
    H2Fields fields = get_fields("a.example");
    fields.insert(fields.end(), extra.begin(), extra.end());
    request(fields);
  };
  request({});
  request({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}});
  request({{":scheme", "http"}, {":path", "/"}, {":authority", "a.example"}});
  request({{":method", "GET"}, {":path", "/"}, {":authority", "a.example"}});
  request({{":method", "GET"}, {":scheme", "http"}, {":authority", "a.example"}});
  request({{":method", ""}, {":scheme", "http"}, {":path", "/"}, {":authority", "a.example"}});
  request({{":method", "GET"}, {":scheme", "http"}, {":path", ""}, {":authority", "a.example"}});
  request({{":method", "CONNECT"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a.example:1"}});
  request({{":method", "CONNECT"}, {"host", "a.example:1"}});
  request({{":method", "GET"},
           {":protocol", "websocket"},
           {":scheme", "http"},
           {":path", "/"},
           {":authority", "a.example"}});
  request({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"x", "y"}, {":authority", "a.example"}});
  for (const std::string_view authority : {"", "a b", "a.example:65536", "user@a.example", "a/b", "a..b"}) {
    request(get_fields(std::string(authority)));
  }
  request(get_fields(std::string("a\0b", 3)));
  request(get_fields(std::string(256, 'a')));
  with({{":authority", "a.example"}});
  with({{":path", "/"}});
  with({{":status", "200"}});
  with({{":unknown", ""}});
  with({{":", ""}});
  with({{"host", "b.example"}});
  with({{"host", "a.example:8080"}});
  with({{"host", "a.example"}, {"host", "a.example"}});
  with({{"host", ""}});
  with({{"Host", "a.example"}});
  with({{"X", "y"}});
  with({{"x y", "z"}});
  with({{"x:", "z"}});
  with({{"", "z"}});
  with({{"x", "a\rb"}});
  with({{"x", "a\nb"}});
  with({{"x", std::string("a\0b", 3)}});
  with({{"x", " y"}});
  with({{"x", "y\t"}});
  with({{"connection", "close"}});
  with({{"proxy-connection", "close"}});
  with({{"keep-alive", "1"}});
  with({{"transfer-encoding", "chunked"}});
  with({{"upgrade", "h2c"}});
  with({{"te", "trailers, deflate"}});
}

inline std::vector<H2Vector> h2_vectors() {
  std::vector<H2Vector> vectors;
  add_legal_h2_vectors(vectors);
  add_malformed_h2_vectors(vectors);
  for (const std::string& other :
       std::vector<std::string>{"GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r",
                                "PRI * HTTP/1.1\r\n", "PRi", "\x16\x03\x01"}) {
    vectors.push_back({other, {.verdict = Verdict::not_mine}});
  }
  for (const std::string& start : std::vector<std::string>{"", "PRI", std::string(h2_preface), h2_start(),
                                                           h2_start() + h2_headers(1, "", 0)}) {
    vectors.push_back({start, {.verdict = Verdict::need_more}});
  }
  return vectors;
}

}  // namespace portshare::test
