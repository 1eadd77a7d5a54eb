// Any bytes as the first request of an HTTP/1 client.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/split_check.h"

using namespace portshare;
using namespace portshare::test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  const HttpAnswer answer = require_same_answer_for_cuts<HttpAnswer>(bytes);
  if (answer.verdict != Verdict::recognised) return 0;

  require(answer.length <= size);
  const std::string_view head = as_text(bytes.first(answer.length));
  require(head.ends_with("\r\n\r\n"));
  require(head.find('\0') == std::string_view::npos);
  require(!answer.method.empty() && !answer.target.empty());
  require(answer.has_host != answer.host.empty());
  require(answer.has_host || answer.minor_version == 0);
  require(answer.body == HttpHead::Body::content_length || answer.content_length == 0);
  require(answer.body != HttpHead::Body::chunked || answer.minor_version == 1);
  // What follows the head does not matter, and nothing shorter is one.
  require(read_whole<HttpAnswer>(bytes.first(answer.length)) == answer);
  require(read_whole<HttpAnswer>(bytes.first(answer.length - 1)).verdict == Verdict::need_more);
  return 0;
}
