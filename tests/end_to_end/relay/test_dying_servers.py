"""Servers that are killed (SIGKILL): what their clients see, what the others see, and what comes after."""

import hashlib
import threading

import pytest

from harness.process import run
from harness.sockets import connect, exchange, free_port, read_to_end, receive_exactly
from harness.tls import INTERNAL_ERROR, client_hello, is_alert
from harness.waiting import eventually

# Answers the first request with a head and as much of the body as is asked for, and then with nothing more.
STOPS_HALFWAY = """
import socket, sys, time
port, head, body = int(sys.argv[1]), sys.argv[2].encode().decode("unicode_escape").encode(), int(sys.argv[3])
listener = socket.create_server(("127.0.0.1", port))
while True:
    connection, _ = listener.accept()
    request = connection.recv(65536)
    if request:
        connection.sendall(head + b"x" * body)
        while connection.recv(65536):
            pass
"""
SENT = 300_000
HEADS = {
    "Content-Length": r"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
    "chunked": r"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nf4240\r\n",
}
REQUEST = b"GET / HTTP/1.1\r\nHost: dying.test\r\n\r\n"
STEADY = b"GET /big HTTP/1.1\r\nHost: steady.test\r\n\r\n"


def halfway_server(workshop, head):
    port = free_port()
    return workshop.python_script("dying", STOPS_HALFWAY, port, HEADS[head], SENT, address=f"127.0.0.1:{port}")


def front(workshop, servers):
    """portshare with a route and a backend for each name."""
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
""" + "".join(f"""
[[route]]
name = ["{name}.test"]
to = "{name}"
[backend.{name}]
servers = {addresses}
""" for name, addresses in servers.items()))
    return dispatcher, port


@pytest.mark.smoke
@pytest.mark.parametrize("head", HEADS)
def test_a_server_that_dies_in_its_answer(workshop, head):
    """The client can tell that it has not got everything. Another connection, at the same time, gets all of its."""
    steady, steady_address = workshop.listen()
    dying = halfway_server(workshop, head)
    dispatcher, port = front(workshop, {"dying": [dying.address], "steady": [steady_address]})
    body = bytes(range(256)) * 8192
    with connect(port) as client, connect(port) as other:
        other.sendall(STEADY)
        server, _ = steady.accept()
        with server:
            receive_exactly(server, len(STEADY))
            server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:1000])
            client.sendall(REQUEST)
            start = receive_exactly(client, SENT)
            dying.kill()
            rest, end = read_to_end(client)
            received = (start + rest).partition(b"\r\n\r\n")[2]
            assert set(received.removeprefix(b"f4240\r\n")) == {ord("x")}, "no end of the body of our own"
            assert end in ("reset", "close") and len(received) < 1_000_000
            sender = threading.Thread(target=server.sendall, args=(body[1000:],))
            sender.start()
            answer = receive_exactly(other, len(b"HTTP/1.1 200 OK\r\nContent-Length: 2097152\r\n\r\n") + len(body))
            sender.join()
            assert hashlib.sha256(answer[-len(body):]).digest() == hashlib.sha256(body).digest()
    assert dispatcher.logged(name="dying.test")["outcome"] == "server_reset"


@pytest.mark.parametrize("head", HEADS)
def test_a_real_client_notices(workshop, head):
    dying = halfway_server(workshop, head)
    _, port = front(workshop, {"dying": [dying.address]})
    body = workshop.directory / "body"
    killer = threading.Thread(target=lambda: (
        eventually(lambda: body.exists() and body.stat().st_size > 100_000, "a part of the body"), dying.kill()))
    killer.start()
    curl = run(["curl", "--silent", "--show-error", "--no-buffer", "--noproxy", "*", "--output", body, "--resolve",
                f"dying.test:{port}:127.0.0.1", f"http://dying.test:{port}/"])
    killer.join()
    assert curl.returncode in (18, 56), curl  # a partial file; a failure in receiving


@pytest.mark.smoke
def test_a_server_that_dies_under_other_bytes(workshop):
    """TLS, say: what has come is passed on, and then the connection ends, as it has at the server."""
    dying = halfway_server(workshop, "Content-Length")
    dispatcher, port = front(workshop, {"dying": [dying.address]})
    with connect(port) as client:
        client.sendall(client_hello("dying.test"))
        receive_exactly(client, SENT)
        client.sendall(b"y" * 100)
        dying.kill()
        read_to_end(client)
    assert dispatcher.logged(name="dying.test")["protocol"] == "tls"


def test_all_servers_die_and_one_comes_back(workshop):
    servers = [workshop.nginx(name) for name in ("one", "two")]
    dispatcher, port = front(workshop, {"site": [server.address for server in servers]})
    request = b"GET /who HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n"
    assert exchange(port, request)[0].startswith(b"HTTP/1.1 200 ")
    for server in servers:
        server.kill()
    for _ in range(5):
        assert exchange(port, request)[0].startswith(b"HTTP/1.1 502 ")
        assert is_alert(exchange(port, client_hello("site.test"))[0], INTERNAL_ERROR)
    dispatcher.eventually(lambda: [record["outcome"] for record in dispatcher.access()].count("refused") == 10,
                          "a line for each refusal")
    workshop.nginx("three", address=servers[1].address)
    for _ in range(5):
        assert exchange(port, request)[0].endswith(b"three\n")


def test_a_server_that_dies_before_its_answer(workshop):
    """Nothing of an answer has come, so the client can be told in its own language, also in the middle of its request."""
    listener, address = workshop.listen()
    dispatcher, port = front(workshop, {"dying": [address]})
    with connect(port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: dying.test\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 100_000)
        server, _ = listener.accept()
        receive_exactly(server, 10)
        server.close()  # with bytes unread, as when the process is killed: a reset
        assert read_to_end(client)[0].startswith(b"HTTP/1.1 502 ")
    dispatcher.logged(name="dying.test", outcome="refused")
