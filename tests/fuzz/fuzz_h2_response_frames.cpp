// Any bytes as what an HTTP/2 server sends: however they are cut, a frame for the client may be put in at the
// same places, and the same SETTINGS are seen.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/h2_request_filter.h"
#include "tests/core/split_reading.h"
#include "tests/fuzz/split_check.h"

using namespace portshare;
using namespace portshare::test;

namespace {

struct Place {
  std::size_t position;
  bool may_insert;
  bool ended_settings;
  std::optional<std::uint32_t> header_table_size;

  bool operator==(const Place&) const = default;
};

/// What is to be said at each end of a frame, with the bytes in pieces of this size.
std::vector<Place> read_pieces(ByteView bytes, std::size_t size) {
  std::vector<Place> places;
  H2ResponseFrames frames;
  std::size_t position = 0;
  while (position < bytes.size()) {
    const HeapCopy piece(bytes.subspan(position, std::min(size, bytes.size() - position)));
    for (ByteView rest = piece.view(); !rest.empty();) {
      const std::size_t count = frames.advance(rest);
      require(count > 0 && count <= rest.size());
      rest = rest.subspan(count);
      position += count;
      if (frames.may_insert() || frames.ended_settings()) {
        places.push_back(
            {position, frames.may_insert(), frames.ended_settings(), frames.header_table_size()});
      }
    }
  }
  return places;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  const std::vector<Place> whole = read_pieces(bytes, size + 1);
  require(read_pieces(bytes, 1) == whole);
  require(read_pieces(bytes, 1 + hash_of(bytes) % (size + 1)) == whole);
  return 0;
}
