// How bytes, ends of streams and resets travel in the simulated network.
#include "platform/simulated_stream.h"

#include <algorithm>

#include "platform/simulated_network.h"

namespace portshare {

using State = SimulatedEnd::State;

namespace {

constexpr std::size_t index_of(Socket socket) {
  return static_cast<std::size_t>(socket);
}

}  // namespace

std::size_t SimulatedNetwork::some_of(std::size_t most, std::uint32_t per_mille) {
  if (most <= 1 || !happens(per_mille)) return most;
  // A single byte is the case that finds most.
  return random_.chance(1, 4) ? 1 : 1 + random_.below(most);
}

// --- The program's side.

SimulatedNetwork::Readable SimulatedNetwork::readable(Socket socket) const {
  const SimulatedEndRef& at = end(socket);
  if (!at->received.empty()) return Readable::bytes;
  return at->end_received || at->reset_received ? Readable::end_or_error : Readable::no;
}

Status SimulatedNetwork::report_reset(SimulatedEnd& at) {
  at.reset_reported = true;
  return Status::reset;
}

std::optional<SimulatedNetwork::Transfer> SimulatedNetwork::receive(Socket socket,
                                                                    std::span<std::uint8_t> into) {
  const SimulatedEndRef& at = end(socket);
  if (!at->received.empty()) {
    const std::size_t count = some_of(std::min(into.size(), at->received.size()), faults_.partial_receive);
    const ByteView bytes = at->received.view().first(count);
    std::copy(bytes.begin(), bytes.end(), into.begin());
    at->received.pop(count);
    traffic_[index_of(socket)].received += count;
    schedule_delivery(at.peer());  // there is room again
    const bool ends = at->received.empty() && at->end_received;
    return Transfer{Status::ok, count, ends && happens(faults_.end_announced)};
  }
  if (at->end_received) return Transfer{Status::ok, 0};
  if (!at->reset_received) return std::nullopt;
  if (at->reset_reported && at->reset_reported_once) return Transfer{Status::ok, 0};
  return Transfer{report_reset(*at), 0};
}

std::optional<SimulatedNetwork::Transfer> SimulatedNetwork::send(Socket socket, ByteView bytes) {
  const SimulatedEndRef& at = end(socket);
  if (at->reset_received) return Transfer{report_reset(*at), 0};
  const std::size_t room = faults_.send_buffer - std::min(faults_.send_buffer, at->unsent.size());
  if (room == 0) return std::nullopt;
  const std::size_t count = some_of(std::min(room, bytes.size()), faults_.partial_send);
  at->unsent.push(bytes.first(count));
  traffic_[index_of(socket)].sent += count;
  schedule_delivery(at);
  return Transfer{Status::ok, count};
}

Status SimulatedNetwork::shutdown(Socket socket) {
  const SimulatedEndRef& at = end(socket);
  if (at->reset_received) return report_reset(*at);
  at->ended = true;
  schedule_delivery(at);
  return Status::ok;
}

void SimulatedNetwork::close(Socket socket, CloseMode mode) {
  const SimulatedEndRef at = end(socket);
  ends_.erase(socket);
  at->state = State::closed;
  if (at->reset_received) return;
  // As Linux does: bytes that nobody will read any more are not passed over in silence.
  if (mode == CloseMode::reset || !at->received.empty()) return send_reset(at);
  at->ended = true;
  schedule_delivery(at);
}

// --- The network's side.

void SimulatedNetwork::schedule_delivery(const SimulatedEndRef& from) {
  if (from->delivery_scheduled || from->end_sent || from->reset_sent || from->reset_received) return;
  const SimulatedEndRef to = from.peer();
  const bool has_room = to->state == State::closed || to->received.size() < faults_.receive_buffer;
  if (from->unsent.empty() ? !from->ended : !has_room) return;
  from->delivery_scheduled = true;
  schedule(latency(), [this, from] { deliver(from); });
}

void SimulatedNetwork::deliver(const SimulatedEndRef& from) {
  from->delivery_scheduled = false;
  if (from->reset_sent || from->reset_received) return;
  const SimulatedEndRef to = from.peer();
  if (from->unsent.empty()) {
    if (!from->ended) return;
    from->end_sent = true;
    to->end_received = true;
    return ready(to->socket);
  }
  if (to->state == State::closed) return send_reset(to);
  if (happens(faults_.reset)) {
    send_reset(from);
    return send_reset(to);
  }
  const std::size_t room = faults_.receive_buffer - std::min(faults_.receive_buffer, to->received.size());
  const std::size_t most = std::min({room, from->unsent.size(), faults_.chunk_max});
  if (most == 0) return;  // the limits have changed meanwhile; the next receive makes room
  const std::size_t count = 1 + random_.below(most);
  to->received.push(from->unsent.view().first(count));
  from->unsent.pop(count);
  ready(to->socket);
  ready(from->socket);
  schedule_delivery(from);
}

void SimulatedNetwork::send_reset(const SimulatedEndRef& from) {
  if (from->reset_sent) return;
  from->reset_sent = true;
  from->unsent.clear();
  schedule(latency(), [this, to = from.peer()] { reset_arrives(to); });
}

void SimulatedNetwork::reset_arrives(const SimulatedEndRef& at) {
  if (at->reset_received) return;
  at->reset_received = true;
  at->reset_reported_once = happens(faults_.reset_reported_once);
  at->unsent.clear();
  if (!at->received.empty() && happens(faults_.reset_discards_received)) {
    at->received.clear();
    at->end_received = false;  // or the stream would seem to have ended in order behind the lost bytes
  }
  ready(at->socket);
}

}  // namespace portshare
