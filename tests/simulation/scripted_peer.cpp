#include "tests/simulation/scripted_peer.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "core/byte_view.h"

namespace portshare {

using std::chrono::milliseconds;

ScriptedPeer::ScriptedPeer(Loop& loop, Random random, PeerScript script)
    : loop_(loop),
      random_(random),
      script_(std::move(script)),
      outgoing_(script_.send),
      ending_(script_.ending),
      finished_(!script_.react),
      receive_([](Op&, void* self) { static_cast<ScriptedPeer*>(self)->on_received(); }, this),
      send_([](Op&, void* self) { static_cast<ScriptedPeer*>(self)->on_sent(); }, this),
      close_([](Op&, void* self) { static_cast<ScriptedPeer*>(self)->closed_ = true; }, this),
      receive_timer_([](void* self) { static_cast<ScriptedPeer*>(self)->proceed(); }, this),
      send_timer_([](void* self) { static_cast<ScriptedPeer*>(self)->proceed(); }, this),
      patience_timer_(
          [](void* self) {
            static_cast<ScriptedPeer*>(self)->terminate(PeerRecord::End::out_of_patience, CloseMode::reset);
          },
          this) {}

void ScriptedPeer::start(Socket socket) {
  assert(socket_ == Socket::none);
  socket_ = socket;
  if (script_.patience) loop_.arm(patience_timer_, *script_.patience);
  if (script_.receive_delay > milliseconds::zero()) loop_.arm(receive_timer_, script_.receive_delay);
  if (script_.send_delay > milliseconds::zero()) loop_.arm(send_timer_, script_.send_delay);
  react();
  proceed();
}

void ScriptedPeer::abort() {
  if (socket_ != Socket::none && !terminating_) terminate(PeerRecord::End::aborted, CloseMode::reset);
}

bool ScriptedPeer::script_resets() const {
  return (script_.reset_after_sent && record_.sent >= *script_.reset_after_sent) ||
         (script_.reset_after_received && record_.received.size() >= *script_.reset_after_received);
}

bool ScriptedPeer::may_send() const {
  if (record_.send_status != Status::ok || shut_down_) return false;
  return record_.received.size() >= script_.send_after && (record_.end_received || !script_.send_after_end);
}

bool ScriptedPeer::no_pause(Timer& timer, bool& paused, milliseconds longest) {
  if (timer.is_armed()) return false;
  if (longest == milliseconds::zero() || std::exchange(paused, !paused)) return true;
  loop_.arm(timer, milliseconds{random_.below(static_cast<std::uint64_t>(longest.count()) + 1)});
  return false;
}

void ScriptedPeer::proceed() {
  if (terminating_) return close_when_idle();
  if (script_resets()) return terminate(PeerRecord::End::reset_by_script, CloseMode::reset);
  receive_more();
  send_more();
}

void ScriptedPeer::react() {
  if (finished_ || terminating_) return;
  PeerScript::Reaction reaction = script_.react(record_.received);
  outgoing_ += reaction.send;
  finished_ = reaction.finished;
  resets_when_finished_ = reaction.resets;
  if (reaction.ending) ending_ = *reaction.ending;
}

void ScriptedPeer::receive_more() {
  if (!script_.reads || record_.end_received || !receive_.is_idle()) return;
  if (script_.echo && unsent() >= echo_limit && record_.send_status == Status::ok) return;
  if (no_pause(receive_timer_, receive_paused_, script_.receive_pause_max)) loop_.receive(receive_, socket_);
}

void ScriptedPeer::on_received() {
  if (receive_.status == Status::ok) {
    const ByteView bytes = receive_.received();
    record_.received += as_text(bytes);
    if (script_.echo) outgoing_ += as_text(bytes);
    if (bytes.empty()) record_.end_received = true;
    react();
    if (std::uint8_t* buffer = receive_.take_buffer()) loop_.buffers().release(buffer);
  } else if (receive_.status == Status::no_resources && !terminating_) {
    return loop_.arm(receive_timer_, milliseconds{1});
  } else if (!terminating_) {
    record_.receive_status = receive_.status;
    return terminate(PeerRecord::End::failed, CloseMode::reset);
  }
  proceed();
}

void ScriptedPeer::send_more() {
  if (!send_.is_idle()) return;
  if (!may_send() || unsent() == 0) return come_to_the_end();
  if (!no_pause(send_timer_, send_paused_, script_.send_pause_max)) return;
  std::size_t most = std::min(unsent(), script_.chunk_max);
  if (script_.reset_after_sent) most = std::min(most, *script_.reset_after_sent - record_.sent);
  chunk_ = outgoing_.substr(outgoing_sent_, 1 + random_.below(most));
  loop_.send(send_, socket_, as_bytes(chunk_));
}

void ScriptedPeer::on_sent() {
  if (send_.status == Status::ok) {
    record_.sent += send_.count;
    outgoing_sent_ += send_.count;
  } else if (!terminating_) {
    // What the peer had sent before may still be read; only the receive tells how its stream ended.
    record_.send_status = send_.status;
    if (!script_.reads) return terminate(PeerRecord::End::failed, CloseMode::reset);
  }
  proceed();
}

void ScriptedPeer::come_to_the_end() {
  if (record_.send_status != Status::ok) {
    if (record_.end_received) terminate(PeerRecord::End::failed, CloseMode::reset);
    return;
  }
  if (unsent() != 0 || (script_.echo && !record_.end_received)) return;
  if (finished_ && resets_when_finished_)
    return terminate(PeerRecord::End::reset_by_script, CloseMode::reset);
  if (!finished_) {  // what it is waiting for will not come
    if (record_.end_received) terminate(PeerRecord::End::as_scripted, CloseMode::orderly);
    return;
  }
  switch (ending_) {
    case PeerScript::Ending::half_close:
      if (!shut_down_) {
        shut_down_ = true;
        return loop_.shutdown(send_, socket_);
      }
      [[fallthrough]];
    case PeerScript::Ending::wait:
      if (record_.end_received) terminate(PeerRecord::End::as_scripted, CloseMode::orderly);
      return;
    case PeerScript::Ending::close:
      if (record_.received.size() >= script_.close_after_received)
        terminate(PeerRecord::End::as_scripted, CloseMode::orderly);
      else if (record_.end_received)  // too little came, and more will not
        terminate(PeerRecord::End::failed, CloseMode::orderly);
      return;
  }
}

void ScriptedPeer::terminate(PeerRecord::End end, CloseMode mode) {
  assert(!terminating_);
  terminating_ = true;
  record_.end = end;
  close_mode_ = mode;
  loop_.cancel(receive_timer_);
  loop_.cancel(send_timer_);
  loop_.cancel(patience_timer_);
  loop_.cancel(receive_);
  loop_.cancel(send_);
  close_when_idle();
}

void ScriptedPeer::close_when_idle() {
  if (receive_.is_idle() && send_.is_idle() && close_.is_idle() && !closed_)
    loop_.close(close_, socket_, close_mode_);
}

std::string random_bytes(Random& random, std::size_t count) {
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.next() & 0xff);
  return bytes;
}

}  // namespace portshare
