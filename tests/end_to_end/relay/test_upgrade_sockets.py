"""Sockets that stay open through an upgrade: the admin socket, the monitor address, those of the service manager."""

import json
import os
import pathlib
import re
import socket
import struct
import tempfile
import threading

import pytest

from harness.http import Messages
from harness.portshare import BINARY
from harness.process import Process, run
from harness.service_manager import ServiceManager
from harness.sockets import connect, exchange, free_port, listen, read_to_end
from harness.waiting import eventually
from relay.test_reload import Answers, by_address, exchange_until_end, load_on
from relay.test_upgrade import Generations


@pytest.fixture
def start(workshop):
    """Starts a dispatcher with one listener, whose port is given, too."""

    def start(**options):
        port = free_port()
        address = Answers(workshop, "one").address
        return Generations(workshop, by_address({"a": (f"127.0.0.1:{port}", "one")}, {"one": address}), **options), port

    return start


def asked(path, *fields):
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: localhost", *fields, "", "")).encode()


def admin_client(generations):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(30)
    client.connect(generations.admin)
    return client


def monitor_client(generations):
    return connect(int(generations.monitor.rpartition(":")[2]))


CONNECT = {"admin": admin_client, "monitor": monitor_client}


def pid_of(client):
    """Whom the client is connected to, says that one."""
    client.sendall(asked("/status"))
    return json.loads(Messages(client).next().body)["pid"]


class Askers:
    """Ask both addresses without pause, on a connection for each request, and note what is not answered well."""

    def __init__(self, generations):
        self.failures = []
        self.counts = dict.fromkeys(CONNECT, 0)
        self._generations = generations
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(where, path))
                         for where in CONNECT for path in ("/healthz", "/metrics")]
        for thread in self._threads:
            thread.start()

    def _ask(self, where, path):
        while not self._stopping.is_set():
            try:
                with CONNECT[where](self._generations) as client:
                    client.sendall(asked(path, "Connection: close"))
                    data, end = read_to_end(client)
            except OSError as error:
                data, end = b"", repr(error)
            if end == "close" and data.startswith(b"HTTP/1.1 200 "):
                self.counts[where] += 1
            else:
                self.failures.append((where, path, data[:200], end))

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.smoke
def test_no_question_is_refused(start):
    generations, _ = start(admin=True, monitor=True)
    file = os.stat(generations.admin)
    askers = Askers(generations)
    try:
        for _ in range(5):
            before = dict(askers.counts)
            generations.upgrade()
            eventually(lambda: all(askers.counts[where] > before[where] + 10 for where in before) or askers.failures,
                       "answers")
    finally:
        askers.stop()
    assert askers.failures == []
    assert os.path.samestat(os.stat(generations.admin), file), "it is the same file"
    for client in CONNECT.values():
        with client(generations) as last:
            assert pid_of(last) == generations.pids[-1]
    with admin_client(generations) as client:
        peer = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        assert struct.unpack("3i", peer)[0] == generations.pids[-1], "who looks for the listener finds it"
    generations.stop()
    assert not os.path.exists(generations.admin), "the last one removes it"


@pytest.mark.smoke
@pytest.mark.parametrize("where", CONNECT)
def test_who_has_connected_before_may_ask_once_more(start, where):
    generations, _ = start(admin=True, monitor=True)
    with CONNECT[where](generations) as early:
        # Accepted, since whoever comes later has been answered.
        with CONNECT[where](generations) as late:
            assert pid_of(late) == generations.pids[0]
        generations.upgrade()
        early.sendall(asked("/healthz"))
        answer = Messages(early).next()
        assert (answer.status, answer.body.strip()) == (200, b"ok")
    generations.stop()


@pytest.mark.smoke
def test_the_request_is_answered_and_the_next_one_reaches_the_successor(start):
    generations, _ = start(admin=True)
    for _ in range(3):
        status, document = generations.ask("/upgrade", "POST")
        assert status == 200, document
        generations.pids.append(int(re.search(r"process (\d+) has taken", document["message"])[1]))
        status, document = generations.ask("/status")
        assert (status, document["pid"]) == (200, generations.pids[-1])
    generations.stop()


