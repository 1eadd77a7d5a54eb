"""SIGUSR2 and `portshare upgrade`: another process takes over, with all connections."""

import contextlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness.http import Messages, RecordingServer, request
from harness.portshare import BINARY
from harness.process import run
from harness.sockets import accept, connect, free_port, read_to_end, receive_exactly
from harness.waiting import eventually
from relay.test_reload import Answers, by_address, exchange_until_end, http_sites, load_on


def is_running(pid):
    """Or one of its threads is, as after the first one's end."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        return not select.select([process], [], [], 0)[0]
    finally:
        os.close(process)


class Generations:
    """A dispatcher and those that take its place, which all write to the same stderr."""

    def __init__(self, workshop, config, **options):
        self.dispatcher = workshop.portshare(config, **options)
        self.pids = [self.dispatcher.pid]
        workshop._sockets.append(self)  # to be closed with the rest

    def __getattr__(self, name):
        return getattr(self.dispatcher, name)

    @property
    def log(self):
        return self.dispatcher.stderr

    def _ready(self):
        return [int(pid) for pid in re.findall(r"upgrade: process (\d+) accepts connections", self.log)]

    def upgrade(self):
        before = len(self._ready())
        os.kill(self.pids[-1], signal.SIGUSR2)
        self.pids.append(eventually(lambda: self._ready()[before:], lambda: f"a successor: {self.log[-3000:]}")[0])

    def ended(self, pid):
        if pid == self.dispatcher.pid:
            return not self.dispatcher.running()
        return not is_running(pid)

    def stop(self):
        """Ends the last one in order, and sees that all others have ended."""
        if is_running(self.pids[-1]):
            os.kill(self.pids[-1], signal.SIGTERM)
        for pid in reversed(self.pids):
            eventually(lambda pid=pid: self.ended(pid), lambda: f"an end of {pid}: {self.log[-3000:]}")

    def close(self):
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("rounds", (pytest.param(200, marks=pytest.mark.smoke), 1024))
def test_a_transfer_lives_through_ten_upgrades(workshop, rounds):
    """So many MiB in both directions at once, with the upgrades spread over them."""
    listener, address = workshop.listen()
    port = free_port()
    generations = Generations(workshop, by_address({"l": (f"127.0.0.1:{port}", "b")}, {"b": address}))
    piece = os.urandom((1 << 20) + 1)  # its places differ from round to round
    with connect(port) as client, accept(listener) as server:
        results = {}
        received = {"client": 0, "server": 0}

        def send(name, connection):
            for _ in range(rounds):
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)

        def receive(name, connection):
            for number in range(rounds):
                if receive_exactly(connection, len(piece)) != piece:
                    results[name] = f"piece {number} is different"
                    return
                received[name] += 1
            results[name] = connection.recv(1)

        threads = [threading.Thread(target=task, args=(name, connection))
                   for task in (send, receive) for name, connection in (("client", client), ("server", server))]
        for thread in threads:
            thread.start()
        for number in range(10):
            eventually(lambda number=number: results or min(received.values()) >= number * rounds // 11,
                       lambda: f"more than {received}")
            generations.upgrade()
        for thread in threads:
            thread.join()
        assert results == {"client": b"", "server": b""}
    generations.stop()
    records = generations.dispatcher.access()
    total = rounds * len(piece)
    assert [(record["outcome"], record["bytes_in"], record["bytes_out"], record["server"]) for record in records] == [
        ("ok", total, total, address)]


@pytest.mark.smoke
def test_upgrades_under_load_lose_nothing(workshop):
    one = Answers(workshop, "one")
    port = free_port()
    generations = Generations(workshop, by_address({"a": (f"127.0.0.1:{port}", "one")}, {"one": one.address}))
    with load_on(port) as load:
        for _ in range(5):
            generations.upgrade()
    assert load.failures == [] and load.count > 0
    generations.stop()
    records = generations.dispatcher.access()
    assert {record["outcome"] for record in records} == {"ok"} and len(records) == load.count


@pytest.mark.smoke
def test_half_closed_and_waiting_bytes_move(workshop):
    listener, address = workshop.listen()
    port = free_port()
    generations = Generations(workshop, by_address({"l": (f"127.0.0.1:{port}", "b")}, {"b": address}))
    with connect(port) as client, accept(listener) as server:
        client.sendall(b"all of it")
        client.shutdown(socket.SHUT_WR)
        assert receive_exactly(server, 9) == b"all of it" and server.recv(1) == b""
        # More than the buffers on the way take, to a client that does not read.
        server.setblocking(False)
        data = os.urandom(32 << 20)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                sent += server.send(data[sent:sent + 65536])
        generations.upgrade()
        generations.upgrade()
        server.setblocking(True)
        server.shutdown(socket.SHUT_WR)
        received, end = read_to_end(client)
        assert (len(received), end) == (sent, "close") and received == data[:sent]
    generations.stop()


@pytest.mark.smoke
def test_http_connections_between_requests_move(workshop):
    port = free_port()
    listener, address = workshop.listen()
    alpha = RecordingServer("alpha", listener)
    generations = Generations(workshop, http_sites(port, {"a.test": "alpha"}, {"alpha": address}))
    with connect(port) as client:
        answers = Messages(client)
        for number in range(5):
            client.sendall(request("a.test", f"/{number}"))
            assert answers.next().body == f"alpha /{number}".encode()
            generations.upgrade()
            eventually(lambda: all(generations.ended(pid) for pid in generations.pids[:-1]), "an end of the old ones")
        client.sendall(request("b.test", "/"))
        assert answers.next().status == 421
    assert len(alpha.connections) == 1, "over one connection"
    generations.stop()
    assert [record["outcome"] for record in generations.dispatcher.access()] == ["ok"] * 5 + ["no_route"]


@pytest.mark.smoke
def test_a_response_under_way_ends_where_it_began_and_then_moves(workshop):
    port = free_port()
    listener, address = workshop.listen()
    generations = Generations(workshop, http_sites(port, {"a.test": "alpha"}, {"alpha": address}))
    with connect(port) as client:
        client.sendall(request("a.test", "/"))
        with accept(listener) as server:
            Messages(server).next()
            server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234")
            answers = Messages(client)
            generations.upgrade()
            assert not generations.ended(generations.pids[0])
            server.sendall(b"56789")
            assert answers.next().body == b"0123456789"
            eventually(lambda: generations.ended(generations.pids[0]), "an end of the old one")
            client.sendall(request("a.test", "/again"))
            assert Messages(server).next().start == "GET /again HTTP/1.1"
            server.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            assert answers.next().status == 204
    generations.stop()


@pytest.mark.smoke
@pytest.mark.parametrize("fault", ("not there", "not portshare", "configuration"))
def test_what_does_not_come_up_changes_nothing(workshop, tmp_path, fault):
    one = Answers(workshop, "one")
    port = free_port()
    program = tmp_path / "portshare-copy"
    shutil.copy(BINARY, program)
    config = by_address({"a": (f"127.0.0.1:{port}", "one")}, {"one": one.address})
    generations = Generations(workshop, config, admin=True)
    binary = tmp_path / "other"
    if fault == "not portshare":
        shutil.copy("/bin/true", binary)
    if fault == "configuration":
        shutil.copy(BINARY, binary)
        text = generations.config_file.read_text()
        generations.config_file.write_text(text.replace("default", "defalt") + "no_such = 1\n")
    result = run([BINARY, "upgrade", binary, "--admin", f"unix:{generations.admin}"])
    assert result.returncode == 1, result.stdout
    assert str(binary) in result.stderr
    if fault == "configuration":
        assert "did you mean 'default'" in result.stderr and "no_such" in result.stderr
        assert result.stderr.count(f"{generations.config_file}:") == 2, result.stderr
    assert exchange_until_end(port) == (b"one", "close")
    assert len(generations.pids) == 1


def test_a_link_to_another_version_counts(workshop, tmp_path):
    one = Answers(workshop, "one")
    port = free_port()
    for version in ("1", "2", "3"):
        (tmp_path / version).mkdir()
        shutil.copy(BINARY, tmp_path / version / "portshare")
    link = tmp_path / "present"

    def choose(version):
        (tmp_path / "new").symlink_to(tmp_path / version)
        (tmp_path / "new").rename(link)

    choose("1")
    generations = Generations(workshop, by_address({"a": (f"127.0.0.1:{port}", "one")}, {"one": one.address}),
                              prefix=["sh", "-c", f'shift; exec {link}/portshare "$@"', "sh"])
    for version in ("2", "3"):
        choose(version)
        generations.upgrade()
        assert os.readlink(f"/proc/{generations.pids[-1]}/exe") == str(tmp_path / version / "portshare")
    assert exchange_until_end(port) == (b"one", "close")
    generations.stop()


@pytest.mark.smoke
def test_the_command_answers_when_the_successor_serves(workshop, tmp_path):
    one = Answers(workshop, "one")
    port = free_port()
    generations = Generations(workshop, by_address({"a": (f"127.0.0.1:{port}", "one")}, {"one": one.address}), admin=True)
    result = run([BINARY, "upgrade", "--admin", f"unix:{generations.admin}"])
    assert result.returncode == 0, result.stderr
    pid = int(re.search(r"process (\d+) has taken", result.stdout)[1])
    generations.pids.append(pid)
    eventually(lambda: generations.ended(generations.pids[0]), "an end of the old one")
    assert exchange_until_end(port) == (b"one", "close")

    # Commands that follow at once find the new one.
    for _ in range(5):
        status = run([BINARY, "status", "--json", "--admin", f"unix:{generations.admin}"])
        assert status.returncode == 0, status.stderr
        assert json.loads(status.stdout)["pid"] == generations.pids[-1]
        result = run([BINARY, "upgrade", "--admin", f"unix:{generations.admin}"])
        assert result.returncode == 0, result.stderr
        generations.pids.append(int(re.search(r"process (\d+) has taken", result.stdout)[1]))
    generations.stop()
