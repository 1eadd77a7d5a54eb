#include "platform/simulated.h"

#include <algorithm>
#include <cassert>
#include <cinttypes>
#include <cstdio>
#include <span>
#include <utility>
#include <vector>

namespace portshare {

using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

std::string_view name_of(Op::Kind kind) {
  switch (kind) {
    case Op::Kind::none:
      break;
    case Op::Kind::accept:
      return "accept";
    case Op::Kind::connect:
      return "connect";
    case Op::Kind::receive:
      return "receive";
    case Op::Kind::send:
      return "send";
    case Op::Kind::shutdown:
      return "shutdown";
    case Op::Kind::close:
      return "close";
  }
  return "none";
}

/// FNV-1a.
std::uint64_t checksum(ByteView bytes) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3U;
  return hash;
}

ByteView bytes_of(const Op& send) {
  return send.pipe == Pipe::none ? ByteView(send.data, send.length) : ByteView();
}

}  // namespace

SimulatedBackend::SimulatedBackend(SimulatedNetwork& network) : network_(network) {
  network_.set_on_ready([this](Socket socket) { ready(socket); });
}

SimulatedBackend::~SimulatedBackend() {
  if (!ops_.empty()) network_.misuse("the backend goes while ops are in flight");
  if (!pipes_.empty()) network_.misuse("the backend goes while pipes are in use");
  network_.set_on_ready(nullptr);
}

std::optional<IpEndpoint> SimulatedBackend::local_endpoint(Socket socket) {
  return network_.local_endpoint(socket);
}

std::optional<IpEndpoint> SimulatedBackend::peer_endpoint(Socket socket) {
  return network_.peer_endpoint(socket);
}

// --- Taking ops.

void SimulatedBackend::take(Op& op) {
  const Token token = ++last_token_;
  op.state = Op::State::in_flight;
  if (!tokens_.emplace(&op, token).second) network_.misuse("an op is started twice", op.socket);
  ops_.emplace(token, InFlight{.op = &op});
  if (op.kind == Op::Kind::connect)
    start_connect(op, token);
  else
    take_on_socket(op, token);
}

void SimulatedBackend::start_connect(Op& op, Token token) {
  const auto socket = network_.start_connect(*op.address);
  if (!socket) return complete(token, socket.error());
  op.socket = *socket;
  slots_[*socket].send = token;
}

void SimulatedBackend::take_on_socket(Op& op, Token token) {
  const bool is_accept = op.kind == Op::Kind::accept;
  const Socket socket = is_accept ? op.listener : op.socket;
  const bool exists = network_.is_connection(socket) || network_.is_listener(socket);
  const std::string name(name_of(op.kind));
  if (!exists) network_.misuse(name + " on a socket that is closed or was never open", socket);
  Slots& slots = slots_[socket];
  if (slots.closing) network_.misuse(name + " on a socket that is being closed", socket);
  if (op.kind != Op::Kind::close && is_accept != network_.is_listener(socket))
    network_.misuse(name + (is_accept ? " on a socket that does not listen" : " on a listener"), socket);

  switch (op.kind) {
    case Op::Kind::accept:
      slots.accepts.push_back(token);
      ++slots.accepts_in_flight;
      break;
    case Op::Kind::receive:
      if (slots.receive != 0) network_.misuse("two receives in flight", socket);
      slots.receive = token;
      break;
    case Op::Kind::send:
    case Op::Kind::shutdown:
      if (slots.send != 0) network_.misuse(name + " while another send or shutdown is in flight", socket);
      if (slots.ended) network_.misuse(name + " after a shutdown", socket);
      if (op.pipe != Pipe::none && (!pipes_.contains(op.pipe) || pipes_.at(op.pipe).size() < op.length))
        network_.misuse("a send of more than its pipe holds", socket);
      if (op.kind == Op::Kind::send && op.length == 0) network_.misuse("a send of no bytes", socket);
      slots.send = token;
      if (op.kind == Op::Kind::send) ops_.at(token).checksum = checksum(bytes_of(op));
      break;
    case Op::Kind::close:
      if (slots.receive != 0 || slots.send != 0 || slots.accepts_in_flight != 0)
        network_.misuse("close while another op is in flight", socket);
      slots.closing = true;
      break;
    case Op::Kind::connect:
    case Op::Kind::none:
      network_.misuse("an op without a kind", socket);
  }
  schedule_attempt(token);
}

