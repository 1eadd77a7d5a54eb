// Response heads and what an HttpResponseHeadReader must say about them. Shared by the tests and by the seeds
// of the fuzz target.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/http_response_head.h"
#include "core/verdict.h"

namespace portshare::test {

struct ResponseVector {
  std::string bytes;
  Verdict verdict = Verdict::recognised;
  HttpResponseContext context = {};
  // What follows is of a recognised one.
  unsigned status = 200;
  std::uint8_t minor_version = 1;
  bool is_interim = false;
  HttpResponseHead::Body body = HttpResponseHead::Body::until_close;
  std::uint64_t content_length = 0;
  bool keep_alive = false;
  std::size_t behind = 0;  ///< bytes behind the head
};

/// A response with this status line and these field lines, each with its end.
inline std::string response(std::string_view status_line, std::string_view fields = "") {
  return std::string(status_line) + "\r\n" + std::string(fields) + "\r\n";
}

inline std::string ok_with(std::string_view fields) {
  return response("HTTP/1.1 200 OK", fields);
}

inline void add_legal_status_lines(std::vector<ResponseVector>& vectors) {
  using Body = HttpResponseHead::Body;
  vectors.push_back({.bytes = "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 5\r\n\r\nhello",
                     .body = Body::content_length,
                     .content_length = 5,
                     .keep_alive = true,
                     .behind = 5});
  const auto add = [&](std::string_view line, unsigned status, std::uint8_t minor_version = 1) {
    vectors.push_back({.bytes = response(line), .status = status, .minor_version = minor_version});
  };
  add("HTTP/1.1 200 OK", 200);
  add("HTTP/1.1 200 ", 200);
  add("HTTP/1.1 200", 200);
  add("HTTP/1.1 404 Not \tFound: \xc3\xa9\x01!", 404);
  add("HTTP/1.1 200  OK ", 200);
  add("HTTP/1.0 200 OK", 200, 0);
  add("HTTP/1.2 200 OK", 200);
  add("HTTP/1.9 500 x", 500);
  add("HTTP/1.1 205 x", 205);
  add("HTTP/1.1 999 Request denied", 999);
  add("HTTP/1.1 600", 600);
}

inline void add_bodies(std::vector<ResponseVector>& vectors) {
  using Body = HttpResponseHead::Body;
  const auto counted = [&](std::string_view fields, std::uint64_t length) {
    vectors.push_back({.bytes = ok_with(fields),
                       .body = Body::content_length,
                       .content_length = length,
                       .keep_alive = true});
  };
  counted("Content-Length: 0\r\n", 0);
  counted("content-length:5\r\n", 5);
  counted("Content-Length: \t 0005 \t\r\n", 5);
  counted("Content-Length: 9223372036854775807\r\n", 9223372036854775807ULL);
  counted("Content-Length: 5\r\nX: y\r\nContent-Length: 5\r\n", 5);
  counted("Content-Length: 5, 05 ,5\r\n", 5);
  counted("X: y\r\n folded\r\n\tand so on\r\nContent-Length: 5\r\n", 5);
  counted("X:\r\n folded\r\nContent-Length: 5\r\n", 5);
  counted("X: y\r\n Content-Length: 7\r\nContent-Length: 5\r\n", 5);
  counted("X: \x01\x7f\x1b\v\f\x80\r\nContent-Length: 5\r\n", 5);
  counted("X-Content-Length: 7\r\nContent-Lengths: 8\r\nContent-Length: 5\r\n", 5);
  vectors.push_back({.bytes = "HTTP/1.1 200 OK\nContent-Length: 5\nX: y\n z\n\n",
                     .body = Body::content_length,
                     .content_length = 5,
                     .keep_alive = true});
  vectors.push_back({.bytes = "HTTP/1.1 200\n\n\r\n", .behind = 2});

  const auto chunked = [&](std::string_view fields) {
    vectors.push_back({.bytes = ok_with(fields), .body = Body::chunked, .keep_alive = true});
  };
  chunked("Transfer-Encoding: chunked\r\n");
  chunked("TRANSFER-ENCODING:\tCHUNKED\t\r\n");
  chunked("Transfer-Encoding: gzip, chunked\r\n");
  chunked("Transfer-Encoding: br , chunked\r\n");
  chunked("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n");
  // Believed, but nobody who may have read it otherwise gets a second response.
  vectors.push_back(
      {.bytes = ok_with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), .body = Body::chunked});
  vectors.push_back(
      {.bytes = ok_with("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"), .body = Body::chunked});
  vectors.push_back(
      {.bytes = response("HTTP/1.0 200 OK", "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n"),
       .minor_version = 0,
       .body = Body::chunked});
  vectors.push_back({.bytes = ok_with("Transfer-Encoding: gzip\r\n")});
  vectors.push_back({.bytes = ok_with("Transfer-Encoding: identity\r\nContent-Length: 5\r\n")});
  vectors.push_back({.bytes = ok_with("Transfer-Encoding: xchunked\r\n")});
  vectors.push_back({.bytes = ok_with("Connection: keep-alive\r\n")});

