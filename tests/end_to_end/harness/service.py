"""A control group that looks like a systemd unit's, for processes to be found in."""

import contextlib
import os
import pathlib

# Of version 1 it is systemd's own hierarchy that counts, of version 2 there is only one.
_ROOTS = [pathlib.Path("/sys/fs/cgroup/systemd"), pathlib.Path("/sys/fs/cgroup")]


@contextlib.contextmanager
def service(name, *pids):
    """Puts the processes into `name`, a service; false if this system does not let us."""
    for root in _ROOTS:
        group = root / f"portshare-test-{os.getpid()}-{name}"
        try:
            group.mkdir()
        except OSError:
            continue
        if not (group / "cgroup.procs").exists():  # no control group, only a folder
            group.rmdir()
            continue
        try:
            for pid in pids:
                (group / "cgroup.procs").write_text(str(pid))
            yield group.name
        except OSError:
            yield None
        finally:
            for pid in (group / "cgroup.procs").read_text().split():
                (root / "cgroup.procs").write_text(pid)
            group.rmdir()
        return
    yield None
