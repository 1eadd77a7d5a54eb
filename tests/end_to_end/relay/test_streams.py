"""What a relayed connection is to its two ends: the same as a direct one."""

import concurrent.futures
import contextlib
import hashlib
import pathlib
import random
import select
import signal
import socket
import threading
import time

import pytest

from harness.sockets import accept, connect, free_port, read_to_end, receive_exactly, reset
from harness.waiting import eventually

MIB = 1024 * 1024


def start(workshop, keys="", **options):
    """The dispatcher, with these keys of its listener, the port of that, and where the test accepts as the server."""
    listener, address = workshop.listen()
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
protocols = []
default = "b"
{keys}
[backend.b]
servers = ["{address}"]
""", **options)
    return dispatcher, port, listener


@pytest.fixture
def relay(workshop):
    """relay(keys of the listener) gives the dispatcher, and a connected pair: the client's socket and the server's."""

    def connected(keys="", **options):
        dispatcher, port, listener = start(workshop, keys, **options)
        client = connect(port)
        return dispatcher, client, accept(listener)

    return connected


@pytest.mark.smoke
def test_the_client_may_end_first(relay):
    dispatcher, client, server = relay()
    with client, server:
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(server) == (b"question", "close")
        server.sendall(b"answer" * 100_000)
        server.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == (b"answer" * 100_000, "close")
    record = dispatcher.logged(outcome="ok")
    assert (record["bytes_in"], record["bytes_out"]) == (8, 600_000)


@pytest.mark.smoke
def test_the_server_may_speak_first_after_many_clients_did(workshop):
    """What portshare has learnt from those must not keep anybody from being heard."""
    _, port, listener = start(workshop, workers=1)
    for _ in range(2):
        for _ in range(70):
            with connect(port) as client:
                client.sendall(b"question")
                with accept(listener) as server:
                    assert receive_exactly(server, 8) == b"question"
                    server.sendall(b"answer")
                assert read_to_end(client) == (b"answer", "close")
        for _ in range(3):
            with connect(port) as client, accept(listener) as server:
                server.sendall(b"220 ready")
                assert receive_exactly(client, 9) == b"220 ready"
                client.sendall(b"QUIT")
                assert receive_exactly(server, 4) == b"QUIT"
        with connect(port) as client, accept(listener) as server:
            client.shutdown(socket.SHUT_WR)
            assert read_to_end(server) == (b"", "close"), "who says nothing ends as ever"


@pytest.mark.smoke
def test_the_server_may_end_first(relay):
    dispatcher, client, server = relay()
    with client, server:
        server.sendall(b"greeting")
        server.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == (b"greeting", "close")
        client.sendall(b"upload" * 100_000)
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(server) == (b"upload" * 100_000, "close")
    record = dispatcher.logged(outcome="ok")
    assert (record["bytes_in"], record["bytes_out"]) == (600_000, 8)


def test_a_stream_without_bytes(relay):
    dispatcher, client, server = relay()
    with client, server:
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(server) == (b"", "close")
        server.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == (b"", "close")
    record = dispatcher.logged(outcome="ok")
    assert (record["bytes_in"], record["bytes_out"]) == (0, 0)


@pytest.mark.smoke
def test_a_reset_by_the_client_reaches_the_server(relay):
    dispatcher, client, server = relay()
    with server:
        client.sendall(b"x")
        assert receive_exactly(server, 1) == b"x"
        reset(client)
        assert read_to_end(server) == (b"", "reset")
    dispatcher.logged(outcome="client_reset")


@pytest.mark.smoke
def test_a_reset_by_the_server_reaches_the_client(relay):
    dispatcher, client, server = relay()
    with client:
        server.sendall(b"x")
        assert receive_exactly(client, 1) == b"x"
        reset(server)
        assert read_to_end(client) == (b"", "reset")
    dispatcher.logged(outcome="server_reset")


def test_a_reset_after_a_half_close(relay):
    dispatcher, client, server = relay()
    with client:
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(server) == (b"", "close")
        server.sendall(b"part")
        assert receive_exactly(client, 4) == b"part"
        reset(server)
        assert read_to_end(client) == (b"", "reset")
    dispatcher.logged(outcome="server_reset")


def blocked(sender, block=bytes(64 * 1024), limit=256 * MIB):
    """Sends until nothing has been taken for a second; how many bytes were."""
    sent = 0
    sender.setblocking(False)
    while select.select([], [sender], [], 1.0)[1]:
        try:
            sent += sender.send(block)
        except BlockingIOError:
            continue
        assert sent < limit, "a reader that reads nothing does not slow the sender"
    sender.settimeout(30)
    return sent


@pytest.mark.smoke
@pytest.mark.parametrize("direction", ("to the server", "to the client"))
def test_a_slow_reader_slows_the_sender(relay, direction):
    dispatcher, client, server = relay()
    sender, reader = (client, server) if direction == "to the server" else (server, client)
    with client, server:
        before = dispatcher.resident_bytes()
        sent = blocked(sender)
        # What the kernel holds in the four socket buffers, and next to nothing in portshare.
        assert dispatcher.resident_bytes() - before < 4 * MIB
        used = dispatcher.cpu_seconds()
        assert not select.select([], [sender], [], 1.0)[1]
        assert dispatcher.cpu_seconds() - used < 0.3, "waiting for a reader must cost no CPU"
        sender.shutdown(socket.SHUT_WR)
        received, ending = read_to_end(reader)
        assert (len(received), ending) == (sent, "close")


def test_the_other_direction_flows_while_one_is_blocked(relay):
    _, client, server = relay()
    with client, server:
        blocked(client)
        server.sendall(b"news")
        assert receive_exactly(client, 4) == b"news"


def pump(connection, seed, total, results, name):
    """Sends `total` bytes made from `seed`, and ends the sending side; results[name] is their hash."""
    block = random.Random(seed).randbytes(MIB + 17)  # no multiple of any buffer's size
    digest = hashlib.sha256()
    while total:
        piece = block[:total]
        connection.sendall(piece)
        digest.update(piece)
        total -= len(piece)
    connection.shutdown(socket.SHUT_WR)
    results[name] = digest.hexdigest()


def drain(connection, results, name):
    digest, count = hashlib.sha256(), 0
    while data := connection.recv(256 * 1024):
        digest.update(data)
        count += len(data)
    results[name] = digest.hexdigest()
    results[name + " count"] = count


@pytest.mark.smoke
def test_100_mb_both_ways_at_once(relay):
    total = 100_000_000
    dispatcher, client, server = relay()
    results = {}
    with client, server:
        threads = [threading.Thread(target=pump, args=(client, 1, total, results, "client sent")),
                   threading.Thread(target=pump, args=(server, 2, total, results, "server sent")),
                   threading.Thread(target=drain, args=(client, results, "client received")),
                   threading.Thread(target=drain, args=(server, results, "server received"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results["client received"] == results["server sent"]
    assert results["server received"] == results["client sent"]
    assert results["client sent"] != results["server sent"]
    record = dispatcher.logged(outcome="ok")
    assert (record["bytes_in"], record["bytes_out"]) == (total, total)


def test_an_idle_connection_is_ended(relay):
    dispatcher, client, server = relay('idle_timeout = "300ms"')
    with client, server:
        client.sendall(b"x")
        assert receive_exactly(server, 1) == b"x"
        assert read_to_end(client)[0] == b""
        assert read_to_end(server)[0] == b""
    dispatcher.logged(outcome="idle")


@pytest.mark.parametrize("talker", ("client", "server"))
def test_a_byte_in_one_direction_is_no_idleness(relay, talker):
    """One direction alone keeps the connection, for longer than the time-out."""
    for _ in range(5):
        dispatcher, client, server = relay('idle_timeout = "1500ms"')
        sender, reader = (client, server) if talker == "client" else (server, client)
        with client, server:
            start = last = time.monotonic()
            longest_gap = 0.0
            while time.monotonic() - start < 3.5:
                sender.sendall(b"x")
                if reader.recv(1) != b"x":
                    break
                longest_gap, last = max(longest_gap, time.monotonic() - last), time.monotonic()
                select.select([reader], [], [], 0.1)  # a pause between the bytes
            else:
                return
        assert longest_gap > 1.0, "ended although it was not idle"
    pytest.fail("this machine is too busy to send a byte every 100 ms")


def test_a_client_that_vanishes_during_the_connect_leaves_nothing(workshop):
    listener, address = workshop.listen(backlog=0)
    port = free_port()
    with connect(listener.getsockname()[1]):  # the queue is full, so portshare's connect waits
        dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
protocols = []
default = "b"
[backend.b]
servers = ["{address}"]
connect_timeout = "500ms"
retries = 0
""")
        reset(connect(port))
        eventually(dispatcher.access, "a line in the access log")
    assert dispatcher.access()[0]["outcome"] in ("client_reset", "connect_timeout")


