"""Runs a program that may use some system calls, and is killed when it uses another.

usage: only_system_calls.py NUMBER,NUMBER… PROGRAM [ARGUMENT…]
"""

import os
import sys

from without_io_uring import BPF_JUMP_IF_EQUAL, BPF_LOAD_WORD, BPF_RETURN, SECCOMP_RET_ALLOW, filter_system_calls

SECCOMP_RET_KILL_PROCESS = 0x80000000


def allow_only(numbers):
    instructions = [(BPF_LOAD_WORD, 0, 0, 0)]  # the number of the system call, at the front of seccomp_data
    for number in numbers:
        instructions += [(BPF_JUMP_IF_EQUAL, 0, 1, number), (BPF_RETURN, 0, 0, SECCOMP_RET_ALLOW)]
    filter_system_calls(instructions + [(BPF_RETURN, 0, 0, SECCOMP_RET_KILL_PROCESS)])


if __name__ == "__main__":
    allow_only([int(number) for number in sys.argv[1].split(",")])
    os.execvp(sys.argv[2], sys.argv[2:])
