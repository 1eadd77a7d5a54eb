#!/usr/bin/env python3
"""Captures ClientHellos from the TLS programs that are installed here, into files beside this one: see README.md.

usage: capture.py [CLIENT…]      all of them, or those whose file's name begins with one of the words

A client is pointed at a port of this host, and what it sends first is written down. What it asks for stands in the table
below, not in the bytes: so a file's expectation was never read by a ClientHello parser.
"""

import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

FOLDER = pathlib.Path(__file__).resolve().parent
SILENCE_SECONDS = 0.5  # after the first bytes: what belongs to the first flight has come by then
PATIENCE_SECONDS = 60

NODE = """
const [name, port, kind] = process.argv.slice(2);
const quiet = () => process.exit();
if (kind === 'fetch') { fetch(`https://127.0.0.1:${port}/`).then(quiet, quiet); }
else if (kind === 'tls') {
  require('tls').connect({host: '127.0.0.1', port, servername: name, ALPNProtocols: ['h2', 'http/1.1']}).on('error', quiet);
} else { require('https').get({host: '127.0.0.1', port, servername: name}).on('error', quiet); }
"""
DENO = """
const [port] = Deno.args;
try { await fetch(`https://localhost:${port}/`); } catch {}
"""
PYTHON = """
import socket, ssl, sys
name, port, *alpn = sys.argv[1:]
context = ssl.create_default_context()
if alpn:
    context.set_alpn_protocols(alpn)
context.wrap_socket(socket.create_connection(("127.0.0.1", int(port))), server_hostname=name)
"""
JAVA = """
import java.net.*; import java.net.http.*; import javax.net.ssl.*;
public class Hello {
  public static void main(String[] a) throws Exception {
    if (a[2].equals("HttpClient")) {
      HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create("https://localhost:" + a[1] + "/")).build(),
                                      HttpResponse.BodyHandlers.discarding());
      return;
    }
    SSLSocketFactory factory = (SSLSocketFactory) SSLSocketFactory.getDefault();
    SSLSocket s = (SSLSocket) factory.createSocket(new Socket("127.0.0.1", Integer.parseInt(a[1])), a[0], 443, true);
    SSLParameters p = s.getSSLParameters();
    if (a[2].equals("TLSv1.2")) p.setProtocols(new String[] {"TLSv1.2"});
    else p.setApplicationProtocols(new String[] {"h2", "http/1.1"});
    s.setSSLParameters(p);
    s.startHandshake();
  }
}
"""
GO = """
package main
import ("crypto/tls"; "net/http"; "os")
func main() {
  name, port, kind := os.Args[1], os.Args[2], os.Args[3]
  if kind == "http" { http.Get("https://localhost:" + port + "/"); return }
  config := &tls.Config{ServerName: name}
  if kind == "tls1.0" { config.MinVersion = tls.VersionTLS10; config.MaxVersion = tls.VersionTLS10 }
  tls.Dial("tcp", "127.0.0.1:" + port, config)
}
"""
FIREFOX = """
user_pref("network.dns.localDomains", "www.example.com");
user_pref("network.proxy.type", 0);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.enabled", false);
user_pref("app.normandy.enabled", false);
user_pref("extensions.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
"""

NAME = "www.example.com"
BROWSER = ["h2", "http/1.1"]
OPENSSL = "openssl s_client -connect 127.0.0.1:PORT"
LEGACY = "-cipher DEFAULT@SECLEVEL=0"


class Client:
    """What is run, and what it asks for. PORT, NAME, FILE and FOLDER in the command are filled in."""

    def __init__(self, label, command, name=NAME, alpn=(), encrypted=False, script=None, version=None, server=False):
        """`script`: (file's name, text). `server`: the client first has a real handshake, in which it gets a ticket, and
        its second connection is captured."""
        self.label, self.command, self.name, self.alpn = label, command, name, alpn
        self.encrypted, self.script, self.server = encrypted, script, server
        self.version = version or [command.split()[0], "--version"]


def openssl(label, options, **asked):
    return Client(f"openssl-{label}", f"{OPENSSL} {options}", version=["openssl", "version"], **asked)


def gnutls(label, options, **asked):
    return Client(f"gnutls-{label}", f"gnutls-cli --insecure --no-ca-verification {options} --port PORT 127.0.0.1", **asked)


def scripted(label, command, script, **asked):
    return Client(label, command, script=script, **asked)


