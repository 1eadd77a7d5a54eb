#include "dispatch/demo/openssl_handles.h"

#include <fmt/format.h>
#include <openssl/err.h>

#include <array>

namespace portshare {

std::string describe_openssl_error(std::string_view what) {
  std::array<char, 256> reason{};
  ERR_error_string_n(ERR_peek_last_error(), reason.data(), reason.size());
  ERR_clear_error();
  return fmt::format("cannot {}: {}", what, reason.data());
}

void append_from(BIO& memory, std::string& out) {
  std::array<char, 4096> chunk;
  std::size_t count = 0;
  while (BIO_read_ex(&memory, chunk.data(), chunk.size(), &count) == 1) out.append(chunk.data(), count);
}

}  // namespace portshare
