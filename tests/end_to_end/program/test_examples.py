"""Each file in conf/ is valid as it stands, and does what its comment says."""

import contextlib
import re

import pytest

from harness import proxy_header
from harness.http import head_of, response
from harness.portshare import ROOT, portshare
from harness.sockets import accept, connect, exchange, free_port, listen, nobody_came, receive_exactly
from harness.tls import UNRECOGNIZED_NAME, client_hello, is_alert

EXAMPLES = ROOT / "conf"
WELCOME = response(b"welcome")  # other protocols take any bytes


def request(name):
    return f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()


class Example:
    """A running example: its addresses are replaced by ones that are free here, everything else is the file's own."""

    def __init__(self, workshop, name):
        self._workshop = workshop
        self.directory = workshop.directory
        self._text = (EXAMPLES / name).read_text()
        self.servers = {}

    def replace(self, old, new):
        assert old in self._text, f"{old} does not occur in the example"
        self._text = self._text.replace(old, new)

    def bind(self, old, address="127.0.0.1"):
        port = free_port()
        self.replace(f'"{old}"', f'"{address}:{port}"')
        return port

    def server(self, old):
        """A listening socket in the place of a server."""
        path = str(self.directory / f"{len(self.servers)}.sock") if old.startswith("unix:") else "127.0.0.1"
        self.servers[old], address = self._workshop.listen(path)
        self.replace(f'"{old}"', f'"{address}"')

    def run(self):
        # The tests have their own [server]; the example's is seen by `check` alone.
        without_server = re.sub(r"^\[server\]\n(.+\n)*", "", self._text, flags=re.MULTILINE)
        return self._workshop.portshare(without_server)

    def goes_to(self, port, first_bytes, expected, **where):
        """A connection with these first bytes reaches that server, and no other."""
        with connect(port, **where) as client:
            client.sendall(first_bytes)
            with accept(self.servers[expected]) as server:
                assert receive_exactly(server, len(first_bytes)) == first_bytes
                server.sendall(WELCOME)
                assert receive_exactly(client, len(WELCOME)) == WELCOME
        assert all(nobody_came(server) for server in self.servers.values())

    def is_refused(self, port, first_bytes, **where):
        answer, _ = exchange(port, first_bytes, **where)
        assert all(nobody_came(server) for server in self.servers.values())
        return answer


def web(example):
    port = example.bind("*:80")
    example.server("127.0.0.1:8001")
    example.server("127.0.0.1:8002")
    example.run()
    example.goes_to(port, request("www.example.com"), "127.0.0.1:8001")
    example.goes_to(port, request("example.com"), "127.0.0.1:8001")
    example.goes_to(port, request("blog.example.com"), "127.0.0.1:8002")
    assert example.is_refused(port, request("other.example.com")).startswith(b"HTTP/1.1 421 ")


def tls(example):
    port = example.bind("*:443")
    example.server("127.0.0.1:8443")
    example.server("127.0.0.1:9443")
    example.run()
    example.goes_to(port, client_hello("www.example.com"), "127.0.0.1:8443")
    example.goes_to(port, client_hello("imap.example.com"), "127.0.0.1:9443")
    assert is_alert(example.is_refused(port, client_hello("example.com")), UNRECOGNIZED_NAME)


def by_address(example):
    port = example.bind("0.0.0.0:25", "0.0.0.0")
    for old, new in (("192.0.2.20", "127.0.0.20"), ("192.0.2.21", "127.0.0.21"), ("198.51.100.0/24", "127.0.1.0/24")):
        example.replace(old, new)
    example.server("127.0.0.1:2525")
    example.server("127.0.0.1:2526")
    example.run()
    example.goes_to(port, b"HELO", "127.0.0.1:2525", address="127.0.0.20")
    example.goes_to(port, b"HELO", "127.0.0.1:2526", address="127.0.0.21")
    example.goes_to(port, b"HELO", "127.0.0.1:2526", address="127.0.1.77")
    assert example.is_refused(port, b"", address="127.0.0.22") == b""


def ssh_and_https(example):
    port = example.bind("*:443")
    example.server("127.0.0.1:22")
    example.server("127.0.0.1:8443")
    example.run()
    example.goes_to(port, b"SSH-2.0-OpenSSH_9.2\r\n", "127.0.0.1:22")
    example.goes_to(port, client_hello("www.example.com"), "127.0.0.1:8443")
    example.goes_to(port, b"", "127.0.0.1:22")


