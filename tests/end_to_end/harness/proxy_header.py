"""PROXY headers (HAProxy's proxy-protocol.txt): written for portshare, and read by servers of the tests."""

import ipaddress
import struct

from harness.sockets import receive_exactly

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
ALPN, AUTHORITY = 1, 2
CLIENT, ENTRANCE = ("203.0.113.7", 4660), ("198.51.100.2", 443)


def v1(source=CLIENT, destination=ENTRANCE):
    family = "TCP6" if ":" in source[0] else "TCP4"
    return f"PROXY {family} {source[0]} {destination[0]} {source[1]} {destination[1]}\r\n".encode()


def v2(source=CLIENT, destination=ENTRANCE, vectors=b""):
    addresses = [ipaddress.ip_address(host) for host, _ in (source, destination)]
    block = b"".join(address.packed for address in addresses) + struct.pack("!HH", source[1], destination[1]) + vectors
    kind = 0x11 if addresses[0].version == 4 else 0x21
    return SIGNATURE + struct.pack("!BBH", PROXY, kind, len(block)) + block


def v2_local():
    return SIGNATURE + struct.pack("!BBH", LOCAL, 0, 0)


def receive_v1(connection):
    line = b""
    while not line.endswith(b"\r\n"):
        line += receive_exactly(connection, 1)
    return line


def receive_v2(connection):
    """(source, destination, {type: value}) of a header, or None for LOCAL."""
    head = receive_exactly(connection, 16)
    assert head.startswith(SIGNATURE), head
    command, kind, length = struct.unpack("!BBH", head[12:])
    block = receive_exactly(connection, length)
    if command == LOCAL:
        return None
    assert command == PROXY and kind in (0x11, 0x21)
    size = 4 if kind == 0x11 else 16
    hosts = [str(ipaddress.ip_address(block[at:at + size])) for at in (0, size)]
    ports = struct.unpack("!HH", block[2 * size:2 * size + 4])
    vectors, rest = {}, block[2 * size + 4:]
    while rest:
        kind, length = struct.unpack("!BH", rest[:3])
        vectors[kind], rest = rest[3:3 + length], rest[3 + length:]
    return (hosts[0], ports[0]), (hosts[1], ports[1]), vectors
