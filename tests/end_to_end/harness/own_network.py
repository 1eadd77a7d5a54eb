"""A network that belongs to a test: a namespace with an interface of its own, in which it may change what it likes."""

import json
import shlex
import socket
import threading

from harness.port_holder import PortHolder
from harness.portshare import BINARY
from harness.process import Process, run

_UNSHARE = ["unshare", "-rn"]


def no_namespaces():
    return run([*_UNSHARE, "ip", "link", "set", "lo", "up"]).returncode != 0


class OwnNetwork(Process):
    """Has the addresses that it is given, until it is killed. Commands with its `prefix` run in it."""

    def __init__(self, directory, *addresses):
        super().__init__("network", [*_UNSHARE, "sh", "-c", "ip link set lo up && echo ready && exec sleep 600"],
                         directory)
        self.eventually(lambda: "ready" in self.stdout, "a line `ready`")
        self.prefix = ["nsenter", f"--target={self.pid}", "--user", "--net", "--preserve-credentials"]
        for address in addresses:
            self.add(address)

    def run(self, *command):
        result = run([*self.prefix, *command])
        assert result.returncode == 0, result
        return result.stdout

    def add(self, address):
        self.run("ip", "address", "add", self._with_length(address), "dev", "lo")

    def remove(self, address):
        self.run("ip", "address", "del", self._with_length(address), "dev", "lo")

    def shell(self, script):
        return self.run("sh", "-c", script)

    def read_from(self, address, port):
        """All that a server says to a client that says nothing; None if it refuses."""
        script = f"""
import socket
try:
    with socket.create_connection(({address!r}, {port}), timeout=30) as client:
        print(b"".join(iter(lambda: client.recv(4096), b"")).decode(), end="")
except ConnectionRefusedError:
    raise SystemExit(7)
"""
        result = run([*self.prefix, "python3", "-c", script])
        assert result.returncode in (0, 7), (shlex.join(self.prefix), result)
        return None if result.returncode == 7 else result.stdout

    @staticmethod
    def _with_length(address):
        return f"{address}/128" if ":" in address else f"{address}/32"


class Application:
    """Says `portshare` to whoever comes by way of portshare."""

    def __init__(self, path):
        self.address = f"unix:{path}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.sendall(b"portshare")
            connection.close()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Site:
    """portshare, an application behind it and others beside it, in a network of their own."""

    def __init__(self, directory, workshop, *addresses):
        self.directory = directory
        self.workshop = workshop
        self.network = OwnNetwork(directory / "network", *addresses)
        self.application = Application(directory / "application.sock")
        self._processes = [self.network]

    def start(self, config):
        return self.workshop.portshare(config, prefix=self.network.prefix)

    def hold(self, *what):
        return self.keep(PortHolder(self.directory / f"holder-{len(self._processes)}", *what,
                                    prefix=self.network.prefix))

    def keep(self, process):
        self._processes.append(process)
        return process

    def serves(self, address):
        """Whether a connection to port 80 of `address` comes to the application; None if it is refused."""
        said = self.network.read_from(address, 80)
        return None if said is None else said == "portshare"

    def holders(self, address):
        """The programs that listen on port 80 of `address`."""
        result = run([*self.network.prefix, BINARY, "who", "--json", f"[{address}]:80" if ":" in address
                      else f"{address}:80"])
        return [process["pid"] for each in json.loads(result.stdout)["sockets"] if not each["network_namespace"]
                for process in each["processes"]]

    def close(self):
        self.application.close()
        for process in self._processes:
            process.kill()
