#include "dispatch/takeover_messages.h"

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "platform/listening_socket.h"

namespace portshare {

namespace {

using Json = nlohmann::json;

Json address_to_json(const SocketAddress& address) {
  if (!address.ip) return {{"unix", address.unix_path}};
  return {{"ip", address.ip->to_string()}, {"interface", address.interface}};
}

SocketAddress address_from_json(const Json& json) {
  SocketAddress address;
  if (json.contains("unix")) {
    address.unix_path = json.at("unix").get<std::string>();
    return address;
  }
  address.ip = IpEndpoint::parse(json.at("ip").get<std::string>());
  if (!address.ip) throw std::runtime_error("no address");
  address.interface = json.at("interface").get<std::uint32_t>();
  return address;
}

/// Whatever a library or a missing member has to say is one sentence here.
template <typename Decode>
auto decoded(ByteView bytes, const Decode& decode)
    -> std::expected<decltype(decode(std::declval<const Json&>())), std::string> {
  try {
    return decode(Json::from_cbor(bytes.begin(), bytes.end()));
  } catch (const std::exception& error) {
    return std::unexpected(std::string("the other program cannot be understood: ") + error.what());
  }
}

}  // namespace

std::vector<std::uint8_t> message_of(TakeoverMessage kind, ByteView rest) {
  std::vector<std::uint8_t> message(1 + rest.size());
  message[0] = std::to_underlying(kind);
  std::ranges::copy(rest, message.begin() + 1);
  return message;
}

std::vector<std::uint8_t> encode_hello(const TakeoverHello& hello) {
  return Json::to_cbor(Json{{"protocol", hello.protocol}, {"version", hello.version}});
}

std::expected<TakeoverHello, std::string> decode_hello(ByteView rest) {
  return decoded(rest, [](const Json& json) {
    return TakeoverHello{.protocol = json.at("protocol").get<std::uint32_t>(),
                         .version = json.at("version").get<std::string>()};
  });
}

std::vector<std::uint8_t> encode_listeners(std::span<const ListeningSockets::Open> listeners) {
  Json list = Json::array();
  for (const ListeningSockets::Open& open : listeners) {
    list.push_back({{"wanted", address_to_json(open.wanted)},
                    {"passed_as", open.passed_as},
                    {"deferral_s", open.deferral.count()}});
  }
  return Json::to_cbor(list);
}

std::expected<std::vector<ListeningSockets::Open>, std::string> decode_listeners(
    ByteView rest, std::span<const Socket> sockets) {
  return decoded(rest, [&](const Json& list) {
    if (list.size() != sockets.size()) throw std::runtime_error("a listening socket is missing");
    std::vector<ListeningSockets::Open> listeners;
    for (std::size_t i = 0; i < sockets.size(); ++i) {
      const Json& json = list[i];
      listeners.push_back({.wanted = address_from_json(json.at("wanted")),
                           .bound = address_of_listening_socket(sockets[i]),
                           .socket = sockets[i],
                           .deferral = std::chrono::seconds(json.at("deferral_s").get<std::int64_t>()),
                           .passed_as = json.at("passed_as").get<std::string>(),
                           .is_borrowed = true});
    }
    return listeners;
  });
}

std::vector<std::uint8_t> encode_control_sockets(std::span<const ControlSocket> sockets) {
  Json list = Json::array();
  for (const ControlSocket& each : sockets) {
    list.push_back({{"purpose", each.purpose == ControlSocket::Purpose::admin ? "admin" : "monitor"},
                    {"configured", address_to_json(each.configured)}});
  }
  return Json::to_cbor(list);
}

std::expected<std::vector<ControlSocket>, std::string> decode_control_sockets(
    ByteView rest, std::span<const Socket> sockets) {
  return decoded(rest, [&](const Json& list) {
    if (list.size() != sockets.size()) throw std::runtime_error("a listening socket is missing");
    std::vector<ControlSocket> control_sockets;
    for (std::size_t i = 0; i < sockets.size(); ++i) {
      const auto purpose = list[i].at("purpose").get<std::string>();
      if (purpose != "admin" && purpose != "monitor")
        throw std::runtime_error("a socket of no known purpose");
      control_sockets.push_back(
          {.purpose = purpose == "admin" ? ControlSocket::Purpose::admin : ControlSocket::Purpose::monitor,
           .configured = address_from_json(list[i].at("configured")),
           .socket = sockets[i]});
    }
    return control_sockets;
  });
}

}  // namespace portshare
