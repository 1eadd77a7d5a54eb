"""Servers that are given by name: their addresses change while portshare runs.

portshare runs in a network and with files of its own here (namespaces): /etc/resolv.conf leads to a small DNS server of
the test's, and /etc/hosts is the test's. Clients reach it over a unix socket."""

import json
import socket
import subprocess

import pytest

from harness.portshare import BINARY
from harness.process import run
from harness.sockets import free_port, read_to_end

# A DNS server which answers from the file ZONE, {name: {"addresses": […], "ttl": seconds}}, at 127.0.0.1:53, and servers at
# 127.0.0.11 to 15, port PORT, which answer their address. Python's standard library has neither.
NETWORK = r"""
import contextlib, ctypes, ipaddress, json, pathlib, signal, socket, struct, sys, threading, time

ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: ends with portshare
zone, asked, port = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])

def name_of(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels), at + 1

def answer(query):
    name, end = name_of(query)
    kind = struct.unpack(">H", query[end:end + 2])[0]
    with asked.open("a") as log:
        log.write(name + "\n")
    while (entries := json.loads(zone.read_text())) is None:
        time.sleep(0.01)
    entry = entries.get(name)
    addresses = [ipaddress.ip_address(text) for text in entry["addresses"]] if entry else []
    wanted = [each for each in addresses if (each.version == 4) == (kind == 1) and kind in (1, 28)]
    code = 0 if entry else 3
    header = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(wanted), 0, 0)
    records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, entry["ttl"], len(each.packed)) + each.packed
                       for each in wanted)
    return header + query[12:end + 4] + records

def serve(address):
    listener = socket.create_server((address, port))
    while True:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):  # a check does not wait for the answer
            connection.sendall(address.encode())
            connection.shutdown(socket.SHUT_WR)
            connection.recv(100)

for last in range(11, 16):
    threading.Thread(target=serve, args=(f"127.0.0.{last}",), daemon=True).start()
dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
dns.bind(("127.0.0.1", 53))
pathlib.Path(sys.argv[4]).touch()
while True:
    query, client = dns.recvfrom(512)
    threading.Thread(target=lambda query, client: dns.sendto(answer(query), client), args=(query, client)).start()
"""

# The command in namespaces of its own, where the files of the directory $1 stand for those of /etc.
OWN_NAMES = """
ip link set lo up
for file in resolv.conf hosts nsswitch.conf; do mount --bind "$1/$file" /etc/$file || exit 99; done
/usr/bin/python3 "$1/network.py" "$1/zone" "$1/asked" "$2" "$1/is-up" &
until [ -e "$1/is-up" ]; do sleep 0.02; done
shift 2
exec "$@"
"""


def no_namespaces():
    return run(["unshare", "-rnm", "sh", "-c",
                "ip link set lo up && mount --bind /etc/hosts /etc/resolv.conf"]).returncode != 0


pytestmark = pytest.mark.skipif(no_namespaces(), reason="this system lets us have no namespaces of our own")


