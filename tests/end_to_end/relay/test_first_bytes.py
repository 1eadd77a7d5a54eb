"""However the first bytes arrive, they decide where the connection goes, and they arrive there as they were sent."""

import itertools
import select
import time

import pytest

from harness.sockets import accept, connect, free_port, nobody_came, read_to_end, receive_exactly
from harness.tls import TlsClient, client_hello, handmade_hello, handshake_of, records, server_name_extension
from harness.waiting import PATIENCE_SECONDS

# More names than any client offers: the hello is longer than a TLS record may be, and than many segments.
LONG_ALPN = ["http/1.1"] + [f"{number:03}{'x' * 50}" for number in range(400)]


@pytest.fixture(scope="module")
def tls_port(module_workshop, certificates):
    """Routes alpha.test, and nothing else, to a real TLS server."""
    server = module_workshop.nginx("alpha.test", certificate=certificates["alpha.test"])
    port = free_port()
    module_workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
first_flight_limit = "256KiB"  # the long hello in records of one byte is six times as long
[[route]]
sni = ["alpha.test"]
to = "alpha"
[backend.alpha]
servers = ["{server.address}"]
""")
    return port


def handshake_and_get(port, certificates, cut, alpn=()):
    """A whole HTTPS exchange whose first flight is sent in the pieces that `cut` makes of it."""
    client = TlsClient("alpha.test", certificates.bundle, alpn)
    with connect(port) as connection:
        for piece in cut(client.first_flight()):
            connection.sendall(piece)
        client.finish_handshake(connection)
        return client.get("/who", "alpha.test", connection).strip()


def bytewise(data):
    return [data[index:index + 1] for index in range(len(data))]


@pytest.mark.smoke
@pytest.mark.parametrize("alpn", ((), LONG_ALPN), ids=("short", "long"))
@pytest.mark.parametrize("record_size", (1, 2, 3, 5, 100, 16384))
def test_a_hello_over_several_records(tls_port, certificates, record_size, alpn):
    answer = handshake_and_get(tls_port, certificates, lambda flight: [records(handshake_of(flight), record_size)], alpn)
    assert answer == "alpha.test"


@pytest.mark.smoke
def test_a_hello_byte_by_byte(tls_port, certificates):
    assert handshake_and_get(tls_port, certificates, bytewise) == "alpha.test"


def test_a_hello_in_records_of_one_byte_byte_by_byte(tls_port, certificates):
    def cut(flight):
        return bytewise(records(handshake_of(flight), 1))

    assert handshake_and_get(tls_port, certificates, cut) == "alpha.test"


def test_a_long_hello_in_segments_of_odd_size(tls_port, certificates):
    def cut(flight):
        return [flight[start:start + 1460] for start in range(0, len(flight), 1460)]

    assert handshake_and_get(tls_port, certificates, cut, LONG_ALPN) == "alpha.test"


@pytest.mark.parametrize("request_bytes", (
    records(handshake_of(client_hello("www.Alpha.test", ["h2", "http/1.1"])), 7) + b"\x17\x03\x03\x00\x05early",
    b"GET /path HTTP/1.1\r\nHost: www.alpha.test:443\r\nX-Odd:   value  \r\n\r\n",
    b"\r\nPOST http://www.alpha.test/ HTTP/1.1\r\nHost: www.alpha.test\r\nContent-Length: 4\r\n\r\nbody",
), ids=("tls", "http", "absolute form"))
def test_the_server_receives_what_the_client_sent(workshop, request_bytes):
    listener, address = workshop.listen()
    port = free_port()
    workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
[[route]]
name = ["*.alpha.test"]
to = "b"
[backend.b]
servers = ["{address}"]
""")
    with connect(port) as client:
        for piece in bytewise(request_bytes):
            client.sendall(piece)
        with accept(listener) as server:
            assert receive_exactly(server, len(request_bytes)) == request_bytes


def test_an_http_head_byte_by_byte(workshop):
    server = workshop.nginx("http")
    port = free_port()
    workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
