#include "tests/simulation/scripted_http.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "tests/simulation/seeded_runs.h"

namespace portshare {
namespace {

constexpr std::string_view continue_response = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view switching_response =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

std::string hexadecimal(std::size_t number) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return {digits.data(), end.ptr};
}

std::string chunk(Random& random, std::string_view data) {
  return hexadecimal(data.size()) + (random.chance(1, 4) ? ";extension=\"1\"" : "") + "\r\n" +
         std::string(data) + "\r\n";
}

std::string chunked(Random& random, std::string_view body) {
  std::string wire;
  while (!body.empty()) {
    const std::size_t length = 1 + random.below(body.size());
    wire += chunk(random, body.substr(0, length));
    body.remove_prefix(length);
  }
  return wire + "0\r\n" + (random.chance(1, 4) ? "X-Checksum: 17\r\n" : "") + "\r\n";
}

/// Bodies look like requests and responses, so that a border in the wrong place shows.
std::string http_body(Random& random, std::size_t limit) {
  switch (random.below(3)) {
    case 0:
      return "GET /0 HTTP/1.1\r\nHost: app1.example\r\n\r\n";
    case 1:
      return "0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    default:
      return draw_body(random, limit);
  }
}

void draw_response(Random& random, PlannedRequest& plan, bool to_head, std::size_t limit) {
  if (random.chance(1, 8)) plan.response += "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
  if (plan.waits_for_continue) plan.response += continue_response;
  if (plan.upgrades && random.chance(2, 3)) {
    plan.response += switching_response;
    plan.tunnelled = draw_body(random, limit) + "x";
    plan.closes = true;
    return;
  }
  const std::string body = http_body(random, limit);
  const auto head = [&](const std::string& status, const std::string& framing) {
    plan.response += "HTTP/1.1 " + status + "\r\nX-Answer-To: " + std::to_string(plan.id) + "\r\n" + framing;
    if (random.chance(1, 10)) {
      plan.response += "Connection: close\r\n";
      plan.closes = true;
    }
    plan.response += "\r\n";
  };
  switch (random.below(7)) {
    case 0:
      head("200 OK", "Transfer-Encoding: chunked\r\n");
      if (!to_head) plan.response += chunked(random, body);
      break;
    case 1:
      head("204 No Content", "");
      break;
    case 2:
      head("304 Not Modified", "Content-Length: 100\r\n");
      break;
    case 3:
      head("200 OK", "");
      if (to_head) break;
      plan.response += body;
      plan.closes = plan.ends_with_close = true;
      break;
    default:
      head("200 OK", "Content-Length: " + std::to_string(body.size()) + "\r\n");
      if (!to_head) plan.response += body;
      break;
  }
}

/// A request that nobody may read in two ways.
void draw_malformed(Random& random, PlannedRequest& plan) {
  plan.refusal = Outcome::malformed;
  plan.closes = true;
  const std::string line = "POST /" + std::to_string(plan.id) + " HTTP/1.1\r\n";
  const std::string host = "Host: " + plan.host + "\r\n";
  const std::string smuggled = "GET /0 HTTP/1.1\r\nHost: app2.example\r\n\r\n";
  switch (random.below(9)) {
    case 0:
      plan.wire = line + host + "Host: app2.example\r\n\r\n";
      break;
    case 1:
      plan.wire = line + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
      break;
    case 2:
      plan.wire = line + host + "Content-Length: 3\r\nContent-Length: 5\r\n\r\n123";
      break;
    case 3:
      plan.wire = line + host + "X : y\r\n\r\n";
      break;
    case 4:
      plan.wire = line + host + "X: y\n\r\n";
      break;
    case 5:
      plan.wire = line + "\r\n";
      break;
    case 6:
      plan.wire = "POST http://other.example/ HTTP/1.1\r\n" + host + "\r\n";
      break;
    default: {
      plan.wire = line + host + "Transfer-Encoding: chunked\r\n\r\n";
      plan.head_length = plan.wire.size();
      plan.wire += chunk(random, "data");
      plan.forwardable = plan.wire.size();
      constexpr std::array<std::string_view, 4> tricks = {"0x5\r\n", " 5\r\n", "5\n", "+5\r\n"};
      plan.wire += std::string(tricks[random.below(tricks.size())]) + "12345\r\n0\r\n\r\n";
      break;
    }
  }
  plan.wire += smuggled;
  if (plan.forwardable == 0) plan.backend = std::nullopt;
}

void draw_server_fault(Random& random, PlannedRequest& plan) {
  using Fault = PlannedRequest::Fault;
  switch (random.below(10)) {
    case 0:
      plan.server_fault = Fault::cut_by_end;
      plan.sent_by_server = random.below(plan.response.size() + 1);
      break;
    case 1:
      plan.server_fault = Fault::cut_by_reset;
      plan.sent_by_server = random.below(plan.response.size() + 1);
      break;
    case 2:
      plan.server_fault = Fault::closes_after;
      break;
    case 3:
      plan.server_fault = Fault::resets_after;
      break;
    case 4:
      plan.response =
          random.chance(1, 2) ? "SSH-2.0-server\r\n" : "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n";
      plan.sent_by_server = plan.response.size();
      plan.is_garbage = plan.closes = true;
      plan.ends_with_close = false;
      plan.tunnelled.clear();
      break;
    default:
      break;
  }
}

/// One connection of a server.
class ServerConnection {
 public:
  ServerConnection(const RequestPlans& plans, Random& random) : plans_(plans), random_(random) {}

