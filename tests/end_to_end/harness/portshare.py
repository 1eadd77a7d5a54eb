"""The program under test."""

import json
import os
import pathlib
import re
import signal
import tempfile

from harness.process import Process, run
from harness.sockets import free_port

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = os.environ.get("PORTSHARE_BIN") or ROOT / "build/release/portshare"
ENGINE = os.environ.get("PORTSHARE_TEST_ENGINE") or "auto"
SANITIZER_REPORT = re.compile(r"AddressSanitizer|ThreadSanitizer|LeakSanitizer|runtime error:|Assertion .* failed")


def portshare(*arguments):
    """Runs a command of portshare to its end."""
    return run([BINARY, *arguments])


class Portshare(Process):
    """`portshare run` with a configuration, up to its `ready`."""

    def __init__(self, directory, config, *, engine=ENGINE, workers=2, shutdown_timeout="5s", access_format="json",
                 admin=False, monitor=False, prefix=(), **options):
        """`admin`, `monitor`: with those. `prefix`: words in front of the command, for a wrapper such as prlimit that
        ends in exec. `options`: as for Process."""
        directory.mkdir(parents=True, exist_ok=True)
        # A path of a socket must be short, which those of pytest's folders are not.
        self._sockets = tempfile.TemporaryDirectory(prefix="portshare-") if admin else None
        self.admin = f"{self._sockets.name}/admin.sock" if admin else None
        self.monitor = f"127.0.0.1:{free_port()}" if monitor else None
        self.config_file = directory / "portshare.toml"
        self.access_file = directory / "access.log"
        self._head = f"""\
[server]
engine = "{engine}"
workers = {workers}
shutdown_timeout = "{shutdown_timeout}"
log = {{ level = "debug", access = "{self.access_file}", format = "{access_format}" }}
admin = "{f"unix:{self.admin}" if admin else "off"}"
"""
        if monitor:
            self._head += f'monitor = "{self.monitor}"\n'
        self._reloads = 0
        self.config_file.write_text(self._head + config)
        super().__init__("portshare", [*prefix, BINARY, "run", "-c", self.config_file], directory, **options)
        try:
            self.eventually(lambda: "ready" in self.stderr.splitlines(), "a line `ready`")
        except AssertionError:
            self.kill()
            raise

    def write_config(self, config):
        """The file, and no more. Written anew, as editors do: no moment shows half of it."""
        written = self.config_file.with_suffix(".new")
        written.write_text(self._head + config)
        written.rename(self.config_file)

    def reload(self, config):
        """Another configuration, by SIGHUP; waits until it is in force, or was refused, and says which."""
        self.begin_reload(config)
        outcomes = self.eventually(lambda: self._reload_outcomes()[self._reloads - 1:], "an answer to SIGHUP")
        return bool(outcomes[0][0])

    def begin_reload(self, config):
        self._reloads += 1
        self.write_config(config)
        self.signal(signal.SIGHUP)

    def _reload_outcomes(self):
        return re.findall(r"reload: (?:\S+ (is in force)|(nothing has changed))", self.stderr)

    def route(self, text):
        """FILE:LINE of the [[route]] that contains `text`, as the access log names it."""
        heading = None
        for number, line in enumerate(self.config_file.read_text().splitlines(), 1):
            if line.strip() == "[[route]]":
                heading = number
            elif text in line:
                return f"{self.config_file}:{heading}"
        raise AssertionError(f"no route with {text}")

    def access_lines(self):
        """The complete lines of the access log."""
        text = self.access_file.read_text() if self.access_file.exists() else ""
        return text[:text.rfind("\n") + 1].splitlines()

    def access(self):
        return [json.loads(line) for line in self.access_lines()]

    def logged(self, **fields):
        """Waits for a line of the access log with these fields, and returns it."""
        records = self.eventually(
            lambda: [record for record in self.access() if fields.items() <= record.items()],
            f"an access log line with {fields}")
        return records[0]

    def command(self, name, *arguments):
        """Runs a command of portshare that talks to this one."""
        return portshare(name, "--admin", f"unix:{self.admin}", *arguments)

    def ask(self, target, method="GET", body=None):
        """Asks the admin socket with curl; the status and the JSON of the answer."""
        more = ["-X", method] + ([] if body is None else ["-d", json.dumps(body)])
        answer = run(["curl", "-s", "--unix-socket", self.admin, "-w", "\n%{http_code}", *more,
                      f"http://localhost{target}"])
        assert answer.returncode == 0, answer
        text, _, status = answer.stdout.rpartition("\n")
        return int(status), json.loads(text)

    def says(self, pattern):
        """Waits for something on stderr."""
        return self.eventually(lambda: re.search(pattern, self.stderr, re.IGNORECASE), f"{pattern!r} on stderr")

    def terminate(self):
        self.signal(signal.SIGTERM)

    def check_after_end(self):
        report = SANITIZER_REPORT.search(self.stderr)
        assert not report, self.stderr
        assert self.exit_code() == 0, f"exit code {self.exit_code()}: {self.stderr[-4000:]}"
