// Carries bytes from one socket to another, in one direction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/byte_view.h"
#include "platform/loop.h"

namespace portshare {

/// Looks at what a direction has received before it goes on, and says where it has to stop: at the borders of
/// messages. May also say that something else goes on.
class RelayFilter {
 public:
  enum class Action : std::uint8_t {
    go_on,      ///< more bytes are needed, or welcome
    ask_again,  ///< about the same bytes, once these have been sent; there are some
    pause,      ///< go no further until RelayDirection::resume
    malformed   ///< what is not counted must not be passed on, ever
  };
  struct Result {
    std::size_t count = 0;  ///< so many bytes from the front may go on
    Action action = Action::go_on;
    /// Goes on in their place, from memory of the filter that stays until the next inspect().
    std::optional<ByteView> replacement = {};
    /// With `pause`: nothing is ever to go on behind this, so the end of the stream may go with it.
    bool ends_stream = false;
  };

  RelayFilter() = default;
  RelayFilter(const RelayFilter&) = delete;
  RelayFilter& operator=(const RelayFilter&) = delete;
  virtual ~RelayFilter() = default;

  /// `bytes`: what was received and has not been counted yet, at least one byte; uncounted bytes are shown
  /// again.
  virtual Result inspect(ByteView bytes) = 0;

  /// So many of the next bytes may go on without being shown to inspect(), as things are now.
  [[nodiscard]] virtual std::uint64_t unseen_allowance() const { return 0; }
  /// `count` of them did.
  virtual void pass_unseen([[maybe_unused]] std::uint64_t count) {}
};

/// One direction of a relayed connection. It receives, sends all of that, and only then receives again, so a
/// peer which does not read stops the other one from sending, and nothing is buffered beyond one buffer and
/// what a filter holds back. An end of the stream is passed on once everything before it has been sent.
///
/// A stream of which much comes at a time, and of which the filter need not see all, takes another way:
/// through a pipe in the kernel, in larger pieces that are never copied. Then it is a pipe's content that is
/// under way.
///
/// The ops belong to the session, which calls received() and sent() from their callbacks.
class RelayDirection {
 public:
  enum class Progress : std::uint8_t {
    running,
    paused,         ///< by the filter; everything before has been sent
    malformed,      ///< says the filter; everything before has been sent
    source_ended,   ///< the end of the stream has come: pass it on with end(), or close
    ended,          ///< the end of the stream was passed on
    source_failed,  ///< the socket that is read
    sink_failed,    ///< the socket that is written
  };

  /// `receive` works on the source, `send` on the sink.
  RelayDirection(Op& receive, Op& send) : receive_(receive), send_(send) {}

  /// Sets both ends; a filter, which must outlive its use, or null: everything goes on.
  void open(Socket source, Socket sink, RelayFilter* filter = nullptr);
  void set_filter(RelayFilter* filter) { filter_ = filter; }

  /// Takes over bytes that were received before, in `buffer` of the loop's pool, or if that is null in memory
  /// that lives until they are sent. To be called before resume().
  void give(ByteView bytes, std::uint8_t* buffer);

  /// The first `count` of them have reached the sink already. What a filter makes of them is to leave them as
  /// they are, and to let at least so many go on.
  void note_sent_ahead(std::uint32_t count) { sent_ahead_ = count; }

  /// Begins, or goes on after a pause.
  Progress resume(Loop& loop);
  /// In a pause: receives one buffer ahead, so that the source's end or failure is noticed.
  void read_ahead(Loop& loop);
  /// Passes the end of the stream on.
  void end(Loop& loop) { loop.shutdown(send_, sink_); }

  Progress received(Loop& loop);
  Progress sent(Loop& loop);

  /// Sends `bytes` of someone else, which stay until they are sent, ahead of what comes from the source.
  /// Nothing is unsent or pending. Also before open(), from when on `sink` is the same.
  void inject(Loop& loop, Socket sink, ByteView bytes);
  /// For a direction that is not to go on: sends the rest of what is unsent, after a send of it. True:
  /// nothing is left.
  bool finish_sending(Loop& loop);

  // For a connection that goes on elsewhere, or here after all. Its ops are cancelled, and what still comes
  // of them is taken to the books with these, which start nothing. False: the socket has failed.
  [[nodiscard]] bool halt_received(Loop& loop);
  [[nodiscard]] bool halt_sent(Loop& loop);
  /// All bytes that were received and not sent are in memory after this, and pending() has them. Both ops are
  /// idle.
  void halt(Loop& loop);
  /// After open(): the state of a direction that was halted.
  void restore(std::vector<std::uint8_t> bytes, bool source_ended, bool ended);
  /// After halt() or restore(): goes on where it stopped.
  Progress restart(Loop& loop);

  [[nodiscard]] bool has_unsent() const { return !unsent_.empty() || piped_ > 0; }
  [[nodiscard]] bool has_ended() const { return ended_; }
  /// Or failed.
  [[nodiscard]] bool source_has_ended() const { return source_ended_; }
  [[nodiscard]] bool is_paused() const { return paused_; }
  /// Received, and not sent yet.
  [[nodiscard]] ByteView pending() const { return pending_; }
  /// Puts `text` into pending() at `offset`.
  void insert(Loop& loop, std::size_t offset, ByteView text);
  /// Takes `length` bytes out of pending() at `offset`.
  void erase(Loop& loop, std::size_t offset, std::size_t length);

  /// Gives everything back that is held. Both ops are idle.
  void release(Loop& loop);
  /// Forgets the source, too, as if it had never been opened. Both ops are idle.
  void reset(Loop& loop);

 private:
  /// A pipe is worth its calls from here on.
  static constexpr std::uint64_t least_bulk = std::uint64_t{64} * 1024;
  static constexpr std::uint32_t most_bulk = std::uint32_t{1} << 30;

  void receive(Loop& loop);
  void judge_volume();
  Progress pass_on_pipe(Loop& loop);
  Progress pass_on(Loop& loop);
  Progress proceed(Loop& loop);
  void take_off_sent();
  void keep(Loop& loop);
  void give_buffer_back(Loop& loop);

  Op& receive_;
  Op& send_;
  Socket source_ = Socket::none;
  Socket sink_ = Socket::none;
  RelayFilter* filter_ = nullptr;
  std::uint8_t* buffer_ = nullptr;
  ByteView pending_;              // in buffer_, in kept_ or in the memory of whoever gave it
  ByteView unsent_;               // the front of pending_, or what replaces it
  std::uint32_t sent_ahead_ = 0;  // of the front of pending_
  Pipe pipe_ = Pipe::none;
  std::uint32_t piped_ = 0;          // bytes in pipe_
  std::uint32_t full_receives_ = 0;  // in a row
  std::vector<std::uint8_t> kept_;
  RelayFilter::Action then_ = RelayFilter::Action::go_on;  // when unsent_ has been sent
  bool is_replacement_ = false;
  bool paused_ = true;
  bool source_ended_ = false;
  bool ended_ = false;
  bool is_bulk_ = false;  // something has gone through a pipe
};

}  // namespace portshare
