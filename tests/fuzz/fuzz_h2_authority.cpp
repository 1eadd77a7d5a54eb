// Any bytes as the beginning of an HTTP/2 client's connection: once as they are, and once as a header block
// behind a sound beginning, which random bytes seldom have.
#include <cstddef>
#include <cstdint>

#include "core/host_name.h"
#include "tests/core/h2_authority_vectors.h"
#include "tests/fuzz/split_check.h"

using namespace portshare;
using namespace portshare::test;

namespace {

void check(ByteView bytes) {
  const H2Answer answer = require_same_answer_for_cuts<H2Answer>(bytes);
  if (answer.verdict != Verdict::recognised) return;
  require(answer.length <= bytes.size());
  require(answer.stream % 2 == 1);
  require(!answer.method.empty() && !answer.authority.empty());
  // What follows the header block does not matter, and nothing shorter is one.
  require(read_whole<H2Answer>(bytes.first(answer.length)) == answer);
  require(read_whole<H2Answer>(bytes.first(answer.length - 1)).verdict == Verdict::need_more);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  check(bytes);
  if (size <= h2_default_max_frame_size) check(as_bytes(h2_start() + h2_headers(1, as_text(bytes))));
  return 0;
}