def unix_sockets(example):
    port = example.bind("*:80")
    example.replace("/run/portshare/web.sock", f"{example.directory}/web.sock")
    example.server("unix:/run/shop/http.sock")
    example.server("unix:/run/blog/http.sock")
    example.run()
    example.goes_to(port, request("www.example.com"), "unix:/run/shop/http.sock")
    example.goes_to(port, request("blog.example.com"), "unix:/run/blog/http.sock")


def catch_all(example):
    port = example.bind("*:443")
    for last in range(3, 8):
        example.server(f"127.0.0.1:844{last}")
    example.run()
    for name, alpn, server in (("www.example.com", [], "8443"), ("a.b.example.com", [], "8444"),
                               ("api7.example.org", [], "8445"), ("www.example.com", ["acme-tls/1"], "8446"),
                               ("example.com", [], "8447"), ("api7.example.com", [], "8444")):
        example.goes_to(port, client_hello(name, alpn), f"127.0.0.1:{server}")


def several_servers(example):
    port = example.bind("*:80")
    example.replace("127.0.0.1:8001", f"127.0.0.1:{free_port()}")  # refuses
    example.server("127.0.0.1:8002")
    example.replace("[::1]:8003", f"[::1]:{free_port()}")  # refuses
    example.run()
    for _ in range(6):
        example.goes_to(port, request("any.example.com"), "127.0.0.1:8002")


def health(example):
    port = example.bind("*:80")
    example.replace("interval = \"2s\", timeout = \"1s\"", "interval = \"50ms\", timeout = \"30s\"")
    example.replace("127.0.0.1:8001", f"127.0.0.1:{free_port()}")  # refuses
    example.server("127.0.0.1:8002")
    example.server("127.0.0.1:8009")
    dispatcher = example.run()

    def answer_check(server, status):
        with accept(example.servers[server]) as check:
            assert check.recv(4096).startswith(b"GET /live HTTP/1.1\r\n")
            check.sendall(f"HTTP/1.1 {status} Whatever\r\n\r\n".encode())

    def down(number):
        return dispatcher.stderr.count("is down") >= number

    dispatcher.eventually(lambda: down(1), "the first server down")
    for number in range(5):
        if not down(2):
            answer_check("127.0.0.1:8002", 503)
        answer_check("127.0.0.1:8009", 200)
    dispatcher.eventually(lambda: down(2), "the second server down")
    with connect(port) as client:
        client.sendall(request("any.example.com"))
        while True:  # the checks go on
            with accept(example.servers["127.0.0.1:8009"]) as server:
                if server.recv(4096) == request("any.example.com"):
                    return
                server.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


def balance(example):
    ports = {"mail": example.bind("*:993"), "web": example.bind("*:80")}
    servers = ["127.0.0.1:" + port for port in ("9931", "9932", "8001", "8002", "8011", "8012")]
    for server in servers:
        example.server(server)
    example.run()

    def open_one(port, first_bytes, *expected):
        client = connect(port)
        client.sendall(first_bytes)
        while True:
            for server in expected:
                if not nobody_came(example.servers[server]):
                    return client, server

    held = [open_one(ports["mail"], b"", *servers[:2]) for _ in range(4)]
    assert sorted(server for _, server in held) == [servers[0]] * 2 + [servers[1]] * 2
    stays = {open_one(ports["web"], request("shop.example.com"), *servers[2:4])[1] for _ in range(4)}
    assert len(stays) == 1
    for _ in range(4):
        assert open_one(ports["web"], request("static.example.com"), *servers[4:])[1] in servers[4:]


def inside_and_outside(example):
    port = example.bind("*:80")
    for old, new in (("10.0.0.0/8", "127.1.0.0/16"), ("203.0.113.0/24", "127.2.0.0/16")):
        example.replace(old, new)
    example.server("127.0.0.1:8001")
    example.server("127.0.0.1:8002")
    example.run()
    example.goes_to(port, request("wiki.example.com"), "127.0.0.1:8001", source="127.1.2.3")
    example.goes_to(port, request("www.example.com"), "127.0.0.1:8002", source="127.1.2.3")
    example.goes_to(port, request("www.example.com"), "127.0.0.1:8002", source="127.0.0.1")
    assert example.is_refused(port, request("wiki.example.com"), source="127.0.0.1").startswith(b"HTTP/1.1 421 ")


