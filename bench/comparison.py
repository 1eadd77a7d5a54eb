#!/usr/bin/env python3
"""Compares portshare with the dispatchers that are installed, and writes a report with plots.

Every scenario is one run of `portshare-bench compare`: interleaved rounds, a fresh server for each, ratios paired within
the rounds. Behind the dispatchers is `portshare-bench serve`. With two CPUs or more the dispatcher has the first one for
itself, and the load and the servers behind it have the others.
"""

import argparse
import html
import json
import os
import pathlib
import random
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time

from peers import Haproxy, Nginx, Portshare, Sniproxy

ROOT = pathlib.Path(__file__).resolve().parent.parent
BACKENDS = 4
REPLY_BYTES = 1024


class Scenario:
    def __init__(self, name, mode, title, *, route="sni", behaviour="reply", options=(), names=BACKENDS, metric=None):
        self.name, self.mode, self.title, self.route, self.behaviour = name, mode, title, route, behaviour
        self.options = list(options)
        self.names = names
        self.metric = metric or "server_cpu_us_per_unit"
        # Filled in when it runs.
        self.port, self.backends, self.descriptors = 0, [], 0

    @property
    def routes(self):
        if self.route == "destination":
            return [(f"127.2.0.{number + 1}", address) for number, address in enumerate(self.backends)]
        return [(("*." if self._is_wild(number) else "") + self._domain(number), self.backends[number % BACKENDS])
                for number in range(self.names)]

    @property
    def has_wildcards(self):
        return any(self._is_wild(number) for number in range(self.names))

    @property
    def asked_names(self):
        """One that each route is for."""
        return [("www." if self._is_wild(number) else "") + self._domain(number) for number in range(self.names)]

    @property
    def targets(self):
        if self.route == "destination":
            return [f"{address}:{self.port}" for address, _ in self.routes]
        return [f"127.0.0.1:{self.port}"]

    @property
    def most_connections(self):
        return (self.descriptors - 1500) // 2

    def _is_wild(self, number):
        return self.names > BACKENDS and number % 5 == 4

    def _domain(self, number):
        return f"w{number}.example.net" if self._is_wild(number) else f"h{number}.example.com"


def scenarios(idle_connections):
    reply = ["--until", "end", "--expect", str(REPLY_BYTES)]
    return [
        Scenario("sni-small", "connections", "SNI, a ClientHello of 517 bytes, 64 clients in a closed loop, replies of 1 KiB",
                 options=["--tls", *reply]),
        Scenario("sni-post-quantum", "connections", "The same with a post-quantum ClientHello of 1800 bytes",
                 options=["--post-quantum", *reply]),
        Scenario("sni-10000-names", "connections", "The same as sni-small with 10,000 names, every fifth a wildcard",
                 options=["--tls", *reply], names=10_000),
        Scenario("http-host", "connections", "HTTP by Host, one request per connection", route="host",
                 options=["--http", *reply]),
        Scenario("destination", "connections", "four destination addresses on one listener, without looking at a byte",
                 route="destination", options=["--tls", *reply]),
        Scenario("open-loop", "connections", "SNI, 3,000 connections per second on a fixed schedule: latency without "
                 "saturation", options=["--tls", "--rate", "3000", "-c", "512", *reply], metric="latency_p99_us"),
        Scenario("ping-pong", "ping-pong", "64 routed connections, messages of 64 bytes", behaviour="echo",
                 options=["--tls"]),
        Scenario("bulk-download", "bulk", "four routed connections, as many bytes as go through", behaviour="source",
                 options=["--tls"], metric="server_cpu_seconds_per_gb"),
        Scenario("idle", "idle", f"{idle_connections:,} routed connections that say nothing", behaviour="sink",
                 options=["--tls", "-c", str(idle_connections), "-d", "1s"],
                 metric="server_memory_bytes_per_connection"),
    ]


def free_port(addresses):
    """Below the ports that the system gives to clients, so that no connection of the load can take it."""
    while True:
        port = random.randrange(10240, 32000)
        try:
            for address in addresses:
                with socket.socket() as probe:
                    probe.bind((address, port))
        except OSError:
            continue
        return port


class Pinning:
    """CPUs for the dispatcher and for everything else; none on a machine with a single one."""

    def __init__(self):
        cpus = sorted(os.sched_getaffinity(0))
        self.dispatcher = f"taskset -c {cpus[0]} " if len(cpus) > 1 else ""
        self.load = ["taskset", "-c", ",".join(map(str, cpus[1:]))] if len(cpus) > 1 else []

    def describe(self):
        return "the dispatcher has one CPU for itself" if self.load else "everything shares one CPU"