  // What has no body, whatever it announces.
  const auto none = [&](std::string bytes, unsigned status, HttpResponseContext context, bool keep_alive) {
    vectors.push_back({.bytes = std::move(bytes),
                       .context = context,
                       .status = status,
                       .body = Body::none,
                       .keep_alive = keep_alive});
  };
  const HttpResponseContext head = {.to_head = true};
  none(ok_with(""), 200, head, true);
  none(ok_with("Content-Length: 5\r\n"), 200, head, true);
  none(ok_with("Transfer-Encoding: chunked\r\n"), 200, head, true);
  none(ok_with("Transfer-Encoding: gzip\r\n"), 200, head, true);
  none(ok_with("Content-Length: 5\r\nConnection: close\r\n"), 200, head, false);
  none(ok_with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 200, head, false);
  none(response("HTTP/1.1 304 Not Modified", "Content-Length: 5\r\n"), 304, {}, true);
  none(response("HTTP/1.1 304 Not Modified", "Transfer-Encoding: chunked\r\n"), 304, {}, true);
  none(response("HTTP/1.1 204 No Content"), 204, {}, true);
  none(response("HTTP/1.1 204 No Content", "Content-Length: 0\r\n"), 204, {}, true);
  none(response("HTTP/1.1 204 No Content", "Content-Length: 5\r\n"), 204, {}, false);
  none(response("HTTP/1.1 204 No Content", "Transfer-Encoding: chunked\r\n"), 204, {}, false);
}

inline void add_persistence(std::vector<ResponseVector>& vectors) {
  using Body = HttpResponseHead::Body;
  const auto add = [&](std::uint8_t minor_version, std::string_view fields, bool keep_alive) {
    vectors.push_back({.bytes = response(minor_version == 0 ? "HTTP/1.0 200 OK" : "HTTP/1.1 200 OK",
                                         "Content-Length: 5\r\n" + std::string(fields)),
                       .minor_version = minor_version,
                       .body = Body::content_length,
                       .content_length = 5,
                       .keep_alive = keep_alive});
  };
  add(1, "", true);
  add(1, "Connection: close\r\n", false);
  add(1, "connection: x, CLOSE\r\n", false);
  add(1, "Connection: keep-alive\r\nConnection: close\r\n", false);
  add(1, "Connection: closed\r\n", true);
  add(1, "Connection:\r\n", true);
  add(1, "Proxy-Connection: close\r\n", true);
  add(0, "", false);
  add(0, "Connection: Keep-Alive\r\n", true);
  add(0, "Connection: keep-alive, close\r\n", false);
}

