"""Who gets a connection: weights, least connections, sources, backups, limits, and what checks say about servers."""

import collections
import http.server
import threading

import pytest

from harness.sockets import accept, connect, exchange, free_port, nobody_came, read_to_end, receive_exactly
from harness.tls import INTERNAL_ERROR, client_hello, is_alert

REQUEST = b"GET /who HTTP/1.0\r\nHost: alpha.test\r\n\r\n"
OPENING = b"SSH-2.0-client\r\n"


def front(backend, port):
    return f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
protocols = ["tls", "http", "ssh"]
default = "b"
[backend.b]
{backend}
"""


def dispatcher_for(workshop, backend, **options):
    port = free_port()
    return workshop.portshare(front(backend, port), **options), port


class Application:
    """An HTTP server that answers its name, and a status of the test's choice at /live."""

    def __init__(self, name, port=0):
        self.live_status = 200
        self.checks = 0
        application = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                is_check = self.path == "/live"
                application.checks += is_check
                body = name.encode() + b"\n"
                self.send_response(application.live_status if is_check else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def applications():
    started = []

    def start(name, **options):
        started.append(Application(name, **options))
        return started[-1]

    yield start
    for application in started:
        application.close()


def answers(port, count):
    return collections.Counter(exchange(port, REQUEST)[0].split()[-1].decode() for _ in range(count))


# --- Checks


CHECKED = 'health = { kind = "http", path = "/live", interval = "50ms", timeout = "10s", rise = 2, fall = 2 }'


@pytest.mark.smoke
def test_a_server_that_fails_its_checks_gets_nothing_until_it_recovers(workshop, applications):
    one, two = applications("one"), applications("two")
    dispatcher, port = dispatcher_for(workshop, f"servers = {[one.address, two.address]}\n{CHECKED}", workers=1)
    assert answers(port, 10) == {"one": 5, "two": 5}
    one.live_status = 503
    dispatcher.says(rf"warning: backend 'b': server {one.address} is down: HTTP status 503 \(\d checks? failed\)")
    assert answers(port, 10) == {"two": 10}
    two.live_status = 500
    dispatcher.says("error: backend 'b': no server is left")
    assert b" 503 " in exchange(port, REQUEST)[0]
    assert is_alert(exchange(port, client_hello("alpha.test"))[0], INTERNAL_ERROR)
    dispatcher.logged(outcome="unavailable", protocol="http", server=None)
    one.live_status = 204
    dispatcher.says(rf"info: backend 'b': server {one.address} is up again: 2 checks have succeeded")
    assert answers(port, 10) == {"one": 10}


def test_a_server_that_dies_is_noticed_without_a_client(workshop, applications):
    one, two = applications("one"), applications("two")
    health = 'health = { interval = "50ms", timeout = "10s" }'
    dispatcher, port = dispatcher_for(workshop, f"servers = {[one.address, two.address]}\n{health}")
    one.close()
    dispatcher.says(rf"server {one.address} is down: connect: ")
    assert answers(port, 4) == {"two": 4}
    again = applications("one", port=one.port)
    dispatcher.says(rf"server {again.address} is up again")


def test_tls_checks(workshop, applications, certificates):
    plain = applications("plain")
    tls = workshop.openssl_server("tls", certificates["alpha.test"])
    dispatcher, port = dispatcher_for(
        workshop, f'servers = {[plain.address, tls.address]}\nhealth = {{ kind = "tls", interval = "50ms" }}')
    dispatcher.says(rf"server {plain.address} is down: (the answer is not TLS|closed without an answer|no ServerHello)")
    assert "is down" not in dispatcher.stderr.replace(f"server {plain.address} is down", "")


@pytest.mark.parametrize("kind", ("nginx", "haproxy", "gnutls"))
def test_tls_checks_of_other_libraries(workshop, certificates, kind):
    if kind == "nginx":
        address = workshop.nginx("tls", certificate=certificates["alpha.test"]).address
    elif kind == "haproxy":
        pem = workshop.directory / "pem"
        pem.write_text(certificates["alpha.test"].file.read_text() + certificates["alpha.test"].key.read_text())
        address = f"127.0.0.1:{free_port()}"
        workshop.haproxy("tls", address, f"ssl crt {pem}\n  http-request return status 200")
    else:
        address = workshop.node_server("tls", certificates["alpha.test"]).address
    dispatcher, _ = dispatcher_for(
        workshop, f'servers = ["{address}", "127.0.0.1:{free_port()}"]\nhealth = {{ kind = "tls", interval = "50ms" }}')
    dispatcher.says("is down: connect: connection refused")
    dispatcher.terminate()
    dispatcher.eventually(lambda: dispatcher.exit_code() == 0, "its end")
    assert f"server {address} is down" not in dispatcher.stderr


def test_checks_of_a_unix_socket(workshop):
    listener, address = workshop.listen(str(workshop.directory / "s.sock"))
    dispatcher, port = dispatcher_for(
        workshop, f'servers = ["{address}"]\nhealth = {{ kind = "http", interval = "50ms", timeout = "10s" }}')
    with accept(listener) as check:
        assert check.recv(4096).startswith(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        check.sendall(b"HTTP/1.0 500 Broken\r\n\r\n")
    dispatcher.says(r"server unix:\S+ is down: HTTP status 500")
    assert b" 503 " in exchange(port, REQUEST)[0]


def test_a_reload_keeps_what_is_known_of_servers(workshop, applications):
    one, two = applications("one"), applications("two")
    one.live_status = 500
    health = 'health = { kind = "http", path = "/live", interval = "1h" }'
    dispatcher, port = dispatcher_for(workshop, f"servers = {[one.address, two.address]}\n{health}")
    dispatcher.says(rf"server {one.address} is down")
    checks = one.checks
    three = applications("three")
    assert dispatcher.reload(front(
        f"servers = {[three.address, two.address, one.address]}\nbalance = \"least_connections\"\n{health}", port))
    assert set(answers(port, 12)) == {"two", "three"}
    assert one.checks == checks, "it was not asked again"
    assert dispatcher.reload(front(f"servers = {[one.address]}", port))
    assert answers(port, 3) == {"one": 3}, "without checks nothing is known against it"


# --- Connects that fail


def test_a_server_that_refuses_rests_and_comes_back(workshop, applications):
    alive = applications("alive")
    port_of_dead = free_port()
    dispatcher, port = dispatcher_for(workshop, f"servers = {[f'127.0.0.1:{port_of_dead}', alive.address]}")
    assert answers(port, 10) == {"alive": 10}
    dispatcher.says(rf"server 127.0.0.1:{port_of_dead} gets no connections for a while: "
                    r"connect: connection refused \(3 in a row\)")
    applications("back", port=port_of_dead)
    dispatcher.eventually(lambda: "back" in answers(port, 4), "the server that has come back")
    dispatcher.says(rf"server 127.0.0.1:{port_of_dead} takes connections again")


# --- Choosing


def test_weights(workshop, applications):
    one, two = applications("one"), applications("two")
    _, port = dispatcher_for(
        workshop, f'servers = [{{ address = "{one.address}", weight = 4 }}, "{two.address}"]', workers=1)
    assert answers(port, 20) == {"one": 16, "two": 4}


def test_backups(workshop, applications):
    one, spare = applications("one"), applications("spare")
    dispatcher, port = dispatcher_for(
        workshop, f'servers = [{{ address = "{spare.address}", backup = true }}, "{one.address}"]\n{CHECKED}')
    assert answers(port, 10) == {"one": 10}
    one.close()
    assert answers(port, 10) == {"spare": 10}, "also before the checks have noticed"
    dispatcher.says(rf"server {one.address} is down")
    assert answers(port, 10) == {"spare": 10}


def greeting(number):
    return b"SSH-2.0-client%02d\r\n" % number


def open_one(port, number):
    client = connect(port)
    client.sendall(greeting(number))
    return client


def accept_one(listener):
    """A connection of open_one, and its number."""
    server = accept(listener)
    return server, int(receive_exactly(server, len(greeting(0)))[-4:-2])


def test_least_connections(workshop):
    servers = [workshop.listen() for _ in range(3)]
    dispatcher, port = dispatcher_for(
        workshop, f"servers = {[address for _, address in servers]}\nbalance = \"least_connections\"")
    clients = [open_one(port, number) for number in range(6)]
    connections = [[accept_one(listener) for _ in range(2)] for listener, _ in servers]
    assert all(nobody_came(listener) for listener, _ in servers)
    for server, number in connections[1]:
        server.close()
        clients[number].close()
    dispatcher.eventually(lambda: len(dispatcher.access()) == 2, "the end of two connections")
    clients += [open_one(port, number) for number in (6, 7)]
    assert {accept_one(servers[1][0])[1] for _ in range(2)} == {6, 7}
    assert nobody_came(servers[0][0]) and nobody_came(servers[2][0])
    for client in clients:
        client.close()


def test_a_source_stays_with_its_server(workshop, applications):
    names = ("one", "two", "three", "four")
    servers = [applications(name) for name in names]
    addresses = [server.address for server in servers]
    dispatcher, port = dispatcher_for(workshop, f"servers = {addresses}\nbalance = \"source_hash\"\n{CHECKED}")
    sources = [f"127.0.{i // 200}.{i % 200 + 1}" for i in range(0, 800, 20)]

    def map_of_sources():
        return {source: exchange(port, REQUEST, source=source)[0].split()[-1].decode() for source in sources}

    before = map_of_sources()
    assert set(before.values()) == set(names)
    assert map_of_sources() == before
    assert dispatcher.reload(front(f"servers = {addresses[::-1]}\nbalance = \"source_hash\"\n{CHECKED}", port))
    assert map_of_sources() == before, "the order of the file does not count"
    servers[2].live_status = 500
    dispatcher.says(rf"server {addresses[2]} is down")
    after = map_of_sources()
    assert "three" not in after.values()
    assert all(after[source] == name for source, name in before.items() if name != "three")


# --- Limits


@pytest.mark.smoke
def test_who_finds_no_room_waits(workshop):
    listener, address = workshop.listen()
    dispatcher, port = dispatcher_for(
        workshop, f'servers = ["{address}"]\nmax_connections = 2\nconnect_timeout = "30s"')
    clients = [open_one(port, number) for number in range(10)]
    seen = set()
    for _ in range(10):
        server, number = accept_one(listener)
        seen.add(number)
        server.close()
        clients[number].close()
    assert seen == set(range(10))
    dispatcher.eventually(lambda: len(dispatcher.access()) == 10, "ten lines")
    assert {record["outcome"] for record in dispatcher.access()} == {"ok"}


def test_no_more_than_the_limit_at_a_time(workshop):
    listener, address = workshop.listen()
    _, port = dispatcher_for(workshop, f'servers = ["{address}"]\nmax_connections = 3\nconnect_timeout = "30s"')
    clients = [open_one(port, number) for number in range(12)]
    for _ in range(4):
        group = [accept_one(listener) for _ in range(3)]
        assert nobody_came(listener), "three at a time"
        for server, number in group:
            server.close()
            clients[number].close()


def test_the_queue_has_an_end(workshop):
    listener, address = workshop.listen()
    dispatcher, port = dispatcher_for(
        workshop, f'servers = ["{address}"]\nmax_connections = 1\nconnect_timeout = "100ms"')
    with connect(port) as first:
        first.sendall(OPENING)
        with accept(listener):
            answer, _ = exchange(port, REQUEST)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert is_alert(exchange(port, client_hello("alpha.test"))[0], INTERNAL_ERROR)
    dispatcher.logged(outcome="unavailable", protocol="http")
    assert answer_after_the_limit(port, listener) == b"hello"


def answer_after_the_limit(port, listener):
    with connect(port) as client:
        client.sendall(OPENING)
        with accept(listener) as server:
            server.sendall(b"hello")
        return read_to_end(client)[0]


def test_a_client_that_leaves_the_queue_takes_no_place_for_long(workshop):
    listener, address = workshop.listen()
    dispatcher, port = dispatcher_for(workshop, f'servers = ["{address}"]\nmax_connections = 1')
    with connect(port) as first:
        first.sendall(OPENING)
        with accept(listener):
            for number in range(5):
                open_one(port, number).close()

    def all_have_ended():
        if not nobody_came(listener):  # takes one from the queue, and closes it
            pass
        return len(dispatcher.access()) == 6
    dispatcher.eventually(all_have_ended, "six lines")
    assert answer_after_the_limit(port, listener) == b"hello"
