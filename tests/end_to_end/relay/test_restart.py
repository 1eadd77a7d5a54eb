"""A restart gets its port back at once, whatever the last run has left behind."""

import pathlib
import signal
import threading

import pytest

from harness.portshare import Portshare
from harness.sockets import connect, exchange, free_port, read_to_end

RESTARTS = 20
REQUEST = b"GET /who HTTP/1.0\r\n\r\n"


def states(port):
    """The states of the sockets with this local port, as /proc/net/tcp has them (<net/tcp_states.h>)."""
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return [field[3] for field in fields if int(field[1].partition(":")[2], 16) == port]


class Load:
    """Clients that come all the time, and bear it that nobody is there. Some never close what is closed on them."""

    def __init__(self, port, clients=3):
        self._port = port
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        self.served = 0

    def _run(self):
        left_open = []
        while not self._over.is_set():
            try:
                client = connect(self._port)
                client.sendall(REQUEST)
                answer = read_to_end(client)[0]
            except OSError:  # between two runs
                self._over.wait(0.001)
                continue
            self.served += answer.endswith(b"site\n")
            left_open.append(client)
            if len(left_open) > 20:
                left_open.pop(0).close()
        for client in left_open:
            client.close()

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_under_load_always_binds(workshop, tmp_path, number):
    server = workshop.nginx("site")
    port = free_port()
    config = f"""
[listener.l]
bind = ["0.0.0.0:{port}"]
default = "b"
[backend.b]
servers = ["{server.address}"]
"""
    left_behind = 0
    idle = []
    with Load(port) as load:
        for run in range(RESTARTS):
            dispatcher = Portshare(tmp_path / f"run-{run}", config, shutdown_timeout="100ms")
            try:
                assert exchange(port, REQUEST)[0].endswith(b"site\n")
                idle.append(connect(port))  # has said nothing yet when the end comes
                served = load.served
                dispatcher.eventually(lambda: load.served > served + 20, "clients that are served")
                dispatcher.signal(number)
                assert dispatcher.exit_code() == (0 if number == signal.SIGTERM else -signal.SIGKILL)
            finally:
                dispatcher.kill()
            left_behind += bool(states(port))
    for client in idle:
        client.close()
    assert left_behind > RESTARTS / 2, "nothing was left behind that could have been in the way"