class Backends:
    """`portshare-bench serve`, as long as the scenario runs."""

    def __init__(self, bench, scenario, pinning):
        command = [*pinning.load, bench, "serve", *["127.0.0.1:0"] * BACKENDS, "--behaviour", scenario.behaviour,
                   "--bytes", str(REPLY_BYTES)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        lines = [self._process.stdout.readline() for _ in range(BACKENDS)]
        self.pid = self._process.pid
        self.addresses = [line.removeprefix("listening on ").strip() for line in lines]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.communicate()


def run_scenario(scenario, peers, arguments, pinning, output):
    """The report of portshare-bench; None if no peer can do it."""
    scenario.port = free_port(["0.0.0.0"])
    scenario.descriptors = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 200_000)
    able = [peer for peer in peers if peer.can(scenario)]
    if not able:
        return None
    (output / f"{scenario.name}.json").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="portshare-bench-") as folder, \
            Backends(arguments.bench, scenario, pinning) as backends:
        directory = pathlib.Path(folder)
        directory.chmod(0o755)  # peers may drop to another user before they read their files
        scenario.backends = backends.addresses
        names = directory / "names"
        names.write_text("\n".join(scenario.asked_names) + "\n")
        command = [*pinning.load, arguments.bench, "compare", scenario.mode, *scenario.options, "--names", names,
                   "--helper-pid", str(backends.pid), "--rounds", str(arguments.rounds), "--json", output / f"{scenario.name}.json"]
        if arguments.count and scenario.mode == "bulk":
            command += ["--bytes", f"{arguments.count}k", "-d", "60s"]
        elif arguments.count and scenario.mode != "idle":
            command += ["-n", str(arguments.count)]
        elif "-d" not in scenario.options:
            command += ["-d", f"{arguments.seconds}s"]
        if scenario.mode != "bulk":
            command += ["--plot", output / f"{scenario.name}.svg"]
        for peer in able:
            start = pinning.dispatcher + peer.command(scenario, directory)
            command += ["--server", f"{peer.name}={','.join(scenario.targets)},command={start}"]
        with open(output / f"{scenario.name}.log", "wb") as log:
            result = subprocess.run([str(word) for word in command], stdout=log, stderr=log, check=False)
    # 1 says that some connections have failed, which the report shows.
    if result.returncode not in (0, 1) or not (output / f"{scenario.name}.json").exists():
        sys.exit(f"{scenario.name} failed with {result.returncode}:\n" + (output / f"{scenario.name}.log").read_text(errors="replace")[-2000:])
    return json.loads((output / f"{scenario.name}.json").read_text())


COLUMNS = {
    "connections": ["server_cpu_us_per_unit", "per_second", "latency_p50_us", "latency_p99_us", "latency_p99.9_us"],
    "ping-pong": ["server_cpu_us_per_unit", "per_second", "latency_p50_us", "latency_p99_us", "latency_p99.9_us"],
    "bulk": ["server_cpu_seconds_per_gb", "all_cpu_seconds_per_gb", "per_second"],
    "idle": ["server_memory_bytes_per_connection", "server_cpu_us_per_unit"],
}
TEXTS = {
    "server_cpu_us_per_unit": "CPU, µs per {}", "server_cpu_seconds_per_gb": "CPU, s per GB",
    "all_cpu_seconds_per_gb": "CPU with the client's end, s per GB",
    "per_second": "{}s per second", "latency_p50_us": "p50, µs", "latency_p99_us": "p99, µs",
    "latency_p99.9_us": "p99.9, µs", "server_memory_bytes_per_connection": "memory (PSS), bytes per connection",
}


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(scenario, report):
    """Rows of cells, the heading first."""
    columns = COLUMNS[scenario.mode]
    unit = report["unit"]
    heading = [TEXTS[column].format(unit).replace("GBs per", "GB per") for column in columns]
    ratio_heading = f"{TEXTS[scenario.metric].format(unit)}: ratio to {report['base']}"
    rows = [["", *heading, ratio_heading, "failed"]]
    for server in report["servers"]:
        metrics = server["metrics"]
        cells = [f"{number(metrics[column]['median'])} ({number(metrics[column]['min'])} … {number(metrics[column]['max'])})"
                 for column in columns]
        ratio = metrics[scenario.metric]["ratio"]
        rows.append([server["name"], *cells, f"{ratio['median']:.2f} ({ratio['min']:.2f} … {ratio['max']:.2f})",
                     f"{server['failed']:,}"])
    return rows


def described_commit():
    """Empty where there is no git, or no repository."""
    try:
        return subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True,
                              check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def introduction(reports, peers, arguments, pinning):
    first = next(iter(reports.values()))
    commit = described_commit()
    return [
        f"{time.strftime('%Y-%m-%d')}, {first['machine']}, {first['system']}; {pinning.describe()}.",
        f"Command: `{arguments.shown_command}`; {arguments.rounds} rounds of "
        f"{arguments.count or arguments.seconds} {'each' if arguments.count else 's'}. The load runs on "
        f"{first['engine']}.",
        "Figures: median (least … most) of the rounds. Ratios are taken within each round. CPU is that of the dispatcher, all "
        "processes and threads, in user mode and in the kernel.",
        "Other programs of the machine used "
        f"{max(report['other_cpus']['median'] for report in reports.values()):.2f} CPUs at most (median of a scenario).",
    ], [f"{peer.name}: {peer.version()}" + (f" ({commit})" if peer.name == "portshare" and commit else "") + f". {peer.tuning}."
        for peer in peers]