  PeerScript::Reaction react(const std::string& received) {
    PeerScript::Reaction reaction;
    while (!reaction.finished) {
      if (is_tunnel_) {
        reaction.send += received.substr(position_);
        position_ = received.size();
        return reaction;
      }
      const PlannedRequest* plan = request_at(received);
      if (!plan) return reaction;
      if (plan->waits_for_continue && plan->server_fault == PlannedRequest::Fault::none && !plan->is_garbage)
        send(reaction, *plan, plan->response.find(continue_response) + continue_response.size());
      const bool is_whole = received.size() - position_ >= plan->wire.size();
      if (is_whole || plan->answers_early) answer(reaction, *plan);
      if (reaction.finished || !is_whole) return reaction;
      position_ += plan->wire.size();
      sent_ = 0;
    }
    return reaction;
  }

 private:
  const PlannedRequest* request_at(const std::string& received) const {
    if (received.find("\r\n\r\n", position_) == std::string::npos) return nullptr;
    const std::size_t path = received.find('/', position_);
    std::uint64_t id = 0;
    std::from_chars(received.data() + path + 1, received.data() + received.size(), id);
    const auto found = plans_.find(id);
    return found == plans_.end() ? nullptr : &found->second;
  }

  void send(PeerScript::Reaction& reaction, const PlannedRequest& plan, std::size_t up_to) {
    if (up_to > sent_) reaction.send += plan.response.substr(sent_, up_to - sent_);
    sent_ = std::max(sent_, up_to);
  }

  void answer(PeerScript::Reaction& reaction, const PlannedRequest& plan) {
    using Fault = PlannedRequest::Fault;
    using Ending = PeerScript::Ending;
    send(reaction, plan, plan.sent_by_server);
    switch (plan.server_fault) {
      case Fault::none:
        if (!plan.tunnelled.empty()) {
          is_tunnel_ = true;
        } else if (plan.closes) {
          reaction.finished = true;
          reaction.ending = random_.chance(1, 2) && !plan.answers_early ? Ending::close : Ending::half_close;
        }
        return;
      case Fault::cut_by_end:
      case Fault::closes_after:
        reaction.finished = true;
        reaction.ending = random_.chance(1, 2) ? Ending::close : Ending::half_close;
        return;
      case Fault::cut_by_reset:
      case Fault::resets_after:
        reaction.finished = reaction.resets = true;
        return;
    }
  }

  const RequestPlans& plans_;
  Random& random_;
  std::size_t position_ = 0;  // where the present request begins
  std::size_t sent_ = 0;      // of its response
  bool is_tunnel_ = false;
};

/// What a client sends, and when.
class ClientConnection {
 public:
  ClientConnection(std::vector<PlannedRequest> requests, bool pipelining)
      : requests_(std::move(requests)), pipelining_(pipelining) {}

