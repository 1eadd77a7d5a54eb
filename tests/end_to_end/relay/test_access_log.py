"""One line per connection, with all that an operator asks about it."""

import datetime
import json
import signal

import pytest

from harness.portshare import BINARY, ENGINE
from harness.process import Process
from harness.sockets import accept, connect, exchange, free_port, receive_exactly
from harness.tls import client_hello

FIELDS = ("time listener client destination protocol tls name alpn route backend server lane bytes_in bytes_out "
          "first_flight_ms connect_ms duration_ms outcome").split()


def start(workshop, address, **options):
    port = free_port()
    return port, workshop.portshare(f"""
[listener.front]
bind = ["127.0.0.1:{port}"]
protocols = ["tls", "http"]
first_flight_timeout = "300ms"
[[route]]
name = ["rejected.test"]
reject = true
[[route]]
name = ["*.alpha.test"]
to = "alpha"
[backend.alpha]
servers = ["{address}"]
""", **options)


@pytest.mark.smoke
def test_the_line_of_a_relayed_connection(workshop):
    listener, address = workshop.listen()
    port, dispatcher = start(workshop, address)
    hello = client_hello("WWW.Alpha.test", ["h2", "http/1.1"])
    with connect(port) as client:
        client.sendall(hello)
        client_address = f"127.0.0.1:{client.getsockname()[1]}"
        with accept(listener) as server:
            receive_exactly(server, len(hello))
            server.sendall(b"answer")
            receive_exactly(client, 6)
    record = dispatcher.logged(outcome="ok")
    assert set(FIELDS) <= set(record)
    expected = {"listener": "front", "client": client_address, "destination": f"127.0.0.1:{port}", "protocol": "tls",
                "name": "www.alpha.test", "route": dispatcher.route('"alpha"'), "backend": "alpha", "server": address,
                "lane": "relay", "bytes_in": len(hello), "bytes_out": 6}
    assert expected.items() <= record.items(), record
    assert "h2" in record["alpn"] and "http/1.1" in record["alpn"]
    moment = datetime.datetime.fromisoformat(record["time"])
    assert abs(moment.timestamp() - datetime.datetime.now().timestamp()) < 120
    assert len(record["time"].split(".")[1].rstrip("Z").split("+")[0]) == 6, "microseconds"
    assert 0 <= record["first_flight_ms"] <= record["duration_ms"]
    assert 0 <= record["connect_ms"] <= record["duration_ms"]


REFUSED = {
    "no_route": b"GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n",
    "rejected": b"GET / HTTP/1.1\r\nHost: rejected.test\r\n\r\n",
    "malformed": b"GET / HTTP/1.1\r\n\r\n",
    "timeout": b"GET / HT",
    "refused": b"GET / HTTP/1.1\r\nHost: www.alpha.test\r\n\r\n",
}


@pytest.mark.parametrize("access_format", ("json", "text"))
def test_each_refusal_has_its_line(workshop, access_format):
    port, dispatcher = start(workshop, f"127.0.0.1:{free_port()}", access_format=access_format)
    for outcome, request in REFUSED.items():
        seen = len(dispatcher.access_lines())
        exchange(port, request)
        dispatcher.eventually(lambda: len(dispatcher.access_lines()) > seen, f"a line for {outcome}")
        assert len(dispatcher.access_lines()) == seen + 1
        line = dispatcher.access_lines()[-1]
        assert outcome in line.replace('"', " ").replace("=", " ").split() or f'"{outcome}"' in line, line
        if access_format == "json":
            record = dispatcher.access()[-1]
            assert record["outcome"] == outcome and set(FIELDS) <= set(record)
            assert record["listener"] == "front" and record["client"].startswith("127.0.0.1:")
            if outcome in ("rejected", "refused"):
                assert record["route"].startswith(f"{dispatcher.config_file}:")


def test_text_is_a_line_to_read(workshop):
    listener, address = workshop.listen()
    port, dispatcher = start(workshop, address, access_format="text")
    with connect(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: www.alpha.test\r\n\r\n")
        accept(listener).close()
    dispatcher.eventually(dispatcher.access_lines, "a line in the access log")
    line = dispatcher.access_lines()[0]
    assert not line.startswith("{")
    for word in ("front", "www.alpha.test", "alpha", address, "relay", "http"):
        assert word in line, line


def test_what_a_client_sends_cannot_forge_a_line(workshop):
    """Bytes of the network appear in the log as data only."""
    port, dispatcher = start(workshop, "127.0.0.1:9")
    hostile = 'x","outcome":"ok"}\\u000a{"'
    exchange(port, client_hello("www.alpha.test", [hostile]))
    dispatcher.eventually(dispatcher.access, "a line in the access log")
    records = dispatcher.access()
    assert len(records) == 1 and records[0]["outcome"] == "refused" and hostile in records[0]["alpn"]


def test_access_lines_go_to_stderr_and_may_be_off(workshop, tmp_path):
    for access, expected in (("stderr", 1), ("off", 0)):
        port = free_port()
        config = tmp_path / f"{access}.toml"
        config.write_text(f"""
server.engine = "{ENGINE}"
server.log = {{ level = "error", access = "{access}", format = "json" }}
listener.front.bind = ["127.0.0.1:{port}"]
listener.front.default = "b"
backend.b.servers = ["127.0.0.1:{free_port()}"]
""")
        process = Process("portshare", [BINARY, "run", "-c", config], tmp_path / access)
        try:
            process.eventually(lambda: "ready" in process.stderr.splitlines(), "ready")
            exchange(port, b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            assert process.stop() == 0
            lines = [line for line in process.stderr.splitlines() if '"outcome"' in line]
            assert len(lines) == expected
        finally:
            process.kill()


def test_a_log_that_was_moved_away_is_opened_again(workshop):
    """By SIGUSR1, without a reload. Where it cannot be opened, the old one is gone on with."""
    port, dispatcher = start(workshop, "127.0.0.1:9")

    def one_line(file, outcomes):
        exchange(port, client_hello("www.rejected.test" if len(outcomes) % 2 else "www.alpha.test"))
        dispatcher.eventually(lambda: file.read_text().count("\n") == len(outcomes), f"{len(outcomes)} lines in {file}")
        assert [json.loads(line)["outcome"] for line in file.read_text().splitlines()] == outcomes

    moved = dispatcher.access_file.with_suffix(".1")
    one_line(dispatcher.access_file, ["no_route"])
    dispatcher.access_file.rename(moved)
    one_line(moved, ["no_route", "refused"])
    dispatcher.access_file.mkdir()
    dispatcher.signal(signal.SIGUSR1)
    dispatcher.says("error: the access log stays as it is: cannot open the access log .*: Is a directory")
    one_line(moved, ["no_route", "refused", "no_route"])
    dispatcher.access_file.rmdir()
    dispatcher.signal(signal.SIGUSR1)
    dispatcher.says("info: the access log was opened again")
    one_line(dispatcher.access_file, ["no_route"])
    assert dispatcher.stderr.count("is in force") == 0, "not a reload"
