"""Memory: a library of 500,000 files, uploaded in one push and cloned by the sync protocol.

Every file has an object of its own, all share one block. The server is started anew for each step, so that
its peak is that of the step. What counts is the difference to the memory of a server that has done nothing.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from benchmarks.rig import Target, parse, report, started
from benchmarks.sync import IDS_PER_PACK, Peer, Tree
from seafleet.formats.frames import decode_frames
from seafleet.formats.fs import Directory, Dirent, FileObject, encode_directory, encode_file
from seafleet.ids import ObjectId

UNITS = {
    "memory of an idle server": "MB",
    "upload": "s",
    "  of which the head's move": "s",
    "  peak memory": "MB",
    "listing of everything (fs-id-list)": "s",
    "  peak memory ": "MB",
    "all objects (pack-fs)": "s",
    "  peak memory  ": "MB",
    "push of one changed file": "s",
    "  peak memory   ": "MB",
}
FILES: Final = 500_000
FILES_PER_FOLDER: Final = 1000
_CONTENT: Final = b"the same content everywhere"
_MTIME: Final = 1_700_000_000


def main() -> None:
    """Run and print."""
    options = parse(__doc__ or "", rounds=1)
    count = max(int(FILES * options.scale), FILES_PER_FOLDER)
    with tempfile.TemporaryDirectory(prefix="seafleet-large-") as temporary:
        folder = options.data or Path(temporary)
        total = measure(lambda: started(folder, options.database_url), count)
    report(f"a library of {count:,} files", [total], UNITS)


def measure(start: Callable[[], contextlib.AbstractContextManager[Target]], count: int) -> Target:
    """Run every step on a server of its own, and return what was measured."""
    total = Target("seafleet", "", "", "")
    tree = make_tree(count)
    with start() as target:
        library_id = target.client().create_library("large")
        total.record("memory of an idle server", target.idle_megabytes() or 0)
        with _step(total, target, "upload", "  peak memory"):
            total.record("  of which the head's move", Peer(target, target.client(), library_id).upload(tree))
    with start() as target:
        peer = Peer(target, target.client(), library_id)
        with _step(total, target, "listing of everything (fs-id-list)", "  peak memory "):
            head = peer.ask("GET", "commit/HEAD").json()["head_commit_id"]
            wanted = peer.ask("GET", f"fs-id-list/?server-head={head}").json()
        assert set(wanted) == tree.objects.keys()
    with start() as target:
        peer = Peer(target, target.client(), library_id)
        with _step(total, target, "all objects (pack-fs)", "  peak memory  "):
            assert sum(1 for _ in packed(peer, wanted)) == len(tree.objects)
    tree = make_tree(count, first_size=count + 1)
    with start() as target:
        peer = Peer(target, target.client(), library_id)
        with _step(total, target, "push of one changed file", "  peak memory   "):
            peer.upload(tree)
    return total


@contextlib.contextmanager
def _step(total: Target, target: Target, what: str, memory: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    total.record(what, time.perf_counter() - begun)
    total.record(memory, target.peak_megabytes() or 0)


def make_tree(count: int, first_size: int = 0) -> Tree:
    """Return a tree of so many files, a thousand in each folder, or with another first file."""
    tree, folders = Tree(), []
    block_id = ObjectId.of(_CONTENT)
    tree.blocks[block_id] = _CONTENT
    for first in range(0, count, FILES_PER_FOLDER):
        entries = []
        for number in range(first, min(first + FILES_PER_FOLDER, count)):
            size = first_size if first_size and not number else number
            file_id = tree.add(*encode_file(FileObject((block_id,), size)))
            name = f"document {number}.txt"
            entries.append(Dirent(file_id, 0o100644, _MTIME, name, "bench@example.com", size))
        folder_id = tree.add(*encode_directory(Directory(entries)))
        folders.append(Dirent(folder_id, 0o40000, _MTIME, f"folder {first // FILES_PER_FOLDER}"))
    tree.root_id = tree.add(*encode_directory(Directory(folders)))
    return tree


def packed(peer: Peer, wanted: list[str]) -> Iterator[str]:
    """Fetch objects as clients do, a hundred ids in a question; yield the ids of those that came."""
    rest = deque(wanted)
    while asked := [rest.popleft() for _ in range(min(IDS_PER_PACK, len(rest)))]:
        frames = decode_frames(peer.ask("POST", "pack-fs/", json.dumps(asked).encode()).body)
        got = {name for name, _ in frames}
        yield from got
        rest.extendleft(name for name in asked if name not in got)


if __name__ == "__main__":
    main()
