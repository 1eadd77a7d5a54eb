"""The servers that comparison.py compares: how each is configured for a scenario, and started.

Each peer gets what its documentation advises for a dispatcher under load: one worker, no logs, look-up tables where
it has them. A configuration is written anew for every scenario. `tuning` says so in the report.
"""

import os
import re
import shutil
import subprocess

SYSTEM_PATH = f"/usr/sbin:{os.environ.get('PATH', '/usr/bin')}"


def program(name):
    return shutil.which(name, path=SYSTEM_PATH)


def first_line(*command):
    """What a program says about its version."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return (result.stdout + result.stderr).strip().splitlines()[0]


class Peer:
    """`scenario.routes` are pairs of a pattern (a name, "*." and a suffix, or an address) and a backend's address."""

    name = ""
    tuning = ""

    def can(self, scenario):
        """Whether it is installed and routes by what the scenario routes by."""
        raise NotImplementedError

    def version(self):
        raise NotImplementedError

    def command(self, scenario, directory):
        """Writes the configuration; the command that starts it in the foreground."""
        raise NotImplementedError


class Portshare(Peer):
    name = "portshare"
    tuning = "one worker, no access log"

    def __init__(self, binary):
        self.binary = binary

    def can(self, scenario):
        return True

    def version(self):
        return first_line(self.binary, "--version")

    def command(self, scenario, directory):
        backends = {address: f"b{number}" for number, address in enumerate(scenario.backends)}
        key = {"sni": "sni", "host": "host", "destination": "destination"}[scenario.route]
        lines = ["[server]", "workers = 1", 'log = { level = "warning", access = "off" }', "[listener.l]",
                 f'bind = ["0.0.0.0:{scenario.port}"]', 'idle_timeout = "1h"']
        if scenario.route == "destination":
            lines.append("protocols = []")
        for pattern, address in scenario.routes:
            lines += ["[[route]]", f'{key} = ["{pattern}"]', f'to = "{backends[address]}"']
        for address, name in backends.items():
            lines += [f"[backend.{name}]", f'servers = ["{address}"]']
        file = directory / "portshare.toml"
        file.write_text("\n".join(lines) + "\n")
        return f"{self.binary} run -c {file}"


class Haproxy(Peer):
    name = "haproxy"
    tuning = ("mode tcp, one thread, names from a map file, tcp-smart-accept, tcp-smart-connect, no log; for bulk splice-auto "
              "with pipes of 1 MiB")

    def can(self, scenario):
        return program("haproxy") is not None

    def version(self):
        return first_line(program("haproxy"), "-v")

    def command(self, scenario, directory):
        exact, wild = directory / "haproxy-exact.map", directory / "haproxy-wild.map"
        backends = {address: f"b{number}" for number, address in enumerate(scenario.backends)}
        for file, is_wild in ((exact, False), (wild, True)):
            file.write_text("".join(f"{pattern.removeprefix('*.')} {backends[address]}\n"
                                    for pattern, address in scenario.routes if pattern.startswith("*.") == is_wild))
        lines = ["global", "  nbthread 1", f"  maxconn {scenario.most_connections}"]
        if scenario.mode == "bulk":
            lines += ["  tune.pipesize 1048576", "  maxpipes 256"]
        lines += ["defaults", "  mode tcp", "  timeout connect 5s", "  timeout client 1h", "  timeout server 1h",
                  "  option tcp-smart-accept", "  option tcp-smart-connect"]
        if scenario.mode == "bulk":
            lines.append("  option splice-auto")
        lines += ["frontend f", f"  bind 0.0.0.0:{scenario.port} backlog 4096"]
        if scenario.route == "destination":
            lines.append(f"  use_backend %[dst,map_ip({exact})]")
        else:
            key, complete = {"sni": ("req.ssl_sni,lower", "{ req.ssl_hello_type 1 }"),
                             "host": ("req.hdr(host),lower", "{ req.hdr(host) -m found }")}[scenario.route]
            lines += ["  tcp-request inspect-delay 30s", f"  tcp-request content accept if {complete}",
                      f"  use_backend %[{key},map_str({exact})] if {{ {key},map_str({exact}) -m found }}"]
            if scenario.has_wildcards:
                lines.append(f"  use_backend %[{key},field(2,.,0),map_str({wild})]")
        for address, name in backends.items():
            lines += [f"backend {name}", f"  server s {address}"]
        file = directory / "haproxy.cfg"
        file.write_text("\n".join(lines) + "\n")
        return f"{program('haproxy')} -db -f {file}"


