"""What became of a ClientHello, in routes and in the field `tls` of the access log: a name, no name, an outer name,
malformed, incomplete, or not TLS at all."""

import pytest

from harness.sockets import accept, connect, exchange, free_port, nobody_came, receive_exactly
from harness.tls import client_hello, handmade_hello, records, server_name_extension, vector


def hello(*extensions, **parts):
    return records(handmade_hello(*extensions, **parts), 16384)


def encrypted_hello(kind):
    """An encrypted_client_hello extension (RFC 9849, section 5), with random bytes as GREASE has them."""
    body = b"\x00\x00\x01\x00\x01\x2a" + vector(2, b"\x11" * 32) + vector(2, b"\x22" * 144) if kind == 0 else b"\x01"
    return b"\xfe\x0d" + vector(2, body)


OUTER, INNER = encrypted_hello(0), encrypted_hello(1)
NAME = server_name_extension(b"named.test")
HTTP = b"GET / HTTP/1.1\r\nHost: named.test\r\n\r\n"

# What is sent, where it goes (None: nowhere), `tls` and `name` of its line.
FLIGHTS = {
    "openssl's": (client_hello("named.test"), "named", "sni", "named.test"),
    "no route": (client_hello("other.test"), "default", "sni", "other.test"),
    "no SNI": (client_hello(None), "default", "no_sni", None),
    "no extensions but ALPN": (hello(b"\0\x10" + vector(2, vector(2, vector(1, b"h2")))), "default", "no_sni", None),
    "ECH": (hello(NAME, OUTER), "named", "ech", "named.test"),
    "ECH, another outer name": (hello(server_name_extension(b"front.test"), OUTER), "default", "ech", "front.test"),
    "ECH, no outer name": (hello(OUTER), "default", "ech", None),
    "ECH, inner": (hello(INNER, NAME), "named", "sni", "named.test"),
    "two names": (hello(server_name_extension(b"named.test", b"b.test")), None, "malformed", None),
    "an empty name": (hello(server_name_extension(b"")), None, "malformed", None),
    "SSL 2": (b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" + bytes(37), None, "malformed", None),
    "HTTP": (HTTP, "named", None, "named.test"),
    "SSH": (b"SSH-2.0-x\r\n", "default", None, None),
    "nonsense": (b"\0\1\2\3", None, None, None),
}


@pytest.fixture(scope="module")
def front(module_workshop):
    port = free_port()
    servers = {name: module_workshop.listen() for name in ("named", "default")}
    dispatcher = module_workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
protocols = ["tls", "http", "ssh"]
default = "default"
[[route]]
name = ["named.test"]
to = "named"
[[route]]
name = ["~."]
alpn = ["no such protocol"]
reject = true
[backend.named]
servers = ["{servers["named"][1]}"]
[backend.default]
servers = ["{servers["default"][1]}"]
""")
    return dispatcher, port, {name: listener for name, (listener, _) in servers.items()}


@pytest.mark.smoke
@pytest.mark.parametrize("shape", FLIGHTS)
def test_goes_where_its_name_says_and_is_logged_as_what_it_is(front, shape):
    dispatcher, port, servers = front
    flight, backend, tls, name = FLIGHTS[shape]
    seen = len(dispatcher.access())
    if backend is None:
        exchange(port, flight)
    else:
        with connect(port) as client:
            client.sendall(flight)
            with accept(servers[backend]) as server:
                assert receive_exactly(server, len(flight)) == flight
    dispatcher.eventually(lambda: len(dispatcher.access()) > seen, "a line in the access log")
    record = dispatcher.access()[-1]
    assert (record["tls"], record["name"], record["backend"]) == (tls, name, backend), record
    assert record["outcome"] == "malformed" if backend is None else record["route"] or backend == "default"
    assert all(nobody_came(listener) for listener in servers.values())


@pytest.mark.parametrize("access_format", ("json", "text"))
@pytest.mark.parametrize("ending", ("closes", "waits"))
def test_a_hello_that_is_not_all_there_reaches_nobody(workshop, ending, access_format):
    listener, address = workshop.listen()
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
first_flight_timeout = "300ms"
default = "b"
[[route]]
protocol = ["tls"]
to = "b"
[backend.b]
servers = ["{address}"]
""", access_format=access_format)
    with connect(port) as client:
        client.sendall(client_hello("named.test")[:-1])
        if ending == "closes":
            client.shutdown(1)
        dispatcher.eventually(dispatcher.access_lines, "a line in the access log")
    assert nobody_came(listener)
    outcome = "malformed" if ending == "closes" else "timeout"
    if access_format == "json":
        record = dispatcher.access()[0]
        assert (record["tls"], record["outcome"], record["backend"]) == ("incomplete", outcome, None)
    else:
        assert " tls=incomplete name=- " in dispatcher.access_lines()[0], dispatcher.access_lines()


def test_a_name_in_the_route_wants_a_name(workshop):
    """Not even the expression that fits everything fits a ClientHello without a name."""
    listener, address = workshop.listen()
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
[[route]]
name = ["~.*"]
to = "b"
[backend.b]
servers = ["{address}"]
""")
    for flight, tls in ((client_hello(None), "no_sni"), (hello(OUTER), "ech")):
        assert exchange(port, flight)[0][:1] == b"\x15"
        dispatcher.logged(outcome="no_route", tls=tls)
    assert nobody_came(listener)
