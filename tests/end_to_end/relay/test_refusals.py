"""A client that cannot be served is told so in its own language (the table "What a client sees")."""

import pytest

from harness.sockets import connect, exchange, free_port, nobody_came, read_to_end
from harness.tls import (DECODE_ERROR, INTERNAL_ERROR, UNRECOGNIZED_NAME, client_hello, handmade_hello, handshake_of,
                         is_alert, records, server_name_extension)

HELLO = client_hello("alpha.test")
REQUEST = b"GET / HTTP/1.1\r\nHost: alpha.test\r\n\r\n"
SSH = b"SSH-2.0-x\r\n"


class Alert:
    """Expects a TLS alert, then the end of the connection."""

    def __init__(self, description):
        self.description = description

    def __repr__(self):
        return f"alert {self.description}"

    def fits(self, data, ending):
        return is_alert(data, self.description) and ending == "close"


class Status:
    """Expects one HTTP/1 response, whole, then the end of the connection."""

    def __init__(self, code):
        self.code = code

    def __repr__(self):
        return f"status {self.code}"

    def fits(self, data, ending):
        head, separator, body = data.partition(b"\r\n\r\n")
        status, *fields = head.split(b"\r\n")
        fields = dict(field.lower().split(b": ", 1) for field in fields)
        return (status.startswith(b"HTTP/1.1 %d " % self.code) and separator and ending == "close" and
                fields[b"connection"] == b"close" and int(fields[b"content-length"]) == len(body))


class Ending:
    """Expects no byte, and this ending."""

    def __init__(self, ending):
        self.ending = ending

    def __repr__(self):
        return self.ending

    def fits(self, data, ending):
        return data == b"" and ending == self.ending


CLOSE, RESET = Ending("close"), Ending("reset")
FLIGHTS = {"tls": HELLO, "http": REQUEST, "ssh": SSH}


def refused(workshop, config, flight, expected, outcome, **options):
    """Starts portshare, sends it `flight`, and looks at the answer and the access log. The log line."""
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
{config}
""", **options)
    data, ending = exchange(port, flight)
    assert expected.fits(data, ending), (expected, data, ending)
    record = dispatcher.logged(outcome=outcome)
    assert len(dispatcher.access()) == 1
    return record


@pytest.mark.smoke
@pytest.mark.parametrize("protocol, expected",
                         (("tls", Alert(UNRECOGNIZED_NAME)), ("http", Status(421)), ("ssh", RESET)))
def test_no_route(workshop, protocol, expected):
    record = refused(workshop, """
protocols = ["tls", "http", "ssh"]
[[route]]
name = ["beta.test"]
to = "b"
[backend.b]
servers = ["127.0.0.1:9"]
""", FLIGHTS[protocol], expected, "no_route")
    assert record["protocol"] == protocol
    assert record["name"] == ("alpha.test" if protocol != "ssh" else record["name"])


@pytest.mark.parametrize("protocol, expected",
                         (("tls", Alert(UNRECOGNIZED_NAME)), ("http", Status(421)), ("ssh", RESET)))
def test_a_route_that_rejects(workshop, protocol, expected):
    refused(workshop, f"""
protocols = ["tls", "http", "ssh"]
default = "b"
[[route]]
protocol = ["{protocol}"]
reject = true
[backend.b]
servers = ["127.0.0.1:9"]
""", FLIGHTS[protocol], expected, "rejected")


def test_no_route_by_address_alone(workshop):
    refused(workshop, """
protocols = []
[[route]]
destination = ["127.0.0.2"]
to = "b"
[backend.b]
servers = ["127.0.0.1:9"]
""", b"", RESET, "no_route")


def test_a_name_that_is_an_address_matches_no_route(workshop):
    refused(workshop, """
