// The endpoints of the admin socket and of the monitor: docs/admin.md.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dispatch/control/controlled_program.h"
#include "dispatch/control/http_message.h"
#include "dispatch/control/http_server.h"

namespace portshare {

/// What the streams of events begin with: an event with the points of the plots so far.
using FirstEvents = std::function<std::string()>;

/// Answers requests about one program, which must outlive it. The monitor only tells; the admin socket tells
/// the same, names clients, and does what it is asked to.
class Api {
 public:
  enum class Access : std::uint8_t { monitor, admin };

  Api(ControlledProgram& program, Access access, FirstEvents first_events);

  void handle(const HttpRequest& request, HttpReply reply) const;

 private:
  using Method = void (Api::*)(const HttpRequest&, HttpReply) const;
  struct Endpoint {
    std::string_view method;
    std::string_view path;
    Method answer;
    bool only_admin;
  };
  static const std::vector<Endpoint>& endpoints();

  void dashboard(const HttpRequest& request, HttpReply reply) const;
  void health(const HttpRequest& request, HttpReply reply) const;
  void status(const HttpRequest& request, HttpReply reply) const;
  void metrics(const HttpRequest& request, HttpReply reply) const;
  void events(const HttpRequest& request, HttpReply reply) const;
  void connections(const HttpRequest& request, HttpReply reply) const;
  void end_connections(const HttpRequest& request, HttpReply reply) const;
  void routes(const HttpRequest& request, HttpReply reply) const;
  void backends(const HttpRequest& request, HttpReply reply) const;
  void reload(const HttpRequest& request, HttpReply reply) const;
  void drain(const HttpRequest& request, HttpReply reply) const;
  void upgrade(const HttpRequest& request, HttpReply reply) const;
  void set_log_level(const HttpRequest& request, HttpReply reply) const;
  void set_server(const HttpRequest& request, HttpReply reply) const;

  ControlledProgram& program_;
  Access access_;
  FirstEvents first_events_;
};

}  // namespace portshare
