"""What portshare knows of each request on an HTTP/1 connection: its client, its line in the log, when it may end."""

import datetime
import select
import socket

import pytest

from harness.http import Messages, Sites, head_of, kept_alive, request, response
from harness.sockets import accept, connect, free_port, read_to_end, receive_exactly

# --- forwarded = true ---


def forwarded_by(message):
    return {name: message.fields.get(name) for name in ("x-forwarded-for", "x-forwarded-proto", "forwarded")}


@pytest.mark.smoke
def test_forwarded_names_the_client_of_every_request(workshop):
    sites = Sites(workshop, backend_keys="forwarded = true")
    alpha, beta = sites.record()
    lines = ["X-Forwarded-For: 127.0.0.77", "X-Forwarded-Proto: http", "Forwarded: for=127.0.0.77;proto=http"]
    with connect(sites.port, source="127.0.0.77") as client:
        answers = Messages(client)
        for number, name in enumerate(("alpha", "alpha", "beta", "alpha")):
            fields = ["X: y", "Content-Length: 5"]
            client.sendall(request(f"{name}.test", f"/{number}", *fields, method="POST", body=b"hello"))
            assert answers.next().body == f"{name} /{number}".encode()

    def seen(name, *numbers):
        return b"".join(request(f"{name}.test", f"/{number}", "X: y", "Content-Length: 5", *lines, method="POST",
                                body=b"hello") for number in numbers)

    assert alpha.received() == seen("alpha", 0, 1, 3) and beta.received() == seen("beta", 2)


def test_forwarded_stands_behind_what_the_client_claims(workshop):
    """So the last element of each list is portshare's own."""
    sites = Sites(workshop, backend_keys="forwarded = true")
    claims = ("X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1;proto=https", "X-Forwarded-Proto: https")
    with connect(sites.port) as client:
        client.sendall(request("alpha.test", "/", *claims))
        with accept(sites.alpha) as server:
            message = Messages(server).next()
    assert forwarded_by(message) == {
        "x-forwarded-for": ["192.0.2.1", "127.0.0.1"], "x-forwarded-proto": ["https", "http"],
        "forwarded": ["for=192.0.2.1;proto=https", "for=127.0.0.1;proto=http"]}


@pytest.mark.parametrize("kind, expected", (
    ("ipv6", {"x-forwarded-for": ["::1"], "x-forwarded-proto": ["http"], "forwarded": ['for="[::1]";proto=http']}),
    ("unix", {"x-forwarded-for": None, "x-forwarded-proto": ["http"], "forwarded": ["for=unknown;proto=http"]}),
))
def test_forwarded_of_other_clients(workshop, kind, expected):
    listener, address = workshop.listen()
    port, path = free_port(), f"{workshop.directory}/front.sock"
    workshop.portshare(f"""
[listener.l]
bind = ["[::1]:{port}", "unix:{path}"]
default = "b"
[backend.b]
servers = ["{address}"]
forwarded = true
""")
    if kind == "ipv6":
        client = connect(port, "::1")
    else:
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
    with client:
        client.sendall(request("alpha.test"))
        with accept(listener) as server:
            assert forwarded_by(Messages(server).next()) == expected


def test_a_large_head_takes_further_fields(workshop):
    """Also one that just fits the limit."""
    sites = Sites(workshop, 'first_flight_limit = "64KiB"', backend_keys="forwarded = true")
    alpha, _ = sites.record()
    padding = 65536 - len(request("alpha.test", "/", "X: "))
    message = request("alpha.test", "/", "X: " + "x" * padding)
    assert len(message) == 65536
    with connect(sites.port) as client:
        answers = Messages(client)
        for _ in range(2):
            client.sendall(message)
            assert answers.next().body == b"alpha /"
    lines = b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nForwarded: for=127.0.0.1;proto=http\r\n\r\n"
    assert alpha.received() == (message[:-2] + lines) * 2


def test_without_forwarded_nothing_is_added(workshop):
    sites = Sites(workshop)
    message = request("alpha.test", "/", "X-Forwarded-For: 192.0.2.1")
    with connect(sites.port) as client:
        client.sendall(message)
        with accept(sites.alpha) as server:
            assert head_of(server) == message


# --- The access log ---