CLIENTS = [
    openssl("default", "-servername NAME"),
    openssl("tls1", f"-tls1 -servername NAME {LEGACY}"),
    openssl("tls1_1", f"-tls1_1 -servername NAME {LEGACY}"),
    openssl("tls1_2", "-tls1_2 -servername NAME"),
    openssl("tls1_3", "-tls1_3 -servername NAME"),
    openssl("noservername", "-noservername", name=""),
    openssl("alpn", "-servername NAME -alpn h2,http/1.1", alpn=BROWSER),
    openssl("groups", "-servername NAME -groups P-521:X448:ffdhe3072"),
    openssl("middlebox-off", "-servername NAME -no_middlebox -no_ticket"),
    openssl("many-extensions", "-servername NAME -status -use_srtp SRTP_AES128_CM_SHA1_80 -nextprotoneg spdy/3 "
            "-maxfraglen 1024 -fallback_scsv -tls1_2"),
    openssl("ticket-tls1_2", "-tls1_2 -servername NAME -sess_out FILE -sess_in FILE", server=True),
    openssl("ticket-tls1_3", "-tls1_3 -servername NAME -sess_out FILE -sess_in FILE", server=True),
    openssl("early-data", "-tls1_3 -servername NAME -sess_out FILE -sess_in FILE -early_data EARLY", server=True),
    gnutls("default", "--sni-hostname NAME"),
    gnutls("alpn", "--sni-hostname NAME --alpn h2 --alpn http/1.1", alpn=BROWSER),
    gnutls("disable-sni", "--disable-sni", name=""),
    gnutls("tls1.0", "--sni-hostname NAME --priority LEGACY:-VERS-ALL:+VERS-TLS1.0"),
    gnutls("tls1.2", "--sni-hostname NAME --priority NORMAL:-VERS-ALL:+VERS-TLS1.2"),
    gnutls("compat", "--sni-hostname NAME --priority NORMAL:%COMPAT"),
    gnutls("resume", "--sni-hostname NAME --resume", server=True),
    Client("curl-http2", "curl --insecure --http2 --connect-to NAME:443:127.0.0.1:PORT https://NAME/", alpn=BROWSER),
    Client("curl-http1.1", "curl --insecure --http1.1 --connect-to NAME:443:127.0.0.1:PORT https://NAME/",
           alpn=["http/1.1"]),
    Client("curl-address", "curl --insecure --noproxy * https://127.0.0.1:PORT/", name="", alpn=BROWSER),
    Client("wget-default", "wget --tries=1 --no-check-certificate --no-proxy https://localhost:PORT/", name="localhost"),
    Client("git-clone", "git -c http.sslVerify=false clone https://localhost:PORT/x.git", name="localhost", alpn=BROWSER),
    scripted("nodejs-https", "node FILE NAME PORT https", ("hello.js", NODE)),
    scripted("nodejs-tls", "node FILE NAME PORT tls", ("hello.js", NODE), alpn=BROWSER),
    scripted("nodejs-fetch", "node FILE NAME PORT fetch", ("hello.js", NODE), name="", alpn=["http/1.1"]),
    scripted("python-default", "/usr/bin/python3 FILE NAME PORT", ("hello.py", PYTHON)),
    scripted("python-alpn", "/usr/bin/python3 FILE NAME PORT h2 http/1.1", ("hello.py", PYTHON), alpn=BROWSER),
    scripted("java-sslsocket", "java FILE NAME PORT SSLSocket", ("Hello.java", JAVA), alpn=BROWSER),
    scripted("java-tls1.2", "java FILE NAME PORT TLSv1.2", ("Hello.java", JAVA)),
    scripted("java-httpclient", "java FILE NAME PORT HttpClient", ("Hello.java", JAVA), name="localhost", alpn=BROWSER),
    scripted("go-tls", "go run FILE NAME PORT tls", ("hello.go", GO), version=["go", "version"]),
    scripted("go-tls1.0", "go run FILE NAME PORT tls1.0", ("hello.go", GO), version=["go", "version"]),
    scripted("go-http", "go run FILE NAME PORT http", ("hello.go", GO), name="localhost", alpn=BROWSER,
             version=["go", "version"]),
    # Deno's TLS is rustls.
    scripted("rustls-deno", "deno run --no-prompt --allow-net FILE PORT", ("hello.js", DENO), name="localhost",
             alpn=BROWSER),
    # NSS has a client of its own, which takes a database of certificates; the browser has one built in.
    scripted("firefox-default", "firefox-esr --headless --no-remote --profile FOLDER https://NAME:PORT/",
             ("user.js", FIREFOX), alpn=BROWSER, encrypted=True),
    Client("chromium-default", "chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
           "--disable-background-networking --disable-component-update --disable-sync --user-data-dir=FOLDER "
           "--host-resolver-rules=MAP\xa0*\xa0127.0.0.1 https://NAME:PORT/", alpn=BROWSER, encrypted=True),
]


