"""Kept-alive connections of real clients to several real servers."""

import hashlib
import http.client
import json
import random

import pytest

from harness.http import Messages, request
from harness.process import run
from harness.sockets import connect, free_port

# Answers an upload with its hash, /forwarded, an upgrade with an echo, and everything else with its name.
NODE_SERVER = """
const [name, port] = process.argv.slice(1);
const {createHash} = require('crypto');
const server = require('http').createServer((request, response) => {
  if (request.method === 'POST') {
    const hash = createHash('sha256');
    request.on('data', data => hash.update(data));
    request.on('end', () => response.end(hash.digest('hex')));
  } else if (request.url === '/forwarded') {
    response.end(request.headers['x-forwarded-for'] + ' ' + request.headers['forwarded']);
  } else {
    response.end(name + '\\n');
  }
});
server.on('upgrade', (request, socket) => {
  socket.on('error', () => {});
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\n' + name);
  socket.pipe(socket);
});
server.listen(Number(port), '127.0.0.1');
"""

NODE_KEEP_ALIVE_CLIENT = """
const http = require('http');
const port = Number(process.argv[1]), names = process.argv.slice(2);
const agent = new http.Agent({keepAlive: true, maxSockets: 1});
const answers = [], ports = new Set();
const next = () => {
  if (answers.length === names.length) {
    console.log(JSON.stringify({answers, connections: ports.size}));
    return agent.destroy();
  }
  const headers = {Host: names[answers.length]};
  http.get({host: '127.0.0.1', port, path: '/who', agent, headers}, response => {
    ports.add(response.socket.localPort);
    let text = '';
    response.on('data', data => text += data);
    response.on('end', () => { answers.push(text.trim()); setImmediate(next); });
  });
};
next();
"""

NODE_UPGRADE_CLIENT = """
const http = require('http');
const [port, name, text] = process.argv.slice(1);
const headers = {Host: name, Connection: 'Upgrade', Upgrade: 'websocket'};
const request = http.request({host: '127.0.0.1', port: Number(port), path: '/chat', headers});
request.on('upgrade', (response, socket, head) => {
  let received = head.toString();
  socket.on('data', data => {
    received += data;
    if (received.endsWith(text)) { console.log(received); socket.end(); }
  });
  socket.write(text);
});
request.on('response', response => { console.log(response.statusCode); process.exit(1); });
request.end();
"""

NAMES = ["alpha.test", "beta.test", "beta.test", "alpha.test", "gamma.test", "alpha.test"]


@pytest.fixture(scope="module")
def front(module_workshop):
    """A port in front of two times nginx, and Node.js for gamma.test."""
    shop = module_workshop
    node_port, port = free_port(), free_port()
    addresses = {name: shop.nginx(name).address for name in ("alpha.test", "beta.test")}
    addresses["gamma.test"] = shop.node_script("gamma.test", NODE_SERVER, "gamma.test", node_port,
                                               address=f"127.0.0.1:{node_port}").address
    dispatcher = shop.portshare(f"""
[listener.web]
bind = ["127.0.0.1:{port}"]
""" + "".join(f"""
[[route]]
host = ["{name}"]
to = "{name.split(".")[0]}"
[backend.{name.split(".")[0]}]
servers = ["{address}"]
forwarded = true
""" for name, address in addresses.items()))
    return dispatcher, port


