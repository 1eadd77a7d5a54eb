"""A listener that cannot have its address: `run` says who is in the way, and what to do about it."""

import contextlib
import os
import socket
import tempfile

import pytest

from harness.port_holder import PortHolder
from harness.portshare import BINARY
from harness.process import run
from harness.service import service
from harness.sockets import connect, free_port, listen

CONFIG = """\
[listener.front]
bind = {binds}
default = "web"
[backend.web]
servers = ["unix:/nowhere.sock"]
"""


@pytest.fixture
def start(tmp_path):
    """Runs portshare, which cannot start; what it says."""

    def start(*binds, prefix=()):
        path = tmp_path / "portshare.toml"
        path.write_text(CONFIG.format(binds=list(binds)))
        result = run([*prefix, BINARY, "run", "-c", path])
        assert result.returncode == 1 and "ready" not in result.stderr.splitlines(), result
        return result.stderr

    return start


@pytest.fixture
def hold(tmp_path):
    holders = []

    def start(*what):
        holders.append(PortHolder(tmp_path / "holder", *what))
        return holders[-1]

    yield start
    for each in holders:
        each.kill()


def test_a_second_process_on_the_same_address(start, hold):
    port = free_port()
    process = hold(f"tcp,127.0.0.1,{port}")
    said = start(f"127.0.0.1:{port}")
    assert f"listener 'front': cannot listen on 127.0.0.1:{port}: the address is already in use" in said
    assert f"(pid {process.pid}, user " in said and f"listens on 127.0.0.1:{port}" in said
    assert "its command line: " in said and "import socket, sys, time" in said
    assert "stop it: " in said and "'servers' of a backend" in said
    assert "except" not in said


def test_a_service_is_to_be_stopped_as_one(start, hold):
    port = free_port()
    process = hold(f"tcp,127.0.0.1,{port}")
    with service("web.service", process.pid) as unit:
        if not unit:
            pytest.skip("this system lets us have no control group")
        said = start(f"127.0.0.1:{port}")
        assert f"(pid {process.pid}, user " in said and f", {unit})" in said
        assert f"- stop it: systemctl stop {unit}\n" in said


def test_another_portshare(start, workshop):
    port = free_port()
    other = workshop.portshare(CONFIG.format(binds=[f"127.0.0.1:{port}"]))
    said = start(f"127.0.0.1:{port}")
    assert f"portshare (pid {other.pid}, user " in said and f"kill -HUP {other.pid}" in said


def test_a_wildcard_of_ours_and_addresses_of_theirs(start, hold):
    port = free_port()
    process = hold(f"tcp,127.0.0.3,{port}", f"tcp,127.0.0.4,{port}")
    said = start(f"0.0.0.0:{port}", f"[::]:{port}")
    assert f"(pid {process.pid}, user " in said
    assert 'except = ["127.0.0.3", "127.0.0.4"] in [listener.front]' in said
    assert said.count("cannot listen") == 1  # nobody is in the way of [::]


def test_an_address_of_ours_and_a_wildcard_of_theirs(start, hold):
    port = free_port()
    process = hold(f"tcp,::,{port}")
    said = start(f"[::1]:{port}")
    assert f"(pid {process.pid}, user " in said and "takes the port on every address" in said


def test_what_stands_in_the_way_of_ipv4_may_be_ipv6(start):
    """A socket of IPv6 on [::] without IPV6_V6ONLY takes IPv4 as well."""
    port = free_port()
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True):
        said = start(f"127.0.0.1:{port}")
        assert f"(pid {os.getpid()}, user " in said and f"listens on *:{port}" in said


def test_a_socket_that_is_bound_and_does_not_listen(start):
    major, minor = os.uname().release.split(".")[:2]
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", free_port()))
        said = start("127.0.0.1:%d" % bound.getsockname()[1])
        if (int(major), int(minor)) >= (6, 8):
            assert f"(pid {os.getpid()}, user " in said and "without listening" in said
        else:
            assert "Linux before 6.8" in said


def test_an_outgoing_connection(start):
    with listen() as listener, connect(listener.getsockname()[1]) as client:
        port = client.getsockname()[1]
        said = start(f"127.0.0.1:{port}")
        assert f"(pid {os.getpid()}, user " in said
        assert f"uses 127.0.0.1:{port} for its connection to 127.0.0.1:{listener.getsockname()[1]}" in said
        assert f"ip_local_reserved_ports={port}" in said


def test_the_monitor(tmp_path, hold):
    port = free_port()
    process = hold(f"tcp,127.0.0.1,{port}")
    path = tmp_path / "portshare.toml"
    path.write_text(f'[server]\nadmin = "off"\nmonitor = "127.0.0.1:{port}"\n' +
                    CONFIG.format(binds=[f"127.0.0.1:{free_port()}"]))
    result = run([BINARY, "run", "-c", path])
    assert result.returncode == 1 and f"monitor: cannot listen on 127.0.0.1:{port}" in result.stderr, result
    assert f"(pid {process.pid}, user " in result.stderr and "stop it: " in result.stderr
    assert "'monitor' in [server]" in result.stderr and "backend" not in result.stderr


def test_every_address_that_fails_is_told(start, hold):
    first, second = free_port(), free_port()
    hold(f"tcp,127.0.0.1,{first}", f"tcp,127.0.0.1,{second}")
    said = start(f"127.0.0.1:{first}", f"127.0.0.1:{second}")
    assert said.count("cannot listen") == 2


def test_a_unix_socket(start, tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        said = start(f"unix:{path}")
        assert "a program is listening there already" in said and f"(pid {os.getpid()}, user " in said


def test_an_address_that_this_host_does_not_have(start):
    said = start("192.0.2.77:8080")
    assert "this host does not have that address" in said and "it has 127.0.0.1" in said
    assert "ip address add 192.0.2.77/32" in said and "ip_nonlocal_bind" in said


def test_a_low_port_without_the_capability(start):
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as limit:
        if int(limit.read()) <= 1:
            pytest.skip("this system lets everybody bind low ports")
    prefix = ["setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]
    said = start("127.0.0.1:1", prefix=prefix if os.geteuid() == 0 else ())
    assert "permission denied" in said and "CAP_NET_BIND_SERVICE" in said
    assert "setcap" in said and "ip_unprivileged_port_start=1" in said


def test_a_link_local_address(start):
    assert "link-local" in start("[fe80::77]:8080")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_process_that_cannot_be_seen(start, hold, tmp_path):
    port = free_port()
    hold(f"tcp,127.0.0.1,{port}")
    for folder in (tmp_path, *tmp_path.parents[:3]):
        with contextlib.suppress(PermissionError):
            folder.chmod(0o755)
    said = start(f"127.0.0.1:{port}", prefix=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
    assert "a process of user root" in said and "pid not visible: run as root" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_socket_file_of_another_user(start, tmp_path):
    """Who may not ask whether anybody listens there does not claim that somebody does."""
    for folder in (tmp_path, *tmp_path.parents[:3]):
        with contextlib.suppress(PermissionError):
            folder.chmod(0o755)
    with tempfile.TemporaryDirectory(prefix="portshare-") as name, socket.socket(socket.AF_UNIX) as listener:
        os.chmod(name, 0o755)
        path = f"{name}/s.sock"
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen()
        said = start(f"unix:{path}", prefix=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
    assert "permission denied" in said and "is listening" not in said