def markdown(reports, chosen, facts, versions):
    out = ["# portshare and its peers", *facts, "", *[f"- {line}" for line in versions]]
    for scenario in chosen:
        if scenario.name not in reports:
            continue
        rows = table(scenario, reports[scenario.name])
        out += ["", f"## {scenario.name}", scenario.title + ".", "", "| " + " | ".join(rows[0]) + " |",
                "|---" * len(rows[0]) + "|", *["| " + " | ".join(row) + " |" for row in rows[1:]]]
        if scenario.mode != "bulk":
            out += ["", f"![latency]({scenario.name}.svg)"]
    return "\n".join(out) + "\n"


STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --faint: #5d6878; --line: #e3e7ec; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecf1; --faint: #9aa6b5; --line: #2a323c; --paper: #14181e; } }
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 3rem; } p, li { color: var(--faint); } .wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { text-align: right; padding: .4rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
small { color: var(--faint); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; font-weight: 600; } svg { max-width: 100%; height: auto; }
"""


def page(reports, chosen, facts, versions, output):
    def text(value):
        return re.sub(r"`(.*?)`", r"<code>\1</code>", html.escape(value))

    def spread(cell):
        return re.sub(r" (\(.*\))", r"<br><small>\1</small>", text(cell))

    out = ["<!doctype html>", '<html lang="en"><meta charset="utf-8">',
           '<meta name="viewport" content="width=device-width"><title>portshare and its peers</title>',
           f"<style>{STYLE}</style><body><h1>portshare and its peers</h1>", *[f"<p>{text(fact)}</p>" for fact in facts],
           "<ul>", *[f"<li>{text(line)}</li>" for line in versions], "</ul>"]
    for scenario in chosen:
        if scenario.name not in reports:
            continue
        rows = table(scenario, reports[scenario.name])
        out += [f"<h2>{scenario.name}</h2><p>{text(scenario.title)}.</p><div class=wide><table>",
                "<tr>" + "".join(f"<th>{text(cell)}</th>" for cell in rows[0]) + "</tr>",
                *["<tr>" + "".join(f"<td>{spread(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:]],
                "</table></div>"]
        plot = output / f"{scenario.name}.svg"
        if plot.exists():
            out.append(plot.read_text())
    return "\n".join([*out, "</body></html>"]) + "\n"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2, help="of each round (2)")
    parser.add_argument("--count", type=int, help="connections, messages or kB of each round, instead of a time")
    parser.add_argument("--rounds", type=int, default=5, help="of each scenario (5)")
    parser.add_argument("--scenarios", help="names, separated by commas (all)")
    parser.add_argument("--peers", help="names, separated by commas (all that are installed)")
    parser.add_argument("--idle", type=int, default=10_000, help="how many idle connections (10000, or as many as the "
                        "limit on descriptors allows)")
    parser.add_argument("--portshare", type=pathlib.Path, default=ROOT / "build/release/portshare")
    parser.add_argument("--bench", type=pathlib.Path, default=ROOT / "build/release/portshare-bench")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build/bench")
    parser.add_argument("--shown-command", default="bench/comparison.py " + " ".join(sys.argv[1:]), help=argparse.SUPPRESS)
    return parser.parse_args()


def choose(what, things, wanted):
    if wanted is None:
        return things
    names = wanted.split(",")
    if unknown := set(names) - {thing.name for thing in things}:
        sys.exit(f"there is no {what} {', '.join(sorted(unknown))}; there are {', '.join(thing.name for thing in things)}")
    return [thing for thing in things if thing.name in names]


def main():
    arguments = parse_arguments()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    chosen = choose("scenario", scenarios(min(arguments.idle, (hard - 2000) // 2)), arguments.scenarios)
    # The first one is what the others are compared with.
    peers = choose("peer", [Haproxy(), Nginx(), Sniproxy(), Portshare(arguments.portshare)], arguments.peers)
    peers = [peer for peer in peers if any(peer.can(scenario) for scenario in chosen)]
    pinning = Pinning()
    arguments.output.mkdir(parents=True, exist_ok=True)
    reports = {}
    for scenario in chosen:
        print(f"{scenario.name}: {scenario.title}", file=sys.stderr, flush=True)
        report = run_scenario(scenario, peers, arguments, pinning, arguments.output)
        if report is None:
            continue
        reports[scenario.name] = report
        for row in table(scenario, report)[1:]:
            print(f"  {row[0]:<10} {row[1]}, ratio {row[-2]}, failed {row[-1]}", file=sys.stderr, flush=True)
    facts, versions = introduction(reports, peers, arguments, pinning)
    (arguments.output / "report.md").write_text(markdown(reports, chosen, facts, versions))
    (arguments.output / "report.html").write_text(page(reports, chosen, facts, versions, arguments.output))
    print(f"the report: {arguments.output / 'report.md'} and {arguments.output / 'report.html'}", file=sys.stderr)


if __name__ == "__main__":
    main()
