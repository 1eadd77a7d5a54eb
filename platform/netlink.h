// Questions to the kernel over netlink (RFC 3549; netlink(7)), and the way through its answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "platform/file_descriptor.h"

namespace portshare {

using NetlinkBytes = std::span<const std::byte>;

/// A request as it is put together: header, fixed part, attributes. All in the byte order of the host.
class NetlinkRequest {
 public:
  NetlinkRequest(std::uint16_t type, std::uint16_t flags);
  /// A structure of the kernel, behind what is there.
  template <typename Structure>
  void append(const Structure& structure) {
    append_bytes(std::as_bytes(std::span(&structure, 1)));
  }
  void append_attribute(std::uint16_t type, NetlinkBytes value);
  /// The whole request. Valid until the next append.
  [[nodiscard]] NetlinkBytes bytes();

 private:
  void append_bytes(NetlinkBytes bytes);
  std::vector<std::byte> bytes_;
};

/// A message of an answer.
struct NetlinkMessage {
  std::uint16_t type = 0;
  NetlinkBytes payload;

  /// The fixed part at the beginning; none if the message is shorter.
  template <typename Structure>
  [[nodiscard]] std::optional<Structure> structure() const {
    if (payload.size() < sizeof(Structure)) return std::nullopt;
    Structure result;
    std::memcpy(&result, payload.data(), sizeof(result));
    return result;
  }
};

/// Calls `use` for each whole message in `datagram`, until it returns false.
void each_netlink_message(NetlinkBytes datagram, const std::function<bool(const NetlinkMessage&)>& use);

/// Calls `use(type, value)` for each attribute in `attributes`; the flags of nested ones are taken off the
/// type.
void each_netlink_attribute(NetlinkBytes attributes,
                            const std::function<void(std::uint16_t type, NetlinkBytes value)>& use);

/// The attributes that follow a fixed part of that size.
[[nodiscard]] NetlinkBytes netlink_attributes(const NetlinkMessage& message, std::size_t fixed_part);

/// A number in an attribute's value; none if the value is too short.
template <typename Number>
[[nodiscard]] std::optional<Number> netlink_number(NetlinkBytes value) {
  return NetlinkMessage{.type = 0, .payload = value}.structure<Number>();
}

/// A netlink socket in the network namespace of the thread that opens it. Errors are an errno.
class NetlinkSocket {
 public:
  /// `protocol`: NETLINK_ROUTE, NETLINK_SOCK_DIAG.
  [[nodiscard]] static std::expected<NetlinkSocket, int> open(int protocol);

  /// Asks for a list (NLM_F_DUMP), and calls `use` for each of its messages. Blocks for as long as the kernel
  /// takes to write it.
  [[nodiscard]] std::expected<void, int> list(NetlinkRequest& request,
                                              const std::function<void(const NetlinkMessage&)>& use);

 private:
  explicit NetlinkSocket(FileDescriptor descriptor);
  FileDescriptor descriptor_;
  std::vector<std::byte> buffer_;
};

}  // namespace portshare
