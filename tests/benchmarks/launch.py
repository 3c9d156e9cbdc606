"""Runs one program and measures it: `launch.py FIGURES COMMAND...`.

It is a process of its own, and a small one: a program's peak memory, as the system counts it,
starts from that of the process which started it. Of several processes, the peak is the largest's.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path


def main(figures: str, *command: str) -> None:
    start = time.perf_counter()
    status = subprocess.call(command)  # noqa: S603  # a program of the benchmark
    seconds = time.perf_counter() - start
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    Path(figures).write_text(
        json.dumps(
            {
                "status": status,
                "seconds": round(seconds, 4),
                "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 4),
                "peak_bytes": usage.ru_maxrss * unit,
            }
        ),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
