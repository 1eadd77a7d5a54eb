"""What portshare listens on is its own: a second process tries to get at it, in every way that Linux offers.

Linux lets a second socket listen on a port in one case only: both sockets have SO_REUSEPORT, and belong to one user. A
more specific address than a wildcard is no exception, nor is SO_REUSEADDR, which lets a socket pass by connections, but
not by one that listens; `portshare probe` shows all of it. portshare sets SO_REUSEADDR alone, so nobody gets in.

There is a gap in Linux (seen in 6.18), which docs/port-sharing.md explains, and of which the last tests here tell where
it is open and where it is not.
"""

import json
import os
import pathlib
import socket
import threading

import pytest

from harness.portshare import BINARY
from harness.process import Process, run
from harness.sockets import connect, exchange, free_port
from harness.waiting import eventually

THIEF = pathlib.Path(__file__).parents[1] / "harness/port_thief.py"
ROUNDS = 30
NOBODY = ("setpriv", "--reuid=65534", "--clear-groups")

ANY_IPV4 = {"127.0.0.1", "127.0.0.2", "0.0.0.0", "::ffff:127.0.0.1", "[::] and 0.0.0.0"}
ANY_IPV6 = {"::1", "::", "[::] and 0.0.0.0"}
# What overlaps with the addresses that portshare was given. Everything else is free, and the thief may have it.
OURS = {
    "127.0.0.1": ANY_IPV4 - {"127.0.0.2"},
    "0.0.0.0": ANY_IPV4,
    "[::1]": ANY_IPV6,
    "[::]": ANY_IPV6,
    "*": ANY_IPV4 | ANY_IPV6,
}
OPTIONS = ((), (socket.SO_REUSEADDR,), (socket.SO_REUSEPORT,), (socket.SO_REUSEADDR, socket.SO_REUSEPORT))


def configuration(bind, server):
    return f"""
[listener.l]
bind = ["{bind}"]
protocols = []
default = "b"
[backend.b]
servers = ["{server}"]
"""


