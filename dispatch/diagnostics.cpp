#include "dispatch/diagnostics.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <tuple>

namespace portshare {
namespace {

/// Strings of the file may contain anything; what goes to a terminal must not.
std::string printable(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace

std::string Diagnostic::to_string() const {
  const char* word = severity == Severity::error ? "error" : "warning";
  if (position.line == 0) return fmt::format("{}: {}: {}", file, word, printable(message));
  return fmt::format("{}:{}:{}: {}: {}", file, position.line, position.column, word, printable(message));
}

void DiagnosticList::error(FilePosition position, std::string message) {
  diagnostics_.push_back({Severity::error, file_, position, std::move(message)});
  ++error_count_;
}

void DiagnosticList::warning(FilePosition position, std::string message) {
  diagnostics_.push_back({Severity::warning, file_, position, std::move(message)});
}

std::vector<Diagnostic> DiagnosticList::take_sorted() {
  std::ranges::sort(diagnostics_, {}, [](const Diagnostic& diagnostic) {
    return std::tie(diagnostic.position, diagnostic.severity, diagnostic.message);
  });
  error_count_ = 0;
  return std::exchange(diagnostics_, {});
}

}  // namespace portshare
