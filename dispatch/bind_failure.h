// What an operator is told when a listener, or the monitor, cannot have its address.
#pragma once

#include <string>

#include "dispatch/config.h"
#include "platform/listening_socket.h"

namespace portshare {

/// What failed, who is in the way and what to do about it: several lines, without a newline at the end. Looks
/// at the processes of this host, which takes milliseconds.
[[nodiscard]] std::string describe_bind_failure(const ListenerConfig& listener, const SocketAddress& address,
                                                const ListenError& error);
/// The same for `monitor` in [server].
[[nodiscard]] std::string describe_monitor_failure(const SocketAddress& address, const ListenError& error);

}  // namespace portshare
