"""Chromium without a window, steered through its DevTools protocol over a pipe (--remote-debugging-pipe)."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time

CHROMIUM = shutil.which("chromium")
PATIENCE_S = 60


def beyond_ten(descriptors):
    """The same pipes under numbers that are nobody's place."""
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10) for descriptor in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    return moved


class Page:
    """One page, of one browser."""

    def __init__(self, directory):
        # Chromium reads commands from its descriptor 3 and writes answers to 4, each ended by a NUL.
        its_input, self._input = beyond_ten(os.pipe())
        self._output, its_output = beyond_ten(os.pipe())
        self._stderr = open(directory / "chromium.stderr", "wb")
        # The shell moves the pipes to their places, whatever numbers they have here: bash, since others know
        # numbers of one digit alone.
        command = " ".join([f"exec 3<&{its_input} 4>&{its_output};", "exec", CHROMIUM, "--headless", "--no-sandbox",
                            "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage", "--disable-sync",
                            "--disable-background-networking", "--disable-component-update", "--no-proxy-server",
                            "--hide-scrollbars", "--remote-debugging-pipe", f"--user-data-dir={directory / 'profile'}",
                            "about:blank"])
        self._process = subprocess.Popen(["/bin/bash", "-c", command], pass_fds=(its_input, its_output),
                                         stdout=subprocess.DEVNULL, stderr=self._stderr, start_new_session=True)
        os.close(its_input)
        os.close(its_output)
        self._received = b""
        self._number = 0
        self._session = None
        self.problems = []  # what a developer would see in red on the console
        target = next(target for target in self.call("Target.getTargets")["targetInfos"] if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def _receive(self, deadline):
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._output], [], [], max(0, deadline - time.monotonic()))
            assert ready, "chromium does not answer"
            chunk = os.read(self._output, 1 << 16)
            assert chunk, "chromium has ended"
            self._received += chunk
        message, self._received = self._received.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._input, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer)

    def _note(self, event):
        parameters = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description") or details["text"])
        elif event.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.problems.append(f'{parameters["entry"]["text"]} {parameters["entry"].get("url", "")}')

    def show(self, width, height, *, dark=False, phone=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=2 if phone else 1, mobile=phone)
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def go(self, address):
        self.call("Page.navigate", url=address)

    def value(self, script):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def eventually(self, script, what):
        """Waits until the script has a value that counts as true, and returns it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            if value := self.value(script):
                return value
            assert time.monotonic() < deadline, f"{what}: {script} is {value!r}"
            time.sleep(0.05)

    def screenshot(self, file):
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(picture["data"]))

    def close(self):
        os.close(self._input)  # which ends it
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._output)
        self._stderr.close()
