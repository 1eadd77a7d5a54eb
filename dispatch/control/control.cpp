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

std::expected<void, std::string> Control::adopt(const ServerConfig& config) {
  const auto is_same = [](const std::unique_ptr<Door>& door, const std::optional<SocketAddress>& address) {
    return door ? address == door->configured : !address;
  };
  const bool keeps_admin = is_same(admin_, config.admin.address);
  const bool keeps_monitor = is_same(monitor_, config.monitor);
  DoorResult admin = keeps_admin ? DoorResult{} : open_admin(config.admin);
  if (!admin) return std::unexpected(std::move(admin.error()));
  DoorResult monitor = keeps_monitor ? DoorResult{} : open_monitor(config.monitor);
  if (!monitor) {
    if (*admin) retire(std::move(*admin));
    return std::unexpected(std::move(monitor.error()));
  }
  if (!keeps_admin) retire(std::exchange(admin_, std::move(*admin)));
  if (!keeps_monitor) retire(std::exchange(monitor_, std::move(*monitor)));
  if (monitor_) begin_sampling();
  return {};
}

Control::DoorResult Control::open_admin(const AdminConfig& config) {
  if (!config.address) return nullptr;
  const auto listener = open_control_socket(*config.address, SocketAccess::owner_only);
  if (listener) {
    spdlog::info("admin socket: {}", config.address->to_string());
    return make_door(*config.address, *listener, HostPolicy::any, true);
  }
  const std::string message =
      fmt::format("admin socket: {}; set 'admin' in [server] to another path", listener.error().message);
  if (!config.is_default) return std::unexpected(message);
  spdlog::warn("{}, or to \"off\"; going on without, so that no command reaches this program", message);
  return nullptr;
}

Control::DoorResult Control::open_monitor(const std::optional<SocketAddress>& address) {
  if (!address) return nullptr;
  const auto listener = open_control_socket(*address, SocketAccess::by_umask);
  if (!listener) return std::unexpected(describe_monitor_failure(*address, listener.error()));
  const SocketAddress bound = address_of_listening_socket(*listener);
  spdlog::info("monitor: {}{}", address->ip ? "http://" : "", bound.to_string());
  return make_door(*address, *listener, is_loopback(bound) ? HostPolicy::local : HostPolicy::any, false);
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
