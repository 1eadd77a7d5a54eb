// The engine of the simulation: a Backend on a SimulatedNetwork.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "platform/backend.h"
#include "platform/simulated_network.h"

namespace portshare {

/// Runs ops against a SimulatedNetwork and moves its clock. One backend per network: clients, the program
/// under test and servers share one loop, and so the whole run has one order.
///
/// A wait jumps to the next event. A wait for ever with nothing to come aborts, because nothing would ever
/// happen again; so does every op that breaks the rules of platform/backend.h, and a send whose bytes change
/// before its callback.
class SimulatedBackend final : public Backend {
 public:
  /// `network` must outlive the backend.
  explicit SimulatedBackend(SimulatedNetwork& network);
  ~SimulatedBackend() override;

  void submit_and_wait(OpQueue& queued, OpQueue& done,
                       std::optional<std::chrono::milliseconds> wait) override;
  void cancel(Op& in_flight) override;
  void wake() override { woken_.store(true, std::memory_order_release); }
  [[nodiscard]] std::optional<IpEndpoint> local_endpoint(Socket socket) override;
  [[nodiscard]] std::optional<IpEndpoint> peer_endpoint(Socket socket) override;
  /// Only of a connection.
  void expect_bulk(Socket socket) override;
  [[nodiscard]] std::chrono::microseconds now() override { return network_.now(); }
  [[nodiscard]] std::string_view name() const override { return "simulated"; }
  [[nodiscard]] std::vector<std::uint8_t> empty_pipe(Pipe pipe) override;
  void release_pipe(Pipe pipe, bool is_empty) override;
  [[nodiscard]] std::size_t pipes_in_use() const override { return pipes_.size(); }
  /// Whether any op of it is in flight, or has been.
  [[nodiscard]] bool knows(Socket socket) const { return slots_.contains(socket); }
  /// How many receives have brought a pipe.
  [[nodiscard]] std::size_t pipes_brought() const {
    return static_cast<std::size_t>(std::to_underlying(last_pipe_)) + 1;
  }

  /// Ops taken and not given back.
  [[nodiscard]] std::size_t ops_in_flight() const { return ops_.size(); }

 private:
  // Ops are known by a number that is never used again, so that an event which was meant for an op that has
  // ended in the meantime finds nothing.
  using Token = std::uint64_t;

  struct InFlight {
    Op* op;
    bool attempt_scheduled = false;
    bool finished = false;       ///< the result is in, and will be given back in one of the next turns
    std::uint64_t checksum = 0;  ///< of a send's bytes
  };
  /// What is in flight on one socket; 0 is none.
  struct Slots {
    Token receive = 0;
    Token send = 0;  ///< or shutdown, or connect
    bool ended = false;
    bool closing = false;
    std::deque<Token> accepts;          ///< those that wait
    std::size_t accepts_in_flight = 0;  ///< also finished ones
  };

  void take(Op& op);
  void take_on_socket(Op& op, Token token);
  void start_connect(Op& op, Token token);
  void schedule_attempt(Token token);
  void attempt(Token token);
  bool try_to_complete(Token token, Op& op);
  bool try_receive(Token token, Op& op);
  void receive_into_pipe(Token token, Op& op);
  bool try_send(Token token, Op& op);
  bool try_accept(Token token, Op& op);
  bool try_connect(Token token, Op& op);
  void complete(Token token, Status status);
  void cancel_now(Token token);
  void ready(Socket socket);
  void give_back(OpQueue& done);
  void bring_forward(std::size_t place, std::size_t drawn);
  void release_slot(Token token, const Op& op);
  void run_until_something_ends(std::optional<std::chrono::milliseconds> wait);
  [[noreturn]] void report_deadlock();

  SimulatedNetwork& network_;
  std::map<Token, InFlight> ops_;
  std::unordered_map<const Op*, Token> tokens_;  // never walked: its order is not that of the seed
  std::map<Socket, Slots> slots_;
  std::map<Pipe, SimulatedBytes> pipes_;  ///< in use
  Pipe last_pipe_ = Pipe::none;
  std::vector<Token> finished_;
  Token last_token_ = 0;
  std::atomic<bool> woken_ = false;
};

}  // namespace portshare
