"""SIGHUP: another configuration, while connections come and go."""

import json
import os
import re
import socket
import threading

import pytest

from harness.http import Messages, RecordingServer, request
from harness.sockets import accept, connect, exchange, free_port, read_to_end, receive_exactly


def by_address(listeners, backends):
    """`listeners`: {name: (bind, backend)}, `backends`: {name: address}."""
    return "".join(f"""
[listener.{name}]
bind = {json.dumps([bind] if isinstance(bind, str) else bind)}
protocols = []
default = "{backend}"
""" for name, (bind, backend) in listeners.items()) + "".join(f"""
[backend.{name}]
servers = ["{address}"]
""" for name, address in backends.items())


class Answers:
    """A server that tells its name and ends, to whoever connects."""

    def __init__(self, workshop, name):
        self._name = name.encode()
        self._listener, self.address = workshop.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            with connection:
                connection.sendall(self._name)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass


def exchange_until_end(port, **where):
    with connect(port, **where) as client:
        client.shutdown(socket.SHUT_WR)
        return read_to_end(client)


@pytest.mark.smoke
def test_new_connections_go_by_the_new_file_and_old_ones_go_on(workshop):
    listener, old = workshop.listen()
    new = Answers(workshop, "new")
    port = free_port()
    dispatcher = workshop.portshare(by_address({"l": (f"127.0.0.1:{port}", "b")}, {"b": old}))
    with connect(port) as client, accept(listener) as server:
        client.sendall(b"before")
        assert receive_exactly(server, 6) == b"before"
        assert dispatcher.reload(by_address({"l": (f"127.0.0.1:{port}", "c")}, {"c": new.address}))
        assert exchange_until_end(port) == (b"new", "close")
        server.sendall(b"and after")
        assert receive_exactly(client, 9) == b"and after"
        server.close()
        assert read_to_end(client) == (b"", "close")
    dispatcher.says(r"backend 'b' is gone")
    dispatcher.says(r"backend 'c' is new")
    dispatcher.says(r"listener 'l': default: b -> c")
    assert dispatcher.logged(backend="b")["server"] == old
    assert dispatcher.logged(backend="c")["server"] == new.address


@pytest.mark.smoke
def test_listeners_come_and_go(workshop):
    one, two = Answers(workshop, "one"), Answers(workshop, "two")
    ports = [free_port() for _ in range(3)]
    backends = {"one": one.address, "two": two.address}
    dispatcher = workshop.portshare(by_address({"a": (f"127.0.0.1:{ports[0]}", "one"),
                                                "b": (f"127.0.0.1:{ports[1]}", "two")}, backends))
    # b takes a's address, a is gone, and c is new.
    assert dispatcher.reload(by_address({"c": (f"127.0.0.1:{ports[2]}", "one"),
                                         "b": (f"127.0.0.1:{ports[0]}", "two")}, backends))
    assert exchange_until_end(ports[0])[0] == b"two" and exchange_until_end(ports[2])[0] == b"one"
    with pytest.raises(ConnectionRefusedError):
        connect(ports[1])
    with socket.socket() as other:  # and may be had by anybody
        other.bind(("127.0.0.1", ports[1]))
        other.listen()
    assert dispatcher.logged(listener="c") and dispatcher.logged(listener="b", backend="two")


@pytest.mark.smoke
@pytest.mark.parametrize("fault", ("syntax", "backend", "address", "key", "loop"))
def test_a_fault_changes_nothing(workshop, fault):
    one = Answers(workshop, "one")
    _, taken = workshop.listen()
    port, other = free_port(), free_port()
    good = by_address({"a": (f"127.0.0.1:{port}", "one")}, {"one": one.address})
    dispatcher = workshop.portshare(good)
    faulty, words = {
        "syntax": (good + "[listener", "encountered end-of-file"),
        "backend": (good.replace('default = "one"', 'default = "none"'), "none"),
        "address": (by_address({"a": (f"127.0.0.1:{port}", "one"), "n": (f"127.0.0.1:{other}", "one"), "b": (taken, "one")},
                               {"one": one.address}), taken),
        "key": (good + "colour = 1", "colour"),
        "loop": (by_address({"a": (f"127.0.0.1:{port}", "one")}, {"one": f"127.0.0.1:{port}"}), "leads back"),
    }[fault]
    assert not dispatcher.reload(faulty)
    assert words in dispatcher.stderr
    assert exchange_until_end(port) == (b"one", "close")
    with pytest.raises(ConnectionRefusedError):  # what could be bound was given back
        connect(other)
    assert dispatcher.reload(good)
    dispatcher.says("nothing is different")


