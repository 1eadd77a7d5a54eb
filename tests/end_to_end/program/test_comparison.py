"""bench/comparison.py, which `./dev bench` runs: all of its scenarios, as small as they can be, with portshare alone."""

import json
import re
import subprocess

from harness.bench import BENCH
from harness.portshare import BINARY, ROOT

SCENARIOS = ("sni-small", "sni-post-quantum", "sni-10000-names", "http-host", "destination", "open-loop", "ping-pong",
             "bulk-download", "idle")


def compare(output, *options):
    return subprocess.run(["/usr/bin/python3", "-B", ROOT / "bench/comparison.py", "--portshare", BINARY, "--bench", BENCH,
                           "--output", output, *options], capture_output=True, text=True, check=False)


def test_every_scenario(tmp_path):
    result = compare(tmp_path, "--peers", "portshare", "--rounds", "1", "--seconds", "0.2", "--idle", "50")
    assert result.returncode == 0, result.stderr
    markdown, page = (tmp_path / "report.md").read_text(), (tmp_path / "report.html").read_text()
    for name in SCENARIOS:
        report = json.loads((tmp_path / f"{name}.json").read_text())
        (server,) = report["servers"]
        assert server["name"] == "portshare" and server["failed"] == 0, (name, server)
        assert all(metric["median"] > 0 for key, metric in server["metrics"].items() if "memory" not in key), name
        assert f"## {name}\n" in markdown and f"<h2>{name}</h2>" in page
        if name != "bulk-download":
            assert f"![latency]({name}.svg)" in markdown and (tmp_path / f"{name}.svg").read_text().startswith("<svg")
    assert len(re.findall(r"^\| portshare \|", markdown, re.MULTILINE)) == len(SCENARIOS)
    assert "Linux" in markdown and "portshare: portshare " in markdown


def test_unknown_names(tmp_path):
    result = compare(tmp_path, "--scenarios", "sni-small,sni-tall")
    assert result.returncode == 1 and "sni-tall" in result.stderr and "sni-post-quantum" in result.stderr
