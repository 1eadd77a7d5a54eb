// Any bytes as the first ones of a client, for all the recognisers without state at once.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/openers.h"
#include "tests/fuzz/split_check.h"

using namespace portshare;
using namespace portshare::test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // What lies further behind must not matter.
  constexpr std::size_t longest_look = 512;
  const std::size_t looked_at = std::min(size, longest_look);
  std::size_t claims = 0;
  for (const Opener& opener : openers) {
    const Verdict verdict = opener.recognise({data, size});
    require(verdict != Verdict::malformed);
    require(verdict != Verdict::need_more || size < longest_look);
    if (verdict == Verdict::recognised) ++claims;
    Verdict before = Verdict::need_more;
    for (std::size_t length = 0; length <= looked_at; ++length) {
      const Verdict now = opener.recognise(std::vector<std::uint8_t>(data, data + length));
      require(before == Verdict::need_more || now == before);
      before = now;
    }
    require(before == verdict);
  }
  // SOCKS and OpenVPN overlap where their order settles it (core/openers.h).
  const bool may_be_both = size >= 3 && data[0] == 4 && data[2] == 0x50;
  require(claims <= (may_be_both ? 2U : 1U));
  return 0;
}
