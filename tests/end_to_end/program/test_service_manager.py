"""Beneath systemd: what it hears, and the sockets that it passes. A stand-in takes its place, and once its own tool."""

import os
import pathlib
import re
import shutil
import signal
import socket
import threading
import time

import pytest

from harness.http import Messages, request
from harness.portshare import BINARY, portshare
from harness.process import Process
from harness.service_manager import ServiceManager
from harness.sockets import accept, connect, exchange, free_port, listen, read_to_end, receive_exactly
from harness.waiting import eventually
from relay.test_upgrade import Generations

REQUEST = b"GET /who HTTP/1.0\r\n\r\n"


def config(names, address):
    return f"""
[listener.l]
bind = {[f"systemd:{name}" for name in names]}
default = "b"
[backend.b]
servers = ["{address}"]
"""


@pytest.fixture
def manager(tmp_path):
    managers = []

    def start(sockets=(), **options):
        managers.append(ServiceManager(tmp_path, sockets, **options))
        return managers[-1]

    yield start
    for each in managers:
        each.close()


def test_it_is_told_of_start_reload_and_end(workshop, manager):
    site = workshop.nginx("site")
    web = listen()
    systemd = manager([("web", web)])
    dispatcher = workshop.portshare(config(["web"], site.address), **systemd.start_options)
    assert systemd.wait_for("READY") == {"READY": "1"}
    text = dispatcher.config_file.read_text()
    for contents, status in ((text, "serving the reloaded configuration"), ("no configuration", "the last reload failed")):
        dispatcher.config_file.write_text(contents)
        before = time.clock_gettime(time.CLOCK_MONOTONIC)
        dispatcher.signal(signal.SIGHUP)
        message = systemd.wait_for("RELOADING")
        assert before <= int(message["MONOTONIC_USEC"]) / 1e6 <= time.clock_gettime(time.CLOCK_MONOTONIC)
        assert status in systemd.wait_for("STATUS")["STATUS"]
        assert systemd.wait_for("READY")
    dispatcher.terminate()
    assert systemd.wait_for("STOPPING")


def test_a_reload_takes_and_leaves_a_socket(workshop, manager):
    site = workshop.nginx("site")
    web, late = listen(), listen()
    systemd = manager([("web", web), ("late", late)])
    dispatcher = workshop.portshare(config(["web"], site.address), **systemd.start_options)
    systemd.wait_for("READY")
    for names in (["late"], ["web", "late"]):
        dispatcher.config_file.write_text(dispatcher.config_file.read_text().replace(
            re.search(r"bind = .*", dispatcher.config_file.read_text())[0],
            f"bind = {[f'systemd:{name}' for name in names]}"))
        dispatcher.signal(signal.SIGHUP)
        systemd.wait_for("READY")
        assert exchange(late.getsockname()[1], REQUEST)[0].endswith(b"site\n")
    # Nobody took them for a while; whoever came then was not lost.
    assert exchange(web.getsockname()[1], REQUEST)[0].endswith(b"site\n")


def test_the_watchdog_is_answered_as_long_as_it_runs(workshop, manager):
    site = workshop.nginx("site")
    systemd = manager([("web", listen())], watchdog_seconds=0.2)
    workshop.portshare(config(["web"], site.address), **systemd.start_options)
    for _ in range(5):
        assert systemd.wait_for("WATCHDOG") == {"WATCHDOG": "1"}


