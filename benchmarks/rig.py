"""Starts a server to measure, names the second one to compare with, and prints the tables.

Every measurement runs on both servers alternately, so that what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.wire import Client, Connection

EMAIL: Final = "bench@example.com"
PASSWORD: Final = "a password for benchmarks"
_READY_SECONDS: Final = 30.0


@dataclass(slots=True)
class Target:
    """A server under measurement; `process_id` is known for the one that was started here."""

    name: str
    url: str
    email: str
    password: str
    process_id: int | None = None
    samples: dict[str, list[float]] = field(default_factory=dict)

    def client(self) -> Client:
        """Return a logged-in client."""
        return Client(self.url, self.email, self.password)

    def record(self, what: str, value: float) -> None:
        """Note one sample of a measurement."""
        self.samples.setdefault(what, []).append(value)

    def cpu_seconds(self) -> float | None:
        """Return the CPU time that the server has used so far."""
        if self.process_id is None:
            return None
        fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_megabytes(self) -> float | None:
        """Return the most memory that the server has held, in MB."""
        return self._memory("VmHWM")

    def idle_megabytes(self) -> float | None:
        """Return the memory that the server holds now, in MB."""
        return self._memory("VmRSS")

    def _memory(self, key: str) -> float | None:
        if self.process_id is None:
            return None
        lines = Path(f"/proc/{self.process_id}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(key + ":"))


def parse(description: str, *, rounds: int = 3) -> argparse.Namespace:
    """Parse the options that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--url", help="measure a running server instead of starting one")
    parser.add_argument("--user", default=EMAIL, help="account on that server")
    parser.add_argument("--password", default=PASSWORD)
    parser.add_argument("--against", metavar="URL", help="a second server that speaks the same API")
    parser.add_argument("--against-user", default=EMAIL)
    parser.add_argument("--against-password", default=PASSWORD)
    parser.add_argument(
        "--data", type=Path, help="folder for the started server's data (default: a temporary one)"
    )
    parser.add_argument("--database-url", default="", help="database of the started server (default: SQLite)")
    parser.add_argument("--rounds", type=int, default=rounds, help="how often each measurement is made")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="factor on sizes and numbers, for a quick look"
    )
    return parser.parse_args()


@contextmanager
def targets(options: argparse.Namespace) -> Iterator[list[Target]]:
    """Yield the servers to measure: ours first, then the one to compare with."""
    with ExitStack() as stack:
        if options.url:
            found = [Target("measured", options.url, options.user, options.password)]
        else:
            found = [stack.enter_context(started(options.data, options.database_url))]
        if options.against:
            found.append(Target("second", options.against, options.against_user, options.against_password))
        yield found


@contextmanager
def started(data: Path | None = None, database_url: str = "") -> Iterator[Target]:
    """Start a server on a folder of its own and stop it in the end."""
    with ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seafleet-bench-")))
        port = free_port()
        environment = os.environ | {
            "SEAFLEET_DATA": str(folder / "data"),
            "SEAFLEET_BIND": f"127.0.0.1:{port}",
            "SEAFLEET_ADMIN_EMAIL": EMAIL,
            "SEAFLEET_ADMIN_PASSWORD": PASSWORD,
            "SEAFLEET_THROTTLE_EXEMPT": "127.0.0.0/8",
            "SEAFLEET_DATABASE_URL": database_url,
            "SEAFLEET_LOG_LEVEL": "warning",
        }
        log = stack.enter_context((folder / "server.log").open("wb"))
        command = [sys.executable, "-m", "seafleet", "serve"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            target = Target("seafleet", f"http://127.0.0.1:{port}", EMAIL, PASSWORD, process.pid)
            await_ready(target.url, process)
            yield target
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def await_ready(url: str, process: subprocess.Popen[bytes]) -> float:
    """Wait for the first answer; return after how many seconds it came."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < _READY_SECONDS:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with code {process.returncode}; see its log")
        try:
            connection = Connection(url)
            if connection.request("GET", "/api2/ping/").status == 200:
                connection.close()
                return time.perf_counter() - begun
        except OSError:
            time.sleep(0.005)
    raise RuntimeError("the server did not answer")


def free_port() -> int:
    """Return a port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def alternate(servers: Sequence[Target], rounds: int, measure: Callable[[Target], None]) -> None:
    """Run a measurement on each server in turn, `rounds` times."""
    for number in range(rounds):
        for target in servers if number % 2 == 0 else servers[::-1]:
            measure(target)


def report(title: str, servers: Sequence[Target], units: dict[str, str]) -> None:
    """Print the median and spread of every measurement; with two servers, their ratio."""
    table = Table(title=title)
    table.add_column("measurement")
    for target in servers:
        table.add_column(target.name, justify="right")
    if len(servers) > 1:
        table.add_column("ratio", justify="right")
    for what, unit in units.items():
        cells = [_cell(target.samples.get(what), unit) for target in servers]
        if len(servers) > 1:
            cells.append(_ratio(servers[0].samples.get(what), servers[1].samples.get(what)))
        table.add_row(what, *cells)
    Console(width=110).print(table)


def _cell(samples: list[float] | None, unit: str) -> str:
    if not samples:
        return "-"
    middle = f"{statistics.median(samples):,.4g} {unit}"
    return middle if len(samples) == 1 else f"{middle}  ({min(samples):,.4g} to {max(samples):,.4g})"


def _ratio(ours: list[float] | None, other: list[float] | None) -> str:
    if not ours or not other or not statistics.median(other):
        return "-"
    return f"{statistics.median(ours) / statistics.median(other):.2f}"
