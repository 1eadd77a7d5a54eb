"""portshare and the peers that it is compared with, each in front of the same servers, and what they make of a client."""

import concurrent.futures
import socket
import threading

from harness.http import Messages, response
from harness.sockets import accept, connect, free_port, read_to_end
from harness.waiting import PATIENCE_SECONDS

NAMES = ("alpha", "beta")  # alpha.test and beta.test; "default" gets the TLS clients for whom there is no other route
CLIENTS = 32  # at a time

# A client whose bytes are incomplete is given up after this long.
WAIT = "2s"


class Server(threading.Thread):
    """A server for many connections, on a thread of its own."""

    def __init__(self, workshop, name, serve):
        super().__init__(daemon=True)
        self.name = name
        self._listener, self.address = workshop.listen()
        self._serve = serve
        self.start()

    def run(self):
        while True:
            try:
                connection = accept(self._listener)
            except TimeoutError:
                continue
            except OSError:
                return  # the tests are over
            threading.Thread(target=self._serve_one, args=(connection,), daemon=True).start()

    def _serve_one(self, connection):
        with connection:
            try:
                self._serve(connection, self.name)
            except (OSError, AssertionError, ValueError):
                pass  # the client went away, maybe in the middle


def serve_http(connection, name):
    """Answers each request with the server's own name, until one of them is to be the last."""
    messages = Messages(connection)
    while message := messages.next():
        connection.sendall(response(name.encode()))
        if "close" in message.fields.get("connection", ()) or message.start.startswith("CONNECT"):
            return


def serve_tls(connection, name):
    """Says its own name as soon as the first bytes have come."""
    if connection.recv(1):
        connection.sendall(name.encode())
        connection.shutdown(socket.SHUT_WR)
        read_to_end(connection)


def nginx_for_http(workshop, servers):
    sites = "".join(f"""
  server {{
    listen ADDRESS;
    server_name {name}.test;
    location / {{
      proxy_pass http://{servers[name].address};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
    }}
  }}""" for name in NAMES)
    return workshop.nginx_with("http", f"""
http {{
  access_log off;
  TEMPORARY
  client_header_timeout {WAIT};
  client_body_timeout {WAIT};
  keepalive_timeout {WAIT};
  server {{
    listen ADDRESS default_server;
    keepalive_timeout 0;  # like portshare, which ends the connection of a client that it refuses
    return 421;
  }}{sites}
}}""")


def nginx_for_tls(workshop, servers):
    return workshop.nginx_with("tls", f"""
stream {{
  map $ssl_preread_server_name $server {{
    hostnames;
    alpha.test {servers["alpha"].address};
    beta.test {servers["beta"].address};
    default {servers["default"].address};
  }}
  preread_timeout {WAIT};
  preread_buffer_size 64k;
  server {{
    listen ADDRESS;
    ssl_preread on;
    proxy_pass $server;
  }}
}}""", modules=("ngx_stream_module",))


def portshare_for(workshop, protocol, servers, default=""):
    port = free_port()
    workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
protocols = ["{protocol}"]
first_flight_timeout = "{WAIT}"
{default}
""" + "".join(f"""
[[route]]
name = ["{name}.test"]
to = "{name}"
""" for name in NAMES) + "".join(f'[backend.{name}]\nservers = ["{server.address}"]\n'
                                 for name, server in servers.items()))
    return port


def http_answers(data):
    """What a client was told, one word for each of its requests: the server that answered, "no route", or "refused"."""
    words = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/"):  # the answer to HTTP/0.9, a body alone
            return words + ["no route" if b"421" in data else data.decode(errors="replace")]
        code = int(head.split()[1])
        lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        length = lengths[0] if lengths else 0 if code < 200 else len(rest)
        body, data = rest[:length].decode(errors="replace"), rest[length:]
        if code >= 200:  # nginx sends 100 Continue by itself
            words.append(body if code == 200 else "no route" if code == 421 else "refused")
    return words


def ask_http(port, data):
    """Over one connection."""
    try:
        with connect(port) as client:
            try:
                client.sendall(data)
            except (ConnectionResetError, BrokenPipeError):
                pass  # the answer may be there all the same
            return ", ".join(http_answers(read_to_end(client)[0])) or "refused"
    except TimeoutError:
        return f"no end in {PATIENCE_SECONDS:.0f} s"


def ask_tls(port, data):
    try:
        with connect(port) as client:
            client.sendall(data)
            answer = read_to_end(client)[0]
    except TimeoutError:
        return f"no end in {PATIENCE_SECONDS:.0f} s"
    return answer.decode() if answer in (b"alpha", b"beta", b"default") else "refused"


def ask_all(ask, ports, shapes):
    """{shape: {peer: answer}}, asked of all peers at the same time."""
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        asked = {(shape, peer): pool.submit(ask, port, data)
                 for shape, data in shapes.items() for peer, port in ports.items()}
        return {shape: {peer: asked[shape, peer].result() for peer in ports} for shape in shapes}