def bound(address, port, options, only_ipv6=False):
    """A socket with that address, which does not listen yet."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    holder = socket.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_INET6:
        holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_ipv6)
    for option in options:
        holder.setsockopt(socket.SOL_SOCKET, option, 1)
    holder.bind((address, port))
    return holder


class Clients:
    """They come one after the other as long as the `with` lasts, and each must be served."""

    def __init__(self, port, address):
        self._where = {"port": port, "address": address}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answers = []

    def _run(self):
        while not self._over.is_set():
            try:
                self.answers.append(exchange(request=b"GET /who HTTP/1.0\r\n\r\n", **self._where)[0])
            except OSError as error:
                self.answers.append(repr(error).encode())

    def wait_for_some(self):
        so_far = len(self.answers)
        eventually(lambda: len(self.answers) > so_far + 5, "clients that are served")

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


@pytest.mark.parametrize("user", ["same", "other"])
@pytest.mark.parametrize("address", OURS)
def test_nobody_gets_at_a_port(workshop, address, user):
    if user == "other" and os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    server = workshop.nginx("site")
    port = free_port()
    workshop.portshare(configuration(f"{address}:{port}", server.address))
    with Clients(port, "::1" if "[" in address else "127.0.0.1") as clients:
        clients.wait_for_some()
        thief = run([*(NOBODY if user == "other" else ()), "/usr/bin/python3", THIEF, port, ROUNDS])
        clients.wait_for_some()
    assert thief.returncode == 0, thief.stderr
    ways = json.loads(thief.stdout)
    assert len(ways) == 7 * 4
    one_family = address != "*"
    for way in ways:
        if way["address"] == "[::] and 0.0.0.0" and "SO_REUSEPORT" in way["options"] and one_family:
            continue  # the gap: it may listen beside us, but all connections are still ours, as the clients see
        expected = ["EADDRINUSE"] if way["address"] in OURS[address] else ["listens"]
        assert way["results"] == expected, way
    assert all(answer.endswith(b"\r\nsite\n") for answer in clients.answers), set(clients.answers)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("held, bind", (("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1"),
                                        ("::1", "[::]"), ("::", "[::1]"), ("127.0.0.1", "*")))
def test_portshare_does_not_listen_beside_another_program(tmp_path, held, bind, options):
    """It would get only a part of the connections, or none."""
    port = free_port()
    with bound(held, port, options) as holder:
        holder.listen()
        config = tmp_path / "portshare.toml"
        config.write_text(configuration(f"{bind}:{port}", "127.0.0.1:9"))
        program = Process("portshare", [BINARY, "run", "-c", config], tmp_path)
        assert program.exit_code() == 1
        assert "in use" in program.stderr and "ready" not in program.stderr.splitlines()


def test_who_has_bound_the_port_without_listening_does_not_get_it_later(workshop):
    """SO_REUSEADDR lets both be bound as long as neither listens. The first to listen wins."""
    server = workshop.nginx("site")
    port = free_port()
    with bound("127.0.0.1", port, [socket.SO_REUSEADDR]) as lurker:
        workshop.portshare(configuration(f"0.0.0.0:{port}", server.address))
        with pytest.raises(OSError, match="in use"):
            lurker.listen()
        # Nor when it changes its mind about how it wants to share.
        lurker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError, match="in use"):
            lurker.listen()
        assert exchange(port, b"GET /who HTTP/1.0\r\n\r\n")[0].endswith(b"site\n")


SO_INCOMING_CPU = 49  # <asm-generic/socket.h>


def slip_in(port, other_family):
    """Sockets that take connections of others where Linux lets them.

    The first belongs to the other family of addresses, where nobody is, so it may share its port. After that Linux
    compares sockets that want to share with this one alone, and takes [::] without IPV6_V6ONLY for its equal: it may be
    bound, whoever listens. It gets the connections if it is tied more closely to them than the rightful socket, by their
    device and by the CPU where they arrive.
    """
    first = bound(other_family, port, [socket.SO_REUSEPORT], only_ipv6=True)
    thieves = []
    for cpu in range(os.cpu_count()):
        thief = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        thief.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        thief.setsockopt(socket.SOL_SOCKET, SO_INCOMING_CPU, cpu)
        thief.bind(("::", port))
        thief.listen()
        thieves.append(thief)
    return [first, *thieves]


def has_come(listener):
    listener.setblocking(False)
    try:
        listener.accept()[0].close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("bind, other_family", (("127.0.0.1:{}", "::"), ("[::1]:{}", "0.0.0.0")))
def test_nobody_slips_in_where_the_address_is_named(workshop, bind, other_family):
    server = workshop.nginx("site")
    port = free_port()
    workshop.portshare(configuration(bind.format(port), server.address))
    try:
        thieves = slip_in(port, other_family)
    except OSError:
        thieves = []  # a kernel without the gap
    try:
        for _ in range(20):
            answer = exchange(port, b"GET /who HTTP/1.0\r\n\r\n", address="::1" if "[" in bind else "127.0.0.1")[0]
            assert answer.endswith(b"site\n")
    finally:
        for thief in thieves:
            thief.close()


@pytest.mark.parametrize("other_family", ["::", "0.0.0.0"])
def test_nobody_slips_in_where_both_families_are_ours(workshop, other_family):
    server = workshop.nginx("site")
    port = free_port()
    workshop.portshare(configuration(f"*:{port}", server.address))
    with pytest.raises(OSError, match="in use"):
        slip_in(port, other_family)


@pytest.mark.parametrize("bind, other_family", (("0.0.0.0:{}", "::"), ("[::]:{}", "0.0.0.0")))
def test_the_gap_of_linux_is_as_documented(workshop, bind, other_family):
    """The wildcard of one family alone. If this fails, docs/port-sharing.md has to be changed."""
    port = free_port()
    dispatcher = workshop.portshare(configuration(bind.format(port), "127.0.0.1:9"))
    try:
        thieves = slip_in(port, other_family)
    except OSError:
        pytest.skip("this kernel does not have the gap")
    with connect(port, address="::1" if "[" in bind else "127.0.0.1"):
        eventually(lambda: any(map(has_come, thieves[1:])), "a connection that goes to the thief")
    dispatcher.says(rf"a second program on its port: .*pid {os.getpid()}.* takes every connection")
    for thief in thieves:
        thief.close()
