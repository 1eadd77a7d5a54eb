"""First flights that readers of ClientHellos are known to read differently: {shape: bytes}."""

from harness.tls import client_hello, handmade_hello, handshake_of, records, server_name_extension, vector


def _extension(kind, body):
    return kind.to_bytes(2, "big") + vector(2, body)


def _alpn(*names):
    return _extension(16, vector(2, b"".join(vector(1, name) for name in names)))


def _record(message, version=b"\x03\x01"):
    return b"\x16" + version + vector(2, message)


def _named(name, *others):
    return _record(handmade_hello(server_name_extension(name, *others)))


def _with(*extensions, **options):
    return _record(handmade_hello(*extensions, **options))


def _body(content):
    """A ClientHello of these bytes."""
    return _record(b"\x01" + vector(3, content))


ALPHA = server_name_extension(b"alpha.test")
FIXED = b"\x03\x03" + bytes(32)
CIPHERS = vector(2, b"\x13\x01") + vector(1, b"\0")
MESSAGE = handmade_hello(ALPHA, _alpn(b"h2"))
LONG = handmade_hello(ALPHA, _extension(21, bytes(20000)))


def _split(*cuts):
    """MESSAGE in records that end at these places."""
    edges = (0, *cuts, len(MESSAGE))
    return b"".join(_record(MESSAGE[start:end]) for start, end in zip(edges, edges[1:]))


