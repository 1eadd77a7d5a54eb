#include "core/openers/ssh.h"

#include <algorithm>
#include <string_view>

namespace portshare {

Verdict recognise_ssh(ByteView bytes) {
  constexpr std::string_view prefix = "SSH-";
  const std::size_t count = std::min(bytes.size(), prefix.size());
  if (as_text(bytes.first(count)) != prefix.substr(0, count)) return Verdict::not_mine;
  return count == prefix.size() ? Verdict::recognised : Verdict::need_more;
}

}  // namespace portshare