@contextlib.contextmanager
def stopped(dispatcher):
    """What arrives meanwhile waits, and portshare then finds all of it at once."""
    dispatcher.signal(signal.SIGSTOP)
    dispatcher.eventually(lambda: "T" in state_of(dispatcher.pid), "a stop")
    try:
        yield
    finally:
        dispatcher.signal(signal.SIGCONT)


def state_of(process):
    return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.smoke
@pytest.mark.parametrize("first", ("client", "server"))
def test_an_end_that_comes_with_its_bytes(relay, first):
    dispatcher, client, server = relay()
    one, other = (client, server) if first == "client" else (server, client)
    with client, server:
        # Both directions are under way before.
        for sender, reader in ((one, other), (other, one)):
            sender.sendall(b"x")
            assert receive_exactly(reader, 1) == b"x"
        with stopped(dispatcher):
            one.sendall(b"last words")
            one.shutdown(socket.SHUT_WR)
        assert read_to_end(other) == (b"last words", "close")
        other.sendall(b"still here" * 10_000)
        assert receive_exactly(one, 100_000) == b"still here" * 10_000
        with stopped(dispatcher):
            other.sendall(b"goodbye")
            other.shutdown(socket.SHUT_WR)
        assert read_to_end(one) == (b"goodbye", "close")
    dispatcher.logged(outcome="ok")


