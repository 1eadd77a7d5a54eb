"""Waiting for conditions, never for time to pass."""

import time

# Long enough for a build with a sanitizer on a busy machine. Nothing ever takes so long unless it is broken.
PATIENCE_SECONDS = 30.0


def eventually(condition, what, seconds=PATIENCE_SECONDS):
    """The first true value of `condition()`; fails with `what` (text or a function that makes it) if there is none."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"in {seconds:.0f} s never: {what() if callable(what) else what}")
        time.sleep(0.005)
