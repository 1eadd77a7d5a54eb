"""Another program, which holds ports."""

import sys

from harness.process import Process

SCRIPT = """
import socket, sys, time
IP_FREEBIND, TCP_REPAIR = 15, 19  # linux/in.h, linux/tcp.h
sockets = []
for argument in sys.argv[1:]:
    kind, address, port = argument.split(",")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    holder = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, kind == "share")
    holder.setsockopt(socket.SOL_IP, IP_FREEBIND, kind == "free")
    if kind == "force":
        holder.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    holder.bind((address, int(port)))
    if kind != "udp":
        holder.listen()
    sockets.append(holder)
print("ready", flush=True)
time.sleep(600)
"""


class PortHolder(Process):
    """Holds what it is told to, until it is killed: a kind with an address and a port, as in "tcp,127.0.0.1,80". Kinds are
    "tcp", "udp", and for TCP "share" (with SO_REUSEPORT), "free" (an address that the host may get later) and "force":
    a privileged program, which no other socket keeps from its port."""

    def __init__(self, directory, *what, prefix=()):
        name = "holder-" + "-".join(what).replace(",", "-").replace(":", "_")
        super().__init__(name, [*prefix, sys.executable, "-c", SCRIPT, *what], directory)
        self.eventually(lambda: "ready" in self.stdout, "a line `ready`")
