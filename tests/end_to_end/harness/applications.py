"""Real servers behind portshare. Each serves /who, which answers the server's own name."""

import os
import shutil
import socket

from harness.process import Process, run
from harness.sockets import free_port

NODE_SERVER = """
const [name, port, cert, key] = process.argv.slice(1);
const fs = require('fs');
const answer = (request, response) => response.end(name + '\\n');
const server = cert
  ? require('https').createServer({cert: fs.readFileSync(cert), key: fs.readFileSync(key)}, answer)
  : require('http').createServer(answer);
server.listen(Number(port), '127.0.0.1');
"""


class Certificate:
    """A self-signed certificate for one name."""

    def __init__(self, directory, name):
        directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.file = directory / f"{name}.crt"
        self.key = directory / f"{name}.key"
        made = run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                    "-out", self.file, "-keyout", self.key])
        assert made.returncode == 0, made.stderr


class Application(Process):
    """A server program that is ready when it accepts a connection at `address`."""

    def __init__(self, name, arguments, directory, address):
        self.address = address
        super().__init__(name, arguments, directory)
        try:
            self.eventually(self._accepts, f"a connection to {address}")
        except AssertionError:
            self.kill()
            raise

    def _accepts(self):
        if self.address.startswith("unix:"):
            family, target = socket.AF_UNIX, self.address.removeprefix("unix:")
        else:
            host, _, port = self.address.rpartition(":")
            family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
            target = (host.strip("[]"), int(port))
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(target) == 0


def system_program(name):
    """/usr/sbin is not in everyone's PATH."""
    return shutil.which(name, path=f"/usr/sbin:{os.environ['PATH']}")


def nginx_with(directory, name, blocks, address=None, modules=()):
    """nginx with these blocks beside `events`. In them ADDRESS stands for `address`, TEMPORARY for what an http block
    has to say about folders."""
    directory = directory / f"nginx-{name}"
    directory.mkdir(parents=True)
    address = address or f"127.0.0.1:{free_port()}"
    temporary = "\n".join(f"{kind}_temp_path {directory}/{kind};"
                          for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    load = "".join(f"load_module /usr/lib/nginx/modules/{module}.so;\n" for module in modules)
    (directory / "nginx.conf").write_text(f"""
{load}
daemon off;
master_process off;
pid {directory}/pid;
error_log stderr;
events {{ worker_connections 512; }}
{blocks.replace("ADDRESS", address).replace("TEMPORARY", temporary)}
""")
    return Application("nginx", [system_program("nginx"), "-e", "stderr", "-p", directory, "-c", directory / "nginx.conf"],
                       directory, address)


def nginx(directory, name, address=None, certificate=None, proxied=False, http2=False):
    """nginx with one site; `address` as the configuration of portshare writes it. `proxied`: every connection begins with
    a PROXY header, and nginx believes it. `http2`: in place of HTTP/1."""
    tls = f"ssl_certificate {certificate.file}; ssl_certificate_key {certificate.key};" if certificate else ""
    options = (" ssl http2" if certificate else " http2" if http2 else "") + (" proxy_protocol" if proxied else "")
    trust = "set_real_ip_from 127.0.0.0/8; set_real_ip_from unix:; real_ip_header proxy_protocol;" if proxied else ""
    return nginx_with(directory, name, f"""
http {{
  access_log off;
  TEMPORARY
  server {{
    listen ADDRESS{options};
    {tls}
    {trust}
    location = /who {{ return 200 "{name}\\n"; }}
    location = /source {{ return 200 "$remote_addr\\n"; }}
  }}
}}""", address)


def haproxy(directory, name, address, frontend, server=None):
    """HAProxy at `address` (127.0.0.1:PORT): the options of its `bind` and the lines behind it, which are `frontend`, and
    where connections go, which is `server` with its options."""
    directory = directory / f"haproxy-{name}"
    directory.mkdir(parents=True)
    configuration = directory / "haproxy.cfg"
    backend = f"default_backend s\nbackend s\n  server s {server}" if server else ""
    configuration.write_text(f"""
global
  maxconn 200
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend f
  bind {address} {frontend}
  {backend}
""")
    return Application("haproxy", [system_program("haproxy"), "-db", "-f", configuration], directory, address)


def _directory_with_who(directory, name):
    directory.mkdir(parents=True)
    (directory / "who").write_text(f"{name}\n")
    return directory


def python_http_server(directory, name, host="127.0.0.1"):
    directory = _directory_with_who(directory / f"python-{name}", name)
    port = free_port()
    return Application("python", ["/usr/bin/python3", "-m", "http.server", port, "--bind", host, "--directory",
                                  directory], directory, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def nghttpd(directory, name):
    """A server of HTTP/2 without TLS."""
    directory = _directory_with_who(directory / f"nghttpd-{name}", name)
    port = free_port()
    return Application("nghttpd", ["nghttpd", "--no-tls", "--address=127.0.0.1", f"--htdocs={directory}", port], directory,
                       f"127.0.0.1:{port}")


def openssl_server(directory, name, certificate):
    directory = _directory_with_who(directory / f"openssl-{name}", name)
    address = f"127.0.0.1:{free_port()}"
    return Application("openssl", ["openssl", "s_server", "-accept", address, "-cert", certificate.file, "-key",
                                   certificate.key, "-WWW", "-quiet"], directory, address)


def node_server(directory, name, certificate=None):
    port = free_port()
    files = [certificate.file, certificate.key] if certificate else []
    return Application("node", ["node", "-e", NODE_SERVER, "--", name, port, *files], directory / f"node-{name}",
                       f"127.0.0.1:{port}")


def python_script(directory, name, script, *arguments, address):
    """As node_script, in Python."""
    return Application("python", ["/usr/bin/python3", "-c", script, *arguments], directory / f"python-{name}", address)


def node_script(directory, name, script, *arguments, address):
    """A server of the test's own; it gets `arguments`, and is ready when it accepts a connection at `address`."""
    return Application("node", ["node", "-e", script, "--", *arguments], directory / f"node-{name}", address)
