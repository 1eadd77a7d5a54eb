#include "dispatch/name_pattern.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

namespace portshare {
namespace {

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

RE2::Options pattern_options() {
  RE2::Options options;
  options.set_case_sensitive(false);  // names are lower-cased, the file's expressions need not be
  options.set_log_errors(false);
  options.set_never_capture(true);
  return options;
}

/// RE2 may be used by several threads at once.
class Re2Pattern final : public NamePattern {
 public:
  explicit Re2Pattern(std::string_view text)
      : text_(text), expression_(piece(text.substr(1)), pattern_options()) {}

  [[nodiscard]] bool matches(std::string_view name) const override {
    return RE2::PartialMatch(piece(name), expression_);
  }
  [[nodiscard]] std::string_view text() const override { return text_; }
  [[nodiscard]] const RE2& expression() const { return expression_; }

 private:
  std::string text_;
  RE2 expression_;
};

}  // namespace

std::expected<std::shared_ptr<const NamePattern>, std::string> compile_name_pattern(std::string_view text) {
  if (text.size() < 2) return std::unexpected("'~' without a regular expression behind it");
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (!std::ranges::all_of(text, is_ascii)) {
    return std::unexpected(
        fmt::format("'{}': a regular expression sees names as their A-labels (xn--…), in which there is "
                    "nothing but ASCII",
                    text));
  }
  auto pattern = std::make_shared<Re2Pattern>(text);
  if (!pattern->expression().ok()) {
    return std::unexpected(
        fmt::format("'{}' is no regular expression: {}", text, pattern->expression().error()));
  }
  return pattern;
}

}  // namespace portshare
