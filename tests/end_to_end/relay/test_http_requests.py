"""Every request of an HTTP/1 connection is routed for itself, and answered in order."""

import contextlib
import hashlib
import random
import select
import socket
import threading

import pytest

from harness.http import Messages, Sites, head_of, kept_alive, request, response
from harness.sockets import accept, connect, nobody_came, read_to_end, receive_exactly, reset

MIB = 1024 * 1024


def goes_on_with_beta(sites, client, answers):
    """A further request on the connection reaches the other server."""
    client.sendall(request("beta.test", "/further"))
    with accept(sites.beta) as server:
        assert head_of(server) == request("beta.test", "/further")
        server.sendall(response(b"further"))
        assert answers.next().body == b"further"


@pytest.mark.smoke
def test_each_request_reaches_its_own_server_and_no_other(workshop):
    sites = Sites(workshop)
    alpha, beta = sites.record()
    requests = [request(f"{name}.test", f"/{number}") for number, name in
                enumerate(("alpha", "beta", "beta", "alpha", "alpha", "beta", "alpha"))]
    with connect(sites.port) as client:
        answers = Messages(client)
        for number, one in enumerate(requests):
            client.sendall(one)
            name = "alpha" if b"alpha" in one else "beta"
            assert answers.next().body == f"{name} /{number}".encode()
    assert alpha.received() == b"".join(one for one in requests if b"alpha" in one)
    assert beta.received() == b"".join(one for one in requests if b"beta" in one)
    # A connection serves the requests in a row that are for the same server.
    assert (len(alpha.connections), len(beta.connections)) == (3, 2)


@pytest.mark.smoke
@pytest.mark.parametrize("step", (1, 7, 10_000))
def test_pipelined_requests_are_answered_in_order(workshop, step):
    sites = Sites(workshop)
    alpha, beta = sites.record()
    names = ["alpha", "alpha", "beta", "alpha", "beta", "beta"]
    requests = [request(f"{name}.test", f"/{number}", "Content-Length: 4", method="POST", body=b"GET ")
                for number, name in enumerate(names)]
    with connect(sites.port) as client:
        data = b"".join(requests)
        for start in range(0, len(data), step):
            client.sendall(data[start:start + step])
        answers = Messages(client)
        assert [answers.next().body.decode() for _ in names] == [f"{name} /{number}" for number, name in
                                                                 enumerate(names)]
    assert alpha.received() == b"".join(one for one in requests if b"alpha.test" in one)
    assert beta.received() == b"".join(one for one in requests if b"beta.test" in one)


def test_a_request_waits_for_the_response_to_the_one_before(workshop):
    sites = Sites(workshop)
    with connect(sites.port) as client:
        client.sendall(request("alpha.test", "/1") + request("beta.test", "/2") + request("alpha.test", "/3"))
        answers = Messages(client)
        with accept(sites.alpha) as first:
            assert head_of(first) == request("alpha.test", "/1")
            first.sendall(response(b"one")[:-1])
            assert receive_exactly(client, len(response(b"one")) - 1) == response(b"one")[:-1]
            assert nobody_came(sites.beta)
            first.sendall(b"e")
            assert receive_exactly(client, 1) == b"e"
            with accept(sites.beta) as second:
                assert head_of(second) == request("beta.test", "/2")
                assert read_to_end(first) == (b"", "close")  # never got the third request, which is for it
                second.sendall(response(b"two"))
                assert answers.next().body == b"two"
                with accept(sites.alpha) as third:
                    assert head_of(third) == request("alpha.test", "/3")
                    third.sendall(response(b"three"))
                    assert answers.next().body == b"three"


def test_a_client_may_end_behind_pipelined_requests(workshop):
    """As `nc -N` does: the end of its stream is no reason to leave what it asked for unanswered."""
    sites = Sites(workshop)
    sites.record()
    with connect(sites.port) as client:
        client.sendall(request("alpha.test", "/1") + request("beta.test", "/2") + request("beta.test", "/3"))
        client.shutdown(socket.SHUT_WR)
        answers = Messages(client)
        assert [answers.next().body for _ in range(3)] == [b"alpha /1", b"beta /2", b"beta /3"]
        assert answers.next() is None