def receive_flight(connection):
    """Everything up to a silence."""
    connection.settimeout(PATIENCE_SECONDS)
    flight = connection.recv(65536)
    connection.settimeout(SILENCE_SECONDS)
    try:
        while piece := connection.recv(65536):
            flight += piece
    except (TimeoutError, ConnectionResetError):
        pass
    return flight


def run(client, port, folder, first=False):
    """Starts the client's command."""
    words = client.command.split(" ")
    if client.server and "openssl" in client.command and first:
        words = [word for index, word in enumerate(words)
                 if "-sess_in" not in words[max(index - 1, 0):index + 1]
                 and "-early_data" not in words[max(index - 1, 0):index + 1]]
    filled = {"PORT": str(port), "NAME": client.name or NAME, "FOLDER": str(folder), "EARLY": str(folder / "early"),
              "FILE": str(folder / (client.script[0] if client.script else "session"))}
    pattern = re.compile("|".join(filled))
    arguments = [pattern.sub(lambda match: filled[match[0]], word).replace("\xa0", " ") for word in words]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            cwd=folder)


def forward(client_side, port):
    """Carries a whole connection to a server on `port`, and back."""
    with socket.create_connection(("127.0.0.1", port)) as server_side:
        def carry(source, target):
            try:
                while piece := source.recv(65536):
                    target.sendall(piece)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        threads = [threading.Thread(target=carry, args=pair, daemon=True)
                   for pair in ((client_side, server_side), (server_side, client_side))]
        for thread in threads:
            thread.start()
        threads[1].join(3)  # the tickets have come by then


def start_server(folder):
    """An `openssl s_server` which gives tickets; its process and port."""
    key, certificate = folder / "key", folder / "certificate"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    f"/CN={NAME}", "-out", certificate, "-keyout", key], check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(["openssl", "s_server", "-accept", str(port), "-cert", certificate, "-key", key,
                               "-early_data", "-quiet"],
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server, port
        except ConnectionRefusedError:
            pass


def capture(client):
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as listener:
        folder = pathlib.Path(name)
        listener.settimeout(PATIENCE_SECONDS)
        port = listener.getsockname()[1]
        (folder / "early").write_bytes(b"GET / HTTP/1.0\r\n\r\n")
        if client.script:
            (folder / client.script[0]).write_text(client.script[1])
        processes = []
        try:
            if client.server:
                server, server_port = start_server(folder)
                processes.append(server)
                processes.append(run(client, port, folder, first=True))
                connection, _ = listener.accept()
                with connection:
                    forward(connection, server_port)
            if not (client.server and client.command.startswith("gnutls")):  # which connects a second time by itself
                processes.append(run(client, port, folder))
            while True:
                connection, _ = listener.accept()
                with connection:
                    flight = receive_flight(connection)
                if flight.startswith(b"\x16"):
                    return flight
        finally:
            for process in processes:
                process.kill()
                process.wait()


def version_of(client):
    shown = subprocess.run(client.version, capture_output=True, text=True, check=False)
    return (shown.stdout or shown.stderr).splitlines()[0].strip()


def bytes_behind_hello(flight):
    """How many bytes follow the handshake records at the front."""
    position = 0
    while flight[position:position + 1] == b"\x16":
        position += 5 + int.from_bytes(flight[position + 3:position + 5], "big")
    return len(flight) - position


def write(client, flight):
    version = version_of(client)
    number = re.search(r"\d+(\.\d+)?", version)[0]
    program, _, variant = client.label.partition("-")
    path = FOLDER / f"{program}-{number}-{variant}.hello"
    digits = flight.hex()
    path.write_text(f"""\
program: {version}
command: {client.command.replace("NAME", client.name or NAME)}
server_name: {client.name}
alpn: {",".join(client.alpn)}
encrypted_client_hello: {"yes" if client.encrypted else "no"}
behind: {bytes_behind_hello(flight)}

""" + "".join(digits[start:start + 120] + "\n" for start in range(0, len(digits), 120)))
    return path


def main():
    wanted = [client for client in CLIENTS
              if not sys.argv[1:] or any(client.label.startswith(word) for word in sys.argv[1:])]
    missing = 0
    for client in wanted:
        program = client.command.split()[0]
        if not shutil.which(program):
            print(f"{client.label}: {program} is not installed", file=sys.stderr)
            missing += 1
            continue
        try:
            flight = capture(client)
        except TimeoutError:
            print(f"{client.label}: no ClientHello came in {PATIENCE_SECONDS} s", file=sys.stderr)
            missing += 1
            continue
        print(f"{write(client, flight).name}: {len(flight)} bytes")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
