"""The commands as a person or a script calls them: output, exit codes, suggestions."""

import os
import re
import socket
import subprocess

import pytest

from harness.http import response
from harness.portshare import BINARY, Portshare, portshare
from harness.sockets import accept, connect, exchange, free_port, listen, receive_exactly
from harness.waiting import eventually

VALID = """\
[listener.web]
bind = ["127.0.0.1:8080"]
default = "web"

[[route]]
listener = ["web"]
name = ["www.example.com"]
to = "app"

[[route]]
name = ["*.example.com"]
to = "web"

[[route]]
destination = ["127.0.0.2"]
reject = true

[backend.web]
servers = ["127.0.0.1:8001"]

[backend.app]
servers = ["127.0.0.1:8002"]
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "portshare.toml"
        path.write_text(text)
        return path

    return write


def is_listened_on(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_help_and_version():
    version = portshare("--version")
    assert version.returncode == 0 and re.fullmatch(r"portshare \d+\.\d+\.\d+\n", version.stdout)
    general = portshare("--help")
    assert general.returncode == 0
    commands = re.findall(r"^  ([a-z][a-z-]*)  ", general.stdout, re.MULTILINE)
    assert {"run", "check", "explain", "who", "probe", "status", "reload", "drain", "upgrade", "top", "demo"} <= set(commands)
    for command in commands:
        of_command = portshare(command, "--help")
        assert of_command.returncode == 0 and f"portshare {command}" in of_command.stdout, of_command
        assert max(map(len, of_command.stdout.splitlines())) <= 80, of_command.stdout


def test_an_option_that_is_missing_beside_the_help():
    """Who asks for help need not know the rest of the options yet."""
    assert portshare("server", "--backend", "web", "--help").returncode == 0


@pytest.mark.parametrize("arguments", (("--help",), ("check", "-c", "{file}"), ("probe", "--json")))
def test_output_that_cannot_be_written_is_a_failure(file, arguments):
    with open("/dev/full", "w") as full:
        result = subprocess.run([BINARY, *(a.format(file=file(VALID)) for a in arguments)], stdout=full,
                                stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 1 and "No space left on device" in result.stderr, result


def test_streams_that_are_closed_are_no_connections(tmp_path, file):
    """What is opened first must not become stderr, and get the log."""
    port = free_port()
    config = file(f"""
