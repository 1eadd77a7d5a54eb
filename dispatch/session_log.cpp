// What a session leaves in the access log.
#include <chrono>

#include "core/cursor.h"
#include "dispatch/session.h"
#include "dispatch/worker.h"

namespace portshare {

using std::chrono::microseconds;

void Session::remember_names(const RouteQuery& query) {
  name_ = query.name;
  alpn_.clear();
  for (Cursor list(query.alpn); const auto protocol = list.read_vector8();) {
    if (!alpn_.empty()) alpn_.push_back(',');
    alpn_.append(as_text(*protocol));
  }
}

void Session::log() {
  if (!worker_.logs_access()) return;
  AccessRecord record = begin_record(loop().now() - started_at_);
  record.outcome = outcome_;
  record.route_line = route_line_;
  record.backend = backend_;
  record.server = server_index_;
  record.bytes_in = bytes_in_;
  record.bytes_out = bytes_out_;
  record.first_flight = first_flight_time_;
  record.connect = connect_time_;
  worker_.log(record, name_, alpn_);
}

AccessRecord Session::begin_record(microseconds duration) const {
  AccessRecord record;
  record.time = std::chrono::system_clock::now() - duration;
  record.duration = duration;
  record.listener = listener_;
  record.has_client = source_.has_value();
  record.has_destination = destination_.has_value();
  if (source_) record.client = *source_;
  if (destination_) record.destination = *destination_;
  record.protocol = protocol_;
  record.knows_protocol = knows_protocol_;
  record.tls = tls_;
  return record;
}

}  // namespace portshare
