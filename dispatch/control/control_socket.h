// The socket that the admin socket or the monitor listens on, between two programs.
#pragma once

#include <cstdint>

#include "core/socket_address.h"
#include "platform/op.h"

namespace portshare {

struct ControlSocket {
  enum class Purpose : std::uint8_t { admin, monitor };

  Purpose purpose = Purpose::admin;
  SocketAddress configured;  ///< as the configuration writes it, maybe with port 0
  Socket socket = Socket::none;
};

}  // namespace portshare
