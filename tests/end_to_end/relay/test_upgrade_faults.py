"""An upgrade where somebody does not do his part: a successor that hangs, a worker that hangs, an early end."""

import ctypes
import os
import pathlib
import signal
import subprocess
import threading

import pytest

from harness.portshare import BINARY
from harness.sockets import accept, connect, free_port, read_to_end, receive_exactly
from harness.waiting import eventually
from relay.test_reload import Answers, by_address, exchange_until_end
from relay.test_upgrade import Generations, is_running

# A successor as the old program sees it: docs/upgrade.md has the conversation.
SUCCESSOR = """#!/usr/bin/python3
import os, socket, sys, time
channel = socket.socket(fileno=int(os.environ["PORTSHARE_TAKEOVER"]))

def until(kind):
    while True:
        message = channel.recv(65536)
        if not message:
            sys.exit(0)
        if message[:1] == kind:
            return

def note(text):
    with open("FOLDER/notes", "a") as notes:
        print(text, file=notes)

def wait_for(name):
    while not os.path.exists("FOLDER/" + name):
        time.sleep(0.01)

"""


@pytest.fixture
def successor(tmp_path):
    """Makes a program that behaves as its script says, and what it notes."""

    def make(script):
        program = tmp_path / "successor"
        program.write_text((SUCCESSOR + script).replace("FOLDER", str(tmp_path)))
        program.chmod(0o755)
        return program, lambda: (tmp_path / "notes").read_text().split() if (tmp_path / "notes").exists() else []

    return make


def exchange_a_byte(client, server):
    client.sendall(b"x")
    assert receive_exactly(server, 1) == b"x"
    server.sendall(b"y")
    assert receive_exactly(client, 1) == b"y"


def test_connections_of_a_successor_that_hangs_go_on(workshop, tmp_path, successor):
    listener, address = workshop.listen()
    port = free_port()
    generations = Generations(workshop, by_address({"l": (f"127.0.0.1:{port}", "b")}, {"b": address}), admin=True)
    program, notes = successor("""
until(b"A")
channel.send(b"R")
until(b"S")
note(os.getpid())
wait_for("goes on")
try:
    channel.send(b"Y")
    note("heard")
except BrokenPipeError:
    note("too-late")
""")
    with connect(port) as one, accept(listener) as its_server, connect(port) as two, accept(listener) as twos_server:
        exchange_a_byte(one, its_server)
        exchange_a_byte(two, twos_server)
        assert generations.command("upgrade", program).returncode == 0
        eventually(notes, "a session at the successor")
        # They stand still until the old program has had enough of it; then it is the only one that has them.
        for client, server in ((one, its_server), (two, twos_server)):
            exchange_a_byte(client, server)
        generations.says("has not answered for 10")
        (tmp_path / "goes on").touch()
        eventually(lambda: len(notes()) == 2, "a note")
        assert notes()[1] == "too-late", "an answer that comes too late counts for nothing"
        for client, server in ((one, its_server), (two, twos_server)):
            exchange_a_byte(client, server)
    eventually(lambda: not generations.running(), "an end after the last connection")


def test_an_end_while_the_successor_starts_ends_it_too(workshop, successor):
    one = Answers(workshop, "one")
    port = free_port()
    generations = Generations(workshop, by_address({"a": (f"127.0.0.1:{port}", "one")}, {"one": one.address}), admin=True)
    program, notes = successor("""
until(b"A")
note(os.getpid())
time.sleep(600)
""")
    with subprocess.Popen([BINARY, "upgrade", program, "--admin", f"unix:{generations.admin}"],
                          stderr=subprocess.PIPE, text=True) as command:
        pid = int(eventually(notes, "a successor")[0])
        generations.terminate()
        _, said = command.communicate(timeout=30)
        assert command.returncode == 1 and "has been told to end" in said
    assert generations.exit_code() == 0
    assert not is_running(pid)


def test_an_upgrade_waits_for_the_reload_before_it(workshop):
    one, two = Answers(workshop, "one"), Answers(workshop, "two")
    port = free_port()
    backends = {"one": one.address, "two": two.address}
    generations = Generations(workshop, by_address({"a": (f"127.0.0.1:{port}", "one")}, backends))
    text = generations.config_file.read_text()
    generations.config_file.write_text(text.replace('default = "one"', 'default = "two"'))
    os.kill(generations.pids[0], signal.SIGHUP)
    generations.upgrade()
    log = generations.log
    assert log.index("is in force") < log.index("upgrade: starting")
    assert exchange_until_end(port) == (b"two", "close")
    generations.stop()


def test_a_reload_waits_for_the_upgrade_before_it(workshop, tmp_path, successor):
    one, two = Answers(workshop, "one"), Answers(workshop, "two")
    port = free_port()
    backends = {"one": one.address, "two": two.address}
    generations = Generations(workshop, by_address({"a": (f"127.0.0.1:{port}", "one")}, backends), admin=True)
    program, notes = successor("""
until(b"A")
note("asked")
wait_for("goes on")
channel.send(b"F" + b"not today")
""")
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    admin = ["--admin", f"unix:{generations.admin}"]
    with subprocess.Popen([BINARY, "upgrade", program, *admin], **options) as upgrade:
        eventually(notes, "a successor")
        text = generations.config_file.read_text().replace('default = "one"', 'default = "two"')
        generations.config_file.write_text(text + f'[backend.idle]\nservers = ["{one.address}"]\n')
        with subprocess.Popen([BINARY, "reload", *admin], **options) as reload:
            # The next command on the socket is answered while that one waits.
            assert generations.command("status").returncode == 0
            assert exchange_until_end(port) == (b"one", "close")
            (tmp_path / "goes on").touch()
            changes, warnings = reload.communicate(timeout=30)
        assert "not today" in upgrade.communicate(timeout=30)[1]
    assert reload.returncode == 0 and "default" in changes
    assert "warning" in warnings and "'idle'" in warnings
    assert exchange_until_end(port) == (b"two", "close")
    generations.stop()


