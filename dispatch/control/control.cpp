#include "dispatch/control/control.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "dispatch/bind_failure.h"
#include "dispatch/control/api.h"
#include "dispatch/control/documents.h"
#include "dispatch/control/version.h"
#include "platform/listening_socket.h"

namespace portshare {

namespace {

std::string event(std::string_view name, const std::string& data) {
  return fmt::format("event: {}\ndata: {}\n\n", name, data);
}

bool is_loopback(const SocketAddress& address) {
  return address.ip && address.ip->address.is_loopback();
}

}  // namespace

Control::Control(Loop& loop, ControlledProgram& program)
    : loop_(loop),
      program_(program),
      tick_timer_([](void* control) { static_cast<Control*>(control)->tick(); }, this) {}

Control::~Control() {
  assert(!admin_ && !monitor_ && retired_.empty() && !report_pending_);
  loop_.cancel(tick_timer_);
}

Control::OpenedAddresses::~OpenedAddresses() {
  for (const Socket socket : {admin, monitor}) {
    if (socket != Socket::none) close_listening_socket(socket);
  }
}

std::expected<std::shared_ptr<Control::OpenedAddresses>, std::string> Control::open(
    const ServerConfig& config) const {
  auto opened = std::make_shared<OpenedAddresses>();
  if (config.admin.address && !is_served(admin_, config.admin.address)) {
    const auto socket = open_control_socket(*config.admin.address, SocketAccess::owner_only);
    const std::string message = socket
                                    ? std::string()
                                    : fmt::format("admin socket: {}; set 'admin' in [server] to another path",
                                                  socket.error().message);
    if (!socket && !config.admin.is_default) return std::unexpected(message);
    if (!socket)
      spdlog::warn("{}, or to \"off\"; going on without, so that no command reaches this program", message);
    opened->admin = socket.value_or(Socket::none);
  }
  if (config.monitor && !is_served(monitor_, config.monitor)) {
    const auto socket = open_control_socket(*config.monitor, SocketAccess::by_umask);
    if (!socket) return std::unexpected(describe_monitor_failure(*config.monitor, socket.error()));
    opened->monitor = *socket;
  }
  return opened;
}

void Control::adopt(const ServerConfig& config, OpenedAddresses& opened) {
  if (!is_served(admin_, config.admin.address)) {
    const Socket socket = std::exchange(opened.admin, Socket::none);
    retire(std::exchange(admin_, nullptr));
    if (socket != Socket::none) {
      spdlog::info("admin socket: {}", config.admin.address->to_string());
      admin_ = make_door(*config.admin.address, socket, HostPolicy::any, true);
    }
  }
  if (!is_served(monitor_, config.monitor)) {
    const Socket socket = std::exchange(opened.monitor, Socket::none);
    retire(std::exchange(monitor_, nullptr));
    if (socket != Socket::none) {
      const SocketAddress bound = address_of_listening_socket(socket);
      spdlog::info("monitor: {}{}", bound.ip ? "http://" : "", bound.to_string());
      monitor_ =
          make_door(*config.monitor, socket, is_loopback(bound) ? HostPolicy::local : HostPolicy::any, false);
    }
  }
  if (monitor_) begin_sampling();
}

std::expected<void, std::string> Control::adopt(const ServerConfig& config) {
  const auto opened = open(config);
  if (!opened) return std::unexpected(opened.error());
  adopt(config, **opened);
  return {};
}

bool Control::is_served(const std::unique_ptr<Door>& door, const std::optional<SocketAddress>& address) {
  return door ? address == door->configured : !address;
}

std::unique_ptr<Control::Door> Control::make_door(const SocketAddress& configured, Socket listener,
                                                  HostPolicy hosts, bool is_admin) {
  auto door = std::make_unique<Door>();
  door->configured = configured;
  door->listener = listener;
  Api api(program_, is_admin ? Api::Access::admin : Api::Access::monitor, [this] { return first_events(); });
  door->server = std::make_unique<HttpServer>(
      loop_, listener, HttpServerOptions{.hosts = hosts},
      [api = std::move(api)](const HttpRequest& request, HttpReply reply) { api.handle(request, reply); });
  door->server->start();
  return door;
}

std::optional<SocketAddress> Control::monitor_address() const {
  if (!monitor_) return std::nullopt;
  return address_of_listening_socket(monitor_->listener);
}

void Control::retire(std::unique_ptr<Door> door) {
  if (!door) return;
  Door* const retired = door.get();
  retired_.push_back(std::move(door));
  retired->server->stop([this, retired] {
    // Not from within the server, which is still at work.
    loop_.post([this, retired] { door_closed(retired); });
  });
}

void Control::door_closed(const Door* door) {
  close_listening_socket(door->listener);
  std::erase_if(retired_, [door](const auto& candidate) { return candidate.get() == door; });
  check_stopped();
}

void Control::stop(std::function<void()> stopped) {
  assert(!stopping_);
  stopping_ = true;
  stopped_ = std::move(stopped);
  loop_.cancel(tick_timer_);
  retire(std::move(admin_));
  retire(std::move(monitor_));
  check_stopped();
}

void Control::check_stopped() {
  if (stopping_ && retired_.empty() && !report_pending_ && stopped_) std::exchange(stopped_, nullptr)();
}

bool Control::has_watchers() const {
  const auto is_watched = [](const std::unique_ptr<Door>& door) {
    return door && door->server->stream_count() > 0;
  };
  return is_watched(admin_) || is_watched(monitor_);
}

std::string Control::first_events() {
  begin_sampling();
  return event("history", history_document(history_));
}

void Control::begin_sampling() {
  // Not at once: the program may be about to start.
  if (!tick_timer_.is_armed() && !stopping_) loop_.arm(tick_timer_, std::chrono::milliseconds{0});
}

void Control::tick() {
  // The history of a monitor goes on when nobody looks. Without one there is nothing to be done until
  // somebody asks for events.
  const bool is_wanted = monitor_ || has_watchers() || history_.empty();
  if (!is_wanted) {
    history_.clear();
    meter_ = {};
    return;
  }
  loop_.arm(tick_timer_, sample_interval);
  if (std::exchange(report_pending_, true)) return;  // a worker is stuck
  program_.report([this](const ProgramReport& report) {
    report_pending_ = false;
    sample(report);
    check_stopped();
  });
}

void Control::sample(const ProgramReport& report) {
  if (stopping_) return;
  const auto details = meter_.take(report, loop_.now());
  if (!details) return;
  if (history_.size() == longest_history) history_.erase(history_.begin());
  history_.push_back(details->sample);
  if (!has_watchers()) return;
  const std::string text =
      event("sample", sample_document(*details, report, program_.metric_names(), version()));
  for (const auto* door : {&admin_, &monitor_}) {
    if (*door) (*door)->server->publish(text);
  }
}

}  // namespace portshare
