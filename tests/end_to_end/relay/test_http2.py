"""Cleartext HTTP/2 byte by byte: what reaches the server, what the client is told, what stands in the log."""

import socket

import pytest

from harness.http import Sites
from harness.http2 import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, PUSH_PROMISE,
                           RST_STREAM, SETTINGS, SETTINGS_ACK, SETTINGS_FRAME, START, WINDOW_UPDATE, field, frame, frames, goaway,
                           next_frame, request, request_block, status)
from harness.sockets import accept, connect, exchange, free_port, nobody_came, read_to_end, receive_exactly, reset

FIRST = START + request(1, "alpha.test")
MIB = 1024 * 1024


def opened(sites, client, first=FIRST):
    """The server's end of a connection whose first request has arrived as it was sent, and which has begun to answer."""
    client.sendall(first)
    server = accept(sites.alpha)
    assert receive_exactly(server, len(first)) == first
    server.sendall(SETTINGS_FRAME)
    assert receive_exactly(client, len(SETTINGS_FRAME)) == SETTINGS_FRAME
    return server


# --- The first request ---

LONG_BLOCK = request_block("alpha.test") + field("x", "y" * 100)
FIRST_FLIGHTS = {
    "plain": FIRST,
    "with the body": START + request(1, "alpha.test", flags=END_HEADERS) + frame(DATA, END_STREAM, 1, b"body" * 1000),
    "a port, upper case": START + request(1, "ALPHA.test:8080"),
    "frames before it": START + frame(WINDOW_UPDATE, 0, 0, b"\0\1\0\0") + frame(PING, 0, 0, b"12345678") +
                        frame(0xfa, 0xff, 0x7fffffff, b"grease") + request(77, "alpha.test"),
    "continuations": START + frame(HEADERS, END_STREAM, 1, LONG_BLOCK[:20]) + frame(CONTINUATION, 0, 1, LONG_BLOCK[20:21]) +
                     frame(CONTINUATION, END_HEADERS, 1, LONG_BLOCK[21:]),
    "padding": START + frame(HEADERS, END_HEADERS | 0x8, 1, b"\x05" + request_block("alpha.test") + bytes(5)),
    "a Host instead": START + frame(HEADERS, END_HEADERS, 1, request_block("alpha.test").replace(b"\x0a:authority", b"\x04host")),
    "settings": PREFACE + frame(SETTINGS, 0, 0, b"\0\4\0\xff\xff\xff\0\1\0\0\0\0") + request(1, "alpha.test"),
}


@pytest.mark.smoke
@pytest.mark.parametrize("flight", FIRST_FLIGHTS)
@pytest.mark.parametrize("at_once", (True, False))
def test_the_first_request_arrives_as_it_was_sent(workshop, flight, at_once):
    sites = Sites(workshop)
    sent = FIRST_FLIGHTS[flight]
    with connect(sites.port) as client:
        for piece in [sent] if at_once else [sent[i:i + 1] for i in range(len(sent))]:
            client.sendall(piece)
        with accept(sites.alpha) as server:
            assert receive_exactly(server, len(sent)) == sent
            server.sendall(SETTINGS_FRAME + SETTINGS_ACK)
            expected = SETTINGS_FRAME + SETTINGS_ACK
            received = receive_exactly(client, len(expected))
            if received != expected:  # it came in pieces, so it might have been waiting
                assert received + receive_exactly(client, len(SETTINGS_FRAME)) == SETTINGS_FRAME + expected
            client.shutdown(socket.SHUT_WR)
            assert read_to_end(server) == (b"", "close")
    record = sites.dispatcher.logged(outcome="ok")
    assert (record["protocol"], record["name"], record["backend"]) == ("http", "alpha.test", "alpha")
    assert record["bytes_in"] == len(sent)
    assert nobody_came(sites.beta)


@pytest.mark.smoke
@pytest.mark.parametrize("acknowledges", ("at once", "later"))
def test_a_client_that_waits_for_settings(workshop, acknowledges):
    """gRPC does. It gets empty ones, and the server never hears of them."""
    sites = Sites(workshop)
    with connect(sites.port) as client:
        client.sendall(START)
        assert receive_exactly(client, 9) == SETTINGS_FRAME
        asked = request(1, "alpha.test")
        client.sendall(SETTINGS_ACK + asked if acknowledges == "at once" else asked)
        with accept(sites.alpha) as server:
            assert receive_exactly(server, len(START + asked)) == START + asked
            server.sendall(SETTINGS_FRAME)
            assert receive_exactly(client, 9) == SETTINGS_FRAME
            if acknowledges == "later":
                client.sendall(SETTINGS_ACK)
            client.sendall(SETTINGS_ACK + request(3, "alpha.test"))
            assert receive_exactly(server, 9) == SETTINGS_ACK
            assert next_frame(server)[2] == 3