// --- Completing them.

void SimulatedBackend::schedule_attempt(Token token) {
  const auto found = ops_.find(token);
  if (found == ops_.end() || found->second.finished || found->second.attempt_scheduled) return;
  found->second.attempt_scheduled = true;
  network_.schedule(network_.delay_up_to(network_.faults().completion_delay_max),
                    [this, token] { attempt(token); });
}

void SimulatedBackend::attempt(Token token) {
  const auto found = ops_.find(token);
  if (found == ops_.end() || found->second.finished) return;
  found->second.attempt_scheduled = false;
  try_to_complete(token, *found->second.op);
}

/// False: the op has to wait until its socket is ready.
bool SimulatedBackend::try_to_complete(Token token, Op& op) {
  switch (op.kind) {
    case Op::Kind::accept:
      return try_accept(token, op);
    case Op::Kind::connect:
      return try_connect(token, op);
    case Op::Kind::receive:
      return try_receive(token, op);
    case Op::Kind::send:
      return try_send(token, op);
    case Op::Kind::shutdown:
      complete(token, network_.shutdown(op.socket));
      return true;
    case Op::Kind::close:
      if (network_.is_listener(op.socket))
        network_.close_listener(op.socket);
      else if (op.close_mode != CloseMode::handed_over)
        network_.close(op.socket, op.close_mode);
      complete(token, Status::ok);
      return true;
    case Op::Kind::none:
      break;
  }
  network_.misuse("an op without a kind", op.socket);
}

bool SimulatedBackend::try_receive(Token token, Op& op) {
  const auto readable = network_.readable(op.socket);
  if (readable == SimulatedNetwork::Readable::no) {
    if (op.only_now) complete(token, Status::nothing_yet);
    return op.only_now;
  }
  if (readable == SimulatedNetwork::Readable::end_or_error) {
    complete(token, network_.receive(op.socket, {})->status);
    return true;
  }
  if (op.is_bulk && !network_.happens(network_.faults().no_pipes)) {
    receive_into_pipe(token, op);
    return true;
  }
  std::uint8_t* buffer = network_.happens(network_.faults().no_buffers) ? nullptr : buffers().acquire();
  if (!buffer) {
    complete(token, Status::no_resources);
    return true;
  }
  const std::size_t room =
      op.is_bulk ? std::min<std::size_t>(op.length, BufferPool::buffer_size) : BufferPool::buffer_size;
  const auto received = network_.receive(op.socket, std::span(buffer, room));
  op.buffer = buffer;
  op.count = static_cast<std::uint32_t>(received->count);
  op.last = received->last;
  complete(token, received->status);
  return true;
}

void SimulatedBackend::receive_into_pipe(Token token, Op& op) {
  std::vector<std::uint8_t> bytes(std::min<std::size_t>(op.length, std::size_t{256} * 1024));
  const auto received = network_.receive(op.socket, bytes);
  op.count = static_cast<std::uint32_t>(received->count);
  last_pipe_ = Pipe{std::to_underlying(last_pipe_) + 1};
  pipes_[last_pipe_].push(ByteView(bytes).first(received->count));
  op.pipe = last_pipe_;
  complete(token, received->status);
}

bool SimulatedBackend::try_send(Token token, Op& op) {
  SimulatedBytes* const piped = op.pipe == Pipe::none ? nullptr : &pipes_.at(op.pipe);
  const auto sent = network_.send(op.socket, piped ? piped->view().first(op.length) : bytes_of(op));
  if (!sent) return false;
  if (piped) piped->pop(sent->count);
  op.count = static_cast<std::uint32_t>(sent->count);
  op.last = op.ends_stream && op.count == op.length;
  complete(token, op.last ? network_.shutdown(op.socket) : sent->status);
  return true;
}

