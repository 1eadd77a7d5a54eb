"""Sockets of the tests: free ports, listening sockets, clients, and how a connection ended."""

import random
import socket
import struct

from harness.waiting import PATIENCE_SECONDS

# Below the ports that the kernel gives to outgoing connections (ip_local_port_range), so that none of those can take a
# port between the moment it is found free and the moment a program binds it.
PORTS = range(10240, 32000)

_leases = []


def free_port():
    """A port that no one listens on and that no other test, in any process, is given as long as this one runs."""
    while True:
        port = random.choice(PORTS)
        lease = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            lease.bind(f"\0portshare-test-port-{port}")
            for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                with socket.socket(family, socket.SOCK_STREAM) as probe:
                    if family == socket.AF_INET6:
                        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    probe.bind((address, port))
        except OSError:
            lease.close()
            continue
        _leases.append(lease)
        return port


def listen(address="127.0.0.1", port=0, backlog=1024):
    """A listening socket; `address` is of IPv4 or IPv6, or the path of a unix socket."""
    if address.startswith("/"):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(address)
    else:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
    listener.settimeout(PATIENCE_SECONDS)
    listener.listen(backlog)
    return listener


def address_of(listener):
    """The address of a listening socket as the configuration writes it."""
    name = listener.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def accept(listener):
    connection, _ = listener.accept()
    connection.settimeout(PATIENCE_SECONDS)
    return connection


def nobody_came(listener):
    """Whether no connection waits in the queue of `listener`."""
    listener.setblocking(False)
    try:
        connection, _ = listener.accept()
    except BlockingIOError:
        return True
    finally:
        listener.settimeout(PATIENCE_SECONDS)
    connection.close()
    return False


def connect(port, address="127.0.0.1", source=None):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    client = socket.socket(family, socket.SOCK_STREAM)
    client.settimeout(PATIENCE_SECONDS)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if source:
        client.bind((source, 0))
    client.connect((address, port))
    return client


def receive_exactly(connection, count):
    data = bytearray()
    while len(data) < count:
        piece = connection.recv(count - len(data))
        assert piece, f"the stream ended after {len(data)} of {count} bytes: {bytes(data[:200])!r}"
        data += piece
    return bytes(data)


def read_to_end(connection):
    """All that comes, and how it ends: "close" or "reset"."""
    data = bytearray()
    while True:
        try:
            piece = connection.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            return bytes(data), "reset"
        if not piece:
            return bytes(data), "close"
        data += piece


def exchange(port, request, **where):
    """Sends `request`, and returns what read_to_end does."""
    try:
        client = connect(port, **where)
    except ConnectionResetError:
        return b"", "reset"  # accepted, and so soon reset that connect() itself already sees it
    with client:
        try:
            client.sendall(request)
        except (ConnectionResetError, BrokenPipeError):
            pass  # the answer may be there all the same
        return read_to_end(client)


def reset(connection):
    """Ends the connection so that the peer sees a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
