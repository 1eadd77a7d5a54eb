"""PROXY headers in and out, between portshare and the programs that speak them: HAProxy, nginx, curl and portshare."""

import socket

import pytest

from harness import proxy_header
from harness.clients import curl
from harness.http import RecordingServer, request
from harness.portshare import BINARY, ENGINE
from harness.process import Process, run
from harness.proxy_header import CLIENT
from harness.sockets import accept, connect, exchange, free_port, nobody_came, read_to_end, receive_exactly
from harness.tls import client_hello

SSH = b"SSH-2.0-client\r\n"
TRUST_LOOPBACK = 'trusted = ["127.0.0.0/8"]'


def front(workshop, servers, keys="", backend_keys="", **options):
    """portshare on a free port; its one backend gets everything that no other rule takes."""
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["0.0.0.0:{port}"]
protocols = ["tls", "http", "ssh"]
default = "b"
{keys}
[backend.b]
servers = {servers}
{backend_keys}
""", **options)
    return dispatcher, port


def address(endpoint):
    return f"{endpoint[0]}:{endpoint[1]}"


# --- In.


@pytest.mark.smoke
@pytest.mark.parametrize("send", ("send-proxy", "send-proxy-v2",
                                  "send-proxy-v2 proxy-v2-options crc32c,unique-id,ssl,cert-cn,authority"))
def test_haproxy_in_front(workshop, send):
    site = workshop.nginx("site").address
    dispatcher, port = front(workshop, [site], f'proxy_protocol = "require"\n{TRUST_LOOPBACK}')
    entrance = free_port()
    workshop.haproxy("front", f"127.0.0.1:{entrance}", "", f"127.0.0.1:{port} {send}")
    with connect(entrance, source="127.0.0.77") as client:
        client.sendall(b"GET /who HTTP/1.0\r\nHost: a.test\r\n\r\n")
        expected = {"client": address(client.getsockname()), "destination": f"127.0.0.1:{entrance}", "outcome": "ok"}
        assert read_to_end(client)[0].endswith(b"site\n")
    assert dispatcher.logged(**expected)["name"] == "a.test"


def test_the_health_checks_of_haproxy_are_its_own(workshop):
    """They come as LOCAL, and go by a close or a reset without a word of their own."""
    site = workshop.nginx("site").address
    dispatcher, port = front(workshop, [site], f'proxy_protocol = "require"\n{TRUST_LOOPBACK}')
    workshop.haproxy("front", f"127.0.0.1:{free_port()}", "",
                     f"127.0.0.1:{port} send-proxy-v2 check check-send-proxy inter 50ms")
    dispatcher.eventually(lambda: len(dispatcher.access()) >= 5, "some checks")
    assert {record["outcome"] for record in dispatcher.access()} <= {"ok", "client_reset"}


def test_curl_in_front(workshop, certificates):
    site = workshop.nginx("site").address
    dispatcher, port = front(workshop, [site], f'proxy_protocol = "accept"\n{TRUST_LOOPBACK}')
    for options in ([], ["--haproxy-protocol"]):
        assert curl("http", "alpha.test", port, certificates.bundle, *options) == "site"
    dispatcher.eventually(lambda: len(dispatcher.access()) == 2, "two lines")
    assert all(record["client"].startswith("127.0.0.1:") for record in dispatcher.access())


@pytest.mark.parametrize("header", (proxy_header.v1(), proxy_header.v2(), proxy_header.v2(vectors=b"\4\10\0" + bytes(2048))))
@pytest.mark.parametrize("cut", ("whole", "behind", "bytes"))
def test_a_header_in_every_cut(workshop, header, cut):
    listener, server_address = workshop.listen()
    dispatcher, port = front(workshop, [server_address],
                             f'proxy_protocol = "accept"\n{TRUST_LOOPBACK}\nfirst_flight_limit = "1KiB"')
    hello = client_hello("www.alpha.test")
    pieces = {"whole": [header + hello], "behind": [header, hello],
              "bytes": [bytes([byte]) for byte in header + hello]}[cut]
    with connect(port) as client:
        for piece in pieces:
            client.sendall(piece)
        with accept(listener) as server:
            assert receive_exactly(server, len(hello)) == hello
    record = dispatcher.logged(client=address(CLIENT))
    assert record["destination"] == "198.51.100.2:443" and record["name"] == "www.alpha.test"
    assert record["bytes_in"] == len(hello)


def test_rules_see_the_client_behind_the_proxy(workshop):
    port = free_port()
    (inside, inside_address), (outside, outside_address), (six, six_address) = (workshop.listen() for _ in range(3))
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
protocols = ["ssh"]
default = "outside"
proxy_protocol = "require"
{TRUST_LOOPBACK}
allow = ["203.0.113.0/24", "2001:db8::/32", "10.0.0.0/8"]
deny = ["203.0.113.66"]
[[route]]
source = ["10.0.0.0/8"]
to = "inside"
[[route]]
destination = ["[2001:db8::2]:443"]
to = "six"
[backend.inside]
servers = ["{inside_address}"]
[backend.outside]
servers = ["{outside_address}"]
[backend.six]
servers = ["{six_address}"]
""")
    for header, server in ((proxy_header.v1(), outside), (proxy_header.v2(("10.1.2.3", 5)), inside),
                           (proxy_header.v2(("::ffff:10.1.2.3", 5), ("::ffff:192.0.2.1", 6)), inside),
                           (proxy_header.v1(("2001:db8::1", 5), ("2001:db8::2", 443)), six)):
        with connect(port) as client:
            client.sendall(header + SSH)
            with accept(server) as connection:
                assert receive_exactly(connection, len(SSH)) == SSH
    for header in (proxy_header.v1(("203.0.113.66", 5)), proxy_header.v2(("192.0.2.1", 5)), proxy_header.v2_local(),
                   b"PROXY UNKNOWN\r\n"):
        assert exchange(port, header + SSH) == (b"", "reset")
    dispatcher.eventually(lambda: [r["outcome"] for r in dispatcher.access()].count("denied") == 4, "four denied")
    assert dispatcher.logged(outcome="denied", client="203.0.113.66:5")
    assert dispatcher.logged(client="10.1.2.3:5", backend="inside", destination="192.0.2.1:6")
    assert all(nobody_came(listener) for listener in (inside, outside, six))


