"""portshare-bench as its users run it: against its own server, and through portshare."""

import itertools
import json
import re

import pytest

from harness.bench import BENCH, BenchServer, bench, measured
from harness.process import run
from harness.portshare import Portshare
from harness.sockets import free_port

ENGINES = ("io_uring", "epoll")
NAMES = ("--name", "a.example.test", "--name", "b.example.test")
TLS = ("--tls", *NAMES)


@pytest.fixture
def serve(tmp_path):
    servers = []
    numbers = itertools.count(1)

    def start(*options):
        servers.append(BenchServer(tmp_path, f"serve-{next(numbers)}", *options))
        return servers[-1]

    yield start
    for server in servers:
        assert server.stop() == 0, server.stderr


def config(port, address):
    return f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
[[route]]
name = ["*.example.test"]
to = "b"
[backend.b]
servers = ["{address}"]
"""


def test_help_and_version():
    version = bench("--version")
    assert version.returncode == 0 and re.fullmatch(r"portshare-bench \d+\.\d+\.\d+\n", version.stdout)
    general = bench("--help")
    assert general.returncode == 0
    for command in ("connections", "ping-pong", "bulk", "idle", "slow", "compare", "serve"):
        assert command in general.stdout
        of_command = bench(command, "--help")
        assert of_command.returncode == 0 and f"portshare-bench {command}" in of_command.stdout, of_command
    of_mode = bench("compare", "ping-pong", "--help")
    assert of_mode.returncode == 0 and "--rounds" in of_mode.stdout and "--size" in of_mode.stdout


@pytest.mark.parametrize("arguments, hint", (
    ((), "--help"),
    (("conections",), "did you mean 'connections'?"),
    (("connections",), "which target?"),
    (("connections", "127.0.0.1:1", "--conections", "3"), "did you mean '--connections'?"),
    (("connections", "127.0.0.1"), "is no target"),
    (("connections", "127.0.0.1:1", "--plot", "x.png"), ".svg"),
    (("compare",), "which mode?"),
    (("compare", "connectoins"), "did you mean 'connections'?"),
    (("compare", "connections"), "--server"),
    (("compare", "connections", "--server", "127.0.0.1:1"), "NAME=TARGET"),
    (("serve", "--behaviour", "ecko"), "did you mean 'echo'?"),
))
def test_wrong_usage(arguments, hint):
    result = bench(*arguments)
    assert result.returncode == 2 and hint in result.stderr, result
    assert "--help" in result.stderr


def test_a_server_that_is_not_there():
    result = bench("connections", f"127.0.0.1:{free_port()}", "-n", "10")
    assert result.returncode == 1 and re.search(r"10\s+refused", result.stdout), result
    assert bench("connections", "127.0.0.1:1", "--server-pid", "2147483647").returncode == 1


@pytest.mark.smoke
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("through_portshare", (False, True), ids=("direct", "through-portshare"))
def test_every_mode(workshop, serve, engine, through_portshare):
    def target(*options):
        server = serve("--engine", engine, *options)
        if not through_portshare:
            return server.address
        port = free_port()
        workshop.portshare(config(port, server.address), engine=engine)
        return f"127.0.0.1:{port}"

    common = ("--engine", engine, "-t", "2")
    replying = target("--bytes", "2000")
    for first, sent in ((TLS, 517), (("--post-quantum", *NAMES), 1800), (("--http", *NAMES), None)):
        report = measured("connections", replying, *common, *first, "-c", "8", "-n", "100", "--until", "end")
        assert (report["completed"], report["failed"], report["errors"]) == (100, 0, {})
        assert report["latency"]["count"] == 100 and report["bytes_received"] >= 100 * 2000
        if sent:
            assert report["bytes_sent"] == 100 * sent
    report = measured("connections", replying, *common, *TLS, "-n", "50", "-r", "1000", "--until", "2000")
    assert report["loop"] == "open" and report["corrected_for_coordinated_omission"] is True
    assert report["completed"] == report["start_delay"]["count"] == 50
    report = measured("slow", replying, *common, "--http", *NAMES, "--slow-clients", "4", "--interval", "1ms", "-n",
                      "20", "-r", "500")
    assert report["completed"] == 20 and report["slow_clients"]["opened"] >= 4

    echoing = target("--behaviour", "echo")
    report = measured("ping-pong", echoing, *common, *TLS, "-c", "4", "-n", "200", "--size", "100")
    assert report["completed"] == report["latency"]["count"] == 200
    report = measured("idle", echoing, *common, *TLS, "-c", "50", "--first-reply", "517", "-d", "10ms")
    assert (report["completed"], report["dropped"], report["failed"]) == (50, 0, 0)

    sending = target("--behaviour", "source")
    report = measured("bulk", sending, *common, *TLS, "-c", "2", "--bytes", "2MB")
    assert report["bytes_received"] >= 2_000_000 and report["unit"] == "GB"
    report = measured("bulk", sending, *common, *TLS, "-c", "2", "--direction", "both", "--bytes", "2MB")
    assert min(report["bytes_sent"], report["bytes_received"]) >= 2_000_000


def test_what_the_server_costs(workshop, serve):
    """CPU time and memory of a server on this machine."""
    server = serve("--behaviour", "echo")
    port = free_port()
    dispatcher = workshop.portshare(config(port, server.address))
    report = measured("idle", f"127.0.0.1:{port}", *TLS, "-c", "200", "-d", "10ms", "--first-reply", "517",
                      "--server-pid", str(dispatcher.pid))
    assert report["server_memory_bytes"] > report["server_memory_before_bytes"] / 2 > 0
    assert "server_memory_bytes_per_connection" in report
    # The process clocks count nanoseconds: so few messages are enough for a figure.
    report = measured("ping-pong", f"127.0.0.1:{port}", *TLS, "-n", "500", "--server-pid", str(dispatcher.pid),
                      "--server-pid", str(server.pid))
    assert report["server_cpu_us_per_unit"] > 0 and report["generator_cpu_us_per_unit"] > 0


def test_names_are_routed(workshop, serve, tmp_path):
    """What stands in the first bytes is what the dispatcher sees."""
    server = serve()
    port = free_port()
    dispatcher = workshop.portshare(config(port, server.address))
    names = tmp_path / "names"
    names.write_text("".join(f"n{number}.example.test\n" for number in range(40)))
    measured("connections", f"127.0.0.1:{port}", "--tls", "--names", names, "--in-turn", "-n", "40", "--until", "end")
    dispatcher.eventually(lambda: len(dispatcher.access()) == 40, "a line for each connection")
    assert {record["name"] for record in dispatcher.access()} == set(names.read_text().split())


def test_output_for_people(serve, tmp_path):
    server = serve()
    plot = tmp_path / "latency.html"
    result = bench("connections", server.address, "--http", "-n", "200", "--plot", plot, "--progress")
    assert result.returncode == 0, result
    assert re.search(r"connections +200 .* per second", result.stdout)
    assert "not corrected for coordinated omission" in result.stdout
    page = plot.read_text()
    assert page.startswith("<!doctype html>") and "<svg" in page
    assert not re.search(r'(src|href)="?http', page), "it loads nothing"
    result = bench("connections", server.address, "--http", "-d", "1200ms", "-r", "100", "--progress")
    assert re.search(r"^1 s: .* connections per second, 0 failed$", result.stderr, re.MULTILINE), result


@pytest.mark.smoke
def test_compare(serve, tmp_path):
    running = serve("--bytes", "100")
    port = free_port()
    command = f"{BENCH} serve 127.0.0.1:{port} --bytes 100"
    plot, report_file = tmp_path / "plot.svg", tmp_path / "report.json"
    result = bench("compare", "connections", "--server", f"first={running.address},pid={running.pid}", "--server",
                   f"second=127.0.0.1:{port},command={command}", "--rounds", "3", "-n", "50", "--tls", "--json",
                   report_file, "--plot", plot)
    assert result.returncode == 0, result
    assert "3 rounds" in result.stdout and "server CPU, µs per connection" in result.stdout
    report = json.loads(report_file.read_text())
    assert report["base"] == "first" and report["rounds"] == 3
    first, second = report["servers"]
    assert first["metrics"]["server_cpu_us_per_unit"]["ratio"]["median"] == 1
    for server in (first, second):
        assert server["failed"] == 0 and server["latency"]["count"] == 150
        for metric in server["metrics"].values():
            assert len(metric["rounds"]) == 3 and metric["min"] <= metric["median"] <= metric["max"]
            assert metric["ratio"]["min"] <= metric["ratio"]["median"] <= metric["ratio"]["max"]
    assert "first" in plot.read_text() and "second" in plot.read_text()


def test_compare_says_which_server_does_not_start():
    port = free_port()
    result = bench("compare", "connections", "--server", f"broken=127.0.0.1:{port},command=false", "-n", "1")
    assert result.returncode == 1 and "broken" in result.stderr, result
