"""Many connections at a time, and more than there are descriptors for."""

import asyncio
import contextlib
import hashlib
import resource
import select
import threading

import pytest

from conftest import NAMES
from harness.sockets import connect, free_port, read_to_end
from harness.waiting import PATIENCE_SECONDS, eventually

CONNECTIONS = 2000


class EchoApplications:
    """An HTTP server per name in one thread: answers a request with its own name and the hash of the body."""

    def __init__(self, names):
        self.heads_read = 0
        self.addresses = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._servers = [self._call(self._serve(name)) for name in names]

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_SECONDS)

    async def _serve(self, name):
        async def answer(reader, writer):
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads_read += 1
                length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
                body = name.encode() + b" " + hashlib.sha256(await reader.readexactly(length)).hexdigest().encode()
                writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=4096)
        self.addresses[name] = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    def close(self):
        for server in self._servers:
            self._loop.call_soon_threadsafe(server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def applications():
    applications = EchoApplications(NAMES)
    yield applications
    applications.close()


def config_for(port, addresses):
    return f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
""" + "".join(f"""
[[route]]
name = ["{name}"]
to = "{name.split(".")[0]}"
[backend.{name.split(".")[0]}]
servers = ["{address}"]
""" for name, address in addresses.items())


@pytest.mark.smoke
def test_2000_connections_at_a_time(workshop, applications):
    port = free_port()
    # The soft limit would not do: portshare raises it to the hard one.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    dispatcher = workshop.portshare(config_for(port, applications.addresses),
                                    prefix=("prlimit", f"--nofile=1024:{hard}", "--"))
    assert hard > 2 * CONNECTIONS + 100, "this system allows too few descriptors for this test"
    everyone_is_there = asyncio.Event()

    async def one(number):
        name = NAMES[number % len(NAMES)]
        body = f"{number} of {CONNECTIONS} ".encode() * (1 + number % 50)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST /{number} HTTP/1.1\r\nHost: {name}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        await everyone_is_there.wait()
        writer.write(body)
        answer = await reader.read()
        writer.close()
        expected = f"{name} {hashlib.sha256(body).hexdigest()}".encode()
        assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\n" + expected), (number, answer)

    async def everyone():
        tasks = [asyncio.ensure_future(one(number)) for number in range(CONNECTIONS)]
        while applications.heads_read < CONNECTIONS and not any(task.done() for task in tasks):
            await asyncio.sleep(0.01)
        everyone_is_there.set()
        await asyncio.gather(*tasks)

    asyncio.run(asyncio.wait_for(everyone(), 4 * PATIENCE_SECONDS))
    dispatcher.eventually(lambda: len(dispatcher.access_lines()) == CONNECTIONS, "a line for each in the access log")
    assert {record["outcome"] for record in dispatcher.access()} == {"ok"}


@pytest.mark.parametrize("limit, workers", [(128, 1), (64, 2)])
def test_out_of_descriptors(workshop, limit, workers):
    """Accepting pauses while there are none, costs no CPU, and resumes; whoever waited is served."""
    listener, address = workshop.listen()
    listener.setblocking(False)
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
protocols = []
default = "b"
[backend.b]
servers = ["{address}"]
""", workers=workers, prefix=("prlimit", f"--nofile={limit}:{limit}", "--"))
    clients = [connect(port) for _ in range(200)]
    for number, client in enumerate(clients):
        client.sendall(b"%4d" % number)
    servers = []

    def accept_all():
        with contextlib.suppress(BlockingIOError):
            while True:
                server, _ = listener.accept()
                server.settimeout(PATIENCE_SECONDS)
                servers.append(server)

    dispatcher.says("descriptor")
    # Paused: whatever happens within a second is not work.
    before = dispatcher.cpu_seconds()
    select.select([], [], [], 1.0)
    assert dispatcher.cpu_seconds() - before < 0.2, "spins while it is out of descriptors"
    accept_all()
    assert 10 <= len(servers) < limit / 2, "two descriptors per connection"

    answered = 0
    while answered < len(clients):
        eventually(lambda: accept_all() or servers, lambda: f"a further connection after {answered}")
        for server in servers:
            number = server.recv(4)
            server.sendall(number)
            server.close()
            client = clients[int(number)]
            assert read_to_end(client) == (number, "close")
            client.close()
            answered += 1
        servers.clear()
    dispatcher.says("resum")
    dispatcher.eventually(lambda: len(dispatcher.access()) == len(clients), "a line for each in the access log")
    assert {record["outcome"] for record in dispatcher.access()} == {"ok"}
