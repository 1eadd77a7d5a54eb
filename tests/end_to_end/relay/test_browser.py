"""Chromium in front of it all: its TLS with post-quantum key shares and GREASE, its HTTP/1 and its WebSocket."""

import json
import shutil

import pytest

from harness.process import Process
from harness.sockets import free_port

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="the program chromium is not here: apt-get install chromium")

# Serves a page whose script uses its connection again and again, then talks to itself over a WebSocket, and posts what
# it has seen to /report, which is written to the standard output.
SITE = """
const [name, port] = process.argv.slice(1);
const {createHash} = require('crypto');
const page = `<!doctype html><script>(async () => {
  const answers = [];
  for (let i = 0; i < 5; ++i) answers.push(await (await fetch('/who?' + i)).text());
  answers.push(await (await fetch('/who', {method: 'POST', body: 'x'.repeat(300000)})).text());
  const socket = new WebSocket('ws://' + location.host + '/chat');
  const text = 'hello'.repeat(20);
  const echo = await new Promise((resolve, reject) => {
    socket.onopen = () => socket.send(text);
    socket.onmessage = event => resolve(event.data);
    socket.onerror = () => resolve('an error');
  });
  await fetch('/report', {method: 'POST', body: JSON.stringify({answers, echo: echo === text})});
})()</script>`;
const server = require('http').createServer((request, response) => {
  let body = '';
  request.on('data', data => body += data);
  request.on('end', () => {
    if (request.url === '/report') console.log(body);
    if (request.url === '/') response.setHeader('Content-Type', 'text/html');
    response.end(request.url === '/' ? page : name + ' ' + body.length);
  });
});
server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11');
  socket.on('error', () => {});
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n' +
               'Sec-WebSocket-Accept: ' + accept.digest('base64') + '\\r\\n\\r\\n');
  // A frame of the client (RFC 6455, 5.2), short and masked, comes back without the mask.
  socket.once('data', frame => {
    const length = frame[1] & 0x7f, mask = frame.subarray(2, 6);
    const text = frame.subarray(6, 6 + length).map((byte, index) => byte ^ mask[index % 4]);
    socket.write(Buffer.concat([Buffer.from([0x81, length]), text]));
  });
});
server.listen(Number(port), '127.0.0.1');
"""


class Browser(Process):
    """Chromium without a window, on one page. Every name is an address of this host to it."""

    def __init__(self, directory, *arguments):
        super().__init__("chromium", [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--no-proxy-server", "--ignore-certificate-errors", f"--user-data-dir={directory / 'profile'}",
            "--host-resolver-rules=MAP * 127.0.0.1", *arguments], directory)


@pytest.fixture
def browse(tmp_path):
    browsers = []

    def start(*arguments):
        browsers.append(Browser(tmp_path / f"browser-{len(browsers)}", *arguments))
        return browsers[-1]

    yield start
    for browser in browsers:
        browser.kill()


def test_chromium_reaches_each_https_server_by_its_name(workshop, certificates, browse):
    port = free_port()
    names = ("alpha.test", "beta.test")
    servers = {name: workshop.nginx(name, certificate=certificates[name]).address for name in names}
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
""" + "".join(f"""
[[route]]
sni = ["{name}"]
to = "{name.split(".")[0]}"
[backend.{name.split(".")[0]}]
servers = ["{address}"]
""" for name, address in servers.items()))
    for name in names:
        browser = browse("--dump-dom", f"https://{name}:{port}/who")
        assert browser.exit_code() == 0, browser.stderr
        assert f"{name}\n" in browser.stdout, browser.stdout
        record = dispatcher.logged(name=name)
        assert (record["protocol"], record["alpn"], record["backend"]) == ("tls", "h2,http/1.1", name.split(".")[0])


def test_chromium_keeps_a_connection_and_opens_a_websocket(workshop, browse):
    port, site_port = free_port(), free_port()
    site = workshop.node_script("alpha.test", SITE, "alpha.test", site_port, address=f"127.0.0.1:{site_port}")
    other, other_address = workshop.listen()
    dispatcher = workshop.portshare(f"""
[listener.l]
bind = ["127.0.0.1:{port}"]
default = "other"
[[route]]
host = ["alpha.test"]
to = "site"
[backend.site]
servers = ["{site.address}"]
[backend.other]
servers = ["{other_address}"]
""")
    browser = browse(f"http://alpha.test:{port}/")
    report = browser.eventually(lambda: site.stdout.strip(), "a report of the page")
    assert json.loads(report) == {"answers": ["alpha.test 0"] * 5 + ["alpha.test 300000"], "echo": True}
    browser.kill()
    # The page, its fetches and the report came over a few connections, each request with a line of its own.
    requests = dispatcher.eventually(
        lambda: [record for record in dispatcher.access() if record["name"] == "alpha.test"][:8] or None, "the requests")
    assert len({record["client"] for record in requests}) < len(requests)
