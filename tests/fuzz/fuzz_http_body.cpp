// Any bytes as a chunked body and what follows it.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "tests/core/body_reading.h"
#include "tests/fuzz/split_check.h"

using namespace portshare;
using namespace portshare::test;

namespace {

/// The answer when `bytes` arrive in pieces of this size.
BodyAnswer read_pieces(std::string_view bytes, std::size_t size) {
  BodyReading reading(HttpBody::chunked());
  for (std::size_t at = 0; at < bytes.size(); at += size) {
    const BodyAnswer before = reading.answer();
    const BodyAnswer after = reading.arrive(bytes.substr(at, size));
    require(after.count >= before.count);
    require(before.progress == HttpBody::Progress::more || after == before);
    require(after.progress != HttpBody::Progress::more || reading.uncounted() < HttpBody::max_line_length);
  }
  return reading.answer();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  const std::string_view text = as_text(bytes);
  const BodyAnswer answer = read_body(HttpBody::chunked(), text);
  require(answer == ReferenceChunkedDecoder(text).decode());
  require(answer == read_pieces(text, 1 + size / 256));
  require(answer == read_pieces(text, 1 + hash_of(bytes) % (size + 1)));

  // What is counted is legal by itself, and only the whole of a complete body is complete.
  const BodyAnswer counted = read_body(HttpBody::chunked(), text.substr(0, answer.count));
  require(counted.count == answer.count);
  const bool is_complete = answer.progress == HttpBody::Progress::complete;
  require((counted.progress == HttpBody::Progress::complete) == is_complete);
  require(counted.progress != HttpBody::Progress::malformed);
  require(!is_complete || text.substr(0, answer.count).ends_with("\r\n\r\n"));
  return 0;
}