@pytest.mark.smoke
def test_a_reader_of_events_comes_back(start):
    generations, _ = start(monitor=True)
    with monitor_client(generations) as reader:
        reader.sendall(asked("/events"))
        assert b"event: history" in reader.recv(65536)
        generations.upgrade()
        assert read_to_end(reader)[1] == "close"
    with monitor_client(generations) as reader:
        reader.sendall(asked("/events"))
        assert b"text/event-stream" in reader.recv(65536)
    generations.stop()


def rewrite(generations, *changes):
    """Changes the file of the configuration, which nobody reads before the next upgrade."""
    text = generations.config_file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    generations.config_file.write_text(text)


@pytest.mark.smoke
def test_another_configuration_has_other_addresses(start):
    generations, _ = start(admin=True, monitor=True)
    old = generations.admin, generations.monitor
    new = f"{old[0]}2", f"127.0.0.1:{free_port()}"
    rewrite(generations, *((f'"unix:{one}"' if one.startswith("/") else one,
                            f'"unix:{other}"' if other.startswith("/") else other)
                           for one, other in zip(old, new, strict=True)))
    generations.upgrade()
    eventually(lambda: not os.path.exists(old[0]), "an end of the old admin socket")

    def is_refused():
        try:
            monitor_client(generations).close()
        except ConnectionRefusedError:
            return True

    eventually(is_refused, "an end of the old monitor")
    generations.dispatcher.admin, generations.dispatcher.monitor = new
    for client in CONNECT.values():
        with client(generations) as one:
            assert pid_of(one) == generations.pids[-1]
    generations.upgrade()
    rewrite(generations, (f'"unix:{new[0]}"', '"off"'))
    generations.upgrade()
    eventually(lambda: not os.path.exists(new[0]), "an end of the new one")
    generations.stop()


@pytest.mark.smoke
@pytest.mark.parametrize("how", ("upgrade", "reload"))
def test_a_monitor_may_have_more_or_fewer_addresses_of_its_port(start, how):
    generations, _ = start(admin=True, monitor=True)
    address = generations.monitor
    for new in (address.replace("127.0.0.1", "0.0.0.0"), address):
        rewrite(generations, (f'monitor = "{generations.monitor}"', f'monitor = "{new}"'))
        assert generations.command(how).returncode == 0
        generations.dispatcher.monitor = new
        if how == "upgrade":
            generations.pids.append(generations.ask("/status")[1]["pid"])

        def answers():
            try:
                with monitor_client(generations) as client:
                    return pid_of(client) == generations.pids[-1]
            except (OSError, AssertionError):
                return False  # it still came to the old one

        eventually(answers, "the new one")
    generations.stop()


