"""How the two processes of an upgrade end, while the old one still has a connection."""

import contextlib
import os
import signal

import pytest

from harness.http import Messages, request
from harness.portshare import BINARY
from harness.process import run
from harness.sockets import accept, connect, free_port, read_to_end, receive_exactly
from harness.waiting import eventually
from relay.test_upgrade import Generations, http_sites

pytestmark = pytest.mark.smoke

HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234"


@pytest.fixture
def halfway(workshop):
    """Two generations, and a client and a server of the old one, in the middle of a response."""
    port = free_port()
    listener, address = workshop.listen()
    with contextlib.ExitStack() as stack:
        generations = Generations(workshop, http_sites(port, {"a.test": "alpha"}, {"alpha": address}), shutdown_timeout="1h")
        client = stack.enter_context(connect(port))
        client.sendall(request("a.test", "/"))
        server = stack.enter_context(accept(listener))
        Messages(server).next()
        server.sendall(HALF)
        assert receive_exactly(client, len(HALF)) == HALF
        generations.upgrade()
        yield generations, client, server


@pytest.mark.parametrize("is_first_to_hear", (False, True))
def test_both_end_in_order_when_all_are_told_again(halfway, is_first_to_hear):
    """As systemd does when the main process of a unit, which is the new one, has ended."""
    generations, client, server = halfway
    old, new = generations.pids
    os.kill(new, signal.SIGTERM)
    if is_first_to_hear:
        eventually(lambda: generations.ended(new), "an end of the new one")
    os.kill(old, signal.SIGTERM)
    eventually(lambda: generations.log.count("shutting down: no new connections") == 2, lambda: generations.log[-3000:])
    eventually(lambda: generations.ended(new), "an end of the new one")
    os.kill(old, signal.SIGTERM)
    os.kill(old, signal.SIGHUP)  # signals come in their order: when this one has been seen, so has the other
    generations.dispatcher.says("reload: nothing has changed")
    server.sendall(b"56789")
    assert receive_exactly(client, 5) == b"56789"
    generations.stop()
    assert [record["outcome"] for record in generations.dispatcher.access()] == ["ok"]


def test_one_between_the_two_is_not_missed(halfway):
    """The new one has a successor itself, to which everything has moved."""
    generations, client, server = halfway
    generations.upgrade()
    old, new, newest = generations.pids
    eventually(lambda: generations.ended(new), "an end of the new one")
    for pid in (newest, old):
        os.kill(pid, signal.SIGTERM)
    eventually(lambda: generations.log.count("shutting down: no new connections") == 2, lambda: generations.log[-3000:])
    server.sendall(b"56789")
    assert receive_exactly(client, 5) == b"56789"
    generations.stop()
    assert [record["outcome"] for record in generations.dispatcher.access()] == ["ok"]


def test_the_old_one_ends_at_once_when_the_new_one_has_crashed(halfway):
    """Whoever starts portshare again waits for the old one, and meanwhile nobody listens."""
    generations, client, server = halfway
    old, new = generations.pids
    os.kill(new, signal.SIGKILL)
    eventually(lambda: generations.ended(new), "an end of the new one")
    os.kill(old, signal.SIGTERM)
    assert read_to_end(client)[0] == b""
    generations.stop()
    assert [record["outcome"] for record in generations.dispatcher.access()] == ["shutdown"]


AS_FIRST_PROCESS = ("unshare", "-r", "--pid", "--fork", "--mount-proc")


@pytest.mark.skipif(run([*AS_FIRST_PROCESS, "true"]).returncode != 0, reason="no process namespaces for us")
def test_the_first_process_of_a_container_cannot_be_replaced(workshop):
    port = free_port()
    listener, address = workshop.listen()
    dispatcher = workshop.portshare(http_sites(port, {"a.test": "alpha"}, {"alpha": address}), admin=True,
                                    prefix=AS_FIRST_PROCESS)
    result = dispatcher.command("upgrade")
    assert result.returncode == 1 and "restart the container instead" in result.stderr, result
    assert dispatcher.command("status").returncode == 0
    assert dispatcher.command("drain").returncode == 0
    dispatcher.exit_code()
