#include "dispatch/upgrade.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <optional>
#include <system_error>
#include <utility>

#include "core/byte_view.h"
#include "dispatch/moved_session_codec.h"
#include "dispatch/takeover_messages.h"

namespace portshare {

Upgrade::Upgrade(Loop& control, Options options, std::function<void(Started)> started)
    : control_(control),
      options_(std::move(options)),
      started_(std::move(started)),
      // Nobody sends any more, and the thread finds that out.
      patience_timer_([](void* self) { static_cast<Upgrade*>(self)->channel_.shut_down(); }, this) {
  auto ends = SocketChannel::make_pair();
  if (!ends) {
    fail(std::move(ends.error()));
    return;
  }
  channel_ = std::move(ends->first);
  try {
    thread_ = std::thread([this, end = std::move(ends->second)]() mutable {
      auto program = start_program(options_.program, end, options_.variables);
      end.close();  // so that its end is seen here
      if (!program) return fail(std::move(program.error()));
      program_ = std::move(*program);
      run();
    });
  } catch (const std::system_error& failure) {
    fail(fmt::format("cannot start a thread: {}", failure.code().message()));
    return;
  }
  control_.arm(patience_timer_, options_.patience);
}

void Upgrade::fail(std::string why) {
  tell(std::unexpected(std::move(why)));
}

void Upgrade::tell(Started outcome) {
  control_.post([life = std::weak_ptr(life_), this, outcome = std::move(outcome)] {
    if (life.expired()) return;
    has_told_ = true;
    control_.cancel(patience_timer_);
    started_(outcome);
  });
}

Upgrade::~Upgrade() {
  control_.cancel(patience_timer_);
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
    if (!is_idle_) channel_.shut_down();
  }
  wake_.notify_one();
  thread_.join();
  if (program_ && !has_told_) program_->kill();
}

void Upgrade::run() {
  Started outcome = start();
  const bool is_started = outcome.has_value();
  if (!is_started) {
    program_->kill();
    program_.reset();
  }
  tell(std::move(outcome));
  if (!is_started) return;
  channel_.set_patience(options_.answer_patience);
  move_sessions();
}

Upgrade::Started Upgrade::start() {
  const auto lost = [&] {
    return std::unexpected(fmt::format(
        "'{}' has ended before it was ready, or is not portshare, or took more than {} s; what it has to say "
        "about that stands in the log",
        options_.program, options_.patience.count() / 1000));
  };
  const bool is_told = send_listeners();
  const auto answer = channel_.receive();  // also of one that did not listen to the end
  if (!answer) return lost();
  if (is_told && kind_of(answer->bytes) == TakeoverMessage::ready) return program_->pid();
  if (kind_of(answer->bytes) != TakeoverMessage::failed) return lost();
  const std::string_view why = as_text(ByteView(answer->bytes).subspan(1));
  // The faults of a file are lines.
  const char gap = why.contains('\n') ? '\n' : ' ';
  return std::unexpected(fmt::format("'{}' cannot take over:{}{}", options_.program, gap, why));
}

bool Upgrade::send_listeners() {
  const auto hello = encode_hello({.protocol = takeover_protocol, .version = PORTSHARE_VERSION});
  if (!channel_.send(message_of(TakeoverMessage::hello, hello))) return false;
  // Few at a time: thousands do not fit into one message.
  std::span<const ListeningSockets::Open> left = options_.sockets;
  while (!left.empty()) {
    const auto some = left.first(std::min(left.size(), SocketChannel::most_sockets));
    left = left.subspan(some.size());
    std::vector<Socket> sockets;
    sockets.reserve(some.size());
    for (const ListeningSockets::Open& open : some) sockets.push_back(open.socket);
    const auto message = message_of(TakeoverMessage::listeners, encode_listeners(some));
    if (!channel_.send(message, sockets)) return false;
  }
  std::vector<Socket> sockets;
  sockets.reserve(options_.control_sockets.size());
  for (const ControlSocket& each : options_.control_sockets) sockets.push_back(each.socket);
  const auto message =
      message_of(TakeoverMessage::control_sockets, encode_control_sockets(options_.control_sockets));
  if (!channel_.send(message, sockets)) return false;
  return channel_.send(message_of(TakeoverMessage::all_listeners));
}

void Upgrade::stopped_accepting() {
  {
    const std::lock_guard lock(mutex_);
    has_stopped_accepting_ = true;
  }
  wake_.notify_one();
}

void Upgrade::move(MovedSession session, std::function<void(bool)> answer) {
  {
    const std::lock_guard lock(mutex_);
    moving_.push_back({.session = std::move(session), .answer = std::move(answer)});
  }
  wake_.notify_one();
}

void Upgrade::move_sessions() {
  bool has_said_so = false;  // that nothing is accepted here any more
  for (;;) {
    std::unique_lock lock(mutex_);
    is_idle_ = true;
    wake_.wait(lock,
               [&] { return is_ending_ || !moving_.empty() || (has_stopped_accepting_ && !has_said_so); });
    is_idle_ = false;
    const bool says_so = has_stopped_accepting_ && !std::exchange(has_said_so, true);
    std::optional<Moving> next;
    if (!moving_.empty()) {
      next = std::move(moving_.front());
      moving_.pop_front();
    }
    const bool is_over = is_ending_ && !next;
    lock.unlock();  // workers are not to wait for the other program
    if (says_so && is_there_ && !channel_.send(message_of(TakeoverMessage::stopped_accepting))) lose();
    if (next) next->answer(is_there_ && give(next->session));
    if (is_over) return;
  }
}

/// Whether the other program has taken it.
bool Upgrade::give(const MovedSession& session) {
  std::optional<SocketChannel::Message> answer;
  if (send_session(session)) answer = receive_answer();
  if (!answer) {
    lose();
    answer = receive_answer();  // it may have taken this one in the last moment
  }
  return answer && kind_of(answer->bytes) == TakeoverMessage::taken;
}

/// The other program can take nothing any more, should it only have been slow.
void Upgrade::lose() {
  is_there_ = false;
  channel_.shut_down();
  spdlog::error(
      "upgrade: the other program is gone, or has not answered for {} s; who has not moved goes on here",
      std::chrono::duration<double>(options_.answer_patience).count());
}

std::optional<SocketChannel::Message> Upgrade::receive_answer() {
  for (;;) {
    auto message = channel_.receive();
    if (!message || kind_of(message->bytes) != TakeoverMessage::ending) return message;
    has_said_goodbye_ = true;
  }
}

bool Upgrade::has_successor_crashed() {
  if (!has_successor_ended()) return false;
  const std::lock_guard lock(mutex_);
  if (!is_idle_) return false;  // the thread is about to find out
  // The thread reads only what answers it. Nothing is waited for, since nothing more comes.
  while (receive_answer()) {
  }
  return !has_said_goodbye_;
}

bool Upgrade::send_session(const MovedSession& session) {
  const std::array sockets{session.client, session.server};
  return channel_.send(message_of(TakeoverMessage::session, encode(session)), sockets) &&
         send_bytes(session.upstream.bytes) && send_bytes(session.downstream.bytes);
}

bool Upgrade::send_bytes(const std::vector<std::uint8_t>& bytes) {
  constexpr std::size_t most = SocketChannel::most_bytes - 1;
  for (ByteView left = bytes; !left.empty();) {
    const ByteView some = left.first(std::min(left.size(), most));
    left = left.subspan(some.size());
    if (!channel_.send(message_of(TakeoverMessage::bytes, some))) return false;
  }
  return true;
}

}  // namespace portshare