def test_without_a_header_that_is_required(workshop):
    listener, server_address = workshop.listen()
    dispatcher, port = front(workshop, [server_address], f"""
proxy_protocol = "require"
trusted = ["127.0.0.0/24"]
first_flight_timeout = "300ms"
silent = "b"
""")
    assert exchange(port, SSH) == (b"", "close")
    assert dispatcher.logged(outcome="malformed")
    assert exchange(port, b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n") == (b"", "close")
    assert exchange(port, b"") == (b"", "close")
    assert dispatcher.logged(outcome="timeout")
    assert exchange(port, proxy_header.v1() + SSH, source="127.0.1.1") == (b"", "reset")
    assert dispatcher.logged(outcome="denied")["client"].startswith("127.0.1.1:")
    assert nobody_came(listener)


def test_an_untrusted_header_is_not_believed(workshop):
    listener, server_address = workshop.listen()
    dispatcher, port = front(workshop, [server_address], 'proxy_protocol = "accept"\ntrusted = ["192.0.2.1"]')
    answer, _ = exchange(port, proxy_header.v1() + request("a.test"))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert dispatcher.logged(outcome="malformed")["client"].startswith("127.0.0.1:")
    with connect(port) as client:
        client.sendall(SSH)
        with accept(listener) as server:
            assert receive_exactly(server, len(SSH)) == SSH


def test_a_client_that_waits_for_the_server(workshop):
    """Behind its header it may stay silent; without one, accept gives it first_flight_timeout."""
    listener, server_address = workshop.listen()
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
protocols = []
default = "b"
proxy_protocol = "accept"
{TRUST_LOOPBACK}
first_flight_timeout = "300ms"
[backend.b]
servers = ["{server_address}"]
""")
    for header, who in ((proxy_header.v2(), address(CLIENT)), (b"", "127.0.0.1:")):
        with connect(port) as client:
            client.sendall(header)
            with accept(listener) as server:
                server.sendall(b"220 welcome\r\n")
                assert receive_exactly(client, 13) == b"220 welcome\r\n"
                client.sendall(b"PROXY")
                assert receive_exactly(server, 5) == b"PROXY"
        dispatcher.eventually(lambda: any(r["client"].startswith(who) for r in dispatcher.access()), who)


# --- Out.


@pytest.mark.smoke
@pytest.mark.parametrize("version", ("v1", "v2"))
def test_nginx_behind(workshop, certificates, version):
    sites = {name: workshop.nginx(f"{name}-{kind}", proxied=True, certificate=certificates[name] if kind == "tls" else None)
             for name, kind in (("alpha.test", "tls"), ("beta.test", "plain"), ("gamma.test", "plain"))}
    port = free_port()
    workshop.portshare(f'[listener.l]\nbind = ["127.0.0.1:{port}"]\n' + "".join(f"""
[[route]]
name = ["{name}"]
to = "{name}"
[backend."{name}"]
servers = ["{site.address}"]
proxy_protocol = "{version}"
""" for name, site in sites.items()))
    tls = run(["curl", "--silent", "--show-error", "--noproxy", "*", "--cacert", certificates.bundle, "--interface",
               "127.0.0.77", "--resolve", f"alpha.test:{port}:127.0.0.1", f"https://alpha.test:{port}/source"])
    assert tls.stdout == "127.0.0.77\n", tls.stderr
    # A connection that goes from server to server, and back to one that has closed it.
    with connect(port, source="127.0.0.78") as client:
        client.sendall(b"".join(request(name, "/source") for name in ("beta.test", "gamma.test", "gamma.test")) +
                       request("beta.test", "/source", "Connection: close"))
        assert read_to_end(client)[0].count(b"\r\n\r\n127.0.0.78\n") == 4


@pytest.mark.parametrize("version", ("v1", "v2"))
def test_haproxy_behind(workshop, version):
    server = f"127.0.0.1:{free_port()}"
    workshop.haproxy("behind", server, """accept-proxy
  mode http
  http-request return status 200 content-type text/plain lf-string "%ci:%cp %fi:%fp %[fc_pp_authority]\\n"
""")
    _, port = front(workshop, [server], backend_keys=f'proxy_protocol = "{version}"')
    with connect(port, source="127.0.0.77") as client:
        client.sendall(request("Shop.test.", "/", "Connection: close"))
        source = address(client.getsockname())
        body = read_to_end(client)[0].partition(b"\r\n\r\n")[2].decode().split()
    assert body == [source, f"127.0.0.1:{port}"] + (["shop.test"] if version == "v2" else [])


@pytest.mark.parametrize("version", ("v1", "v2"))
def test_a_chain_keeps_the_first_client(workshop, version):
    listener, server_address = workshop.listen()
    inner, inner_port = front(workshop, [server_address], f'proxy_protocol = "require"\n{TRUST_LOOPBACK}',
                              'proxy_protocol = "v2"')
    outer, outer_port = front(workshop, [f"127.0.0.1:{inner_port}"], backend_keys=f'proxy_protocol = "{version}"')
    hello = client_hello("www.alpha.test", ["h2"])
    with connect(outer_port, source="127.0.0.77") as client:
        client.sendall(hello)
        with accept(listener) as server:
            header = proxy_header.receive_v2(server)
            assert header == (client.getsockname(), ("127.0.0.1", outer_port),
                              {proxy_header.AUTHORITY: b"www.alpha.test", proxy_header.ALPN: b"h2"})
            assert receive_exactly(server, len(hello)) == hello
            server.sendall(b"answer")
            assert receive_exactly(client, 6) == b"answer"
        expected = {"client": address(client.getsockname()), "destination": f"127.0.0.1:{outer_port}"}
    for dispatcher in (inner, outer):
        record = dispatcher.logged(**expected)
        assert (record["bytes_in"], record["bytes_out"]) == (len(hello), 6)


def test_two_protocols_offered_are_none_chosen(workshop):
    listener, server_address = workshop.listen()
    _, port = front(workshop, [server_address], backend_keys='proxy_protocol = "v2"')
    with connect(port) as client:
        client.sendall(client_hello("www.alpha.test", ["h2", "http/1.1"]))
        with accept(listener) as server:
            assert proxy_header.receive_v2(server)[2] == {proxy_header.AUTHORITY: b"www.alpha.test"}


@pytest.mark.parametrize("version", ("v1", "v2"))
def test_a_client_of_a_unix_socket_has_no_address(workshop, version):
    listener, server_address = workshop.listen()
    path = workshop.directory / "front.sock"
    workshop.portshare(f"""
[listener.l]
bind = ["unix:{path}"]
protocols = ["ssh"]
default = "b"
proxy_protocol = "accept"
[backend.b]
servers = ["{server_address}"]
proxy_protocol = "{version}"
""")
    for header in (b"", proxy_header.v1()):  # one that stands in a header it has
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(header + SSH)
            with accept(listener) as server:
                if version == "v1":
                    assert proxy_header.receive_v1(server) == (header or b"PROXY UNKNOWN\r\n")
                else:
                    told = proxy_header.receive_v2(server)
                    assert told == ((CLIENT, proxy_header.ENTRANCE, {}) if header else None)
                assert receive_exactly(server, len(SSH)) == SSH


def test_forwarded_says_the_same(workshop):
    listener, server_address = workshop.listen()
    _, port = front(workshop, [server_address], f'proxy_protocol = "require"\n{TRUST_LOOPBACK}', "forwarded = true")
    server = RecordingServer("site", listener)
    with connect(port) as client:
        client.sendall(proxy_header.v2(("2001:db8::7", 5), ("2001:db8::1", 80)) + request("a.test", "/", "Connection: close"))
        assert b" 200 " in read_to_end(client)[0]
    assert b"\r\nX-Forwarded-For: 2001:db8::7\r\n" in server.received()


def test_the_client_is_known_without_an_access_log(workshop, tmp_path):
    listener, server_address = workshop.listen()
    port = free_port()
    config = tmp_path / "portshare.toml"
    config.write_text(f"""
server.engine = "{ENGINE}"
server.log = {{ level = "error", access = "off" }}
listener.l = {{ bind = ["127.0.0.1:{port}"], protocols = ["ssh"], default = "b" }}
backend.b = {{ servers = ["{server_address}"], proxy_protocol = "v1" }}
""")
    process = Process("portshare", [BINARY, "run", "-c", config], tmp_path)
    try:
        process.eventually(lambda: "ready" in process.stderr.splitlines(), "ready")
        with connect(port) as client:
            client.sendall(SSH)
            with accept(listener) as server:
                assert proxy_header.receive_v1(server) == proxy_header.v1(client.getsockname(), ("127.0.0.1", port))
        assert process.stop() == 0
    finally:
        process.kill()
