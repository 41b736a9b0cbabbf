"""Run a command, and write to a file what it took: `python -S measured.py FILE GROUP COMMAND …`.

GROUP is the folder of a control group to run it in, or empty.

A small process of its own, because a command's peak memory counts from that of the process it was started by.
"""

import json
import os
import sys
import time

report, group, command = sys.argv[1], sys.argv[2], sys.argv[3:]
if group:
    with open(f"{group}/cgroup.procs", "w", encoding="ascii") as processes:  # noqa: PTH123
        processes.write(str(os.getpid()))
begin = time.monotonic()
_, status, used = os.wait4(os.posix_spawnp(command[0], command, os.environ), 0)
taken = {
    # macOS counts bytes where Linux counts blocks of 1,024.
    "peak_bytes": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    "cpu_seconds": used.ru_utime + used.ru_stime,
    "wall_seconds": time.monotonic() - begin,
}
with open(report, "w", encoding="utf-8") as stream:  # noqa: PTH123
    json.dump(taken, stream)
sys.exit(0 if status == 0 else 1)
