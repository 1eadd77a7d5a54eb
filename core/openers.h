// The protocols that are recognised by their first few bytes and say nothing else that routing needs.
#pragma once

#include <array>

#include "core/byte_view.h"
#include "core/openers/mqtt.h"
#include "core/openers/openvpn.h"
#include "core/openers/postgresql.h"
#include "core/openers/rdp.h"
#include "core/openers/socks.h"
#include "core/openers/ssh.h"
#include "core/openers/xmpp.h"
#include "core/protocol.h"
#include "core/verdict.h"

namespace portshare {

/// A recogniser without state. It is shown everything received so far, at least one byte, looks at a bounded
/// number of the first ones, and never answers `malformed`: what is wrong further on is the server's
/// business. Its answer depends on the bytes alone, and one other than `need_more` is final.
struct Opener {
  Protocol protocol;
  Verdict (*recognise)(ByteView bytes);
};

/// In the order in which they are asked. None claims what a client of another of them, of TLS or of HTTP
/// sends, with one exception that the order settles: SOCKS 4 to ports 20480 to 20735 begins like an OpenVPN
/// packet with a wrapped key, and is complete before OpenVPN's recogniser has seen enough. Listing SOCKS
/// first costs OpenVPN the packets which are exactly 1025 or 1026 bytes long.
inline constexpr std::array openers{Opener{Protocol::ssh, recognise_ssh},
                                    Opener{Protocol::rdp, recognise_rdp},
                                    Opener{Protocol::socks, recognise_socks},
                                    Opener{Protocol::openvpn, recognise_openvpn},
                                    Opener{Protocol::postgresql, recognise_postgresql},
                                    Opener{Protocol::mqtt, recognise_mqtt},
                                    Opener{Protocol::xmpp, recognise_xmpp}};

}  // namespace portshare
