"""A route that leads back to portshare: an error of `check`, with its place, and of `run` where only that can see it."""

import pytest

from harness.portshare import portshare
from harness.sockets import accept, connect, exchange, free_port


def check(tmp_path, config, command="check"):
    path = tmp_path / "portshare.toml"
    path.write_text(config)
    return portshare(command, "-c", path), path


def listener(name, bind, default):
    return f'[listener.{name}]\nbind = ["{bind}"]\ndefault = "{default}"\n'


def backend(name, *servers):
    return f"[backend.{name}]\nservers = {list(servers)}\n"


ITSELF = "listener 'a' -> backend 'x' -> listener 'a'"
OVER_B = "listener 'a' -> backend 'x' -> listener 'b' -> backend 'y' -> listener 'a'"
LOOPS = {
    "its own address": (listener("a", "127.0.0.1:8080", "x") + backend("x", "127.0.0.1:8080"),
                        [(5, 12, "'127.0.0.1:8080'", ITSELF)]),
    "a wildcard": (listener("a", "*:8080", "x") + backend("x", "127.0.0.1:8080", "[::1]:8080", "127.9.9.9:8080"),
                   [(5, 12, "'127.0.0.1:8080'", ITSELF), (5, 30, "'[::1]:8080'", ITSELF),
                    (5, 44, "'127.9.9.9:8080'", ITSELF)]),
    "a unix socket": (listener("a", "unix:/run/a.sock", "x") + backend("x", "127.0.0.1:1", "unix:/run/a.sock"),
                      [(5, 27, "'unix:/run/a.sock'", ITSELF)]),
    "silent": ('[listener.a]\nbind = ["127.0.0.1:8080"]\nsilent = "x"\n' + backend("x", "127.0.0.1:8080") +
               "[[route]]\nreject = true\n", [(5, 12, "'127.0.0.1:8080'", ITSELF)]),
    "a route": ('[listener.a]\nbind = ["127.0.0.1:8080"]\n' + backend("x", "127.0.0.1:8080") +
                '[[route]]\nname = ["a.test"]\nto = "x"\n', [(4, 12, "'127.0.0.1:8080'", ITSELF)]),
    "a server's table": (listener("a", "127.0.0.1:8080", "x") +
                         '[backend.x]\nservers = [{ address = "127.0.0.1:8080" }]\n',
                         [(5, 12, "'127.0.0.1:8080'", ITSELF)]),
    "two listeners": (listener("a", "127.0.0.1:8080", "x") + listener("b", "0.0.0.0:8081", "y") +
                      backend("x", "127.0.0.1:8081") + backend("y", "127.0.0.1:8080"),
                      [(8, 12, "'127.0.0.1:8081'", OVER_B),
                       (10, 12, "'127.0.0.1:8080'",
                        "listener 'b' -> backend 'y' -> listener 'a' -> backend 'x' -> listener 'b'")]),
}


@pytest.mark.parametrize("shape", LOOPS)
def test_check_names_the_circle(tmp_path, shape):
    config, faults = LOOPS[shape]
    for command in ("check", "run"):
        result, path = check(tmp_path, config.replace("'", '"'), command)
        assert result.returncode == 2
        assert result.stderr.splitlines() == [
            f"{path}:{line}:{column}: error: 'servers': {server} leads back to portshare: {circle}"
            for line, column, server, circle in faults]


LEGAL = {
    "a chain": listener("a", "127.0.0.1:8080", "x") + listener("b", "127.0.0.1:8081", "y") +
               backend("x", "127.0.0.1:8081") + backend("y", "127.0.0.1:9000"),
    "another port": listener("a", "*:8080", "x") + backend("x", "127.0.0.1:8081"),
    "another address": listener("a", "127.0.0.1:8080", "x") + backend("x", "127.0.0.2:8080"),
    "another family": listener("a", "0.0.0.0:8080", "x") + backend("x", "[::1]:8080"),
    "another host": listener("a", "*:8080", "x") + backend("x", "192.0.2.1:8080"),
}


@pytest.mark.parametrize("shape", LEGAL)
def test_what_is_no_circle_is_legal(tmp_path, shape):
    result, _ = check(tmp_path, LEGAL[shape].replace("'", '"'))
    assert result.returncode == 0 and "error" not in result.stderr, result


def test_a_name_is_seen_when_it_is_looked_up(tmp_path):
    """`check` looks no names up; `run` refuses to start, with the same words."""
    port = free_port()
    config = listener("a", f"127.0.0.1:{port}", "x") + backend("x", f"localhost:{port}").replace("'", '"')
    result, path = check(tmp_path, config)
    assert result.returncode == 0, result
    result, _ = check(tmp_path, '[server]\nlog = { level = "error" }\n' + config, "run")
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        f"portshare: {path}:7:12: error: 'servers': 'localhost:{port}' (127.0.0.1:{port}) leads back to portshare: "
        f"{ITSELF}"]


def test_a_chain_works(workshop):
    server, address = workshop.listen()
    front, back = free_port(), free_port()
    workshop.portshare((listener("a", f"127.0.0.1:{front}", "x") + listener("b", f"*:{back}", "y") +
                        backend("x", f"127.0.0.1:{back}") + backend("y", address)).replace("'", '"'))
    request = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
    with connect(front) as client:
        client.sendall(request)
        with accept(server) as connection:
            assert connection.recv(4096) == request
    assert exchange(front, b"GET / HTTP/1.1\r\n\r\n")[0].startswith(b"HTTP/1.1 400 ")
