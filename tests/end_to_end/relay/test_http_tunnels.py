"""A connection stops to be HTTP when the server has agreed, and not before."""

import socket

import pytest

from harness.http import Messages, Sites, head_of, request, response
from harness.sockets import accept, connect, nobody_came, read_to_end, receive_exactly

UPGRADE = request("alpha.test", "/chat", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
CONNECT = b"CONNECT alpha.test:443 HTTP/1.1\r\nHost: alpha.test:443\r\n\r\n"
# Were this read as HTTP, it would go to beta, or be refused.
OPAQUE = request("beta.test") + b"\x81\x05hello\0\r\n\r\n0x\r\n"


def is_opaque(client, server):
    """Both directions carry what they are given, also the ends, one after the other."""
    client.sendall(OPAQUE)
    assert receive_exactly(server, len(OPAQUE)) == OPAQUE
    server.sendall(b"\r\nHTTP/1.1 200 OK\r\n\r\n" + OPAQUE)
    assert receive_exactly(client, 21 + len(OPAQUE)) == b"\r\nHTTP/1.1 200 OK\r\n\r\n" + OPAQUE
    client.shutdown(socket.SHUT_WR)
    assert read_to_end(server) == (b"", "close")
    server.sendall(b"farewell")
    server.shutdown(socket.SHUT_WR)
    assert read_to_end(client) == (b"farewell", "close")


AGREED = {"101": (UPGRADE, SWITCHING), "100, then 101": (UPGRADE, b"HTTP/1.1 100 Continue\r\n\r\n" + SWITCHING),
          "200 to CONNECT": (CONNECT, b"HTTP/1.1 200 Connection established\r\n\r\n"),
          "200 to CONNECT, with a length": (CONNECT, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")}


@pytest.mark.smoke
@pytest.mark.parametrize("earlier", (False, True), ids=("first", "later"))
@pytest.mark.parametrize("kind", AGREED)
def test_the_server_agrees(workshop, kind, earlier):
    sites = Sites(workshop)
    message, answer = AGREED[kind]
    with connect(sites.port) as client:
        if earlier:
            client.sendall(request("beta.test"))
            with accept(sites.beta) as other:
                head_of(other)
                other.sendall(response())
                assert receive_exactly(client, len(response())) == response()
                client.sendall(message)
                server = accept(sites.alpha)
        else:
            client.sendall(message)
            server = accept(sites.alpha)
        with server:
            assert head_of(server) == message
            server.sendall(answer)
            assert receive_exactly(client, len(answer)) == answer
            is_opaque(client, server)
    assert nobody_came(sites.beta)
    record = sites.dispatcher.logged(backend="alpha")
    assert (record["bytes_in"], record["outcome"]) == (len(message) + len(OPAQUE), "ok")
    assert record["bytes_out"] == len(answer) + 21 + len(OPAQUE) + len(b"farewell")


@pytest.mark.parametrize("message, answer", AGREED.values(), ids=AGREED)
def test_both_sides_talk_at_once(workshop, message, answer):
    """The client's first bytes come with its request, and the server's with its answer."""
    sites = Sites(workshop)
    with connect(sites.port) as client:
        client.sendall(message + OPAQUE)
        with accept(sites.alpha) as server:
            assert head_of(server) == message
            server.sendall(answer + b"welcome")
            assert receive_exactly(client, len(answer) + 7) == answer + b"welcome"
            assert receive_exactly(server, len(OPAQUE)) == OPAQUE
            is_opaque(client, server)


@pytest.mark.smoke
@pytest.mark.parametrize("message, answer", (
    (UPGRADE, response(b"no upgrade")),
    (UPGRADE, response(b"too old", "Upgrade: websocket", status="426 Upgrade Required")),
    (CONNECT, response(b"no proxy", status="403 Forbidden")),
    (CONNECT, b"HTTP/1.1 405 Method Not Allowed\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"),
), ids=("200 to Upgrade", "426 to Upgrade", "403 to CONNECT", "405 to CONNECT"))
@pytest.mark.parametrize("pipelined", (False, True), ids=("later", "pipelined"))
def test_the_server_declines(workshop, message, answer, pipelined):
    """The connection goes on as HTTP: the next request is routed."""
    sites = Sites(workshop)
    further = request("beta.test", "/further")
    with connect(sites.port) as client:
        client.sendall(message + (further if pipelined else b""))
        with accept(sites.alpha) as server:
            assert head_of(server) == message
            server.sendall(answer)
            assert receive_exactly(client, len(answer)) == answer
            if not pipelined:
                client.sendall(further)
            with accept(sites.beta) as other:
                assert head_of(other) == further
                other.sendall(response(b"further"))
                assert Messages(client).next().body == b"further"
            assert read_to_end(server) == (b"", "close")


def test_bytes_of_another_protocol_wait_for_the_answer(workshop):
    """What follows CONNECT is no request, and not the server's before it has agreed."""
    sites = Sites(workshop)
    answer = response(b"no", status="403 Forbidden")
    with connect(sites.port) as client:
        client.sendall(CONNECT + b"\x16\x03\x01\0\x05hello")
        with accept(sites.alpha) as server:
            assert head_of(server) == CONNECT
            server.sendall(answer)
            answers = Messages(client)
            assert answers.next().status == 403
            assert answers.next().status == 400 and answers.next() is None
            client.close()
            assert read_to_end(server) == (b"", "close")


def test_an_upgrade_to_http_2_is_not_let_through(workshop):
    """Its requests would pass unseen (RFC 9113 has abolished it). A server may ignore the offer, so it does not get it."""
    sites = Sites(workshop)
    message = request("alpha.test", "/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
                      "HTTP2-Settings: AAMAAABk")
    with connect(sites.port) as client:
        client.sendall(message)
        with accept(sites.alpha) as server:
            without_offer = message.replace(b"Upgrade: h2c\r\n", b"")
            assert head_of(server) == without_offer
            server.sendall(response(b"as HTTP/1"))
            answers = Messages(client)
            assert answers.next().body == b"as HTTP/1"
            client.sendall(message)
            assert head_of(server) == without_offer
            server.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
            assert answers.next().status == 502
