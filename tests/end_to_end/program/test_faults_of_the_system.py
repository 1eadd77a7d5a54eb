"""What runs short or goes wrong around the program: disk, readers of the log, memory, the clock.

Descriptors that run out are in ../relay/test_many.py, a stderr that nobody reads in test_stuck_logs.py.
"""

import contextlib
import json
import os
import pathlib
import re
import socket
import threading

import pytest

from harness.http import response
from harness.own_network import Site, no_namespaces
from harness.portshare import BINARY
from harness.process import Process
from harness.sockets import accept, connect, free_port, listen, read_to_end, receive_exactly
from harness.waiting import PATIENCE_SECONDS, eventually

HAS_NAMESPACES = pytest.mark.skipif(no_namespaces(), reason="this system lets us have no namespaces of our own")
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
REQUEST = b"GET /who HTTP/1.1\r\nHost: site.test\r\n\r\n"
LAST_REQUEST = b"GET /who HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n"
FAKETIME = pathlib.Path(f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketime.so.1")


class Running(Process):
    """`portshare run` with a [server] of the test's own."""

    def __init__(self, directory, access, listener, server, *, prefix=(), **options):
        directory.mkdir(exist_ok=True)
        self.port = free_port()
        config = directory / "portshare.toml"
        config.write_text(f"""
[server]
workers = 1
log = {{ access = "{access}" }}
[listener.l]
bind = ["127.0.0.1:{self.port}"]
{listener}
default = "b"
[backend.b]
servers = ["{server}"]
""")
        super().__init__("portshare", [*prefix, BINARY, "run", "-c", config], directory, **options)
        try:
            self.eventually(lambda: "ready" in self.stderr.splitlines(), "a line `ready`")
        except AssertionError:
            self.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                assert self.stop() == 0, self.stderr
        finally:
            self.kill()

    def serves(self, requests):
        """Sends so many on one connection, each of which makes a line in the access log."""
        with connect(self.port) as client:
            sender = threading.Thread(target=client.sendall, args=(REQUEST * (requests - 1) + LAST_REQUEST,))
            sender.start()
            answers, end = read_to_end(client)
            sender.join()
        assert answers.count(b"site\n") == requests and end == "close"

    def lost(self, pattern):
        """The numbers in such lines of stderr, together."""
        return sum(int(number) for number in re.findall(pattern, self.stderr))


def complete_lines(text):
    """The lines that are records, and how many are not."""
    records, others = [], 0
    for line in text.splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            others += 1
    return records, others


@pytest.fixture
def site(workshop):
    """A server that takes any number of requests on a connection."""
    return workshop.nginx_with("site", """
http {
  access_log off;
  keepalive_requests 1000000;
  TEMPORARY
  server {
    listen ADDRESS;
    location = /who { return 200 "site\\n"; }
  }
}""").address


# --- The disk of the access log.


def test_a_full_disk_stops_nobody(site, tmp_path):
    with Running(tmp_path / "run", "/dev/full", "", site) as dispatcher:
        dispatcher.serves(100)
        dispatcher.eventually(lambda: "cannot write the access log: No space left" in dispatcher.stderr, "a complaint")
        dispatcher.serves(100)
    assert dispatcher.stderr.count("cannot write the access log") == 1, "said once, and not for every line"
    assert dispatcher.lost(r"(\d+) lines were lost") == 200


@ROOT_ONLY
def test_a_disk_that_is_full_and_then_not(site, tmp_path):
    """Lines that could be written are whole, those that could not are counted, and it goes on when there is room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    # In a mount namespace of the program's own, which /proc/PID/root leads into.
    prefix = ("unshare", "--mount", "--", "sh", "-c", 'mount -t tmpfs -o size=64k,mode=755 none "$0" && exec "$@"', disk)
    with Running(tmp_path / "run", disk / "access.log", "", site, prefix=prefix) as dispatcher:
        inside = pathlib.Path(f"/proc/{dispatcher.pid}/root{disk}")
        ballast = inside / "ballast"
        ballast.write_bytes(bytes(40_000))
        dispatcher.serves(500)
        dispatcher.eventually(lambda: "No space left" in dispatcher.stderr, "a full disk")
        ballast.unlink()

        def can_be_written_again():
            dispatcher.serves(1)
            return "can be written again" in dispatcher.stderr

        served = 500 + 1
        while not can_be_written_again():
            served += 1
        dispatcher.serves(3)
        served += 3

        def accounted_for():
            records, _ = complete_lines((inside / "access.log").read_text())
            return len(records) + dispatcher.lost(r"(\d+) lines were lost")

        eventually(lambda: accounted_for() >= served, "all lines, written or counted")
        records, spoilt = complete_lines((inside / "access.log").read_text())
        # Each outage may leave a part of one line behind; if nothing but its end is missing, the next line brings that.
        assert spoilt <= dispatcher.stderr.count("cannot write the access log")
        assert accounted_for() <= served + 1
        assert records[0]["outcome"] == records[-1]["outcome"] == "ok"


def test_a_reader_of_the_log_that_pauses(site, tmp_path):
    """Whoever cannot keep up costs lines, which are counted, and no connection a moment."""
    pipe = tmp_path / "access.pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    requests = 20_000
    with os.fdopen(reader) as lines:
        with Running(tmp_path / "run", pipe, "", site) as dispatcher:
            dispatcher.serves(requests)
            text = []
            thread = threading.Thread(target=lambda: text.append(lines.read()))
            thread.start()
        thread.join()
    records, spoilt = complete_lines(text[0])
    dropped = dispatcher.lost(r"could not keep up: (\d+) lines were dropped")
    assert dropped > 0, "the reader did not pause for long enough"
    assert spoilt == 0 and len(records) + dropped == requests


# --- Memory.

LIMIT_BYTES = 32 * 2**20


class MemoryGroup:
    """A control group with a limit on memory, of version 2 or 1."""

    def __init__(self, name):
        base = pathlib.Path("/sys/fs/cgroup")
        if (base / "cgroup.controllers").exists():
            if "memory" not in (base / "cgroup.subtree_control").read_text():
                pytest.skip("this system gives no memory controller to its control groups")
            self.path, limit = base / name, "memory.max"
        elif (base / "memory").exists():
            self.path, limit = base / "memory" / name, "memory.limit_in_bytes"
        else:
            pytest.skip("this system has no control groups for memory")
        try:
            self.path.mkdir()
            (self.path / limit).write_text(str(LIMIT_BYTES))
        except OSError as error:
            pytest.skip(f"control groups are not ours to make: {error}")

    @property
    def prefix(self):
        return "sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', self.path

    def kills(self):
        """How often the kernel has killed a process for the limit."""
        for file in ("memory.events", "memory.oom_control"):
            if (self.path / file).exists():
                return int(re.search(r"^oom_kill (\d+)$", (self.path / file).read_text(), re.MULTILINE)[1])
        raise AssertionError("the control group does not count")

    def remove(self):
        eventually(lambda: not (self.path / "cgroup.procs").read_text(), "an empty control group")
        self.path.rmdir()


@ROOT_ONLY
def test_clients_that_do_not_read_do_not_use_up_the_memory(tmp_path):
    """Far more is on its way than fits: each of 200 servers sends 1 MB to a client that does not read.

    The limit counts the program, and with control groups of version 2 what the kernel holds for its sockets.
    """
    group = MemoryGroup(f"portshare-test-{os.getpid()}")
    count = 1_000_000
    try:
        with listen() as server, contextlib.ExitStack() as stack:
            address = f"127.0.0.1:{server.getsockname()[1]}"
            dispatcher = stack.enter_context(Running(tmp_path / "run", "off", "protocols = []", address,
                                                     prefix=group.prefix))
            clients = []
            for _ in range(200):
                clients.append(stack.enter_context(connect(dispatcher.port)))
                sender = accept(server)
                sender.settimeout(4 * PATIENCE_SECONDS)
                threading.Thread(target=send_and_close, args=(sender, count), daemon=True).start()
            # Somebody else is served meanwhile.
            with connect(dispatcher.port) as client, accept(server) as other:
                client.sendall(b"question")
                assert receive_exactly(other, 8) == b"question"
                other.sendall(b"answer")
                assert receive_exactly(client, 6) == b"answer"
            for client in clients:
                data, end = read_to_end(client)
                assert len(data) == count and end == "close"
            assert group.kills() == 0 and dispatcher.running()
    finally:
        group.remove()


def send_and_close(connection, count):
    with connection:
        connection.sendall(bytes(count))


# --- The clock.


@pytest.mark.skipif(not FAKETIME.exists(), reason="needs libfaketime")
def test_a_clock_that_is_set_moves_the_log_and_nothing_else(workshop, tmp_path):
    """A day forwards, then two backwards: no connection ends before its time, none stays longer, no duration is odd."""
    listener, address = workshop.listen()
    clock = tmp_path / "clock"
    clock.write_text("+0")
    environment = os.environ | {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(clock),
                                "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                                "DONT_FAKE_MONOTONIC": "1"}
    access = tmp_path / "access.log"

    def lines():
        return complete_lines(access.read_text())[0] if access.exists() else []

    with Running(tmp_path / "run", access, 'idle_timeout = "10m"\nfirst_flight_timeout = "10m"', address,
                 env=environment) as dispatcher:
        with connect(dispatcher.port) as waiting, connect(dispatcher.port) as open_one:
            waiting.sendall(REQUEST[:10])
            open_one.sendall(REQUEST)
            with accept(listener) as server:
                receive_exactly(server, len(REQUEST))
                days = []
                for step in ("+1d", "-1d"):
                    clock.write_text(step)
                    seen = len(lines())
                    # A connection from its beginning to its end under the new time.
                    with connect(dispatcher.port) as client:
                        client.sendall(LAST_REQUEST)
                        with accept(listener) as other:
                            receive_exactly(other, len(LAST_REQUEST))
                            other.sendall(response(b"site\n", "Connection: close"))
                        assert read_to_end(client)[0].endswith(b"site\n")
                    record = dispatcher.eventually(lambda: lines()[seen:], "a line in the access log")[0]
                    days.append(record["time"][:10])
                    assert 0 <= record["duration_ms"] < 60_000 and 0 <= record["connect_ms"] < 60_000, record
                assert len(set(days)) == 2, "the clock of the program was not set"
                server.sendall(response(b"site\n"))
                assert receive_exactly(open_one, len(response(b"site\n"))) == response(b"site\n")
            waiting.sendall(LAST_REQUEST[10:])
            with accept(listener) as server:
                receive_exactly(server, len(LAST_REQUEST))
                server.sendall(response(b"site\n", "Connection: close"))
            assert read_to_end(waiting)[0].endswith(b"site\n")
        dispatcher.eventually(lambda: len(lines()) >= 4, "all lines")
    assert all(0 <= record["duration_ms"] < 60_000 for record in lines()), lines()
    assert {record["outcome"] for record in lines()} <= {"ok", "client_reset"}


@pytest.mark.skipif(not FAKETIME.exists(), reason="needs libfaketime")
def test_time_is_up_also_when_the_clock_was_set_back(workshop, tmp_path):
    listener, address = workshop.listen()
    clock = tmp_path / "clock"
    clock.write_text("+0")
    environment = os.environ | {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(clock),
                                "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                                "DONT_FAKE_MONOTONIC": "1"}
    with Running(tmp_path / "run", "off", 'first_flight_timeout = "500ms"', address, env=environment) as dispatcher:
        with connect(dispatcher.port) as client:
            client.sendall(REQUEST[:10])
            clock.write_text("-1d")
            assert read_to_end(client)[0].startswith(b"HTTP/1.1 408 ")


# --- Local ports ---

@HAS_NAMESPACES
@pytest.mark.parametrize("servers", (1, 2))
def test_local_ports_run_out(workshop, tmp_path, servers):
    """That is no fault of the server's: it stays in use, another one is tried, and the log says what to do."""
    with contextlib.closing(Site(tmp_path, workshop)) as site:
        site.network.shell("echo 40000 40001 > /proc/sys/net/ipv4/ip_local_port_range")
        addresses = [f"127.0.0.{number}" for number in range(1, servers + 1)]
        site.hold(*(f"tcp,{address},8001" for address in addresses))
        path = tmp_path / "front.sock"
        dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["unix:{path}"]
protocols = []
default = "b"
[backend.b]
servers = {json.dumps([f"{address}:8001" for address in addresses])}
""", prefix=site.network.prefix, workers=1, admin=True)

        def connections():
            return [server["active"] for server in dispatcher.ask("/backends")[1]["backends"][0]["servers"]]

        with contextlib.ExitStack() as clients:
            for _ in range(2 * servers):
                client = clients.enter_context(socket.socket(socket.AF_UNIX))
                client.connect(str(path))
            eventually(lambda: connections() == [2] * servers, "all ports in use")
            for _ in range(5):
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(str(path))
                    assert read_to_end(client)[0] == b""
        dispatcher.eventually(lambda: sum(record["outcome"] == "unavailable" for record in dispatcher.access()) == 5,
                              "five lines in the access log")
        assert dispatcher.stderr.count("has no local port left for connections to 127.0.0.1:8001") == 1
        assert "gets no connections" not in dispatcher.stderr
        assert {server["state"] for server in dispatcher.ask("/backends")[1]["backends"][0]["servers"]} == {"up"}
