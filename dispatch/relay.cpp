#include "dispatch/relay.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace portshare {

void RelayDirection::open(Socket source, Socket sink, RelayFilter* filter) {
  source_ = source;
  sink_ = sink;
  filter_ = filter;
  paused_ = true;
  ended_ = false;
  is_bulk_ = false;
}

void RelayDirection::give(ByteView bytes, std::uint8_t* buffer) {
  assert(pending_.empty() && !buffer_);
  pending_ = bytes;
  buffer_ = buffer;
}

RelayDirection::Progress RelayDirection::resume(Loop& loop) {
  paused_ = false;
  // What was injected may still be on its way.
  if (!has_unsent() && !pending_.empty()) return pass_on(loop);
  if (!has_unsent() && source_ended_) return Progress::source_ended;
  if (pending_.empty() && !source_ended_ && receive_.is_idle()) receive(loop);
  return Progress::running;
}

void RelayDirection::read_ahead(Loop& loop) {
  assert(paused_);
  if (pending_.empty() && !source_ended_ && receive_.is_idle()) receive(loop);
}

void RelayDirection::receive(Loop& loop) {
  // Bytes that a filter has kept have to stay in front.
  const std::uint64_t unseen = !filter_ ? most_bulk : kept_.empty() ? filter_->unseen_allowance() : 0;
  if (full_receives_ * BufferPool::buffer_size < least_bulk || unseen < least_bulk || paused_)
    return loop.receive(receive_, source_);
  loop.receive_bulk(receive_, source_,
                    static_cast<std::uint32_t>(std::min<std::uint64_t>(unseen, most_bulk)));
}

/// Whether the stream is one of which much comes at a time shows in how well it fills the buffers.
void RelayDirection::judge_volume() {
  if (receive_.count < BufferPool::buffer_size)
    full_receives_ = 0;
  else if (full_receives_ * BufferPool::buffer_size < least_bulk)
    ++full_receives_;
}

RelayDirection::Progress RelayDirection::received(Loop& loop) {
  if (!receive_.succeeded()) {
    source_ended_ = true;
    return Progress::source_failed;
  }
  source_ended_ = receive_.count == 0 || receive_.is_last();
  if (receive_.count == 0) return has_unsent() ? Progress::running : Progress::source_ended;
  judge_volume();
  if (pipe_ = receive_.take_pipe(); pipe_ != Pipe::none) return pass_on_pipe(loop);
  if (kept_.empty()) {
    pending_ = receive_.received();
    buffer_ = receive_.take_buffer();
  } else {
    const ByteView bytes = receive_.received();
    kept_.insert(kept_.end(), bytes.begin(), bytes.end());
    loop.buffers().release(receive_.take_buffer());
    pending_ = kept_;
  }
  return paused_ || has_unsent() ? Progress::running : pass_on(loop);
}

RelayDirection::Progress RelayDirection::pass_on_pipe(Loop& loop) {
  assert(!has_unsent() && pending_.empty());
  if (!std::exchange(is_bulk_, true)) loop.backend().expect_bulk(sink_);
  piped_ = receive_.count;
  if (filter_) filter_->pass_unseen(piped_);
  then_ = RelayFilter::Action::go_on;
  loop.send_from(send_, sink_, pipe_, piped_);
  return Progress::running;
}

RelayDirection::Progress RelayDirection::pass_on(Loop& loop) {
  const auto result = filter_ ? filter_->inspect(pending_) : RelayFilter::Result{.count = pending_.size()};
  then_ = result.action;
  unsent_ = result.replacement.value_or(pending_.first(result.count));
  is_replacement_ = result.replacement.has_value();
  if (is_replacement_) pending_ = pending_.subspan(result.count);
  if (sent_ahead_ > 0) {
    assert(!is_replacement_ && sent_ahead_ <= unsent_.size());
    unsent_ = unsent_.subspan(sent_ahead_);
    pending_ = pending_.subspan(std::exchange(sent_ahead_, 0U));
  }
  if (unsent_.empty()) return proceed(loop);
  // An end that goes with the last bytes spares both sides a packet and a wake-up.
  if (result.ends_stream || (!filter_ && source_ended_))
    loop.send_last(send_, sink_, unsent_);
  else
    loop.send(send_, sink_, unsent_);
  return Progress::running;
}

RelayDirection::Progress RelayDirection::sent(Loop& loop) {
  if (!send_.succeeded()) return Progress::sink_failed;
  if (send_.kind == Op::Kind::shutdown) {
    ended_ = true;
    return Progress::ended;
  }
  if (!finish_sending(loop)) return Progress::running;
  const Progress progress = proceed(loop);
  return ended_ && progress == Progress::source_ended ? Progress::ended : progress;
}

