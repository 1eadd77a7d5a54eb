// HTTP/1 clients and servers for the simulation: every request and its response are drawn beforehand, so that
// both ends and the checks know each byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/random.h"
#include "dispatch/outcome.h"
#include "tests/simulation/scripted_peer.h"

namespace portshare {

/// A request on the wire and what is made of it.
struct PlannedRequest {
  std::uint64_t id = 0;  ///< its path, unique in a run
  std::string host;
  std::optional<std::size_t> backend;  ///< where it belongs; none: nowhere
  std::string wire;
  std::size_t head_length = 0;
  std::size_t forwardable = 0;      ///< so many bytes of the wire may reach a server
  bool waits_for_continue = false;  ///< sends its body after 100 (Continue)
  std::string tunnelled;            ///< sent after 101 has come; the server echoes it
  bool upgrades = false;

  std::string response;            ///< with interim responses; what an orderly server sends
  bool answers_early = false;      ///< the server, when it has read the head
  bool closes = false;             ///< the connection carries no further request
  bool ends_with_close = false;    ///< of the response's body
  std::optional<Outcome> refusal;  ///< by portshare, instead of the response

  enum class Fault : std::uint8_t { none, cut_by_end, cut_by_reset, closes_after, resets_after };
  Fault server_fault = Fault::none;
  std::size_t sent_by_server = 0;  ///< of `response`, in spite of the fault
  bool is_garbage = false;         ///< `response` is no HTTP and must not arrive

  /// What a client may get of the response.
  [[nodiscard]] std::string_view deliverable() const {
    return is_garbage ? std::string_view{} : std::string_view(response).substr(0, sent_by_server);
  }
};

/// All requests of a run by their id. Stays where it is while servers run.
using RequestPlans = std::map<std::uint64_t, PlannedRequest>;

/// `servers_fail`: they cut responses off, close kept connections, and send what is no HTTP.
PlannedRequest draw_request(Random& random, std::uint64_t id, std::size_t backend_count,
                            std::size_t body_limit, bool servers_fail);

/// A connection that answers the requests of `plans`.
PeerScript http_server(const RequestPlans& plans, Random& random);

/// A client that sends `requests` one after the other, all at once if it is `pipelining`.
PeerScript http_client(std::vector<PlannedRequest> requests, bool pipelining);

}  // namespace portshare
