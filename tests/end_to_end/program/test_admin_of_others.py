"""Commands whose --admin leads to another program: they say so, soon, and never take its answer for ours."""

import socket
import threading

import pytest

from harness.portshare import portshare

COMMANDS = (
    ("status",), ("status", "--json"), ("top", "--once"), ("connections",), ("connections", "--kill", "--all"), ("reload",),
    ("reload", "--json"), ("drain",), ("drain", "--wait"), ("upgrade",), ("log-level", "debug"),
    ("server", "--backend", "b", "--address", "127.0.0.1:1", "--state", "drain"),
)


def http(body, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.fixture
def stranger(tmp_path_factory):
    """Starts a program with a unix socket that answers everything with the same bytes; the socket's path."""
    listeners = []

    def start(answer):
        path = str(tmp_path_factory.mktemp("s") / "admin.sock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        listeners.append(listener)

        def serve():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    client.recv(65536)
                    client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return path

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("answer", (
    http("<html>"), http("{}"), http("[]"), http('{"ok": true}'), http("not here", "404 Not Found"), http("{}", "400 Bad Request"),
    b"SSH-2.0-OpenSSH_9.2\r\n",
), ids=("html", "an empty object", "an array", "an object", "404", "400", "ssh"))
def test_another_program(stranger, command, answer):
    result = portshare(*command, "--admin", stranger(answer))
    assert result.returncode == 1 and result.stdout == "" and "no portshare" in result.stderr, result


def test_a_socket_of_another_kind(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("s") / "admin.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(path)
        result = portshare("status", "--admin", path)
    assert result.returncode == 1 and "no portshare" in result.stderr, result


def test_one_that_says_nothing(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("s") / "admin.sock")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        silent.listen()
        result = portshare("status", "--admin", path)
    assert result.returncode == 1 and "no answer within" in result.stderr, result


@pytest.mark.parametrize("command, hint", (
    (("server", "--backend", "b", "--address", "127.0.0.1:1", "--state", "drian"), "did you mean 'drain'"),
    (("server", "--backend", "b", "--address", "127.0.0.1:1", "--state", "x"), "it is one of enabled, drain, disabled"),
    (("log-level", "inof"), "did you mean 'info'"),
    (("log-level", "info", "debug"), "portshare log-level LEVEL"),
    (("connections", "--state", "idel"), "did you mean 'idle'"),
    (("connections", "--kill", "--limit", "1"), "give a filter"),
    (("upgrade", "/a", "/b"), "portshare upgrade [FILE]"),
))
def test_a_wrong_word_needs_no_portshare_to_be_seen(command, hint):
    result = portshare(*command)
    assert result.returncode == 2 and hint in result.stderr, result