def curl(*arguments, **options):
    result = run(["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "--http1.1", *arguments], **options)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.smoke
def test_curl_uses_one_connection_for_several_hosts(front):
    _, port = front
    requests = []
    for name in NAMES:
        requests += ["--next"] if requests else []
        requests += ["--silent", "--fail", "--noproxy", "*", "--http1.1", "--header", f"Host: {name}", "--write-out",
                     "%{local_port} %{num_connects}\n", f"http://127.0.0.1:{port}/who"]
    lines = run(["curl", *requests]).stdout.splitlines()
    assert lines[::2] == NAMES
    assert len({line.split()[0] for line in lines[1::2]}) == 1, "not on one connection"
    assert [line.split()[1] for line in lines[1::2]] == ["1", "0", "0", "0", "0", "0"]


@pytest.mark.smoke
def test_python_http_client_keeps_its_connection(front):
    _, port = front
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.connect()
    own = connection.sock.getsockname()
    for name in NAMES:
        connection.request("GET", "/who", headers={"Host": name})
        assert connection.getresponse().read().decode().strip() == name
        assert connection.sock.getsockname() == own
    connection.close()


@pytest.mark.smoke
def test_node_agent_keeps_its_connection(front):
    _, port = front
    client = run(["node", "-e", NODE_KEEP_ALIVE_CLIENT, "--", port, *NAMES])
    assert client.returncode == 0, client.stderr
    assert json.loads(client.stdout) == {"answers": NAMES, "connections": 1}


def test_node_upgrades(front):
    """The event `upgrade` of Node.js on both sides."""
    _, port = front
    client = run(["node", "-e", NODE_UPGRADE_CLIENT, "--", port, "gamma.test", "hello" * 1000])
    assert (client.returncode, client.stdout.strip()) == (0, "gamma.test" + "hello" * 1000), client.stderr
    # nginx has no such protocol there, and answers as if it had not been asked.
    client = run(["node", "-e", NODE_UPGRADE_CLIENT, "--", port, "alpha.test", "hello"])
    assert (client.returncode, client.stdout.strip()) == (1, "404"), client.stderr


@pytest.mark.parametrize("field", ("X: y", "Transfer-Encoding: chunked", "Expect: 100-continue"))
def test_curl_uploads(front, tmp_path, field):
    _, port = front
    body = random.Random(1).randbytes(20 * 1024 * 1024 + 1)
    (tmp_path / "body").write_bytes(body)
    answer = curl("--header", "Host: gamma.test", "--header", field, "--data-binary", f"@{tmp_path}/body",
                  f"http://127.0.0.1:{port}/upload")
    assert answer == hashlib.sha256(body).hexdigest()


def test_a_real_server_learns_of_the_client(front):
    _, port = front
    answer = curl("--header", "Host: gamma.test", f"http://127.0.0.1:{port}/forwarded")
    assert answer == "127.0.0.1 for=127.0.0.1;proto=http"


def test_nginx_answers_a_long_pipeline_in_order(front):
    _, port = front
    order = random.Random(2).choices(["alpha.test", "beta.test"], k=300)
    with connect(port) as client:
        client.sendall(b"".join(request(name, "/who") for name in order))
        answers = Messages(client)
        assert [answers.next().body.decode().strip() for _ in order] == order


def test_h2load_in_http_1(front):
    """Thousands of requests over kept-alive connections, pipelined, all answered with 200."""
    _, port = front
    result = run(["h2load", "--h1", "-n", "5000", "-c", "20", "-m", "8", f"--connect-to=127.0.0.1:{port}",
                  "http://alpha.test/who"])
    assert "5000 succeeded, 0 failed, 0 errored" in result.stdout, result.stdout + result.stderr
    assert "5000 2xx" in result.stdout


# Opens a connection to the port of CONNECT on this host, whatever the name.
NODE_PROXY = """
const net = require('net');
const server = require('http').createServer();
server.on('connect', (request, client, head) => {
  const upstream = net.connect(Number(request.url.split(':')[1]), '127.0.0.1', () => {
    client.write('HTTP/1.1 200 Connection established\\r\\n\\r\\n');
    upstream.write(head);
    client.pipe(upstream).pipe(client);
  });
  client.on('error', () => upstream.destroy());
  upstream.on('error', () => client.destroy());
});
server.listen(Number(process.argv[1]), '127.0.0.1');
"""


def test_openssl_goes_through_a_proxy_behind_portshare(workshop, certificates):
    """TLS in a tunnel that CONNECT has opened: none of it is read."""
    proxy_port, port = free_port(), free_port()
    proxy = workshop.node_script("proxy", NODE_PROXY, proxy_port, address=f"127.0.0.1:{proxy_port}")
    server = workshop.nginx("tunnelled", certificate=certificates["alpha.test"])
    dispatcher = workshop.portshare(f"""
[listener.proxy]
bind = ["127.0.0.1:{port}"]
[[route]]
host = ["alpha.test"]
to = "proxy"
[backend.proxy]
servers = ["{proxy.address}"]
""")
    target = f"alpha.test:{server.address.rpartition(':')[2]}"
    client = run(["openssl", "s_client", "-proxy", f"127.0.0.1:{port}", "-connect", target, "-servername", "alpha.test",
                  "-CAfile", certificates.bundle, "-verify_return_error", "-verify_hostname", "alpha.test", "-quiet",
                  "-ign_eof"], input="GET /who HTTP/1.0\r\nHost: alpha.test\r\n\r\n")
    assert client.returncode == 0, client.stderr
    assert client.stdout.splitlines()[-1] == "tunnelled"
    record = dispatcher.logged(backend="proxy")
    assert (record["protocol"], record["name"], record["outcome"]) == ("http", "alpha.test", "ok")
    # A name that has no route gets no tunnel.
    client = run(["openssl", "s_client", "-proxy", f"127.0.0.1:{port}", "-connect", "nobody.test:443"])
    assert client.returncode != 0 and "421" in client.stderr + client.stdout
