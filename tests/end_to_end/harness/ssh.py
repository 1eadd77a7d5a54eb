"""OpenSSH: a server with keys of its own for the user that runs it, and the client that trusts it."""

import os
import pwd
import subprocess

from harness.applications import Application, system_program
from harness.process import run
from harness.sockets import free_port

SSHD = system_program("sshd")

# As root it wants a folder that its service would have made; it gets one that nobody else sees.
WITH_FOLDER = ("unshare", "--mount", "sh", "-c",
               'mount -t tmpfs -o mode=755 none /run && mkdir -m 755 /run/sshd && exec "$@"', "sh")


class SshServer(Application):
    def __init__(self, directory):
        directory.mkdir(parents=True)
        for key in ("host", "user"):
            made = run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", directory / key])
            assert made.returncode == 0, made
        port = free_port()
        (directory / "sshd_config").write_text(f"""
ListenAddress 127.0.0.1:{port}
HostKey {directory}/host
AuthorizedKeysFile {directory}/user.pub
StrictModes no
UsePAM no
PidFile none
""")
        self._directory = directory
        super().__init__("sshd", [*(() if os.getuid() else WITH_FOLDER), SSHD, "-D", "-e", "-f",
                                  directory / "sshd_config"], directory, f"127.0.0.1:{port}")
        host_key = (directory / "host.pub").read_text()
        (directory / "known_hosts").write_text(f"application {host_key}")

    def session(self, port, command):
        """A client that runs the command there, through `port`; its ends are pipes."""
        options = {"IdentityFile": self._directory / "user", "IdentitiesOnly": "yes", "BatchMode": "yes",
                   "UserKnownHostsFile": self._directory / "known_hosts", "HostKeyAlias": "application",
                   "StrictHostKeyChecking": "yes", "LogLevel": "ERROR", "RekeyLimit": "10M"}
        return subprocess.Popen(["ssh", "-F", "none", "-p", str(port),
                                 *(f"-o{name}={value}" for name, value in options.items()),
                                 f"{pwd.getpwuid(os.getuid()).pw_name}@127.0.0.1", command],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
