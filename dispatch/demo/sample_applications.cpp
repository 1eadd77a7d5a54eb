#include "dispatch/demo/sample_applications.h"

#include <fmt/format.h>

#include <future>
#include <utility>

#include "platform/engine.h"
#include "platform/listening_socket.h"

namespace portshare {

std::expected<std::unique_ptr<SampleApplications>, std::string> SampleApplications::start(
    std::vector<SampleApplicationSettings> settings) {
  std::unique_ptr<SampleApplications> applications(new SampleApplications(std::move(settings)));
  if (const auto listening = applications->listen(); !listening) return std::unexpected(listening.error());
  if (const auto started = applications->start_thread(); !started) return std::unexpected(started.error());
  return applications;
}

SampleApplications::~SampleApplications() {
  if (thread_.joinable()) {
    if (loop_) loop_->post([this] { stop(); });
    thread_.join();
  }
  for (const Socket socket : sockets_) close_listening_socket(socket);
}

std::expected<void, std::string> SampleApplications::listen() {
  for (const SampleApplicationSettings& each : settings_) {
    const auto socket = open_listening_socket({IpEndpoint{IpAddress::v4({127, 0, 0, 1}), 0}, {}});
    if (!socket) {
      return std::unexpected(fmt::format("sample application '{}': {}", each.name, socket.error().message));
    }
    sockets_.push_back(*socket);
    addresses_.push_back(address_of_listening_socket(*socket));
  }
  return {};
}

std::expected<void, std::string> SampleApplications::start_thread() {
  std::promise<std::string> started;
  std::future<std::string> outcome = started.get_future();
  thread_ = std::thread([this, &started] {
    auto backend = make_engine(Engine::epoll);  // which every kernel has
    if (!backend) {
      started.set_value(fmt::format("cannot start the sample applications: {}", backend.error().reason));
      return;
    }
    Loop loop(std::move(*backend));
    for (std::size_t i = 0; i < settings_.size(); ++i) {
      applications_.push_back(
          std::make_unique<SampleApplication>(loop, settings_[i].name, sockets_[i], settings_[i].tls));
      applications_.back()->start();
    }
    loop_ = &loop;
    started.set_value({});
    loop.run();
    applications_.clear();
  });
  std::string error = outcome.get();
  if (!error.empty()) return std::unexpected(std::move(error));
  return {};
}

void SampleApplications::stop() {
  // The last one to stop ends the loop.
  auto running = std::make_shared<std::size_t>(applications_.size());
  for (const auto& application : applications_) {
    application->stop([this, running] {
      if (--*running == 0) loop_->stop();
    });
  }
}

}  // namespace portshare