def forwarded(example):
    port = example.bind("*:80")
    example.server("127.0.0.1:8001")
    example.server("127.0.0.1:8002")
    example.run()
    example.goes_to(port, request("status.example.com"), "127.0.0.1:8002", source="127.0.0.77")
    with connect(port, source="127.0.0.77") as client:
        client.sendall(request("shop.example.com"))
        with accept(example.servers["127.0.0.1:8001"]) as server:
            head = head_of(server)
    assert head.startswith(request("shop.example.com")[:-2])
    assert b"\r\nX-Forwarded-For: 127.0.0.77\r\n" in head and b"\r\nForwarded: for=127.0.0.77;proto=http\r\n" in head


def behind_a_proxy(example):
    port = example.bind("*:443")
    example.replace('"10.0.0.0/24"', '"127.0.0.0/24"')
    example.server("127.0.0.1:8443")
    example.server("127.0.0.1:9443")
    example.run()
    shop, blog = client_hello("shop.example.com"), client_hello("blog.example.com")
    with connect(port) as client:
        client.sendall(proxy_header.v2() + shop)
        with accept(example.servers["127.0.0.1:8443"]) as server:
            source, destination, _ = proxy_header.receive_v2(server)
            assert (source, destination) == (proxy_header.CLIENT, proxy_header.ENTRANCE)
            assert receive_exactly(server, len(shop)) == shop
    with connect(port) as client:
        client.sendall(proxy_header.v1() + blog)
        with accept(example.servers["127.0.0.1:9443"]) as server:
            assert receive_exactly(server, len(blog)) == blog
    assert example.is_refused(port, proxy_header.v1(("198.51.100.66", 5)) + shop) == b""
    assert example.is_refused(port, shop) == b""
    assert example.is_refused(port, proxy_header.v2() + shop, source="127.0.1.1") == b""


def limits(example):
    port = example.bind("*:80")
    for old, new in (("198.51.100.0/24", "127.7.0.0/16"), ("= 100 ", "= 3 "), ("20/s", "4/h"), ('"2s"', '"1s"')):
        example.replace(old, new)
    example.server("127.0.0.1:8080")
    example.run()
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(connect(port, source="127.0.0.8"))
            client.sendall(request("www.example.com"))
            stack.enter_context(accept(example.servers["127.0.0.1:8080"]))
        answer = example.is_refused(port, request("www.example.com"), source="127.0.0.8")
        assert answer.startswith(b"HTTP/1.1 429 "), "three at a time"
        for _ in range(4):
            example.goes_to(port, request("www.example.com"), "127.0.0.1:8080", source="127.0.0.9")
        answer = example.is_refused(port, request("www.example.com"), source="127.0.0.9")
        assert answer.startswith(b"HTTP/1.1 429 "), "four an hour"
        assert example.is_refused(port, b"", source="127.7.1.1") == b""
        assert example.is_refused(port, b"GET / HTTP/1.1\r\n", source="127.0.0.10").startswith(b"HTTP/1.1 408 ")
        long_head = b"GET /" + b"x" * 17_000
        assert example.is_refused(port, long_head, source="127.0.0.11").startswith(b"HTTP/1.1 431 ")


def all_but_one_address(example):
    port = example.bind("*:80", "*")
    example.replace('"192.0.2.9"', '"127.0.0.1"')
    example.server("127.0.0.1:8080")
    with listen("127.0.0.1", port) as other:
        example.run()
        example.goes_to(port, request("www.example.com"), "127.0.0.1:8080", address="::1")
        with connect(port), accept(other):
            pass


USES = {"web.toml": web, "tls.toml": tls, "by-address.toml": by_address, "ssh-and-https.toml": ssh_and_https,
        "unix-sockets.toml": unix_sockets, "catch-all.toml": catch_all, "several-servers.toml": several_servers,
        "inside-and-outside.toml": inside_and_outside, "forwarded.toml": forwarded,
        "proxy-protocol.toml": behind_a_proxy, "limits.toml": limits, "health.toml": health, "balance.toml": balance, "except.toml": all_but_one_address}


def test_every_example_is_tried():
    assert sorted(USES) == sorted(path.name for path in EXAMPLES.glob("*.toml"))


@pytest.mark.parametrize("name", USES)
def test_an_example_is_valid_as_it_stands(name):
    result = portshare("check", "-c", EXAMPLES / name)
    assert result.returncode == 0 and "warning" not in result.stdout + result.stderr, result


def test_the_configuration_in_the_readme_is_valid(tmp_path):
    blocks = re.findall(r"^```toml\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.toml"
        path.write_text(block)
        result = portshare("check", "-c", path)
        assert result.returncode == 0 and "warning" not in result.stdout + result.stderr, result


@pytest.mark.parametrize("name", USES)
def test_an_example_does_what_it_says(workshop, name):
    USES[name](Example(workshop, name))