inline void add_interim_and_tunnels(std::vector<ResponseVector>& vectors) {
  using Body = HttpResponseHead::Body;
  const auto interim = [&](std::string bytes, unsigned status, std::size_t behind = 0) {
    vectors.push_back({.bytes = std::move(bytes),
                       .status = status,
                       .is_interim = true,
                       .body = Body::none,
                       .keep_alive = true,
                       .behind = behind});
  };
  interim("HTTP/1.1 100 Continue\r\n\r\n", 100);
  interim("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 100, 19);
  interim("HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n", 100);
  interim("HTTP/1.1 102 Processing\r\n\r\n", 102);
  interim("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n", 103);
  interim("HTTP/1.1 199 x\r\n\r\n", 199);

  const auto tunnel = [&](std::string bytes, unsigned status, HttpResponseContext context) {
    vectors.push_back(
        {.bytes = std::move(bytes), .context = context, .status = status, .body = Body::tunnel});
  };
  const std::string switching =
      response("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade\r\nUpgrade: websocket\r\n");
  tunnel(switching, 101, {.to_upgrade = true});
  tunnel(switching, 101, {.to_head = true, .to_upgrade = true});
  tunnel(response("HTTP/1.1 101 x", "Content-Length: 5\r\n"), 101, {.to_upgrade = true});
  const HttpResponseContext connect = {.to_connect = true};
  tunnel(response("HTTP/1.1 200 Connection established"), 200, connect);
  tunnel(ok_with("Content-Length: 0\r\n"), 200, connect);
  tunnel(ok_with("Transfer-Encoding: chunked\r\n"), 200, connect);
  tunnel(response("HTTP/1.1 204 x"), 204, connect);
  tunnel(response("HTTP/1.1 299 x", "Content-Length: 5\r\n"), 299, connect);
  // A refusal is a response like any other.
  vectors.push_back({.bytes = response("HTTP/1.1 407 x", "Content-Length: 5\r\n"),
                     .context = connect,
                     .status = 407,
                     .body = Body::content_length,
                     .content_length = 5,
                     .keep_alive = true});
  vectors.push_back({.bytes = ok_with("Content-Length: 5\r\n"),
                     .context = {.to_upgrade = true},
                     .body = Body::content_length,
                     .content_length = 5,
                     .keep_alive = true});
  vectors.push_back({.bytes = response("HTTP/1.1 100 Continue"),
                     .context = {.to_connect = true, .to_upgrade = true},
                     .status = 100,
                     .is_interim = true,
                     .body = Body::none,
                     .keep_alive = true});
}

/// The examples of RFC 9110 (3.9, 7.8, 15.2.1, 15.5.6) and RFC 6455 (1.3).
inline void add_rfc_responses(std::vector<ResponseVector>& vectors) {
  using Body = HttpResponseHead::Body;
  vectors.push_back({.bytes = ok_with("Date: Mon, 27 Jul 2009 12:28:53 GMT\r\nServer: Apache\r\n"
                                      "Last-Modified: Wed, 22 Jul 2009 19:15:56 GMT\r\n"
                                      "ETag: \"34aa387-d-1568eb00\"\r\nAccept-Ranges: bytes\r\n"
                                      "Content-Length: 51\r\nVary: Accept-Encoding\r\n"
                                      "Content-Type: text/plain\r\n") +
                              "Hello World! My content includes a trailing CRLF.\r\n",
                     .body = Body::content_length,
                     .content_length = 51,
                     .keep_alive = true,
                     .behind = 51});
  for (const std::string_view further : {"", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"}) {
    vectors.push_back(
        {.bytes = response("HTTP/1.1 101 Switching Protocols",
                           "Upgrade: websocket\r\nConnection: Upgrade\r\n" + std::string(further)),
         .context = {.to_upgrade = true},
         .status = 101,
         .body = Body::tunnel});
  }
}

inline void add_malformed_responses(std::vector<ResponseVector>& vectors) {
  const auto add = [&](std::string bytes, HttpResponseContext context = {}) {
    vectors.push_back({.bytes = std::move(bytes), .verdict = Verdict::malformed, .context = context});
  };
  const std::string_view lines[] = {"",
                                    "HTTP/1.1",
                                    "HTTP/1.1 ",
                                    "HTTP/1.1 20",
                                    "HTTP/1.1 20 OK",
                                    "HTTP/1.1 2000 OK",
                                    "HTTP/1.1 200OK",
                                    "HTTP/1.1 200\tOK",
                                    "HTTP/1.1  200 OK",
                                    "HTTP/1.1\t200 OK",
                                    "HTTP/1.1 2x0 OK",
                                    "HTTP/1.1 +20 OK",
                                    "HTTP/1.1 000 OK",
                                    "HTTP/1.1 099 OK",
                                    "HTTP/1.10 200 OK",
                                    "HTTP/1.x 200 OK",
                                    "HTTP/1. 200 OK",
                                    "HTTP/2.0 200 OK",
                                    "HTTP/0.9 200 OK",
                                    "HTTP/01.1 200 OK",
                                    "http/1.1 200 OK",
                                    " HTTP/1.1 200 OK",
                                    "ICY 200 OK",
                                    "200 OK",
                                    "GET / HTTP/1.1",
                                    "<html>",
                                    "HTTP/1.1 200 O\rK",
                                    "HTTP/1.1 200 OK\r"};
  for (const std::string_view line : lines) add(response(line));
  add(response({"HTTP/1.1 200 \0", 14}));
  add("\r\n" + ok_with(""));
  add("SSH-2.0-x");
  add("\x15\x03\x01");
  add("\n");

  const std::string_view fields[] = {
      "X: y\n", "X: y\r\r\n", "X: a\rb\r\n", "\rX: y\r\n", "X: a\nContent-Length: 0\r\n", "\nX: y\r\n",
      " X: y\r\n", "X: y\r\n \r\n", "X: y\r\n\t\t\r\n", "X: y\r\n a\rb\r\n", "X : y\r\n", "X\t: y\r\n",
      "Content-Length : 5\r\n", ": y\r\n", "X\r\n", "X(Y): z\r\n", "X Y: z\r\n", "X\x80: y\r\n",
      "HTTP/1.1 200 OK\r\n",
      // Where folding would decide the framing.
      "Content-Length: 5\r\n 6\r\n", "Content-Length:\r\n 5\r\n", "Transfer-Encoding:\r\n chunked\r\n",
      "Transfer-Encoding: chunked\r\n x\r\n", "Connection: x,\r\n close\r\n",
      "X: y\r\nConnection: x\r\n y\r\n", "Connection: close\x01\r\n", "Content-Length: 5\v\r\n",
      "Transfer-Encoding: \x7f\r\n",
      // The length.
      "Content-Length:\r\n", "Content-Length: -1\r\n", "Content-Length: +5\r\n", "Content-Length: 5 5\r\n",
      "Content-Length: 0x5\r\n", "Content-Length: 5a\r\n", "Content-Length: \"5\"\r\n",
      "Content-Length: 5,\r\n", "Content-Length: 5,6\r\n", "Content-Length: 5, x\r\n",
      "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 9223372036854775808\r\n",
      "Content-Length: 18446744073709551621\r\n", "Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
      "Transfer-Encoding:\r\n", "Transfer-Encoding: chunked,\r\n", "Transfer-Encoding: ,chunked\r\n",
      "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: chunked, gzip\r\n",
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "Transfer-Encoding: chunked;q=1\r\n",
      "Transfer-Encoding: \"chunked\"\r\n", "Transfer-Encoding: gzip chunked\r\n",
      "Transfer-Encoding: chun\tked\r\n", "Transfer-Encoding: chunked\x80\r\n"};
  for (const std::string_view field : fields) add(ok_with(field));
  add(ok_with({"X: \0\r\n", 6}));
  add("HTTP/1.1 200 OK\nX: y\r\n\n");
  add("HTTP/1.1 200 OK\nX: y\n\r\n");
  add("HTTP/1.1 200 OK\nX: a\rb\n\n");
  add(ok_with("Content-Length: x\r\n"), {.to_head = true});

  add(response("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
  add(response("HTTP/1.1 101 x"), {.to_connect = true});
  add(response("HTTP/1.1 100 Continue", "Content-Length: 5\r\n"));
  add(response("HTTP/1.1 103 x", "Transfer-Encoding: chunked\r\n"), {.to_upgrade = true});
}

inline void add_incomplete_responses(std::vector<ResponseVector>& vectors) {
  for (const std::string_view prefix : {"", "H", "HTTP/1.", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r",
                                        "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\n", "HTTP/1.1 200 OK\r\n\r",
                                        "HTTP/1.1 200 OK\r\nX: y\r\n", "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r"})
    vectors.push_back({.bytes = std::string(prefix), .verdict = Verdict::need_more});
}

inline std::vector<ResponseVector> response_vectors() {
  std::vector<ResponseVector> vectors;
  add_legal_status_lines(vectors);
  add_bodies(vectors);
  add_persistence(vectors);
  add_interim_and_tunnels(vectors);
  add_rfc_responses(vectors);
  add_malformed_responses(vectors);
  add_incomplete_responses(vectors);
  return vectors;
}

}  // namespace portshare::test
