"""What has gone wrong in other programs of this kind, with hellos that real clients sent (tests/core/hellos).

More of it is elsewhere: a later request on a kept-alive connection (test_http_requests.py), names by case and with a
trailing dot, servers that speak first (test_first_bytes.py), a close with bytes on the way (test_streams.py), a default
that is open to what cannot be parsed (../differential).
"""

import pytest

from harness.portshare import ROOT
from harness.sockets import accept, connect, free_port, nobody_came, receive_exactly
from harness.tls import client_hello, handshake_of, records

SEGMENT = 1460  # what TCP carries at once over Ethernet
POST_QUANTUM = ("chromium", "firefox", "nodejs-24")


def captured(program):
    """The first hello of a program, which asked for www.example.com."""
    path = sorted((ROOT / "tests/core/hellos").glob(f"{program}*.hello"))[0]
    return bytes.fromhex(path.read_text().partition("\n\n")[2])


def front(workshop, routes, listener=""):
    """A listener that takes everything, with backends `named` and `other`; `other` is the default."""
    named, named_address = workshop.listen()
    other, other_address = workshop.listen()
    port = free_port()
    workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
default = "other"
{listener}
{routes}
[backend.named]
servers = ["{named_address}"]
[backend.other]
servers = ["{other_address}"]
""")
    return port, named, other


BY_NAME = """
[[route]]
sni = ["www.example.com"]
to = "named"
"""


@pytest.mark.smoke
@pytest.mark.parametrize("program", POST_QUANTUM)
def test_no_rule_decides_on_the_first_segment_of_a_post_quantum_hello(workshop, program):
    """caddy-l4, HAProxy and ingress-nginx closed most such connections, or took another rule."""
    port, named, other = front(workshop, BY_NAME, 'protocols = ["tls", "ssh", "http", "any"]')
    hello = captured(program)
    assert len(hello) > SEGMENT
    with connect(port) as client:
        client.sendall(hello[:SEGMENT])
        # Meanwhile a whole other connection is served, so this one has been looked at.
        with connect(port) as quick:
            quick.sendall(b"SSH-2.0-x\r\n")
            with accept(other) as server:
                assert receive_exactly(server, 11) == b"SSH-2.0-x\r\n"
        assert nobody_came(named) and nobody_came(other)
        client.sendall(hello[SEGMENT:])
        with accept(named) as server:
            assert receive_exactly(server, len(hello)) == hello
    assert nobody_came(other)


@pytest.mark.smoke
@pytest.mark.parametrize("size", (1, 5, 200, SEGMENT))
@pytest.mark.parametrize("program", ("openssl-3.0-default", *POST_QUANTUM))
def test_a_hello_over_several_records_does_not_reach_the_default(workshop, program, size):
    """Traefik read such a hello as one without a name (CVE-2026-32305)."""
    port, named, other = front(workshop, BY_NAME)
    flight = records(handshake_of(captured(program)), size)
    with connect(port) as client:
        client.sendall(flight)
        with accept(named) as server:
            assert receive_exactly(server, len(flight)) == flight
    assert nobody_came(other)


def test_a_rule_with_name_and_alpn_wants_both(workshop):
    """In sslh they were joined by "or"."""
    port, named, other = front(workshop, """
[[route]]
sni = ["alpha.test"]
alpn = ["h2"]
to = "named"
""")
    for name, alpn, listener in (("alpha.test", ["h2"], named), ("alpha.test", ["http/1.1"], other),
                                 ("alpha.test", [], other), ("beta.test", ["h2"], other)):
        hello = client_hello(name, alpn)
        with connect(port) as client:
            client.sendall(hello)
            with accept(listener) as server:
                assert receive_exactly(server, len(hello)) == hello
    assert nobody_came(named) and nobody_came(other)
