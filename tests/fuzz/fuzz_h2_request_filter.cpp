// Any bytes as what an HTTP/2 client sends behind its first request. However they are cut, the same goes to
// the server, and the server's HPACK decoder, which misses the refused requests, still understands all of it.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "tests/core/h2_relay.h"
#include "tests/fuzz/split_check.h"

using namespace portshare;
using namespace portshare::test;

namespace {

H2Passed pass(std::string_view bytes, std::size_t piece) {
  H2Relay relay;
  for (std::size_t i = 0; i < bytes.size(); i += piece) relay.receive(bytes.substr(i, piece));
  return relay.passed();
}

/// Every request that the server sees is its own.
void require_sound_for_server(std::string_view bytes) {
  HpackDecoder decoder;
  HeaderFields fields;
  std::uint32_t last_stream = 0;
  bool is_in_block = false;
  Cursor cursor(as_bytes(bytes));
  while (const auto header = H2FrameHeader::read(cursor)) {
    const auto payload = cursor.read_bytes(header->payload_length);
    if (!payload) return;  // the client has not sent all of it
    require(is_in_block == (header->type == H2FrameType::continuation));
    if (!is_in_block && header->type != H2FrameType::headers) continue;
    const auto fragment = is_in_block ? payload : h2_header_fragment(*header, *payload);
    const bool is_last = header->has(H2FrameHeader::end_headers);
    if (!is_in_block) fields.clear();
    require(fragment && decoder.decode(*fragment, is_last, fields));
    is_in_block = !is_last;
    if (is_in_block) continue;
    if (header->stream <= last_stream) {
      require(are_legal_h2_trailers(fields));
      continue;
    }
    last_stream = header->stream;
    const auto request = judge_h2_request(fields);
    require(request && request->authority.view() == "here.example");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = as_text({data, size});
  const H2Passed whole = pass(bytes, std::max<std::size_t>(size, 1));
  require(pass(bytes, 1) == whole);
  require(pass(bytes, 1 + size / 3) == whole);
  require_sound_for_server(h2_first_request().substr(h2_start().size()) + whole.to_server);
  if (whole.to_client.empty() && !whole.is_malformed) require(bytes.starts_with(whole.to_server));
  return 0;
}
