#include "platform/netlink.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace portshare {
namespace {

// The kernel fills datagrams of a list up to 32 KiB once it has seen that the reader takes them.
constexpr std::size_t longest_datagram = 65536;

constexpr std::size_t aligned(std::size_t length) {
  return (length + NLMSG_ALIGNTO - 1) & ~std::size_t{NLMSG_ALIGNTO - 1};
}
static_assert(NLMSG_ALIGNTO == NLA_ALIGNTO);

}  // namespace

NetlinkRequest::NetlinkRequest(std::uint16_t type, std::uint16_t flags) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
  append(header);
}

void NetlinkRequest::append_bytes(NetlinkBytes bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  bytes_.resize(aligned(bytes_.size()));
}

void NetlinkRequest::append_attribute(std::uint16_t type, NetlinkBytes value) {
  nlattr attribute{};
  attribute.nla_type = type;
  attribute.nla_len = static_cast<std::uint16_t>(sizeof(attribute) + value.size());
  append(attribute);
  append_bytes(value);
}

NetlinkBytes NetlinkRequest::bytes() {
  const auto length = static_cast<std::uint32_t>(bytes_.size());
  std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof(length));
  return bytes_;
}

void each_netlink_message(NetlinkBytes datagram, const std::function<bool(const NetlinkMessage&)>& use) {
  while (datagram.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header{};
    std::memcpy(&header, datagram.data(), sizeof(header));
    if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > datagram.size()) return;
    const NetlinkBytes payload = datagram.subspan(sizeof(header), header.nlmsg_len - sizeof(header));
    if (!use({.type = header.nlmsg_type, .payload = payload})) return;
    datagram = datagram.subspan(std::min(aligned(header.nlmsg_len), datagram.size()));
  }
}

void each_netlink_attribute(NetlinkBytes attributes,
                            const std::function<void(std::uint16_t type, NetlinkBytes value)>& use) {
  while (attributes.size() >= sizeof(nlattr)) {
    nlattr header{};
    std::memcpy(&header, attributes.data(), sizeof(header));
    if (header.nla_len < sizeof(header) || header.nla_len > attributes.size()) return;
    constexpr std::uint16_t flags = NLA_F_NESTED | NLA_F_NET_BYTEORDER;
    const auto type = static_cast<std::uint16_t>(header.nla_type & ~std::uint32_t{flags});
    use(type, attributes.subspan(sizeof(header), header.nla_len - sizeof(header)));
    attributes = attributes.subspan(std::min(aligned(header.nla_len), attributes.size()));
  }
}

NetlinkBytes netlink_attributes(const NetlinkMessage& message, std::size_t fixed_part) {
  return message.payload.subspan(std::min(aligned(fixed_part), message.payload.size()));
}

NetlinkSocket::NetlinkSocket(FileDescriptor descriptor)
    : descriptor_(std::move(descriptor)), buffer_(longest_datagram) {}

std::expected<NetlinkSocket, int> NetlinkSocket::open(int protocol) {
  FileDescriptor descriptor(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!descriptor.is_open()) return std::unexpected(errno);
  return NetlinkSocket(std::move(descriptor));
}

std::expected<void, int> NetlinkSocket::list(NetlinkRequest& request,
                                             const std::function<void(const NetlinkMessage&)>& use) {
  const NetlinkBytes bytes = request.bytes();
  if (::send(descriptor_.get(), bytes.data(), bytes.size(), 0) < 0) return std::unexpected(errno);
  bool is_complete = false;
  int error = 0;
  while (!is_complete) {
    const ssize_t count = ::recv(descriptor_.get(), buffer_.data(), buffer_.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(errno);
    each_netlink_message(std::span(buffer_).first(static_cast<std::size_t>(count)), [&](const auto& message) {
      if (message.type == NLMSG_DONE || message.type == NLMSG_ERROR) {
        // Both begin with a negative errno, or 0.
        error = -message.template structure<int>().value_or(0);
        is_complete = true;
      } else {
        use(message);
      }
      return !is_complete;
    });
  }
  if (error != 0) return std::unexpected(error);
  return {};
}

}  // namespace portshare