[[route]]
host = ["alpha.test"]
to = "b"
[backend.b]
servers = ["{server.address}"]
""")
    with connect(port) as client:
        for piece in bytewise(b"GET /who HTTP/1.0\r\nHost: alpha.test\r\n\r\n"):
            client.sendall(piece)
        answer, ending = read_to_end(client)
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"http\n") and ending == "close"


@pytest.mark.parametrize("client_name, backend", (
    ("www.example.test", "exact"),
    ("WWW.Example.TEST.", "exact"),
    ("a.example.test", "wildcard"),
    ("b.a.example.test", "wildcard"),
    ("api7.example.test", "wildcard"),  # a wildcard comes before a regular expression
    ("api7.example.org", "pattern"),
    ("example.test", "default"),
    ("bücher.example".encode("idna").decode(), "unicode"),
    (None, "default"),
))
def test_the_name_decides(workshop, client_name, backend):
    listener, address = workshop.listen()
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
default = "default"
[[route]]
name = ["~^api[0-9]+\\\\.example\\\\.(test|org)$"]
to = "pattern"
[[route]]
name = ["*.example.test"]
to = "wildcard"
[[route]]
name = ["www.example.test"]
to = "exact"
[[route]]
name = ["Bücher.example."]
to = "unicode"
""" + "".join(f'[backend.{name}]\nservers = ["{address}"]\n'
              for name in ("default", "pattern", "wildcard", "exact", "unicode")))
    if client_name:
        # Handmade, because Python's ssl changes names, or does not send them.
        hello = records(handmade_hello(server_name_extension(client_name.encode())), 16384)
        request = f"GET / HTTP/1.1\r\nHost: {client_name}:80\r\n\r\n".encode()
    else:
        hello, request = records(handmade_hello(), 16384), b"GET / HTTP/1.0\r\n\r\n"
    for protocol, flight in (("tls", hello), ("http", request)):
        with connect(port) as client:
            client.sendall(flight)
            with accept(listener) as server:
                assert receive_exactly(server, len(flight)) == flight
        record = dispatcher.logged(protocol=protocol)
        assert record["backend"] == backend, record


def test_alpn_source_and_protocol_decide(workshop):
    listener, address = workshop.listen()
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
default = "default"
[[route]]
alpn = ["acme-tls/1"]
to = "acme"
[[route]]
source = ["127.0.0.8/29"]
to = "source"
[[route]]
protocol = ["http"]
to = "http"
""" + "".join(f'[backend.{name}]\nservers = ["{address}"]\n' for name in ("default", "acme", "source", "http")))
    hello, request = client_hello(), b"GET / HTTP/1.1\r\nHost: alpha.test\r\n\r\n"
    for expected, flight, source in (("default", hello, None), ("acme", client_hello(alpn=["h2", "acme-tls/1"]), None),
                                     ("source", hello, "127.0.0.9"), ("http", request, None),
                                     ("acme", client_hello(alpn=["acme-tls/1"]), "127.0.0.9"),
                                     ("source", request, "127.0.0.9")):
        seen = len(dispatcher.access())
        with connect(port, source=source) as client:
            client.sendall(flight)
            accept(listener).close()
        dispatcher.eventually(lambda: len(dispatcher.access()) == seen + 1, "one more line in the access log")
        assert dispatcher.access()[-1]["backend"] == expected


def test_by_address_alone_the_server_may_speak_first(workshop):
    listener, address = workshop.listen()
    port = free_port()
    workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
protocols = []
default = "mail"
[backend.mail]
servers = ["{address}"]
""")
    with connect(port) as client, accept(listener) as server:
        server.sendall(b"220 mail.test ESMTP\r\n")
        assert receive_exactly(client, 21) == b"220 mail.test ESMTP\r\n"
        client.sendall(b"\0\xff any bytes")
        assert receive_exactly(server, 12) == b"\0\xff any bytes"


