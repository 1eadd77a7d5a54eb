// Any bytes as a configuration file: the reader answers with a configuration or with errors, never with both
// or neither.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "core/byte_view.h"
#include "dispatch/config_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto result = portshare::read_config(portshare::as_text({data, size}), "fuzz.toml");
  const auto is_error = [](const portshare::Diagnostic& diagnostic) {
    return diagnostic.severity == portshare::Severity::error;
  };
  if (std::ranges::any_of(result.diagnostics, is_error) == result.config.has_value()) std::abort();
  for (const auto& diagnostic : result.diagnostics) {
    if (diagnostic.message.empty() || diagnostic.position.line == 0) std::abort();
  }
  return 0;
}
