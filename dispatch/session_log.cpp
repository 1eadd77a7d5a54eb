// What a session leaves in the access log.
#include <chrono>

#include "core/cursor.h"
#include "dispatch/session.h"
#include "dispatch/worker.h"

namespace portshare {

using std::chrono::microseconds;

void Session::remember_names(const RouteQuery& query) {
  worker_.metrics().names.count(query.name, loop().now());
  if (names_.capacity() < query.name.size() + query.alpn.size()) names_ = worker_.spare_text();
  names_are_old_ = false;
  names_ = query.name;
  name_length_ = static_cast<std::uint32_t>(names_.size());
  for (Cursor list(query.alpn); const auto protocol = list.read_vector8();) {
    if (names_.size() > name_length_) names_.push_back(',');
    names_.append(as_text(*protocol));
  }
}

void Session::log() {
  count_record();
  if (!snapshot_->logs_access()) return;
  AccessRecord record = begin_record(loop().now() - started_at_);
  record.outcome = outcome_;
  record.route_line = route_line_;
  record.backend = backend_;
  record.server = server_index_;
  record.bytes_in = bytes_in_;
  record.bytes_out = bytes_out_;
  record.first_flight = first_flight_time_;
  record.connect = connect_time_;
  worker_.log(record, logged_name(), logged_alpn());
}

AccessRecord Session::begin_record(microseconds duration) const {
  AccessRecord record;
  record.time = std::chrono::system_clock::now() - duration;
  record.duration = duration;
  record.snapshot = snapshot_->number();
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