def ssh_and_https(workshop, silent=""):
    """A listener for SSH and HTTPS, its port, and the sockets that stand for the two servers."""
    ssh, ssh_address = workshop.listen()
    web, web_address = workshop.listen()
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
protocols = ["ssh", "tls", "http"]
first_flight_timeout = "1s"
default = "web"
{silent}
[[route]]
protocol = ["ssh"]
to = "ssh"
[backend.ssh]
servers = ["{ssh_address}"]
[backend.web]
servers = ["{web_address}"]
""")
    return dispatcher, port, ssh, web


def test_ssh_and_https_on_one_port(workshop):
    dispatcher, port, ssh, web = ssh_and_https(workshop)
    with connect(port) as client:
        for piece in bytewise(b"SSH-2.0-x\r\n"):
            client.sendall(piece)
        with accept(ssh) as server:
            assert receive_exactly(server, 11) == b"SSH-2.0-x\r\n"
            server.sendall(b"SSH-2.0-server\r\n")
            assert receive_exactly(client, 16) == b"SSH-2.0-server\r\n"
    hello = client_hello()
    with connect(port) as client:
        client.sendall(hello)
        with accept(web) as server:
            assert receive_exactly(server, len(hello)) == hello
    assert dispatcher.logged(backend="ssh")["protocol"] == "ssh"
    assert dispatcher.logged(backend="web")["protocol"] == "tls"


def test_a_silent_client_reaches_the_silent_backend(workshop):
    dispatcher, port, ssh, web = ssh_and_https(workshop, silent='silent = "ssh"')
    with connect(port) as client, accept(ssh) as server:
        server.sendall(b"SSH-2.0-server\r\n")
        assert receive_exactly(client, 16) == b"SSH-2.0-server\r\n"
        client.sendall(b"SSH-2.0-late\r\n")
        assert receive_exactly(server, 14) == b"SSH-2.0-late\r\n"
    assert nobody_came(web)
    assert dispatcher.logged(outcome="ok")["backend"] == "ssh"


def test_a_client_that_started_to_speak_is_not_silent(workshop):
    dispatcher, port, ssh, web = ssh_and_https(workshop, silent='silent = "ssh"')
    with connect(port) as client:
        client.sendall(client_hello()[:20])
        assert read_to_end(client) == (b"", "close")
    dispatcher.logged(outcome="timeout")
    assert nobody_came(ssh) and nobody_came(web)


def test_a_silent_client_without_a_silent_backend_is_closed(workshop):
    dispatcher, port, ssh, web = ssh_and_https(workshop)
    with connect(port) as client:
        assert read_to_end(client) == (b"", "close")
    dispatcher.logged(outcome="timeout")
    assert nobody_came(ssh) and nobody_came(web)


@pytest.mark.parametrize("first_bytes", (b"\0\1\2\3", b"\xff" * 100, b"EHLO mail.test\n", b"SSH-2.0-x\r\n"))
def test_any_takes_what_nobody_claims(workshop, first_bytes):
    listener, address = workshop.listen()
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
protocols = ["tls", "any"]
[[route]]
protocol = ["any"]
to = "other"
[backend.other]
servers = ["{address}"]
""")
    with connect(port) as client:
        client.sendall(first_bytes)
        with accept(listener) as server:
            assert receive_exactly(server, len(first_bytes)) == first_bytes
    assert dispatcher.logged(backend="other")["protocol"] == "any"


LONG_FLIGHT = records(handshake_of(client_hello(alpn=LONG_ALPN)), 16384)


@pytest.mark.parametrize("head, drops, answer", (
    (b"GET / HTTP/1.1\r\nHost: alpha.test\r\nX: ", itertools.repeat(b"x"), b"HTTP/1.1 408 "),
    (LONG_FLIGHT[:200], bytewise(LONG_FLIGHT[200:]), b""),
), ids=("http", "tls"))
def test_dripping_bytes_do_not_extend_the_time(workshop, head, drops, answer):
    listener, address = workshop.listen()
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
first_flight_timeout = "1s"
default = "b"
[backend.b]
servers = ["{address}"]
""")
    with connect(port) as client:
        client.sendall(head)
        deadline = time.monotonic() + PATIENCE_SECONDS
        for drop in drops:
            # A drop every 50 ms, as long as the dispatcher says nothing.
            if select.select([client], [], [], 0.05)[0]:
                break
            assert time.monotonic() < deadline, "each byte bought the client more time"
            client.sendall(drop)
        data, _ = read_to_end(client)
    assert data.startswith(answer) if answer else data == b""
    assert dispatcher.logged(outcome="timeout")["duration_ms"] >= 1000
    assert nobody_came(listener)
