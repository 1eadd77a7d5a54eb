#include "dispatch/moved_session_codec.h"

#include <exception>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace portshare {

namespace {

using Json = nlohmann::json;
using std::chrono::microseconds;

std::vector<std::uint8_t> bytes_of(const std::string& text) {
  return {text.begin(), text.end()};
}

Json encode_direction(const MovedDirection& direction) {
  return {{"length", direction.bytes.size()},
          {"source_ended", direction.source_ended},
          {"ended", direction.ended}};
}

Json encode_endpoint(const std::optional<IpEndpoint>& endpoint) {
  return endpoint ? Json(endpoint->to_string()) : Json();
}

void decode_direction(const Json& json, MovedDirection& direction, std::uint64_t& length) {
  length = json.at("length").get<std::uint64_t>();
  direction.source_ended = json.at("source_ended").get<bool>();
  direction.ended = json.at("ended").get<bool>();
}

std::optional<IpEndpoint> decode_endpoint(const Json& json) {
  return json.is_null() ? std::nullopt : IpEndpoint::parse(json.get<std::string>());
}

DecodedSession decode(const Json& json) {
  DecodedSession decoded{};
  MovedSession& session = decoded.session;
  decode_direction(json.at("upstream"), session.upstream, decoded.upstream_length);
  decode_direction(json.at("downstream"), session.downstream, decoded.downstream_length);
  session.listener = json.at("listener").get<std::string>();
  session.backend = json.at("backend").get<std::string>();
  session.server_text = json.at("server").get<std::string>();
  session.is_between_requests = json.at("is_between_requests").get<bool>();
  session.requests_to_server = json.at("requests_to_server").get<std::uint64_t>();
  session.is_record_open = json.at("is_record_open").get<bool>();
  const auto& names = json.at("names").get_binary();  // a client's bytes, not always UTF-8
  session.names.assign(names.begin(), names.end());
  session.name_length = json.at("name_length").get<std::uint32_t>();
  if (session.name_length > session.names.size()) throw std::out_of_range("name_length");
  session.protocol = protocol_of(json.at("protocol").get<std::string>()).value_or(Protocol::any);
  session.knows_protocol = json.at("knows_protocol").get<bool>();
  const auto tls = json.at("tls").get<std::uint8_t>();
  session.tls = tls <= std::to_underlying(TlsFlight::incomplete) ? TlsFlight{tls} : TlsFlight::none;
  session.source = decode_endpoint(json.at("source"));
  session.destination = decode_endpoint(json.at("destination"));
  session.route_line = json.at("route_line").get<std::uint32_t>();
  session.bytes_in = json.at("bytes_in").get<std::uint64_t>();
  session.bytes_out = json.at("bytes_out").get<std::uint64_t>();
  session.age = microseconds(json.at("age_us").get<std::int64_t>());
  session.first_flight_time = microseconds(json.at("first_flight_us").get<std::int64_t>());
  session.connect_time = microseconds(json.at("connect_us").get<std::int64_t>());
  return decoded;
}

}  // namespace

std::vector<std::uint8_t> encode(const MovedSession& session) {
  const Json json{
      {"upstream", encode_direction(session.upstream)},
      {"downstream", encode_direction(session.downstream)},
      {"listener", session.listener},
      {"backend", session.backend},
      {"server", session.server_text},
      {"is_between_requests", session.is_between_requests},
      {"requests_to_server", session.requests_to_server},
      {"is_record_open", session.is_record_open},
      {"names", Json::binary(bytes_of(session.names))},
      {"name_length", session.name_length},
      {"protocol", to_string(session.protocol)},
      {"knows_protocol", session.knows_protocol},
      {"tls", std::to_underlying(session.tls)},
      {"source", encode_endpoint(session.source)},
      {"destination", encode_endpoint(session.destination)},
      {"route_line", session.route_line},
      {"bytes_in", session.bytes_in},
      {"bytes_out", session.bytes_out},
      {"age_us", session.age.count()},
      {"first_flight_us", session.first_flight_time.count()},
      {"connect_us", session.connect_time.count()},
  };
  return Json::to_cbor(json);
}

std::expected<DecodedSession, std::string> decode_session(ByteView bytes) {
  try {
    return decode(Json::from_cbor(bytes.begin(), bytes.end()));
  } catch (const std::exception& error) {
    return std::unexpected(std::string("a session cannot be read: ") + error.what());
  }
}

}  // namespace portshare
