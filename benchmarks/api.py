"""Small calls: authenticated pings, the list of fifty libraries, a folder of 10,000 entries."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from functools import partial
from itertools import repeat

from benchmarks.rig import Target, alternate, parse, report, targets
from benchmarks.wire import BOUNDARY, Client, answers_within, form_header

UNITS = {
    "authenticated pings": "/s",
    "server CPU per ping": "µs",
    "lists of 50 libraries": "/s",
    "server CPU per list": "µs",
    "listing of 10,000 entries": "ms",
    "server CPU per listing": "ms",
    "listing of 10,000 entries (v2.1)": "ms",
    "peak memory": "MB",
}
_RATES = {"ping": "authenticated pings", "list": "lists of 50 libraries"}
_LISTINGS = 10
_SENDERS = 2
_FILES_PER_UPLOAD = 500


def main() -> None:
    """Run and print."""
    options = parse(__doc__ or "")
    seconds = 3.0 * min(options.scale, 1.0)
    entries = int(10_000 * options.scale)
    with targets(options) as servers:
        libraries = {target.name: _prepare(target, entries) for target in servers}

        def measure(target: Target) -> None:
            for path, what in (("/api2/auth/ping/", "ping"), ("/api2/repos/", "list")):
                rate, cpu = _costed(target, partial(_rate, target, path, seconds))
                target.record(_RATES[what], rate)
                _record(target, f"server CPU per {what}", cpu and cpu * 1e6 / (rate * seconds))
            big = f"/api2/repos/{libraries[target.name]}/dir/?p=/"
            median, cpu = _costed(target, partial(_milliseconds, target, big))
            target.record("listing of 10,000 entries", median)
            _record(target, "server CPU per listing", cpu and cpu * 1000 / (_LISTINGS + 1))
            big = big.replace("/api2/", "/api/v2.1/")
            target.record("listing of 10,000 entries (v2.1)", _milliseconds(target, big))

        alternate(servers, options.rounds, measure)
        for target in servers:
            if (peak := target.peak_megabytes()) is not None:
                target.record("peak memory", peak)
        report("small API calls", servers, UNITS)


def _costed(target: Target, measure: Callable[[], float]) -> tuple[float, float | None]:
    """Return what a measurement came to, and the CPU seconds that it cost the server, if that is known."""
    before, found, after = target.cpu_seconds(), measure(), target.cpu_seconds()
    return found, None if before is None or after is None else after - before


def _record(target: Target, what: str, value: float | None) -> None:
    if value is not None:
        target.record(what, value)


def _prepare(target: Target, entries: int) -> str:
    client = target.client()
    for number in range(49):
        client.create_library(f"library {number:02}")
    library_id = client.create_library("big folder")
    path = client.upload_path(library_id)
    for first in range(0, entries, _FILES_PER_UPLOAD):
        body = _many_files(range(first, min(first + _FILES_PER_UPLOAD, entries)))
        answer = client.connection.request("POST", path + "?ret-json=1", headers=form_header(), body=body)
        if answer.status != 200:
            raise RuntimeError(f"status {answer.status}: {answer.body[:200]!r}")
    return library_id


def _many_files(numbers: range) -> bytes:
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="parent_dir"\r\n\r\n/\r\n']
    for number in numbers:
        disposition = f'form-data; name="file"; filename="entry-{number:06}.txt"'
        parts.append(f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n{number}\r\n")
    return "".join(parts).encode() + f"--{BOUNDARY}--\r\n".encode()


def _rate(target: Target, path: str, seconds: float) -> float:
    """Return requests per second with two processes that ask as fast as they can on four connections."""
    token = target.client().token
    context = multiprocessing.get_context("fork")
    counts: multiprocessing.Queue[int] = context.Queue()
    arguments = (target.url, target.email, target.password, token, path, seconds, counts.put)
    senders = [context.Process(target=_send, args=arguments) for _ in range(_SENDERS)]
    for sender in senders:
        sender.start()
    total = sum(counts.get() for _ in senders)
    for sender in senders:
        sender.join()
    return total / seconds


def _send(
    url: str, email: str, password: str, token: str, path: str, seconds: float, tell: Callable[[int], None]
) -> None:
    client = Client(url, email, password, token)
    host = client.connection.host
    query = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Token {token}\r\n\r\n".encode()
    answer = client.call("GET", path)
    size = len(answer.body)
    tell(answers_within(seconds, host, repeat(query), size))


def _milliseconds(target: Target, path: str) -> float:
    client = target.client()
    client.call("GET", path)
    times = []
    for _ in range(_LISTINGS):
        begun = time.perf_counter()
        client.call("GET", path)
        times.append(time.perf_counter() - begun)
    return sorted(times)[len(times) // 2] * 1000


if __name__ == "__main__":
    main()
