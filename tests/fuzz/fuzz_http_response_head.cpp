// Any bytes as a server's response. The first byte chooses what was asked.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/response_input.h"
#include "tests/fuzz/split_check.h"

using namespace portshare;
using namespace portshare::test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  using Body = HttpResponseHead::Body;
  const HttpResponseContext context = response_context_of(data[0]);
  const HttpResponseHeadReader fresh(context);
  const ByteView bytes = ByteView(data, size).subspan(1);
  const auto [verdict, head] = require_same_answer_for_cuts<ResponseAnswer>(bytes, fresh);
  require(verdict != Verdict::not_mine);
  if (verdict != Verdict::recognised) return 0;

  require(head.length <= bytes.size());
  const std::string_view text = as_text(bytes.first(head.length));
  require(text.ends_with("\r\n\r\n") || text.ends_with("\n\n"));
  require(text.find('\0') == std::string_view::npos);
  require(head.status >= 100 && head.status <= 999);
  require(head.is_interim == (head.status < 200 && head.status != 101));
  require(!head.is_interim || head.body == Body::none);
  require(head.body == Body::content_length || head.content_length == 0);
  require(!context.to_head || head.body == Body::none || head.body == Body::tunnel);
  require(head.body != Body::tunnel || (head.status == 101 ? context.to_upgrade : context.to_connect));
  require(!head.keep_alive || (head.body != Body::until_close && head.body != Body::tunnel));
  // What follows the head does not matter, and nothing shorter is one.
  const ResponseAnswer alone = read_whole<ResponseAnswer>(bytes.first(head.length), fresh);
  require(alone.verdict == verdict && alone.head == head);
  require(read_whole<ResponseAnswer>(bytes.first(head.length - 1), fresh).verdict == Verdict::need_more);
  return 0;
}
