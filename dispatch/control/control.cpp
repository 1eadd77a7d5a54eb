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
#include "platform/socket_channel.h"

namespace portshare {

using Purpose = ControlSocket::Purpose;

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
  for (const ControlSocket& each : inherited_) {
    owns_inherited_ ? close_listening_socket(each.socket) : close_in_this_process(each.socket);
  }
}

Control::Opened::~Opened() {
  close(std::move(admin));
  close(std::move(monitor));
}

/// One that has not been served.
void Control::close(std::unique_ptr<Door> door) {
  if (!door) return;
  door->is_borrowed ? close_in_this_process(door->listener) : close_listening_socket(door->listener);
}

bool Control::is_same(const std::unique_ptr<Door>& door, const std::optional<SocketAddress>& address) {
  return door ? address == door->configured : !address;
}

std::expected<std::shared_ptr<Control::Opened>, std::string> Control::open(const ServerConfig& config) {
  auto opened = std::make_shared<Opened>();
  DoorResult admin = is_same(admin_, config.admin.address) ? DoorResult{} : open_admin(config.admin);
  if (!admin) return std::unexpected(std::move(admin.error()));
  opened->admin = std::move(*admin);
  DoorResult monitor = is_same(monitor_, config.monitor) ? DoorResult{} : open_monitor(config.monitor);
  if (!monitor) return std::unexpected(std::move(monitor.error()));
  opened->monitor = std::move(*monitor);
  return opened;
}

void Control::serve(const ServerConfig& config, Opened& opened) {
  const auto replace = [this](std::unique_ptr<Door>& present, std::unique_ptr<Door>& next) {
    retire(std::exchange(present, std::move(next)));
    if (present) present->server->start();
  };
  if (!is_same(admin_, config.admin.address)) {
    replace(admin_, opened.admin);
    if (admin_ && !admin_->is_borrowed) spdlog::info("admin socket: {}", admin_->configured.to_string());
  }
  if (!is_same(monitor_, config.monitor)) {
    replace(monitor_, opened.monitor);
    if (monitor_ && !monitor_->is_borrowed) {
      spdlog::info("monitor: {}{}", monitor_->configured.ip ? "http://" : "",
                   address_of_listening_socket(monitor_->listener).to_string());
    }
  }
  if (monitor_) begin_sampling();
}

void Control::discard(Opened& opened) {
  close(std::move(opened.admin));
  close(std::move(opened.monitor));
  if (retired_.empty()) forget_shared_ports();
}

std::expected<void, std::string> Control::adopt(const ServerConfig& config) {
  const auto opened = open(config);
  if (!opened) return std::unexpected(opened.error());
  serve(config, **opened);
  return {};
}

Control::DoorResult Control::open_admin(const AdminConfig& config) {
  if (!config.address) return nullptr;
  if (auto door = inherited_door(Purpose::admin, *config.address)) return door;
  const auto listener = open_control_socket(*config.address, SocketAccess::owner_only);
  if (listener) return make_door(Purpose::admin, *config.address, *listener);
  const std::string message =
      fmt::format("admin socket: {}; set 'admin' in [server] to another path", listener.error().message);
  if (!config.is_default) return std::unexpected(message);
  spdlog::warn("{}, or to \"off\"; going on without, so that no command reaches this program", message);
  return nullptr;
}

Control::DoorResult Control::open_monitor(const std::optional<SocketAddress>& address) {
  if (!address) return nullptr;
  if (auto door = inherited_door(Purpose::monitor, *address)) return door;
  const std::vector<Socket> neighbours = monitors_on_port_of(*address);
  const auto listener = neighbours.empty()
                            ? open_control_socket(*address, SocketAccess::by_umask)
                            : open_beside_own_sockets(*address, std::chrono::seconds{0}, neighbours);
  if (!neighbours.empty()) shared_ports_.push_back(address->ip->port);
  if (!listener) return std::unexpected(describe_monitor_failure(*address, listener.error()));
  return make_door(Purpose::monitor, *address, *listener);
}

/// Those that are to be closed soon; one of them may be a wildcard, or the new one is.
std::vector<Socket> Control::monitors_on_port_of(const SocketAddress& address) const {
  std::vector<Socket> sockets;
  const auto add = [&](const SocketAddress& configured, Socket socket) {
    if (address.ip && configured.ip && address.ip->port != 0 && configured.ip->port == address.ip->port) {
      sockets.push_back(socket);
    }
  };
  if (monitor_) add(monitor_->configured, monitor_->listener);
  for (const ControlSocket& each : inherited_) add(each.configured, each.socket);
  return sockets;
}

std::unique_ptr<Control::Door> Control::inherited_door(Purpose purpose, const SocketAddress& configured) {
  const auto socket = std::ranges::find_if(inherited_, [&](const ControlSocket& each) {
    return each.purpose == purpose && each.configured == configured;
  });
  if (socket == inherited_.end()) return nullptr;
  auto door = make_door(purpose, configured, socket->socket);
  door->is_borrowed = !owns_inherited_;
  inherited_.erase(socket);
  return door;
}

std::unique_ptr<Control::Door> Control::make_door(Purpose purpose, const SocketAddress& configured,
                                                  Socket listener) {
  const bool is_admin = purpose == Purpose::admin;
  auto door = std::make_unique<Door>();
  door->configured = configured;
  door->listener = listener;
  Api api(program_, is_admin ? Api::Access::admin : Api::Access::monitor, [this] { return first_events(); });
  const bool asks_locally = !is_admin && is_loopback(address_of_listening_socket(listener));
  door->server = std::make_unique<HttpServer>(
      loop_, listener, HttpServerOptions{.hosts = asks_locally ? HostPolicy::local : HostPolicy::any},
      [api = std::move(api)](const HttpRequest& request, HttpReply reply) { api.handle(request, reply); });
  return door;
}

void Control::own_inherited() {
  owns_inherited_ = true;
  for (const auto* door : {&admin_, &monitor_}) {
    if (*door && std::exchange((*door)->is_borrowed, false)) listen_as_this_process((*door)->listener);
  }
}

void Control::close_unused() {
  assert(owns_inherited_);
  for (const ControlSocket& each : std::exchange(inherited_, {})) close_listening_socket(each.socket);
  forget_shared_ports();
}

void Control::forget_shared_ports() {
  for (const std::uint16_t port : std::exchange(shared_ports_, {})) forget_sharing(port);
}

std::vector<ControlSocket> Control::sockets() const {
  std::vector<ControlSocket> sockets;
  const auto add = [&](Purpose purpose, const std::unique_ptr<Door>& door) {
    if (door)
      sockets.push_back({.purpose = purpose, .configured = door->configured, .socket = door->listener});
  };
  add(Purpose::admin, admin_);
  add(Purpose::monitor, monitor_);
  return sockets;
}

void Control::lend_sockets() {
  for (const auto* door : {&admin_, &monitor_}) {
    if (*door) (*door)->is_borrowed = true;
  }
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
  door->is_borrowed ? close_in_this_process(door->listener) : close_listening_socket(door->listener);
  std::erase_if(retired_, [door](const auto& candidate) { return candidate.get() == door; });
  if (retired_.empty()) forget_shared_ports();
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
