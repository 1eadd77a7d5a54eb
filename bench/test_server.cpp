#include "bench/test_server.h"

#include <atomic>
#include <future>
#include <thread>
#include <utility>

#include "bench/test_connection.h"
#include "core/pool.h"
#include "core/timer_wheel.h"
#include "platform/listening_socket.h"
#include "platform/loop.h"

namespace portshare {

class TestServer::Thread final : public TestConnectionOwner {
 public:
  /// Both are borrowed.
  Thread(const TestServerSettings& settings, const std::vector<Socket>& listeners)
      : settings_(settings), listeners_(listeners), replies_(make_test_replies(settings)) {
    thread_ = std::thread([this] { run(); });
  }
  ~Thread() override {
    if (loop_) {
      loop_->post([this] { stop(); });
      posted_stop_ = true;
      posted_stop_.notify_one();
    }
    thread_.join();
  }

  /// Waits until it accepts; else the error is a sentence.
  std::expected<void, std::string> wait_until_started() { return started_.get_future().get(); }

 private:
  /// Keeps one accept in flight.
  class Acceptor {
   public:
    Acceptor(Thread& thread, Socket listener)
        : thread_(thread),
          listener_(listener),
          op_([](Op&, void* acceptor) { static_cast<Acceptor*>(acceptor)->completed(); }, this),
          retry_([](void* acceptor) { static_cast<Acceptor*>(acceptor)->accept(); }, this) {}
    void accept() { thread_.loop_->accept(op_, listener_); }
    void stop() {
      thread_.loop_->cancel(retry_);
      thread_.loop_->cancel(op_);
    }
    [[nodiscard]] bool is_quiet() const { return op_.is_idle(); }

   private:
    void completed() {
      if (op_.succeeded()) thread_.accepted(op_.socket);
      if (thread_.stopping_) return;
      // Out of descriptors, say: that takes a while.
      if (op_.succeeded())
        accept();
      else
        thread_.loop_->arm(retry_, std::chrono::milliseconds{10});
    }

    Thread& thread_;
    Socket listener_;
    Op op_;
    Timer retry_;
  };

  void run() {
    auto backend = make_engine(settings_.engine);
    if (!backend) {
      started_.set_value(
          std::unexpected(std::string(to_string(settings_.engine)) + ": " + backend.error().reason));
      return;
    }
    Loop loop(std::move(*backend));
    loop_ = &loop;
    for (const Socket listener : listeners_) {
      for (std::size_t i = 0; i < accepts_per_listener; ++i)
        acceptors_.push_back(std::make_unique<Acceptor>(*this, listener));
    }
    for (const auto& acceptor : acceptors_) acceptor->accept();
    started_.set_value({});
    while (!stopping_ || !is_quiet()) loop.run_once();
    // The loop must outlive the call that posted, which may still be waking it.
    posted_stop_.wait(false);
  }

  void accepted(Socket socket) {
    TestConnection* connection = connections_.make(*loop_, settings_, replies_, *this, socket);
    connection->next = first_;
    if (first_) first_->previous = connection;
    first_ = connection;
    connection->start();
    if (stopping_) connection->stop();
  }

  void finished(TestConnection& connection) override {
    if (connection.next) connection.next->previous = connection.previous;
    (connection.previous ? connection.previous->next : first_) = connection.next;
    connections_.release(&connection);
  }

  void stop() {
    stopping_ = true;
    for (const auto& acceptor : acceptors_) acceptor->stop();
    for (TestConnection* connection = first_; connection;)
      std::exchange(connection, connection->next)->stop();
  }

  [[nodiscard]] bool is_quiet() const {
    for (const auto& acceptor : acceptors_)
      if (!acceptor->is_quiet()) return false;
    return connections_.in_use() == 0;
  }

  // So that a turn of the loop takes what has come meanwhile.
  static constexpr std::size_t accepts_per_listener = 16;

  const TestServerSettings& settings_;
  const std::vector<Socket>& listeners_;
  const TestReplies replies_;
  std::promise<std::expected<void, std::string>> started_;
  Loop* loop_ = nullptr;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  Pool<TestConnection> connections_;
  TestConnection* first_ = nullptr;
  bool stopping_ = false;
  std::atomic<bool> posted_stop_ = false;
  std::thread thread_;
};

TestServer::TestServer(TestServerSettings settings) : settings_(std::move(settings)) {}

TestServer::~TestServer() {
  threads_.clear();
  for (const Socket socket : sockets_) close_listening_socket(socket);
}

std::expected<void, std::string> TestServer::listen() {
  for (const SocketAddress& address : settings_.listen) {
    const auto socket = open_listening_socket(address);
    if (!socket) return std::unexpected(socket.error().message);
    sockets_.push_back(*socket);
    addresses_.push_back(address_of_listening_socket(*socket));
  }
  return {};
}

std::expected<std::unique_ptr<TestServer>, std::string> TestServer::start(TestServerSettings settings) {
  std::unique_ptr<TestServer> server(new TestServer(std::move(settings)));
  if (auto listening = server->listen(); !listening) return std::unexpected(std::move(listening.error()));
  for (unsigned i = 0; i < server->settings_.threads; ++i)
    server->threads_.push_back(std::make_unique<Thread>(server->settings_, server->sockets_));
  std::expected<void, std::string> result;
  for (const auto& thread : server->threads_)
    if (auto started = thread->wait_until_started(); !started) result = std::move(started);
  if (!result) return std::unexpected(std::move(result.error()));
  return server;
}

}  // namespace portshare
