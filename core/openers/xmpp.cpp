#include "core/openers/xmpp.h"

#include <string_view>

namespace portshare {
namespace {

constexpr std::string_view declaration_start = "<?xml ";
constexpr std::string_view declaration_end = "?>";
constexpr std::string_view stream_start = "<stream:stream";
constexpr std::string_view white_space = " \t\r\n";
/// Of the declaration with the white space behind it. The longest sensible one has half of that.
constexpr std::size_t max_prologue_length = 128;

bool may_begin_with(std::string_view text, std::string_view start) {
  return text.starts_with(start.substr(0, text.size()));
}

Verdict recognise_stream(std::string_view text) {
  if (!may_begin_with(text, stream_start)) return Verdict::not_mine;
  if (text.size() <= stream_start.size()) return Verdict::need_more;
  const char next = text[stream_start.size()];
  const bool ends_name = next == '>' || white_space.find(next) != std::string_view::npos;
  return ends_name ? Verdict::recognised : Verdict::not_mine;
}

}  // namespace

Verdict recognise_xmpp(ByteView bytes) {
  const std::string_view text = as_text(bytes);
  if (!may_begin_with(text, declaration_start)) return recognise_stream(text);
  const std::string_view prologue = text.substr(0, max_prologue_length);
  const Verdict incomplete = prologue.size() == max_prologue_length ? Verdict::not_mine : Verdict::need_more;
  const std::size_t end = prologue.find(declaration_end);
  if (end == std::string_view::npos) return incomplete;
  const std::size_t next = prologue.find_first_not_of(white_space, end + declaration_end.size());
  return next == std::string_view::npos ? incomplete : recognise_stream(text.substr(next));
}

}  // namespace portshare
