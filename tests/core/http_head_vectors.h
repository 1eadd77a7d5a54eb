// Request heads and what an HttpHeadReader must say about them. Shared by the tests and by the seeds of the
// fuzz target.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/http_head.h"
#include "core/verdict.h"

namespace portshare::test {

struct HttpVector {
  std::string bytes;
  Verdict verdict = Verdict::recognised;
  // What follows is of a recognised one.
  std::string method = "GET";
  std::string target = "/";
  unsigned minor_version = 1;
  std::string host = "a.example";  ///< empty: none
  std::string port = {};           ///< empty: none
  HttpHead::Body body = HttpHead::Body::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  bool upgrade = false;
  bool expects_continue = false;
  bool upgrade_to_http2 = false;
  std::size_t behind = 0;  ///< bytes behind the head
};

/// A GET with these further field lines, each with its line end.
inline std::string get_with(std::string_view fields) {
  return "GET / HTTP/1.1\r\nHost: a.example\r\n" + std::string(fields) + "\r\n";
}

/// A head with this request line and a Host.
inline std::string request(std::string_view line) {
  return std::string(line) + "\r\nHost: a.example\r\n\r\n";
}

/// A GET whose Host field has this value.
inline std::string get_from(std::string_view host) {
  return "GET / HTTP/1.1\r\nHost:" + std::string(host) + "\r\n\r\n";
}

/// A head with this request line and this Host.
inline std::string request_to(std::string_view line, std::string_view host) {
  return std::string(line) + "\r\nHost: " + std::string(host) + "\r\n\r\n";
}

inline void add_legal_request_lines(std::vector<HttpVector>& vectors) {
  vectors.push_back(
      {.bytes = "GET / HTTP/1.1\r\nHost: a.example\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"});
  vectors.push_back({.bytes = request("GET /a?b=c&d=%20 HTTP/1.1"), .target = "/a?b=c&d=%20"});
  vectors.push_back({.bytes = request("GET //x HTTP/1.1"), .target = "//x"});
  vectors.push_back({.bytes = request("GET /\"<>\\^`{|} HTTP/1.1"), .target = "/\"<>\\^`{|}"});
  vectors.push_back({.bytes = request("GET / HTTP/1.2")});
  vectors.push_back({.bytes = request("GET / HTTP/1.9")});
  vectors.push_back({.bytes = request("OPTIONS * HTTP/1.1"), .method = "OPTIONS", .target = "*"});
  vectors.push_back({.bytes = request("get / HTTP/1.1"), .method = "get"});
  vectors.push_back({.bytes = request("BREW /pot HTTP/1.1"), .method = "BREW", .target = "/pot"});
  vectors.push_back({.bytes = request("M-SEARCH / HTTP/1.1"), .method = "M-SEARCH"});
  vectors.push_back({.bytes = request("!#$%&'*+-.^_`|~09 / HTTP/1.1"), .method = "!#$%&'*+-.^_`|~09"});
  const std::string longest_method(32, 'M');
  vectors.push_back({.bytes = request(longest_method + " / HTTP/1.1"), .method = longest_method});
  vectors.push_back({.bytes = "\r\n" + request("GET / HTTP/1.1")});
  vectors.push_back({.bytes = "\r\n\r\n" + request("GET / HTTP/1.1")});

  vectors.push_back({.bytes = "GET / HTTP/1.0\r\n\r\n", .minor_version = 0, .host = "", .keep_alive = false});
  vectors.push_back({.bytes = request("GET / HTTP/1.0"), .minor_version = 0, .keep_alive = false});
  vectors.push_back(
      {.bytes = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", .minor_version = 0, .host = ""});
  vectors.push_back({.bytes = "GET http://b.example/ HTTP/1.0\r\n\r\n",
                     .target = "http://b.example/",
                     .minor_version = 0,
                     .host = "b.example",
                     .keep_alive = false});

  const auto absolute = [&](const std::string& target, std::string_view host, std::string port = "") {
    vectors.push_back({.bytes = request_to("GET " + target + " HTTP/1.1", host),
                       .target = target,
                       .host = "b.example",
                       .port = std::move(port)});
  };
  absolute("http://b.example/", "b.example");
  absolute("http://b.example", "b.example");
  absolute("http://b.example?q=http://c.example/", "b.example");
  absolute("HTTP://B.Example./", "b.EXAMPLE");
  absolute("http://b.example:80/", "b.example", "80");
  absolute("http://b.example/", "b.example:80");
  absolute("http://b.example:/", "b.example:80");
  absolute("https://b.example/", "b.example:443");
  absolute("http://b.example:8080/x", "b.example:8080", "8080");
  absolute("coap+tcp://b.example/", "b.example");
  vectors.push_back({.bytes = request_to("OPTIONS http://b.example HTTP/1.1", "b.example"),
                     .method = "OPTIONS",
                     .target = "http://b.example",
                     .host = "b.example"});
  vectors.push_back({.bytes = request_to("CONNECT b.example:443 HTTP/1.1", "b.example:443"),
                     .method = "CONNECT",
                     .target = "b.example:443",
                     .host = "b.example",
                     .port = "443"});
  vectors.push_back({.bytes = request_to("CONNECT b.example:443 HTTP/1.1", "B.example"),
                     .method = "CONNECT",
                     .target = "b.example:443",
                     .host = "b.example",
                     .port = "443"});
  vectors.push_back(
      {.bytes = "CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\nContent-Length: 0\r\n\r\n",
       .method = "CONNECT",
       .target = "b.example:443",
       .host = "b.example",
       .port = "443",
       .body = HttpHead::Body::content_length});
  vectors.push_back({.bytes = "CONNECT [2001:db8::1]:443 HTTP/1.0\r\n\r\n",
                     .method = "CONNECT",
                     .target = "[2001:db8::1]:443",
                     .minor_version = 0,
                     .host = "2001:db8::1",
                     .port = "443",
                     .keep_alive = false});
}

inline void add_legal_fields(std::vector<HttpVector>& vectors) {
  vectors.push_back({.bytes = get_from("a.example")});
  vectors.push_back({.bytes = get_from(" \t A.Example. \t ")});
  vectors.push_back({.bytes = get_from(" a.example:8080"), .port = "8080"});
  vectors.push_back({.bytes = get_from(" a.example:")});
  vectors.push_back({.bytes = get_from(" a.example:65535"), .port = "65535"});
  vectors.push_back({.bytes = get_from(" 192.0.2.1"), .host = "192.0.2.1"});
  vectors.push_back({.bytes = get_from(" [2001:DB8::1]:81"), .host = "2001:db8::1", .port = "81"});
  vectors.push_back({.bytes = "GET / HTTP/1.1\r\nhOsT: a.example\r\n\r\n"});
  vectors.push_back({.bytes = get_with("X-Empty:\r\nX-Blank: \t\r\nX:y\r\n")});
  vectors.push_back({.bytes = get_with("X-Text: a\tb \"c\" \x80\xff\xc3\xa9\r\n")});
  vectors.push_back({.bytes = get_with("!#$%&'*+-.^_`|~09: mark\r\n")});
  vectors.push_back({.bytes = get_with("Hosts: b.example\r\nXost: c.example\r\n")});
  vectors.push_back({.bytes = get_with("X: " + std::string(60000, 'x') + "\r\n")});
  vectors.push_back({.bytes = get_with("") + "GET / HTTP/1.1\r\n", .behind = 16});
  vectors.push_back({.bytes = get_with("") + std::string("\0\r\xff", 3), .behind = 3});

  const auto length_of = [&](std::string_view value, std::uint64_t length) {
    vectors.push_back({.bytes = get_with("Content-Length:" + std::string(value) + "\r\n"),
                       .body = HttpHead::Body::content_length,
                       .content_length = length});
  };
  length_of(" 0", 0);
  length_of("5", 5);
  length_of(" 0000000000000000000000000000042 ", 42);
  length_of(" 9223372036854775807", 9223372036854775807ULL);
  const auto chunked = [&](std::string_view fields) {
    vectors.push_back({.bytes = get_with(fields), .body = HttpHead::Body::chunked});
  };
  chunked("Transfer-Encoding: chunked\r\n");
  chunked("transfer-encoding:Chunked\r\n");
  chunked("Transfer-Encoding: gzip, chunked\r\n");
  chunked("Transfer-Encoding: x-gzip \t,\tdeflate,compress , x-compress,CHUNKED\r\n");
  chunked("Transfer-Encoding: gzip\r\nX: y\r\nTransfer-Encoding: chunked\r\n");

  vectors.push_back({.bytes = get_with("Connection: close\r\n"), .keep_alive = false});
  vectors.push_back({.bytes = get_with("Connection: x, Close ,y\r\n"), .keep_alive = false});
  vectors.push_back(
      {.bytes = get_with("Connection: keep-alive\r\nConnection: close\r\n"), .keep_alive = false});
  vectors.push_back({.bytes = get_with("Connection: closed, ,\r\n")});
  vectors.push_back(
      {.bytes = get_with("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"), .upgrade = true});
  vectors.push_back({.bytes = get_with("Upgrade: websocket\r\nConnection: upgrade\r\n"), .upgrade = true});
  vectors.push_back({.bytes = get_with("Upgrade: websocket\r\n")});
  vectors.push_back({.bytes = get_with("Connection: upgrade\r\n")});
  vectors.push_back({.bytes = "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
                     .minor_version = 0,
                     .host = "",
                     .keep_alive = false});
  vectors.push_back(
      {.bytes =
           get_with("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
       .upgrade = true,
       .upgrade_to_http2 = true});
  vectors.push_back({.bytes = get_with("Connection: upgrade\r\nUpgrade: websocket, H2C\r\nUpgrade: x\r\n"),
                     .upgrade = true,
                     .upgrade_to_http2 = true});
  vectors.push_back({.bytes = get_with("Upgrade: h2c\r\n")});
  vectors.push_back({.bytes = get_with("Connection: upgrade\r\nUpgrade: h2c-17\r\n"), .upgrade = true});
  vectors.push_back({.bytes = get_with("Expect: 100-Continue\r\n"), .expects_continue = true});
  vectors.push_back({.bytes = get_with("Expect: 100\r\n")});
  vectors.push_back({.bytes = "GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n",
                     .minor_version = 0,
                     .host = "",
                     .keep_alive = false});
}

/// The examples of RFC 9110, RFC 9112 and RFC 6455.
inline void add_rfc_requests(std::vector<HttpVector>& vectors) {
  const auto lines = [](std::string_view text) {
    std::string bytes;
    for (const char c : text) bytes += c == '\n' ? std::string("\r\n") : std::string(1, c);
    return bytes;
  };
  // RFC 9112, 2.1 has the example of RFC 9110, 3.9.
  vectors.push_back({.bytes = lines("GET /hello.txt HTTP/1.1\nUser-Agent: curl/7.64.1\nHost: "
                                    "www.example.com\nAccept-Language: en, mi\n\n"),
                     .target = "/hello.txt",
                     .host = "www.example.com"});
  // RFC 9112, 3.2.1 to 3.2.4.
  vectors.push_back({.bytes = lines("GET /where?q=now HTTP/1.1\nHost: www.example.org\n\n"),
                     .target = "/where?q=now",
                     .host = "www.example.org"});
  vectors.push_back(
      {.bytes =
           lines("GET http://www.example.org/pub/WWW/TheProject.html HTTP/1.1\nHost: www.example.org\n\n"),
       .target = "http://www.example.org/pub/WWW/TheProject.html",
       .host = "www.example.org"});
  vectors.push_back({.bytes = lines("CONNECT www.example.com:80 HTTP/1.1\nHost: www.example.com\n\n"),
                     .method = "CONNECT",
                     .target = "www.example.com:80",
                     .host = "www.example.com",
                     .port = "80"});
  vectors.push_back({.bytes = lines("OPTIONS * HTTP/1.1\nHost: www.example.org:8001\n\n"),
                     .method = "OPTIONS",
                     .target = "*",
                     .host = "www.example.org",
                     .port = "8001"});
  // RFC 9110, 7.8, 9.3.6 and 10.1.1.
  vectors.push_back(
      {.bytes = lines(
           "GET /hello HTTP/1.1\nHost: www.example.com\nConnection: upgrade\nUpgrade: websocket, IRC/6.9, "
           "RTA/x11\n\n"),
       .target = "/hello",
       .host = "www.example.com",
       .upgrade = true});
  vectors.push_back(
      {.bytes = lines(
           "CONNECT server.example.com:80 HTTP/1.1\nHost: server.example.com:80\nProxy-Authorization: basic "
           "aGVsbG86d29ybGQ=\n\n"),
       .method = "CONNECT",
       .target = "server.example.com:80",
       .host = "server.example.com",
       .port = "80"});
  vectors.push_back(
      {.bytes = lines(
           "PUT /somewhere/fun HTTP/1.1\nHost: origin.example.com\nContent-Type: video/h264\nContent-Length: "
           "1234567890987\nExpect: 100-continue\n\n"),
       .method = "PUT",
       .target = "/somewhere/fun",
       .host = "origin.example.com",
       .body = HttpHead::Body::content_length,
       .content_length = 1234567890987,
       .expects_continue = true});
  // RFC 6455, 1.3.
  vectors.push_back(
      {.bytes = lines(
           "GET /chat HTTP/1.1\nHost: server.example.com\nUpgrade: websocket\nConnection: Upgrade\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nOrigin: http://example.com\nSec-WebSocket-Protocol: "
           "chat, "
           "superchat\nSec-WebSocket-Version: 13\n\n"),
       .target = "/chat",
       .host = "server.example.com",
       .upgrade = true});
}

inline void add_malformed_heads(std::vector<HttpVector>& vectors) {
  const auto add = [&](std::string bytes) {
    vectors.push_back({.bytes = std::move(bytes), .verdict = Verdict::malformed});
  };
  // The request line.
  const std::string_view lines[] = {"GET /",
                                    "GET / ",
                                    "GET  / HTTP/1.1",
                                    "GET /  HTTP/1.1",
                                    "GET / HTTP/1.1 ",
                                    "GET /a b HTTP/1.1",
                                    "GET /\tHTTP/1.1",
                                    "GET / HTTP/1.1\t",
                                    "GET HTTP/1.1",
                                    "GET  HTTP/1.1",
                                    "GET / http/1.1",
                                    "GET / HTTP/1",
                                    "GET / HTTP/1.",
                                    "GET / HTTP/1.x",
                                    "GET / HTTP/1.10",
                                    "GET / HTTP/11.1",
                                    "GET / HTTP/0.9",
                                    "GET / HTTP/2.0",
                                    "GET / HTTP/3",
                                    "GET / HTTP/01.1",
                                    "GET / HTTP/ 1.1",
                                    "GET / XTTP/1.1",
                                    "GET / SIP/2.0",
                                    "GET /a#b HTTP/1.1",
                                    "GET /\x80 HTTP/1.1",
                                    "GET /\x7f HTTP/1.1",
                                    "GET /\x01 HTTP/1.1",
                                    "GET * HTTP/1.1",
                                    "GET a.example HTTP/1.1",
                                    "GET a.example:80 HTTP/1.1",
                                    "GET http:/a.example/ HTTP/1.1",
                                    "GET http:// HTTP/1.1",
                                    "GET http:///x HTTP/1.1",
                                    "GET ://a.example/ HTTP/1.1",
                                    "GET 1http://a.example/ HTTP/1.1",
                                    "GET h_p://a.example/ HTTP/1.1",
                                    "GET ?q HTTP/1.1",
                                    "GET http://user@a.example/ HTTP/1.1",
                                    "GET http://u:p@a.example/ HTTP/1.1",
                                    "GET http://a.example:65536/ HTTP/1.1",
                                    "GET http://a.example:x/ HTTP/1.1",
                                    "GET http://a.example\\@b.example/ HTTP/1.1",
                                    "GET http://b.example/ HTTP/1.1",
                                    "GET http://a.example:8080/ HTTP/1.1",
                                    "GET https://a.example:80/ HTTP/1.1",
                                    "CONNECT / HTTP/1.1",
                                    "CONNECT * HTTP/1.1",
                                    "CONNECT a.example HTTP/1.1",
                                    "CONNECT a.example: HTTP/1.1",
                                    "CONNECT http://a.example/ HTTP/1.1",
                                    "CONNECT a.example:443/ HTTP/1.1",
                                    "CONNECT u@a.example:443 HTTP/1.1",
                                    "CONNECT b.example:443 HTTP/1.1",
                                    "CONNECT a.example:65536 HTTP/1.1",
                                    "BREW  /pot HTTP/1.1",
                                    "BREW /pot HTTP/2.0",
                                    "BREW /a b HTTP/1.1",
                                    "BREW HTTP/1.1",
                                    "BREW #x HTTP/1.1",
                                    "BREW /pot x HTTP/1.1",
                                    "get a.example HTTP/1.1"};
  for (const std::string_view line : lines) add(request(line));
  add(request({"GET /\0 HTTP/1.1", 15}));
  add("GET / HTTP/1.1\nHost: a.example\r\n\r\n");
  add("GET / HTTP/1.1\r\r\nHost: a.example\r\n\r\n");
  add("GET / HTTP/1.1\rHost: a.example\r\n\r\n");
  add("GET /\r HTTP/1.1\r\nHost: a.example\r\n\r\n");
  add("GET /\n");
  add("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  add(request_to("CONNECT a.example:443 HTTP/1.1", "a.example:80"));
  add(request_to("GET http://a.example/ HTTP/1.1", "a.example:81"));
  add("GET http://a.example/ HTTP/1.1\r\n\r\n");

  // Lines of fields.
  const std::string_view fields[] = {"X: y\n",
                                     "\nX: y\r\n",
                                     "X: y\r\r\n",
                                     "X: a\rb\r\n",
                                     "\rX: y\r\n",
                                     "X\r: y\r\n",
                                     "X: y\n\r\n",
                                     "X: y\r\n\n",
                                     " X: y\r\n",
                                     "\tX: y\r\n",
                                     "X: y\r\n z\r\n",
                                     "X: y\r\n\tz\r\n",
                                     "X: y\r\n \r\n",
                                     "X : y\r\n",
                                     "X\t: y\r\n",
                                     ": y\r\n",
                                     ":\r\n",
                                     "X\r\n",
                                     "X y\r\n",
                                     "X(Y): z\r\n",
                                     "X\x80: y\r\n",
                                     "X@: y\r\n",
                                     "\"X\": y\r\n",
                                     "X: \x01\r\n",
                                     "X: \x7f\r\n",
                                     "X: \x1b\r\n",
                                     "X: a\vb\r\n",
                                     "X: a\fb\r\n",
                                     "Host: a.example\r\n",
                                     "Host: b.example\r\n",
                                     "HOST: a.example\r\n",
                                     "Host : b.example\r\n",
                                     " Host: b.example\r\n"};
  for (const std::string_view field : fields) add(get_with(field));
  add(get_with({"X: \0\r\n", 6}));
  add(get_with({"X\0: y\r\n", 7}));

  // Host.
  add("GET / HTTP/1.1\r\n\r\n");
  const std::string_view hosts[] = {"",
                                    " ",
                                    " .",
                                    " a b",
                                    " a.example, b.example",
                                    " a.example:65536",
                                    " a.example:x",
                                    " a.example:-1",
                                    " a.example:8 0",
                                    " a.example:80:80",
                                    " u@a.example",
                                    " a/b",
                                    " http://a.example",
                                    " [::1",
                                    " [a.example]",
                                    " [::1]x",
                                    " a..example",
                                    " a?b",
                                    " a#b",
                                    " a\\b",
                                    " b\xc3\xbc.example",
                                    " \"a.example\"",
                                    " a\tb",
                                    " *",
                                    " a%41"};
  for (const std::string_view host : hosts) add(get_from(host));
  add(get_from(" " + std::string(256, 'a')));
  add("GET / HTTP/1.0\r\nHost:\r\n\r\n");
  add("GET / HTTP/1.0\r\nHost: a b\r\n\r\n");
  add("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n");

  // The length of the body.
  const std::string_view lengths[] = {"",
                                      " ",
                                      " -1",
                                      " +1",
                                      " 1 2",
                                      " 5, 5",
                                      " 5,5",
                                      " 5,",
                                      " 0x5",
                                      " 5a",
                                      " 1e3",
                                      " 5.0",
                                      " \"5\"",
                                      " 9223372036854775808",
                                      " 18446744073709551615",
                                      " 18446744073709551616",
                                      " 18446744073709551621",
                                      " 99999999999999999999999999"};
  for (const std::string_view length : lengths)
    add(get_with("Content-Length:" + std::string(length) + "\r\n"));
  add(get_with("Content-Length: 5\r\nContent-Length: 5\r\n"));
  add(get_with("Content-Length: 5\r\ncontent-length: 6\r\n"));
  add(get_with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"));
  add(get_with("Transfer-Encoding: chunked\r\nX: y\r\nContent-Length: 5\r\n"));
  const std::string_view codings[] = {"",
                                      " ",
                                      " identity",
                                      " gzip",
                                      " chunked, gzip",
                                      " chunked, chunked",
                                      " chunked,",
                                      " ,chunked",
                                      " gzip,,chunked",
                                      " chunked;q=1",
                                      " gzip;q=0.5, chunked",
                                      " xchunked",
                                      " chunked1",
                                      " \"chunked\"",
                                      " chun ked",
                                      " chunked identity",
                                      " br, chunked",
                                      " chunked\v",
                                      " gzip chunked"};
  for (const std::string_view coding : codings)
    add(get_with("Transfer-Encoding:" + std::string(coding) + "\r\n"));
  add(get_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"));
  add(get_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n"));
  add(get_with("Transfer-Encoding: gzip\r\nTransfer-Encoding: gzip\r\n"));
  add("POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n");
  add("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nContent-Length: 5\r\n\r\n");
  add("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nTransfer-Encoding: chunked\r\n\r\n");
}

inline void add_other_openings(std::vector<HttpVector>& vectors) {
  const auto add = [&](std::string bytes, Verdict verdict) {
    vectors.push_back({.bytes = std::move(bytes), .verdict = verdict});
  };
  const std::string_view others[] = {"\x16\x03\x01",
                                     "\x80",
                                     "\n",
                                     "\n\n",
                                     "\rG",
                                     " GET / HTTP/1.1\r\n",
                                     ":",
                                     "HTTP/1.1 200 OK\r\n",
                                     "SSH-2.0-x\r\n",
                                     "EHLO a.example\r\n",
                                     "USER\r\n",
                                     "HELLO WORLD\n",
                                     "GET\r\n",
                                     "GET\t/ HTTP/1.1\r\n",
                                     "QUUX \x80",
                                     "QUUX \x01",
                                     "BREW /pot\r\n",
                                     "BREW /pot HTTP\r\n",
                                     "BREW /pot http/1.1\r\n",
                                     "BREW\r\n",
                                     "BREW /potHTTP/1.1\r\n",
                                     "\r\n\r\n\r\nGET / HTTP/1.1\r\n",
                                     "\r\n\n",
                                     "\r\r\n",
                                     "get /\r\n"};
  for (const std::string_view other : others) add(std::string(other), Verdict::not_mine);
  add(std::string("\0", 1), Verdict::not_mine);
  add(std::string(33, 'M'), Verdict::not_mine);
  add(std::string(33, 'M') + " / HTTP/1.1\r\n", Verdict::not_mine);

  const std::string_view prefixes[] = {"",
                                       "\r",
                                       "\r\n",
                                       "\r\n\r",
                                       "\r\n\r\n",
                                       "G",
                                       "GET",
                                       "GET ",
                                       "GET /",
                                       "GET / ",
                                       "GET / HTTP",
                                       "GET / HTTP/1.1",
                                       "GET / HTTP/1.1\r",
                                       "GET / HTTP/1.1\r\n",
                                       "GET / HTTP/1.1\r\nHost",
                                       "GET / HTTP/1.1\r\nHost: a.example\r\n",
                                       "GET / HTTP/1.1\r\nHost: a.example\r\n\r",
                                       "SSH-2.0-x",
                                       "BREW /pot",
                                       "BREW /pot  x",
                                       "BREW /pot HTTP"};
  for (const std::string_view prefix : prefixes) add(std::string(prefix), Verdict::need_more);
  add(std::string(32, 'M'), Verdict::need_more);
}

inline std::vector<HttpVector> http_vectors() {
  std::vector<HttpVector> vectors;
  add_legal_request_lines(vectors);
  add_legal_fields(vectors);
  add_rfc_requests(vectors);
  add_malformed_heads(vectors);
  add_other_openings(vectors);
  return vectors;
}

}  // namespace portshare::test