def test_a_client_that_pipelines_without_end_is_not_buffered(workshop):
    sites = Sites(workshop)
    dispatcher = sites.dispatcher
    with connect(sites.port) as client:
        client.sendall(request("alpha.test"))
        with accept(sites.alpha) as server:
            head_of(server)
            before = dispatcher.resident_bytes()
            client.setblocking(False)
            pipelined, sent = request("alpha.test", "/" + "x" * 900) * 1000, 0
            while select.select([], [client], [], 1.0)[1]:
                sent += client.send(pipelined)
                assert sent < 64 * MIB, "portshare reads on"
            assert dispatcher.resident_bytes() - before < 8 * MIB


# --- Bodies ---

REQUEST_BODIES = {
    "Content-Length": (["Content-Length: 11"], b"hello\r\n\r\nGE"),
    "Content-Length: 0": (["Content-Length: 0"], b""),
    "an empty body in chunks": (["Transfer-Encoding: chunked"], b"0\r\n\r\n"),
    "chunks": (["Transfer-Encoding: chunked"], b"5\r\nhello\r\nB\r\n\r\n0\r\n\r\nGET \r\n0\r\n\r\n"),
    "chunks with extensions and trailers": (
        ["Transfer-Encoding: Chunked", "Trailer: X-Sum"],
        b'005;a="b;c"\r\nhello\r\n0;last\r\nX-Sum: 1\r\nX-More: caf\xc3\xa9\r\n\r\n'),
}


@pytest.mark.smoke
@pytest.mark.parametrize("step", (1, 10_000))
@pytest.mark.parametrize("kind", REQUEST_BODIES)
def test_the_body_of_a_request_passes_exactly(workshop, kind, step):
    sites = Sites(workshop)
    fields, body = REQUEST_BODIES[kind]
    message = request("alpha.test", "/", *fields, method="POST", body=body)
    with connect(sites.port) as client:
        sent = message + request("beta.test", "/further")
        for start in range(0, len(sent), step):
            client.sendall(sent[start:start + step])
        answers = Messages(client)
        with accept(sites.alpha) as server:
            assert receive_exactly(server, len(message)) == message
            server.sendall(response(b"done"))
            assert answers.next().body == b"done"
            with accept(sites.beta) as other:
                assert head_of(other) == request("beta.test", "/further")
            assert read_to_end(server) == (b"", "close")


RESPONSES = {
    "Content-Length": ("GET", response(b"hello\r\n\r\nHTTP/1.1 200 OK\r\n")),
    "Content-Length: 0": ("GET", response()),
    "chunks": ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                      b"5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"),
    "chunks with trailers": ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                                    b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
    "to HEAD": ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
    "to HEAD, chunks": ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "204": ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
    "304": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: \"x\"\r\n\r\n"),
    "103, then 200": ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + response(b"hello")),
    "102, 103, then 204": ("GET", b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"
                                  b"HTTP/1.1 204 No Content\r\n\r\n"),
    "HTTP/1.0 that keeps alive": ("GET", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"),
    "no reason": ("GET", b"HTTP/1.1 299\r\nContent-Length: 2\r\n\r\nok"),
}


@pytest.mark.smoke
@pytest.mark.parametrize("step", (1, 10_000))
@pytest.mark.parametrize("kind", RESPONSES)
def test_a_response_passes_exactly_and_the_connection_goes_on(workshop, kind, step):
    sites = Sites(workshop)
    method, answer = RESPONSES[kind]
    with connect(sites.port) as client:
        client.sendall(request("alpha.test", method=method))
        with accept(sites.alpha) as server:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            head_of(server)
            for start in range(0, len(answer), step):
                server.sendall(answer[start:start + step])
            assert receive_exactly(client, len(answer)) == answer
            goes_on_with_beta(sites, client, Messages(client))
    record = sites.dispatcher.logged(backend="alpha")
    assert (record["bytes_out"], record["outcome"]) == (len(answer), "ok")


