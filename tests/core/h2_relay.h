// A relay around an H2RequestFilter, for the tests and the fuzz target.
#pragma once

#include <cassert>
#include <string>
#include <string_view>
#include <vector>

#include "core/h2_authority.h"
#include "core/h2_request_filter.h"
#include "tests/core/h2_builder.h"
#include "tests/core/split_reading.h"

namespace portshare::test {

/// What every such connection begins with. It puts four entries into the HPACK table.
inline std::string h2_first_request() {
  return h2_start() + h2_headers(1, hpack_block(get_fields("here.example"), Indexing::incremental));
}

/// What clients may send behind it: for this server, for another one, with and without the HPACK table, and
/// broken.
inline std::vector<std::string> h2_later_bytes() {
  constexpr unsigned end_headers = H2FrameHeader::end_headers;
  std::vector<std::string> all;
  for (const std::string_view name : {"here.example", "there.example"}) {
    for (const Indexing indexing : {Indexing::without, Indexing::incremental, Indexing::never}) {
      const std::string block = hpack_block(get_fields(std::string(name)), indexing);
      all.push_back(h2_headers(3, block, end_headers) + h2_frame(H2FrameType::data, 0, 3, "data") +
                    h2_headers(3, hpack_field("trailer", "x", indexing)) +
                    h2_headers(5, hpack_block(get_fields("here.example"), indexing)) +
                    h2_headers(7, "\x82\x86\x84\xbe"));
      all.push_back(h2_headers(3, block.substr(0, 9), H2FrameHeader::end_stream) +
                    h2_frame(H2FrameType::continuation, 0, 3, block.substr(9, 1)) +
                    h2_frame(H2FrameType::continuation, end_headers, 3, block.substr(10)));
      all.push_back(
          h2_headers(3, '\3' + block + "pad", end_headers | H2FrameHeader::padded) +
          h2_headers(5, std::string(4, '\0') + '\x10' + block, end_headers | H2FrameHeader::has_priority) +
          h2_settings(std::string("\0\1\0\0\0\0", 6)) +
          h2_frame(H2FrameType::window_update, 0, 3, std::string("\0\0\0\1", 4)) +
          h2_frame(H2FrameType::rst_stream, 0, 3, std::string("\0\0\0\x8", 4)));
    }
  }
  all.push_back(h2_headers(3, "\xff\xff\xff\xff\xff\xff"));
  all.push_back(h2_headers(3, "\x05", end_headers | H2FrameHeader::padded));
  all.push_back(h2_frame(H2FrameType::continuation, end_headers, 3, ""));
  return all;
}

/// What became of a client's bytes.
struct H2Passed {
  std::string to_server;
  std::string to_client;
  std::vector<std::string> requests;
  bool is_malformed = false;

  bool operator==(const H2Passed&) const = default;
};

/// A relay around the filter: requests for here.example are the server's, all others are refused.
template <typename Copy = HeapCopy>
class H2Relay {
 public:
  H2Relay() : filter_(make_filter()) {}

  H2RequestFilter& filter() { return filter_; }
  [[nodiscard]] const H2Passed& passed() const { return passed_; }

  void receive(std::string_view bytes) {
    const Copy copy(as_bytes(bytes));
    ByteView input = copy.view();
    while (!input.empty() && !passed_.is_malformed) {
      const H2RequestFilter::Step step = filter_.next(input);
      assert(step.consumed > 0);
      input = input.subspan(step.consumed);
      take(step);
    }
  }

 private:
  static H2RequestFilter make_filter() {
    H2AuthorityReader reader;
    H2FirstRequest first;
    const Verdict verdict = reader.read(as_bytes(h2_first_request()), first);
    assert(verdict == Verdict::recognised);
    static_cast<void>(verdict);
    return {reader.take_decoder(), first.stream};
  }

  void take(const H2RequestFilter::Step& step) {
    using Kind = H2RequestFilter::Step::Kind;
    switch (step.kind) {
      case Kind::nothing:
        break;
      case Kind::to_server:
        passed_.to_server += as_text(step.bytes);
        break;
      case Kind::to_client:
        passed_.to_client += as_text(step.bytes);
        break;
      case Kind::request: {
        const std::string name(filter_.request().authority.view());
        passed_.requests.push_back(std::to_string(filter_.stream()) + " " + name);
        if (name == "here.example") {
          passed_.to_server += as_text(filter_.forward());
        } else {
          passed_.to_client += as_text(filter_.refuse());
        }
        break;
      }
      case Kind::malformed:
        passed_.is_malformed = true;
        break;
    }
  }

  H2RequestFilter filter_;
  H2Passed passed_;
};

}  // namespace portshare::test
