"""A later request that cannot be read in one way only is refused, and nothing behind it reaches any server."""

import select

import pytest

from harness.http import Messages, Sites, head_of, kept_alive, request
from harness.sockets import accept, connect, nobody_came, read_to_end, receive_exactly

SMUGGLED = request("beta.test", "/smuggled") + request("alpha.test", "/smuggled")


def post(*fields, version="1.1"):
    return request("beta.test", "/", *fields, method="POST", version=version)


LATER_REQUESTS = {
    # Where the body ends
    "Content-Length with Transfer-Encoding": post("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "Transfer-Encoding with Content-Length": post("Transfer-Encoding: chunked", "Content-Length: 5") + b"0\r\n\r\n",
    "two Content-Lengths": post("Content-Length: 0", "Content-Length: 44"),
    "two equal Content-Lengths": post("Content-Length: 0", "Content-Length: 0"),
    "a list of Content-Lengths": post("Content-Length: 0, 44"),
    "a Content-Length with a sign": post("Content-Length: +0"),
    "a hexadecimal Content-Length": post("Content-Length: 0x0"),
    "a Content-Length of no digits": post("Content-Length: "),
    "a Content-Length over 64 bits": post("Content-Length: 18446744073709551616"),
    "Transfer-Encoding: xchunked": post("Transfer-Encoding: xchunked"),
    "Transfer-Encoding: identity": post("Transfer-Encoding: identity"),
    "Transfer-Encoding: chunked, identity": post("Transfer-Encoding: chunked, identity"),
    "Transfer-Encoding: chunked twice": post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "Transfer-Encoding: \"chunked\"": post('Transfer-Encoding: "chunked"'),
    "Transfer-Encoding: chunked;q=1": post("Transfer-Encoding: chunked;q=1"),
    "Transfer-Encoding with a vertical tab": post("Transfer-Encoding: \vchunked"),
    "an empty Transfer-Encoding": post("Transfer-Encoding:"),
    "Transfer-Encoding in HTTP/1.0": post("Transfer-Encoding: chunked", version="1.0"),
    # Where a line ends, and what a field is
    "a folded line": post("X: a", " Content-Length: 44"),
    "a folded Transfer-Encoding": post("Transfer-Encoding:", " chunked"),
    "a folded first line": b"GET / HTTP/1.1\r\n Host: alpha.test\r\nHost: beta.test\r\n\r\n",
    "a bare CR in a value": post("X: a\rContent-Length: 44"),
    "a bare CR for a line's end": b"GET / HTTP/1.1\rHost: beta.test\r\r",
    "bare LF": b"GET / HTTP/1.1\nHost: beta.test\n\n",
    "LF CR": b"GET / HTTP/1.1\r\nHost: beta.test\r\n\n\r",
    "NUL in a value": post("X: a\0b"),
    "NUL in a name": post("X\0: a"),
    "a space before the colon": post("Content-Length : 44"),
    "a tab before the colon": post("Transfer-Encoding\t: chunked"),
    "a name that is no token": post("Content(Length): 44"),
    "no name": post(": 44"),
    "no colon": post("Content-Length 44"),
    # The request line and the name
    "two Hosts": request("beta.test", "/", "Host: alpha.test"),
    "two equal Hosts": request("beta.test", "/", "host: beta.test"),
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "an empty Host": request("", "/"),
    "a list of Hosts": request("beta.test, alpha.test", "/"),
    "a Host with a user": request("alpha.test@beta.test", "/"),
    "a Host with a port over 65535": request("beta.test:65616", "/"),
    "absolute form against Host": request("beta.test", "http://alpha.test/"),
    "CONNECT against Host": request("beta.test", "alpha.test:443", method="CONNECT"),
    "two spaces": b"GET  / HTTP/1.1\r\nHost: beta.test\r\n\r\n",
    "a tab for a space": b"GET\t/ HTTP/1.1\r\nHost: beta.test\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2.0": request("beta.test", version="2.0"),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no HTTP": b"SSH-2.0-x\r\n",
    "TLS": b"\x16\x03\x01\x02\0",
}


@pytest.fixture(scope="module")
def sites(module_workshop):
    sites = Sites(module_workshop)
    sites.recorders = sites.record()
    return sites


def is_refused(answers, status=400):
    answer = answers.next()
    assert answer is not None, "no answer"
    assert answer.status == status and answer.fields["connection"] == ["close"], answer
    assert answers.rest() == b""


@pytest.mark.smoke
@pytest.mark.parametrize("pipelined", (False, True), ids=("alone", "pipelined"))
@pytest.mark.parametrize("shape", LATER_REQUESTS)
def test_a_malformed_later_request(sites, shape, pipelined):
    alpha, beta = sites.recorders
    alpha_had, beta_had, logged = alpha.received(), beta.received(), len(sites.dispatcher.access())
    first = request("alpha.test", "/good")
    with connect(sites.port) as client:
        answers = Messages(client)
        if pipelined:
            client.sendall(first + LATER_REQUESTS[shape] + SMUGGLED)
            assert answers.next().body == b"alpha /good"
        else:
            client.sendall(first)
            assert answers.next().body == b"alpha /good"
            client.sendall(LATER_REQUESTS[shape] + SMUGGLED)
        is_refused(answers)
    # The records are written when all is over.
    sites.dispatcher.eventually(lambda: len(sites.dispatcher.access()) >= logged + 2, "two lines in the access log")
    good, bad = sites.dispatcher.access()[logged:]
    assert (good["outcome"], good["name"], good["backend"]) == ("ok", "alpha.test", "alpha")
    assert (bad["outcome"], bad["backend"]) == ("malformed", None), bad
    assert alpha.received() == alpha_had + first and beta.received() == beta_had


CHUNKED = request("alpha.test", "/", "Transfer-Encoding: chunked", method="POST")
CHUNK_TRICKS = {
    "no digit": (b"", b"\r\n"),
    "no hexadecimal digit": (b"", b"g\r\n"),
    "0x": (b"", b"0x0\r\n\r\n"),
    "a sign": (b"", b"+0\r\n\r\n"),
    "a negative size": (b"", b"-1\r\n"),
    "a space before": (b"", b" 0\r\n\r\n"),
    "a space behind": (b"", b"0 \r\n\r\n"),
    "an underscore": (b"", b"1_0\r\n"),
    "over 64 bits": (b"", b"10000000000000005\r\nhello\r\n"),
    "over 63 bits": (b"", b"ffffffffffffffff\r\n"),
    "more zeros than digits count": (b"", b"00000000000000000\r\n\r\n"),
    "bare LF behind the size": (b"", b"0\n\r\n"),
    "bare CR behind the size": (b"", b"0\r\r\n"),
    "bare LF in an extension": (b"", b"5;a\nhello\r\n0\r\n\r\n"),
    "bare CR in an extension": (b"", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "NUL in an extension": (b"", b"5;\0\r\nhello\r\n0\r\n\r\n"),
    "data longer than the size": (b"5\r\nhello", b"!\r\n0\r\n\r\n"),
    "data shorter than the size": (b"6\r\nhello\r", b"\n0\r\n\r\n"),
    "bare LF behind the data": (b"5\r\nhello", b"\n0\r\n\r\n"),
    "two bytes behind the data": (b"5\r\nhello", b"XX0\r\n\r\n"),
    "a folded trailer": (b"0\r\nX: a\r\n", b" b\r\n\r\n"),
    "a trailer with a space before the colon": (b"0\r\n", b"X : a\r\n\r\n"),
    "a trailer Content-Length": (b"0\r\n", b"Content-Length: 44\r\n\r\n"),
    "a trailer Transfer-Encoding": (b"0\r\n", b"Transfer-Encoding: chunked\r\n\r\n"),
    "a trailer Host": (b"0\r\n", b"Host: beta.test\r\n\r\n"),
    "bare LF behind the trailers": (b"0\r\n", b"\n"),
}


@pytest.mark.smoke
@pytest.mark.parametrize("step", (1, 10_000))
@pytest.mark.parametrize("trick", CHUNK_TRICKS)
def test_a_malformed_body(workshop, trick, step):
    """The server sees the body cut off before the fault."""
    sites = Sites(workshop)
    legal, fault = CHUNK_TRICKS[trick]
    data = CHUNKED + legal + fault + SMUGGLED
    with connect(sites.port) as client:
        try:
            for start in range(0, len(data), step):
                client.sendall(data[start:start + step])
        except (ConnectionResetError, BrokenPipeError):
            pass  # it is refused before all was sent
        is_refused(Messages(client))
        client.close()
        with accept(sites.alpha) as server:
            received, _ = read_to_end(server)
            # Of a line that is not complete nothing goes on.
            assert (CHUNKED + legal).startswith(received) and len(received) >= len(CHUNKED)
    record = sites.dispatcher.logged(outcome="malformed")
    assert record["name"] == "alpha.test"
    assert nobody_came(sites.alpha) and nobody_came(sites.beta)


def test_a_malformed_body_while_the_response_is_under_way(workshop):
    """A 400 would be taken for a part of the response, so the connection is cut."""
    sites = Sites(workshop)
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst"
    with connect(sites.port) as client:
        client.sendall(CHUNKED + b"5\r\nhello\r\n")
        with accept(sites.alpha) as server:
            receive_exactly(server, len(CHUNKED) + 10)
            server.sendall(begun)
            assert receive_exactly(client, len(begun)) == begun
            client.sendall(b"0x\r\n" + SMUGGLED)
            assert read_to_end(client)[0] == b""
            assert b"smuggled" not in read_to_end(server)[0]
    assert sites.dispatcher.logged(outcome="malformed")["backend"] == "alpha"


@pytest.mark.smoke
def test_a_later_request_for_a_name_without_a_route(workshop):
    sites = Sites(workshop)
    with connect(sites.port) as client:
        answers = Messages(client)
        with kept_alive(sites, client, answers) as server:
            client.sendall(request("nobody.test", "/secret") + SMUGGLED)
            is_refused(answers, 421)
            client.close()
            assert read_to_end(server) == (b"", "close")
    record = sites.dispatcher.logged(outcome="no_route")
    assert (record["name"], record["backend"], record["server"], record["route"]) == ("nobody.test", None, None, None)


def test_a_later_request_to_a_server_that_refuses(workshop):
    sites = Sites(workshop)
    with connect(sites.port) as client:
        answers = Messages(client)
        with kept_alive(sites, client, answers):
            sites.beta.close()
            client.sendall(request("beta.test"))
            is_refused(answers, 502)
    assert sites.dispatcher.logged(outcome="refused")["name"] == "beta.test"


LONG_HEAD = request("alpha.test", "/", "X: " + "x" * 2000)


@pytest.mark.parametrize("data", (LONG_HEAD[:1500], LONG_HEAD), ids=("no end", "whole"))
def test_a_later_head_that_is_too_long(workshop, data):
    sites = Sites(workshop, 'first_flight_limit = "1KiB"')
    with connect(sites.port) as client:
        answers = Messages(client)
        with kept_alive(sites, client, answers) as server:
            client.sendall(data)
            is_refused(answers, 431)
            client.close()
            assert read_to_end(server) == (b"", "close")
    assert sites.dispatcher.logged(outcome="too_large")["backend"] is None


def test_a_limit_for_heads_is_none_for_bodies(workshop):
    sites = Sites(workshop, 'first_flight_limit = "1KiB"')
    alpha, _ = sites.record()
    message = request("alpha.test", "/", "Content-Length: 100000", method="POST", body=b"x" * 100_000)
    with connect(sites.port) as client:
        answers = Messages(client)
        for _ in range(3):
            client.sendall(message)
            assert answers.next().body == b"alpha /"
    assert alpha.received() == message * 3


@pytest.mark.smoke
@pytest.mark.parametrize("dripping", (False, True), ids=("stuck", "dripping"))
def test_a_later_head_that_is_too_slow(workshop, dripping):
    sites = Sites(workshop, 'first_flight_timeout = "500ms"')
    with connect(sites.port) as client:
        answers = Messages(client)
        with kept_alive(sites, client, answers) as server:
            client.sendall(b"GET / HTTP/1.1\r\nX: ")
            # A byte now and then does not extend the time.
            while dripping and not select.select([client], [], [], 0.05)[0]:
                client.sendall(b"x")
            is_refused(answers, 408)
            client.close()
            assert read_to_end(server) == (b"", "close")
    sites.dispatcher.logged(outcome="timeout")


def test_the_time_for_a_head_does_not_run_between_requests_and_in_bodies(workshop):
    sites = Sites(workshop, 'first_flight_timeout = "200ms"')
    with connect(sites.port) as client:
        answers = Messages(client)
        with kept_alive(sites, client, answers) as server:
            assert not select.select([client, server], [], [], 0.5)[0], "an idle connection was ended"
            head = request("alpha.test", "/", "Content-Length: 2", method="POST")
            client.sendall(head + b"a")
            assert head_of(server) == head and receive_exactly(server, 1) == b"a"
            assert not select.select([client, server], [], [], 0.5)[0], "a slow body was ended"
            client.sendall(b"b")
            assert receive_exactly(server, 1) == b"b"
            assert not select.select([client, server], [], [], 0.5)[0], "a slow server was not waited for"
            server.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            assert answers.next().status == 204