@pytest.mark.smoke
def test_both_ends_come_with_their_bytes(relay):
    dispatcher, client, server = relay()
    with client, server:
        with stopped(dispatcher):
            for peer in (client, server):
                peer.sendall(b"last words" * 5_000)
                peer.shutdown(socket.SHUT_WR)
        assert read_to_end(server) == (b"last words" * 5_000, "close")
        assert read_to_end(client) == (b"last words" * 5_000, "close")
    record = dispatcher.logged(outcome="ok")
    assert (record["bytes_in"], record["bytes_out"]) == (50_000, 50_000)


def test_bytes_behind_an_urgent_one_are_not_lost(relay):
    """The urgent byte itself is (TCP's urgent data is not carried), but not the end of the stream."""
    dispatcher, client, server = relay()
    with client, server:
        client.sendall(b"x")
        assert receive_exactly(server, 1) == b"x"
        with stopped(dispatcher):
            client.sendall(b"before")
            client.send(b"!", socket.MSG_OOB)
            client.sendall(b"behind")
            client.shutdown(socket.SHUT_WR)
        assert read_to_end(server) == (b"beforebehind", "close")


def test_bytes_behind_an_urgent_one_do_not_wait_for_more(relay):
    dispatcher, client, server = relay()
    with client, server:
        client.sendall(b"x")
        assert receive_exactly(server, 1) == b"x"
        with stopped(dispatcher):
            client.sendall(b"before")
            client.send(b"!", socket.MSG_OOB)
            client.sendall(b"behind")
        assert receive_exactly(server, 12) == b"beforebehind"


@pytest.mark.parametrize("is_at_the_end", [False, True])
def test_an_urgent_byte_in_the_middle_of_much_stops_nothing(relay, is_at_the_end):
    _, client, server = relay()
    much = bytes(range(256)) * 4096  # enough to be carried by way of a pipe
    behind = b"" if is_at_the_end else much

    def send():
        client.sendall(much + much)
        client.send(b"!", socket.MSG_OOB)
        client.sendall(behind)
        client.shutdown(socket.SHUT_WR)

    with client, server, concurrent.futures.ThreadPoolExecutor(1) as sender:
        sending = sender.submit(send)
        received, end = read_to_end(server)
        sending.result()
    assert end == "close"
    assert received == much + much + behind


def test_an_upload_that_the_server_resets_ends_in_a_reset(relay):
    """What the server had sent before gets there, if anything does, and never looks whole."""
    dispatcher, client, server = relay()
    with client:
        blocked(client)
        with stopped(dispatcher):
            server.sendall(b"part")
            reset(server)
        received, ending = read_to_end(client)
        assert b"part".startswith(received) and ending == "reset"
    dispatcher.logged(outcome="server_reset")
