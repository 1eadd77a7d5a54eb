// Connections to servers that come back to this very program; which servers to suspect: dispatch/loops.h.
#include "dispatch/session.h"
#include "dispatch/worker.h"

namespace portshare {

/// A server that is no other program than this one counts as one that refused.
bool Session::is_connected_to_ourselves() {
  const Server& server = snapshot_->servers().servers(backend_)[server_index_];
  if (!server.may_be_ourselves) return false;
  const auto local = loop().backend().local_endpoint(server_);
  if (!local || local->address != server.address.ip->address) return false;
  if (local->port == server.address.ip->port) return true;
  if (server.leads_back_if_local) worker_.report_loop(snapshot_->config().backends[backend_], server);
  return server.leads_back_if_local;
}

}  // namespace portshare
