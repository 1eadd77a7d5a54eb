"""Several servers behind one name."""

import collections

from harness.sockets import connect, exchange, free_port, read_to_end

REQUEST = b"GET /who HTTP/1.0\r\nHost: alpha.test\r\n\r\n"


def dispatcher_for(workshop, backend, **options):
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
default = "b"
[backend.b]
{backend}
""", **options)
    return dispatcher, port


def test_round_robin(workshop):
    servers = [workshop.nginx(name).address for name in ("one", "two", "three")]
    dispatcher, port = dispatcher_for(workshop, f"servers = {servers}", workers=1)
    answers = collections.Counter(exchange(port, REQUEST)[0].split()[-1] for _ in range(30))
    assert answers == {b"one": 10, b"two": 10, b"three": 10}
    dispatcher.eventually(lambda: len(dispatcher.access()) == 30, "30 lines in the access log")
    assert collections.Counter(record["server"] for record in dispatcher.access()) == dict.fromkeys(servers, 10)


def test_another_server_is_tried_when_one_refuses(workshop):
    alive = workshop.nginx("alive").address
    dead = [f"127.0.0.1:{free_port()}", f"unix:{workshop.directory}/nobody.sock"]
    dispatcher, port = dispatcher_for(workshop, f"servers = {[*dead, alive]}")
    for _ in range(9):
        assert exchange(port, REQUEST)[0].endswith(b"alive\n")
    dispatcher.eventually(lambda: len(dispatcher.access()) == 9, "9 lines in the access log")
    assert {(record["server"], record["outcome"]) for record in dispatcher.access()} == {(alive, "ok")}


def test_no_retries(workshop):
    alive, dead = workshop.nginx("alive").address, f"127.0.0.1:{free_port()}"
    dispatcher, port = dispatcher_for(workshop, f"servers = {[alive, dead]}\nretries = 0", workers=1)
    statuses = collections.Counter(exchange(port, REQUEST)[0].split()[1] for _ in range(4))
    assert statuses == {b"200": 2, b"502": 2}


def test_another_server_is_tried_when_one_does_not_answer(workshop):
    alive = workshop.nginx("alive").address
    listener, silent = workshop.listen(backlog=0)
    with connect(listener.getsockname()[1]):  # a full queue drops SYNs
        _, port = dispatcher_for(workshop, f'servers = {[silent, alive]}\nconnect_timeout = "300ms"')
        for _ in range(4):
            assert exchange(port, REQUEST)[0].endswith(b"alive\n")


def test_a_server_that_comes_later_is_found(workshop):
    port_of_server = free_port()
    dispatcher, port = dispatcher_for(workshop, f'servers = ["127.0.0.1:{port_of_server}"]')
    assert b" 502 " in exchange(port, REQUEST)[0]
    workshop.nginx("late", address=f"127.0.0.1:{port_of_server}")
    assert exchange(port, REQUEST)[0].endswith(b"late\n")


def test_the_first_flight_goes_to_the_server_that_takes_it(workshop):
    """Nothing of it is lost on the way over servers that refuse."""
    listener, address = workshop.listen()
    dead = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    _, port = dispatcher_for(workshop, f"servers = {[*dead, address]}")
    request = b"POST / HTTP/1.1\r\nHost: alpha.test\r\nContent-Length: 10000\r\n\r\n" + b"x" * 10000
    for _ in range(3):
        with connect(port) as client:
            client.sendall(request)
            server, _ = listener.accept()
            with server:
                server.settimeout(30)
                received = b""
                while len(received) < len(request):
                    received += server.recv(65536)
                assert received == request
                server.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            assert read_to_end(client)[0].startswith(b"HTTP/1.1 204 ")
