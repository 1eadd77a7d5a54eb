"""Connections that come back to portshare itself although nobody could know it at the start.

portshare runs in a network of its own here (a namespace), in which the test changes what it likes; clients reach it over
a unix socket."""

import socket

import pytest

from harness.process import run
from harness.sockets import free_port, read_to_end

OPENING = b"SSH-2.0-client\r\n"  # whoever is connected to itself would get it back

# The command in a network with nothing but loopback. What stands in the file $1, once there is one, is run in it.
OWN_NETWORK = """
ip link set lo up
(until [ -e "$1" ]; do sleep 0.02; done; . "$1"; : > "$1.done") &
shift
exec "$@"
"""


def no_namespaces():
    return run(["unshare", "-rn", "sh", "-c", "ip link set lo up"]).returncode != 0


pytestmark = pytest.mark.skipif(no_namespaces(), reason="this system lets us have no network namespace")


class OwnNetwork:
    def __init__(self, workshop, binds, servers):
        self.path = workshop.directory / "front.sock"
        self._script = workshop.directory / "change"
        self.dispatcher = workshop.portshare(f"""
[listener.a]
bind = {[f"unix:{self.path}", *binds]}
protocols = ["ssh"]
default = "x"
[backend.x]
servers = {servers}
connect_timeout = "10s"
""", prefix=["unshare", "-rn", "sh", "-c", OWN_NETWORK, "sh", self._script])

    def change(self, command):
        partial = self._script.with_suffix(".partial")
        partial.write_text(command)
        partial.rename(self._script)
        done = self._script.with_name("change.done")
        self.dispatcher.eventually(done.exists, command)

    def ask(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(30)
            client.connect(str(self.path))
            client.sendall(OPENING)
            return read_to_end(client)[0]


@pytest.mark.parametrize("wildcard, address", (("0.0.0.0:{}", "10.9.9.9"), ("[::]:{}", "2001:db8::9")))
def test_an_address_that_becomes_this_hosts(workshop, wildcard, address):
    port = free_port()
    server = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    network = OwnNetwork(workshop, [wildcard.format(port)], [server])
    assert network.ask() == b"", "there is no such host"
    network.change(f"ip addr add {address}/{128 if ':' in address else 32} dev lo {'nodad' if ':' in address else ''}")
    for _ in range(3):
        assert network.ask() == b""
    network.dispatcher.says(r"error: worker \d: backend 'x': server .* leads back to portshare")
    assert network.dispatcher.stderr.count("leads back") <= 2, "once per worker, and not again so soon"

    def outcomes():  # of the clients; what came back was accepted, too, and reset
        return [record["outcome"] for record in network.dispatcher.access() if record["bytes_in"] == len(OPENING)]
    network.dispatcher.eventually(lambda: len(outcomes()) == 4, "four lines")
    assert outcomes() == 4 * ["refused"]


def test_a_connect_that_meets_itself_is_refused(workshop):
    """With one port for outgoing connections, and nobody who listens on it, a connect to it is its own peer."""
    port = 40_000
    network = OwnNetwork(workshop, [], [f"127.0.0.1:{port}"])
    network.change(f"echo '{port} {port}' > /proc/sys/net/ipv4/ip_local_port_range")
    for _ in range(3):
        assert network.ask() == b""
    network.dispatcher.eventually(lambda: len(network.dispatcher.access()) == 3, "three lines")
    assert all(record["outcome"] == "refused" for record in network.dispatcher.access())
    assert all(record["bytes_in"] == len(OPENING) for record in network.dispatcher.access())
