// Chunked bodies and what an HttpBody must say about them. Shared by the tests and by the seeds of the fuzz
// target.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/http_body.h"

namespace portshare::test {

struct ChunkedVector {
  std::string bytes;
  std::size_t count = 0;  ///< of these bytes belong to the body and may be passed on
  HttpBody::Progress progress = HttpBody::Progress::complete;
};

inline void add_legal_chunked(std::vector<ChunkedVector>& vectors) {
  const auto add = [&](const std::string& bytes, std::string_view behind = "") {
    vectors.push_back({.bytes = bytes + std::string(behind), .count = bytes.size()});
  };
  add("0\r\n\r\n");
  add("4\r\nWiki\r\n7\r\npedia i\r\nB\r\nn \r\nchunks.\r\n0\r\n\r\n");
  add("5\r\nhello\r\n0\r\n\r\n", "GET / HTTP/1.1\r\n");
  add("0\r\n\r\n", "\r\n");
  add("0\r\n\r\n", "0\r\n\r\n");
  add("a\r\n0123456789\r\n0\r\n\r\n");
  add("A\r\n0123456789\r\n0\r\n\r\n");
  add("05\r\nhello\r\n000\r\n\r\n");
  add("0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n");
  add("1\r\n\n\r\n1\r\n\r\r\n2\r\n\r\n\r\n0\r\n\r\n");
  add("7\r\n0\r\n\r\nab\r\n0\r\n\r\n");
  add("5;a\r\nhello\r\n0;b\r\n\r\n");
  add("5;a=b;c=\"d;e\\\"f\"\r\nhello\r\n0\r\n\r\n");
  add("5;\r\nhello\r\n0\r\n\r\n");
  add("5; a = \t\xc3\xa9 \r\nhello\r\n0\r\n\r\n");
  add("5;0\r\nhello\r\n0\r\n\r\n");
  add("0\r\nX: y\r\n\r\n", "next");
  add("0\r\nExpires: Sat, 01 Jan 2000 00:00:00 GMT\r\nX-Sum:abc\r\nX-Empty:\r\n\r\n");
  add("0\r\nContent-Lengths: 5\r\nX-Host: b.example\r\n\r\n");
  add("1000\r\n" + std::string(0x1000, 'x') + "\r\n0\r\n\r\n");
  const std::string longest(HttpBody::max_line_length - 4, 'x');
  add("5;" + longest + "\r\nhello\r\n0\r\n\r\n");
  const std::string longest_trailer = "X:" + longest + "\r\n";
  add("0\r\n" + longest_trailer + longest_trailer.substr(0, 2) + longest_trailer.substr(4) + "\r\n");
}

inline void add_incomplete_chunked(std::vector<ChunkedVector>& vectors) {
  const auto add = [&](std::string_view counted, std::string_view held) {
    vectors.push_back({std::string(counted) + std::string(held), counted.size(), HttpBody::Progress::more});
  };
  add("", "");
  add("", "5");
  add("", "5\r");
  add("", "5;a");
  add("", "5\t");
  add("5\r\n", "");
  add("5\r\nhell", "");
  add("5\r\nhello", "");
  add("5\r\nhello", "\r");
  add("5\r\nhello\r\n", "");
  add("5\r\nhello\r\n", "0");
  add("0\r\n", "");
  add("0\r\n", "\r");
  add("0\r\n", "X: y");
  add("0\r\n", "X: y\r");
  add("0\r\nX: y\r\n", "");
  add("0\r\nX: y\r\n", "\r");
  add("7fffffffffffffff\r\nhello", "");
  add("", std::string(HttpBody::max_line_length - 1, '0'));
}

/// What is malformed from a certain line on: nothing of that line and of what follows it may be passed on.
inline void add_malformed_chunked(std::vector<ChunkedVector>& vectors) {
  const auto add = [&](std::string_view counted, std::string_view refused) {
    vectors.push_back(
        {std::string(counted) + std::string(refused), counted.size(), HttpBody::Progress::malformed});
  };
  const std::string_view size_lines[] = {"\r\n",
                                         "\n",
                                         "\r",
                                         "5\n",
                                         "5\r\r\n",
                                         "5\rX\n",
                                         "5 \r\n",
                                         " 5\r\n",
                                         "\t5\r\n",
                                         "5\t\r\n",
                                         "5 ;a\r\n",
                                         "5\t;a\r\n",
                                         "5 5\r\n",
                                         "+5\r\n",
                                         "-5\r\n",
                                         "-0\r\n",
                                         "0x5\r\n",
                                         "0X5\r\n",
                                         "x5\r\n",
                                         "5h\r\n",
                                         "5_0\r\n",
                                         "5,5\r\n",
                                         "5.0\r\n",
                                         "\"5\"\r\n",
                                         "g\r\n",
                                         "\xef\xbc\x95\r\n",
                                         "5=a\r\n",
                                         "5,a\r\n",
                                         ";a\r\n",
                                         "5;a\n",
                                         "5;\n",
                                         "5;a\r\r\n",
                                         "5;a\rb\r\n",
                                         "5;a=\"\n\"\r\n",
                                         "5;a=\"\r\"\r\n",
                                         "5;\x01\r\n",
                                         "5;\x7f\r\n",
                                         "5;\v\r\n",
                                         "00000000000000005\r\n",
                                         "00000000000000000\r\n",
                                         "10000000000000005\r\n",
                                         "100000000000000000000000000000005\r\n",
                                         "8000000000000000\r\n",
                                         "ffffffffffffffff\r\n",
                                         "fffffffffffffffb\r\n"};
  for (const std::string_view line : size_lines) {
    const std::string refused = std::string(line) + "hello\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\n";
    add("", refused);
    add("3\r\nabc\r\n", refused);
  }
  add("", {"5\0\r\nhello", 9});
  add("", {"5;\0\r\nhello", 10});
  add("", {"\0", 1});
  const std::string too_long(HttpBody::max_line_length - 3, 'x');
  add("", "5;" + too_long + "\r\nhello\r\n");
  add("", "5;" + too_long + "x");
  add("", std::string(HttpBody::max_line_length, '0'));

  for (const std::string_view end : {"0\r\n\r\n", "X", "\n", "\rX", "\r\r\n", " \r\n", "\n\r\n", "hello"}) {
    add("5\r\nhello", end);
    add("5;a\r\nhello\r\n5\r\nhello", end);
  }
  add("5\r\nhello\r\n", "\r\n0\r\n\r\n");

  const std::string_view trailers[] = {"X: y\n\r\n",
                                       "\n",
                                       "\r\r\n",
                                       "X: y\r\r\n",
                                       "X: a\rb\r\n",
                                       " X: y\r\n",
                                       "\tX: y\r\n",
                                       " \r\n",
                                       "X : y\r\n",
                                       ": y\r\n",
                                       "X\r\n",
                                       "X y\r\n",
                                       "X(Y): z\r\n",
                                       "X\x80: y\r\n",
                                       "X: \x01\r\n",
                                       "X: \x7f\r\n",
                                       "GET / HTTP/1.1\r\n",
                                       "0\r\n",
                                       "Content-Length: 5\r\n",
                                       "content-LENGTH:0\r\n",
                                       "Transfer-Encoding: chunked\r\n",
                                       "Host: b.example\r\n",
                                       "HOST:\r\n"};
  for (const std::string_view trailer : trailers) {
    const std::string refused = std::string(trailer) + "\r\nGET /hidden HTTP/1.1\r\n";
    add("0\r\n", refused);
    add("3\r\nabc\r\n00;a\r\nX: y\r\n", refused);
  }
  add("0\r\nX: y\r\n", " folded\r\n\r\n");
  add("0\r\n", {"X: \0\r\n", 6});
  add("0\r\n", "X:" + too_long + "\r\n\r\n");
  add("0\r\n", "X:" + too_long + "x");
  // Each line is short enough, together they are too long.
  std::string many;
  const std::string line = "X: " + std::string(1019, 'x') + "\r\n";
  while (many.size() < HttpBody::max_trailers_length) many += line;
  add("0\r\n" + many, "\r\n");
  add("0\r\n" + many.substr(line.size()) + "X: y\r\n", line + "\r\n");
}

inline std::vector<ChunkedVector> chunked_vectors() {
  std::vector<ChunkedVector> vectors;
  add_legal_chunked(vectors);
  add_incomplete_chunked(vectors);
  add_malformed_chunked(vectors);
  return vectors;
}

}  // namespace portshare::test
