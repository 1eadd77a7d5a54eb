#include "dispatch/relay.h"

#include <cassert>
#include <utility>

namespace portshare {

void RelayDirection::start(Loop& loop, Socket source, Socket sink) {
  source_ = source;
  sink_ = sink;
  loop.receive(receive_, source_);
}

void RelayDirection::start_with(Loop& loop, Socket source, Socket sink, ByteView bytes,
                                std::uint8_t* buffer) {
  assert(!bytes.empty());
  source_ = source;
  sink_ = sink;
  buffer_ = buffer;
  unsent_ = bytes;
  loop.send(send_, sink_, unsent_);
}

RelayDirection::Progress RelayDirection::received(Loop& loop) {
  if (!receive_.succeeded()) return Progress::source_failed;
  if (receive_.count == 0) {
    loop.shutdown(send_, sink_);
    return Progress::running;
  }
  unsent_ = receive_.received();
  buffer_ = receive_.take_buffer();
  loop.send(send_, sink_, unsent_);
  return Progress::running;
}

RelayDirection::Progress RelayDirection::sent(Loop& loop) {
  if (!send_.succeeded()) return Progress::sink_failed;
  if (send_.kind == Op::Kind::shutdown) {
    ended_ = true;
    return Progress::ended;
  }
  unsent_ = unsent_.subspan(send_.count);
  if (has_unsent()) {
    loop.send(send_, sink_, unsent_);
    return Progress::running;
  }
  release(loop);
  loop.receive(receive_, source_);
  return Progress::running;
}

void RelayDirection::release(Loop& loop) {
  unsent_ = {};
  if (buffer_) loop.buffers().release(std::exchange(buffer_, nullptr));
}

}  // namespace portshare