[server]
admin = "off"
workers = 1
log = {{ level = "debug" }}
[listener.l]
bind = ["127.0.0.1:{port}"]
default = "b"
[backend.b]
servers = ["127.0.0.1:9"]
""")
    # A shell's `2>&-` and so on: Popen has no word for it.
    process = subprocess.Popen(["/bin/sh", "-c", 'exec "$0" run -c "$1" <&- >&- 2>&-', BINARY, config])
    try:
        eventually(lambda: is_listened_on(port), "a listener")
        for descriptor in (0, 1, 2):
            assert os.readlink(f"/proc/{process.pid}/fd/{descriptor}") == "/dev/null"
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("arguments, hint", (
    ((), "--help"),
    (("chekc",), "check"),
    (("check", "--confg", "x"), "--config"),
    (("run", "-c", "/nowhere/portshare.toml"), "/nowhere/portshare.toml"),
    (("check", "-c", "/nowhere/portshare.toml"), "/nowhere/portshare.toml"),
))
def test_wrong_usage(arguments, hint):
    result = portshare(*arguments)
    assert result.returncode == 2 and hint in result.stdout + result.stderr, result


def test_check_of_a_valid_file(file):
    result = portshare("check", "-c", file(VALID))
    assert result.returncode == 0 and "error" not in result.stdout + result.stderr, result


def test_check_names_every_fault_with_its_place(file):
    path = file(VALID.replace("default", "defualt").replace('to = "app"', 'to = "ap"')
                .replace('"127.0.0.1:8001"', '"127.0.0.1:99999"'))
    result = portshare("check", "-c", path)
    assert result.returncode == 2
    output = result.stdout + result.stderr
    for line, expected in ((3, "default"), (8, "app"), (19, "99999")):
        assert re.search(rf"^{re.escape(str(path))}:{line}:\d+: error: .*{expected}", output, re.MULTILINE), output
    assert len(re.findall("error:", output)) == 3


def test_a_feature_that_is_not_there_is_refused(file):
    result = portshare("check", "-c", file('[share]\nsocket = "unix:/run/portshare-share.sock"\n' + VALID))
    assert result.returncode == 2 and "not supported yet" in result.stdout + result.stderr


def test_a_backend_that_nothing_uses_is_a_warning(file):
    result = portshare("check", "-c", file(VALID + '\n[backend.spare]\nservers = ["127.0.0.1:1"]\n'))
    assert result.returncode == 0
    assert re.search(r":\d+:\d+: warning: .*spare", result.stdout + result.stderr), result


def test_run_refuses_a_faulty_file(file):
    path = file(VALID.replace("default", "defualt"))
    result = portshare("run", "-c", path)
    assert result.returncode == 2
    assert f"{path}:3:" in result.stdout + result.stderr and "ready" not in result.stderr.splitlines()


@pytest.mark.parametrize("options, winner", (
    (("--sni", "www.example.com"), "app"),
    (("--host", "WWW.example.com."), "app"),
    (("--sni", "other.example.com"), "web"),
    (("--sni", "www.example.com", "--destination", "127.0.0.2:8080"), "reject"),
))
def test_explain(file, options, winner):
    path = file(VALID)
    result = portshare("explain", "-c", path, "--listener", "web", *options)
    assert result.returncode == 0, result
    lines = result.stdout.splitlines()
    wins = [line for line in lines if "wins" in line]
    assert len(wins) == 1 and winner in wins[0] and wins[0].startswith(f"{path}:"), result.stdout
    assert len([line for line in lines if "loses" in line]) == 2, result.stdout


def test_explain_the_default_and_the_unknown(file):
    path = file(VALID)
    result = portshare("explain", "-c", path, "--listener", "web", "--sni", "example.com")
    assert result.returncode == 0 and "default" in result.stdout and "web" in result.stdout
    result = portshare("explain", "-c", path, "--listener", "wbe")
    assert result.returncode == 2 and "web" in result.stdout + result.stderr


def test_explain_tells_what_happens(tmp_path, file):
    """The same question to `explain` and, as a connection, to `run`."""
    text = VALID.replace("127.0.0.1:8080", f"0.0.0.0:{free_port()}")
    port = int(re.search(r"0\.0\.0\.0:(\d+)", text)[1])
    with listen() as server:
        text = re.sub(r"127\.0\.0\.1:800[12]", f"127.0.0.1:{server.getsockname()[1]}", text)
        dispatcher = Portshare(tmp_path / "run", text, engine="auto")
        try:
            for name, destination in (("www.example.com", "127.0.0.1"), ("a.example.com", "127.0.0.1"),
                                      ("www.example.com", "127.0.0.2"), ("example.com", "127.0.0.1")):
                explained = portshare("explain", "-c", dispatcher.config_file, "--listener", "web", "--host", name,
                                      "--destination", f"{destination}:{port}").stdout
                request = f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()
                seen = len(dispatcher.access())
                if "reject" in explained.splitlines()[0]:
                    exchange(port, request, address=destination)
                    expected = "rejected"
                else:
                    with connect(port, address=destination) as client:
                        client.sendall(request)
                        with accept(server) as application:
                            receive_exactly(application, len(request))
                            application.sendall(response())
                            assert receive_exactly(client, len(response())) == response()
                    expected = "ok"
                dispatcher.eventually(lambda: len(dispatcher.access()) > seen, "a line in the access log")
                record = dispatcher.access()[-1]
                assert record["outcome"] == expected
                if record["route"]:
                    assert explained.startswith(record["route"] + ": wins"), (explained, record)
                else:
                    assert f"no route wins: default backend '{record['backend']}'" in explained, (explained, record)
        finally:
            assert dispatcher.stop() == 0
