"""max_connections, max_connections_per_source and new_connections_per_source of a listener, over all workers."""

import contextlib
import socket

import pytest

from harness import proxy_header
from harness.process import run
from harness.sockets import accept, connect, exchange, free_port, nobody_came, read_to_end, receive_exactly, reset
from harness.tls import INTERNAL_ERROR, client_hello, is_alert

HELLO = client_hello("alpha.test")
REQUEST = b"GET / HTTP/1.1\r\nHost: alpha.test\r\n\r\n"
SSH = b"SSH-2.0-x\r\n"
WAITING = 64  # connections of a listener that wait to be told that there are too many


class Limited:
    """A listener with limits in front of a server of the test's own."""

    def __init__(self, workshop, limits, protocols=("tls", "http", "ssh"), bind=None, workers=4, **options):
        self.listener, address = workshop.listen()
        self.port = free_port()
        self.dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["{bind or f"127.0.0.1:{self.port}"}"]
protocols = {list(protocols)}
default = "b"
{limits}
[backend.b]
servers = ["{address}"]
""", workers=workers, **options)

    @contextlib.contextmanager
    def open(self, **where):
        """A connection that has reached the server."""
        with connect(self.port, **where) as client:
            client.sendall(SSH)
            with accept(self.listener) as server:
                assert receive_exactly(server, len(SSH)) == SSH
                yield client

    def refused(self, flight, **where):
        """What a client gets that must not reach the server."""
        answer = exchange(self.port, flight, **where)
        assert nobody_came(self.listener)
        return answer

    def logs(self, count, outcome):
        def lines():
            return [record for record in self.dispatcher.access() if record["outcome"] == outcome]
        self.dispatcher.eventually(lambda: len(lines()) >= count, f"{count} lines with {outcome}")
        assert len(lines()) == count
        return lines()

    def admits_again(self, after_lines, **where):
        """Opens one more connection, when so many have ended. A client knows of an end before portshare does."""
        self.dispatcher.eventually(lambda: len(self.dispatcher.access()) >= after_lines, f"{after_lines} lines")
        with self.open(**where):
            pass


def status(answer):
    return answer[0].split(b"\r\n")[0]


@pytest.mark.smoke
def test_over_max_connections_a_client_is_told_in_its_language(workshop):
    limited = Limited(workshop, "max_connections = 3")
    with limited.open(), limited.open(), limited.open(source="127.0.0.9"):
        assert status(limited.refused(REQUEST)) == b"HTTP/1.1 503 Service Unavailable"
        alert, ending = limited.refused(HELLO)
        assert is_alert(alert, INTERNAL_ERROR) and ending == "close"
        assert limited.refused(SSH) == (b"", "reset")
        assert status(limited.refused(b"GET / HTTP/1.1\r\n\r\n")) == b"HTTP/1.1 503 Service Unavailable"
        assert {record["protocol"] for record in limited.logs(4, "unavailable")} == {"tls", "http", "ssh"}
        assert all(record["backend"] is None for record in limited.dispatcher.access())
    limited.admits_again(after_lines=4 + 3)


@pytest.mark.smoke
def test_over_a_sources_connections_a_client_is_told_in_http(workshop):
    limited = Limited(workshop, "max_connections_per_source = 2")
    with limited.open(source="127.0.0.5"), limited.open(source="127.0.0.5"):
        assert status(limited.refused(REQUEST, source="127.0.0.5")) == b"HTTP/1.1 429 Too Many Requests"
        assert limited.refused(HELLO, source="127.0.0.5") == (b"", "reset")
        assert limited.refused(SSH, source="127.0.0.5") == (b"", "reset")
        with limited.open(source="127.0.0.6"):
            pass
        record = limited.logs(3, "limited")[0]
        assert record["client"].startswith("127.0.0.5:") and record["server"] is None
    limited.admits_again(after_lines=3 + 3, source="127.0.0.5")


def test_over_a_sources_rate_a_client_is_told_in_http(workshop):
    limited = Limited(workshop, 'new_connections_per_source = "5/h"')
    for _ in range(5):
        with limited.open(source="127.0.0.5"):
            pass
    for _ in range(3):
        assert status(limited.refused(REQUEST, source="127.0.0.5")) == b"HTTP/1.1 429 Too Many Requests"
    with limited.open(source="127.0.0.6"):
        pass
    limited.logs(3, "limited")


def test_curl_is_told(workshop):
    limited = Limited(workshop, 'new_connections_per_source = "1/h"')
    with limited.open():
        pass
    curl = run(["curl", "--silent", "--noproxy", "*", "--output", "-", "--write-out", "%{http_code}",
                f"http://127.0.0.1:{limited.port}/"])
    assert curl.returncode == 0 and curl.stdout.endswith("429"), curl
    assert "too many connections from your address" in curl.stdout
    openssl = run(["openssl", "s_client", "-connect", f"127.0.0.1:{limited.port}"])
    assert openssl.returncode != 0
    limited.logs(2, "limited")


def test_openssl_is_told_that_the_listener_is_full(workshop):
    limited = Limited(workshop, "max_connections = 1")
    with limited.open():
        openssl = run(["openssl", "s_client", "-connect", f"127.0.0.1:{limited.port}"])
        assert openssl.returncode != 0 and "internal error" in openssl.stderr, openssl
        limited.logs(1, "unavailable")


ENDS = {
    "the client closes": lambda client: client.close(),
    "the client resets": reset,
    "the client half-closes and the server closes": lambda client: client.shutdown(1),
}


@pytest.mark.parametrize("end", ENDS)
def test_however_a_connection_ends_it_counts_no_longer(workshop, end):
    limited = Limited(workshop, "max_connections = 2\nmax_connections_per_source = 1")
    for number in range(5):
        with limited.open() as client:
            assert status(limited.refused(REQUEST)) == b"HTTP/1.1 429 Too Many Requests"
            ENDS[end](client)
        limited.admits_again(after_lines=3 * number + 2)
        limited.dispatcher.eventually(lambda: len(limited.dispatcher.access()) == 3 * number + 3, "its line")


@pytest.mark.parametrize("config, flight", (
    ('first_flight_timeout = "100ms"', b""), ('first_flight_timeout = "100ms"', HELLO[:50]),
    ("", b"GET / HTTP/1.1\r\n\r\n"), ('first_flight_limit = "1KiB"', b"GET /" + b"x" * 3000),
    ("deny = ['127.0.0.1']", b""),
), ids=("silent", "slow", "malformed", "too large", "denied"))
def test_what_reaches_no_server_counts_no_longer(workshop, config, flight):
    limited = Limited(workshop, f"max_connections = 1\n{config}")
    for number in range(3):
        exchange(limited.port, flight)
        limited.dispatcher.eventually(lambda: len(limited.dispatcher.access()) == number + 1, "a line")
    limited.admits_again(after_lines=3, source="127.0.0.2")


def test_a_refused_client_has_no_more_time_than_others(workshop):
    """It is told so even if it says nothing, and no `silent` backend gets it."""
    limited = Limited(workshop, 'max_connections = 1\nsilent = "b"\nfirst_flight_timeout = "300ms"')
    with limited.open():
        assert limited.refused(b"") == (b"", "reset")
        assert status(limited.refused(b"GET / HT")) == b"HTTP/1.1 503 Service Unavailable"
        alert, _ = limited.refused(HELLO[:50])
        assert is_alert(alert, INTERNAL_ERROR)
        limited.logs(3, "unavailable")


@pytest.mark.smoke
def test_only_so_many_wait_to_be_told(workshop):
    """A flood of clients that say nothing takes no memory: those beyond the bound are reset at once."""
    # One worker takes the connections in the order of the queue, so that those who wait have come first.
    limited = Limited(workshop, 'max_connections_per_source = 1\nfirst_flight_timeout = "0s"', workers=1)
    with limited.open(), contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(connect(limited.port)) for _ in range(WAITING)]
        # Each of them is waited for; then there is no room, also for one that would have asked at once.
        limited.dispatcher.eventually(lambda: exchange(limited.port, REQUEST) == (b"", "reset"), "a reset")
        limited.dispatcher.eventually(lambda: limited.dispatcher.access(), "a line in the log")
        assert {record["outcome"] for record in limited.dispatcher.access()} == {"limited"}
        for client in waiting[:8]:
            client.sendall(REQUEST)
            assert read_to_end(client)[0].startswith(b"HTTP/1.1 429 ")
        answer = limited.dispatcher.eventually(lambda: exchange(limited.port, REQUEST)[0], "an answer again")
        assert answer.startswith(b"HTTP/1.1 429 ")
        assert nobody_came(limited.listener)


def test_where_nothing_can_be_said_nothing_is_read(workshop):
    limited = Limited(workshop, 'max_connections_per_source = 1\nfirst_flight_timeout = "0s"', protocols=["tls", "ssh"])
    with limited.open():
        # TLS has no alert for it, so there is no point in waiting for what the client has to say.
        assert exchange(limited.port, b"") == (b"", "reset")
    by_address = Limited(workshop, "max_connections = 1", protocols=())
    with by_address.open():
        assert exchange(by_address.port, b"") == (b"", "reset")
        by_address.logs(1, "unavailable")


def test_a_client_on_a_unix_socket_has_no_source(workshop):
    path = workshop.directory / "front.sock"
    limited = Limited(workshop, 'max_connections = 3\nmax_connections_per_source = 1\n'
                      'new_connections_per_source = "1/h"', bind=f"unix:{path}")

    def client(stack):
        connection = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        connection.settimeout(30)
        connection.connect(str(path))
        return connection

    with contextlib.ExitStack() as stack:
        for _ in range(3):
            client(stack).sendall(SSH)
            stack.enter_context(accept(limited.listener))
        fourth = client(stack)
        fourth.sendall(REQUEST)
        assert read_to_end(fourth)[0].startswith(b"HTTP/1.1 503 ")


def test_ipv6_counts_by_network(workshop):
    """All of ::1 is one source; the networks are told apart in tests/core/source_table_test.cpp."""
    port = free_port()
    limited = Limited(workshop, "max_connections_per_source = 1", bind=f"[::1]:{port}")
    limited.port = port
    with limited.open(address="::1"):
        assert status(limited.refused(REQUEST, address="::1")) == b"HTTP/1.1 429 Too Many Requests"


@pytest.mark.smoke
def test_the_limit_holds_over_all_workers(workshop):
    """Of many clients at once exactly as many get in as the limit says, whichever worker takes them."""
    limited = Limited(workshop, "max_connections = 20\nmax_connections_per_source = 8")
    with contextlib.ExitStack() as stack:
        clients = []
        for number in range(60):
            client = stack.enter_context(connect(limited.port, source=f"127.0.0.{1 + number % 4}"))
            client.sendall(SSH)
            clients.append(client)
        servers = [stack.enter_context(accept(limited.listener)) for _ in range(20)]
        limited.dispatcher.eventually(lambda: len(limited.dispatcher.access()) == 40, "forty refusals")
        assert nobody_came(limited.listener)
        assert {record["outcome"] for record in limited.dispatcher.access()} <= {"unavailable", "limited"}
        assert len(servers) == 20


BEHIND_A_PROXY = 'proxy_protocol = "require"\ntrusted = ["127.0.0.0/8"]\n'


def test_the_limits_of_a_source_count_the_client_and_not_its_proxy(workshop):
    limited = Limited(workshop, BEHIND_A_PROXY + "max_connections_per_source = 1")

    def opened(stack, source):
        client = stack.enter_context(connect(limited.port))
        client.sendall(proxy_header.v2((source, 5)) + SSH)
        server = stack.enter_context(accept(limited.listener))
        assert receive_exactly(server, len(SSH)) == SSH

    with contextlib.ExitStack() as stack:
        opened(stack, "203.0.113.1")
        opened(stack, "203.0.113.2")
        answer = limited.refused(proxy_header.v1(("203.0.113.1", 6)) + REQUEST)
        assert status(answer) == b"HTTP/1.1 429 Too Many Requests"
        opened(stack, "203.0.113.3")
    assert limited.logs(1, "limited")[0]["client"] == "203.0.113.1:6"


def test_a_connection_that_owes_its_header_counts(workshop):
    # One worker takes the connections in the order of the queue.
    limited = Limited(workshop, BEHIND_A_PROXY + "max_connections = 1", workers=1)
    with connect(limited.port):
        answer = limited.refused(proxy_header.v2() + REQUEST)
        assert status(answer) == b"HTTP/1.1 503 Service Unavailable"
    limited.dispatcher.eventually(lambda: len(limited.dispatcher.access()) == 2, "both have ended")
    with connect(limited.port) as client:
        client.sendall(proxy_header.v2() + SSH)
        with accept(limited.listener) as server:
            assert receive_exactly(server, len(SSH)) == SSH
