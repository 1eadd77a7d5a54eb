"""Servers see the client's own address: `transparent`, with the routes of docs/transparent.md.

portshare runs in a network of its own here (a namespace) between two others: that of the client and that of a server.
Another server is on the same host as portshare."""

import socket

import pytest

from harness.process import run
from harness.sockets import free_port

# A host in a network of its own: answers connections to port 8001 with the address that they come from, and makes
# connections for the test, which asks for them over the unix socket DIRECTORY/NAME.sock. It ends with its parent.
HOST = r"""
import contextlib, ctypes, os, pathlib, signal, socket, sys, threading

directory, name, is_apart = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "apart"
libc = ctypes.CDLL(None)
libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
if is_apart:
    assert libc.unshare(0x40000000) == 0  # CLONE_NEWNET
(directory / f"{name}.partial").write_text(str(os.getpid()))
(directory / f"{name}.partial").rename(directory / f"{name}.pid")

def serve(family, address):
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, 8001))
    listener.listen()
    while True:
        connection, peer = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(f"{name} saw {peer[0].removeprefix('::ffff:')}".encode())
            connection.shutdown(socket.SHUT_WR)
            connection.recv(100)

threading.Thread(target=serve, args=(socket.AF_INET6, "::"), daemon=True).start()
control = socket.socket(socket.AF_UNIX)
control.bind(str(directory / f"{name}.sock"))
control.listen()
while True:
    asker, _ = control.accept()
    with asker:
        address, port = asker.recv(4096).decode().split()
        with contextlib.suppress(OSError), socket.create_connection((address, int(port)), timeout=30) as client:
            client.shutdown(socket.SHUT_WR)
            while piece := client.recv(4096):
                asker.sendall(piece)
"""

# The rules are those of docs/transparent.md: for servers on another host, and for one on this host.
NETWORKS = """
set -e
ip link set lo up
for host in client server; do /usr/bin/python3 "$1/host.py" "$1" $host apart & done
until [ -e "$1/client.pid" ] && [ -e "$1/server.pid" ]; do sleep 0.02; done
connect() {
  ip link add $1 type veth peer name eth0 netns "$2"
  ip address add $3.1/24 dev $1; ip address add $4::1/64 dev $1 nodad; ip link set $1 up
  nsenter -t "$2" -n sh -ec "ip link set lo up; ip link set eth0 up; ip address add $3.2/24 dev eth0;
    ip address add $4::2/64 dev eth0 nodad; ip route add default via $3.1; ip -6 route add default via $4::1"
}
connect clients "$(cat "$1/client.pid")" 10.1.0 fd00:1
connect servers "$(cat "$1/server.pid")" 10.2.0 fd00:2
ip address add 10.9.9.9/32 dev lo
/usr/bin/python3 "$1/host.py" "$1" local here &
until [ -e "$1/local.sock" ] && [ -e "$1/client.sock" ] && [ -e "$1/server.sock" ]; do sleep 0.02; done
for family in -4 -6; do ip $family route add local default dev lo table 100; done
ip rule add from 10.2.0.2 ipproto tcp sport 8001 lookup 100
ip -6 rule add from fd00:2::2 ipproto tcp sport 8001 lookup 100
ip rule add from 10.9.9.9 iif lo ipproto tcp sport 8001 lookup 100
shift
exec "$@"
"""

CONFIG = """
[listener.far]
bind = ["*:80"]
protocols = []
default = "far"
[listener.near]
bind = ["*:81"]
protocols = []
default = "near"
[listener.both]
bind = ["*:82"]
protocols = []
default = "both"
[backend.far]
servers = ["10.2.0.2:8001"]
transparent = true
[backend.near]
servers = ["10.9.9.9:8001"]
transparent = true
[backend.both]
servers = ["10.2.0.2:8001", "[fd00:2::2]:8001"]
transparent = true
"""


def no_namespaces():
    return run(["unshare", "-rn", "sh", "-c",
                "ip link set lo up && ip rule add from 10.2.0.2 ipproto tcp sport 8001 lookup 100"]).returncode != 0


pytestmark = pytest.mark.skipif(no_namespaces(), reason="this system lets us have no network of our own")


@pytest.fixture
def networks(workshop):
    (workshop.directory / "host.py").write_text(HOST)
    prefix = ["unshare", "-rn", "sh", "-c", NETWORKS, "sh", workshop.directory]
    dispatcher = workshop.portshare(CONFIG, prefix=prefix)

    def ask(address, port):
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(30)
            control.connect(str(workshop.directory / "client.sock"))
            control.sendall(f"{address} {port}".encode())
            return b"".join(iter(lambda: control.recv(4096), b"")).decode()

    ask.dispatcher = dispatcher
    return ask


def test_a_server_on_another_host_sees_the_client(networks):
    for _ in range(20):
        assert networks("10.1.0.1", 80) == "server saw 10.1.0.2"


def test_a_server_on_the_same_host_sees_the_client(networks):
    for _ in range(20):
        assert networks("10.1.0.1", 81) == "local saw 10.1.0.2"


def test_a_client_of_the_other_family_goes_to_a_server_of_its_own(networks):
    for _ in range(6):
        assert networks("10.1.0.1", 82) == "server saw 10.1.0.2"
        assert networks("fd00:1::1", 82) == "server saw fd00:1::2"
    assert "gets no connections" not in networks.dispatcher.stderr, "it is not the servers' fault"
    assert networks("fd00:1::1", 80) == "", "there is no server for it"
    networks.dispatcher.logged(outcome="refused", listener="far")


def test_without_the_privilege_the_start_fails(workshop):
    config = f"""
[listener.l]
bind = ["127.0.0.1:{free_port()}"]
protocols = []
default = "b"
[backend.b]
servers = ["127.0.0.1:{free_port()}"]
transparent = true
"""
    drop = ["setpriv", "--bounding-set=-net_admin,-net_raw", "--inh-caps=-all", "--ambient-caps=-all"]
    with pytest.raises(AssertionError):
        workshop.portshare(config, prefix=["unshare", "-rn", *drop])
    stderr = next(workshop.directory.glob("portshare-*/portshare.stderr")).read_text()
    assert "backend 'b': transparent: connecting from a client's address needs CAP_NET_ADMIN" in stderr