def test_it_hears_one_process_at_a_time_over_an_upgrade(workshop, manager):
    """Who speaks beside the main process is a warning in systemd's journal, each time."""
    listener, address = workshop.listen()
    web = listen()
    systemd = manager([("web", web)], watchdog_seconds=0.2)
    generations = Generations(workshop, config(["web"], address), **systemd.start_options)
    with connect(web.getsockname()[1]) as client:
        client.sendall(request("a.test", "/"))
        with accept(listener) as server:
            Messages(server).next()
            server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234")
            assert receive_exactly(client, 44).endswith(b"01234")
            generations.upgrade()
            old, new = generations.pids
            message = {}
            while "MAINPID" not in message:
                message, sender = systemd.next_message_and_sender()
                assert sender == old, message
            assert message == {"MAINPID": str(new)}
            # The old one has a connection, and nothing to say; nor is it a parent: see start_program.
            heard = set()
            while not heard >= {"STATUS", "READY", "WATCHDOG"}:
                message, sender = systemd.next_message_and_sender()
                assert sender == new, message
                heard |= message.keys()
            for _ in range(10):
                message, sender = systemd.next_message_and_sender()
                assert (message, sender) == ({"WATCHDOG": "1"}, new)
            assert not generations.ended(old)
            assert re.search(r"^PPid:\s*(\d+)$", pathlib.Path(f"/proc/{new}/status").read_text(), re.MULTILINE)[1] != str(old)
            server.sendall(b"56789")
            assert receive_exactly(client, 5) == b"56789"
    generations.stop()


