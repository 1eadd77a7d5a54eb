#include "dispatch/listening_sockets.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

#include "platform/listening_socket.h"

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

std::chrono::seconds deferral_of(const ListenerConfig& listener) {
  return listener.defers_accept() ? ListenerConfig::accept_deferral : std::chrono::seconds{0};
}

bool is_among(Socket socket, const std::vector<ListeningSocket>& sockets) {
  return std::ranges::find(sockets, socket, &ListeningSocket::socket) != sockets.end();
}

}  // namespace

ListeningSockets::~ListeningSockets() {
  close_all_but({});
}

std::expected<std::vector<ListeningSocket>, std::string> ListeningSockets::open_for(const Config& config) {
  std::vector<ListeningSocket> sockets;
  std::string errors;
  const std::size_t known = open_.size();
  for (std::uint32_t listener = 0; listener < config.listeners.size(); ++listener) {
    const std::chrono::seconds deferral = deferral_of(config.listeners[listener]);
    for (const SocketAddress& address : config.listeners[listener].bind) {
      const auto there = std::ranges::find(open_, address, &Open::wanted);
      if (there != open_.end()) {
        sockets.push_back({.listener = listener, .socket = there->socket, .address = there->bound});
        continue;
      }
      std::vector<Socket> neighbours;  // of ours, which this one may follow on its port
      for (const Open& open : open_) {
        if (overlap(open.bound, address)) neighbours.push_back(open.socket);
      }
      const auto socket = neighbours.empty() ? open_when_free(address, deferral)
                                             : open_beside_own_sockets(address, deferral, neighbours);
      if (!neighbours.empty()) shared_ports_.push_back(address.ip->port);
      if (!socket) {
        errors.append(errors.empty() ? "" : "\n");
        errors.append(
            fmt::format("listener '{}': {}", config.listeners[listener].name, socket.error().message));
        continue;
      }
      open_.push_back({.wanted = address,
                       .bound = address_of_listening_socket(*socket),
                       .socket = *socket,
                       .deferral = deferral});
      sockets.push_back({.listener = listener, .socket = *socket, .address = open_.back().bound});
    }
  }
  if (!errors.empty()) {
    for (std::size_t i = known; i < open_.size(); ++i) close_listening_socket(open_[i].socket);
    open_.resize(known);
    return std::unexpected(std::move(errors));
  }
  for (std::size_t i = known; i < open_.size(); ++i) {
    const auto used = std::ranges::find(sockets, open_[i].socket, &ListeningSocket::socket);
    spdlog::info("listener '{}' takes connections on {}", config.listeners[used->listener].name,
                 open_[i].bound.to_string());
  }
  return sockets;
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
    if (!is_among(open.socket, kept)) stop_handshakes(open.socket);
  }
}

void ListeningSockets::close_all_but(const std::vector<ListeningSocket>& kept) {
  std::erase_if(open_, [&](const Open& open) {
    const bool is_kept = is_among(open.socket, kept);
    if (!is_kept) close_listening_socket(open.socket);
    return !is_kept;
  });
  for (const std::uint16_t port : std::exchange(shared_ports_, {})) forget_sharing(port);
}

}  // namespace portshare
