"""Cleartext HTTP/2 between the clients and servers that people use: curl, nghttp2, Node.js, nginx, gRPC."""

import hashlib
import json
import random
import subprocess

import pytest

from harness.process import run
from harness.sockets import free_port

# Answers an upload with its bytes, /zeros/N with so many, /forwarded, and everything else with its name.
NODE_SERVER = """
const [name, port] = process.argv.slice(1);
const server = require('http2').createServer((request, response) => {
  response.stream.on('error', () => {});
  if (request.method === 'POST') {
    request.pipe(response);
  } else if (request.url === '/forwarded') {
    response.end(['x-forwarded-for', 'x-forwarded-proto', 'forwarded'].map(name => request.headers[name]).join(' | '));
  } else if (request.url.startsWith('/zeros/')) {
    response.end(Buffer.alloc(Number(request.url.slice(7))));
  } else {
    response.setHeader('x-trailer-of', name);
    response.end(name + '\\n');
  }
});
server.listen(Number(port), '127.0.0.1');
"""

# One connection: a long download, and while it runs requests for one authority after the other.
NODE_CLIENT = """
const [port, main, ...others] = process.argv.slice(1);
const session = require('http2').connect(`http://127.0.0.1:${port}`);
const ask = (authority, path) => new Promise(resolve => {
  const request = session.request({':authority': authority, ':path': path, 'x-common': 'in every table'});
  const answer = {authority, length: 0};
  let text = '';
  request.on('response', headers => { answer.status = headers[':status']; });
  request.on('data', data => { answer.length += data.length; if (data.length < 100) text += data; });
  request.on('error', error => { answer.error = error.code; });
  request.on('close', () => { answer.text = text.trim(); resolve(answer); });
});
(async () => {
  const download = ask(main, '/zeros/8000000');
  const answers = [await ask(main, '/who')];
  for (let round = 0; round < 20; ++round)
    answers.push(...await Promise.all(others.map(name => ask(name, '/who'))));
  console.log(JSON.stringify({download: await download, answers}));
  session.close();
})();
"""

GRPC_SERVER = """
import sys
from concurrent import futures
import grpc
name, port = sys.argv[1:]

def unary(request, context):
    context.set_trailing_metadata((("served-by", name),))
    return name.encode() + b" " + request

def echo(requests, context):
    for request in requests:
        yield request

def total(requests, context):
    return str(sum(len(request) for request in requests)).encode()

class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        return {"/test/Unary": grpc.unary_unary_rpc_method_handler(unary),
                "/test/Echo": grpc.stream_stream_rpc_method_handler(echo),
                "/test/Total": grpc.stream_unary_rpc_method_handler(total)}.get(details.method)

server = grpc.server(futures.ThreadPoolExecutor(8))
server.add_generic_rpc_handlers((Handler(),))
server.add_insecure_port(f"127.0.0.1:{port}")
server.start()
server.wait_for_termination()
"""

GRPC_CLIENT = """
import sys
import grpc
port, name = sys.argv[1:]
with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.default_authority", name)]) as channel:
    try:
        answer, call = channel.unary_unary("/test/Unary").with_call(b"hello", timeout=30)
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name} {error.details()}")
    assert dict(call.trailing_metadata())["served-by"] == name
    messages = [bytes([i % 256]) * (i * 97 % 5000) for i in range(500)]
    assert list(channel.stream_stream("/test/Echo")(iter(messages), timeout=60)) == messages
    assert channel.stream_unary("/test/Total")(iter([b"x" * 1000000] * 20), timeout=60) == b"20000000"
    try:
        channel.unary_unary("/test/Missing")(b"", timeout=30)
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    print(answer.decode())
"""

SERVERS = ("nginx", "nghttpd", "node", "grpc")