[[route]]
name = ["*.0.0.1", "~^127"]
to = "b"
[backend.b]
servers = ["127.0.0.1:9"]
""", records(handmade_hello(server_name_extension(b"127.0.0.1")), 100), Alert(UNRECOGNIZED_NAME), "no_route")


def hello(*names, **parts):
    return records(handmade_hello(server_name_extension(*names), **parts), 16384)


ONE_NAME = server_name_extension(b"alpha.test")
MALFORMED = {
    # The handshake
    "no ClientHello": (hello(b"alpha.test", handshake_type=2), Alert(DECODE_ERROR)),
    "bytes after the extensions": (hello(b"alpha.test", trailing=b"x"), Alert(DECODE_ERROR)),
    "odd cipher suites": (hello(b"alpha.test", cipher_suites=b"\x13\x01\x13"), Alert(DECODE_ERROR)),
    "an empty record": (b"\x16\x03\x01\x00\x00" + HELLO, Alert(DECODE_ERROR)),
    "a record over 16 KiB": (b"\x16\x03\x01\x48\x01" + HELLO[5:], Alert(DECODE_ERROR)),
    "an alert within the hello": (records(handshake_of(HELLO), 100)[:105] + b"\x15\x03\x01\x00\x02\x01\x00",
                                  Alert(DECODE_ERROR)),
    "an SSL 2 hello": (b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" + bytes(37), Alert(DECODE_ERROR)),
    # The name
    "two names": (hello(b"alpha.test", b"beta.test"), Alert(DECODE_ERROR)),
    "an empty name": (hello(b""), Alert(DECODE_ERROR)),
    "a name with NUL": (hello(b"alpha.test\0.beta.test"), Alert(DECODE_ERROR)),
    "a name with a space": (hello(b"alpha test"), Alert(DECODE_ERROR)),
    "a name with a slash": (hello(b"alpha/test"), Alert(DECODE_ERROR)),
    "a name over 255 bytes": (hello(b"a." * 128 + b"test"), Alert(DECODE_ERROR)),
    "two server_name extensions": (records(handmade_hello(ONE_NAME, ONE_NAME), 16384), Alert(DECODE_ERROR)),
    # HTTP
    "no Host in HTTP/1.1": (b"GET / HTTP/1.1\r\n\r\n", Status(400)),
    "two Hosts": (b"GET / HTTP/1.1\r\nHost: alpha.test\r\nHost: alpha.test\r\n\r\n", Status(400)),
    "an invalid Host": (b"GET / HTTP/1.1\r\nHost: al pha.test\r\n\r\n", Status(400)),
    "a port over 65535": (b"GET / HTTP/1.1\r\nHost: alpha.test:65536\r\n\r\n", Status(400)),
    "absolute form against Host": (b"GET http://beta.test/ HTTP/1.1\r\nHost: alpha.test\r\n\r\n", Status(400)),
    "bare LF": (b"GET / HTTP/1.1\nHost: alpha.test\n\n", Status(400)),
    "bare CR": (b"GET / HTTP/1.1\r\nHost: alpha.test\r\nX: a\rb\r\n\r\n", Status(400)),
    "a space before the colon": (b"GET / HTTP/1.1\r\nHost : alpha.test\r\n\r\n", Status(400)),
    "a folded line": (b"GET / HTTP/1.1\r\nHost: alpha.test\r\nX: a\r\n b\r\n\r\n", Status(400)),
    "Content-Length with Transfer-Encoding": (
        b"POST / HTTP/1.1\r\nHost: alpha.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", Status(400)),
    "two Content-Lengths": (
        b"POST / HTTP/1.1\r\nHost: alpha.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", Status(400)),
    "Transfer-Encoding in HTTP/1.0": (
        b"POST / HTTP/1.0\r\nHost: alpha.test\r\nTransfer-Encoding: chunked\r\n\r\n", Status(400)),
    "chunked not last": (
        b"POST / HTTP/1.1\r\nHost: alpha.test\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", Status(400)),
    # Neither
    "no protocol at all": (b"\0\1\2\3", CLOSE),
}


@pytest.fixture(scope="module")
def strict(module_workshop):
    """A listener whose default backend no malformed byte may reach."""
    listener, address = module_workshop.listen()
    port = free_port()
    dispatcher = module_workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
default = "b"
[backend.b]
servers = ["{address}"]
""")
    return dispatcher, port, listener


@pytest.mark.smoke
@pytest.mark.parametrize("shape", MALFORMED)
def test_malformed_first_bytes(strict, shape):
    dispatcher, port, listener = strict
    flight, expected = MALFORMED[shape]
    seen = len(dispatcher.access())
    data, ending = exchange(port, flight)
    assert expected.fits(data, ending), (expected, data, ending)
    dispatcher.eventually(lambda: len(dispatcher.access()) > seen, "a line in the access log")
    assert dispatcher.access()[-1]["outcome"] == "malformed"
    assert nobody_came(listener)


LONG_REQUEST = b"GET / HTTP/1.1\r\nHost: alpha.test\r\nX: " + b"x" * 2000 + b"\r\n\r\n"
LONG_HELLO = client_hello(alpn=["x" * 200 + str(number) for number in range(10)])