@pytest.mark.smoke
def test_a_line_per_request(workshop):
    sites = Sites(workshop)
    sites.record()
    dispatcher = sites.dispatcher
    requests = [request("alpha.test", "/1"),
                request("BETA.test:80", "/22", "Content-Length: 4", method="POST", body=b"body"),
                request("beta.test", "/333"), request("alpha.test", "/4444"), request("nobody.test", "/5")]
    sizes = []
    with connect(sites.port) as client:
        client_address = f"127.0.0.1:{client.getsockname()[1]}"
        answers = Messages(client)
        for one in requests:
            client.sendall(one)
            sizes.append(len(answers.next().raw))
    dispatcher.eventually(lambda: len(dispatcher.access()) == len(requests), "a line per request")
    records = dispatcher.access()
    names = ["alpha", "beta", "beta", "alpha", None]
    for record, one, size, name in zip(records, requests, sizes, names, strict=True):
        assert (record["bytes_in"], record["bytes_out"]) == (len(one), size), record
        assert (record["listener"], record["client"], record["protocol"]) == ("web", client_address, "http")
        assert record["backend"] == name and record["server"] == (name and sites.addresses[name])
        assert record["route"] == (name and dispatcher.route(f'to = "{name}"'))
        assert record["outcome"] == ("ok" if name else "no_route")
        assert 0 <= record["first_flight_ms"] <= record["duration_ms"]
    assert [record["name"] for record in records] == [f"{name or 'nobody'}.test" for name in names]
    # Only a request that goes to another server than the one before needs a connection.
    assert [record["connect_ms"] is None for record in records] == [False, False, True, False, True]
    times = [datetime.datetime.fromisoformat(record["time"]) for record in records]
    assert times == sorted(times)


def test_pipelined_requests_are_counted_apart(workshop):
    sites = Sites(workshop)
    sites.record()
    requests = [request("alpha.test", "/" + "x" * number, "Content-Length: 3", method="POST", body=b"abc")
                for number in range(20)]
    with connect(sites.port) as client:
        client.sendall(b"".join(requests))
        answers = Messages(client)
        sizes = [len(answers.next().raw) for _ in requests]
    dispatcher = sites.dispatcher
    dispatcher.eventually(lambda: len(dispatcher.access()) == len(requests), "a line per request")
    assert [record["bytes_in"] for record in dispatcher.access()] == [len(one) for one in requests]
    assert [record["bytes_out"] for record in dispatcher.access()] == sizes


def test_an_idle_time_between_requests_has_no_line(workshop):
    """A connection that ends between two requests has said everything already."""
    sites = Sites(workshop)
    with connect(sites.port) as client:
        kept_alive(sites, client, Messages(client)).close()
        assert client.recv(1) == b""
    dispatcher = sites.dispatcher
    dispatcher.stop()
    assert [record["outcome"] for record in dispatcher.access()] == ["ok"]


# --- When a connection may end ---


@pytest.mark.smoke
def test_sigterm_ends_idle_connections_at_once(workshop):
    sites = Sites(workshop, shutdown_timeout="1h")
    with connect(sites.port) as client, connect(sites.port) as other:
        answers = Messages(client)
        with kept_alive(sites, client, answers), kept_alive(sites, other, Messages(other)):
            sites.dispatcher.terminate()
            assert answers.next() is None and read_to_end(other) == (b"", "close")
            assert sites.dispatcher.exit_code() == 0


@pytest.mark.smoke
def test_sigterm_lets_a_response_end(workshop):
    # With one worker, the end of the idle connection says that the other connection's worker drains, too.
    sites = Sites(workshop, shutdown_timeout="1h", workers=1)
    dispatcher = sites.dispatcher
    answer = response(b"hello" * 100_000)
    with connect(sites.port) as idle, connect(sites.port) as client:
        with kept_alive(sites, idle, Messages(idle)), kept_alive(sites, client, Messages(client)) as server:
            client.sendall(request("alpha.test", "/2"))
            head_of(server)
            server.sendall(answer[:1000])
            assert receive_exactly(client, 1000) == answer[:1000]
            dispatcher.terminate()
            assert read_to_end(idle) == (b"", "close")
            assert dispatcher.running()
            client.sendall(request("beta.test", "/3"))  # comes too late
            server.sendall(answer[1000:])
            data, _ = read_to_end(client)
            assert data == answer[1000:]
    assert dispatcher.exit_code() == 0
    assert dispatcher.logged(bytes_out=len(answer))["outcome"] == "ok"


def test_idle_timeout_ends_a_connection_between_requests(workshop):
    sites = Sites(workshop, 'idle_timeout = "300ms"')
    with connect(sites.port) as client:
        answers = Messages(client)
        with kept_alive(sites, client, answers) as server:
            assert answers.next() is None
            assert read_to_end(server) == (b"", "close")


def test_a_client_that_leaves_releases_its_server(workshop):
    sites = Sites(workshop)
    with connect(sites.port) as client:
        with kept_alive(sites, client, Messages(client)) as server:
            client.close()
            assert select.select([server], [], [], 30)[0] and server.recv(1) == b""
