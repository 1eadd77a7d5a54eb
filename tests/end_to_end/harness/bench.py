"""portshare-bench, which is built beside the program under test."""

import json
import pathlib
import re

from harness.portshare import BINARY
from harness.process import Process, run

BENCH = pathlib.Path(BINARY).parent / "portshare-bench"


def bench(*arguments):
    """Runs a command of portshare-bench to its end."""
    return run([BENCH, *arguments])


def measured(*arguments):
    """The JSON report of a load that has gone well."""
    result = bench(*arguments, "--json", "-")
    assert result.returncode == 0, result
    return json.loads(result.stdout)


class BenchServer(Process):
    """`portshare-bench serve`, up to the line that says where it listens."""

    def __init__(self, directory, name, *options):
        super().__init__(name, [BENCH, "serve", *options], directory)
        try:
            lines = self.eventually(lambda: re.findall(r"^listening on (.*)$", self.stdout, re.MULTILINE),
                                    "the line 'listening on'")
        except AssertionError:
            self.kill()
            raise
        self.address = lines[0]
