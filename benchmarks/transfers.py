"""Transfers: one large file up and down, many small files into one folder, one, 8 and 32 at a time."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Iterator
from functools import partial

from benchmarks.rig import Target, alternate, parse, report, targets

UNITS = {
    "upload of one large file": "MB/s",
    "download of one large file": "MB/s",
    "server CPU per GiB down": "s",
    "4 KiB files, concurrency 1": "files/s",
    "4 KiB files, concurrency 8": "files/s",
    "4 KiB files, concurrency 32": "files/s",
    "server CPU per small file, concurrency 1": "ms",
    "server CPU per small file, concurrency 8": "ms",
    "server CPU per small file, concurrency 32": "ms",
    "peak memory": "MB",
}
_PIECE = 1 << 20


def main() -> None:
    """Run and print."""
    options = parse(__doc__ or "")
    size = int((1 << 30) * options.scale) // _PIECE * _PIECE
    count = int(5000 * options.scale)
    with targets(options) as servers:
        alternate(servers, options.rounds, partial(measure_large, size=size))
        for workers in (1, 8, 32):
            alternate(servers, options.rounds, partial(measure_small, count=count, workers=workers))
        for target in servers:
            if (peak := target.peak_megabytes()) is not None:
                target.record("peak memory", peak)
        report(f"transfers: {size >> 20} MiB, {count} files", servers, UNITS)


def measure_large(target: Target, size: int) -> None:
    """Upload and download one file of `size` bytes, checking what comes back."""
    client = target.client()
    library_id = client.create_library("large")
    block = random.Random(size).randbytes(_PIECE)
    begun = time.perf_counter()
    client.upload_stream(client.upload_path(library_id), "large.bin", _pieces(block, size), size)
    target.record("upload of one large file", size / 1e6 / (time.perf_counter() - begun))
    expected, found, counter = hashlib.sha1(), hashlib.sha1(), [0]
    client.download(library_id, "large.bin", found.update)  # warm, and checked
    for piece in _pieces(block, size):
        expected.update(piece)
    if expected.digest() != found.digest():
        raise RuntimeError("the download differs from the upload")

    def count(piece: memoryview) -> None:
        counter[0] += len(piece)

    cpu, begun = target.cpu_seconds(), time.perf_counter()
    client.download(library_id, "large.bin", count)
    target.record("download of one large file", counter[0] / 1e6 / (time.perf_counter() - begun))
    if cpu is not None and (now := target.cpu_seconds()) is not None:
        target.record("server CPU per GiB down", (now - cpu) * (1 << 30) / counter[0])
    client.delete_library(library_id)


def _pieces(block: bytes, size: int) -> Iterator[bytes]:
    """Yield pieces that all differ, so that no two blocks are equal."""
    for number in range(size // _PIECE):
        yield number.to_bytes(8, "big") + block[8:]


def measure_small(target: Target, count: int, workers: int) -> None:
    """Upload `count` files of 4 KiB, each through a link of its own, as rclone does."""
    client = target.client()
    library_id = client.create_library("small")
    numbers = iter(range(count))
    lock, failures = threading.Lock(), []

    def work() -> None:
        mine = client.again()
        rng = random.Random(threading.get_ident())
        try:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                mine.upload(mine.upload_path(library_id), f"file-{number:06}.bin", rng.randbytes(4096))
        except (RuntimeError, OSError) as error:
            failures.append(error)

    cpu, begun = target.cpu_seconds(), time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    target.record(f"4 KiB files, concurrency {workers}", count / (time.perf_counter() - begun))
    if cpu is not None and (now := target.cpu_seconds()) is not None:
        target.record(f"server CPU per small file, concurrency {workers}", (now - cpu) * 1000 / count)
    client.delete_library(library_id)


if __name__ == "__main__":
    main()
