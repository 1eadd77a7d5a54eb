"""ClientHellos as real clients send them, cut into records and segments as only a test would."""

import re
import ssl

UNRECOGNIZED_NAME, DECODE_ERROR, INTERNAL_ERROR = 112, 50, 80


def is_alert(data, description):
    """Whether `data` is one fatal alert and nothing else (RFC 8446, section 6)."""
    return re.fullmatch(rb"\x15\x03[\x00-\x03]\x00\x02\x02" + re.escape(bytes([description])), data) is not None


class TlsClient:
    """The client's side of a TLS connection whose bytes the test moves itself."""

    def __init__(self, name, bundle=None, alpn=()):
        self._context = ssl.create_default_context(cafile=bundle)
        if alpn:
            self._context.set_alpn_protocols(list(alpn))
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        if name is None:
            self._context.check_hostname = False
        self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    def first_flight(self):
        """The ClientHello, in its record."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return self._outgoing.read()
        raise AssertionError("a handshake without a server")

    def _until_done(self, step, connection):
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                result = None
            connection.sendall(self._outgoing.read())
            if result is not None:
                return result
            data = connection.recv(65536)
            assert data, "the server ended the connection"
            self._incoming.write(data)

    def finish_handshake(self, connection):
        """To be called after the first flight was sent."""
        self._until_done(lambda: self._tls.do_handshake() or True, connection)

    def get(self, path, host, connection):
        """The body of a page which an HTTP/1.0 server gives."""
        request = f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode()
        self._until_done(lambda: self._tls.write(request), connection)
        answer = b""
        while True:
            try:
                piece = self._until_done(lambda: self._tls.read(65536), connection)
            except (ssl.SSLZeroReturnError, AssertionError, ssl.SSLEOFError):
                piece = b""
            if not piece:
                break
            answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b" 200 " in head.splitlines()[0], answer
        return body.decode()

    def alpn(self):
        return self._tls.selected_alpn_protocol()


def client_hello(name="alpha.test", alpn=()):
    return TlsClient(name, alpn=alpn).first_flight()


def handshake_of(flight):
    """The handshake bytes of a flight, without the record headers."""
    message = b""
    while flight:
        length = int.from_bytes(flight[3:5], "big")
        assert flight[0] == 22 and len(flight) >= 5 + length
        message += flight[5:5 + length]
        flight = flight[5 + length:]
    return message


def records(message, size):
    """`message` in handshake records of at most `size` bytes each."""
    pieces = [message[start:start + size] for start in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def vector(size, content):
    """A vector of TLS: its length in `size` bytes, then the content."""
    return len(content).to_bytes(size, "big") + content


def server_name_extension(*names):
    return b"\0\0" + vector(2, vector(2, b"".join(b"\0" + vector(2, name) for name in names)))


def handmade_hello(*extensions, handshake_type=1, trailing=b"", cipher_suites=b"\x13\x01"):
    """A ClientHello message of TLS 1.2 form with exactly these extensions."""
    body = (b"\x03\x03" + bytes(32) + vector(1, b"") + vector(2, cipher_suites) + vector(1, b"\0") +
            vector(2, b"".join(extensions)) + trailing)
    return bytes([handshake_type]) + vector(3, body)
