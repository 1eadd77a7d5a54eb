#include "dispatch/listening_sockets.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "dispatch/bind_failure.h"
#include "platform/listening_socket.h"
#include "platform/socket_channel.h"

namespace portshare {

namespace {

bool is_taken(const std::expected<Socket, ListenError>& socket) {
  return !socket &&
         std::error_code(socket.error().system_error, std::generic_category()) == std::errc::address_in_use;
}

/// A program that was killed may hold its ports a moment longer: the kernel takes rings of io_uring down in
/// the background.
std::expected<Socket, ListenError> open_when_free(const SocketAddress& address,
                                                  std::chrono::seconds defer_accept) {
  constexpr std::chrono::milliseconds patience{500};
  constexpr std::chrono::milliseconds pause{20};
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    auto socket = open_listening_socket(address, defer_accept);
    if (!is_taken(socket) || std::chrono::steady_clock::now() >= deadline) return socket;
    std::this_thread::sleep_for(pause);
  }
}

/// Whether both cannot listen at a time without an arrangement.
bool overlap(const SocketAddress& one, const SocketAddress& other) {
  if (!one.ip || !other.ip) return false;
  const auto covers = [](const IpEndpoint& wide, const IpEndpoint& narrow) {
    return wide.address.is_unspecified() && wide.address.is_v4() == narrow.address.is_v4();
  };
  return one.ip->port == other.ip->port && (covers(*one.ip, *other.ip) || covers(*other.ip, *one.ip));
}

/// The addresses of this host, if any wildcard stands for them.
std::expected<std::vector<InterfaceAddress>, std::string> local_addresses_for(const Config& config) {
  const bool expands = std::ranges::any_of(
      config.listeners, [](const ListenerConfig& listener) { return !listener.except.empty(); });
  if (!expands) return std::vector<InterfaceAddress>{};
  return list_interface_addresses();
}

/// A record for each.
void log_lines(std::string_view lines) {
  for (std::size_t end = 0; !lines.empty(); lines.remove_prefix(std::min(end + 1, lines.size()))) {
    end = std::min(lines.find('\n'), lines.size());
    spdlog::warn("{}", lines.substr(0, end));
  }
}

std::chrono::seconds deferral_of(const ListenerConfig& listener) {
  return listener.defers_accept() ? ListenerConfig::accept_deferral : std::chrono::seconds{0};
}

bool is_among(Socket socket, const std::vector<ListeningSocket>& sockets) {
  return std::ranges::find(sockets, socket, &ListeningSocket::socket) != sockets.end();
}

void close(const ListeningSockets::Open& open) {
  const bool is_shared = open.is_borrowed || !open.passed_as.empty();
  is_shared ? close_in_this_process(open.socket) : close_listening_socket(open.socket);
}

}  // namespace

ListeningSockets::~ListeningSockets() {
  close_all();
}

void ListeningSockets::inherit(const PassedSocket& passed) {
  open_.push_back({.wanted = {},
                   .bound = address_of_listening_socket(passed.socket),
                   .socket = passed.socket,
                   .passed_as = passed.name});
}

void ListeningSockets::own_all() {
  for (Open& open : open_) {
    if (std::exchange(open.is_borrowed, false) && open.passed_as.empty()) listen_as_this_process(open.socket);
  }
}

void ListeningSockets::lend_all() {
  for (Open& open : open_) open.is_borrowed = true;
}

std::expected<std::vector<ListeningSocket>, std::string> ListeningSockets::open_for(const Config& config,
                                                                                    Unavailable unavailable) {
  auto local = local_addresses_for(config);
  if (!local) return std::unexpected(std::move(local.error()));
  std::vector<ListeningSocket> sockets;
  std::string errors;
  Waiting waiting;
  const auto report = [&](const std::string& error) {
    errors.append(errors.empty() ? "" : "\n").append(error);
  };
  const std::size_t known = open_.size();
  for (std::uint32_t listener = 0; listener < config.listeners.size(); ++listener) {
    for (const WantedAddress& wanted : wanted_addresses(config.listeners[listener], *local)) {
      const auto there = std::ranges::find(open_, wanted.address, &Open::wanted);
      if (there != open_.end()) {
        sockets.push_back({.listener = listener, .socket = there->socket, .address = there->bound});
        continue;
      }
      const std::size_t waited = waiting.size();
      auto opened = open(config.listeners[listener], wanted, unavailable, waiting);
      if (opened) {
        open_.push_back(std::move(*opened));
        sockets.push_back(
            {.listener = listener, .socket = open_.back().socket, .address = open_.back().bound});
      } else if (waiting.size() == waited) {
        report(opened.error());
      }
    }
    for (const std::string& name : config.listeners[listener].passed_sockets) {
      const auto passed = passed_sockets(name);
      if (!passed) report(fmt::format("listener '{}': {}", config.listeners[listener].name, passed.error()));
      for (const Socket socket : passed.value_or(std::vector<Socket>())) {
        sockets.push_back(
            {.listener = listener, .socket = socket, .address = address_of_listening_socket(socket)});
      }
    }
  }
  if (!errors.empty()) {
    for (std::size_t i = known; i < open_.size(); ++i) close_listening_socket(open_[i].socket);
    open_.resize(known);
    return std::unexpected(std::move(errors));
  }
  waiting_ = std::move(waiting);
  for (Open& open : open_) {
    const auto used = std::ranges::find(sockets, open.socket, &ListeningSocket::socket);
    if (used == sockets.end() || std::exchange(open.is_announced, true)) continue;
    spdlog::info("listener '{}' takes connections on {}{}", config.listeners[used->listener].name,
                 open.bound.to_string(), open.passed_as.empty() ? "" : ", a socket of the service manager's");
  }
  return sockets;
}

