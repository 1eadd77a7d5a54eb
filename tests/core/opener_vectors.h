// What clients of the protocols in core/openers.h send first. Shared by the tests and by the seeds of the
// fuzz target.
#pragma once

#include <string>
#include <vector>

#include "core/protocol.h"

namespace portshare::test {

struct OpenerVector {
  Protocol protocol;
  std::string bytes;
  std::size_t decided_after;  ///< so many bytes are needed, and enough
};

inline std::vector<OpenerVector> opener_vectors() {
  using namespace std::string_literals;
  const std::string session_id = "\x9a\x1f\x00\xc4\x77\x3e\x52\x08"s;
  const std::string digest(20, '\xa7');
  const std::string time = "\x65\x1b\x2c\x3d"s;
  return {
      {Protocol::ssh, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", 4},
      {Protocol::ssh, "SSH-1.99-old", 4},

      // MS-RDPBCGR, 4.1.1.
      {Protocol::rdp,
       "\x03\x00\x00\x2c\x27\xe0\x00\x00\x00\x00\x00"
       "Cookie: mstshash=eltons\r\n\x01\x00\x08\x00\x00\x00\x00\x00"s,
       12},
      {Protocol::rdp, "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x0b\x00\x00\x00"s, 12},
      {Protocol::rdp, "\x03\x00\x00\x0b\x06\xe0\x00\x00\x12\x34\x00"s, 11},

      {Protocol::socks, "\x05\x01\x00"s, 3},
      {Protocol::socks, "\x05\x02\x00\x02"s, 4},
      {Protocol::socks, "\x05\x03\x00\x01\x02"s, 5},
      {Protocol::socks, "\x05\x04\x00\x01\x02\x80"s, 6},
      {Protocol::socks, "\x04\x01\x00\x50\xc0\x00\x02\x01"s + "fred\0"s, 8},
      {Protocol::socks, "\x04\x02\x00\x50\xc0\x00\x02\x01\x00"s, 8},
      {Protocol::socks, "\x04\x01\x50\x50\xc0\x00\x02\x01\x00"s, 8},
      {Protocol::socks, "\x04\x01\x38\x50\xc0\x00\x02\x01\x00"s, 8},
      {Protocol::socks, "\x04\x01\x01\xbb\x00\x00\x00\x01\x00"s + "example.com\0"s, 8},

      // Without tls-auth, with it (SHA1), with tls-crypt, and with tls-crypt-v2.
      {Protocol::openvpn, "\x00\x0e\x38"s + session_id + "\0\0\0\0\0"s, 3},
      {Protocol::openvpn, "\x00\x2a\x38"s + session_id + digest + "\0\0\0\1"s + time + "\0\0\0\0\0"s, 3},
      {Protocol::openvpn, "\x00\x36\x38"s + session_id + "\0\0\0\1"s + time + std::string(37, 'x'), 3},
      {Protocol::openvpn, "\x01\x58\x50"s + session_id + "\0\0\0\1"s + time + std::string(327, 'x'), 15},
      {Protocol::openvpn, "\x02\x04\x50"s + session_id + "\x0f\0\0\1"s + time + std::string(499, 'x'), 15},

      {Protocol::postgresql, "\x00\x00\x00\x08\x04\xd2\x16\x2f"s, 8},
      {Protocol::postgresql, "\x00\x00\x00\x08\x04\xd2\x16\x30"s, 8},
      {Protocol::postgresql, "\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x12\x34\xde\xad\xbe\xef"s, 8},
      {Protocol::postgresql, "\x00\x00\x00\x2c\x04\xd2\x16\x2e\x00\x00\x12\x34"s + std::string(32, 'k'), 8},
      {Protocol::postgresql, "\x00\x00\x00\x21\x00\x03\x00\x00"s + "user\0alice\0database\0db\0\0"s, 8},
      {Protocol::postgresql, "\x00\x00\x00\x14\x00\x03\x00\x02"s + "user\0alice\0\0"s, 8},
      {Protocol::postgresql, "\x00\x00\x00\x14\x00\x03\x27\x0f"s + "user\0alice\0\0"s, 8},

      {Protocol::mqtt, "\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03"s + "abc", 9},
      {Protocol::mqtt, "\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03"s + "abc", 9},
      {Protocol::mqtt, "\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"s, 9},
      {Protocol::mqtt, "\x10\x0f\x00\x04MQTT\x84\x02\x00\x3c\x00\x03"s + "abc", 9},
      {Protocol::mqtt, "\x10\x11\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x03"s + "abc", 11},
      {Protocol::mqtt, "\x10\xd4\x01\x00\x04MQTT\x04\x02\x00\x3c\x00\xc8"s + std::string(200, 'c'), 10},
      {Protocol::mqtt, "\x10\xff\xff\xff\x7f\x00\x04MQTT\x05"s, 12},

      // RFC 6120, 4.2.
      {Protocol::xmpp,
       "<?xml version='1.0'?>\n<stream:stream\n from='juliet@im.example.com'\n to='im.example.com'\n>", 37},
      {Protocol::xmpp, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><stream:stream to='a.example'>", 53},
      {Protocol::xmpp, "<stream:stream to='a.example' xmlns='jabber:client'>", 15},
      {Protocol::xmpp, "<stream:stream>", 15},
  };
}

/// What begins like one of the protocols and is none.
inline std::vector<std::string> bytes_of_no_opener() {
  using namespace std::string_literals;
  const std::string session_id = "\x9a\x1f\x00\xc4\x77\x3e\x52\x08"s;
  return {
      "SSL-2.0-x",
      "ssh-2.0-x",
      "\r\nSSH-2.0-x",
      // A connection request of S7, one of class 4, other TPDUs, lengths that disagree.
      "\x03\x00\x00\x16\x11\xe0\x00\x00\x00\x01\x00\xc1\x02\x01\x00\xc2\x02\x01\x02\xc0\x01\x0a"s,
      "\x03\x00\x00\x0b\x06\xe0\x00\x00\x12\x34\x40"s,
      "\x03\x00\x00\x0b\x06\xd0\x00\x00\x12\x34\x00"s,
      "\x03\x00\x00\x0b\x06\xe0\x00\x01\x12\x34\x00"s,
      "\x03\x00\x00\x0b\x07\xe0\x00\x00\x12\x34\x00"s,
      "\x03\x00\x00\x0a\x05\xe0\x00\x00\x12\x34"s,
      "\x03\x00\x01\x04\xff\xe0\x00\x00\x12\x34\x00"s,
      "\x03\x01\x00\x0b\x06\xe0\x00\x00\x12\x34\x00"s,
      "\x02\x00\x00\x0b\x06\xe0\x00\x00\x12\x34\x00"s,
      "\x05\x00"s,
      "\x05\x01\xff"s,
      "\x05\x02\x00\x0a"s,
      "\x04\x03\x00\x50\xc0\x00\x02\x01\x00"s,
      "\x04\x00\x00\x50\xc0\x00\x02\x01\x00"s,
      "\x04\x01\x00\x50\x00\x00\x00\x00\x00"s,
      "\x06\x01\x00"s,
      // Other opcodes and key ids, lengths that no reset has, a packet id that is not the first.
      "\x00\x0e\x40"s + session_id + "\0\0\0\0\0"s,
      "\x00\x0e\x39"s + session_id + "\0\0\0\0\0"s,
      "\x00\x0d\x38"s + session_id,
      "\x00\x0f\x38"s + session_id,
      "\x00\x25\x38"s + session_id,
      "\x00\x57\x38"s + session_id,
      "\x01\x58\x38"s + session_id,
      "\x01\x57\x50"s + session_id,
      "\x04\x37\x50"s + session_id,
      "\x01\x58\x50"s + session_id + "\0\0\0\2"s,
      "\x00\x00\x00\x09\x04\xd2\x16\x2f"s,
      "\x00\x00\x00\x09\x04\xd2\x16\x30"s,
      "\x00\x00\x00\x0f\x04\xd2\x16\x2e"s,
      "\x00\x00\x01\x0d\x04\xd2\x16\x2e"s,
      "\x00\x00\x00\x08\x00\x03\x00\x00"s,
      "\x00\x00\x27\x11\x00\x03\x00\x00"s,
      "\x00\x00\x00\x20\x00\x02\x00\x00"s,
      "\x00\x00\x00\x20\x00\x04\x00\x00"s,
      "\x00\x00\x00\x20\x04\xd2\x16\x31"s,
      "\x00\x00\x00\x07"s,
      "\x00\x01\x00\x08"s,
      "\x11\x0f\x00\x04MQTT\x04"s,
      "\x20\x0f\x00\x04MQTT\x04"s,
      "\x10\x0b\x00\x04MQTT\x04"s,
      "\x10\x0d\x00\x06MQIsdp\x03"s,
      "\x10\x0f\x00\x04MQTT\x03"s,
      "\x10\x0f\x00\x04MQTT\x06"s,
      "\x10\x11\x00\x06MQIsdp\x04"s,
      "\x10\x0f\x00\x04mqtt\x04"s,
      "\x10\x0f\x00\x05MQTT"s,
      "\x10\x80\x80\x80\x80\x01\x00\x04MQTT\x04"s,
      "<?xml version='1.0'?><html>",
      "<?xml version='1.0'?><stream:streams>",
      "<?xml-stylesheet?>",
      "<?xml version='1.0'" + std::string(200, ' ') + "?><stream:stream>",
      "<?xml version='1.0'?>" + std::string(200, '\n') + "<stream:stream>",
      "<stream:error>",
      "<stream:stream/",
      "<policy-file-request/>",
      "<html>",
      " <stream:stream>",
      // Others on the same port: DNS over TCP, memcached, Redis, BitTorrent, SMTP.
      "\x00\x1d\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"s,
      "\x80\x0b\x00\x00\x00\x00\x00\x00"s,
      "*1\r\n$4\r\nPING\r\n",
      "\x13"s + "BitTorrent protocol",
      "EHLO client.example\r\n",
  };
}

}  // namespace portshare::test
