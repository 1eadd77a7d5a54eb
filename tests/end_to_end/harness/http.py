"""HTTP/1 as the tests see it: requests to send, responses to read one by one, and servers that remember."""

import threading

from harness.sockets import PATIENCE_SECONDS, accept, free_port, receive_exactly


def request(name, path="/", *fields, method="GET", body=b"", version="1.1"):
    """A request's bytes. `fields` are lines; those that announce a body are among them."""
    lines = [f"{method} {path} HTTP/{version}", f"Host: {name}", *fields]
    return "".join(line + "\r\n" for line in lines).encode() + b"\r\n" + body


def response(body=b"", *fields, status="200 OK"):
    """A response's bytes, with Content-Length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "".join(line + "\r\n" for line in lines).encode() + b"\r\n" + body


class Message:
    """A request or a response: its first line, its fields as {lower-case name: [values]}, its body, all its bytes."""

    def __init__(self, start, fields, body, raw):
        self.start, self.fields, self.body, self.raw = start, fields, body, raw

    @property
    def status(self):
        return int(self.start.split()[1])

    def __repr__(self):
        return repr(self.raw[:500])


class Messages:
    """Reads the messages that come over a connection. Believes what they say about their length: it is the tests' own
    servers and portshare that write them."""

    def __init__(self, connection, copy=None):
        """`copy`: a bytearray that gets every byte as it comes."""
        self._connection, self._copy = connection, copy
        self._buffer = bytearray()

    def _receive(self):
        piece = self._connection.recv(65536)
        self._buffer += piece
        if self._copy is not None:
            self._copy += piece
        return piece

    def _take(self, count):
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _read(self, count):
        while len(self._buffer) < count:
            assert self._receive(), f"the stream ended after {len(self._buffer)} of {count} bytes"
        return self._take(count)

    def _line(self):
        while (end := self._buffer.find(b"\n")) < 0:
            assert self._receive(), f"the stream ended in a line: {bytes(self._buffer)}"
        return self._take(end + 1)

    def _chunked(self):
        raw, body = bytearray(), bytearray()
        while True:
            line = self._line()
            size = int(line.split(b";")[0], 16)
            raw += line
            if size == 0:
                break
            data = self._read(size + 2)
            raw += data
            body += data[:-2]
        while line != b"\r\n":  # trailers
            line = self._line()
            raw += line
        return bytes(raw), bytes(body)

    def next(self, method="GET"):
        """The next message, or None at the end of the stream. `method`: of the request, if this is a response."""
        if not self._buffer and not self._receive():
            return None
        lines = [self._line()]
        while lines[-1] != b"\r\n":
            lines.append(self._line())
        start, fields = lines[0].decode("latin-1").rstrip("\r\n"), {}
        for line in lines[1:-1]:
            name, _, value = line.decode("latin-1").partition(":")
            fields.setdefault(name.lower(), []).append(value.strip())
        raw, body = b"", b""
        is_response = start.startswith("HTTP/")
        code = int(start.split()[1]) if is_response else 0
        if method == "HEAD" or 100 <= code < 200 or code in (204, 304):
            pass
        elif "transfer-encoding" in fields:
            raw, body = self._chunked()
        elif "content-length" in fields:
            raw = body = self._read(int(fields["content-length"][0]))
        elif is_response and not (method == "CONNECT" and code // 100 == 2):
            raw = body = self.rest()
        return Message(start, fields, body, b"".join(lines) + raw)

    def rest(self):
        """Everything up to the end of the stream; a reset counts as an end."""
        try:
            while self._receive():
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass
        return self._take(len(self._buffer))


def head_of(connection):
    """A request's head, as the server sees it; nothing behind it is read."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += receive_exactly(connection, 1)
    return data


class RecordingServer:
    """A server on a thread of its own which remembers every byte, by connection, and answers "NAME PATH" to each
    request. It keeps its connections open."""

    def __init__(self, name, listener):
        self.name = name
        self.connections = []  # of each, the bytes received
        self._listener = listener
        threading.Thread(target=self._accept, daemon=True).start()

    def received(self):
        """All bytes, over all connections."""
        return b"".join(bytes(data) for data in self.connections)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return  # the test is over
            connection.settimeout(PATIENCE_SECONDS)
            data = bytearray()
            self.connections.append(data)
            threading.Thread(target=self._serve, args=(connection, data), daemon=True).start()

    def _serve(self, connection, data):
        with connection:
            messages = Messages(connection, copy=data)
            try:
                while message := messages.next():
                    method, path, _ = message.start.split(" ", 2)
                    body = f"{self.name} {path}".encode()
                    answer = response(body)
                    connection.sendall(answer[:-len(body)] if method == "HEAD" else answer)
            except (OSError, AssertionError, ValueError):
                pass  # the client went away, maybe in the middle; what it sent is remembered


class Sites:
    """portshare on one port in front of alpha.test and beta.test. No other name has a route."""

    def __init__(self, workshop, keys="", backend_keys="", **options):
        self.port = free_port()
        self.alpha, alpha_address = workshop.listen()
        self.beta, beta_address = workshop.listen()
        self.addresses = {"alpha": alpha_address, "beta": beta_address}
        self.dispatcher = workshop.portshare(f"""
[listener.web]
bind = ["127.0.0.1:{self.port}"]
{keys}
[[route]]
host = ["alpha.test"]
to = "alpha"
[[route]]
host = ["beta.test"]
to = "beta"
[backend.alpha]
servers = ["{alpha_address}"]
{backend_keys}
[backend.beta]
servers = ["{beta_address}"]
{backend_keys}
""", **options)

    def record(self):
        """Starts the servers, which then answer by themselves."""
        return RecordingServer("alpha", self.alpha), RecordingServer("beta", self.beta)


def kept_alive(sites, client, answers):
    """The server's end of a connection that has served a request."""
    client.sendall(request("alpha.test"))
    server = accept(sites.alpha)
    head_of(server)
    server.sendall(response(b"hello"))
    assert answers.next().body == b"hello"
    return server