void SimulatedBackend::expect_bulk(Socket socket) {
  if (!network_.is_connection(socket)) network_.misuse("bulk on what is no connection", socket);
}

std::vector<std::uint8_t> SimulatedBackend::empty_pipe(Pipe pipe) {
  const auto found = pipes_.find(pipe);
  if (found == pipes_.end()) network_.misuse("a pipe is emptied that is not in use");
  const ByteView view = found->second.view();
  std::vector<std::uint8_t> bytes(view.begin(), view.end());
  pipes_.erase(found);
  return bytes;
}

void SimulatedBackend::release_pipe(Pipe pipe, bool is_empty) {
  const auto found = pipes_.find(pipe);
  if (found == pipes_.end()) network_.misuse("release of a pipe that is not in use");
  if (is_empty && !found->second.empty())
    network_.misuse("a pipe with bytes in it is released as an empty one");
  pipes_.erase(found);
}

bool SimulatedBackend::try_accept(Token token, Op& op) {
  const auto accepted = network_.accept(op.listener);
  if (!accepted) return false;
  op.socket = accepted->socket;
  std::erase(slots_[op.listener].accepts, token);
  complete(token, accepted->status);
  if (network_.has_queued(op.listener)) ready(op.listener);
  return true;
}

bool SimulatedBackend::try_connect(Token token, Op& op) {
  const auto result = network_.connect_result(op.socket);
  if (!result) return false;
  if (*result != Status::ok) {
    network_.abandon_connect(op.socket);
    slots_.erase(op.socket);
    op.socket = Socket::none;
  } else if (op.length > 0) {
    // Whatever comes of it, the connection is there.
    const auto sent = network_.send(op.socket, ByteView(op.first_bytes, op.length));
    if (sent) op.count = static_cast<std::uint32_t>(sent->count);
  }
  complete(token, *result);
  return true;
}

void SimulatedBackend::complete(Token token, Status status) {
  InFlight& in_flight = ops_.at(token);
  in_flight.finished = true;
  in_flight.op->status = status;
  finished_.push_back(token);
}

void SimulatedBackend::ready(Socket socket) {
  const auto found = slots_.find(socket);
  if (found == slots_.end()) return;
  const Slots& slots = found->second;
  if (slots.receive != 0) schedule_attempt(slots.receive);
  if (slots.send != 0) schedule_attempt(slots.send);
  if (!slots.accepts.empty())
    schedule_attempt(
        slots.accepts[network_.faults().shuffled ? network_.random().below(slots.accepts.size()) : 0]);
}

// --- Cancelling them.

void SimulatedBackend::cancel(Op& in_flight) {
  const auto found = tokens_.find(&in_flight);
  if (found == tokens_.end()) network_.misuse("cancel of an op that is not in flight", in_flight.socket);
  network_.schedule(network_.delay_up_to(network_.faults().cancel_delay_max),
                    [this, token = found->second] { cancel_now(token); });
}

void SimulatedBackend::cancel_now(Token token) {
  const auto found = ops_.find(token);
  if (found == ops_.end() || found->second.finished) return;  // too late
  Op& op = *found->second.op;
  if (network_.happens(network_.faults().late_cancel) && try_to_complete(token, *found->second.op)) return;
  if (op.kind == Op::Kind::accept) std::erase(slots_[op.listener].accepts, token);
  if (op.kind == Op::Kind::connect) {
    network_.abandon_connect(op.socket);
    slots_.erase(op.socket);
    op.socket = Socket::none;
  }
  complete(token, Status::cancelled);
  if (op.kind == Op::Kind::accept && network_.has_queued(op.listener)) ready(op.listener);
}

// --- A turn.

void SimulatedBackend::submit_and_wait(OpQueue& queued, OpQueue& done, std::optional<milliseconds> wait) {
  // Even a turn that does not wait takes some time; without it a loop with work in every turn would stop the
  // clock.
  network_.advance(network_.now() + microseconds{1} + network_.delay_up_to(microseconds{4}));
  while (Op* op = queued.pop()) take(*op);
  if (!network_.happens(network_.faults().early_return)) run_until_something_ends(wait);
  give_back(done);
}

