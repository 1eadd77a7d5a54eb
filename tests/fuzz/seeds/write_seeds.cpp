// Writes the vectors of the tests as seeds for the fuzz targets: write_seeds FOLDER. `./dev fuzz` begins with
// all of them. What is kept here besides has reached something new: fuzz_NAME -merge=1
// tests/fuzz/seeds/fuzz_NAME FOLDER/fuzz_NAME
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include "core/byte_view.h"
#include "tests/core/h2_authority_vectors.h"
#include "tests/core/h2_relay.h"
#include "tests/core/http_body_vectors.h"
#include "tests/core/http_head_vectors.h"
#include "tests/core/http_response_head_vectors.h"
#include "tests/core/opener_vectors.h"
#include "tests/core/proxy_header_vectors.h"
#include "tests/core/tls_hello_vectors.h"
#include "tests/fuzz/response_input.h"

namespace {

using portshare::ByteView;

constexpr std::size_t max_seed_length = 8192;

void write_seed(const std::filesystem::path& folder, std::size_t number, ByteView bytes) {
  if (bytes.size() > max_seed_length) return;
  std::filesystem::create_directories(folder);
  std::ofstream file(folder / std::to_string(number), std::ios::binary);
  const std::string_view text = portshare::as_text(bytes);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 2) {
    std::cerr << "usage: write_seeds FOLDER\n";
    return 2;
  }
  const std::filesystem::path seeds(arguments[1]);
  std::size_t number = 0;
  for (const auto& vector : portshare::test::tls_vectors())
    write_seed(seeds / "fuzz_tls_hello", number++, vector.bytes);
  number = 0;
  for (const auto& vector : portshare::test::http_vectors())
    write_seed(seeds / "fuzz_http_head", number++, portshare::as_bytes(vector.bytes));
  number = 0;
  for (const auto& vector : portshare::test::chunked_vectors())
    write_seed(seeds / "fuzz_http_body", number++, portshare::as_bytes(vector.bytes));
  number = 0;
  for (const auto& vector : portshare::test::response_vectors()) {
    const auto context = static_cast<char>(portshare::test::byte_of(vector.context));
    write_seed(seeds / "fuzz_http_response_head", number++, portshare::as_bytes(context + vector.bytes));
  }
  number = 0;
  for (const auto& vector : portshare::test::opener_vectors())
    write_seed(seeds / "fuzz_openers", number++, portshare::as_bytes(vector.bytes));
  for (const std::string& bytes : portshare::test::bytes_of_no_opener())
    write_seed(seeds / "fuzz_openers", number++, portshare::as_bytes(bytes));
  number = 0;
  for (const auto& vector : portshare::test::proxy_vectors())
    write_seed(seeds / "fuzz_proxy_header", number++, portshare::as_bytes(vector.bytes));
  number = 0;
  for (const auto& vector : portshare::test::h2_vectors())
    write_seed(seeds / "fuzz_h2_authority", number++, portshare::as_bytes(vector.bytes));
  number = 0;
  for (const std::string& bytes : portshare::test::h2_later_bytes()) {
    write_seed(seeds / "fuzz_h2_request_filter", number, portshare::as_bytes(bytes));
    write_seed(seeds / "fuzz_h2_response_frames", number++,
               portshare::as_bytes(portshare::test::h2_settings(std::string("\0\1\0\0\x10\0", 6)) + bytes));
  }
  return 0;
}