RelayDirection::Progress RelayDirection::proceed(Loop& loop) {
  if (then_ == RelayFilter::Action::ask_again && !pending_.empty()) return pass_on(loop);
  // What is left needs more behind it, or has to wait: it is kept outside of the buffer, which others can use
  // meanwhile.
  keep(loop);
  switch (then_) {
    case RelayFilter::Action::go_on:
    case RelayFilter::Action::ask_again:
      break;
    case RelayFilter::Action::pause:
      paused_ = true;
      return Progress::paused;
    case RelayFilter::Action::malformed:
      return Progress::malformed;
  }
  if (source_ended_) return Progress::source_ended;
  if (receive_.is_idle()) receive(loop);
  return Progress::running;
}

bool RelayDirection::halt_received(Loop& loop) {
  if (!receive_.succeeded()) return receive_.status == Status::cancelled;
  source_ended_ = receive_.count == 0 || receive_.is_last();
  if (receive_.count == 0) return true;
  if (pipe_ = receive_.take_pipe(); pipe_ != Pipe::none) {
    piped_ = receive_.count;
    return true;
  }
  const ByteView bytes = receive_.received();
  keep(loop);
  kept_.insert(kept_.end(), bytes.begin(), bytes.end());
  pending_ = kept_;
  loop.buffers().release(receive_.take_buffer());
  return true;
}

bool RelayDirection::halt_sent(Loop& loop) {
  if (!send_.succeeded()) return send_.status == Status::cancelled;
  if (send_.kind == Op::Kind::shutdown) {
    ended_ = true;
  } else if (pipe_ != Pipe::none) {
    piped_ -= send_.count;
    if (piped_ == 0) loop.backend().release_pipe(std::exchange(pipe_, Pipe::none), true);
  } else {
    take_off_sent();
  }
  return true;
}

void RelayDirection::halt(Loop& loop) {
  assert(!is_replacement_ || unsent_.empty());
  unsent_ = {};
  keep(loop);
  if (pipe_ == Pipe::none) return;
  assert(kept_.empty());
  kept_ = loop.backend().empty_pipe(std::exchange(pipe_, Pipe::none));
  assert(kept_.size() == piped_);
  piped_ = 0;
  pending_ = kept_;
}

void RelayDirection::restore(std::vector<std::uint8_t> bytes, bool source_ended, bool ended) {
  kept_ = std::move(bytes);
  pending_ = kept_;
  source_ended_ = source_ended;
  ended_ = ended;
}

RelayDirection::Progress RelayDirection::restart(Loop& loop) {
  paused_ = false;
  if (ended_) return Progress::running;
  return resume(loop);
}

void RelayDirection::inject(Loop& loop, Socket sink, ByteView bytes) {
  assert(!has_unsent() && pending_.empty() && !bytes.empty());
  sink_ = sink;
  unsent_ = bytes;
  is_replacement_ = true;
  then_ = RelayFilter::Action::ask_again;
  loop.send(send_, sink_, unsent_);
}

bool RelayDirection::finish_sending(Loop& loop) {
  if (pipe_ != Pipe::none) {
    piped_ -= send_.count;
    if (piped_ > 0)
      loop.send_from(send_, sink_, pipe_, piped_);
    else
      loop.backend().release_pipe(std::exchange(pipe_, Pipe::none), true);
    return piped_ == 0;
  }
  take_off_sent();
  if (has_unsent()) loop.send(send_, sink_, unsent_);
  return !has_unsent();
}

void RelayDirection::take_off_sent() {
  ended_ = send_.last;
  unsent_ = unsent_.subspan(send_.count);
  if (!is_replacement_) pending_ = pending_.subspan(send_.count);
}

void RelayDirection::keep(Loop& loop) {
  if (pending_.empty()) {
    kept_.clear();
  } else if (pending_.size() != kept_.size()) {
    kept_ = std::vector<std::uint8_t>(pending_.begin(), pending_.end());
    pending_ = kept_;
  }
  give_buffer_back(loop);
}

void RelayDirection::insert(Loop& loop, std::size_t offset, ByteView text) {
  assert(!has_unsent());
  keep(loop);
  kept_.insert(kept_.begin() + static_cast<std::ptrdiff_t>(offset), text.begin(), text.end());
  pending_ = kept_;
}

void RelayDirection::erase(Loop& loop, std::size_t offset, std::size_t length) {
  assert(!has_unsent() && length <= pending_.size() && offset <= pending_.size() - length);
  keep(loop);
  const auto begin = kept_.begin() + static_cast<std::ptrdiff_t>(offset);
  kept_.erase(begin, begin + static_cast<std::ptrdiff_t>(length));
  pending_ = kept_;
}

void RelayDirection::give_buffer_back(Loop& loop) {
  if (buffer_) loop.buffers().release(std::exchange(buffer_, nullptr));
}

void RelayDirection::reset(Loop& loop) {
  release(loop);
  source_ended_ = false;
}

void RelayDirection::release(Loop& loop) {
  unsent_ = pending_ = {};
  kept_ = {};
  give_buffer_back(loop);
  if (pipe_ != Pipe::none) {
    loop.backend().release_pipe(std::exchange(pipe_, Pipe::none), piped_ == 0);
    piped_ = 0;
  }
}

}  // namespace portshare
