"""The admin socket and the commands over it, with curl on one side and a busy portshare on the other."""

import fcntl
import os
import pty
import signal
import socket
import stat
import struct
import subprocess
import termios

import pytest

from harness.http import Messages, request, response
from harness.portshare import BINARY, portshare
from harness.process import run
from harness.sockets import accept, connect, free_port, receive_exactly
from harness.waiting import eventually


def config(port, *servers, more=""):
    return f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
[[route]]
host = ["app.test"]
to = "app"
[[route]]
host = ["gone.test"]
reject = true
[backend.app]
servers = {list(servers)!r}
{more}"""


@pytest.fixture
def served(workshop):
    """A dispatcher with an admin socket, in front of a server that the test accepts for; and its port."""
    listener, address = workshop.listen()
    port = free_port()
    return workshop.portshare(config(port, address), admin=True), listener, port


def begin(port, listener, name="app.test"):
    """A client whose request has reached the server: both ends."""
    client = connect(port)
    client.sendall(request(name))
    server = accept(listener)
    receive_exactly(server, len(request(name)))
    return client, server


@pytest.mark.smoke
def test_status_knows_what_runs(served):
    dispatcher, listener, port = served
    client, server = begin(port, listener)
    status, document = dispatcher.ask("/status")
    assert status == 200
    assert document["pid"] == dispatcher.pid and document["uptime_seconds"] >= 0
    assert document["config"]["file"] == str(dispatcher.config_file)
    assert document["connections"]["active"] == 1
    assert document["listeners"] == [{"name": "l", "bound": [f"127.0.0.1:{port}"], "active": 1, "accepted": 1}]
    backend, = document["backends"]
    assert (backend["name"], backend["active"]) == ("app", 1)
    assert [(s["state"], s["active"]) for s in backend["servers"]] == [("up", 1)]
    assert document["busiest_names"][0]["name"] == "app.test"
    client.close(), server.close()
    eventually(lambda: dispatcher.ask("/status")[1]["connections"]["active"] == 0, "the end of the connection")


def test_the_socket_is_its_owners_alone(served):
    dispatcher, _, _ = served
    assert stat.S_IMODE(os.stat(dispatcher.admin).st_mode) == 0o600


def test_connections_are_listed_found_and_ended(served):
    dispatcher, listener, port = served
    pairs = [begin(port, listener) for _ in range(3)]
    client, server = pairs[1]
    _, listed = dispatcher.ask("/connections")
    assert listed["matching"] == 3 and len(listed["connections"]) == 3
    address = f"127.0.0.1:{client.getsockname()[1]}"
    one, = [c for c in listed["connections"] if c["client"] == address]
    assert (one["name"], one["backend"], one["state"], one["protocol"]) == ("app.test", "app", "relaying", "http")
    assert one["bytes_in"] == len(request("app.test")) and one["destination"] == f"127.0.0.1:{port}"

    for query, matching in (("name=app.test", 3), ("name=*.test", 3), ("name=other.test", 0), ("backend=app", 3),
                            ("client=127.0.0.0/8", 3), ("client=10.0.0.0/8", 0), (f"id={one['id']}", 1),
                            ("state=relaying&listener=l", 3), ("limit=1", 3)):
        assert dispatcher.ask(f"/connections?{query}")[1]["matching"] == matching, query
    assert dispatcher.ask("/connections?nonsense=1")[0] == 400
    assert dispatcher.ask("/connections/kill", "POST")[0] == 400, "which?"

    assert dispatcher.ask(f"/connections/kill?id={one['id']}", "POST") == (200, {"killed": 1})
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert dispatcher.logged(client=address)["outcome"] == "shutdown"
    assert dispatcher.ask("/connections")[1]["matching"] == 2
    listing = dispatcher.command("connections", "--name", "app.test")
    assert listing.returncode == 0 and listing.stdout.count("app.test") == 2, listing
    ended = dispatcher.command("connections", "--all", "--kill")
    assert (ended.returncode, ended.stdout) == (0, "2 ended\n")
    for client, server in pairs:
        client.close(), server.close()


def test_a_kept_connection_is_shown_with_its_last_request(served):
    dispatcher, listener, port = served
    client, server = begin(port, listener)
    server.sendall(response(b"hello"))
    Messages(client).next()
    connection = eventually(
        lambda: [c for c in dispatcher.ask("/connections")[1]["connections"] if c["state"] == "idle"], "an idle one")[0]
    assert (connection["name"], connection["backend"]) == ("app.test", "app")
    assert connection["bytes_out"] == len(response(b"hello"))
    client.close(), server.close()


def test_routes_are_listed_with_their_decisions(served):
    dispatcher, listener, port = served
    client, server = begin(port, listener)
    _, routes = dispatcher.ask("/routes")
    assert [(r["route"], r["matchers"], r["backend"], r["decisions"]) for r in routes["routes"]] == [
        (dispatcher.route("app.test"), "host app.test", "app", 1),
        (dispatcher.route("gone.test"), "host gone.test", None, 0)]
    client.close(), server.close()


@pytest.mark.smoke
def test_reload_says_what_is_different_and_what_is_wrong(served, workshop):
    dispatcher, listener, port = served
    other = free_port()
    before = dispatcher.config_file.read_text()
    dispatcher.config_file.write_text(before + f'[listener.more]\nbind = ["127.0.0.1:{other}"]\ndefault = "app"\n')
    reloaded = dispatcher.command("reload")
    assert reloaded.returncode == 0 and "'more'" in reloaded.stdout, reloaded
    assert dispatcher.ask("/status")[1]["config"]["reloads"] == 1
    connect(other).close()

    dispatcher.config_file.write_text(before + "nonsense = 1\n")
    faulty = dispatcher.command("reload")
    assert faulty.returncode == 1 and f"{dispatcher.config_file}:" in faulty.stderr and "nonsense" in faulty.stderr
    status, document = dispatcher.ask("/reload", "POST")
    assert status == 422 and not document["reloaded"] and document["faults"]
    shown = dispatcher.command("status")
    assert "the last reload has failed" in shown.stdout, shown
    connect(other).close()


def test_the_admin_socket_moves_with_a_reload(served):
    dispatcher, _, _ = served
    before, first = dispatcher.config_file.read_text(), dispatcher.admin
    moved = first.replace("admin.sock", "moved.sock")
    dispatcher.config_file.write_text(before.replace(first, moved))
    reloaded = dispatcher.command("reload")
    assert reloaded.returncode == 0, "the answer goes out before the old one is closed: " + reloaded.stderr
    eventually(lambda: not os.path.exists(dispatcher.admin), "the end of the old socket")
    dispatcher.admin = moved
    assert dispatcher.ask("/status")[0] == 200
    # One that cannot be had changes nothing.
    dispatcher.config_file.write_text(before.replace(first, "/nowhere/at/all.sock"))
    assert "cannot listen" in dispatcher.command("reload").stderr
    assert dispatcher.ask("/status")[0] == 200


def test_drain_ends_the_program_after_its_last_connection(served):
    dispatcher, listener, port = served
    client, server = begin(port, listener)
    assert dispatcher.command("drain").returncode == 0
    eventually(lambda: refused(port), "the end of accepting")
    assert dispatcher.ask("/status")[1]["draining"]
    server.sendall(response(b"late"))
    assert Messages(client).next().body == b"late"
    client.close(), server.close()
    assert dispatcher.exit_code() == 0
    assert not os.path.exists(dispatcher.admin)


def refused(port):
    try:
        connect(port).close()
    except ConnectionRefusedError:
        return True
    return False


def test_drain_waits_until_the_program_has_ended(served):
    dispatcher, _, _ = served
    assert dispatcher.command("drain", "--wait").returncode == 0
    assert dispatcher.exit_code() == 0


def test_sigterm_sets_a_drain_its_time(workshop):
    listener, address = workshop.listen()
    port = free_port()
    dispatcher = workshop.portshare(config(port, address), admin=True, shutdown_timeout="200ms")
    client, server = begin(port, listener)
    assert dispatcher.command("drain").returncode == 0
    eventually(lambda: refused(port), "the end of accepting")
    assert dispatcher.running()
    dispatcher.terminate()
    assert dispatcher.exit_code() == 0
    client.close(), server.close()


def test_a_server_is_taken_out_and_back_in(workshop):
    one, one_address = workshop.listen()
    two, two_address = workshop.listen()
    port = free_port()
    dispatcher = workshop.portshare(config(port, one_address, two_address), admin=True, workers=1)
    assert dispatcher.command("server", "--backend", "app", "--address", one_address, "--state", "drain").returncode == 0
    for _ in range(4):
        client, server = begin(port, two)
        client.close(), server.close()
    states = {s["address"]: s["state"] for s in dispatcher.ask("/backends")[1]["backends"][0]["servers"]}
    assert states == {one_address: "draining", two_address: "up"}
    assert dispatcher.ask(f"/backends/app/servers/{two_address}", "POST", {"state": "disabled"})[0] == 200
    with connect(port) as client:
        client.sendall(request("app.test"))
        assert Messages(client).next().status == 503
    assert dispatcher.ask(f"/backends/app/servers/{one_address}", "POST", {"state": "enabled"})[0] == 200
    client, server = begin(port, one)
    client.close(), server.close()
    assert dispatcher.ask("/backends/app/servers/1.2.3.4:5", "POST", {"state": "enabled"})[0] == 404
    assert dispatcher.ask(f"/backends/app/servers/{one_address}", "POST", {"state": "sleepy"})[0] == 400
    unknown = dispatcher.command("server", "--backend", "nobody", "--address", one_address, "--state", "drain")
    assert unknown.returncode == 1 and "nobody" in unknown.stderr


def test_the_log_level_changes_while_it_runs(served):
    dispatcher, _, _ = served
    assert dispatcher.command("log-level", "error").returncode == 0
    assert dispatcher.ask("/log-level", "POST", {"level": "loud"})[0] == 400


def test_wrong_words_are_wrong_usage(served):
    dispatcher, _, _ = served
    for words, sentence in ((["log-level", "loud"], "unknown value 'loud'; it is one of debug, info"),
                            (["connections", "--state", "sleeping"], "unknown value 'sleeping'; it is one of first_flight"),
                            (["connections", "--client", "everybody", "--kill"], "no address and no prefix"),
                            (["connections", "--name", "two words"], "no name")):
        answer = dispatcher.command(*words)
        assert answer.returncode == 2 and sentence in answer.stderr, answer


def test_help_needs_nothing_else():
    for command in ("run", "check", "explain", "who", "probe", "status", "top", "connections", "reload", "drain", "upgrade",
                    "server", "log-level", "demo"):
        answer = portshare(command, "--help")
        assert (answer.returncode, answer.stderr) == (0, "") and answer.stdout.startswith(f"Usage: portshare {command}"), answer


def test_the_admin_socket_may_be_given_by_a_path(served, monkeypatch):
    dispatcher, _, _ = served
    monkeypatch.chdir(os.path.dirname(dispatcher.admin))
    for path in (dispatcher.admin, "./admin.sock"):
        assert portshare("status", "--admin", path).returncode == 0


def test_answers_of_its_own_to_what_is_not_there(served):
    dispatcher, _, _ = served
    assert dispatcher.ask("/nothing")[0] == 404
    assert dispatcher.ask("/reload")[0] == 405
    assert dispatcher.ask("/status", "POST")[0] == 405


def test_commands_say_when_nobody_is_there(tmp_path):
    for command in ("status", "connections", "reload", "drain", "upgrade", "top"):
        answer = portshare(command, "--admin", f"unix:{tmp_path}/nobody.sock")
        assert answer.returncode == 1, answer
        assert "no portshare listens on" in answer.stderr and "nobody.sock" in answer.stderr
    assert portshare("status", "--admin", "nonsense").returncode == 2


def test_clients_that_never_read_or_never_send_cost_nobody_else_anything(served):
    dispatcher, listener, port = served
    silent = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    for client in silent:
        client.connect(dispatcher.admin)
    deaf = []
    for _ in range(20):
        client = socket.socket(socket.AF_UNIX)
        client.connect(dispatcher.admin)
        client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n" + b"GET /status HTTP/1.1\r\nHost: l\r\n\r\n" * 50)
        deaf.append(client)
    before = dispatcher.resident_bytes()
    for _ in range(20):
        assert dispatcher.ask("/status")[0] == 200
        client, server = begin(port, listener)
        client.close(), server.close()
    assert dispatcher.resident_bytes() < before + 8_000_000
    for client in silent + deaf:
        client.close()


def test_clients_that_take_all_places_keep_nobody_out(served):
    """Some watch, some say nothing, some do not read: more of each than there are places."""
    dispatcher, _, _ = served
    greedy = []
    for number in range(150):
        client = socket.socket(socket.AF_UNIX)
        client.connect(dispatcher.admin)
        client.sendall((b"GET /events HTTP/1.1\r\nHost: l\r\n\r\n", b"GET /st",
                        b"GET /metrics HTTP/1.1\r\nHost: l\r\n\r\n" * 100)[number % 3])
        greedy.append(client)
    for _ in range(3):
        answer = run(["curl", "-s", "-m", "120", "--unix-socket", dispatcher.admin, "http://localhost/healthz"])
        assert answer.stdout == "ok\n", answer
    for client in greedy:
        client.close()


def test_a_default_socket_that_is_taken_is_no_reason_not_to_start(workshop):
    """An address that was given is one."""
    first_listener, address = workshop.listen()
    first = workshop.portshare(config(free_port(), address), admin=True)
    second_file = workshop.directory / "second.toml"
    second_file.write_text(f'[server]\nadmin = "unix:{first.admin}"\n' + config(free_port(), address))
    second = portshare("run", "-c", second_file)
    assert second.returncode == 1 and "admin socket" in second.stderr and "listening there already" in second.stderr
    assert first.ask("/status")[0] == 200


def test_a_socket_that_a_dead_one_left_is_replaced(workshop):
    _, address = workshop.listen()
    dispatcher = workshop.portshare(config(free_port(), address), admin=True)
    left = socket.socket(socket.AF_UNIX)
    path = dispatcher.admin + ".left"
    left.bind(path)
    left.close()
    dispatcher.config_file.write_text(dispatcher.config_file.read_text().replace(dispatcher.admin, path))
    assert dispatcher.command("reload").returncode == 0
    dispatcher.admin = path
    assert eventually(lambda: dispatcher.ask("/status")[0] == 200, "an answer")


def test_sighup_counts_as_a_reload(served):
    dispatcher, _, _ = served
    dispatcher.signal(signal.SIGHUP)
    eventually(lambda: dispatcher.ask("/status")[1]["config"]["reloads"] == 1, "a reload in the status")


def test_top_shows_rates_names_and_errors_in_a_terminal(served):
    dispatcher, listener, port = served
    client, server = begin(port, listener)
    with connect(port) as refused_client:
        refused_client.sendall(request("gone.test"))
        assert Messages(refused_client).next().status == 421
    once = dispatcher.command("top", "--once")
    assert once.returncode == 0 and "app.test" in once.stdout and "rejected" in once.stdout, once
    assert all(len(line) <= 80 for line in once.stdout.splitlines()), once.stdout
    assert portshare("top", "--admin", f"unix:{dispatcher.admin}").returncode == 2, "without a terminal"
    # A terminal of 80 columns and 24 rows: what is left on it, and whether it comes back as it was.
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    modes = termios.tcgetattr(other)
    for end in (lambda top: os.write(main, b"q"), lambda top: top.send_signal(signal.SIGTERM),
                lambda top: top.send_signal(signal.SIGHUP)):
        top = subprocess.Popen([BINARY, "top", "--admin", f"unix:{dispatcher.admin}"], stdin=other, stdout=other)
        shown = b""
        while b"app.test" not in shown:
            shown += os.read(main, 65536)
        assert b"\x1b[?1049h" in shown and b"BACKEND" in shown
        end(top)
        while b"\x1b[?1049l" not in shown:
            shown += os.read(main, 65536)
        assert top.wait(30) == 0
        assert termios.tcgetattr(other) == modes
    os.close(other)
    os.close(main)
    client.close(), server.close()