def test_an_address_of_its_own_is_no_other_programs(workshop):
    """The monitor's old address is free only when the reload is over. Nobody is told to kill portshare for that."""
    port = free_port()
    config = by_address({"a": (f"127.0.0.1:{port}", "one")}, {"one": "127.0.0.1:9"})
    dispatcher = workshop.portshare(config, monitor=True)
    monitor = f'monitor = "{dispatcher.monitor}"'
    text = dispatcher.config_file.read_text()
    dispatcher._head = dispatcher._head.replace(monitor, f'monitor = "127.0.0.1:{free_port()}"')
    assert not dispatcher.reload(config.replace(f"127.0.0.1:{port}", dispatcher.monitor))
    assert "take two reloads" in dispatcher.stderr and "stop it" not in dispatcher.stderr
    # The other way round.
    dispatcher._head = text.replace(config, "").replace(monitor, f'monitor = "127.0.0.1:{port}"')
    assert not dispatcher.reload(config.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}"))
    assert dispatcher.stderr.count("take two reloads") == 2 and "stop it" not in dispatcher.stderr
    # Lines of a fault are lines of the log.
    assert all(line == "ready" or re.match(r"\d{4}-", line) for line in dispatcher.stderr.splitlines())


def test_a_reload_that_fails_leaves_the_monitor_and_its_clients_alone(workshop):
    held, _ = workshop.listen()
    config = by_address({"a": (f"127.0.0.1:{free_port()}", "one")}, {"one": "127.0.0.1:9"})
    dispatcher = workshop.portshare(config, monitor=True, admin=True)
    host, port = dispatcher.monitor.split(":")
    old_head, elsewhere = dispatcher._head, free_port()
    dispatcher._head = old_head.replace(dispatcher.monitor, f"{host}:{elsewhere}").replace(dispatcher.admin, dispatcher.admin + "2")
    with connect(int(port)) as watcher:
        watcher.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert watcher.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
        assert not dispatcher.reload(config.replace('bind = ["', f'bind = ["127.0.0.1:{held.getsockname()[1]}", "'))
        assert dispatcher.ask("/status")[0] == 200 and not os.path.exists(dispatcher.admin + "2")
        with socket.socket() as probe:
            assert probe.connect_ex((host, elsewhere)) != 0
        # The stream goes on: an event each second.
        seen = b""
        while seen.count(b"event: sample") < 3:
            piece = watcher.recv(65536)
            assert piece, "the stream has ended"
            seen += piece
    dispatcher._head = old_head
    assert dispatcher.reload(config)


@pytest.mark.smoke
@pytest.mark.parametrize("before, after", (("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0")))
def test_a_wildcard_and_its_addresses_take_turns(workshop, before, after):
    """The one cannot be bound beside the other, and still no connection is refused meanwhile."""
    one = Answers(workshop, "one")
    port = free_port()
    configs = [by_address({"a": (f"{host}:{port}", "one")}, {"one": one.address}) for host in (before, after)]
    dispatcher = workshop.portshare(configs[0])
    with load_on(port) as load:
        for turn in range(10):
            assert dispatcher.reload(configs[(turn + 1) % 2])
    assert load.failures == [] and load.count > 0
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        with socket.socket() as stranger:
            stranger.setsockopt(socket.SOL_SOCKET, option, 1)
            with pytest.raises(OSError):
                stranger.bind((before, port))
                stranger.listen()


class load_on:
    """Connections, one after the other on some threads, as long as it lasts."""

    def __init__(self, port, threads=4, expected=b"one"):
        self.port, self.expected, self.failures, self.count = port, expected, [], 0
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def _run(self):
        while not self._ends.is_set():
            try:
                result = exchange_until_end(self.port)
            except OSError as error:
                result = error
            self.count += 1
            if result != (self.expected, "close"):
                self.failures.append(result)


@pytest.mark.smoke
def test_a_hundred_reloads_under_load_lose_nothing(workshop):
    one = Answers(workshop, "one")
    echo_listener, echo_address = workshop.listen()
    port, echo_port, other = free_port(), free_port(), free_port()
    backends = {"one": one.address, "echo": echo_address}
    base = {"a": (f"127.0.0.1:{port}", "one"), "e": (f"127.0.0.1:{echo_port}", "echo")}
    configs = [by_address(base, backends),
               by_address(base | {"n": (f"127.0.0.1:{other}", "one")}, backends | {"extra": one.address})]
    dispatcher = workshop.portshare(configs[0])
    data = os.urandom(8 << 20)
    with connect(echo_port) as client, accept(echo_listener) as server, load_on(port) as load:
        received = bytearray()
        thread = threading.Thread(target=lambda: received.extend(receive_exactly(server, 100 * len(data))))
        thread.start()
        for turn in range(100):
            assert dispatcher.reload(configs[(turn + 1) % 2])
            client.sendall(data)
        thread.join()
    assert load.failures == [] and load.count >= 100
    assert received == data * 100
    dispatcher.stop()
    assert {record["outcome"] for record in dispatcher.access()} == {"ok"}
    assert len(dispatcher.access()) == load.count + 1


