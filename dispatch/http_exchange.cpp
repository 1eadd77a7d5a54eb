#include "dispatch/http_exchange.h"

#include <algorithm>
#include <cassert>

namespace portshare {
namespace {

/// The longest head of a response. Servers are trusted more than clients, but not with all of our memory.
constexpr std::size_t response_head_limit = std::size_t{256} * 1024;

RelayFilter::Action action_of(HttpBody::Progress progress) {
  switch (progress) {
    case HttpBody::Progress::more:
      return RelayFilter::Action::go_on;
    case HttpBody::Progress::complete:
      return RelayFilter::Action::pause;
    case HttpBody::Progress::malformed:
      break;
  }
  return RelayFilter::Action::malformed;
}

}  // namespace

RelayFilter::Result HttpRequestFilter::inspect(ByteView bytes) {
  std::size_t passed = 0;
  switch (stage_) {
    case Stage::head:
      return inspect_head(bytes);
    case Stage::head_read:
      return {.count = 0, .action = Action::pause};
    case Stage::head_passing:
      assert(bytes.size() >= head_length_);
      passed = head_length_;
      stage_ = Stage::body;
      break;
    case Stage::body:
      break;
  }
  const auto consumed = body_.consume(bytes.subspan(passed));
  if (consumed.progress == HttpBody::Progress::complete) {
    stage_ = Stage::head;
    reader_ = HttpHeadReader();
  }
  return {.count = passed + consumed.count, .action = action_of(consumed.progress)};
}

RelayFilter::Result HttpRequestFilter::inspect_head(ByteView bytes) {
  switch (reader_.read(bytes, head_)) {
    case Verdict::need_more:
      too_large_ = bytes.size() >= head_limit_;
      return {.count = 0, .action = too_large_ ? Action::malformed : Action::go_on};
    case Verdict::recognised:
      too_large_ = head_.length > head_limit_;
      if (too_large_) return {.count = 0, .action = Action::malformed};
      take_head(head_);
      return {.count = 0, .action = Action::pause};
    case Verdict::not_mine:  // it was HTTP before, so this is a broken request
    case Verdict::malformed:
      break;
  }
  return {.count = 0, .action = Action::malformed};
}

void HttpRequestFilter::take_head(const HttpHead& head) {
  assert(stage_ == Stage::head);
  head_ = head;
  context_ = HttpResponseContext::of(head);
  // The offer is taken out before the server sees it.
  if (head.upgrade_to_http2) context_.to_upgrade = false;
  stage_ = Stage::head_read;
}

void HttpRequestFilter::forward(std::size_t head_length) {
  assert(has_head());
  head_length_ = head_length;
  body_ = HttpBody::of(head_);
  stage_ = Stage::head_passing;
}

RelayFilter::Result HttpResponseFilter::inspect(ByteView bytes) {
  std::size_t passed = 0;
  while (stage_ == Stage::head) {
    const ByteView rest = bytes.subspan(passed);
    if (rest.empty()) break;
    switch (reader_.read(rest, head_)) {
      case Verdict::need_more:
        if (rest.size() >= response_head_limit) return {.count = passed, .action = Action::malformed};
        untouched_ = untouched_ && passed == 0;
        return {.count = passed, .action = Action::go_on};
      case Verdict::recognised:
        break;
      case Verdict::not_mine:
      case Verdict::malformed:
        return {.count = passed, .action = Action::malformed};
    }
    passed += head_.length;
    reader_ = HttpResponseHeadReader(context_);
    if (head_.is_interim) continue;
    body_ = HttpBody::of(head_);
    // What follows the head of a tunnel is not HTTP any more, and not for this filter.
    stage_ = head_.body == HttpResponseHead::Body::tunnel ? Stage::complete : Stage::body;
  }
  untouched_ = untouched_ && passed == 0;
  if (stage_ == Stage::complete) return {.count = passed, .action = Action::pause};  // a tunnel
  if (stage_ == Stage::head) return {.count = passed, .action = Action::go_on};
  const auto consumed = body_.consume(bytes.subspan(passed));
  untouched_ = untouched_ && consumed.count == 0;
  if (consumed.progress == HttpBody::Progress::complete) stage_ = Stage::complete;
  return {.count = passed + consumed.count,
          .action = action_of(consumed.progress),
          .ends_stream = stage_ == Stage::complete && !head_.keep_alive};
}

void HttpResponseFilter::expect(const HttpResponseContext& context) {
  assert(is_complete());
  context_ = context;
  reader_ = HttpResponseHeadReader(context);
  stage_ = Stage::head;
  untouched_ = true;
}

}  // namespace portshare
