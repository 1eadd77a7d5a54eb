"""Whoever reads the logs may stop reading; that stops nobody else."""

import os
import signal
import subprocess

import pytest

from harness.portshare import BINARY
from harness.process import run
from harness.sockets import exchange, free_port
from harness.waiting import PATIENCE_SECONDS, eventually


def full_pipe():
    """Both ends of a pipe that takes not one byte more."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writer, True)
    return reader, writer


@pytest.mark.parametrize("access", ["stderr", "off"])
def test_a_full_stderr_stops_neither_traffic_nor_the_end(workshop, tmp_path, access):
    server = workshop.nginx("site")
    port = free_port()
    config = tmp_path / "portshare.toml"
    config.write_text(f"""
[server]
log = {{ access = "{access}" }}
[listener.l]
bind = ["127.0.0.1:{port}"]
default = "b"
[backend.b]
servers = ["{server.address}"]
""")
    reader, writer = full_pipe()
    program = subprocess.Popen([BINARY, "run", "-c", config], stderr=writer)
    try:
        os.close(writer)

        def answer():
            try:
                return exchange(port, b"GET /who HTTP/1.0\r\n\r\n")[0]
            except ConnectionRefusedError:
                return b""

        assert eventually(answer, lambda: "an answer").endswith(b"site\n")
        program.send_signal(signal.SIGTERM)
        assert program.wait(PATIENCE_SECONDS) == 0
    finally:
        if program.poll() is None:
            program.kill()
            program.wait()
        os.close(reader)


def test_a_named_pipe_is_no_access_log(tmp_path):
    os.mkfifo(tmp_path / "access.fifo")
    config = tmp_path / "portshare.toml"
    config.write_text(f"""
[server]
log = {{ access = "{tmp_path}/access.fifo" }}
[listener.l]
bind = ["127.0.0.1:0"]
default = "b"
[backend.b]
servers = ["127.0.0.1:1"]
""")
    result = run([BINARY, "run", "-c", config])
    assert result.returncode == 1
    assert "access.fifo" in result.stderr and "pipe" in result.stderr