class OwnNames:
    def __init__(self, workshop, servers, more='resolve = "1s"', zone=None, hosts="", starts=True, **options):
        directory = workshop.directory
        self.path = directory / "front.sock"
        self._directory, self._port = directory, free_port()
        self._backend = more
        self.zone(zone or {})
        self.hosts(hosts)
        (directory / "asked").touch()
        (directory / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        (directory / "nsswitch.conf").write_text("hosts: files dns\n")
        (directory / "network.py").write_text(NETWORK)
        self._prefix = ["unshare", "-rnm", "sh", "-c", OWN_NAMES, "sh", directory, str(self._port)]
        self.dispatcher = workshop.portshare(self.config(servers), prefix=self._prefix, **options) if starts else None

    def config(self, servers):
        servers = [f"{server}:{self._port}" for server in servers]
        return f"""
[listener.a]
bind = ["unix:{self.path}"]
protocols = []
default = "x"
[backend.x]
servers = {json.dumps(servers)}
{self._backend}
"""

    def _write(self, name, text):
        # In place, as the file is mounted.
        with (self._directory / name).open("r+" if (self._directory / name).exists() else "w") as file:
            file.write(text)
            file.truncate()

    def zone(self, entries):
        """{name: addresses}; None: the DNS server is silent, and answers later."""
        entries = entries and {name: {"addresses": addresses, "ttl": 1} for name, addresses in entries.items()}
        partial = self._directory / "zone.partial"
        partial.write_text(json.dumps(entries))
        partial.rename(self._directory / "zone")

    def hosts(self, text):
        self._write("hosts", "127.0.0.1 localhost\n" + text)

    def asked(self):
        return (self._directory / "asked").read_text().split()

    def ask(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(30)
            client.connect(str(self.path))
            client.shutdown(socket.SHUT_WR)
            return read_to_end(client)[0].decode()

    def becomes(self, *addresses):
        """Waits until connections go to these servers and to no other."""
        def goes_there():
            return {self.ask() for _ in range(2 * len(addresses) + 2)} == set(addresses)
        self.dispatcher.eventually(goes_there, f"connections to {addresses} alone")


def test_addresses_change(workshop):
    names = OwnNames(workshop, ["app.example"], zone={"app.example": ["127.0.0.11"]})
    names.becomes("127.0.0.11")
    names.zone({"app.example": ["127.0.0.12", "127.0.0.13"]})
    names.becomes("127.0.0.12", "127.0.0.13")
    names.dispatcher.says(r"info: app.example is 127.0.0.12, 127.0.0.13 now, no longer 127.0.0.11")
    names.zone({"app.example": ["127.0.0.13"]})
    names.becomes("127.0.0.13")
    names.dispatcher.says(r"info: app.example is 127.0.0.13 now, no longer 127.0.0.12\n")


def test_a_failure_keeps_the_addresses_and_says_so_once(workshop):
    names = OwnNames(workshop, ["app.example"], zone={"app.example": ["127.0.0.11"]})
    names.zone({})
    names.dispatcher.says("warning: cannot resolve app.example: .*; its servers stay 127.0.0.11")
    before = len(names.asked())
    names.dispatcher.eventually(lambda: len(names.asked()) >= before + 4, "two more questions")
    assert names.ask() == "127.0.0.11"
    assert names.dispatcher.stderr.count("cannot resolve app.example") == 1
    names.zone({"app.example": ["127.0.0.12"]})
    names.becomes("127.0.0.12")
    names.dispatcher.says("info: app.example can be resolved again")


def test_a_silent_name_server_keeps_nobody_waiting(workshop):
    names = OwnNames(workshop, ["app.example"], zone={"app.example": ["127.0.0.11"]})
    names.zone(None)
    before = len(names.asked())
    names.dispatcher.eventually(lambda: len(names.asked()) > before, "a question")
    for _ in range(50):
        assert names.ask() == "127.0.0.11"
    names.dispatcher.says("warning: cannot resolve app.example: ")


def test_a_reload_waits_for_a_silent_name_server_and_nobody_else_does(workshop):
    """All names are asked for at once; the program answers, and ends, as if nothing were."""
    names = OwnNames(workshop, ["app.example"], zone={"app.example": ["127.0.0.11"]}, admin=True)
    names.zone(None)
    new = ["one.example", "two.example", "three.example"]
    names.dispatcher.write_config(names.config(["app.example", *new]))
    reload = subprocess.Popen([BINARY, "reload", "--admin", names.dispatcher.admin], stderr=subprocess.PIPE, text=True)
    names.dispatcher.eventually(lambda: set(new) <= set(names.asked()), "questions for all of the names")
    assert names.dispatcher.ask("/status")[1]["config"]["reloads"] == 0
    assert names.ask() == "127.0.0.11"
    assert reload.poll() is None
    names.dispatcher.stop()
    assert reload.wait(30) == 1 and "connection" in reload.stderr.read()


def test_the_file_of_hosts_counts_too(workshop):
    names = OwnNames(workshop, ["box"], hosts="127.0.0.11 box\n")
    names.becomes("127.0.0.11")
    names.hosts("127.0.0.12 box\n")
    names.becomes("127.0.0.12")


def test_connections_and_what_is_known_stay(workshop):
    """The server that stays is down, and stays so although the other one changes."""
    health = 'health = { interval = "1h" }\nresolve = "1s"'
    names = OwnNames(workshop, ["app.example"], more=health,
                     zone={"app.example": ["127.0.0.11", "127.0.0.99"]})
    names.dispatcher.says("127.0.0.99:.* is down")
    names.becomes("127.0.0.11")
    names.zone({"app.example": ["127.0.0.12", "127.0.0.99"]})
    names.becomes("127.0.0.12")
    assert names.dispatcher.stderr.count("is down") == 1


def test_a_reload_follows_other_names(workshop):
    names = OwnNames(workshop, ["app.example"], zone={"app.example": ["127.0.0.11"], "other.example": ["127.0.0.14"]})
    names.becomes("127.0.0.11")
    assert names.dispatcher.reload(names.config(["other.example"]))
    names.becomes("127.0.0.14")
    names.zone({"other.example": ["127.0.0.15"]})
    names.becomes("127.0.0.15")
    assert not names.dispatcher.reload(names.config(["nobody.example"]).replace("resolve", "# resolve"))
    names.dispatcher.says("backend 'x': cannot resolve server 'nobody.example")
    names.becomes("127.0.0.15")


def test_reloads_that_wait_for_names_keep_their_order(workshop):
    names = OwnNames(workshop, ["app.example"], zone={"app.example": ["127.0.0.11"]})
    names.zone(None)
    names.dispatcher.begin_reload(names.config(["other.example"]))
    names.dispatcher.eventually(lambda: "other.example" in names.asked(), "a question for the new name")
    names.dispatcher.begin_reload(names.config(["127.0.0.14"]))
    names.zone({"other.example": ["127.0.0.12"]})
    names.dispatcher.eventually(lambda: names.dispatcher.stderr.count("is in force") == 2, "the end of both reloads")
    names.becomes("127.0.0.14")


def test_without_resolve_nothing_changes(workshop):
    names = OwnNames(workshop, ["app.example"], more='resolve = "0s"', zone={"app.example": ["127.0.0.11"]})
    asked = len(names.asked())
    names.zone({"app.example": ["127.0.0.12"]})
    assert {names.ask() for _ in range(20)} == {"127.0.0.11"}
    assert len(names.asked()) == asked


def test_a_name_may_come_later_where_it_is_looked_up_again(workshop):
    names = OwnNames(workshop, ["app.example"])
    names.dispatcher.says("warning: .*: backend 'x': cannot resolve server 'app.example:.*; it is left out")
    assert names.ask() == ""
    names.zone({"app.example": ["127.0.0.11"]})
    names.becomes("127.0.0.11")


def test_an_unknown_name_ends_the_start(workshop):
    names = OwnNames(workshop, [], more="", starts=False)
    with pytest.raises(AssertionError):
        workshop.portshare(names.config(["app.example"]), prefix=names._prefix)
    stderr = next(workshop.directory.glob("portshare-*/portshare.stderr")).read_text()
    assert "backend 'x': cannot resolve server 'app.example:" in stderr