class Nginx(Peer):
    name = "nginx"
    tuning = ("one worker, reuseport, multi_accept, no log; by SNI and address: stream with ssl_preread and a map, buffers of 4 KiB "
              "(128 KiB for bulk); by Host: http with a server block per name, Connection: close to the server")
    module = "/usr/lib/nginx/modules/ngx_stream_module.so"

    def can(self, scenario):
        return program("nginx") is not None and (scenario.route == "host" or os.path.exists(self.module))

    def version(self):
        return first_line(program("nginx"), "-v")

    def command(self, scenario, directory):
        upstreams = {address: f"b{number}" for number, address in enumerate(scenario.backends)}
        servers = "".join(f"upstream {name} {{ server {address}; }}\n" for address, name in upstreams.items())
        head = "" if scenario.route == "host" else f"load_module {self.module};\n"
        head += (f"daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/nginx.log crit;\n"
                 f"worker_rlimit_nofile {scenario.descriptors};\n"
                 f"events {{ worker_connections {scenario.descriptors - 100}; multi_accept on; accept_mutex off; }}\n")
        block = self._http if scenario.route == "host" else self._stream
        file = directory / "nginx.conf"
        file.write_text(head + block(scenario, directory, upstreams, servers))
        return f"{program('nginx')} -p {directory} -c {file}"

    def _stream(self, scenario, directory, upstreams, servers):
        by_name = scenario.route == "sni"
        routes = "".join(f"{pattern} {upstreams[address]};\n" for pattern, address in scenario.routes)
        variable = "$ssl_preread_server_name" if by_name else "$server_addr"
        buffer = "128k" if scenario.mode == "bulk" else "4k"
        return (f"stream {{ access_log off; map_hash_max_size 65536; map_hash_bucket_size 128;\n"
                f"map {variable} $route {{ {'hostnames;' if by_name else ''}\n{routes}}}\n{servers}"
                f"server {{ listen {scenario.port} reuseport backlog=4096; {'ssl_preread on;' if by_name else ''}\n"
                f"preread_buffer_size 4k; preread_timeout 30s; proxy_buffer_size {buffer}; proxy_timeout 1h;\n"
                f"proxy_pass $route; }} }}\n")

    def _http(self, scenario, directory, upstreams, servers):
        paths = "".join(f"{key}_temp_path {directory}/nginx-{key}; "
                        for key in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        blocks = "".join(f"server {{ listen {scenario.port}{' reuseport backlog=4096' if number == 0 else ''}; "
                         f"server_name {pattern}; location / {{ proxy_pass http://{upstreams[address]}; }} }}\n"
                         for number, (pattern, address) in enumerate(scenario.routes))
        return (f"http {{ access_log off; {paths}\nlingering_close off; tcp_nodelay on; proxy_http_version 1.1;\n"
                "proxy_set_header Host $http_host; proxy_set_header Connection close; proxy_buffer_size 4k;\n"
                f"proxy_buffers 4 4k; proxy_max_temp_file_size 0;\n{servers}{blocks}}}\n")


class Sniproxy(Peer):
    name = "sniproxy"
    tuning = "one process, its only model; names are anchored regular expressions, searched in order; no log"

    def can(self, scenario):
        return program("sniproxy") is not None and scenario.route != "destination"

    def version(self):
        return first_line(program("sniproxy"), "-V")

    def command(self, scenario, directory):
        def expression(pattern):
            body = re.escape(pattern.removeprefix("*.")).replace("\\", "\\\\")
            any_label = "[^.]*\\\\." if pattern.startswith("*.") else ""
            return f"^{any_label}{body}$"

        routes = "".join(f"  {expression(pattern)} {address}\n" for pattern, address in scenario.routes)
        file = directory / "sniproxy.conf"
        file.write_text(f"pidfile {directory}/sniproxy.pid\nerror_log {{\n  filename {directory}/sniproxy.log\n"
                        f"  priority error\n}}\nlistener 0.0.0.0:{scenario.port} {{\n"
                        f"  protocol {'tls' if scenario.route == 'sni' else 'http'}\n  table t\n}}\ntable t {{\n{routes}}}\n")
        return f"{program('sniproxy')} -f -c {file} -n {scenario.descriptors}"
