"""Tries to listen on a port that another program has, in every way that the socket interface offers.

usage: port_thief.py PORT ROUNDS

Prints, as JSON, a list of ways: {"address", "options", "results"}, where `results` are the different ones of all rounds:
"listens", or the name of an error.
"""

import errno
import itertools
import json
import socket
import sys

ADDRESSES = ("127.0.0.1", "127.0.0.2", "0.0.0.0", "::ffff:127.0.0.1", "::1", "::", "[::] and 0.0.0.0")
OPTIONS = (("SO_REUSEADDR", socket.SO_REUSEADDR), ("SO_REUSEPORT", socket.SO_REUSEPORT))


def attempt(address, port, options):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as thief:
        try:
            if family == socket.AF_INET6:
                only = "::ffff:" not in address and " and " not in address
                thief.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
            for _, option in options:
                thief.setsockopt(socket.SOL_SOCKET, option, 1)
            thief.bind(("::" if " and " in address else address, port))
            thief.listen()
            return "listens"
        except OSError as error:
            return errno.errorcode[error.errno]


def main():
    port, rounds = int(sys.argv[1]), int(sys.argv[2])
    ways = [(address, options) for address in ADDRESSES for count in range(len(OPTIONS) + 1)
            for options in itertools.combinations(OPTIONS, count)]
    results = {way: set() for way in ways}
    for _ in range(rounds):
        for address, options in ways:
            results[address, options].add(attempt(address, port, options))
    print(json.dumps([{"address": address, "options": [name for name, _ in options], "results": sorted(found)}
                      for (address, options), found in results.items()]))


if __name__ == "__main__":
    main()
