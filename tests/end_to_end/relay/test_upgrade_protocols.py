"""Ten upgrades in a row, and programs that do not notice: OpenSSH, a browser's WebSockets."""

import os
import random
import re
import select
import threading

import pytest

from harness.chromium import CHROMIUM, Page
from harness.portshare import BINARY
from harness.process import run
from harness.sockets import free_port
from harness.ssh import SSHD
from harness.waiting import PATIENCE_SECONDS, eventually
from relay.test_upgrade import Generations

pytestmark = pytest.mark.smoke

UPGRADES = 10


class Commanded(Generations):
    """Generations that follow one another by `portshare upgrade`."""

    def __init__(self, workshop, config):
        super().__init__(workshop, config, admin=True)

    def _command(self, *arguments):
        return run([BINARY, *arguments, "--admin", f"unix:{self.admin}"])

    def upgrade(self):
        # The one that has come last opens the admin socket a moment after it accepts connections.
        eventually(lambda: f'"pid":{self.pids[-1]},' in self._command("status", "--json").stdout.replace(" ", ""),
                   lambda: f"an answer of {self.pids[-1]}: {self.log[-3000:]}")
        result = self._command("upgrade")
        assert result.returncode == 0, result
        self.pids.append(int(re.match(r"process (\d+) has taken", result.stdout)[1]))

    def only_the_last_is_left(self):
        for pid in self.pids[:-1]:
            eventually(lambda pid=pid: self.ended(pid), lambda: f"an end of {pid}: {self.log[-3000:]}")
        assert not self.ended(self.pids[-1])


def read_some(pipe, most):
    ready, _, _ = select.select([pipe], [], [], PATIENCE_SECONDS)
    assert ready, "nothing comes any more"
    return os.read(pipe.fileno(), most)


class Bulk:
    """Sends blocks to a program that sends them back, for as long as it is told, and compares what returns."""

    def __init__(self, session, least):
        self.returned = 0  # blocks
        self._faults = []
        self._session = session
        self._least = least
        self._sent = 0
        self._is_enough = threading.Event()
        self._threads = [threading.Thread(target=self._note_faults, args=(task,), daemon=True)
                         for task in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def _note_faults(self, task):
        try:
            task()
        except (AssertionError, OSError) as fault:
            self._faults.append(f"{fault!r}, after {self._sent} blocks there and {self.returned} back")

    @staticmethod
    def _block(number):
        return random.Random(number).randbytes(1 << 20)

    def _send(self):
        with self._session.stdin as pipe:
            while self._sent < self._least or not self._is_enough.is_set():
                left = memoryview(self._block(self._sent))
                while left:
                    left = left[pipe.write(left):]
                self._sent += 1

    def _receive(self):
        expected = self._block(0)
        while piece := read_some(self._session.stdout, len(expected)):
            assert piece == expected[:len(piece)], "other bytes than were sent"
            expected = expected[len(piece):]
            if not expected:
                self.returned += 1
                expected = self._block(self.returned)

    def advances(self):
        before = self.returned
        eventually(lambda: self.returned > before or self._faults, f"more than {before} blocks")
        assert not self._faults

    def finish(self):
        self._is_enough.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE_SECONDS)
        assert not self._faults and self.returned == self._sent >= self._least, (self._faults, self._sent, self.returned)


@pytest.mark.skipif(not SSHD, reason="the program sshd is not here: apt-get install openssh-server")
def test_ssh_sessions_live_on(workshop):
    port = free_port()
    server = workshop.ssh_server()
    generations = Commanded(workshop, f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
protocols = ["ssh", "tls"]
default = "ssh"
[backend.ssh]
servers = ["{server.address}"]
""")
    with server.session(port, "cat") as typing, server.session(port, "cat") as copying:
        bulk = Bulk(copying, least=50)

        def type_line(text):
            typing.stdin.write(text)
            assert typing.stdout.readline() == text

        type_line(b"before\n")
        for number in range(UPGRADES):
            bulk.advances()
            generations.upgrade()
            type_line(f"after upgrade {number}\n".encode())
        generations.only_the_last_is_left()
        bulk.finish()
        type_line(b"at the end\n")
        typing.stdin.close()
        assert typing.stdout.read() == b""
    assert (typing.returncode, copying.returncode) == (0, 0)
    generations.stop()
    records = generations.dispatcher.access()
    assert [(record["protocol"], record["outcome"]) for record in records] == [("ssh", "ok")] * 2
    assert min(max(record[way] for record in records) for way in ("bytes_in", "bytes_out")) > bulk.returned << 20


ECHO = """
import asyncio, sys, websockets

async def echo(connection):
    print("one more", flush=True)
    async for message in connection:
        await connection.send(message)

async def serve():
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[1])):
        await asyncio.Future()