std::expected<ListeningSockets::Open, std::string> ListeningSockets::open(const ListenerConfig& listener,
                                                                          const WantedAddress& wanted,
                                                                          Unavailable unavailable,
                                                                          Waiting& waiting) {
  const SocketAddress& address = wanted.address;
  const std::chrono::seconds deferral = deferral_of(listener);
  std::vector<Socket> neighbours;  // of ours, which this one may follow on its port
  for (const Open& open : open_) {
    if (open.passed_as.empty() && overlap(open.bound, address)) neighbours.push_back(open.socket);
  }
  if (!neighbours.empty()) shared_ports_.push_back(address.ip->port);
  const bool has_time = unavailable == Unavailable::fails;
  const auto socket = !neighbours.empty() ? open_beside_own_sockets(address, deferral, neighbours)
                      : has_time          ? open_when_free(address, deferral)
                                          : open_listening_socket(address, deferral);
  if (socket) {
    return Open{.wanted = address,
                .bound = address_of_listening_socket(*socket),
                .socket = *socket,
                .deferral = deferral};
  }
  const auto explain = [&] { return describe_bind_failure(listener, address, socket.error()); };
  if (!wanted.is_of_wildcard) return std::unexpected(explain());
  const bool was_waiting = std::ranges::find(waiting_, address) != waiting_.end();
  // It may have gone this moment, or be an address of IPv6 that is still being checked.
  const bool is_gone = std::error_code(socket.error().system_error, std::generic_category()) ==
                       std::errc::address_not_available;
  if (unavailable == Unavailable::fails && !was_waiting && !is_gone) return std::unexpected(explain());
  waiting.push_back(address);
  if (was_waiting || is_gone) return std::unexpected(std::string());
  std::string reason = explain();
  log_lines(reason);
  spdlog::warn("listener '{}': {} is tried again until it can be had", listener.name, address.to_string());
  return std::unexpected(std::move(reason));
}

std::expected<std::vector<Socket>, std::string> ListeningSockets::passed_sockets(const std::string& name) {
  std::vector<Socket> sockets;
  for (const Open& open : open_) {
    if (open.passed_as != name) continue;
    const auto prepared = prepare_passed_socket(open.socket);
    if (!prepared) {
      return std::unexpected(
          fmt::format("'systemd:{}': the socket that was passed {}", name, prepared.error().message));
    }
    sockets.push_back(open.socket);
  }
  if (sockets.empty()) return std::unexpected(missing_message(name));
  return sockets;
}

std::string ListeningSockets::missing_message(const std::string& name) const {
  std::set<std::string_view> names;
  for (const Open& open : open_) {
    if (!open.passed_as.empty()) names.insert(open.passed_as);
  }
  if (names.empty()) {
    return fmt::format(
        "'systemd:{}': no socket was passed to this program; start it by its .socket unit (systemctl start "
        "portshare.socket), or bind an address",
        name);
  }
  return fmt::format(
      "'systemd:{}': no such socket was passed; there {} '{}', as FileDescriptorName= of the .socket unit "
      "says",
      name, names.size() == 1 ? "is" : "are", fmt::join(names, "', '"));
}

void ListeningSockets::warn_about_unused(const Config& config) const {
  for (const Open& open : open_) {
    const bool is_used =
        open.passed_as.empty() || std::ranges::any_of(config.listeners, [&](const ListenerConfig& listener) {
          return std::ranges::find(listener.passed_sockets, open.passed_as) != listener.passed_sockets.end();
        });
    if (is_used) continue;
    spdlog::warn(
        "no listener uses the socket '{}' that the service manager passed: clients of {} wait in vain; write "
        "bind = [\"systemd:{}\"] in a listener, or remove it from the .socket unit",
        open.passed_as, open.bound.to_string(), open.passed_as);
  }
}

void ListeningSockets::apply_deferral(const Config& config, const std::vector<ListeningSocket>& sockets) {
  for (const ListeningSocket& socket : sockets) {
    const auto open = std::ranges::find(open_, socket.socket, &Open::socket);
    const std::chrono::seconds deferral = deferral_of(config.listeners[socket.listener]);
    if (!socket.address.ip || open->deferral == deferral) continue;
    set_defer_accept(socket.socket, deferral);
    open->deferral = deferral;
  }
}

void ListeningSockets::stop_handshakes_of_all_but(const std::vector<ListeningSocket>& kept) {
  for (const Open& open : open_) {
    // On a passed socket it would outlive us: those who come wait in its queue for whoever listens next.
    if (open.passed_as.empty() && !is_among(open.socket, kept)) stop_handshakes(open.socket);
  }
}

bool ListeningSockets::has_others(const std::vector<ListeningSocket>& kept) const {
  return std::ranges::any_of(
      open_, [&](const Open& open) { return open.passed_as.empty() && !is_among(open.socket, kept); });
}

void ListeningSockets::close_all_but(const std::vector<ListeningSocket>& kept) {
  std::erase_if(open_, [&](const Open& open) {
    if (is_among(open.socket, kept) || !open.passed_as.empty()) return false;
    close(open);
    return true;
  });
  for (const std::uint16_t port : std::exchange(shared_ports_, {})) forget_sharing(port);
}

void ListeningSockets::close_all() {
  close_all_but({});
  std::ranges::for_each(open_, close);
  open_.clear();
}

}  // namespace portshare
