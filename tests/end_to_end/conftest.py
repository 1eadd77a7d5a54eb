import ctypes
import errno
import os
import resource

import pytest

from harness import applications
from harness.portshare import BINARY, ENGINE, Portshare
from harness.process import run
from harness.sockets import address_of, listen
from harness.ssh import SshServer

NAMES = ("alpha.test", "beta.test", "gamma.test")


def io_uring_forbidden():
    """Why the kernel gives this process no io_uring, or None."""
    io_uring_setup = 425  # the same number on every architecture
    ctypes.set_errno(0)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(io_uring_setup, 0, None)  # EINVAL or EFAULT if it is to be had
    reason = ctypes.get_errno()
    return errno.errorcode[reason] if reason in (errno.ENOSYS, errno.EPERM) else None


def pytest_configure(config):
    if ENGINE == "io_uring" and io_uring_forbidden():
        pytest.exit(f"skipped: this system has no io_uring ({io_uring_forbidden()})", returncode=77)
    # Thousands of connections are open at a time, in the tests as in portshare.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def pytest_collection_modifyitems(config, items):
    """PORTSHARE_TEST_PART=1/2 runs every other test: the parts run side by side, since tests wait more than they work."""
    part, _, parts = os.environ.get("PORTSHARE_TEST_PART", "1/1").partition("/")
    items[:] = items[int(part) - 1::int(parts)]


def pytest_report_header(config):
    return f"portshare: {BINARY}, engine: {ENGINE}"


class Workshop:
    """Starts what a test needs, and ends it."""

    def __init__(self, directory):
        self.directory = directory
        self._processes = []
        self._sockets = []
        self._dispatchers = 0

    def portshare(self, config, **options):
        self._dispatchers += 1
        return self._keep(Portshare(self.directory / f"portshare-{self._dispatchers}", config, **options))

    def nginx(self, name, **options):
        return self._keep(applications.nginx(self.directory, name, **options))

    def nginx_with(self, name, blocks, **options):
        return self._keep(applications.nginx_with(self.directory, name, blocks, **options))

    def haproxy(self, name, address, frontend, server=None):
        return self._keep(applications.haproxy(self.directory, name, address, frontend, server))

    def python_http_server(self, name, **options):
        return self._keep(applications.python_http_server(self.directory, name, **options))

    def nghttpd(self, name):
        return self._keep(applications.nghttpd(self.directory, name))

    def python_script(self, name, script, *arguments, address):
        return self._keep(applications.python_script(self.directory, name, script, *arguments, address=address))

    def openssl_server(self, name, certificate):
        return self._keep(applications.openssl_server(self.directory, name, certificate))

    def node_server(self, name, certificate=None):
        return self._keep(applications.node_server(self.directory, name, certificate))

    def node_script(self, name, script, *arguments, address):
        return self._keep(applications.node_script(self.directory, name, script, *arguments, address=address))

    def ssh_server(self):
        return self._keep(SshServer(self.directory / "sshd"))

    def listen(self, *arguments, **options):
        """A listening socket, and its address as the configuration writes it."""
        listener = listen(*arguments, **options)
        self._sockets.append(listener)
        return listener, address_of(listener)

    def _keep(self, process):
        self._processes.append(process)
        return process

    def close(self):
        """Stops everything. portshare must end in order, or the test has failed."""
        dispatchers = [process for process in self._processes if isinstance(process, Portshare)]
        try:
            for dispatcher in dispatchers:
                dispatcher.stop()
                dispatcher.check_after_end()
        finally:
            for process in self._processes:
                process.kill()
            for listener in self._sockets:
                listener.close()


@pytest.fixture
def workshop(tmp_path):
    workshop = Workshop(tmp_path)
    yield workshop
    workshop.close()


@pytest.fixture(scope="module")
def module_workshop(tmp_path_factory):
    workshop = Workshop(tmp_path_factory.mktemp("module"))
    yield workshop
    workshop.close()


class Certificates(dict):
    """A certificate per name, and `bundle`: a file with all of them, for clients to trust."""

    def __init__(self, directory):
        super().__init__({name: applications.Certificate(directory, name) for name in NAMES})
        self.bundle = directory / "bundle.pem"
        self.bundle.write_text("".join(certificate.file.read_text() for certificate in self.values()))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))