def http_sites(port, routes, backends):
    return f"""
[listener.web]
bind = ["127.0.0.1:{port}"]
""" + "".join(f"""
[[route]]
host = ["{name}"]
to = "{backend}"
""" for name, backend in routes.items()) + "".join(f"""
[backend.{name}]
servers = ["{address}"]
""" for name, address in backends.items())


@pytest.mark.smoke
def test_a_kept_connection_follows(workshop):
    """Its next request goes by the new routes; over the server's connection that there is, if they lead there."""
    port = free_port()
    addresses, servers = {}, {}
    for name in ("alpha", "beta"):
        listener, addresses[name] = workshop.listen()
        servers[name] = RecordingServer(name, listener)
    dispatcher = workshop.portshare(http_sites(port, {"a.test": "alpha"}, {"alpha": addresses["alpha"]}))
    with connect(port) as client:
        answers = Messages(client)

        def ask(host, path):
            client.sendall(request(host, path))
            return answers.next()

        assert ask("a.test", "/1").body == b"alpha /1"
        # The backends change their places in the file.
        assert dispatcher.reload(http_sites(port, {"b.test": "beta", "a.test": "alpha"}, {"beta": addresses["beta"], "alpha": addresses["alpha"]}))
        assert ask("a.test", "/2").body == b"alpha /2"
        assert ask("b.test", "/3").body == b"beta /3"
        assert dispatcher.reload(http_sites(port, {"a.test": "beta"}, {"beta": addresses["beta"]}))
        assert ask("a.test", "/4").body == b"beta /4"
        assert ask("b.test", "/5").status == 421
    assert [len(server.connections) for server in servers.values()] == [1, 1]
    dispatcher.stop()
    records = dispatcher.access()
    assert [record["backend"] for record in records] == ["alpha", "alpha", "beta", "beta", None]
    assert records[3]["route"] == dispatcher.route('to = "beta"')


def test_a_kept_connection_ends_with_its_listener(workshop):
    port, other = free_port(), free_port()
    listener, address = workshop.listen()
    RecordingServer("alpha", listener)
    config = http_sites(port, {"a.test": "alpha"}, {"alpha": address})
    dispatcher = workshop.portshare(config)
    with connect(port) as client:
        answers = Messages(client)
        client.sendall(request("a.test", "/1"))
        assert answers.next().body == b"alpha /1"
        assert dispatcher.reload(config.replace("listener.web", "listener.other").replace(str(port), str(other)))
        client.sendall(request("a.test", "/2"))
        assert answers.next().body == b"alpha /2"
        assert answers.next() is None


def test_limits_keep_their_counts(workshop):
    listener, address = workshop.listen()
    port = free_port()
    config = by_address({"l": (f"127.0.0.1:{port}", "b")}, {"b": address})
    limited = config.replace("protocols = []", "protocols = []\nmax_connections = 2")
    dispatcher = workshop.portshare(limited)
    with connect(port), accept(listener), connect(port), accept(listener):
        assert exchange(port, b"x") == (b"", "reset")
        assert dispatcher.reload(limited.replace("= 2", "= 3"))
        with connect(port), accept(listener):
            assert exchange(port, b"x") == (b"", "reset")
        dispatcher.eventually(lambda: len(dispatcher.access()) == 3, "the end of the third")
        assert dispatcher.reload(limited)
        assert exchange(port, b"x") == (b"", "reset")


def test_the_access_log_is_opened_anew(workshop):
    """As logrotate wants it."""
    one = Answers(workshop, "one")
    port = free_port()
    config = by_address({"a": (f"127.0.0.1:{port}", "one")}, {"one": one.address})
    dispatcher = workshop.portshare(config)
    exchange_until_end(port)
    dispatcher.logged(outcome="ok")
    rotated = dispatcher.access_file.with_suffix(".1")
    dispatcher.access_file.rename(rotated)
    assert dispatcher.reload(config)
    exchange_until_end(port)
    dispatcher.logged(outcome="ok")
    assert len(rotated.read_text().splitlines()) == 1 and len(dispatcher.access()) == 1
