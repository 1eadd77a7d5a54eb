"""Which engine runs when nobody chose one."""

import pathlib

import pytest

from conftest import io_uring_forbidden
from harness.sockets import exchange, free_port

WITHOUT_IO_URING = pathlib.Path(__file__).parent.parent / "harness" / "without_io_uring.py"


def config(port, address):
    return f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
default = "b"
[backend.b]
servers = ["{address}"]
"""


def test_epoll_takes_over_where_io_uring_is_forbidden(workshop):
    server = workshop.nginx("site")
    port = free_port()
    dispatcher = workshop.portshare(config(port, server.address), engine="auto",
                                    prefix=("/usr/bin/python3", WITHOUT_IO_URING))
    assert exchange(port, b"GET /who HTTP/1.0\r\n\r\n")[0].endswith(b"site\n")
    dispatcher.says("io_uring.*epoll|epoll.*io_uring")


@pytest.mark.skipif(io_uring_forbidden() is not None, reason="this system has no io_uring")
def test_io_uring_where_it_is_to_be_had(workshop):
    server = workshop.nginx("site")
    port = free_port()
    dispatcher = workshop.portshare(config(port, server.address), engine="auto")
    assert exchange(port, b"GET /who HTTP/1.0\r\n\r\n")[0].endswith(b"site\n")
    dispatcher.says("io_uring")
    assert "epoll" not in dispatcher.stderr
