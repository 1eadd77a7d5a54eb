#include "platform/simulated_network.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <string>

namespace portshare {

namespace {

/// A full queue drops the SYN, and the client sends it again after 1, 3, 7 … seconds (tcp_syn_retries).
constexpr unsigned syn_retries = 6;

constexpr std::size_t index_of(Socket socket) {
  return static_cast<std::size_t>(socket);
}

}  // namespace

SimulatedNetwork::SimulatedNetwork(std::uint64_t seed, const SimulatedFaults& faults)
    : seed_(seed), random_(seed), faults_(faults) {}

// --- Time.

void SimulatedNetwork::schedule(Time delay, std::function<void()> action) {
  events_.push_back({now_ + delay, next_order_++, std::move(action)});
  std::push_heap(events_.begin(), events_.end());
}

std::optional<SimulatedNetwork::Time> SimulatedNetwork::next_event() const {
  if (events_.empty()) return std::nullopt;
  return events_.front().time;
}

void SimulatedNetwork::advance(Time time) {
  assert(time >= now_);
  while (!events_.empty() && events_.front().time <= time) {
    std::pop_heap(events_.begin(), events_.end());
    const Event event = std::move(events_.back());
    events_.pop_back();
    now_ = std::max(now_, event.time);
    event.action();
  }
  now_ = time;
}

SimulatedNetwork::Time SimulatedNetwork::delay_up_to(Time longest) {
  if (longest <= Time::zero()) return Time::zero();
  return Time{random_.below(static_cast<std::uint64_t>(longest.count()) + 1)};
}

SimulatedNetwork::Time SimulatedNetwork::latency() {
  return faults_.latency_min + delay_up_to(faults_.latency_max - faults_.latency_min);
}

// --- Sockets.

void SimulatedNetwork::print(const std::string& text) {
  // Written before the process aborts, and without a place to report a failure to.
  [[maybe_unused]] const int written = std::fputs(text.c_str(), stderr);
}

void SimulatedNetwork::misuse(std::string_view what, Socket socket) const {
  const std::string where =
      socket == Socket::none ? "" : " (socket " + std::to_string(std::to_underlying(socket)) + ")";
  print("simulation: " + std::string(what) + where + "; seed " + std::to_string(seed_) + ", " +
        std::to_string((now_ - start_of_time).count()) + " us into the run\n");
  std::abort();
}

Socket SimulatedNetwork::new_socket() {
  const Socket socket{static_cast<std::int32_t>(traffic_.size())};
  traffic_.emplace_back();
  return socket;
}

SimulatedTraffic SimulatedNetwork::traffic(Socket socket) const {
  if (socket == Socket::none || index_of(socket) >= traffic_.size()) misuse("traffic of no socket", socket);
  return traffic_[index_of(socket)];
}

const SimulatedEndRef& SimulatedNetwork::end(Socket socket) const {
  const auto found = ends_.find(socket);
  if (found == ends_.end()) misuse("a call on a socket that is closed or no connection", socket);
  return found->second;
}

bool SimulatedNetwork::out_of_descriptors() {
  return open_sockets() >= faults_.descriptor_limit || happens(faults_.no_descriptors);
}

std::optional<IpEndpoint> SimulatedNetwork::local_endpoint(Socket socket) const {
  const auto listener = listeners_.find(socket);
  return listener != listeners_.end() ? listener->second.address.ip : end(socket)->local;
}

std::optional<IpEndpoint> SimulatedNetwork::peer_endpoint(Socket socket) const {
  const SimulatedEndRef& at = end(socket);
  return at->reset_received ? std::nullopt : at->remote;  // ENOTCONN
}

// --- Listeners.

Socket SimulatedNetwork::listen(SocketAddress address) {
  if (address.ip && address.ip->port == 0) {
    do {
      address.ip->port = new_port();
    } while (listening_.contains(address));
  }
  if (listening_.contains(address)) misuse("two listeners for " + address.to_string());
  const Socket socket = new_socket();
  listening_.emplace(address, socket);
  listeners_.emplace(socket, Listener{socket, address, {}});
  return socket;
}

void SimulatedNetwork::close_listener(Socket listener) {
  const auto found = listeners_.find(listener);
  if (found == listeners_.end()) misuse("close of a listener that is closed or none", listener);
  for (const SimulatedEndRef& queued : found->second.queue) {
    send_reset(queued);
    queued->state = SimulatedEnd::State::closed;
  }
  listening_.erase(found->second.address);
  listeners_.erase(found);
}

void SimulatedNetwork::set_reach(const SocketAddress& address, Reach reach) {
  reach_[address] = reach;
}

SimulatedNetwork::Reach SimulatedNetwork::reach_of(const SocketAddress& address) const {
  const auto known = reach_.find(address);
  return known == reach_.end() ? Reach::normal : known->second;
}

SimulatedNetwork::Listener* SimulatedNetwork::find_listener(const SocketAddress& address) {
  auto found = listening_.find(address);
  if (found == listening_.end() && address.ip && address.ip->address.is_v4())
    found = listening_.find({.ip = IpEndpoint{IpAddress::v4({}), address.ip->port}, .unix_path = {}});
  if (found == listening_.end() && address.ip)  // listens for both families
    found = listening_.find({.ip = IpEndpoint{IpAddress(), address.ip->port}, .unix_path = {}});
  return found == listening_.end() ? nullptr : &listeners_.at(found->second);
}

std::optional<SimulatedNetwork::Accepted> SimulatedNetwork::accept(Socket listener) {
  auto& queue = listeners_.at(listener).queue;
  while (!queue.empty()) {
    if (out_of_descriptors()) return Accepted{Status::no_descriptors, Socket::none};
    const SimulatedEndRef accepted = queue.front();
    queue.pop_front();
    if (accepted->reset_received && random_.chance(1, 2)) {
      // Some systems hand out a connection that has died in the queue, others drop it.
      accepted->state = SimulatedEnd::State::closed;
      continue;
    }
    accepted->state = SimulatedEnd::State::open;
    accepted->socket = new_socket();
    ends_.emplace(accepted->socket, accepted);
    return Accepted{Status::ok, accepted->socket};
  }
  return std::nullopt;
}

// --- Connects.

std::expected<Socket, Status> SimulatedNetwork::start_connect(const SocketAddress& address) {
  if (out_of_descriptors()) return std::unexpected(Status::no_descriptors);
  if (happens(faults_.no_ports)) return std::unexpected(Status::no_resources);
  const SimulatedEndRef client{std::make_shared<SimulatedConnection>(), 0};
  client.connection->server = address;
  client->socket = new_socket();
  ends_.emplace(client->socket, client);
  Time delay = latency();
  if (happens(faults_.connect_slow)) delay += delay_up_to(faults_.slow_connect_max);
  schedule(delay, [this, client] { syn_arrives(client, 0); });
  return client->socket;
}

void SimulatedNetwork::finish_connect(const SimulatedEndRef& client, Status status) {
  if (client->state != SimulatedEnd::State::connecting || client->connected) return;
  client->connected = status;
  ready(client->socket);
}

void SimulatedNetwork::syn_arrives(const SimulatedEndRef& client, unsigned tries) {
  if (client->state != SimulatedEnd::State::connecting) return;
  const SocketAddress& address = client.connection->server;
  const Reach reach = reach_of(address);
  const auto answer = [&](Status status) {
    schedule(latency(), [this, client, status] { finish_connect(client, status); });
  };
  if (reach == Reach::silent || (tries == 0 && happens(faults_.connect_silent))) {
    schedule(connect_gives_up, [this, client] { finish_connect(client, Status::timed_out); });
    return;
  }
  if (reach == Reach::unreachable || (tries == 0 && happens(faults_.connect_unreachable)))
    return answer(Status::unreachable);
  Listener* listener = find_listener(address);
  if (!listener || reach == Reach::refused || (tries == 0 && happens(faults_.connect_refused)))
    return answer(Status::refused);
  if (listener->queue.size() >= faults_.backlog) {
    if (tries >= syn_retries) return answer(Status::timed_out);
    schedule(std::chrono::seconds{1U << tries}, [this, client, tries] { syn_arrives(client, tries + 1); });
    return;
  }
  establish(client, *listener);
}

void SimulatedNetwork::establish(const SimulatedEndRef& client, Listener& listener) {
  const SocketAddress& address = client.connection->server;
  const SimulatedEndRef server = client.peer();
  if (address.ip) {
    const IpAddress source = address.ip->address.is_v4()
                                 ? IpAddress::v4({127, 0, 0, 1})
                                 : IpAddress::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
    client->local = server->remote = IpEndpoint{source, new_port()};
    client->remote = server->local = address.ip;
  }
  server->state = SimulatedEnd::State::queued;
  listener.queue.push_back(server);
  ready(listener.socket);
  schedule(latency(), [this, client] { finish_connect(client, Status::ok); });
  if (happens(faults_.reset_in_queue)) {
    send_reset(client);
    send_reset(server);
  }
}

std::optional<Status> SimulatedNetwork::connect_result(Socket socket) {
  const SimulatedEndRef& client = end(socket);
  if (client->connected == Status::ok) client->state = SimulatedEnd::State::open;
  return client->connected;
}

void SimulatedNetwork::abandon_connect(Socket socket) {
  const SimulatedEndRef client = end(socket);
  ends_.erase(socket);
  const SimulatedEndRef server = client.peer();
  if (!client->connected && server->state == SimulatedEnd::State::connecting &&
      happens(faults_.connect_half_open)) {
    // The SYN was under way, and the server's answer comes to a socket that is gone.
    Listener* listener = find_listener(client.connection->server);
    if (listener && listener->queue.size() < faults_.backlog &&
        reach_of(client.connection->server) == Reach::normal)
      establish(client, *listener);
  }
  client->state = SimulatedEnd::State::closed;
  if (server->state != SimulatedEnd::State::connecting) send_reset(client);
}

}  // namespace portshare
