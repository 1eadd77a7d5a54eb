"""What the program may do once it runs: as the configuration's user, with the capabilities that it needs and no others."""

import os
import pathlib
import pwd
import shutil
import signal
import tempfile

import pytest

from conftest import io_uring_forbidden
from harness.portshare import BINARY, portshare
from harness.process import Process, run
from harness.sockets import exchange, free_port

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to give up")

NOBODY = pwd.getpwnam("nobody")
NONE = 0
NET_BIND_SERVICE = 1 << 10
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
# A network of its own, where the low ports are free.
IN_A_NAMESPACE = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")

ENGINES = ["epoll"] + ([] if io_uring_forbidden() else ["io_uring"])


def config(bind, user=None):
    """Everything is refused, which needs no server."""
    return f"""
{f'user = "{user}"' if user else ""}
[listener.l]
bind = ["{bind}"]
[[route]]
reject = true
"""


def threads_of(process):
    """What proc_pid_status(5) says of each thread."""
    statuses = []
    for file in pathlib.Path(f"/proc/{process.pid}/task").glob("*/status"):
        fields = dict(line.split(":", 1) for line in file.read_text().splitlines())
        statuses.append({name: value.split() for name, value in fields.items()})
    assert len(statuses) >= 4, "main thread, two workers, logs"
    return statuses


def capabilities(status):
    return {name: int(status[name][0], 16) for name in SETS}


def is_answered(port):
    return exchange(port, b"GET / HTTP/1.0\r\n\r\n")[0].startswith(b"HTTP/1.1 421 ")


