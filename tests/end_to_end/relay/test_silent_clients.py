"""Clients that connect and say nothing, or not at once. Where nobody waits for them the kernel keeps them for a second;
to them that must make no difference."""

import select
import socket
import time

import pytest

from harness import proxy_header
from harness.sockets import accept, connect, free_port, read_to_end, receive_exactly
from harness.tls import client_hello

TIMEOUT = 3.0
SSH = b"SSH-2.0-x\r\n"
# The clocks of two programs and of the kernel: none of them begins with connect() returning.
TOLERANCE = 0.15


class Front:
    """A listener in front of a server of the test's own."""

    def __init__(self, workshop, keys="", bind=None, **options):
        self.listener, address = workshop.listen()
        self.port = free_port()
        self.dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["{bind or f"127.0.0.1:{self.port}"}"]
protocols = ["tls", "http", "ssh"]
first_flight_timeout = "{TIMEOUT:.0f}s"
default = "b"
{keys}
[backend.b]
servers = ["{address}"]
""", **options)

    def serves(self, client):
        with accept(self.listener) as server:
            assert receive_exactly(server, len(SSH)) == SSH
            server.sendall(b"welcome")
            assert receive_exactly(client, 7) == b"welcome"


def seconds_until_closed(client, since):
    assert read_to_end(client) == (b"", "close")
    return time.monotonic() - since


def test_a_silent_client_gets_the_whole_time(workshop):
    front = Front(workshop)
    with connect(front.port) as client:
        assert seconds_until_closed(client, time.monotonic()) > TIMEOUT - TOLERANCE
    front.dispatcher.logged(outcome="timeout")


def test_a_silent_client_of_a_unix_socket_gets_the_whole_time(workshop, tmp_path):
    path = tmp_path / "front"
    front = Front(workshop, bind=f"unix:{path}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(30)
        client.connect(str(path))
        assert seconds_until_closed(client, time.monotonic()) > TIMEOUT - TOLERANCE
    front.dispatcher.logged(outcome="timeout")


@pytest.mark.parametrize("keys, beginning", (
    ("", client_hello()[:20]),
    ('proxy_protocol = "require"\ntrusted = ["127.0.0.0/8"]', proxy_header.v2()[:20]),
    ('proxy_protocol = "require"\ntrusted = ["127.0.0.0/8"]', proxy_header.v2()),
), ids=("hello", "half a header", "header"))
def test_a_client_that_falls_silent_gets_the_whole_time(workshop, keys, beginning):
    front = Front(workshop, keys)
    with connect(front.port) as client:
        connected = time.monotonic()
        client.sendall(beginning)
        assert seconds_until_closed(client, connected) > TIMEOUT - TOLERANCE
    front.dispatcher.logged(outcome="timeout")


@pytest.mark.smoke
def test_a_client_that_speaks_late_is_served(workshop):
    front = Front(workshop)
    with connect(front.port) as client:
        assert not select.select([client], [], [], TIMEOUT / 2)[0], "closed before its time"
        client.sendall(SSH)
        front.serves(client)
    front.dispatcher.logged(outcome="ok")


def test_a_silent_client_that_leaves_is_forgotten(workshop):
    front = Front(workshop)
    connect(front.port).close()
    with connect(front.port) as client:
        client.sendall(SSH)
        front.serves(client)


def test_a_client_is_given_to_the_silent_backend_in_time(workshop):
    """All of the time that it had to speak is portshare's to wait, none the kernel's."""
    silent, address = workshop.listen()
    front = Front(workshop, f"""silent = "s"
[backend.s]
servers = ["{address}"]
""")
    with connect(front.port) as client:
        connected = time.monotonic()
        with accept(silent) as server:
            assert time.monotonic() - connected > TIMEOUT - TOLERANCE
            server.sendall(b"greeting")
            assert receive_exactly(client, 8) == b"greeting"


@pytest.mark.smoke
def test_a_silent_client_counts_at_once(workshop):
    front = Front(workshop, "max_connections = 1", workers=1)
    with connect(front.port) as silent, connect(front.port) as second:
        # With one worker the clients are accepted in their order, and the first has not said a word yet.
        second.sendall(b"GET / HTTP/1.1\r\nHost: alpha.test\r\n\r\n")
        assert read_to_end(second)[0].startswith(b"HTTP/1.1 503 ")
        silent.sendall(SSH)
        front.serves(silent)


@pytest.mark.smoke
def test_sigterm_does_not_wait_for_clients_that_were_not_accepted(workshop):
    front = Front(workshop, shutdown_timeout="1h")
    with connect(front.port) as client:
        assert front.dispatcher.stop() == 0
        client.sendall(SSH)
        assert read_to_end(client)[0] == b""
