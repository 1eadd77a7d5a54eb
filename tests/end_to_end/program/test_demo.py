"""`portshare demo` is what a newcomer sees first: the lines that it says to try must do what it says."""

import os
import pathlib
import re
import signal

import pytest

from harness.portshare import BINARY, portshare
from harness.process import Process, run

# A line to try, and what it promises to print.
PROMISE = re.compile(r'^  (curl .*)\n +prints "(.*)"$', re.MULTILINE)


class Demo(Process):
    def __init__(self, directory):
        directory.mkdir(parents=True, exist_ok=True)
        super().__init__("demo", [BINARY, "demo"], directory, env=os.environ | {"TMPDIR": str(directory)})
        try:
            self.eventually(lambda: "ready" in self.stderr.splitlines(), "a line `ready`")
        except AssertionError:
            self.kill()
            raise

    def promises(self):
        """(curl line, what it prints) of everything that the demo says to try."""
        promises = PROMISE.findall(self.stdout)
        lines = [line for line in self.stdout.splitlines() if re.match(r"\s*\$?\s*curl -|\s*curl http", line)]
        assert len(promises) == len(lines) and promises, self.stdout
        return promises

    def url(self, name):
        """The address under which the demo says to ask for this name."""
        return re.search(rf"https?://{re.escape(name)}:\d+/", self.stdout)[0]

    def file(self, suffix):
        return pathlib.Path(re.search(rf"/\S*{re.escape(suffix)}", self.stdout)[0])


@pytest.fixture
def demo(tmp_path):
    process = Demo(tmp_path)
    yield process
    process.kill()


@pytest.mark.smoke
def test_every_line_to_try_prints_what_the_demo_says(demo):
    outputs = []
    for line, promised in demo.promises():
        result = run(["sh", "-c", line])
        assert result.returncode == 0, (line, result)
        assert promised in result.stdout.splitlines(), (line, result)
        outputs.append(result.stdout)
    for application in ("blue", "green", "secure"):
        assert any(output.startswith(f"Hello from {application},") for output in outputs), outputs
    assert any(" 421 " in output for output in outputs), "a refusal is shown, too"
    demo.eventually(lambda: demo.stderr.count(" outcome=") == len(outputs), "a line of the access log for each")
    assert demo.stderr.count(" outcome=ok") == len(outputs) - 1
    assert demo.stderr.count(" outcome=no_route") == 1
    demo.signal(signal.SIGTERM)
    assert demo.exit_code() == 0


@pytest.mark.smoke
def test_several_requests_on_one_connection(demo):
    url = demo.url("blue.localhost")
    result = run(["curl", "--silent", "--show-error", "--verbose", url, url])
    assert result.stdout == 2 * "Hello from blue, you asked for blue.localhost\n", result
    assert "Re-using existing connection" in result.stderr


def test_the_certificate_is_for_its_name_alone(demo, certificates):
    """The verification that the demo shows is a real one."""
    url = demo.url("secure.localhost")
    # Of its own accord curl trusts the system's authorities, and a bare system has no such file.
    trusts_others = run(["curl", "--silent", "--show-error", "--cacert", certificates.bundle, url])
    assert trusts_others.returncode == 60, trusts_others  # curl(1): the peer's certificate cannot be authenticated
    port = re.search(r":(\d+)/", url)[1]
    other_name = run(["curl", "--silent", "--show-error", "--cacert", demo.file("cert.pem"), "--connect-to",
                      f"other.example:443:127.0.0.1:{port}", "https://other.example/"])
    assert "unrecognized name" in other_name.stderr, other_name


def test_the_configuration_is_the_one_that_is_printed(demo):
    config = demo.file("demo.toml")
    printed = "\n".join(line.removeprefix("  ") for line in demo.stdout.splitlines())
    assert config.read_text().rstrip() in printed
    assert portshare("check", "-c", config).returncode == 0


def test_two_demos_at_a_time(demo, tmp_path):
    """The second one finds other ports."""
    second = Demo(tmp_path / "second")
    try:
        assert second.url("blue.localhost") != demo.url("blue.localhost")
        for line, promised in second.promises() + demo.promises():
            assert promised in run(["sh", "-c", line]).stdout.splitlines(), line
        # Other programs on this host come and go: the friendly port may have become free in between.
        assert "takes its place" in second.stdout or ":8080" in second.url("blue.localhost")
    finally:
        second.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_it_ends_by_a_signal_and_leaves_nothing_behind(demo, number):
    directory = demo.file("demo.toml").parent
    assert directory.is_dir()
    demo.signal(number)
    assert demo.exit_code() == 0
    assert not directory.exists()


def test_the_help_says_what_it_does():
    result = portshare("demo", "--help")
    assert result.returncode == 0 and "curl lines" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
