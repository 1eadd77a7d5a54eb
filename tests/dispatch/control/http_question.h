// Asks a handler over a real server and a real socket.
#pragma once

#include <gtest/gtest.h>

#include <charconv>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "core/byte_view.h"
#include "dispatch/control/http_server.h"
#include "platform/engine.h"
#include "platform/listening_socket.h"
#include "tests/recorded_op.h"

namespace portshare {

class HttpQuestion {
 public:
  struct Answer {
    unsigned status = 0;
    std::string body;
  };

  HttpQuestion() : loop_(std::move(*make_engine(Engine::epoll))) {}

  Answer ask(HttpServer::Handler handler, std::string_view method, std::string_view target,
             std::string_view body) {
    const auto listener = open_control_socket({.ip = IpEndpoint::parse("127.0.0.1:0"), .unix_path = {}},
                                              SocketAccess::by_umask);
    EXPECT_TRUE(listener);
    const SocketAddress address = address_of_listening_socket(*listener);
    HttpServer server(loop_, *listener, {}, std::move(handler));
    server.start();
    const std::string text =
        talk(address, std::string(method) + " " + std::string(target) +
                          " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " +
                          std::to_string(body.size()) + "\r\n\r\n" + std::string(body));
    bool stopped = false;
    server.stop([&] { stopped = true; });
    while (!stopped) loop_.run_once();
    close_listening_socket(*listener);
    Answer answer;
    EXPECT_TRUE(text.starts_with("HTTP/1.1 ")) << text;
    std::from_chars(text.data() + 9, text.data() + 12, answer.status);
    answer.body = text.substr(text.find("\r\n\r\n") + 4);
    return answer;
  }

 private:
  void finish(const RecordedOp& op) {
    while (!op.op.is_idle()) loop_.run_once();
  }
  std::string talk(const SocketAddress& address, const std::string& request) {
    RecordedOp op(loop_);
    loop_.connect(op.op, address);
    finish(op);
    EXPECT_TRUE(op.op.succeeded());
    const Socket socket = op.op.socket;
    loop_.send(op.op, socket, as_bytes(request));
    finish(op);
    do {
      loop_.receive(op.op, socket);
      finish(op);
    } while (op.op.succeeded() && op.op.count > 0);
    loop_.close(op.op, socket, CloseMode::orderly);
    finish(op);
    return op.received;
  }

  Loop loop_;
};

}  // namespace portshare
