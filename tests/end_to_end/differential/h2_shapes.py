"""Beginnings of cleartext HTTP/2 connections that readers are known to take differently: {shape: bytes}.

HPACK is written in its simplest form: literals without indexing and without Huffman code (RFC 7541, 6.2.2).
"""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, WITH_PRIORITY, ACK = 1, 4, 8, 0x20, 1
WHOLE = END_STREAM | END_HEADERS


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _string(text):
    if len(text) < 127:
        return bytes([len(text)]) + text
    length, digits = len(text) - 127, b"\x7f"
    while length >= 128:
        digits, length = digits + bytes([length % 128 + 128]), length // 128
    return digits + bytes([length]) + text


def _field(name, value):
    return b"\0" + _string(name) + _string(value)


def _block(*fields):
    return b"".join(_field(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields)


METHOD, SCHEME, PATH = (":method", "GET"), (":scheme", "http"), (":path", "/who")
AUTHORITY = (":authority", "alpha.test")
BLOCK = _block(METHOD, SCHEME, PATH, AUTHORITY)
START = PREFACE + frame(SETTINGS, 0, 0)


def _request(*fields):
    return START + frame(HEADERS, WHOLE, 1, _block(*fields))


def _get(*more):
    return _request(METHOD, SCHEME, PATH, AUTHORITY, *more)


def _of(authority):
    return _request(METHOD, SCHEME, PATH, (":authority", authority))


def _after(*frames):
    return START + b"".join(frames) + frame(HEADERS, WHOLE, 1, BLOCK)


def _raw(block):
    return START + frame(HEADERS, WHOLE, 1, block)


SHAPES = {
    "plain": _get(),
    "on stream 5": START + frame(HEADERS, WHOLE, 5, BLOCK),
    # The preface and the frames before the request
    "preface with a wrong end": PREFACE[:-1] + b"\r" + frame(SETTINGS, 0, 0),
    "no SETTINGS": PREFACE + frame(HEADERS, WHOLE, 1, BLOCK),
    "PING before SETTINGS": PREFACE + frame(PING, 0, 0, bytes(8)) + frame(SETTINGS, 0, 0) + frame(HEADERS, WHOLE, 1, BLOCK),
    "SETTINGS that acknowledge, first": PREFACE + frame(SETTINGS, ACK, 0) + frame(HEADERS, WHOLE, 1, BLOCK),
    "SETTINGS on a stream": PREFACE + frame(SETTINGS, 0, 1) + frame(HEADERS, WHOLE, 1, BLOCK),
    "SETTINGS of 5 bytes": PREFACE + frame(SETTINGS, 0, 0, bytes(5)) + frame(HEADERS, WHOLE, 1, BLOCK),
    "unknown SETTINGS": PREFACE + frame(SETTINGS, 0, 0, b"\x9a\xbc\0\0\0\1") + frame(HEADERS, WHOLE, 1, BLOCK),
    "two SETTINGS": _after(frame(SETTINGS, 0, 0)),
    "PING": _after(frame(PING, 0, 0, bytes(8))),
    "PING of 7 bytes": _after(frame(PING, 0, 0, bytes(7))),
    "PING on a stream": _after(frame(PING, 0, 1, bytes(8))),
    "WINDOW_UPDATE": _after(frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1")),
    "WINDOW_UPDATE of 0": _after(frame(WINDOW_UPDATE, 0, 0, bytes(4))),
    "WINDOW_UPDATE on an idle stream": _after(frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1")),
    "WINDOW_UPDATE of 3 bytes": _after(frame(WINDOW_UPDATE, 0, 0, b"\0\0\1")),
    "PRIORITY": _after(frame(PRIORITY, 0, 3, b"\0\0\0\0\x0f")),
    "PRIORITY of 4 bytes": _after(frame(PRIORITY, 0, 3, bytes(4))),
    "PRIORITY on itself": _after(frame(PRIORITY, 0, 3, b"\0\0\0\3\x0f")),
    "unknown frame": _after(frame(0xbe, 0xff, 77, b"grease")),
    "DATA on an idle stream": _after(frame(DATA, 0, 1, b"data")),
    "RST_STREAM on an idle stream": _after(frame(RST_STREAM, 0, 1, bytes(4))),
    "CONTINUATION without HEADERS": _after(frame(CONTINUATION, END_HEADERS, 1, BLOCK)),
    "PUSH_PROMISE": _after(frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + BLOCK)),
    "frame over 16384 bytes": _after(frame(0xbe, 0, 0, bytes(16385))),
    "reserved bit": START + frame(HEADERS, WHOLE, 0x80000001, BLOCK),
    # The HEADERS frame
    "HEADERS on stream 0": START + frame(HEADERS, WHOLE, 0, BLOCK),
    "HEADERS on an even stream": START + frame(HEADERS, WHOLE, 2, BLOCK),
    "padding": START + frame(HEADERS, WHOLE | PADDED, 1, b"\5" + BLOCK + bytes(5)),
    "padding longer than the frame": START + frame(HEADERS, WHOLE | PADDED, 1, b"\xff" + BLOCK),
    "priority": START + frame(HEADERS, WHOLE | WITH_PRIORITY, 1, b"\0\0\0\0\x10" + BLOCK),
    "priority on itself": START + frame(HEADERS, WHOLE | WITH_PRIORITY, 1, b"\0\0\0\1\x10" + BLOCK),
    "block in two frames": START + frame(HEADERS, END_STREAM, 1, BLOCK[:20]) + frame(CONTINUATION, END_HEADERS, 1, BLOCK[20:]),
    "block in frames of 1 byte": START + frame(HEADERS, END_STREAM, 1) + b"".join(
        frame(CONTINUATION, END_HEADERS if at == len(BLOCK) - 1 else 0, 1, BLOCK[at:at + 1]) for at in range(len(BLOCK))),
    "CONTINUATION of another stream": START + frame(HEADERS, END_STREAM, 1, BLOCK[:20]) + frame(
        CONTINUATION, END_HEADERS, 3, BLOCK[20:]),
    "PING inside a block": START + frame(HEADERS, END_STREAM, 1, BLOCK[:20]) + frame(PING, 0, 0, bytes(8)) + frame(
        CONTINUATION, END_HEADERS, 1, BLOCK[20:]),
    "empty block": _raw(b""),
    # HPACK
    "index 0": _raw(b"\x80" + BLOCK),
    "index behind the table": _raw(BLOCK + b"\xff\x7f"),
    "endless integer": _raw(BLOCK + b"\xff" + b"\x80" * 10 + b"\1"),
    "broken Huffman code": _raw(BLOCK + b"\0\x81\xff\x01x"),
    "table size over the limit": _raw(b"\x3f\xe1\xff\x03" + BLOCK),
    "table size behind a field": _raw(BLOCK + b"\x20"),
    "string longer than the block": _raw(BLOCK + b"\0\x05ab"),
    # The fields
    "Host for :authority": _request(METHOD, SCHEME, PATH, ("host", "alpha.test")),
    "Host equal to :authority": _get(("host", "alpha.test")),
    "Host against :authority": _get(("host", "beta.test")),
    "two Hosts": _request(METHOD, SCHEME, PATH, ("host", "alpha.test"), ("host", "alpha.test")),
    "two :authority": _request(METHOD, SCHEME, PATH, AUTHORITY, AUTHORITY),
    "neither :authority nor Host": _request(METHOD, SCHEME, PATH),
    "empty :authority": _of(""),
    "unknown :authority": _of("gamma.test"),
    ":authority in upper case": _of("ALPHA.Test"),
    ":authority with a dot at its end": _of("alpha.test."),
    ":authority with a port": _of("alpha.test:8080"),
    ":authority with a port over 65535": _of("alpha.test:65616"),
    ":authority with a user": _of("user@alpha.test"),
    ":authority with a space": _of("alpha.test beta.test"),
    ":authority with a path": _of("alpha.test/"),
    "upper case in a name": _get(("X", "y")),
    "space in a name": _get(("x y", "z")),
    "empty name": _get(("", "z")),
    "NUL in a value": _get(("x", "a\0b")),
    "CR LF in a value": _get(("x", "a\r\nhost: beta.test")),
    "space at a value's end": _get(("x", "y ")),
    "byte over 0x7f in a value": _get(("x", "\xe9")),
    "control character in a value": _get(("x", "\x01")),
    "pseudo-header behind a field": _request(METHOD, SCHEME, ("x", "y"), PATH, AUTHORITY),
    "unknown pseudo-header": _request(METHOD, SCHEME, PATH, AUTHORITY, (":x", "y")),
    ":status in a request": _request(METHOD, SCHEME, PATH, AUTHORITY, (":status", "200")),
    "no :method": _request(SCHEME, PATH, AUTHORITY),
    "no :scheme": _request(METHOD, PATH, AUTHORITY),
    "no :path": _request(METHOD, SCHEME, AUTHORITY),
    "two :path": _request(METHOD, SCHEME, PATH, PATH, AUTHORITY),
    "empty :path": _request(METHOD, SCHEME, (":path", ""), AUTHORITY),
    ":path without a slash": _request(METHOD, SCHEME, (":path", "who"), AUTHORITY),
    "empty :method": _request((":method", ""), SCHEME, PATH, AUTHORITY),
    "Connection": _get(("connection", "close")),
    "Transfer-Encoding": _get(("transfer-encoding", "chunked")),
    "Upgrade": _get(("upgrade", "websocket")),
    "TE: trailers": _get(("te", "trailers")),
    "TE: gzip": _get(("te", "gzip")),
    "CONNECT with a :path": _request((":method", "CONNECT"), SCHEME, PATH, AUTHORITY),
}
