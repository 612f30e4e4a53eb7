"""Start: seconds from nothing to the first answer, on an empty folder and on a used one, and idle memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.rig import EMAIL, PASSWORD, Target, await_ready, free_port, parse, report

UNITS = {"first start to first answer": "s", "later start to first answer": "s", "idle memory": "MB"}


def main() -> None:
    """Run and print."""
    options = parse(__doc__ or "", rounds=5)
    target = Target("seafleet", "", EMAIL, PASSWORD)
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="seafleet-bench-") as folder:
            for what in ("first start to first answer", "later start to first answer"):
                target.record(what, _start(target, Path(folder)))
    report("start", [target], UNITS)


def _start(target: Target, folder: Path) -> float:
    port = free_port()
    environment = os.environ | {
        "SEAFLEET_DATA": str(folder / "data"),
        "SEAFLEET_BIND": f"127.0.0.1:{port}",
        "SEAFLEET_ADMIN_EMAIL": EMAIL,
        "SEAFLEET_ADMIN_PASSWORD": PASSWORD,
    }
    command = [sys.executable, "-m", "seafleet", "serve"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        seconds = await_ready(f"http://127.0.0.1:{port}", process)
        target.process_id = process.pid
        target.record("idle memory", target.idle_megabytes() or 0)
        return seconds
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


if __name__ == "__main__":
    main()
