// Any bytes as a header of the PROXY protocol, and what was read written again.
#include <array>
#include <cstddef>
#include <cstdint>

#include "tests/core/proxy_header_vectors.h"
#include "tests/fuzz/split_check.h"

using namespace portshare;
using namespace portshare::test;

namespace {

void require_same_addresses(ByteView written, const ProxyAnswer& answer) {
  const ProxyAnswer again = read_whole<ProxyAnswer>(written);
  require(again.verdict == Verdict::recognised && again.length == written.size());
  require(again.source == answer.source && again.destination == answer.destination);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  const ProxyAnswer answer = require_same_answer_for_cuts<ProxyAnswer>(bytes);
  if (answer.verdict != Verdict::recognised) return 0;

  require(answer.length <= size && answer.length <= max_proxy_header_length);
  require(answer.source.empty() == answer.destination.empty());
  const bool has_addresses =
      answer.family == ProxyHeader::Family::ipv4 || answer.family == ProxyHeader::Family::ipv6;
  require(answer.source.empty() != has_addresses);
  require(answer.command == ProxyHeader::Command::proxy || answer.family == ProxyHeader::Family::unspecified);
  // What follows the header does not matter, and nothing shorter is one.
  require(read_whole<ProxyAnswer>(bytes.first(answer.length)) == answer);
  require(read_whole<ProxyAnswer>(bytes.first(answer.length - 1)).verdict == Verdict::need_more);

  ProxyHeader header;
  read_proxy_header(bytes, header);
  std::array<std::uint8_t, max_written_proxy_header_length> buffer{};
  require_same_addresses(write_proxy_header_v1(header.source, header.destination, buffer), answer);
  require_same_addresses(
      write_proxy_header_v2(header.source, header.destination, header.authority.substr(0, 255),
                            as_text(header.alpn).substr(0, 255), buffer),
      answer);
  return 0;
}