# --- The end of the program ---

SHUTDOWN_NOTICE = goaway(0x7fffffff, 0)


@pytest.mark.smoke
def test_a_drain_asks_clients_to_end(workshop):
    """Requests that are under way, and those that come before the client has heard of it, are served."""
    sites = Sites(workshop)
    with connect(sites.port) as client, opened(sites, client) as server:
        sites.dispatcher.terminate()
        assert receive_exactly(client, len(SHUTDOWN_NOTICE)) == SHUTDOWN_NOTICE
        client.sendall(request(3, "alpha.test"))
        assert next_frame(server)[2] == 3
        server.sendall(status(1, 200) + status(3, 200))
        assert receive_exactly(client, 28) == status(1, 200) + status(3, 200)
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(server) == (b"", "close")
    sites.dispatcher.check_after_end()


def test_a_connection_that_begins_while_the_program_ends(workshop):
    """Its server says something only when the program is draining already."""
    sites = Sites(workshop)
    with connect(sites.port) as client:
        client.sendall(START + request(1, "alpha.test"))
        with accept(sites.alpha) as server:
            sites.dispatcher.terminate()
            sites.dispatcher.says("shutting down")
            server.sendall(SETTINGS_FRAME)
            assert receive_exactly(client, 9 + len(SHUTDOWN_NOTICE)) == SETTINGS_FRAME + SHUTDOWN_NOTICE
    sites.dispatcher.check_after_end()


# --- Later requests ---

@pytest.mark.smoke
def test_a_later_request_for_another_backend(workshop):
    """It is answered in between, and neither server sees anything of it."""
    sites = Sites(workshop)
    with connect(sites.port) as client, opened(sites, client) as server:
        client.sendall(request(3, "beta.test", flags=END_HEADERS) + frame(DATA, 0, 3, b"secret") +
                       request(5, "gamma.test") + frame(PING, 0, 0, b"12345678"))
        assert next_frame(server) == (PING, 0, 0, b"12345678")
        told = [next_frame(client) for _ in range(4)]
        assert told == frames(status(3, 421) + frame(RST_STREAM, 0, 3, bytes(4)) + frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\6") +
                              status(5, 421))
        # The others go on, in both directions.
        client.sendall(request(7, "alpha.test"))
        assert next_frame(server)[:3] == (HEADERS, END_HEADERS | END_STREAM, 7)
        server.sendall(status(1, 200) + status(7, 204))
        assert receive_exactly(client, 28) == status(1, 200) + status(7, 204)
    assert nobody_came(sites.beta)
    dispatcher = sites.dispatcher
    misdirected = dispatcher.logged(name="beta.test")
    assert (misdirected["outcome"], misdirected["backend"]) == ("rejected", None)
    assert misdirected["route"] == dispatcher.route('host = ["beta.test"]')
    assert dispatcher.logged(name="gamma.test")["outcome"] == "no_route"
    assert dispatcher.logged(name="alpha.test")["backend"] == "alpha"
    assert len(dispatcher.access()) == 3


def test_an_answer_waits_for_the_end_of_a_frame(workshop):
    sites = Sites(workshop)
    data = frame(DATA, 0, 1, b"d" * 16384)
    with connect(sites.port) as client, opened(sites, client) as server:
        server.sendall(status(1, 200, END_HEADERS) + data[:1000])
        assert receive_exactly(client, 14 + 1000) == status(1, 200, END_HEADERS) + data[:1000]
        client.sendall(request(3, "beta.test") + frame(PING, 0, 0, b"12345678"))
        assert next_frame(server)[0] == PING
        server.sendall(data[1000:] + data)
        expected = data[1000:] + status(3, 421) + data
        assert receive_exactly(client, len(expected)) == expected


BROKEN = {
    "a header block that is none": frame(HEADERS, END_HEADERS | END_STREAM, 3, b"\xff\xff\xff\xff\xff\xff"),
    "no authority": frame(HEADERS, END_HEADERS | END_STREAM, 3, request_block("alpha.test")[:-21]),
    "a Host against the authority": frame(HEADERS, END_HEADERS, 3, request_block("alpha.test") + field("host", "beta.test")),
    "an even stream": request(4, "alpha.test"),
    "a promise": frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4) + request_block("beta.test")),
    "a continuation of nothing": frame(CONTINUATION, END_HEADERS, 1, request_block("beta.test")),
    "something within a header block": frame(HEADERS, 0, 3, request_block("alpha.test")) + request(5, "beta.test"),
}