@pytest.fixture(scope="module")
def front(module_workshop):
    """A port in front of servers of four makes, each under its name: "nginx.test" and so on."""
    shop = module_workshop
    port, node_port, grpc_port = free_port(), free_port(), free_port()
    addresses = {
        "nginx": shop.nginx("nginx.test", http2=True).address,
        "nghttpd": shop.nghttpd("nghttpd.test").address,
        "node": shop.node_script("node.test", NODE_SERVER, "node.test", node_port,
                                 address=f"127.0.0.1:{node_port}").address,
        "grpc": shop.python_script("grpc.test", GRPC_SERVER, "grpc.test", grpc_port,
                                   address=f"127.0.0.1:{grpc_port}").address,
    }
    dispatcher = shop.portshare(f"""
[listener.web]
bind = ["127.0.0.1:{port}"]
first_flight_limit = "32KiB"
""" + "".join(f"""
[[route]]
host = ["{name}.test"]
to = "{name}"
[backend.{name}]
servers = ["{address}"]
""" for name, address in addresses.items()))
    return dispatcher, port, addresses


def curl(port, name, path, *options, exit_codes=(0,), **process):
    """The answer's body, and its status with the version of HTTP behind it in a line of their own."""
    result = run(["curl", "--silent", "--show-error", "--noproxy", "*", "--http2-prior-knowledge", "--resolve",
                  f"{name}:{port}:127.0.0.1", "--write-out", "\n%{http_code} %{http_version}", *options,
                  f"http://{name}:{port}{path}"], **process)
    assert result.returncode in exit_codes, result.stderr
    return result.stdout


@pytest.mark.smoke
@pytest.mark.parametrize("name", SERVERS[:3])
def test_curl(front, name):
    _, port, _ = front
    assert curl(port, f"{name}.test", "/who") == f"{name}.test\n\n200 2"


@pytest.mark.smoke
def test_curl_shows_refusals(front):
    dispatcher, port, _ = front
    assert curl(port, "nobody.test", "/") == "\n421 2"
    # It complains that the rest of its body is not wanted, and has the status all the same.
    upload = ("--data-binary", "x" * 100_000)
    assert curl(port, "nobody.test", "/", *upload, exit_codes=(0, 18, 55, 56)) == "\n421 2"
    assert curl(port, "nginx.test", "/who", *[part for i in range(10) for part in ("--header", f"X-{i}: {'y' * 5000}")]
                ) == "\n431 2"
    assert curl(port, "nginx.test", "/who", "--header", "Host: a b") == "\n400 2"
    dispatcher.logged(outcome="no_route", name="nobody.test")


@pytest.mark.parametrize("name", SERVERS[:3])
def test_nghttp(front, name):
    _, port, _ = front
    result = run(["nghttp", f"-H:authority: {name}.test", "--multiply=20", f"http://127.0.0.1:{port}/who"])
    assert (result.returncode, result.stdout) == (0, f"{name}.test\n" * 20), result.stderr


@pytest.mark.smoke
@pytest.mark.parametrize("name", SERVERS[:3])
def test_h2load(front, name):
    """Thousands of requests side by side, all answered."""
    _, port, _ = front
    result = run(["h2load", "-n", "20000", "-c", "20", "-m", "32", f"--connect-to=127.0.0.1:{port}",
                  f"http://{name}.test/who"])
    assert "20000 succeeded, 0 failed, 0 errored" in result.stdout, result.stdout + result.stderr
    assert "20000 2xx" in result.stdout


def test_h2load_uploads(front, tmp_path):
    _, port, _ = front
    (tmp_path / "body").write_bytes(b"b" * 100_000)
    result = run(["h2load", "-n", "500", "-c", "10", "-m", "10", "-d", tmp_path / "body",
                  f"--connect-to=127.0.0.1:{port}", "http://node.test/upload"])
    assert "500 succeeded, 0 failed, 0 errored" in result.stdout, result.stdout + result.stderr
    assert "500 2xx" in result.stdout


@pytest.mark.smoke
def test_node_uses_its_connection_for_other_names(front):
    """Those get 421, and everything else on the connection arrives."""
    dispatcher, port, _ = front
    main, others = "node.test", ["nginx.test", "nobody.test"]
    client = run(["node", "-e", NODE_CLIENT, "--", port, main, *others, main])
    assert client.returncode == 0, client.stderr
    result = json.loads(client.stdout)
    assert (result["download"]["status"], result["download"]["length"]) == (200, 8_000_000)
    assert len(result["answers"]) == 61
    for answer in [result["download"], *result["answers"]]:
        assert "error" not in answer, answer
    for answer in result["answers"]:
        expected = (200, main) if answer["authority"] == main else (421, "")
        assert (answer["status"], answer["text"]) == expected
    client = dispatcher.logged(name="nginx.test", outcome="rejected")["client"]
    dispatcher.logged(name=main, client=client)  # comes last
    outcomes = sorted((line["name"], line["outcome"]) for line in dispatcher.access() if line["client"] == client)
    assert outcomes == sorted([(main, "ok")] + [("nginx.test", "rejected"), ("nobody.test", "no_route")] * 20)


