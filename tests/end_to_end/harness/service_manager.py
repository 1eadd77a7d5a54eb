"""What systemd does for a service: it keeps listening sockets open and passes them, and hears how the service is."""

import os
import socket
import struct

CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): process, user, group

# As in systemd: the process that becomes the service puts the sockets where they are looked for, and names itself.
PASS = """
import os, sys
names, descriptors, *command = sys.argv[1:]
high = [os.dup(int(descriptor)) for descriptor in descriptors.split(",") if descriptor]
high = [os.dup2(descriptor, 200 + i) for i, descriptor in enumerate(high)]
for i, descriptor in enumerate(high):
    os.dup2(descriptor, 3 + i, inheritable=True)
os.closerange(3 + len(high), 300)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)), LISTEN_FDNAMES=names)
os.execvp(command[0], command)
"""


class ServiceManager:
    """`sockets`: (name, listening socket). `start_options` are for Workshop.portshare."""

    def __init__(self, directory, sockets=(), watchdog_seconds=None):
        self._sockets = list(sockets)
        self._watchdog_seconds = watchdog_seconds
        self._path = directory / "notify"
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._notify.bind(str(self._path))
        self._notify.settimeout(30)

    @property
    def start_options(self):
        descriptors = [listener.fileno() for _, listener in self._sockets]
        environment = os.environ | {"NOTIFY_SOCKET": str(self._path)}
        if self._watchdog_seconds:
            environment["WATCHDOG_USEC"] = str(int(self._watchdog_seconds * 1_000_000))
        prefix = ("/usr/bin/python3", "-c", PASS, ":".join(name for name, _ in self._sockets),
                  ",".join(str(descriptor) for descriptor in descriptors))
        return {"prefix": prefix, "pass_fds": descriptors, "env": environment}

    def next_message(self):
        """What the service says next, as a dictionary."""
        return self.next_message_and_sender()[0]

    def next_message_and_sender(self):
        data, (credentials,), _, _ = self._notify.recvmsg(4096, socket.CMSG_SPACE(CREDENTIALS.size))
        return dict(line.split("=", 1) for line in data.decode().splitlines()), CREDENTIALS.unpack(credentials[2])[0]

    def wait_for(self, variable):
        """The next message with this variable; others are passed over."""
        while True:
            message = self.next_message()
            if variable in message:
                return message

    def close(self):
        self._notify.close()
