"""Start, drain and end."""

import os
import select
import signal
import socket
import struct

import pytest

from harness.portshare import BINARY, ENGINE
from harness.process import Process
from harness.sockets import accept, connect, exchange, free_port, read_to_end, receive_exactly


def simple(port, address, bind=None):
    return f"""
[listener.l]
bind = {[bind or f"127.0.0.1:{port}"]}
protocols = []
default = "b"
[backend.b]
servers = ["{address}"]
"""


def connected(workshop, **options):
    """The dispatcher, its port and a connection through it: the client's socket and the server's."""
    listener, address = workshop.listen()
    port = free_port()
    dispatcher = workshop.portshare(simple(port, address), **options)
    client = connect(port)
    return dispatcher, port, client, accept(listener)


def refuses(port):
    with socket.socket() as probe:
        # A probe that is accepted after all leaves with a reset: behind an orderly end its session would wait for a server
        # that never answers it.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.smoke
def test_ready_means_that_every_listener_is_bound(workshop):
    server = workshop.nginx("site")
    ports = [free_port() for _ in range(20)]
    listeners = "".join(f"""
[listener.l{port}]
bind = ["127.0.0.1:{port}", "[::1]:{port}"]
default = "b"
""" for port in ports)
    dispatcher = workshop.portshare(listeners + f'[backend.b]\nservers = ["{server.address}"]\n')
    for port in ports:
        for address in ("127.0.0.1", "::1"):
            assert exchange(port, b"GET /who HTTP/1.0\r\n\r\n", address=address)[0].endswith(b"site\n")
    assert dispatcher.stderr.splitlines().count("ready") == 1


@pytest.mark.parametrize("held, bind", (("127.0.0.1", "127.0.0.1:{}"), ("127.0.0.1", "0.0.0.0:{}"), ("::1", "[::1]:{}")))
def test_a_bind_that_fails_names_address_and_port(workshop, tmp_path, held, bind):
    holder, _ = workshop.listen(held, free_port())
    port = holder.getsockname()[1]
    address = bind.format(port)
    config = tmp_path / "portshare.toml"
    config.write_text(simple(port, "127.0.0.1:9", bind=address))
    process = Process("portshare", [BINARY, "run", "-c", config], tmp_path)
    assert process.exit_code() == 1
    assert address in process.stderr and "ready" not in process.stderr.splitlines()


def test_nobody_else_can_share_the_port(workshop):
    """Exclusive: not even a program that asks for SO_REUSEPORT and SO_REUSEADDR gets in."""
    server = workshop.nginx("site")
    port = free_port()
    workshop.portshare(simple(port, server.address))
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError):
            stranger.bind(("127.0.0.1", port))
            stranger.listen()


def test_a_restart_is_not_blocked_by_old_connections(workshop):
    server = workshop.nginx("site")
    port = free_port()
    for _ in range(3):
        dispatcher = workshop.portshare(simple(port, server.address))
        # The server ends first and so does portshare towards the client: its end stays in TIME_WAIT.
        assert exchange(port, b"GET /who HTTP/1.0\r\n\r\n")[0].endswith(b"site\n")
        assert dispatcher.stop() == 0


@pytest.mark.smoke
def test_a_reload_that_is_asked_for_while_it_starts_comes_after_the_start(tmp_path):
    port, file = free_port(), tmp_path / "portshare.toml"
    config = f'[server]\nadmin = "off"\nengine = "{ENGINE}"\n' + simple(port, "127.0.0.1:9")
    os.mkfifo(file)
    process = Process("portshare", [BINARY, "run", "-c", file], tmp_path)
    try:
        with file.open("w") as writer:  # Comes back when the file has been opened for reading: portshare is at its start.
            process.signal(signal.SIGHUP)
            (tmp_path / "new").write_text(config)
            (tmp_path / "new").rename(file)
            writer.write(config)
        process.eventually(lambda: "ready" in process.stderr.splitlines(), "ready")
        process.eventually(lambda: "reload: " in process.stderr, "the reload")
        assert "is in force, and nothing is different" in process.stderr
        assert process.stop() == 0
    finally:
        process.kill()


def test_sigterm_ends_a_start(tmp_path):
    file = tmp_path / "portshare.toml"
    os.mkfifo(file)
    process = Process("portshare", [BINARY, "run", "-c", file], tmp_path)
    with file.open("w"):
        process.signal(signal.SIGTERM)
        assert process.exit_code() == -signal.SIGTERM


def test_sigterm_lets_a_transfer_end(workshop):
    dispatcher, port, client, server = connected(workshop, shutdown_timeout="30s")
    with client, server:
        server.sendall(b"first half, ")
        assert receive_exactly(client, 12) == b"first half, "
        dispatcher.terminate()
        dispatcher.eventually(lambda: refuses(port), "an end of accepting")
        server.sendall(b"second half" * 100_000)
        server.close()
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == (b"second half" * 100_000, "close")
    assert dispatcher.exit_code() == 0
    assert dispatcher.logged(outcome="ok")["bytes_out"] == 12 + 1_100_000


def test_sigterm_without_connections_ends_at_once(workshop):
    port = free_port()
    dispatcher = workshop.portshare(simple(port, "127.0.0.1:9"), shutdown_timeout="1h")
    assert dispatcher.stop() == 0


@pytest.mark.smoke
def test_a_second_sigterm_ends_at_once(workshop):
    dispatcher, port, client, server = connected(workshop, shutdown_timeout="1h")
    with client, server:
        dispatcher.terminate()
        dispatcher.eventually(lambda: refuses(port), "an end of accepting")
        assert dispatcher.running()
        dispatcher.terminate()
        dispatcher.exit_code()
        assert read_to_end(client)[0] == b"" and read_to_end(server)[0] == b""


@pytest.mark.smoke
def test_the_shutdown_timeout_ends_what_is_left(workshop):
    dispatcher, _, client, server = connected(workshop, shutdown_timeout="300ms")
    with client, server:
        dispatcher.terminate()
        assert read_to_end(client)[0] == b"" and read_to_end(server)[0] == b""
    assert dispatcher.exit_code() == 0
    dispatcher.logged(outcome="shutdown")


def test_a_first_flight_under_way_is_drained_too(workshop):
    server = workshop.nginx("site")
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
default = "b"
[backend.b]
servers = ["{server.address}"]
""", shutdown_timeout="30s")
    with connect(port) as early, connect(port) as client:
        # The answer to the first request shows that the second connection, made before, was accepted as well.
        early.sendall(b"GET /who HTTP/1.0\r\n\r\n")
        assert read_to_end(early)[0].endswith(b"site\n")
        client.sendall(b"GET /who HT")
        select.select([client], [], [], 0.1)
        dispatcher.terminate()
        dispatcher.eventually(lambda: refuses(port), "an end of accepting")
        client.sendall(b"TP/1.0\r\n\r\n")
        assert read_to_end(client)[0].endswith(b"site\n")
    assert dispatcher.exit_code() == 0


def test_the_engine_is_named(workshop):
    port = free_port()
    dispatcher = workshop.portshare(simple(port, "127.0.0.1:9"))
    dispatcher.says(ENGINE if ENGINE != "auto" else "io_uring|epoll")
