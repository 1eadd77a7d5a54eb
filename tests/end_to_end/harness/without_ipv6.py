"""Runs a program to which the kernel gives no sockets of IPv6, as one that was built without it does.

usage: without_ipv6.py PROGRAM [ARGUMENT…]
"""

import errno
import os
import platform
import socket
import sys

from without_io_uring import (BPF_JUMP_IF_EQUAL, BPF_LOAD_WORD, BPF_RETURN, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO,
                              filter_system_calls)

SOCKET = {"x86_64": 41, "aarch64": 198}[platform.machine()]
FIRST_ARGUMENT = 16  # its place in seccomp_data; the lower half of it, on a little-endian machine


def deny_ipv6():
    filter_system_calls((
        (BPF_LOAD_WORD, 0, 0, 0),
        (BPF_JUMP_IF_EQUAL, 0, 3, SOCKET),
        (BPF_LOAD_WORD, 0, 0, FIRST_ARGUMENT),
        (BPF_JUMP_IF_EQUAL, 0, 1, socket.AF_INET6),
        (BPF_RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.EAFNOSUPPORT),
        (BPF_RETURN, 0, 0, SECCOMP_RET_ALLOW),
    ))


if __name__ == "__main__":
    deny_ipv6()
    os.execvp(sys.argv[1], sys.argv[1:])
