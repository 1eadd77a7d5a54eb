"""The main job: one port, several applications, each with the clients and servers that people use."""

import http.client

import pytest

from conftest import NAMES
from harness.clients import CLIENTS, curl
from harness.sockets import free_port

pytestmark = pytest.mark.smoke


def routes(listener, backends):
    """A route by name to each backend: {name: address}."""
    return "".join(f"""
[[route]]
listener = ["{listener}"]
name = ["{name}"]
to = "{listener}-{name.split(".")[0]}"
[backend.{listener}-{name.split(".")[0]}]
servers = ["{address}"]
""" for name, address in backends.items())


@pytest.fixture(scope="module")
def ports(module_workshop, certificates):
    """A port like 80 and a port like 443, each in front of three servers of different make."""
    shop = module_workshop
    alpha, beta, gamma = NAMES
    plain = {alpha: shop.nginx(alpha).address, beta: shop.python_http_server(beta).address,
             gamma: shop.node_server(gamma).address}
    tls = {alpha: shop.nginx(alpha + "-tls", certificate=certificates[alpha]).address,
           beta: shop.openssl_server(beta, certificates[beta]).address,
           gamma: shop.node_server(gamma + "-tls", certificates[gamma]).address}
    ports = {"http": free_port(), "https": free_port()}
    ports["dispatcher"] = shop.portshare(f"""
[listener.http]
bind = ["127.0.0.1:{ports["http"]}"]
{routes("http", plain)}
[listener.https]
bind = ["127.0.0.1:{ports["https"]}"]
{routes("https", tls)}
""")
    return ports


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("client", CLIENTS["http"])
def test_three_names_on_one_http_port(ports, certificates, client, name):
    assert client("http", name, ports["http"], certificates.bundle) == name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("client", CLIENTS["https"])
def test_three_names_on_one_tls_port(ports, certificates, client, name):
    # The client has verified the certificate: the TLS connection is between it and the server.
    assert client("https", name, ports["https"], certificates.bundle).removesuffix("-tls") == name


@pytest.mark.parametrize("version", ("1.2", "1.3"))
def test_alpn_is_agreed_between_client_and_server(ports, certificates, version):
    answer = curl("https", "alpha.test", ports["https"], certificates.bundle, "--tls-max", version, "--http2", "--write-out",
                  "%{http_version}")
    assert answer.endswith("\n2")


def test_the_access_log_has_what_the_client_offered(ports, certificates):
    curl("https", "alpha.test", ports["https"], certificates.bundle, "--http2")
    ports["dispatcher"].eventually(
        lambda: any(record["protocol"] == "tls" and "h2" in (record["alpn"] or "")
                    for record in ports["dispatcher"].access()), "a line with protocol tls and ALPN h2")


def test_two_applications_by_destination_address(workshop):
    one, two = workshop.nginx("one"), workshop.python_http_server("two")
    port = free_port()
    workshop.portshare(f"""
[listener.l]
bind = ["0.0.0.0:{port}"]
protocols = []
[[route]]
destination = ["127.0.0.2"]
to = "one"
[[route]]
destination = ["127.0.0.3:{port}"]
to = "two"
[backend.one]
servers = ["{one.address}"]
[backend.two]
servers = ["{two.address}"]
""")
    answers = []
    for address in ("127.0.0.2", "127.0.0.3", "127.0.0.2"):
        connection = http.client.HTTPConnection(address, port, timeout=30)
        connection.request("GET", "/who")
        answers.append(connection.getresponse().read().decode().strip())
        connection.close()
    assert answers == ["one", "two", "one"]


def test_ipv6_on_both_sides(workshop):
    six, four = workshop.python_http_server("six", host="::1"), workshop.nginx("four")
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["*:{port}"]
[[route]]
destination = ["::1"]
to = "six"
[[route]]
destination = ["127.0.0.1"]
to = "four"
[backend.six]
servers = ["{six.address}"]
[backend.four]
servers = ["{four.address}"]
""")
    for address, expected in (("::1", "six"), ("127.0.0.1", "four")):
        connection = http.client.HTTPConnection(address, port, timeout=30)
        connection.request("GET", "/who", headers={"Connection": "close"})
        assert connection.getresponse().read().decode().strip() == expected
        connection.close()
        # An IPv4 client is logged as such, also on a listener for both.
        record = dispatcher.logged(backend=expected)
        assert record["client"].startswith("[::1]:" if expected == "six" else "127.0.0.1:"), record


def test_unix_sockets_on_both_sides(workshop, certificates):
    path, front = workshop.directory / "site.sock", workshop.directory / "front.sock"
    workshop.nginx("behind", address=f"unix:{path}")
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}", "unix:{front}"]
default = "behind"
[backend.behind]
servers = ["unix:{path}"]
""")
    assert curl("http", "any.test", port, certificates.bundle) == "behind"
    assert curl("http", "other.test", port, certificates.bundle, "--unix-socket", front) == "behind"
    assert dispatcher.logged(name="other.test")["server"] == f"unix:{path}"


def test_a_server_given_by_name(workshop, certificates):
    address = workshop.nginx("named").address
    port = free_port()
    workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
default = "named"
[backend.named]
servers = ["localhost:{address.rpartition(":")[2]}"]
""")
    assert curl("http", "any.test", port, certificates.bundle) == "named"