@pytest.mark.smoke
def test_a_failed_upgrade_changes_nothing_about_them(start, workshop):
    generations, port = start(admin=True, monitor=True)
    file = os.stat(generations.admin)
    _, taken = workshop.listen()
    text = generations.config_file.read_text()
    for changes, words in (([(f'monitor = "{generations.monitor}"', f'monitor = "{taken}"')], taken),
                           ([(f'"unix:{generations.admin}"', f'"unix:{generations.admin}2"'),
                             (f'monitor = "{generations.monitor}"', f'monitor = "{taken}"')], taken),
                           ([('"one"', '"nonsense"')], "nonsense")):
        rewrite(generations, *changes)
        result = generations.command("upgrade")
        assert result.returncode == 1, result
        generations.config_file.write_text(text)
        if words == taken:
            assert f"monitor: cannot listen on {taken}" in result.stderr
        assert os.path.samestat(os.stat(generations.admin), file)
        assert not os.path.exists(f"{generations.admin}2"), "what it had bound is gone"
        for client in CONNECT.values():
            with client(generations) as one:
                assert pid_of(one) == generations.pids[0]
        assert exchange_until_end(port) == (b"one", "close")
    generations.upgrade()
    generations.stop()
    assert not os.path.exists(generations.admin)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_the_folder_need_not_be_the_users(start):
    generations, _ = start(admin=True, monitor=True)
    generations.stop()
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        run(["cp", BINARY, directory / "portshare"])
        folder = directory / "of-root"
        folder.mkdir(0o755)
        config = directory / "portshare.toml"
        config.write_text(f"""
[server]
user = "nobody"
workers = 1
admin = "unix:{folder}/admin.sock"
[listener.l]
bind = ["127.0.0.1:{free_port()}"]
[[route]]
reject = true
""")
        process = Process("portshare", [directory / "portshare", "run", "-c", config], directory)
        process.eventually(lambda: "ready" in process.stderr.splitlines(), "a line `ready`")
        file = os.stat(folder / "admin.sock")
        pids = [process.pid]
        for _ in range(2):
            result = run([BINARY, "upgrade", "--admin", f"unix:{folder}/admin.sock"])
            assert result.returncode == 0, (result.stderr, process.stderr)
            pids.append(int(re.search(r"process (\d+) has taken", result.stdout)[1]))
            status = run([BINARY, "status", "--json", "--admin", f"unix:{folder}/admin.sock"])
            assert json.loads(status.stdout)["pid"] == pids[-1]
            assert os.path.samestat(os.stat(folder / "admin.sock"), file)
        assert process.exit_code() == 0
        os.kill(pids[-1], 15)
        eventually(lambda: not os.path.exists(f"/proc/{pids[-1]}/exe"), "an end of the last one")


@pytest.mark.smoke
def test_an_address_that_is_no_longer_bound_is_closed(workshop):
    address = Answers(workshop, "one").address
    ports = [free_port(), free_port()]
    listeners = {name: (f"127.0.0.1:{port}", "one") for name, port in zip("ab", ports, strict=True)}
    generations = Generations(workshop, by_address(listeners, {"one": address}))
    rewrite(generations, (by_address(listeners, {}), by_address({"a": listeners["a"]}, {})))
    generations.upgrade()

    def is_refused():
        try:
            connect(ports[1]).close()
        except ConnectionRefusedError:
            return True

    eventually(is_refused, "an end of the address")
    assert exchange_until_end(ports[0]) == (b"one", "close")
    generations.stop()


@pytest.fixture
def manager(tmp_path):
    managers = []

    def start(sockets):
        managers.append(ServiceManager(tmp_path, sockets))
        return managers[-1]

    yield start
    for each in managers:
        each.close()


@pytest.mark.smoke
def test_sockets_of_the_service_manager_stay_open(workshop, manager, tmp_path):
    web, unix, spare = listen(backlog=4096), listen(str(tmp_path / "unix.sock")), listen()
    systemd = manager([("web", web), ("web", unix), ("spare", spare)])
    address = Answers(workshop, "one").address
    generations = Generations(workshop, by_address({"a": ("systemd:web", "one")}, {"one": address}),
                              **systemd.start_options)
    port, spare_port = web.getsockname()[1], spare.getsockname()[1]

    def is_served(path):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(path)
            client.shutdown(socket.SHUT_WR)
            return read_to_end(client) == (b"one", "close")

    with load_on(port) as load, connect(spare_port) as waiting:
        for _ in range(2):
            count = load.count
            generations.upgrade()
            eventually(lambda count=count: load.count > count + 20 or load.failures, "answers")
            assert int(systemd.wait_for("MAINPID")["MAINPID"]) == generations.pids[-1]
            assert is_served(str(tmp_path / "unix.sock"))
        # Nobody has used this one so far, and who came is still there.
        rewrite(generations, ('"systemd:web"', '"systemd:web", "systemd:spare"'))
        generations.upgrade()
        waiting.shutdown(socket.SHUT_WR)
        assert read_to_end(waiting) == (b"one", "close")
    assert load.failures == [] and load.count > 0
    generations.stop()
    # They are the service manager's: whoever comes now waits for the next run.
    connect(port).close(), connect(spare_port).close()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "unix.sock"))
