"""The monitor address: metrics for Prometheus, and the dashboard in Chromium."""

import json
import os
import pathlib
import re
import shutil
import socket
import urllib.error
import urllib.request

import pytest

from harness.chromium import CHROMIUM, Page
from harness.http import Messages, request, response
from harness.portshare import ROOT
from harness.process import run
from harness.sockets import accept, connect, free_port, listen, receive_exactly
from harness.waiting import eventually

PROMTOOL = shutil.which("promtool")


@pytest.fixture
def served(workshop):
    """A dispatcher with a monitor: app.test has a server, whose listener is given too; dead.test has none."""
    listener, address = workshop.listen()
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.web]
bind = ["127.0.0.1:{port}"]
[[route]]
host = ["app.test"]
to = "app"
[[route]]
host = ["dead.test"]
to = "dead"
[backend.app]
servers = ["{address}"]
[backend.dead]
servers = ["127.0.0.1:{free_port()}"]
""", monitor=True, admin=True)
    return dispatcher, listener, port


def get(dispatcher, path, **fields):
    """The status, the content type and the text of an answer of the monitor."""
    asked = urllib.request.Request(f"http://{dispatcher.monitor}{path}", headers=fields)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=30) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def metrics(dispatcher):
    """{sample with its labels: value}."""
    text = get(dispatcher, "/metrics")[2]
    return {name: float(value) for name, value in re.findall(r"^([^#\n].*) (\S+)$", text, re.MULTILINE)}


def exchange(port, listener, name, body=b"hello"):
    """A request and its answer, on a connection of their own."""
    with connect(port) as client:
        client.sendall(request(name))
        with accept(listener) as server:
            receive_exactly(server, len(request(name)))
            server.sendall(response(body, "Connection: close"))
        assert Messages(client).next().body == body


@pytest.mark.smoke
def test_metrics_count_what_the_access_log_says(served):
    dispatcher, listener, port = served
    for _ in range(3):
        exchange(port, listener, "app.test")
    for name, status in (("dead.test", 502), ("dead.test", 502), ("nowhere.test", 421)):
        with connect(port) as client:
            client.sendall(request(name))
            assert Messages(client).next().status == status
    lines = eventually(lambda: len(dispatcher.access()) == 6 and dispatcher.access(), "the access log")
    now = eventually(lambda: (m := metrics(dispatcher))['portshare_connections_active{listener="web"}'] == 0 and m,
                     "the end of all connections")
    assert now['portshare_connections_accepted_total{listener="web"}'] == 6
    for backend, outcome, count in (("app", "ok", 3), ("", "no_route", 1)):
        labels = f'{{listener="web",backend="{backend}",outcome="{outcome}"}}'
        assert now[f"portshare_connections_closed_total{labels}"] == count
    failed = {key: value for key, value in now.items()
              if key.startswith('portshare_connections_closed_total{listener="web",backend="dead"')}
    assert sum(failed.values()) == 2
    for direction in ("in", "out"):
        counted = sum(value for key, value in now.items()
                      if key.startswith("portshare_bytes_total") and f'direction="{direction}"' in key)
        assert counted == sum(line[f"bytes_{direction}"] for line in lines)
    assert now['portshare_bytes_total{backend="app",direction="in"}'] == 3 * len(request("app.test"))
    assert now['portshare_http_requests_total{backend="app",outcome="ok"}'] == 3
    assert now["portshare_connect_seconds_count"] == 3
    assert now["portshare_first_flight_seconds_count"] == 6
    assert now["portshare_connection_seconds_count"] == 6
    assert now[f'portshare_route_decisions_total{{route="{dispatcher.route("app.test")}"}}'] == 3
    assert now["portshare_config_last_reload_successful"] == 1


def test_counters_go_on_over_a_reload(served):
    dispatcher, listener, port = served
    exchange(port, listener, "app.test")
    assert dispatcher.command("reload").returncode == 0
    exchange(port, listener, "app.test")
    now = eventually(lambda: (m := metrics(dispatcher))["portshare_connection_seconds_count"] == 2 and m, "both")
    assert now['portshare_connections_closed_total{listener="web",backend="app",outcome="ok"}'] == 2
    assert now['portshare_config_reloads_total{result="success"}'] == 1


def test_bytes_of_a_connection_are_counted_while_it_runs(served):
    dispatcher, listener, port = served
    client = connect(port)
    client.sendall(request("app.test"))
    server = accept(listener)
    receive_exactly(server, len(request("app.test")))
    server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000)
    receive_exactly(client, 100_000)
    key = 'portshare_bytes_total{backend="app",direction="out"}'
    assert eventually(lambda: metrics(dispatcher)[key] >= 100_000, "bytes in the metrics")
    client.close(), server.close()


@pytest.mark.skipif(not PROMTOOL, reason="the program promtool is not here: apt-get install prometheus")
def test_promtool_finds_nothing_wrong(served):
    dispatcher, listener, port = served
    exchange(port, listener, "app.test")
    text = get(dispatcher, "/metrics")[2]
    checked = run([PROMTOOL, "check", "metrics"], input=text)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", ""), checked


def test_grafana_asks_for_metrics_that_exist(served):
    dispatcher, listener, port = served
    exchange(port, listener, "app.test")
    eventually(lambda: metrics(dispatcher)["portshare_connection_seconds_count"], "an ended connection")
    families = set(re.findall(r"^# TYPE (\S+)", get(dispatcher, "/metrics")[2], re.MULTILINE))
    board = json.loads((ROOT / "conf/grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    assert len(queries) > 8
    for query in queries:
        for name in re.findall(r"\bportshare_\w+", query):
            assert re.sub(r"_(bucket|sum|count)$", "", name) in families or name in families, f"{name} in {query}"


def test_the_monitor_only_tells(served):
    dispatcher, _, _ = served
    assert get(dispatcher, "/healthz")[::2] == (200, "ok\n")
    assert json.loads(get(dispatcher, "/status")[2])["pid"] == dispatcher.pid
    for path in ("/connections", "/routes", "/backends", "/reload", "/drain", "/nothing"):
        assert get(dispatcher, path)[0] == 404, path
    host, _, port = dispatcher.monitor.partition(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"POST /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        assert Messages(client).next().status == 405


def test_a_strangers_page_cannot_ask_through_a_browser_on_this_host(served):
    """Whose name has begun to mean 127.0.0.1: DNS rebinding."""
    dispatcher, _, _ = served
    assert get(dispatcher, "/status", Host="localhost:9180")[0] == 200
    assert get(dispatcher, "/status", Host="stranger.example")[0] == 421


def test_healthz_says_when_the_program_drains(served):
    dispatcher, listener, port = served
    client = connect(port)
    client.sendall(request("app.test"))
    server = accept(listener)
    dispatcher.command("drain")
    assert get(dispatcher, "/healthz")[::2] == (503, "draining\n")
    client.close(), server.close()
    assert dispatcher.exit_code() == 0


def test_a_monitor_that_cannot_be_bound_is_an_error_of_the_start(workshop):
    taken = listen()
    file = workshop.directory / "portshare.toml"
    file.write_text(f"""
