"""`kill -9` in the middle of the work: what was acknowledged is there afterwards, and nothing is broken."""

from __future__ import annotations

import os
import random
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.crash.workload import DELETIONS, EDITS, UPLOADS, Fuse, Worker, present
from tests.support.server import ApiClient, RunningServer, until, wait_for_end

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(300)]

CLIENTS = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that the tests of this module kill in turn; it has to go on with the same data each time."""
    yield from running(tmp_path_factory, workers=1)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The same with two worker processes."""
    yield from running(tmp_path_factory, workers=2)


def running(tmp_path_factory: pytest.TempPathFactory, workers: int) -> Iterator[RunningServer]:
    settings = {"SEAFLEET_WORKERS": str(workers)}
    server = RunningServer(tmp_path_factory.mktemp("crash") / "data", settings=settings).start()
    yield server
    server.stop()


def workers_of(account: ApiClient, seed: int) -> list[Worker]:
    """Return the clients of a new library, each with its folder."""
    library_id = account.create_library("under fire")
    workers = [
        Worker(account, library_id, f"client {number}", random.Random(f"{seed} {number}"))
        for number in range(CLIENTS)
    ]
    for worker in workers:
        account.make_folder(library_id, worker.folder)
    return workers


def crash(
    server: RunningServer, workers: Sequence[Worker], steps: Sequence[Callable[[Worker], None]], after: int
) -> None:
    """Let all work until so many steps are acknowledged and the server is killed; then start it again."""
    fuse = Fuse(server, after)
    with ThreadPoolExecutor(len(workers)) as pool:
        jobs = [pool.submit(worker.run, steps, fuse) for worker in workers]
    for job in jobs:
        job.result()
    assert [worker.fault for worker in workers if worker.fault] == []
    server.start()


def check(server: RunningServer, workers: Sequence[Worker]) -> None:
    """Compare every client's folder with its two pictures; then both become what is there."""
    listing = workers[0].account.listing(workers[0].library_id, recursive="1")
    for worker in workers:
        found = present(worker, listing)
        assert found in (worker.certain, worker.possible), told(worker, found)
        worker.certain = found
    assert temporary_files(server) == []


def told(worker: Worker, found: dict[str, bytes | None]) -> str:
    missing = sorted(path for path, content in worker.certain.items() if found.get(path, b"?") != content)
    strange = sorted(found.keys() - worker.certain.keys() - worker.possible.keys())
    return f"{worker.name}: lost or damaged {missing}, never sent {strange}"


def temporary_files(server: RunningServer) -> list[Path]:
    return [path for path in (server.data / "tmp").rglob("*") if path.is_file()]


def verify(server: RunningServer) -> None:
    """Have every block of every library read and hashed."""
    done = server.command("verify")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("steps", "points"),
    [(UPLOADS, (3, 40, 90)), (EDITS, (25, 120)), (DELETIONS, (110,))],
    ids=["uploads", "edits and merges", "deletions"],
)
def test_acknowledged_work_survives(
    server: RunningServer, steps: Sequence[Callable[[Worker], None]], points: Sequence[int]
) -> None:
    workers = workers_of(server.admin, seed=len(points))
    for after in points:
        crash(server, workers, steps, after)
        check(server, workers)
    verify(server)


def test_acknowledged_work_of_two_workers_survives(pair: RunningServer) -> None:
    workers = workers_of(pair.admin, seed=2)
    crash(pair, workers, EDITS, 60)
    check(pair, workers)
    verify(pair)


def test_a_worker_that_dies_is_replaced_and_a_dead_supervisor_leaves_none(pair: RunningServer) -> None:
    account = pair.admin
    library_id = account.create_library("library")
    first = pair.workers()
    os.kill(first[0], signal.SIGKILL)
    wait_for_end(first[:1])
    for number in range(20):
        account.upload(library_id, f"/{number}", b"content")
    until(lambda: len(pair.workers()) == len(first))
    left = pair.workers()
    assert pair.process is not None
    pair.process.kill()
    pair.process.wait()
    wait_for_end(left)
    pair.start()
    assert len(account.names(library_id)) == 20


def test_a_half_sent_file_leaves_nothing(server: RunningServer) -> None:
    account = server.admin
    library_id = account.create_library("library")
    link = account.json("GET", f"/api2/repos/{library_id}/upload-link/")
    with begin_upload(server, link, (10 << 20) + 1) as connection:
        connection.sendall(bytes(9 << 20))
        until(lambda: sum(path.stat().st_size for path in temporary_files(server)) > 8 << 20)
        server.kill()
    server.start()
    assert temporary_files(server) == []
    assert account.names(library_id) == []
    account.upload(library_id, "/file", bytes(9 << 20))
    verify(server)


def begin_upload(server: RunningServer, link: str, length: int) -> socket.socket:
    """Send all of an upload but its content."""
    start = (
        b'--b\r\nContent-Disposition: form-data; name="parent_dir"\r\n\r\n/\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\n'
    )
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = f"POST {link.removeprefix(server.url)} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
    kind = "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    connection.sendall(head.encode() + kind.encode() + start)
    return connection


def test_an_upload_in_chunks_goes_on_after_a_crash(server: RunningServer) -> None:
    account = server.admin
    library_id = account.create_library("library")
    content = random.Random(7).randbytes(3 << 20)
    ends = (1 << 20, 2 << 20, len(content))
    for first, end in zip((0, *ends), ends, strict=False):
        answer = send_chunk(account, library_id, content, first, end)
        if end < len(content):
            assert answer.json() == {"success": True}
        if first == 0:
            server.kill()
            server.start()
    assert account.download(library_id, "/file") == content


def send_chunk(account: ApiClient, library_id: str, content: bytes, first: int, end: int) -> httpx.Response:
    """Send the bytes from `first` to before `end` of a file."""
    link = account.json("GET", f"/api2/repos/{library_id}/upload-link/")
    headers = {
        "Content-Range": f"bytes {first}-{end - 1}/{len(content)}",
        "Content-Disposition": 'attachment; filename="file"',
    }
    files = {"file": ("file", content[first:end])}
    answer = account.http.post(link, data={"parent_dir": "/"}, files=files, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer
