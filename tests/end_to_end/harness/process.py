"""Programs that a test starts, and stops by themselves."""

import pathlib
import signal
import subprocess

from harness.waiting import PATIENCE_SECONDS, eventually


class Process:
    """A running program. What it prints goes to files, so that it never waits for a reader."""

    def __init__(self, name, arguments, directory, **options):
        directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self._stdout = directory / f"{name}.stdout"
        self._stderr = directory / f"{name}.stderr"
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            options = {"stdin": subprocess.DEVNULL} | options
            self._process = subprocess.Popen([str(argument) for argument in arguments], stdout=stdout, stderr=stderr,
                                             cwd=directory, **options)

    @property
    def pid(self):
        return self._process.pid

    @property
    def stdout(self):
        return self._stdout.read_text(errors="replace")

    @property
    def stderr(self):
        return self._stderr.read_text(errors="replace")

    def running(self):
        return self._process.poll() is None

    def exit_code(self):
        """Waits until the program has ended."""
        try:
            return self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} does not end; on stderr: {self.stderr[-2000:]}") from None

    def signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        if self.running():
            self._process.kill()
        self._process.wait()

    def stop(self):
        """Asks the program to end, and waits for it; its exit code."""
        if self.running():
            self._process.send_signal(signal.SIGTERM)
        return self.exit_code()

    def eventually(self, condition, what):
        """As waiting.eventually, but gives up when the program has ended."""

        def look():
            ended = not self.running()
            value = condition()
            assert value or not ended, f"{self.name} ended with {self._process.returncode} before {what}: {self.stderr}"
            return value

        return eventually(look, lambda: f"{what}; {self.name} said on stderr: {self.stderr[-2000:]}")

    def cpu_seconds(self):
        """CPU time that the program has used, in user mode and in the kernel (proc_pid_stat(5))."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def resident_bytes(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"{self.name} has no memory")


def run(arguments, **options):
    """Runs a program to its end; its CompletedProcess, with text."""
    options = {"stdin": subprocess.DEVNULL} | options
    if "input" in options:
        del options["stdin"]
    return subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True,
                          timeout=PATIENCE_SECONDS, check=False, **options)
