#include "dispatch/upgrade.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
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
      run(std::move(program));
    });
  } catch (const std::system_error& failure) {
    fail(fmt::format("cannot start a thread: {}", failure.code().message()));
    return;
  }
  control_.arm(patience_timer_, options_.patience);
}

void Upgrade::fail(std::string why) {
  control_.post([life = std::weak_ptr(life_), this, why = std::move(why)] {
    if (!life.expired()) started_(std::unexpected(why));
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
}

void Upgrade::run(std::expected<StartedProgram, std::string> program) {
  Started outcome = program ? start(*program) : Started(std::unexpected(std::move(program.error())));
  if (!outcome && program) program->kill();
  const bool is_started = outcome.has_value();
  control_.post([life = std::weak_ptr(life_), this, outcome = std::move(outcome)]() mutable {
    if (life.expired()) return;
    control_.cancel(patience_timer_);
    started_(std::move(outcome));
  });
  if (is_started) move_sessions();
}

Upgrade::Started Upgrade::start(const StartedProgram& program) {
  const auto lost = [&] {
    return std::unexpected(fmt::format(
        "'{}' has ended before it was ready, or is not portshare, or took more than {} s; what it has to say "
        "about that stands in the log",
        options_.program, options_.patience.count() / 1000));
  };
  if (!send_listeners()) return lost();
  const auto answer = channel_.receive();
  if (!answer) return lost();
  if (kind_of(answer->bytes) == TakeoverMessage::ready) return program.pid();
  return std::unexpected(std::string(as_text(ByteView(answer->bytes).subspan(1))));
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
    for (const ListeningSockets::Open& open : some) sockets.push_back(open.socket);
    const auto message = message_of(TakeoverMessage::listeners, encode_listeners(some));
    if (!channel_.send(message, sockets)) return false;
  }
  return channel_.send(message_of(TakeoverMessage::all_listeners));
}

void Upgrade::free_addresses() {
  {
    const std::lock_guard lock(mutex_);
    addresses_are_free_ = true;
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
  bool is_there = true;  // the other program
  bool has_said_so = false;
  for (;;) {
    std::unique_lock lock(mutex_);
    is_idle_ = true;
    wake_.wait(lock, [&] { return is_ending_ || !moving_.empty() || (addresses_are_free_ && !has_said_so); });
    is_idle_ = false;
    if (is_there && addresses_are_free_ && !std::exchange(has_said_so, true)) {
      is_there = channel_.send(message_of(TakeoverMessage::addresses_are_free));
    }
    if (moving_.empty()) {
      if (is_ending_) return;
      continue;
    }
    Moving next = std::move(moving_.front());
    moving_.pop_front();
    lock.unlock();
    bool is_taken = false;
    if (is_there && send_session(next.session)) {
      const auto answer = channel_.receive();
      is_taken = answer && kind_of(answer->bytes) == TakeoverMessage::taken;
      if (!answer) {
        is_there = false;
        spdlog::error("upgrade: the other program is gone; connections that it has not taken go on here");
      }
    }
    next.answer(is_taken);
  }
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
