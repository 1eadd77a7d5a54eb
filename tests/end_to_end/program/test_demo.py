"""`portshare demo` is what a newcomer sees first: the lines that it says to try must do what it says."""

import re
import signal

import pytest

from harness.portshare import BINARY
from harness.process import Process, run


@pytest.fixture
def demo(tmp_path):
    process = Process("demo", [BINARY, "demo"], tmp_path)
    yield process
    process.kill()


def test_every_line_to_try_is_true(demo):
    demo.eventually(lambda: "ready" in demo.stderr.splitlines() or "ready" in demo.stdout.splitlines(), "ready")
    demo.eventually(lambda: re.search(r"^\s*curl ", demo.stdout + demo.stderr, re.MULTILINE), "curl lines")
    lines = re.findall(r"^\s*(curl .*)$", demo.stdout + demo.stderr, re.MULTILINE)
    assert len(lines) >= 3, demo.stdout
    answers = []
    for line in lines:
        result = run(["sh", "-c", line.split("  #")[0]])
        assert result.returncode == 0 and result.stdout.strip(), (line, result)
        answers.append(result.stdout)
    assert len(set(answers)) >= 3, "three applications answer"
    demo.signal(signal.SIGTERM)
    assert demo.exit_code() == 0


def test_it_ends_by_ctrl_c(demo):
    demo.eventually(lambda: "curl " in demo.stdout + demo.stderr, "curl lines")
    demo.signal(signal.SIGINT)
    assert demo.exit_code() == 0