@pytest.mark.smoke
@pytest.mark.parametrize("kind", BROKEN)
def test_a_later_frame_that_is_malformed(workshop, kind):
    """It is not forwarded, and the connection ends with GOAWAY."""
    sites = Sites(workshop)
    with connect(sites.port) as client, opened(sites, client) as server:
        client.sendall(frame(PING, 0, 0, b"12345678") + BROKEN[kind])
        assert read_to_end(client) == (goaway(1, 1), "close")
        client.close()
        assert read_to_end(server) == (frame(PING, 0, 0, b"12345678"), "close")
    assert sites.dispatcher.logged(outcome="malformed")["backend"] == "alpha"


# --- Refusals ---

def refused(workshop, flight, keys="", backend_keys="", address="127.0.0.1:9", **options):
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.web]
bind = ["127.0.0.1:{port}"]
{keys}
[[route]]
host = ["alpha.test"]
to = "alpha"
[[route]]
host = ["rejected.test"]
reject = true
[backend.alpha]
servers = ["{address}"]
{backend_keys}
""", **options)
    return *exchange(port, flight), dispatcher


HALF = request(1, "alpha.test")[:-5]
HALF_BLOCK = frame(HEADERS, 0, 1, request_block("alpha.test"))
REFUSALS = {
    "no route": ("no_route", START + request(1, "beta.test"), status(1, 421) + goaway(1, 0)),
    "rejected": ("rejected", START + request(7, "rejected.test"), status(7, 421) + goaway(7, 0)),
    "with a body": ("no_route", START + request(1, "beta.test", flags=END_HEADERS), status(1, 421) + goaway(1, 0)),
    "refused": ("refused", FIRST, status(1, 502) + goaway(1, 0)),
    "malformed request": ("malformed", START + request(1, "a b"), status(1, 400) + goaway(1, 1)),
    "malformed block": ("malformed", START + frame(HEADERS, END_HEADERS, 1, b"\xff" * 9), status(1, 400) + goaway(1, 1)),
    "malformed frame": ("malformed", START + frame(PING, 0, 0, b"1"), goaway(0, 1)),
    "no SETTINGS": ("malformed", PREFACE + request(1, "alpha.test"), goaway(0, 1)),
}


@pytest.mark.smoke
@pytest.mark.parametrize("kind", REFUSALS)
def test_refusals(workshop, kind):
    outcome, flight, expected = REFUSALS[kind]
    data, ending, dispatcher = refused(workshop, flight)
    assert (data, ending) == (SETTINGS_FRAME + expected, "close")
    assert dispatcher.logged(outcome=outcome)["protocol"] == "http"
    assert len(dispatcher.access()) == 1


@pytest.mark.parametrize("flight, expected", ((START, goaway(0, 0)), (START + HALF, status(1, 408) + goaway(1, 0)),
                                              (START + HALF_BLOCK, status(1, 408) + goaway(1, 0))),
                         ids=("SETTINGS alone", "half a frame", "half a block"))
def test_too_slow(workshop, flight, expected):
    data, ending, dispatcher = refused(workshop, flight, 'first_flight_timeout = "300ms"')
    early = SETTINGS_FRAME if flight == START else b""  # it might have been waiting
    assert (data, ending) == (early + SETTINGS_FRAME + expected, "close")
    dispatcher.logged(outcome="timeout")


@pytest.mark.parametrize("flight, expected", ((START + frame(0xfa, 0, 0, bytes(2000)), goaway(0, 0xb)),
                                              (START + frame(HEADERS, 0, 1, bytes(2000)), status(1, 431) + goaway(1, 0xb)),
                                              (START + HALF_BLOCK + frame(CONTINUATION, END_HEADERS, 1, field("x", "y") * 500),
                                               status(1, 431) + goaway(1, 0xb))),
                         ids=("no request", "a frame", "a block"))
def test_too_large(workshop, flight, expected):
    data, ending, dispatcher = refused(workshop, flight, 'first_flight_limit = "1KiB"')
    assert (data, ending) == (SETTINGS_FRAME + expected, "close")
    dispatcher.logged(outcome="too_large")


@pytest.mark.parametrize("flight", (frame(HEADERS, 0, 3, bytes(2000)),
                                    frame(HEADERS, 0, 3, request_block("beta.test")) + 200 * frame(CONTINUATION, 0, 3, b"")),
                         ids=("a frame", "a block of empty frames"))
def test_a_later_head_that_is_too_large(workshop, flight):
    sites = Sites(workshop, 'first_flight_limit = "1KiB"')
    with connect(sites.port) as client, opened(sites, client):
        client.sendall(flight)
        data, ending = read_to_end(client)
        assert data.endswith(goaway(1, 0xb)) and ending == "close"
    sites.dispatcher.logged(outcome="too_large")


def test_a_server_that_does_not_answer_the_connect(workshop):
    listener, address = workshop.listen(backlog=0)
    with connect(listener.getsockname()[1]):
        data, ending, dispatcher = refused(workshop, FIRST, "", 'connect_timeout = "300ms"', address)
    assert (data, ending) == (SETTINGS_FRAME + status(1, 504) + goaway(1, 0), "close")
    dispatcher.logged(outcome="connect_timeout")


def test_limits(workshop):
    listener, address = workshop.listen()
    for keys, code, error in (("max_connections = 1", 503, 0), ("max_connections_per_source = 1", 429, 0xb)):
        port = free_port()
        workshop.portshare(f"""