asyncio.run(serve())
"""

# A socket on which some messages, texts and binary ones, are always on their way, and what comes back is compared.
CHAT = """
class Chat {
  constructor(address) {
    this.sent = 0;
    this.echoes = 0;
    this.faults = [];
    this.expected = [];
    this.isTalking = true;
    this.socket = new WebSocket(address);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onopen = () => { for (let i = 0; i < 4; ++i) this.send(); };
    this.socket.onmessage = ({data}) => {
      const message = typeof data === 'string' ? data : new Uint8Array(data);
      const expected = this.expected.shift();
      const isSame = typeof message === typeof expected && message.length === expected.length &&
        (typeof message === 'string' ? message === expected : message.every((byte, i) => byte === expected[i]));
      if (!isSame) this.faults.push('message ' + this.echoes + ' is another one');
      ++this.echoes;
      if (this.isTalking) this.send();
      else if (this.expected.length === 0) this.socket.close(1000);
    };
    this.ended = new Promise(resolve => this.socket.onclose = ({code}) => resolve(code));
  }
  send() {
    const number = this.sent++;
    const length = number * 7919 % 100003;  // all three kinds of a frame's length
    const message = number % 2 ? (number + ' žluťoučký ').repeat(length / 20)
                               : Uint8Array.from({length}, (_, i) => i * 31 + number & 255);
    this.expected.push(message);
    this.socket.send(message);
  }
}
class Ask {
  constructor(address) {
    this.socket = new WebSocket(address);
    this.isOpen = new Promise(resolve => this.socket.onopen = () => resolve(true));
  }
  ask(text) {
    return new Promise(resolve => {
      this.socket.onmessage = ({data}) => resolve(data);
      this.socket.onclose = ({code}) => resolve('closed with ' + code);
      this.socket.send(text);
    });
  }
  close() {
    return new Promise(resolve => {
      this.socket.onclose = ({code}) => resolve(code);
      this.socket.close(1000);
    });
  }
}
"""


@pytest.mark.skipif(not CHROMIUM, reason="the program chromium is not here: apt-get install chromium")
def test_websockets_of_a_browser_live_on(workshop, tmp_path):
    port, server_port = free_port(), free_port()
    server = workshop.python_script("echo", ECHO, server_port, address=f"127.0.0.1:{server_port}")
    generations = Commanded(workshop, f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
default = "chat"
[backend.chat]
servers = ["{server.address}"]
""")
    page = Page(tmp_path)
    try:
        address = f"'ws://127.0.0.1:{port}/'"
        page.value(CHAT + f"var chat = new Chat({address}), quiet = new Ask({address}); quiet.isOpen")
        for number in range(UPGRADES):
            echoes = page.value("chat.echoes")
            page.eventually(f"chat.echoes > {echoes} || chat.faults.length", "an echo before the upgrade")
            generations.upgrade()
            assert page.value(f"quiet.ask('after upgrade {number}')") == f"after upgrade {number}"
        generations.only_the_last_is_left()
        assert page.value("chat.isTalking = false; chat.ended") == 1000
        assert page.value("chat.faults") == []
        assert page.value("chat.echoes") == page.value("chat.sent") > UPGRADES
        assert page.value("quiet.close()") == 1000
    finally:
        page.close()
    assert server.stdout.splitlines() == ["one more"] * 2
    generations.stop()
    records = generations.dispatcher.access()
    assert [(record["backend"], record["outcome"]) for record in records] == [("chat", "ok")] * 2