@pytest.fixture
def open_directory():
    """A directory, and a program in it, that every user can read."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        directory.chmod(0o777)
        shutil.copy(BINARY, directory / "portshare")
        yield directory


@pytest.mark.parametrize("engine", ENGINES)
def test_every_thread_is_of_the_user_and_has_no_capability(workshop, engine):
    port = free_port()
    dispatcher = workshop.portshare(config(f"127.0.0.1:{port}", "nobody"), engine=engine)
    assert is_answered(port)
    for status in threads_of(dispatcher):
        assert status["Uid"] == [str(NOBODY.pw_uid)] * 4, status["Name"]
        assert status["Gid"] == [str(NOBODY.pw_gid)] * 4, status["Name"]
        assert [int(group) for group in status["Groups"]] == os.getgrouplist("nobody", NOBODY.pw_gid), status["Name"]
        assert capabilities(status) == dict.fromkeys(SETS, NONE), status["Name"]
        assert status["NoNewPrivs"] == ["1"], status["Name"]
    # Opened as root, and yet the user's: a reload opens it again.
    assert dispatcher.logged(listener="l") and dispatcher.access_file.owner() == "nobody"
    dispatcher.says("runs as the user 'nobody' from now on, with no capability")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_low_port_is_bound_and_can_be_bound_again(workshop, engine):
    dispatcher = workshop.portshare(config("127.0.0.1:80", "nobody"), engine=engine, prefix=IN_A_NAMESPACE)
    answer = run(["nsenter", "-t", dispatcher.pid, "-n", "curl", "--silent", "--write-out", "%{http_code}",
                  "http://127.0.0.1/"])
    assert answer.stdout.endswith("421"), answer
    kept = 0
    for status in threads_of(dispatcher):
        assert status["Uid"] == [str(NOBODY.pw_uid)] * 4, status["Name"]
        sets = capabilities(status)
        # The writers of the logs run since before the change, and need nothing.
        assert sets["CapEff"] in (NONE, NET_BIND_SERVICE), status["Name"]
        assert sets["CapPrm"] == sets["CapAmb"] == sets["CapEff"], status["Name"]
        assert sets["CapBnd"] == NET_BIND_SERVICE and sets["CapInh"] in (NONE, NET_BIND_SERVICE), status["Name"]
        kept += sets["CapEff"] == NET_BIND_SERVICE
    assert kept >= 3, "the main thread and the workers"


def test_root_without_a_user_keeps_little(workshop):
    port = free_port()
    dispatcher = workshop.portshare(config(f"127.0.0.1:{port}"))
    dac_override, dac_read_search, sys_ptrace = 1 << 1, 1 << 2, 1 << 19
    for status in threads_of(dispatcher):
        assert status["Uid"] == ["0"] * 4
        sets = capabilities(status)
        assert set(sets.values()) == {dac_override | dac_read_search | sys_ptrace}, status["Name"]
        assert status["NoNewPrivs"] == ["1"], status["Name"]


def start(directory, text, *prefix):
    file = directory / "portshare.toml"
    file.write_text(f'[server]\nworkers = 2\nlog = {{ access = "{directory}/access.log" }}\n{text}')
    return Process("portshare", [*prefix, directory / "portshare", "run", "-c", file], directory)


def as_nobody(*options):
    return ("setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups", *options)


@pytest.mark.parametrize("user", (None, "nobody"))
def test_who_is_not_root_runs_as_it_is(open_directory, user):
    port = free_port()
    process = start(open_directory, config(f"127.0.0.1:{port}", user), *as_nobody())
    try:
        process.eventually(lambda: "ready" in process.stderr.splitlines(), "ready")
        assert is_answered(port)
        for status in threads_of(process):
            assert status["NoNewPrivs"] == ["1"]
            assert capabilities(status) | {"CapBnd": NONE} == dict.fromkeys(SETS, NONE)
        assert process.stop() == 0
    finally:
        process.kill()


def test_ambient_capabilities_of_the_service_manager_do_the_same(open_directory):
    """AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_NET_ADMIN: the second is not needed, and given up."""
    process = start(open_directory, config("127.0.0.1:80"), *IN_A_NAMESPACE,
                    *as_nobody("--inh-caps=+net_bind_service,+net_admin", "--ambient-caps=+net_bind_service,+net_admin"))
    try:
        process.eventually(lambda: "ready" in process.stderr.splitlines(), "ready")
        for status in threads_of(process):
            assert capabilities(status) | {"CapBnd": NET_BIND_SERVICE} == dict.fromkeys(SETS, NET_BIND_SERVICE)
        assert process.stop() == 0
    finally:
        process.kill()


def test_a_user_that_cannot_be_had_is_an_error(open_directory):
    process = start(open_directory, config("127.0.0.1:0", "no-such-user"))
    assert process.exit_code() == 1
    assert "there is no user 'no-such-user' on this system" in process.stderr
    process = start(open_directory, config("127.0.0.1:0", "daemon"), *as_nobody())
    assert process.exit_code() == 1
    assert "cannot become the user 'daemon': only root can" in process.stderr


def test_a_reload_does_as_the_user_what_the_start_did_as_root(open_directory):
    port = free_port()
    log = open_directory / "access.log"
    process = start(open_directory, config(f"127.0.0.1:{port}", "nobody"))
    try:
        process.eventually(lambda: "ready" in process.stderr.splitlines(), "ready")
        assert "cannot read" not in process.stderr
        log.rename(open_directory / "access.log.1")  # as logrotate(8) does
        process.signal(signal.SIGHUP)
        process.eventually(lambda: "is in force" in process.stderr, "the reload")
        assert is_answered(port)
        process.eventually(lambda: log.read_text(), "a line")
        assert log.owner() == "nobody"
        assert process.stop() == 0
    finally:
        process.kill()


def test_a_configuration_that_the_user_cannot_read_is_noticed_at_once(workshop):
    dispatcher = workshop.portshare(config("127.0.0.1:0", "nobody"))  # pytest's folders are for their owner
    dispatcher.says(f"the user 'nobody' cannot read {dispatcher.config_file}, and so a reload will fail")


def test_the_admin_socket_is_opened_as_root(workshop):
    dispatcher = workshop.portshare(config("127.0.0.1:0", "nobody"), admin=True)  # in a folder of root's
    file = pathlib.Path(dispatcher.admin)
    assert file.owner() == "root" and file.stat().st_mode & 0o777 == 0o600
    answer = portshare("status", "--admin", f"unix:{file}")
    assert answer.returncode == 0, answer
