// Any bytes as the first ones of an SSH client.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/ssh_banner.h"
#include "tests/fuzz/split_check.h"

using namespace portshare;
using namespace portshare::test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::uint8_t> bytes(data, data + size);
  const Verdict verdict = recognise_ssh(bytes);
  require((verdict == Verdict::recognised) == as_text(bytes).starts_with("SSH-"));
  for (std::size_t length = 0; length < size; ++length) {
    const std::vector<std::uint8_t> prefix(data, data + length);
    const Verdict before = recognise_ssh(prefix);
    require(before == Verdict::need_more || before == verdict);
  }
  return 0;
}