SHAPES = {
    "plain": _named(b"alpha.test"),
    "of OpenSSL": client_hello("alpha.test", ["h2", "http/1.1"]),
    "for the other name": _named(b"beta.test"),
    "for an unknown name": _named(b"gamma.test"),
    # Records
    "records of 1 byte": records(MESSAGE, 1),
    "records of 2 bytes": records(MESSAGE, 2),
    "records of 3 bytes": records(MESSAGE, 3),
    "records of 5 bytes": records(MESSAGE, 5),
    "records of 40 bytes": records(MESSAGE, 40),
    "two records, cut in the message header": _split(2),
    "two records, cut behind the message header": _split(4),
    "two records, cut in the name": _split(len(MESSAGE) - 15),
    "two records, the last of 1 byte": _split(len(MESSAGE) - 1),
    "of OpenSSL in records of 100 bytes": records(handshake_of(client_hello("alpha.test")), 100),
    "empty record first": b"\x16\x03\x01\0\0" + _record(MESSAGE),
    "empty record inside": _record(MESSAGE[:20]) + b"\x16\x03\x01\0\0" + _record(MESSAGE[20:]),
    "alert inside": _record(MESSAGE[:20]) + b"\x15\x03\x01\0\2\1\0" + _record(MESSAGE[20:]),
    "warning alert first": b"\x15\x03\x01\0\2\1\0" + _record(MESSAGE),
    "record over 16384 bytes": _record(LONG),
    "20,000 bytes in two records": records(LONG, 16384),
    "record version 3.0": _record(MESSAGE, b"\x03\x00"),
    "record version 3.4": _record(MESSAGE, b"\x03\x04"),
    "record version 2.0": _record(MESSAGE, b"\x02\x00"),
    "record version 4.0": _record(MESSAGE, b"\x04\x00"),
    "byte behind the message in its record": _record(MESSAGE + b"\0"),
    "second message in the record": _record(MESSAGE + b"\x14" + vector(3, bytes(12))),
    "early data behind": _record(MESSAGE) + b"\x17\x03\x03" + vector(2, b"early"),
    "truncated": _record(MESSAGE)[:-10],
    # SSL 2 and others
    "SSL 2 hello": b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" + bytes(37),
    "SSL 2 hello of SSL 2": b"\x80\x1c\x01\x00\x02\x00\x03\x00\x00\x00\x10" + bytes(19),
    "server_hello": _with(ALPHA, handshake_type=2),
    "hello_request": _record(b"\0\0\0\0"),
    "HTTP": b"GET / HTTP/1.1\r\nHost: alpha.test\r\n\r\n",
    # The message
    "no extensions field": _body(FIXED + b"\0" + CIPHERS),
    "empty list of extensions": _with(),
    "no server_name": _with(_alpn(b"h2")),
    "legacy version 2.0": _body(b"\x02\x00" + bytes(32) + b"\0" + CIPHERS + vector(2, ALPHA)),
    "legacy version 3.0": _body(b"\x03\x00" + bytes(32) + b"\0" + CIPHERS + vector(2, ALPHA)),
    "legacy version 4.0": _body(b"\x04\x00" + bytes(32) + b"\0" + CIPHERS + vector(2, ALPHA)),
    "session id of 33 bytes": _body(FIXED + vector(1, bytes(33)) + CIPHERS + vector(2, ALPHA)),
    "no cipher suites": _with(ALPHA, cipher_suites=b""),
    "half a cipher suite": _with(ALPHA, cipher_suites=b"\x13\x01\x13"),
    "compression without null": _body(FIXED + b"\0" + vector(2, b"\x13\x01") + b"\1\1" + vector(2, ALPHA)),
    "no compression methods": _body(FIXED + b"\0" + vector(2, b"\x13\x01") + b"\0" + vector(2, ALPHA)),
    "byte behind the extensions": _with(ALPHA, trailing=b"\0"),
    "extensions longer than the message": _body(FIXED + b"\0" + CIPHERS + (len(ALPHA) + 9).to_bytes(2, "big") + ALPHA),
    "extensions shorter than their list": _body(FIXED + b"\0" + CIPHERS + (len(ALPHA) - 1).to_bytes(2, "big") + ALPHA),
    "half an extension behind": _with(ALPHA, b"\0\x17"),
    "extension longer than the list": _with(ALPHA, b"\0\x17\0\x09"),
    "unknown extensions": _with(_extension(0x1234, b"abc"), ALPHA, _extension(0xfffe, b"")),
    "GREASE": _with(_extension(0x0a0a, b""), ALPHA, _extension(0xfafa, b"\0"), cipher_suites=b"\x0a\x0a\x13\x01"),
    "unknown extension twice": _with(_extension(0x1234, b"a"), _extension(0x1234, b"b"), ALPHA),
    "encrypted_client_hello": _with(ALPHA, _extension(0xfe0d, b"\0\0\1\0\1\7\0\0\0\0")),
    # The name
    "server_name twice": _with(ALPHA, server_name_extension(b"beta.test")),
    "server_name twice, beta first": _with(server_name_extension(b"beta.test"), ALPHA),
    "two names": _named(b"alpha.test", b"beta.test"),
    "the same name twice": _named(b"alpha.test", b"alpha.test"),
    "name of another type": _with(_extension(0, vector(2, b"\1" + vector(2, b"alpha.test")))),
    "name of another type, then alpha": _with(_extension(0, vector(2, b"\1" + vector(2, b"x") + b"\0"
                                                                    + vector(2, b"alpha.test")))),
    "empty server_name extension": _with(_extension(0, b"")),
    "empty list of names": _with(_extension(0, b"\0\0")),
    "empty name": _named(b""),
    "name in upper case": _named(b"ALPHA.Test"),
    "name with a dot at its end": _named(b"alpha.test."),
    "name of a dot": _named(b"."),
    "name with an empty label": _named(b"alpha..test"),
    "name with a port": _named(b"alpha.test:443"),
    "name with NUL": _named(b"alpha.test\0.evil.test"),
    "name with NUL at its end": _named(b"alpha.test\0"),
    "name with a space": _named(b"alpha test"),
    "name with a slash": _named(b"alpha.test/"),
    "name with a newline": _named(b"alpha.test\n"),
    "name with an underscore": _named(b"al_pha.test"),
    "name with a byte over 0x7f": _named(b"\xe4lpha.test"),
    "name of an IPv4 address": _named(b"192.0.2.1"),
    "name of an IPv6 address": _named(b"2001:db8::1"),
    "name of 255 bytes": _named(b"a" * 255),
    "name of 256 bytes": _named(b"a" * 256),
    "name of 5,000 bytes": _named(b"a" * 5000),
    "name longer than its list": _with(_extension(0, b"\0\x0d\0\0\x0falpha.test")),
    "list of names longer than its extension": _with(_extension(0, b"\0\x10\0\0\x0aalpha.test")),
    "byte behind the list of names": _with(_extension(0, vector(2, b"\0" + vector(2, b"alpha.test")) + b"\0")),
    # ALPN
    "ALPN before the name": _with(_alpn(b"h2", b"http/1.1"), ALPHA),
    "ALPN twice": _with(ALPHA, _alpn(b"h2"), _alpn(b"h2")),
    "empty ALPN extension": _with(ALPHA, _extension(16, b"")),
    "empty ALPN list": _with(ALPHA, _extension(16, b"\0\0")),
    "empty ALPN name": _with(ALPHA, _alpn(b"h2", b"")),
    "ALPN name longer than its list": _with(ALPHA, _extension(16, b"\0\3\3h2")),
    "byte behind the ALPN list": _with(ALPHA, _extension(16, b"\0\3\2h2\0")),
}