def test_lines_for_the_journal_have_priorities_and_no_time(workshop):
    site = workshop.nginx("site")
    port = free_port()
    prefix = ("sh", "-c", 'export JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) && exec "$@"', "sh")
    generations = Generations(workshop, f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
default = "b"
[backend.b]
servers = ["{site.address}"]
""", prefix=prefix)
    generations.upgrade()
    assert re.search(r"(?m)^<6>info: upgrade: process \d+ accepts connections", generations.log)
    generations.config_file.write_text("nonsense")
    os.kill(generations.pids[-1], signal.SIGHUP)
    # Not dispatcher.says(), which gives up when the first process has ended.
    eventually(lambda: "nothing has changed" in generations.log, lambda: f"the answer: {generations.log}")
    generations.stop()
    lines = generations.log.splitlines()
    assert "<3>error: reload: nothing has changed" in lines
    assert [line for line in lines if not re.match(r"<[3467]>(error|warning|info|debug): ", line)] == ["ready"] * 2


def test_a_file_in_the_place_of_the_journal_gets_the_time(workshop):
    site = workshop.nginx("site")
    dispatcher = workshop.portshare(config([], site.address).replace("[]", f'["127.0.0.1:{free_port()}"]'),
                                    env=os.environ | {"JOURNAL_STREAM": "8:1"})
    assert re.match(r"\d{4}-\d\d-\d\dT\S+ info: ", dispatcher.stderr)


def test_several_sockets_carry_one_name(workshop, manager, tmp_path):
    site = workshop.nginx("site")
    first, second, other = listen(), listen("::1"), listen(str(tmp_path / "other.sock"))
    systemd = manager([("web", first), ("web", second), ("other", other)])
    dispatcher = workshop.portshare(config(("web", "other"), site.address), **systemd.start_options)
    assert exchange(first.getsockname()[1], REQUEST)[0].endswith(b"site\n")
    assert exchange(second.getsockname()[1], REQUEST, address="::1")[0].endswith(b"site\n")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "other.sock"))
        client.sendall(REQUEST)
        assert read_to_end(client)[0].endswith(b"site\n")
    assert dispatcher.logged(destination=f"127.0.0.1:{first.getsockname()[1]}")
    assert dispatcher.stop() == 0
    assert (tmp_path / "other.sock").exists(), "the file is the service manager's"
    # The sockets are still open: whoever connects waits for the next run.
    connect(first.getsockname()[1]).close()


def test_no_descriptor_is_inherited(workshop, manager):
    site = workshop.nginx("site")
    systemd = manager([("web", listen())])
    dispatcher = workshop.portshare(config(["web"], site.address), **systemd.start_options)
    for file in pathlib.Path(f"/proc/{dispatcher.pid}/fdinfo").iterdir():
        flags = int(re.search(r"^flags:\s*([0-7]+)$", file.read_text(), re.MULTILINE)[1], 8)
        assert int(file.name) <= 2 or flags & os.O_CLOEXEC, os.readlink(f"/proc/{dispatcher.pid}/fd/{file.name}")


def refused(tmp_path, systemd, text):
    """What a start says that fails."""
    file = tmp_path / "portshare.toml"
    file.write_text(text)
    assert portshare("check", "-c", file).returncode == 0, "a check needs no service manager"
    options = systemd.start_options
    process = Process("portshare", [*options.pop("prefix"), BINARY, "run", "-c", file], tmp_path, **options)
    assert process.exit_code() == 1
    assert "ready" not in process.stderr.splitlines()
    return process.stderr


def test_a_name_that_was_not_passed_is_an_error_with_those_that_were(manager, tmp_path):
    systemd = manager([("web", listen()), ("ssh", listen()), ("web", listen())])
    said = refused(tmp_path, systemd, config(["mail"], "127.0.0.1:9"))
    assert "listener 'l': 'systemd:mail': no such socket was passed; there are 'ssh', 'web'" in said


def test_without_a_service_manager_there_is_no_socket(manager, tmp_path):
    said = refused(tmp_path, manager(), config(["web"], "127.0.0.1:9"))
    assert "no socket was passed to this program; start it by its .socket unit" in said


def test_a_socket_of_the_wrong_kind_is_an_error(manager, tmp_path):
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    systemd = manager([("dns", datagrams), ("silent", silent)])
    said = refused(tmp_path, systemd, config(["dns", "silent"], "127.0.0.1:9"))
    assert "'systemd:dns': the socket that was passed is no stream socket; its unit needs ListenStream=" in said
    assert "'systemd:silent': the socket that was passed is not listening; its unit needs Accept=no" in said


def test_an_unused_socket_is_named(workshop, manager):
    site = workshop.nginx("site")
    web, ssh = listen(), listen()
    systemd = manager([("web", web), ("ssh", ssh)])
    dispatcher = workshop.portshare(config(["web"], site.address), **systemd.start_options)
    dispatcher.says(rf"no listener uses the socket 'ssh' .* 127\.0\.0\.1:{ssh.getsockname()[1]} wait in vain")
    assert "socket 'web'" not in dispatcher.stderr


class Clients:
    """Ask without pause, on connections of their own, and note each answer that is not right."""

    def __init__(self, port, count=4):
        self.wrong = []
        self.answers = 0
        self._port = port
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _ask(self):
        while not self._stopping.is_set():
            try:
                data, end = exchange(self._port, REQUEST)
            except OSError as error:
                data, end = repr(error).encode(), "error"
            if end == "close" and data.endswith(b"site\n"):
                self.answers += 1
            else:
                self.wrong.append((data, end))

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()


def test_a_restart_under_load_loses_no_connection(workshop, manager):
    site = workshop.nginx("site")
    web = listen(backlog=4096)
    systemd = manager([("web", web)])
    dispatcher = workshop.portshare(config(["web"], site.address), **systemd.start_options)
    clients = Clients(web.getsockname()[1])
    try:
        for _ in range(5):
            answers = clients.answers
            dispatcher.eventually(lambda: clients.answers > answers + 50 or clients.wrong, "answers")
            assert dispatcher.stop() == 0
            dispatcher = workshop.portshare(config(["web"], site.address), **systemd.start_options)
    finally:
        clients.stop()
    assert clients.wrong == []


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="systemd-socket-activate is not installed")
def test_with_systemds_own_tool(workshop, tmp_path):
    """Nobody runs until the first client comes, who is served all the same."""
    site = workshop.nginx("site")
    port = free_port()
    file = tmp_path / "portshare.toml"
    file.write_text(config(["web"], site.address))
    activator = Process("activator", ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "--fdname=web", BINARY, "run",
                                      "-c", file], tmp_path)
    try:
        activator.eventually(lambda: "Listening on" in activator.stderr, "a socket")
        assert exchange(port, REQUEST)[0].endswith(b"site\n")
        assert activator.stop() == 0
    finally:
        activator.kill()