@pytest.mark.parametrize("flight, expected", ((LONG_HELLO, Alert(DECODE_ERROR)), (LONG_REQUEST, Status(431)),
                                              (LONG_REQUEST[:1500], Status(431))), ids=("tls", "http", "http, no end"))
def test_over_the_limit(workshop, flight, expected):
    refused(workshop, """
first_flight_limit = "1KiB"
default = "b"
[backend.b]
servers = ["127.0.0.1:9"]
""", flight, expected, "too_large")


def test_the_answer_reaches_a_client_that_goes_on_sending(workshop):
    """What it still sends is read and thrown away for a while. To close at once would answer it with a reset, and on
    many systems a client that got a reset no longer sees what came before."""
    port = free_port()
    workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
first_flight_limit = "1KiB"
default = "b"
[backend.b]
servers = ["127.0.0.1:9"]
""")
    with connect(port) as client:
        client.sendall(LONG_REQUEST[:-4])
        data, ending = read_to_end(client)
        assert Status(431).fits(data, ending), (data, ending)
        for _ in range(100):
            client.sendall(b"x" * 1000)  # fails after a reset


@pytest.mark.parametrize("protocols, flight, expected", (
    (["tls", "http", "ssh"], HELLO[:-1], CLOSE),
    (["tls", "http", "ssh"], HELLO[:1], CLOSE),
    (["tls", "http", "ssh"], REQUEST[:-1], Status(408)),
    (["tls", "http", "ssh"], REQUEST[:3], Status(408)),
    (["tls", "ssh"], SSH[:3], CLOSE),
    (["tls", "http", "ssh"], b"", CLOSE),
), ids=("tls", "a byte of tls", "http", "a method", "ssh", "nothing"))
def test_nothing_complete_in_time(workshop, protocols, flight, expected):
    refused(workshop, f"""
protocols = {protocols}
first_flight_timeout = "300ms"
default = "b"
[backend.b]
servers = ["127.0.0.1:9"]
""", flight, expected, "timeout")


@pytest.mark.smoke
@pytest.mark.parametrize("protocol, expected",
                         (("tls", Alert(INTERNAL_ERROR)), ("http", Status(502)), ("ssh", RESET)))
def test_a_server_that_refuses(workshop, protocol, expected):
    closed = f"127.0.0.1:{free_port()}"
    record = refused(workshop, f"""
protocols = ["tls", "http", "ssh"]
default = "b"
[backend.b]
servers = ["{closed}", "unix:{workshop.directory}/nobody.sock"]
""", FLIGHTS[protocol], expected, "refused")
    assert record["backend"] == "b"


@pytest.mark.parametrize("protocol, expected",
                         (("tls", Alert(INTERNAL_ERROR)), ("http", Status(504)), ("ssh", RESET)))
def test_a_server_that_does_not_answer(workshop, protocol, expected):
    # A full queue: the kernel drops further SYNs, so the connect stays without an answer.
    listener, address = workshop.listen(backlog=0)
    with connect(listener.getsockname()[1]):
        record = refused(workshop, f"""
protocols = ["tls", "http", "ssh"]
default = "b"
[backend.b]
servers = ["{address}"]
connect_timeout = "300ms"
retries = 0
""", FLIGHTS[protocol], expected, "connect_timeout")
    assert record["server"] == address


@pytest.mark.parametrize("config, welcome, unwelcome", (
    ('deny = ["127.0.0.9"]', "127.0.0.1", "127.0.0.9"),
    ('allow = ["127.0.0.8/30"]', "127.0.0.9", "127.0.0.1"),
    ('allow = ["127.0.0.8/30"]\ndeny = ["127.0.0.9"]', "127.0.0.10", "127.0.0.9"),
), ids=("deny", "allow", "deny wins"))
def test_sources(workshop, config, welcome, unwelcome):
    server = workshop.nginx("site")
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
default = "b"
{config}
[backend.b]
servers = ["{server.address}"]
""")
    request = b"GET /who HTTP/1.0\r\n\r\n"
    assert exchange(port, request, source=welcome)[0].endswith(b"site\n")
    assert exchange(port, b"", source=unwelcome)[0] == b""
    assert dispatcher.logged(outcome="denied")["client"].startswith(unwelcome + ":")
    assert dispatcher.logged(outcome="ok")["client"].startswith(welcome + ":")
