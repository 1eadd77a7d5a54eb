#include "dispatch/h2_exchange.h"

#include <cassert>
#include <utility>

#include "dispatch/refusal.h"

namespace portshare {
namespace {

/// A few bytes that refer to a long field many times can become much when they are written anew.
constexpr std::size_t to_server_limit = std::size_t{64} * 1024;

void append(std::vector<std::uint8_t>& out, ByteView bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace

H2Exchange::H2Exchange(H2AuthorityReader& reader, const H2FirstRequest& first, bool settings_sent,
                       const HeaderFields& additions, std::size_t head_limit, Router router)
    : router_(router),
      requests_(*this),
      responses_(*this),
      request_filter_(reader.take_decoder(), first.stream, additions, head_limit),
      first_stream_(first.stream),
      first_block_begin_(first.block_begin),
      first_length_(first.length) {
  if (additions.count() > 0) {
    append(new_first_block_, request_filter_.rewrite_first(reader.take_fields(), first.ends_stream));
  }
  if (!settings_sent) return;
  unwanted_ack_ = first.settings_ack;
  if (!unwanted_ack_) request_filter_.own_settings_sent();
}

ByteView H2Exchange::take_insertion() {
  std::swap(insertion_, sending_);
  insertion_.clear();
  return sending_;
}

void H2Exchange::announce_end() {
  append(insertion_, http2_shutdown_notice());
}

std::vector<std::uint8_t> H2Exchange::goodbye(Outcome outcome) const {
  std::vector<std::uint8_t> bytes;
  if (response_frames_.is_untouched()) {
    append(bytes, http2_settings());
  } else if (!response_frames_.may_insert()) {
    return bytes;
  }
  append(bytes, insertion_);
  append(bytes, http2_goodbye_for(outcome, request_filter_.stream()));
  return bytes;
}

RelayFilter::Result H2Exchange::inspect_first_request(ByteView bytes) {
  const std::size_t length = std::exchange(first_length_, 0);
  assert(bytes.size() >= length);
  RelayFilter::Result result{.count = length, .action = RelayFilter::Action::ask_again};
  if (!unwanted_ack_ && new_first_block_.empty()) return result;
  const std::size_t ack_end = unwanted_ack_ ? *unwanted_ack_ + H2FrameHeader::length : 0;
  append(to_server_, bytes.first(unwanted_ack_.value_or(0)));
  append(to_server_, bytes.first(first_block_begin_).subspan(ack_end));
  const ByteView block = bytes.first(length).subspan(first_block_begin_);
  append(to_server_, new_first_block_.empty() ? block : ByteView(new_first_block_));
  new_first_block_ = {};
  result.replacement = to_server_;
  return result;
}

RelayFilter::Result H2Exchange::inspect_requests(ByteView bytes) {
  using Action = RelayFilter::Action;
  using Kind = H2RequestFilter::Step::Kind;
  to_server_.clear();
  if (first_length_ > 0) return inspect_first_request(bytes);
  std::size_t taken = 0;
  while (taken < bytes.size() && to_server_.size() < to_server_limit && !is_full()) {
    const H2RequestFilter::Step step = request_filter_.next(bytes.subspan(taken));
    // The common case, frames that just go on, costs no copy.
    const bool is_in_place = step.kind == Kind::to_server && step.bytes.data() == bytes.data();
    if (is_in_place && step.consumed == bytes.size()) return {.count = step.consumed};
    taken += step.consumed;
    if (step.kind == Kind::malformed) return {taken, Action::malformed, to_server_};
    take(step);
  }
  Action action = is_full() ? Action::pause : Action::go_on;
  if (!is_full() && taken < bytes.size()) action = Action::ask_again;
  return {taken, action, to_server_};
}

void H2Exchange::take(const H2RequestFilter::Step& step) {
  switch (step.kind) {
    case H2RequestFilter::Step::Kind::nothing:
    case H2RequestFilter::Step::Kind::malformed:
      return;
    case H2RequestFilter::Step::Kind::to_server:
      return append(to_server_, step.bytes);
    case H2RequestFilter::Step::Kind::to_client:
      return append(insertion_, step.bytes);
    case H2RequestFilter::Step::Kind::request:
      if (router_.is_for_this_server(router_.owner, request_filter_.request())) {
        return append(to_server_, request_filter_.forward());
      }
      return append(insertion_, request_filter_.refuse());
  }
}

RelayFilter::Result H2Exchange::inspect_responses(ByteView bytes) {
  using Action = RelayFilter::Action;
  if (has_insertion()) return {.count = 0, .action = Action::ask_again, .replacement = take_insertion()};
  std::size_t passed = 0;
  do {
    passed += response_frames_.advance(bytes.subspan(passed));
    if (response_frames_.ended_settings() &&
        !request_filter_.server_sent_settings(response_frames_.header_table_size())) {
      return {.count = 0, .action = Action::malformed};
    }
  } while (passed < bytes.size() && !has_insertion());
  return {.count = passed, .action = passed < bytes.size() ? Action::ask_again : Action::go_on};
}

}  // namespace portshare