LAST_RESPONSES = {
    "until the close": (request("alpha.test"), b"HTTP/1.1 200 OK\r\n\r\nhello"),
    "HTTP/1.0 until the close": (request("alpha.test"), b"HTTP/1.0 200 OK\r\n\r\nhello"),
    "an unknown coding": (request("alpha.test"), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: x-new\r\n\r\nhello"),
    "Connection: close of the server": (request("alpha.test"), response(b"hello", "Connection: close")),
    "Connection: close of the client": (request("alpha.test", "/", "Connection: close"), response(b"hello")),
    "HTTP/1.0": (request("alpha.test", version="1.0"), response(b"hello")),
    "HTTP/1.0 of the server alone": (request("alpha.test"), b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
}


@pytest.mark.smoke
@pytest.mark.parametrize("kind", LAST_RESPONSES)
def test_the_last_response_of_a_connection(workshop, kind):
    """The client sees the end behind it, and what it had pipelined reaches no one."""
    sites = Sites(workshop)
    message, answer = LAST_RESPONSES[kind]
    with connect(sites.port) as client:
        client.sendall(message + request("beta.test"))
        with accept(sites.alpha) as server:
            assert head_of(server) == message
            server.sendall(answer)
            if b"Content-Length" not in answer:
                server.shutdown(socket.SHUT_WR)
            assert read_to_end(client) == (answer, "close")
            client.close()
            assert read_to_end(server) == (b"", "close")
    assert nobody_came(sites.beta)
    assert sites.dispatcher.logged(backend="alpha")["outcome"] == "ok"


def test_http_1_0_may_keep_alive(workshop):
    sites = Sites(workshop)
    message = request("alpha.test", "/", "Connection: Keep-Alive", version="1.0")
    with connect(sites.port) as client:
        client.sendall(message)
        answers = Messages(client)
        with accept(sites.alpha) as server:
            assert head_of(server) == message
            server.sendall(response(b"hello", "Connection: keep-alive"))
            assert answers.next().body == b"hello"
            goes_on_with_beta(sites, client, answers)


@pytest.mark.smoke
def test_100_continue(workshop):
    sites = Sites(workshop)
    message = request("alpha.test", "/", "Content-Length: 5", "Expect: 100-continue", method="PUT")
    with connect(sites.port) as client:
        client.sendall(message)
        answers = Messages(client)
        with accept(sites.alpha) as server:
            assert head_of(server) == message
            server.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert answers.next().status == 100
            client.sendall(b"hello")
            assert receive_exactly(server, 5) == b"hello"
            server.sendall(response(b"done"))
            assert answers.next().body == b"done"
            goes_on_with_beta(sites, client, answers)


def test_a_refused_expectation(workshop):
    """The server answers instead of asking for the body, and the client does not send it: the server closes."""
    sites = Sites(workshop)
    answer = response(b"no", "Connection: close", status="417 Expectation Failed")
    with connect(sites.port) as client:
        client.sendall(request("alpha.test", "/", "Content-Length: 5", "Expect: 100-continue", method="PUT"))
        with accept(sites.alpha) as server:
            head_of(server)
            server.sendall(answer)
            assert read_to_end(client) == (answer, "close")


@pytest.mark.parametrize("fields, body", (("Content-Length: 5", b"he"), ("Transfer-Encoding: chunked", b"5\r\nhe")))
@pytest.mark.parametrize("resets", (False, True))
def test_a_client_that_ends_within_its_body(workshop, fields, body, resets):
    """The server, which gives up without an answer, is not to blame."""
    sites = Sites(workshop)
    message = request("alpha.test", "/", fields, method="POST") + body
    with connect(sites.port) as client:
        client.sendall(message)
        client.shutdown(socket.SHUT_WR)
        server = accept(sites.alpha)
        assert read_to_end(server) == (message, "close")
        reset(server) if resets else server.close()
        assert Messages(client).next().status == 400
    sites.dispatcher.logged(outcome="malformed")


def test_an_early_answer_does_not_cut_the_body_off(workshop):
    """A server that has answered and keeps the connection gets the rest of the body, and only that."""
    sites = Sites(workshop)
    head = request("alpha.test", "/", "Content-Length: 10", method="POST")
    with connect(sites.port) as client:
        client.sendall(head + b"01234")
        answers = Messages(client)
        with accept(sites.alpha) as server:
            assert receive_exactly(server, len(head) + 5) == head + b"01234"
            server.sendall(response(b"early"))
            assert answers.next().body == b"early"
            client.sendall(b"56789" + request("beta.test", "/further"))
            assert receive_exactly(server, 5) == b"56789"
            with accept(sites.beta) as other:
                assert head_of(other) == request("beta.test", "/further")
            assert read_to_end(server) == (b"", "close")


def random_bytes(count):
    return random.Random(count).randbytes(count)


@pytest.mark.smoke
def test_large_bodies_pass_whole(workshop):
    sites = Sites(workshop)
    body = random_bytes(16 * MIB + 123)
    digest = hashlib.sha256(body).digest()
    # The pieces are of all sizes from a byte to 64 KiB.
    pieces, start = [], 0
    sizes = random.Random(1)
    while start < len(body):
        pieces.append(body[start:start + sizes.choice((1, 100, 4096, 16384, 65536))])
        start += len(pieces[-1])
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    bodies = ([f"Content-Length: {len(body)}"], body), (["Transfer-Encoding: chunked"], chunks)

    def serve(listener, fields, data):
        with accept(listener) as server:
            messages = Messages(server)
            while message := messages.next():
                digests.append(hashlib.sha256(message.body).digest())
                lines = "".join(line + "\r\n" for line in ["HTTP/1.1 200 OK", *fields])
                server.sendall(lines.encode() + b"\r\n" + data)

    digests = []
    with connect(sites.port) as client:
        answers = Messages(client)
        for name, listener in (("alpha.test", sites.alpha), ("beta.test", sites.beta)) * 2:
            for fields, data in bodies:
                serving = threading.Thread(target=serve, args=(listener, fields, data))
                if fields is bodies[0][0]:
                    serving.start()
                client.sendall(request(name, "/", *fields, method="POST", body=data))
                assert hashlib.sha256(answers.next().body).digest() == digest
    assert digests == [digest] * 8


# --- Servers that fail ---

NONSENSE = {"no HTTP": b"\x15\x03\x01\x00\x02\x02\x28", "an SSH banner": b"SSH-2.0-x\r\n",
            "two Content-Lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            "a field without a colon": b"HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n",
            "an upgrade that nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
                                                b"Connection: upgrade\r\n\r\n",
            "no byte": b"", "half a head": b"HTTP/1.1 200 OK\r\nContent-Le"}


@pytest.mark.smoke
@pytest.mark.parametrize("kind", NONSENSE)
@pytest.mark.parametrize("earlier", (0, 1))
def test_a_server_without_an_answer(workshop, kind, earlier):
    """... to the first request on a connection to it, be it the client's first or not."""
    sites = Sites(workshop)
    with connect(sites.port) as client, contextlib.ExitStack() as open_servers:
        answers = Messages(client)
        if earlier:
            client.sendall(request("beta.test"))
            server = open_servers.enter_context(accept(sites.beta))
            head_of(server)
            server.sendall(response(b"fine"))
            assert answers.next().body == b"fine"
        client.sendall(request("alpha.test") + request("beta.test", "/never"))
        with accept(sites.alpha) as server:
            head_of(server)
            server.sendall(NONSENSE[kind])
            server.shutdown(socket.SHUT_WR)
            answer = answers.next()
            assert answer.status == 502 and answer.fields["connection"] == ["close"]
            assert answers.next() is None
    assert nobody_came(sites.beta)
    assert sites.dispatcher.logged(outcome="refused")["backend"] == "alpha"


def test_a_server_that_resets_instead_of_an_answer(workshop):
    sites = Sites(workshop)
    with connect(sites.port) as client:
        client.sendall(request("alpha.test"))
        server = accept(sites.alpha)
        head_of(server)
        reset(server)
        assert Messages(client).next().status == 502


BEGUN_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


@pytest.mark.parametrize("answer", (response(b"hello")[:-1], BEGUN_CHUNKS, BEGUN_CHUNKS + b"X\r\n"),
                         ids=("Content-Length", "chunks", "a broken chunk"))
def test_a_response_that_is_cut_off(workshop, answer):
    """The client does not mistake what it has for the whole, and no second answer is put behind it."""
    sites = Sites(workshop)
    with connect(sites.port) as client:
        client.sendall(request("alpha.test") + request("beta.test"))
        with accept(sites.alpha) as server:
            head_of(server)
            server.sendall(answer)
            with contextlib.suppress(OSError):  # what is broken has been answered with a reset
                server.shutdown(socket.SHUT_WR)
            data, _ = read_to_end(client)
            assert answer.startswith(data)
    assert nobody_came(sites.beta)
    sites.dispatcher.logged(outcome="server_reset")


def test_a_server_closes_an_idle_connection(workshop):
    """The client sees it, as it would without portshare, and repeats nothing blindly."""
    sites = Sites(workshop)
    with connect(sites.port) as client:
        answers = Messages(client)
        kept_alive(sites, client, answers).close()
        assert answers.next() is None
    assert sites.dispatcher.logged(backend="alpha")["outcome"] == "ok"


def test_a_server_closes_while_the_next_request_is_on_its_way(workshop):
    """It looks to the client like any connection that was closed when idle, and not like an answer."""
    sites = Sites(workshop)
    with connect(sites.port) as client:
        answers = Messages(client)
        with kept_alive(sites, client, answers) as server:
            client.sendall(request("alpha.test", "/2"))
            head_of(server)
        assert answers.rest() == b""


def test_a_server_that_is_given_up_is_not_missed(workshop):
    """The server of the earlier request has closed, and the next one is for another."""
    sites = Sites(workshop)
    with connect(sites.port) as client:
        answers = Messages(client)
        client.sendall(request("alpha.test") + request("beta.test", "/further"))
        with accept(sites.alpha) as server:
            head_of(server)
            server.sendall(response(b"hello"))
        assert answers.next().body == b"hello"
        with accept(sites.beta) as other:
            assert head_of(other) == request("beta.test", "/further")
            other.sendall(response(b"further"))
            assert answers.next().body == b"further"


def test_a_client_that_leaves_in_the_middle_of_its_body(workshop):
    """The server sees a body that was cut off, never a whole one."""
    sites = Sites(workshop)
    head = request("alpha.test", "/", "Content-Length: 10", method="POST")
    with connect(sites.port) as client:
        client.sendall(head + b"01234")
        with accept(sites.alpha) as server:
            assert receive_exactly(server, len(head) + 5) == head + b"01234"
            client.close()
            assert read_to_end(server)[0] == b""


@pytest.mark.parametrize("extra", (response(b"poison"), b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"),
                         ids=("a second response", "an early 408"))
def test_what_a_server_says_unasked_answers_no_request(workshop, extra):
    """It came before the next request, so it cannot be meant for it. That one gets a connection of its own."""
    sites = Sites(workshop)
    with connect(sites.port) as client:
        answers = Messages(client)
        client.sendall(request("alpha.test", "/1"))
        with accept(sites.alpha) as server:
            head_of(server)
            server.sendall(response(b"one") + extra)
            assert answers.next().body == b"one"
            client.sendall(request("alpha.test", "/2"))
            with accept(sites.alpha) as fresh:
                assert head_of(fresh) == request("alpha.test", "/2")
                fresh.sendall(response(b"two"))
                assert answers.next().body == b"two"
            assert b"/2" not in read_to_end(server)[0]
