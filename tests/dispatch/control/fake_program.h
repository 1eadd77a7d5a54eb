// A program that answers as a test wants it to.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dispatch/config_reader.h"
#include "dispatch/control/controlled_program.h"

namespace portshare {

class FakeProgram final : public ControlledProgram {
 public:
  FakeProgram() {
    auto read = read_config(R"([server]
[listener.web]
bind = ["127.0.0.1:80"]
[listener."a\"b\\c"]
bind = ["127.0.0.1:81"]
[[route]]
name = ["one.example", "two.example", "three.example", "four.example"]
to = "app"
[[route]]
source = ["10.0.0.0/8"]
protocol = ["tls"]
reject = true
[backend.app]
servers = ["127.0.0.1:8001"]
)",
                            "f.toml");
    config = std::make_shared<const Config>(std::move(*read.config));
    present.config = config;
    present.ids = registry.ids_for(*config);
    present.engine = "epoll";
    present.pid = 4711;
    present.started = present.time =
        std::chrono::system_clock::time_point{std::chrono::seconds{1'800'000'000}};
    present.reload.last_success = present.started;
    present.listeners.resize(config->listeners.size());
    BackendStatus backend;
    backend.name = "app";
    ServerStatus server;
    server.address = "127.0.0.1:8001";
    server.configured = server.address;
    backend.servers.push_back(server);
    present.backends.push_back(backend);
    WorkerReport worker;
    worker.counters.make_room(*present.ids);
    present.workers = {worker, worker};
  }

  void report(std::function<void(ProgramReport)> done) override { done(present); }
  [[nodiscard]] const MetricRegistry& metric_names() const override { return registry; }
  void list_connections(ConnectionFilter filter, std::function<void(ConnectionList)> done) override {
    last_filter = std::move(filter);
    done(connections);
  }
  void end_connections(ConnectionFilter filter, std::function<void(std::size_t)> done) override {
    last_filter = std::move(filter);
    done(3);
  }
  void reload(std::function<void(ReloadReport)> done) override { done(reloaded); }
  void drain() override { ++drains; }
  void upgrade(std::string binary,
               std::function<void(std::expected<std::string, std::string>)> done) override {
    upgraded_to.push_back(binary);
    if (binary == "/faulty") return done(std::unexpected(std::string("it does not come up")));
    done("pid 4712 has taken over");
  }
  void set_log_level(LogLevel level) override { levels.push_back(level); }
  std::expected<void, std::string> set_server(std::string_view backend, std::string_view address,
                                              ServerWish wish) override {
    if (backend != "app") return std::unexpected(std::string("there is no such server"));
    wishes.emplace_back(address, wish);
    return {};
  }

  std::shared_ptr<const Config> config;
  MetricRegistry registry;
  ProgramReport present;
  ConnectionList connections;
  ConnectionFilter last_filter;
  ReloadReport reloaded;
  int drains = 0;
  std::vector<std::string> upgraded_to;
  std::vector<LogLevel> levels;
  std::vector<std::pair<std::string, ServerWish>> wishes;
};

}  // namespace portshare
