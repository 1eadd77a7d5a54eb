"""`portshare who`: who holds a port."""

import json
import os
import pwd
import socket
import sys

import pytest

from harness.port_holder import PortHolder
from harness.portshare import BINARY, portshare
from harness.process import Process, run
from harness.service import service
from harness.sockets import accept, connect, free_port, listen


@pytest.fixture
def hold(tmp_path):
    processes = []

    def start(*what, prefix=()):
        process = PortHolder(tmp_path / f"holder-{len(processes)}", *what, prefix=prefix)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()


def who(*ports, exit_code=0):
    result = portshare("who", *ports)
    assert result.returncode == exit_code, result
    return result.stdout


def who_json(*ports, exit_code=0):
    result = portshare("who", "--json", *ports)
    assert result.returncode == exit_code, result
    return json.loads(result.stdout)


def test_a_process_that_listens(hold):
    port = free_port()
    process = hold(f"tcp,127.0.0.1,{port}")
    table = who(port)
    row = table.splitlines()[1].split()
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert row[:4] == ["tcp", "listen", f"127.0.0.1:{port}", str(process.pid)] and user in row, table
    assert "import socket, sys, time" in table
    assert all(len(line) <= 80 for line in table.splitlines()[:2])


def test_tcp_and_udp_and_both_families(hold):
    port, other = free_port(), free_port()
    process = hold(f"tcp,127.0.0.1,{port}", f"udp,127.0.0.1,{port}", f"tcp,::,{other}", f"udp,::1,{other}")
    sockets = who_json(port, other)["sockets"]
    assert {(each["protocol"], each["state"], each["address"], each["ipv4"], each["ipv6"]) for each in sockets} == {
        ("tcp", "listen", "127.0.0.1", True, False), ("udp", "bound", "127.0.0.1", True, False),
        ("tcp", "listen", "::", True, True), ("udp", "bound", "::1", False, True)}
    for each in sockets:
        assert each["port"] == (other if each["ipv6"] else port) and each["user"] == pwd.getpwuid(os.geteuid()).pw_name
        assert [process["pid"] for process in each["processes"]] == [process.pid]
        assert each["processes"][0]["command_line"][1] == "-c"


def test_an_address_asks_for_what_is_in_its_way(hold):
    port = free_port()
    hold(f"tcp,127.0.0.1,{port}", f"tcp,127.0.0.2,{port}")
    assert [each["address"] for each in who_json(f"127.0.0.2:{port}")["sockets"]] == ["127.0.0.2"]
    assert len(who_json(f"0.0.0.0:{port}")["sockets"]) == 2
    assert len(who_json(f"*:{port}")["sockets"]) == 2
    assert "nobody holds 127.0.0.3" in who(f"127.0.0.3:{port}", exit_code=1)


def test_two_programs_that_share_a_port(hold):
    port = free_port()
    first = hold(f"share,127.0.0.1,{port}")
    second = hold(f"share,127.0.0.1,{port}")
    found = who_json(port)["sockets"]
    assert {each["processes"][0]["pid"] for each in found} == {first.pid, second.pid}
    assert all(each["reuse_port"] for each in found)
    assert "SO_REUSEPORT" in who(port)


def test_nobody(hold):
    port, other = free_port(), free_port()
    assert who(port, exit_code=1).endswith(f"nobody holds {port}\n")
    assert who_json(port, exit_code=1)["sockets"] == []
    hold(f"tcp,127.0.0.1,{other}")
    table = who(port, other)
    assert f"nobody holds {port}\n" in table and f"127.0.0.1:{other}" in table


def test_connections_are_counted():
    listener = listen()
    port = listener.getsockname()[1]
    with listener:
        clients = [connect(port) for _ in range(5)]
        accepted = [accept(listener) for _ in clients]
        assert f"tcp port {port}: and 5 connections" in who(port)
        for each in accepted + clients:
            each.close()


def test_a_connection_that_holds_a_port():
    """An outgoing connection keeps a listener from its local port, too."""
    with listen() as listener, connect(listener.getsockname()[1]) as client:
        # Others may have connections from the same port to somewhere else.
        found = [each for each in who_json(client.getsockname()[1])["sockets"]
                 if os.getpid() in (process["pid"] for process in each["processes"])]
        assert [(each["state"], each["remote"]) for each in found] == [
            ("connected", "127.0.0.1:%d" % listener.getsockname()[1])]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_without_the_right_to_see_it(hold):
    port = free_port()
    hold(f"tcp,127.0.0.1,{port}")
    result = run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BINARY, "who", port])
    assert result.returncode == 0 and "pid not visible: run as root" in result.stdout, result
    row = result.stdout.splitlines()[1].split()
    assert row == ["tcp", "listen", f"127.0.0.1:{port}", "-", "-", "root"]


@pytest.mark.skipif(run(["unshare", "-n", "true"]).returncode != 0, reason="no network namespaces for us")
def test_another_network_namespace(hold):
    port = free_port()
    process = hold(f"tcp,0.0.0.0,{port}", prefix=["unshare", "-n"])
    found = who_json(port)["sockets"]
    namespace = os.stat(f"/proc/{process.pid}/ns/net").st_ino
    assert [each["network_namespace"] for each in found] == [f"net:[{namespace}] of pid {process.pid}"]
    assert "network namespace" in who(port)


@pytest.mark.skipif(run(["unshare", "-n", "true"]).returncode != 0, reason="no network namespaces for us")
def test_a_network_namespace_that_may_not_be_entered(hold):
    port = free_port()
    holder = hold(f"tcp,0.0.0.0,{port}", prefix=["unshare", "-n"])
    result = run(["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", BINARY, "who", port])
    assert result.returncode == 1 and f"nobody holds {port}\n" in result.stdout
    assert f"of pid {holder.pid} is not visible: run as root\n" in result.stdout, result


def test_a_service_is_named(hold):
    port = free_port()
    process = hold(f"tcp,127.0.0.1,{port}")
    with service("web.service", process.pid) as unit:
        if not unit:
            pytest.skip("this system lets us have no control group")
        [found] = who_json(port)["sockets"]
        assert found["unit"] == unit and found["processes"][0]["unit"] == unit
        assert who(port).splitlines()[1].endswith(f"  {unit}")


def test_a_hostile_command_line(tmp_path):
    port = free_port()
    script = ("import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); "
              "print('ready', flush=True); time.sleep(600)")
    process = Process("hostile", [sys.executable, "-c", script, port, "\x1b[2Jgone"], tmp_path)
    try:
        process.eventually(lambda: "ready" in process.stdout, "a line `ready`")
        table = who(port)
        assert "\x1b" not in table and "\\x1b[2Jgone" in table
        assert who_json(port)["sockets"][0]["processes"][0]["command_line"][-1] == "\x1b[2Jgone"
    finally:
        process.kill()


@pytest.mark.parametrize("arguments, hint", (
    ((), "which port"),
    (("http",), "'http'"),
    (("0",), "port 0"),
    (("70000",), "70000"),
    (("localhost:80",), "localhost:80"),
    (("80", "--jsno"), "--json"),
))
def test_wrong_usage(arguments, hint):
    result = portshare("who", *arguments)
    assert result.returncode == 2 and hint in result.stderr and result.stdout == "", result


def test_help():
    result = portshare("who", "--help")
    assert result.returncode == 0 and "portshare who [ADDRESS:]PORT..." in result.stdout and "--json" in result.stdout