  PeerScript::Reaction react(const std::string& received) {
    PeerScript::Reaction reaction;
    for (; index_ < requests_.size(); ++index_) {
      const PlannedRequest& request = requests_[index_];
      if (sent_ == 0 && !pipelining_ && received.size() < answered_) return reaction;
      const std::size_t waits_at = request.waits_for_continue ? request.head_length : request.wire.size();
      if (sent_ < waits_at) reaction.send += request.wire.substr(sent_, waits_at - sent_);
      sent_ = std::max(sent_, waits_at);
      if (request.waits_for_continue) {
        const std::size_t interim = request.response.find(continue_response) + continue_response.size();
        if (received.size() < answered_ + interim) return reaction;
        reaction.send += request.wire.substr(sent_);
      }
      if (request.upgrades) {
        // What comes behind an upgrade depends on the answer.
        if (received.size() < answered_ + request.response.size()) return reaction;
        reaction.send += request.tunnelled;
        if (!request.tunnelled.empty()) {
          index_ = requests_.size();  // no request can follow
          break;
        }
      }
      answered_ += request.response.size();
      sent_ = 0;
    }
    reaction.finished = true;
    return reaction;
  }

 private:
  const std::vector<PlannedRequest> requests_;
  const bool pipelining_;
  std::size_t index_ = 0;
  std::size_t sent_ = 0;      // of the present request
  std::size_t answered_ = 0;  // how long the responses before it are
};

}  // namespace

PlannedRequest draw_request(Random& random, std::uint64_t id, std::size_t backend_count,
                            std::size_t body_limit, bool servers_fail) {
  PlannedRequest plan;
  plan.id = id;
  plan.backend = random.below(backend_count);
  plan.host = "app" + std::to_string(*plan.backend) + ".example";
  if (random.chance(1, 12)) {
    draw_malformed(random, plan);
    return plan;
  }
  if (random.chance(1, 15)) {
    plan.host = "elsewhere.example";
    plan.backend = std::nullopt;
    plan.refusal = Outcome::no_route;
    plan.closes = true;
  }
  const std::string body = http_body(random, body_limit);
  const auto kind = random.below(7);
  const bool has_body = kind >= 3;
  const std::string method = kind == 0 ? "HEAD" : has_body ? "POST" : "GET";
  std::string head = method + " /" + std::to_string(id) + " HTTP/1.1\r\nHost: " + plan.host + "\r\n";
  if (random.chance(1, 10)) {
    head += "Connection: close\r\n";
    plan.closes = true;
  } else if (kind == 1) {
    head += "Connection: upgrade\r\nUpgrade: echo\r\n";
    plan.upgrades = !plan.refusal;
  }
  if (has_body && !plan.refusal && random.chance(1, 4)) {
    head += "Expect: 100-continue\r\n";
    plan.waits_for_continue = true;
  }
  if (random.chance(1, 3)) head += "X-Filler: " + std::string(random.below(300), 'f') + "\r\n";
  const bool is_chunked = kind == 3 || kind == 4;
  if (is_chunked) head += "Transfer-Encoding: chunked\r\n";
  if (has_body && !is_chunked) head += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  plan.wire = head + "\r\n";
  plan.head_length = plan.wire.size();
  if (is_chunked) plan.wire += chunked(random, body);
  if (has_body && !is_chunked) plan.wire += body;
  if (plan.refusal) return plan;
  plan.forwardable = plan.wire.size();
  plan.answers_early = !plan.waits_for_continue && has_body && random.chance(1, 4);
  draw_response(random, plan, kind == 0, body_limit);
  plan.sent_by_server = plan.response.size();
  if (servers_fail) draw_server_fault(random, plan);
  return plan;
}

PeerScript http_server(const RequestPlans& plans, Random& random) {
  PeerScript script;
  script.ending = PeerScript::Ending::wait;
  script.react = [connection = std::make_shared<ServerConnection>(plans, random)](
                     const std::string& received) { return connection->react(received); };
  return script;
}

PeerScript http_client(std::vector<PlannedRequest> requests, bool pipelining) {
  PeerScript script;
  script.react = [connection = std::make_shared<ClientConnection>(std::move(requests), pipelining)](
                     const std::string& received) { return connection->react(received); };
  return script;
}

}  // namespace portshare
