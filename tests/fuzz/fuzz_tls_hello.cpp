// Any bytes as the first flight of a TLS client.
#include <cstddef>
#include <cstdint>

#include "core/host_name.h"
#include "tests/fuzz/split_check.h"

using namespace portshare;
using namespace portshare::test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  const TlsAnswer answer = require_same_answer_for_cuts<TlsAnswer>(bytes);
  if (answer.verdict != Verdict::recognised) return 0;

  require(answer.length <= size);
  require(answer.legacy_version >> 8 == 3);
  require(answer.server_name.empty() || HostName::from_server_name(answer.server_name).has_value());
  // What follows the hello does not matter, and nothing shorter is one.
  require(read_whole<TlsAnswer>(bytes.first(answer.length)) == answer);
  require(read_whole<TlsAnswer>(bytes.first(answer.length - 1)).verdict == Verdict::need_more);
  TlsHelloReader reader;
  ClientHello hello;
  reader.read(bytes, hello);
  require(reader.announced_length() == answer.length);
  return 0;
}
