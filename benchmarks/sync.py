"""The sync protocol: first upload and clone of a library of 4 KiB files, and polling by idle clients.

The load client does what the desktop client does, in its order and within its limits: a thousand ids in a
question, about a megabyte in a pack, a hundred objects asked for at once, three connections for blocks. Then
once more with twelve connections for blocks, as from several clients at a time.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from itertools import cycle, islice
from typing import Any, TypeVar

from benchmarks.rig import Target, alternate, parse, report, targets
from benchmarks.wire import Client, Connection, Response, answers_within
from seafleet.formats.commit import Commit, encode
from seafleet.formats.compression import compress
from seafleet.formats.frames import decode_frames, encode_frame
from seafleet.formats.fs import Directory, Dirent, FileObject, decode_fs, encode_directory, encode_file
from seafleet.ids import ZERO_ID, LibraryId, ObjectId

T = TypeVar("T")

RATES = (
    "first upload of 4 KiB files",
    "clone of 4 KiB files",
    "first upload, 12 connections",
    "clone, 12 connections",
)
UNITS = {
    "first upload of 4 KiB files": "/s",
    "  server CPU per file": "µs",
    "  CPU of the load client per file": "µs",
    "  of which the head's move": "s",
    "clone of 4 KiB files": "/s",
    "  server CPU per file ": "µs",
    "  CPU of the load client per file ": "µs",
    "first upload, 12 connections": "/s",
    "  server CPU per file  ": "µs",
    "  CPU of the load client per file  ": "µs",
    "clone, 12 connections": "/s",
    "  server CPU per file   ": "µs",
    "  CPU of the load client per file   ": "µs",
    "polls of one library each": "/s",
    "  server CPU per poll": "µs",
    "polls of 1,000 libraries each": "/s",
    "peak memory": "MB",
}
FILES = 20_000
FILE_BYTES = 4096
FILES_PER_FOLDER = 100
LIBRARIES = 1000
IDS_PER_QUESTION = 1000
PACK_BYTES = 1 << 20
IDS_PER_PACK = 100
BLOCK_CONNECTIONS = 3
MANY_CONNECTIONS = 12
DEVICE = "b" * 40
_SENDERS = 2
_CONNECTIONS = 4


def main() -> None:
    """Run and print."""
    options = parse(__doc__ or "", rounds=2)
    count = max(int(FILES * options.scale), FILES_PER_FOLDER)
    libraries = max(int(LIBRARIES * options.scale), 10)
    with targets(options) as servers:
        idle = {target.name: _make_libraries(target, libraries) for target in servers}

        def measure(target: Target) -> None:
            _measure_transfer(target, count, RATES[:2], BLOCK_CONNECTIONS)
            _measure_transfer(target, count, RATES[2:], MANY_CONNECTIONS)
            _measure_polls(target, idle[target.name], 3.0 * min(options.scale, 1.0))

        alternate(servers, options.rounds, measure)
        for target in servers:
            if (peak := target.peak_megabytes()) is not None:
                target.record("peak memory", peak)
        report(f"sync protocol: {count:,} files, {libraries:,} idle libraries", servers, UNITS)


# -- what is transferred -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Tree:
    """A library's content as a client prepares it before it talks to the server."""

    root_id: ObjectId = ZERO_ID
    objects: dict[ObjectId, bytes] = field(default_factory=dict)
    blocks: dict[ObjectId, bytes] = field(default_factory=dict)

    def add(self, object_id: ObjectId, text: bytes) -> ObjectId:
        """Keep an object and return its id."""
        self.objects[object_id] = compress(text)
        return object_id


def make_tree(count: int, seed: float) -> Tree:
    """Return a tree of so many files of random content, a hundred in each folder."""
    numbers, tree = random.Random(seed), Tree()
    folders = []
    for first in range(0, count, FILES_PER_FOLDER):
        entries = []
        for number in range(first, min(first + FILES_PER_FOLDER, count)):
            content = numbers.randbytes(FILE_BYTES)
            block_id = ObjectId(sha1(content).hexdigest())
            tree.blocks[block_id] = content
            file_id = tree.add(*encode_file(FileObject((block_id,), FILE_BYTES)))
            name = f"document {number}.txt"
            entries.append(Dirent(file_id, 0o100644, 1_700_000_000, name, "bench@example.com", FILE_BYTES))
        folder_id = tree.add(*encode_directory(Directory(entries)))
        folders.append(Dirent(folder_id, 0o40000, 1_700_000_000, f"folder {first // FILES_PER_FOLDER}"))
    tree.root_id = tree.add(*encode_directory(Directory(folders)))
    return tree