void SimulatedBackend::run_until_something_ends(std::optional<milliseconds> wait) {
  std::optional<microseconds> deadline;
  if (wait) deadline = network_.now() + *wait;
  network_.advance(network_.now());
  while (finished_.empty()) {
    if (woken_.exchange(false, std::memory_order_acquire)) return;
    const auto next = network_.next_event();
    if (deadline && (!next || *next > *deadline)) return network_.advance(*deadline);
    if (!next) report_deadlock();
    network_.advance(*next);
  }
}

void SimulatedBackend::give_back(OpQueue& done) {
  const SimulatedFaults& faults = network_.faults();
  Random& random = network_.random();
  std::size_t count = finished_.size();
  if (faults.batch_max < count) count = 1 + random.below(faults.batch_max);
  for (std::size_t i = 0; i < count; ++i) {
    if (faults.shuffled) bring_forward(i, i + random.below(finished_.size() - i));
    const Token token = finished_[i];
    const InFlight& in_flight = ops_.at(token);
    Op& op = *in_flight.op;
    if (op.kind == Op::Kind::send && checksum(bytes_of(op)) != in_flight.checksum)
      network_.misuse("the bytes of a send changed before its callback", op.socket);
    network_.trace(in_flight.checksum);
    release_slot(token, op);
    tokens_.erase(&op);
    ops_.erase(token);
    network_.trace(static_cast<std::uint64_t>(network_.now().count()));
    network_.trace(static_cast<std::uint64_t>(op.kind) << 8 | static_cast<std::uint64_t>(op.status));
    network_.trace(std::uint64_t{op.count} << 32 | static_cast<std::uint32_t>(op.socket));
    if (std::FILE* log = network_.log()) {
      [[maybe_unused]] const int written = std::fprintf(
          log, "%10lld us  %-8s socket %" PRId32 ": %s, %" PRIu32 " bytes\n",
          static_cast<long long>(network_.now().count()), std::string(name_of(op.kind)).c_str(),
          static_cast<std::int32_t>(op.socket), std::string(to_string(op.status)).c_str(), op.count);
    }
    finish(op, op.status, done);
  }
  finished_.erase(finished_.begin(), finished_.begin() + static_cast<std::ptrdiff_t>(count));
}

void SimulatedBackend::bring_forward(std::size_t place, std::size_t drawn) {
  // Results on one socket keep their order, so the first one of the socket that was drawn goes.
  const auto at = [&](std::size_t index) { return finished_.begin() + static_cast<std::ptrdiff_t>(index); };
  const Op& op = *ops_.at(finished_[drawn]).op;
  const auto chosen = op.socket == Socket::none || op.kind == Op::Kind::accept
                          ? at(drawn)
                          : std::find_if(at(place), at(drawn),
                                         [&](Token token) { return ops_.at(token).op->socket == op.socket; });
  std::rotate(at(place), chosen, chosen + 1);
}

void SimulatedBackend::release_slot(Token token, const Op& op) {
  const auto found = slots_.find(op.kind == Op::Kind::accept ? op.listener : op.socket);
  if (found == slots_.end()) return;
  Slots& slots = found->second;
  if (op.kind == Op::Kind::accept) --slots.accepts_in_flight;
  if (op.kind == Op::Kind::close) {
    slots_.erase(found);
    return;
  }
  if ((op.kind == Op::Kind::shutdown || (op.kind == Op::Kind::send && op.last)) && op.succeeded())
    slots.ended = true;
  if (slots.receive == token) slots.receive = 0;
  if (slots.send == token) slots.send = 0;
}

void SimulatedBackend::report_deadlock() {
  for (const auto& [token, in_flight] : ops_) {
    const Op& op = *in_flight.op;
    const Socket socket = op.kind == Op::Kind::accept ? op.listener : op.socket;
    SimulatedNetwork::print("simulation: waits: " + std::string(name_of(op.kind)) + " on socket " +
                            std::to_string(std::to_underlying(socket)) + "\n");
  }
  network_.misuse("the loop waits for ever and nothing is to come");
}

}  // namespace portshare
