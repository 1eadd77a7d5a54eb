// A relay around an H2RequestFilter, for the tests and the fuzz target.
#pragma once

#include <cassert>
#include <string>
#include <string_view>
#include <vector>

#include "core/h2_authority.h"
#include "core/h2_request_filter.h"
#include "tests/core/h2_builder.h"

namespace portshare::test {

/// What every such connection begins with. It puts four entries into the HPACK table.
inline std::string h2_first_request() {
  return h2_start() + h2_headers(1, hpack_block(get_fields("here.example"), Indexing::incremental));
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
class H2Relay {
 public:
  H2Relay() : filter_(make_filter()) {}

  H2RequestFilter& filter() { return filter_; }
  [[nodiscard]] const H2Passed& passed() const { return passed_; }

  void receive(std::string_view bytes) {
    const std::vector<std::uint8_t> copy(as_bytes(bytes).begin(), as_bytes(bytes).end());
    ByteView input(copy);
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