# -- the client ----------------------------------------------------------------------------------------------


class Peer:
    """A sync client of one library."""

    def __init__(self, target: Target, client: Client, library_id: str) -> None:
        self.library_id = library_id
        self.url = target.url
        self.base = f"/seafhttp/repo/{library_id}/"
        token = client.call("GET", f"/api2/repos/{library_id}/download-info/").json()["token"]
        self.headers = f"Seafile-Repo-Token: {token}\r\n"
        self.connection = Connection(target.url)

    def ask(
        self, method: str, path: str, body: bytes = b"", connection: Connection | None = None
    ) -> Response:
        """Send a request below the library's address; any answer but 200 is an error."""
        answer = (connection or self.connection).request(
            method, self.base + path, headers=self.headers, body=body
        )
        if answer.status != 200:
            raise RuntimeError(f"{method} {path.partition('?')[0]}: {answer.status} {answer.body[:200]!r}")
        return answer

    def upload(self, tree: Tree, connections: int = BLOCK_CONNECTIONS) -> float:
        """Push a tree; return how long the last step took, in seconds."""
        check = f"client_id={DEVICE}&client_name=bench"
        self.ask("GET", f"permission-check/?op=upload&{check}")
        self.ask("GET", f"quota-check/?delta={FILE_BYTES * len(tree.blocks)}")
        commit = self._commit(tree)
        self.ask("PUT", f"commit/{commit.commit_id}", encode(commit))
        for body in _packs(tree, self._missing("check-fs/", tree.objects)):
            self.ask("POST", "recv-fs/", body)
        missing = self._missing("check-blocks/", tree.blocks)
        self._in_parallel(
            missing, connections, lambda name, line: self._put(name, tree.blocks[ObjectId(name)], line)
        )
        begun = time.perf_counter()
        self.ask("PUT", f"commit/HEAD/?head={commit.commit_id}")
        return time.perf_counter() - begun

    def clone(self, connections: int = BLOCK_CONNECTIONS) -> int:
        """Fetch everything; return how many files there were."""
        self.ask("GET", f"permission-check/?op=download&client_id={DEVICE}&client_name=bench")
        head = self.ask("GET", "commit/HEAD").json()["head_commit_id"]
        self.ask("GET", f"commit/{head}")
        wanted = self.ask("GET", f"fs-id-list/?server-head={head}").json()
        blocks: list[str] = []
        while wanted:
            body = json.dumps(wanted[:IDS_PER_PACK]).encode()
            frames = decode_frames(self.ask("POST", "pack-fs/", body).body)
            got = {name for name, _ in frames}
            wanted = [name for name in wanted[:IDS_PER_PACK] if name not in got] + wanted[IDS_PER_PACK:]
            values = (decode_fs(stored) for _, stored in frames)
            blocks += [name for value in values if isinstance(value, FileObject) for name in value.block_ids]
        self._in_parallel(
            blocks, connections, lambda name, line: self.ask("GET", f"block/{name}", connection=line)
        )
        return len(blocks)

    def _commit(self, tree: Tree) -> Commit:
        head = self.ask("GET", "commit/HEAD").json()["head_commit_id"]
        return Commit.make(
            library_id=LibraryId(self.library_id),
            root_id=tree.root_id,
            creator_name="bench@example.com",
            description="Added many files.\n",
            ctime=int(time.time()),
            creator=DEVICE,
            parent_id=ObjectId(head),
            library_name="bench",
            device_name="bench",
            client_version="8.0.10",
        )

    def _missing(self, path: str, ids: Iterable[str]) -> list[str]:
        found: list[str] = []
        for batch in _batches(ids, IDS_PER_QUESTION):
            found += self.ask("POST", path, json.dumps(batch).encode()).json()
        return found

    def _put(self, name: str, data: bytes, line: Connection) -> None:
        self.ask("PUT", f"block/{name}", data, line)

    def _in_parallel(
        self, names: Sequence[str], connections: int, work: Callable[[str, Connection], object]
    ) -> None:
        """Do something for each name, on connections that are kept."""
        rest = iter(names)
        errors: list[BaseException] = []

        def run() -> None:
            line = Connection(self.url)
            try:
                for name in rest:
                    work(name, line)
            except (OSError, RuntimeError) as error:
                errors.append(error)
            finally:
                line.close()

        threads = [threading.Thread(target=run) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.connection.close()  # it may have been idle for longer than the server keeps it
        if errors:
            raise errors[0]


def _packs(tree: Tree, ids: Iterable[str]) -> Iterator[bytes]:
    pack = bytearray()
    for name in ids:
        pack += encode_frame(ObjectId(name), tree.objects[ObjectId(name)])
        if len(pack) >= PACK_BYTES:
            yield bytes(pack)
            pack.clear()
    if pack:
        yield bytes(pack)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


# -- measurements --------------------------------------------------------------------------------------------


def _measure_transfer(target: Target, count: int, names: tuple[str, str], connections: int) -> None:
    """Push and clone a library; `names` are the rows of the two rates, and tell apart those below them."""
    client = target.client()
    library_id = client.create_library("bench")
    tree = make_tree(count, time.time())
    peer = Peer(target, client, library_id)
    last: list[float] = []
    seconds = _timed(target, lambda: last.append(peer.upload(tree, connections)), count, _column(names[0]))
    target.record(names[0], count / seconds)
    if connections == BLOCK_CONNECTIONS:
        target.record("  of which the head's move", last[0])
    fetched: list[int] = []
    seconds = _timed(target, lambda: fetched.append(peer.clone(connections)), count, _column(names[1]))
    assert fetched == [count], f"fetched {fetched} of {count} files"
    target.record(names[1], count / seconds)
    client.again().delete_library(library_id)


def _column(name: str) -> str:
    """Return the blanks that tell the rows below a rate from those of the same name below another."""
    return " " * RATES.index(name)


def _make_libraries(target: Target, count: int) -> list[str]:
    client = target.client()
    return [client.create_library(f"idle {number:04}") for number in range(count)]


def _measure_polls(target: Target, libraries: Sequence[str], seconds: float) -> None:
    one = [json.dumps([library_id]).encode() for library_id in libraries]
    cpu = target.cpu_seconds()
    rate = _polls_per_second(target, one, seconds)
    target.record("polls of one library each", rate)
    if cpu is not None and (now := target.cpu_seconds()) is not None:
        target.record("  server CPU per poll", (now - cpu) * 1e6 / (rate * seconds))
    everything = [json.dumps(list(libraries)).encode()]
    target.record("polls of 1,000 libraries each", _polls_per_second(target, everything, seconds))


def _polls_per_second(target: Target, bodies: Sequence[bytes], seconds: float) -> float:
    """Return how many polls are answered while two processes ask as fast as they can."""
    context = multiprocessing.get_context("fork")
    counts: multiprocessing.Queue[int] = context.Queue()
    arguments = (target.url, bodies, seconds, counts.put)
    senders = [context.Process(target=_send_polls, args=arguments) for _ in range(_SENDERS)]
    for sender in senders:
        sender.start()
    total = sum(counts.get() for _ in senders)
    for sender in senders:
        sender.join()
    return total / seconds


def _send_polls(url: str, bodies: Sequence[bytes], seconds: float, tell: Callable[[int], None]) -> None:
    path = "/seafhttp/repo/head-commits-multi/"
    size = len(Connection(url).request("POST", path, body=bodies[0]).body)
    host = Connection(url).host
    requests = cycle(
        [
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            for body in bodies
        ]
    )
    tell(answers_within(seconds, host, requests, size, _CONNECTIONS))


def _timed(target: Target, work: Callable[[], Any], files: int, column: str) -> float:
    """Return how long something took, in seconds; record what it cost both sides in CPU time per file."""
    cpu, own, begun = target.cpu_seconds(), time.process_time(), time.perf_counter()
    work()
    seconds, own, now = time.perf_counter() - begun, time.process_time() - own, target.cpu_seconds()
    target.record(f"  CPU of the load client per file{column}", own * 1e6 / files)
    if cpu is not None and now is not None:
        target.record(f"  server CPU per file{column}", (now - cpu) * 1e6 / files)
    return seconds


if __name__ == "__main__":
    main()
