"""HTTP/2 without TLS as the tests see it: frames by hand, so that the bytes on the wire are known."""

import socket

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def field(name, value):
    """A literal field of a header block, without indexing and without Huffman code."""

    def string(text):
        assert len(text) < 127
        return bytes([len(text)]) + text.encode()

    return b"\0" + string(name) + string(value)


def fields(**pairs):
    return b"".join(field(name.replace("_", "-"), value) for name, value in pairs.items())


def request_block(name, path="/", method="GET"):
    return (field(":method", method) + field(":scheme", "http") + field(":path", path) + field(":authority", name))


def request(stream, name, path="/", flags=END_HEADERS | END_STREAM):
    """The HEADERS frame of a request."""
    return frame(HEADERS, flags, stream, request_block(name, path))


def status(stream, code, flags=END_HEADERS | END_STREAM):
    """The HEADERS frame of a response, as portshare writes it."""
    return frame(HEADERS, flags, stream, b"\x08\x03" + str(code).encode())


def goaway(last_stream, error):
    return frame(GOAWAY, 0, 0, last_stream.to_bytes(4, "big") + error.to_bytes(4, "big"))


SETTINGS_FRAME = frame(SETTINGS)
SETTINGS_ACK = frame(SETTINGS, ACK)
START = PREFACE + SETTINGS_FRAME


def frames(data):
    """The complete frames in `data`: (kind, flags, stream, payload) each."""
    found = []
    while len(data) >= 9 and len(data) >= 9 + (length := int.from_bytes(data[:3], "big")):
        found.append((data[3], data[4], int.from_bytes(data[5:9], "big"), data[9:9 + length]))
        data = data[9 + length:]
    return found


def next_frame(connection):
    """The next frame that comes over a connection, as in frames()."""
    head = connection.recv(9, socket.MSG_WAITALL)
    assert len(head) == 9, f"the stream ended: {head}"
    length = int.from_bytes(head[:3], "big")
    payload = connection.recv(length, socket.MSG_WAITALL) if length else b""
    assert len(payload) == length, "the stream ended in a frame"
    return head[3], head[4], int.from_bytes(head[5:], "big"), payload