[listener.web]
bind = ["127.0.0.1:{port}"]
default = "alpha"
{keys}
[backend.alpha]
servers = ["{address}"]
""")
        with connect(port) as client:
            client.sendall(FIRST)
            with accept(listener):
                assert exchange(port, FIRST) == (SETTINGS_FRAME + status(1, code) + goaway(1, error), "close")


def test_behind_a_proxy_and_in_front_of_a_server_that_wants_to_know(workshop):
    """The PROXY headers come first, and everything else is as without them."""
    sites = Sites(workshop, 'proxy_protocol = "require"\ntrusted = ["127.0.0.1"]', 'proxy_protocol = "v1"')
    header = b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 80\r\n"
    with connect(sites.port) as client:
        client.sendall(header + START)
        assert receive_exactly(client, 9) == SETTINGS_FRAME
        client.sendall(SETTINGS_ACK + request(1, "alpha.test"))
        with accept(sites.alpha) as server:
            expected = header + START + request(1, "alpha.test")
            assert receive_exactly(server, len(expected)) == expected


# --- As any relay ---

def test_a_reset_passes(workshop):
    sites = Sites(workshop)
    with connect(sites.port) as client:
        with opened(sites, client) as server:
            reset(client)
            assert read_to_end(server) == (b"", "reset")
    sites.dispatcher.logged(outcome="client_reset")


def test_a_server_that_closes(workshop):
    sites = Sites(workshop)
    with connect(sites.port) as client:
        with opened(sites, client) as server:
            server.sendall(goaway(1, 0))
            server.shutdown(socket.SHUT_WR)
            assert read_to_end(client) == (goaway(1, 0), "close")
            # It may still listen, and nobody can be told about a request for another.
            client.sendall(request(3, "beta.test") + frame(PING, 0, 0, b"12345678"))
            client.shutdown(socket.SHUT_WR)
            assert read_to_end(server) == (frame(PING, 0, 0, b"12345678"), "close")
    sites.dispatcher.logged(name="alpha.test", outcome="ok")


def blocked(sender, unit):
    """Sends until no more goes; how much that was."""
    sender.settimeout(1.0)
    sent = 0
    try:
        while sent < 200 * MIB:
            sent += sender.send(unit[sent % len(unit):])
    except TimeoutError:
        return sent
    raise AssertionError("a reader that reads nothing does not slow the sender")


@pytest.mark.smoke
def test_a_client_that_does_not_read_slows_the_server(workshop):
    sites = Sites(workshop)
    unit = frame(DATA, 0, 1, b"d" * 16000)
    with connect(sites.port) as client, opened(sites, client) as server:
        before = sites.dispatcher.resident_bytes()
        sent = blocked(server, unit)
        assert sites.dispatcher.resident_bytes() - before < 4 * MIB
        received = receive_exactly(client, sent)
        assert received == (unit * (sent // len(unit) + 1))[:sent]


def test_a_client_that_does_not_read_its_refusals_waits(workshop):
    """What it is told does not pile up."""
    sites = Sites(workshop)
    with connect(sites.port) as client, opened(sites, client, START + request(1, "alpha.test")) as server:
        client.sendall(request(3, "beta.test", flags=END_HEADERS))
        before = sites.dispatcher.resident_bytes()
        # Each frame of a refused stream is answered with a WINDOW_UPDATE that is longer.
        sent = blocked(client, frame(DATA, 0, 3, b"d"))
        assert sites.dispatcher.resident_bytes() - before < 4 * MIB
        whole = sent // 10
        expected = status(3, 421) + frame(RST_STREAM, 0, 3, bytes(4)) + frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * whole
        assert receive_exactly(client, len(expected)) == expected
        client.settimeout(30)
        rest = frame(DATA, 0, 3, b"d")[sent % 10:] if sent % 10 else b""
        client.sendall(rest + frame(PING, 0, 0, b"12345678"))
        assert next_frame(server)[0] == PING


def test_http_1_is_still_recognised(workshop):
    """Its methods may begin like the preface."""
    sites = Sites(workshop)
    for method in ("PRI", "POST", "PROPFIND"):
        sent = f"{method} / HTTP/1.1\r\nHost: alpha.test\r\n\r\n".encode()
        with connect(sites.port) as client:
            for byte in sent:
                client.sendall(bytes([byte]))
            with accept(sites.alpha) as server:
                assert receive_exactly(server, len(sent)) == sent
