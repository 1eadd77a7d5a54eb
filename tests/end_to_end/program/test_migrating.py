"""docs/migrating.md: every configuration on it runs, theirs and ours, and they do with the same clients what it says."""

import contextlib
import os
import re
import socket
import threading

import pytest

from harness.applications import Application, Certificate, system_program
from harness.clients import curl
from harness.http import response
from harness.portshare import ROOT, portshare
from harness.process import run
from harness.sockets import accept, connect, exchange, free_port, receive_exactly
from harness.tls import client_hello, handshake_of, records

PAGE = (ROOT / "docs/migrating.md").read_text()


def section(heading):
    return re.search(rf"^## {re.escape(heading)}.*?(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[0]


def blocks(language, text=PAGE):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def with_ports(text, ports):
    """The configuration with other ports. None of them occurs in it as another number."""
    for old, new in ports.items():
        text = re.sub(rf"(?<![\d.]){old}(?!\d)", str(new), text)
    return text


def test_every_configuration_of_ours_is_valid(tmp_path):
    found = blocks("toml")
    assert len(found) == 4
    for number, text in enumerate(found):
        path = tmp_path / f"{number}.toml"
        path.write_text(text)
        result = portshare("check", "-c", path)
        assert result.returncode == 0 and "warning" not in result.stdout + result.stderr, result


def test_all_blocks_are_known_to_the_tests():
    languages = re.findall(r"^```(\w+)$", PAGE, re.MULTILINE)
    assert sorted(languages) == ["haproxy", *["nginx"] * 3, "sniproxy", "sslh", *["toml"] * 4]


# --- From nginx, step by step.


class Nginx:
    """nginx with a master process, which can be told to read its configuration anew."""

    def __init__(self, directory, certificate, ports):
        self._directory = directory
        self._certificate = certificate
        self._ports = ports
        directory.mkdir()
        self.configure(0)
        program = system_program("nginx")
        self.process = Application("nginx", [program, "-e", "stderr", "-p", directory, "-c", self._file], directory,
                                   f"127.0.0.1:{ports[80]}")

    @property
    def _file(self):
        return self._directory / "nginx.conf"

    def configure(self, step):
        """The configuration as it is on the page after that step."""
        site = with_ports(blocks("nginx")[step], self._ports)
        for old, new in (("/etc/ssl/www.example.com.pem", self._certificate.file),
                         ("/etc/ssl/www.example.com.key", self._certificate.key),
                         ("location / { root /srv/www; }", """
    location = /who { return 200 "nginx for $remote_addr\\n"; }
    location = /moved { return 301 /there; }""")):
            assert old in site
            site = site.replace(old, str(new))
        temporary = "\n".join(f"{kind}_temp_path {self._directory}/{kind};"
                              for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;" if os.geteuid() == 0 else ""
        self._file.write_text(f"""
{user}
daemon off;
pid {self._directory}/pid;
error_log stderr notice;
events {{ worker_connections 512; }}
http {{
access_log off;
{temporary}
{site}
}}""")

    def reload(self):
        tested = run([system_program("nginx"), "-t", "-q", "-e", "stderr", "-p", self._directory, "-c", self._file])
        assert tested.returncode == 0, tested.stderr
        asked = run([system_program("nginx"), "-s", "reload", "-e", "stderr", "-p", self._directory, "-c", self._file])
        assert asked.returncode == 0, asked.stderr

    def listens(self, port):
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def www(tmp_path):
    return Certificate(tmp_path / "certificates", "www.example.com")


def test_nginx_moves_behind_portshare_and_back(workshop, tmp_path, www):
    """The three steps, each with the requests of clients, of both sites and by their own addresses."""
    app = Certificate(tmp_path / "certificates", "app.example.com")
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(www.file.read_text() + app.file.read_text())
    app_https = workshop.nginx("app-https", certificate=app).address.rpartition(":")[2]
    app_http = workshop.nginx("app-http").address.rpartition(":")[2]
    ports = {80: free_port(), 443: free_port(), 8080: free_port(), 8443: free_port(), 9080: app_http, 9443: app_https}

    def asks(scheme, name, *options):
        return curl(scheme, name, ports[80 if scheme == "http" else 443], bundle, "--interface", "127.0.0.77", *options)

    def www_answers():
        for scheme in ("http", "https"):
            assert asks(scheme, "www.example.com") == "nginx for 127.0.0.77"

    nginx = Nginx(tmp_path / "nginx", www, ports)
    try:
        www_answers()

        nginx.configure(1)
        nginx.reload()
        nginx.process.eventually(lambda: nginx.listens(ports[8443]), "the second entrance")
        www_answers()
        tried = run(["curl", "--silent", "--haproxy-protocol", "--noproxy", "*", "-H", "Host: www.example.com",
                     f"http://127.0.0.1:{ports[8080]}/who"])
        assert tried.stdout == "nginx for 127.0.0.1\n", tried

        nginx.configure(2)
        nginx.reload()
        dispatcher = workshop.portshare(with_ports(blocks("toml")[0], ports))
        www_answers()
        assert asks("http", "app.example.com") == "app-http"
        assert asks("https", "app.example.com") == "app-https"
        redirect = exchange(ports[80], b"GET /moved HTTP/1.0\r\nHost: www.example.com\r\n\r\n")[0]
        assert re.search(rb"^location: http://www\.example\.com/there\r?$", redirect, re.MULTILINE | re.IGNORECASE), redirect

        # Too early: nginx cannot have the ports, and goes on as it is.
        nginx.configure(1)
        nginx.reload()
        nginx.process.eventually(lambda: "bind() to" in nginx.process.stderr, "a bind that fails")
        www_answers()

        assert dispatcher.stop() == 0
        nginx.configure(0)
        nginx.reload()
        nginx.process.eventually(lambda: nginx.listens(ports[443]), "nginx on its old ports")
        www_answers()
    finally:
        nginx.process.stop()


# --- From others: the same clients, to both.


class Servers:
    """Servers in place of those in a configuration; each answers its own name, and the length of what it has read."""

    def __init__(self, workshop, names):
        self.ports = {}
        for port, name in names.items():
            listener, _ = workshop.listen()
            self.ports[port] = listener.getsockname()[1]
            threading.Thread(target=self._serve, args=(listener, name), daemon=True).start()

    def _serve(self, listener, name):
        while True:
            try:
                connection = accept(listener)
            except (OSError, ValueError):
                return  # the test is over
            threading.Thread(target=self._answer, args=(connection, name), daemon=True).start()

    @staticmethod
    def _answer(connection, name):
        with connection, contextlib.suppress(OSError):
            if name == "ssh":  # greets, and then listens
                connection.sendall(b"<ssh>")
                connection.recv(65536)
            elif request := connection.recv(65536):
                answer = f"<{name}>".encode()
                connection.sendall(response(answer) if request.startswith(b"GET ") else answer)


def served_by(port, request, **where):
    """The name of the server that answers; None for a refusal of any kind."""
    answer = exchange(port, request, **where)[0]
    name = re.search(rb"<(\w+)>\Z", answer)
    return name[1].decode() if name else None


def http(name):
    return f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()


def in_records(name):
    return records(handshake_of(client_hello(name)), 50)


def compare(theirs, ours, expected):
    """`expected`: (what the client sends, who serves it with them, who with us)."""
    for request, with_them, with_us in expected:
        request, where = request if isinstance(request, tuple) else (request, {})
        assert (served_by(theirs, request, **where), served_by(ours, request, **where)) == (with_them, with_us), request


def same(request, server):
    return request, server, server


def test_from_haproxy(workshop, tmp_path):
    text = section("From HAProxy")
    servers = Servers(workshop, {9001: "admin", 9443: "shop", 9002: "acme", 8443: "web", 8444: "spare"})
    theirs, ours = free_port(), free_port()
    directory = tmp_path / "haproxy"
    directory.mkdir()
    configuration = directory / "haproxy.cfg"
    configuration.write_text("global\n  maxconn 200\n" + with_ports(blocks("haproxy", text)[0], servers.ports | {443: theirs}))
    checked = run([system_program("haproxy"), "-c", "-f", configuration])
    assert checked.returncode == 0 and "WARNING" not in checked.stderr, checked
    haproxy = Application("haproxy", [system_program("haproxy"), "-db", "-f", configuration], directory,
                          f"127.0.0.1:{theirs}")
    try:
        workshop.portshare(with_ports(blocks("toml", text)[0], servers.ports | {443: ours}))
        elsewhere = {"source": "127.0.1.1"}
        compare(theirs, ours, [
            same(client_hello("admin.example.com"), "admin"),
            same((client_hello("admin.example.com"), elsewhere), "web"),
            same(client_hello("shop.example.com"), "shop"),
            same(client_hello("SHOP.example.com"), "shop"),
            same(client_hello("a.b.shop.example.com"), "shop"),
            same(client_hello("myshop.example.com"), "web"),
            same(client_hello("other.example.com", ["acme-tls/1"]), "acme"),
            same(client_hello("www.example.com"), "web"),
            (in_records("shop.example.com"), "web", "shop"),
        ])
    finally:
        haproxy.stop()


def test_what_is_not_tls_reaches_the_default_of_haproxy_only(workshop, tmp_path):
    """It waits for the whole inspect-delay before that, so here it is shorter than on the page."""
    text = section("From HAProxy")
    servers = Servers(workshop, {9001: "admin", 9443: "shop", 9002: "acme", 8443: "web", 8444: "spare"})
    theirs, ours = free_port(), free_port()
    directory = tmp_path / "haproxy"
    directory.mkdir()
    configuration = directory / "haproxy.cfg"
    configuration.write_text("global\n  maxconn 200\n" + with_ports(blocks("haproxy", text)[0], servers.ports | {443: theirs})
                             .replace("inspect-delay 5s", "inspect-delay 100ms"))
    haproxy = Application("haproxy", [system_program("haproxy"), "-db", "-f", configuration], directory,
                          f"127.0.0.1:{theirs}")
    try:
        workshop.portshare(with_ports(blocks("toml", text)[0], servers.ports | {443: ours}))
        compare(theirs, ours, [(b"SSH-2.0-x\r\n", "web", None)])
    finally:
        haproxy.stop()


def test_from_sniproxy(workshop, tmp_path):
    text = section("From sniproxy")
    servers = Servers(workshop, {9080: "shop_http", 9443: "shop", 8443: "fallback"})
    theirs, ours = ({80: free_port(), 443: free_port()} for _ in range(2))
    directory = tmp_path / "sniproxy"
    directory.mkdir()
    configuration = directory / "sniproxy.conf"

    def run_sniproxy(configured):
        configuration.write_text(f"pidfile {directory}/pid\nerror_log {{\n filename {directory}/error.log\n}}\n" + configured)
        return Application("sniproxy", [system_program("sniproxy"), "-f", "-c", configuration], directory,
                           f"127.0.0.1:{theirs[443]}")

    configured = with_ports(blocks("sniproxy", text)[0], servers.ports | theirs)
    sniproxy = run_sniproxy(configured)
    try:
        workshop.portshare(with_ports(blocks("toml", text)[0], servers.ports | ours))
        compare(theirs[443], ours[443], [
            same(client_hello("shop.example.com"), "shop"),
            same(client_hello("a.shop.example.com"), "shop"),
            same(client_hello("myshop.example.com"), "fallback"),
            same(client_hello("www.example.com"), "fallback"),
            (client_hello("SHOP.example.com"), "fallback", "shop"),
            (in_records("shop.example.com"), "fallback", "shop"),
            (b"SSH-2.0-x\r\n", "fallback", None),
        ])
        compare(theirs[80], ours[80], [
            same(http("shop.example.com"), "shop_http"),
            same(http("www.example.com"), None),
        ])
        assert exchange(theirs[80], http("www.example.com"))[0].startswith(b"HTTP/1.1 503 ")
        assert exchange(ours[80], http("www.example.com"))[0].startswith(b"HTTP/1.1 421 ")
    finally:
        sniproxy.stop()

    # A name as most people write it.
    sniproxy = run_sniproxy(configured.replace(r"^shop\\.example\\.com$", "shop.example.com"))
    try:
        compare(theirs[443], ours[443], [(client_hello("shop.example.com.evil.example"), "shop", "fallback")])
    finally:
        sniproxy.stop()


def test_from_sslh(workshop, tmp_path):
    text = section("From sslh")
    servers = Servers(workshop, {22: "ssh", 1194: "vpn", 9080: "http", 9443: "shop", 8443: "web"})
    theirs, ours = free_port(), free_port()
    directory = tmp_path / "sslh"
    directory.mkdir()
    configuration = directory / "sslh.cfg"
    configured = with_ports(blocks("sslh", text)[0], servers.ports | {443: theirs})
    if os.geteuid() != 0:
        configured = configured.replace('user: "nobody";\n', "")
    configuration.write_text("foreground: true;\n" + configured)
    sslh = Application("sslh", [system_program("sslh-select"), f"-F{configuration}"], directory, f"127.0.0.1:{theirs}")
    try:
        workshop.portshare(with_ports(blocks("toml", text)[0], servers.ports | {443: ours}))
        compare(theirs, ours, [
            same(b"SSH-2.0-x\r\n", "ssh"),
            same(http("shop.example.com"), "http"),
            same(client_hello("shop.example.com"), "shop"),
            same(client_hello("a.shop.example.com"), "shop"),
            same(client_hello("www.example.com"), "web"),
            (client_hello("SHOP.example.com"), "web", "shop"),
            (in_records("shop.example.com"), "web", "shop"),
            (b"\x99\x98 nobody's protocol", "web", None),
        ])
        # Clients that wait for the server's greeting, until they are taken for SSH.
        with connect(theirs) as with_them, connect(ours) as with_us:
            assert receive_exactly(with_them, 5) == receive_exactly(with_us, 5) == b"<ssh>"
    finally:
        sslh.stop()