def test_what_a_successor_says_is_heard_though_it_does_not_listen(workshop, successor):
    one = Answers(workshop, "one")
    port = free_port()
    generations = Generations(workshop, by_address({"a": (f"127.0.0.1:{port}", "one")}, {"one": one.address}), admin=True)
    program, _ = successor("""
until(b"H")
channel.send(b"F" + b"it speaks another protocol")
""")
    result = generations.command("upgrade", program)
    assert result.returncode == 1 and "it speaks another protocol" in result.stderr
    assert exchange_until_end(port) == (b"one", "close")


def test_a_failed_upgrade_leaves_the_file_of_a_listener(workshop, tmp_path):
    one = Answers(workshop, "one")
    _, taken = workshop.listen()
    port = free_port()
    path = tmp_path / "web.sock"
    listeners = {"a": ([f"127.0.0.1:{port}", f"unix:{path}"], "one")}
    generations = Generations(workshop, by_address(listeners, {"one": one.address}), admin=True)
    file = path.stat()
    text = generations.config_file.read_text()
    generations.config_file.write_text(text.replace("[listener.a]", f'[listener.b]\nbind = ["{taken}"]\ndefault = "one"\n[listener.a]'))
    assert generations.command("upgrade").returncode == 1
    assert path.exists() and os.path.samestat(path.stat(), file)
    assert exchange_until_end(port) == (b"one", "close")
    generations.config_file.write_text(text)
    generations.upgrade()
    eventually(lambda: generations.ended(generations.pids[0]), "an end of the old one")
    assert os.path.samestat(path.stat(), file)
    generations.stop()
    assert not path.exists()


class StoppedThread:
    """A worker of a program that does nothing as long as this lasts: another process may hold a single thread
    (ptrace(2)), from one thread of its own."""

    _SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17
    _WAITS = {232, 281, 441, 426}  # epoll_wait, epoll_pwait, epoll_pwait2, io_uring_enter of x86-64

    def __init__(self, pid):
        self._ends = threading.Event()
        self._stopped = threading.Event()
        self._error = None
        # The main thread is the control thread; workers are the others that wait for sockets.
        workers = eventually(lambda: [int(task.name) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
                                      if int(task.name) != pid and self._waits(task)], "a worker")
        self._thread = threading.Thread(target=self._hold, args=(workers[0],))

    def _waits(self, task):
        call = (task / "syscall").read_text().split()[0]
        return call.isdigit() and int(call) in self._WAITS

    def _hold(self, thread):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        libc.ptrace.restype = ctypes.c_long
        if libc.ptrace(self._SEIZE, thread, None, None) != 0 or libc.ptrace(self._INTERRUPT, thread, None, None) != 0:
            self._error = os.strerror(ctypes.get_errno())
            return self._stopped.set()
        all_kinds = 0x40000000  # __WALL
        os.waitpid(thread, all_kinds)
        self._stopped.set()
        while not self._ends.wait(0.01):
            # A program does not end before somebody has asked for the ends of its threads.
            if os.waitpid(thread, all_kinds | os.WNOHANG)[0] == thread:
                return
        libc.ptrace(self._DETACH, thread, None, None)

    def __enter__(self):
        self._thread.start()
        self._stopped.wait()
        if self._error:
            pytest.skip(f"no thread can be held here: {self._error}")
        return self

    def __exit__(self, *_):
        self._ends.set()
        self._thread.join()


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="knows the numbers of system calls there")
def test_a_worker_that_hangs_keeps_neither_the_others_nor_the_end(workshop):
    listener, address = workshop.listen()
    port = free_port()
    generations = Generations(workshop, by_address({"l": (f"127.0.0.1:{port}", "b")}, {"b": address}),
                              admin=True, shutdown_timeout="1s")
    pairs = []
    while not pairs or not all(worker["connections"] for worker in generations.ask("/status")[1]["workers"]):
        clients = [connect(port) for _ in range(32)]  # at once, so that both workers are woken
        for number, client in enumerate(clients):
            client.sendall(bytes([number]))
        for server in [accept(listener) for _ in clients]:
            pairs.append((clients[receive_exactly(server, 1)[0]], server))
    with StoppedThread(generations.pids[0]):
        generations.upgrade()
        status, document = generations.ask("/status")
        assert (status, document["pid"]) == (200, generations.pids[1])
        # What the stuck worker has stands still, and the rest moves.
        for client, _ in pairs:
            client.sendall(b"x")
        generations.says("a worker is stuck; this process ends without it, and its connections")
        eventually(lambda: generations.ended(generations.pids[0]), "an end of the old one")
    moved = []
    for client, server in pairs:
        try:
            moved.append(server.recv(1) == b"x")
        except ConnectionResetError:
            moved.append(False)
        if moved[-1]:
            server.sendall(b"y")
            assert receive_exactly(client, 1) == b"y"
        else:
            assert read_to_end(client)[1] in ("close", "reset")
    assert any(moved) and not all(moved)
    for pair in pairs:
        for connection in pair:
            connection.close()
    generations.stop()