@pytest.mark.smoke
def test_a_server_learns_of_the_client(front, workshop):
    """Behind what the client claims, of the first request and of later ones, with bodies and without."""
    server = front[2]["node"]
    port = free_port()
    workshop.portshare(f"""
[listener.web]
bind = ["127.0.0.1:{port}"]
default = "node"
[backend.node]
servers = ["{server}"]
forwarded = true
""")
    assert curl(port, "node.test", "/forwarded") == "127.0.0.1 | http | for=127.0.0.1;proto=http\n200 2"
    claim = ("--header", "X-Forwarded-For: 192.0.2.1", "--header", "Forwarded: for=192.0.2.1")
    assert curl(port, "node.test", "/forwarded", *claim) == (
        "192.0.2.1, 127.0.0.1 | http | for=192.0.2.1, for=127.0.0.1;proto=http\n200 2")
    result = run(["h2load", "-n", "2000", "-c", "4", "-m", "16", f"--connect-to=127.0.0.1:{port}",
                  "http://node.test/forwarded"])
    assert "2000 succeeded" in result.stdout and "2000 2xx" in result.stdout, result.stdout + result.stderr
    body = "b" * 1_000_000
    assert curl(port, "node.test", "/echo", "--data-binary", "@-", input=body) == body + "\n200 2"


@pytest.mark.parametrize("size", (64 * 1024 * 1024 + 1,))
def test_big_bodies_both_ways(front, tmp_path, size):
    _, port, _ = front
    body = random.Random(1).randbytes(size)
    (tmp_path / "body").write_bytes(body)
    result = curl(port, "node.test", "/echo", "--data-binary", f"@{tmp_path}/body", "--output", tmp_path / "back")
    assert result == "\n200 2"
    assert hashlib.sha256((tmp_path / "back").read_bytes()).digest() == hashlib.sha256(body).digest()


@pytest.mark.smoke
def test_grpc(front):
    """A call, streams both ways, and trailers."""
    dispatcher, port, _ = front
    client = run(["/usr/bin/python3", "-c", GRPC_CLIENT, port, "grpc.test"])
    assert (client.returncode, client.stdout) == (0, "grpc.test hello\n"), client.stderr
    assert dispatcher.logged(name="grpc.test")["protocol"] == "http"


def test_grpc_for_a_name_that_nobody_serves(front):
    _, port, _ = front
    client = run(["/usr/bin/python3", "-c", GRPC_CLIENT, port, "nobody.test"])
    assert client.returncode == 1 and "421" in client.stderr, client.stderr


# They keep their connection after an answer, for a request that never comes.
NODE_KEEPER = """
const session = require('http2').connect(`http://127.0.0.1:${process.argv[1]}`);
const stream = session.request({':authority': 'node.test', ':path': '/'});
stream.resume().on('end', () => console.log('idle'));
"""
GRPC_KEEPER = """
import grpc, sys
channel = grpc.insecure_channel("127.0.0.1:" + sys.argv[1], options=[("grpc.default_authority", "grpc.test")])
channel.unary_unary("/test/Unary").with_call(b"hello", timeout=30)
print("idle", flush=True)
sys.stdin.read()
"""


@pytest.mark.smoke
@pytest.mark.parametrize("name, keeper", (("node", ["node", "-e", NODE_KEEPER, "--"]),
                                          ("grpc", ["/usr/bin/python3", "-c", GRPC_KEEPER])))
def test_idle_clients_leave_a_program_that_ends(front, workshop, name, keeper):
    port = free_port()
    dispatcher = workshop.portshare(f"""
[listener.web]
bind = ["127.0.0.1:{port}"]
default = "x"
[backend.x]
servers = ["{front[2][name]}"]
""", shutdown_timeout="1h")
    with subprocess.Popen([*keeper, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout.readline() == "idle\n"
        dispatcher.terminate()
        dispatcher.check_after_end()
