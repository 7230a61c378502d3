"""Runs one program and says what it cost: ``python -I -S launch.py RESULT PROGRAM ARGUMENT…``.

A process of its own, because the system counts the memory of whoever starts a program as that program's
until it has begun; this one has next to none. RESULT is the descriptor that the answer goes to, as JSON.
"""

import json
import os
import sys
import time


def main() -> None:
    """Run it, wait, tell."""
    result = int(sys.argv[1])
    os.set_inheritable(result, False)
    began = time.perf_counter()
    pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - began
    told = {
        "seconds": seconds,
        "cpu": usage.ru_utime + usage.ru_stime,
        # Bytes there, kilobytes here.
        "megabytes": usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3),
        "code": os.waitstatus_to_exitcode(status),
    }
    os.write(result, json.dumps(told).encode())


main()
