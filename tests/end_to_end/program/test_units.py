"""The units in conf/: systemd understands them, they lock much away, and what they lock away is not missed."""

import pathlib
import re
import shutil
import signal
import socket
import threading

import pytest

from conftest import io_uring_forbidden
from harness.portshare import BINARY, ROOT
from harness.process import Process, run
from harness.service_manager import ServiceManager
from harness.sockets import accept, connect, exchange, free_port, listen, receive_exactly
from relay.test_upgrade import Generations

SERVICE = ROOT / "conf" / "portshare.service"
SOCKET = ROOT / "conf" / "portshare.socket"
ONLY_SYSTEM_CALLS = pathlib.Path(__file__).parent.parent / "harness" / "only_system_calls.py"

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


def values(unit, key):
    return re.findall(rf"^{key}=(.*)$", unit.read_text(), re.MULTILINE)


def test_systemd_understands_the_units(tmp_path):
    for unit in (SERVICE, SOCKET):
        # The program is not where the unit says in a build.
        (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/local/bin/portshare", str(BINARY)))
    result = run(["systemd-analyze", "verify", tmp_path / SERVICE.name, tmp_path / SOCKET.name])
    assert result.returncode == 0 and str(tmp_path) not in result.stderr, result


def test_the_service_is_not_exposed():
    result = run(["systemd-analyze", "security", "--offline=true", "--no-pager", SERVICE])
    assert result.returncode == 0, result
    exposure = float(re.search(r"Overall exposure level for portshare\.service: ([0-9.]+)", result.stdout)[1])
    assert exposure <= 1.6, result.stdout  # of 10; what is left is the network, which is its work


def test_the_socket_has_the_name_that_it_says():
    assert values(SOCKET, "FileDescriptorName") == re.findall(r'bind = \["systemd:(.*)"\]', SOCKET.read_text())


def system_call_groups():
    groups, name = {}, None
    for line in run(["systemd-analyze", "--no-pager", "syscall-filter"]).stdout.splitlines():
        if line.startswith("@"):
            name = line.strip()
            groups[name] = []
        elif line.startswith(" ") and name and not line.strip().startswith("#"):
            groups[name].append(line.strip())
        else:
            name = name if line.strip() else None
    return groups


def allowed_system_calls():
    """The names that SystemCallFilter= lets through, in the order of its lines."""
    groups = system_call_groups()

    def expand(word):
        return {name for each in groups[word] for name in expand(each)} if word.startswith("@") else {word}

    allowed = set()
    for line in values(SERVICE, "SystemCallFilter"):
        names = {name for word in line.removeprefix("~").split() for name in expand(word)}
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


def numbers_of(names):
    """On this architecture; some names belong to others."""
    macros = run(["cc", "-E", "-dM", "-include", "asm/unistd.h", "-x", "c", "/dev/null"]).stdout
    known = dict(re.findall(r"^#define __NR_(\w+) (\d+)$", macros, re.MULTILINE))
    return [known[name] for name in sorted(names) if name in known]


def only_allowed_system_calls():
    return ("/usr/bin/python3", ONLY_SYSTEM_CALLS, ",".join(numbers_of(allowed_system_calls())))


def test_another_system_call_would_be_seen(tmp_path):
    """The filter of the next test does end a program."""
    be_nice = ("/usr/bin/python3", "-c", "import os; os.nice(1)")  # of @resources
    process = Process("nice", [*only_allowed_system_calls(), *be_nice], tmp_path)
    assert process.exit_code() == -signal.SIGSYS
    process = Process("true", [*only_allowed_system_calls(), "true"], tmp_path)
    assert process.exit_code() == 0


@pytest.mark.parametrize("engine", ["epoll"] + ([] if io_uring_forbidden() else ["io_uring"]))
def test_the_system_calls_of_the_unit_are_enough(workshop, tmp_path, engine):
    site = workshop.nginx("site")
    server, address = workshop.listen()
    ports = {name: free_port() for name in ("web", "raw")}
    passed = listen()
    systemd = ServiceManager(tmp_path, [("passed", passed)], watchdog_seconds=1)
    options = systemd.start_options
    options["prefix"] = (*options["prefix"], *only_allowed_system_calls())
    generations = Generations(workshop, f"""
[listener.web]
bind = ["127.0.0.1:{ports["web"]}", "[::1]:{ports["web"]}", "unix:{tmp_path}/web.sock", "systemd:passed"]
max_connections_per_source = 1000
default = "site"
[listener.raw]
bind = ["127.0.0.1:{ports["raw"]}"]
protocols = []
default = "raw"
[backend.site]
servers = ["localhost:{site.address.rpartition(":")[2]}"]
forwarded = true
[backend.raw]
servers = ["{address}"]
proxy_protocol = "v2"
""", engine=engine, **options)
    dispatcher = generations.dispatcher
    dispatcher.says(f"workers with {engine}")
    request = b"GET /who HTTP/1.0\r\n\r\n"
    assert exchange(ports["web"], request)[0].endswith(b"site\n")
    assert exchange(ports["web"], request, address="::1")[0].endswith(b"site\n")
    assert exchange(passed.getsockname()[1], request)[0].endswith(b"site\n")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{tmp_path}/web.sock")
        client.sendall(request)
        assert b"site" in client.makefile("rb").read()
    with connect(ports["raw"]) as client, accept(server) as behind:
        behind.recv(28, socket.MSG_WAITALL)  # the PROXY header
        much = b"bytes" * 1_000_000
        client.settimeout(None)
        behind.settimeout(None)
        sender = threading.Thread(target=client.sendall, args=(much,))
        sender.start()
        assert receive_exactly(behind, len(much)) == much
        sender.join()
    assert dispatcher.logged(listener="raw")
    assert "READY" in systemd.wait_for("READY")
    dispatcher.signal(signal.SIGHUP)
    dispatcher.says("is in force")
    generations.upgrade()
    assert exchange(ports["web"], request)[0].endswith(b"site\n")
    generations.stop()
    systemd.close()
