"""Real clients. Each asks for /who under a name at a port of this host, and returns the server's answer."""

import subprocess

from harness.process import run
from harness.waiting import PATIENCE_SECONDS

NODE_CLIENT = """
const [scheme, name, port, bundle] = process.argv.slice(1);
const options = {host: '127.0.0.1', port: Number(port), path: '/who', servername: name, agent: false,
                 headers: {Host: `${name}:${port}`}};
if (bundle) options.ca = require('fs').readFileSync(bundle);
require(scheme).request(options, answer => answer.pipe(process.stdout)).end();
"""

PYTHON_CLIENT = """
import http.client, ssl, socket, sys
scheme, name, port, bundle = sys.argv[1:]
connection = http.client.HTTPConnection(name, int(port))
connection.sock = socket.create_connection(("127.0.0.1", int(port)))
if scheme == "https":
    connection.sock = ssl.create_default_context(cafile=bundle).wrap_socket(connection.sock, server_hostname=name)
connection.request("GET", "/who")
print(connection.getresponse().read().decode(), end="")
"""


def _answer(client):
    assert client.returncode == 0, client.stderr
    return client.stdout.strip()


def curl(scheme, name, port, bundle, *options):
    return _answer(run(["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "--cacert", bundle,
                        "--resolve", f"{name}:{port}:127.0.0.1", *options, f"{scheme}://{name}:{port}/who"]))


def node(scheme, name, port, bundle):
    return _answer(run(["node", "-e", NODE_CLIENT, "--", scheme, name, port, bundle if scheme == "https" else ""]))


def python(scheme, name, port, bundle):
    return _answer(run(["/usr/bin/python3", "-c", PYTHON_CLIENT, scheme, name, port, bundle]))


def openssl(scheme, name, port, bundle):
    assert scheme == "https"
    return _answer(run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name, "-CAfile", bundle,
                        "-verify_return_error", "-verify_hostname", name, "-quiet", "-ign_eof"],
                       input=f"GET /who HTTP/1.0\r\nHost: {name}\r\n\r\n")).splitlines()[-1]


def gnutls(scheme, name, port, bundle):
    assert scheme == "https"
    client = subprocess.Popen(["gnutls-cli", "--x509cafile", str(bundle), "--sni-hostname", name, "--verify-hostname",
                               name, "--port", str(port), "127.0.0.1"], text=True, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with client:
        # The end of its input would end the client before the answer is there; it ends when the server does.
        client.stdin.write(f"GET /who HTTP/1.0\r\nHost: {name}\r\n\r\n")
        client.stdin.flush()
        client.wait(PATIENCE_SECONDS)
        output = client.stdout.read()
    assert client.returncode == 0, output
    answer = output.replace("\r", "").split("HTTP/1.", 1)[1]
    return answer.partition("\n\n")[2].splitlines()[0]


CLIENTS = {"http": (curl, node, python), "https": (curl, node, python, openssl, gnutls)}