[server]
admin = "off"
monitor = "127.0.0.1:{taken.getsockname()[1]}"
[listener.l]
bind = ["127.0.0.1:{free_port()}"]
[[route]]
reject = true
""")
    from harness.portshare import portshare
    failed = portshare("run", "-c", file)
    assert failed.returncode == 1 and "monitor: cannot listen on" in failed.stderr, failed
    taken.close()


@pytest.fixture
def page(tmp_path):
    if not CHROMIUM:
        pytest.skip("the program chromium is not here: apt-get install chromium")
    page = Page(tmp_path)
    yield page
    page.close()


TABLE = """[...document.querySelectorAll('#{0} tr')].map(row =>
    [...row.cells].filter(cell => cell.offsetWidth > 0).map(cell => cell.innerText))"""


def pictures_folder(tmp_path):
    """Where the screenshots stay, for people to look at: PORTSHARE_SCREENSHOTS, or with the test."""
    folder = pathlib.Path(os.environ.get("PORTSHARE_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_the_dashboard_is_live(served, page, tmp_path):
    dispatcher, listener, port = served
    page.show(1400, 1000)
    page.go(f"http://{dispatcher.monitor}/")
    page.eventually("document.getElementById('state')?.innerText === 'live'", "a first event")
    for _ in range(5):
        exchange(port, listener, "app.test")
    with connect(port) as client:
        client.sendall(request("dead.test"))
        assert Messages(client).next().status == 502
    # Names, tables, errors: what has just happened is there, without a reload of the page.
    page.eventually("document.querySelector('#names td')?.innerText === 'app.test'", "the busiest name")
    row = page.eventually(f"{TABLE.format('errors')}[0]", "an error")
    assert row[1:4] == ["refused", "dead.test", "1"] and row[5:7] == ["web", "dead"], row
    listeners = page.value(TABLE.format("listeners"))
    assert listeners[0][:2] == ["web", f"127.0.0.1:{port}"]
    assert [row[0] for row in page.value(TABLE.format("backends")) if ":" not in row[0]] == ["app", "dead"]
    assert page.value("document.querySelector('.tile .note').innerText") == "6 since the start"
    # The plots have ink in their colours.
    drawn = """(() => { const canvas = document.querySelector('canvas');
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let blue = 0;
        for (let i = 0; i < pixels.length; i += 4) blue += pixels[i + 3] > 200 && pixels[i + 2] > 180 && pixels[i] < 80;
        return blue; })()"""
    assert page.eventually(f"{drawn} > 20", "a line in the first plot")
    assert "accepted" in page.value("document.querySelector('canvas').getAttribute('aria-label')")
    page.screenshot(pictures_folder(tmp_path) / "dashboard-light.png")
    assert page.problems == []


def test_the_dashboard_fits_a_phone_in_the_dark(served, page, tmp_path):
    dispatcher, listener, port = served
    exchange(port, listener, "app.test")
    page.show(390, 844, dark=True, phone=True)
    page.go(f"http://{dispatcher.monitor}/")
    page.eventually("document.querySelectorAll('#backends tr').length", "the backends")
    assert page.value("document.documentElement.scrollWidth") == 390, "nothing sticks out"
    background = page.value("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", background)[:3])) < 40, background
    page.screenshot(pictures_folder(tmp_path) / "dashboard-phone.png")
    assert page.problems == []


def test_the_dashboard_says_when_nobody_answers(served, page):
    dispatcher, _, _ = served
    page.show(1400, 1000)
    page.go(f"http://{dispatcher.monitor}/")
    page.eventually("document.getElementById('state')?.innerText === 'live'", "a first event")
    dispatcher.stop()
    page.eventually("document.getElementById('state')?.innerText.startsWith('no answer')", "a word about it")
    assert page.value("document.body.classList.contains('stale')")


def test_the_dashboard_loads_nothing_from_elsewhere(served):
    dispatcher, _, _ = served
    status, kind, text = get(dispatcher, "/")
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert not re.search(r'(src|href)="(https?:)?//', text) and "@import" not in text
    assert len(text) < 64_000
