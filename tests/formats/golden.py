"""Objects and vectors made by the C server and the desktop client, as they lie in tests/fixtures."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from seafleet.ids import LibraryId, ObjectId

FIXTURES = Path(__file__).parents[1] / "fixtures"
SAMPLES = FIXTURES / "seafile-objects"


@dataclass(frozen=True, slots=True)
class Stored:
    """One object of the sample stores."""

    store_id: str
    object_id: ObjectId
    data: bytes


@cache
def vectors() -> dict[str, Any]:
    """Return the worked vectors."""
    loaded: dict[str, Any] = json.loads((FIXTURES / "vectors.json").read_text("utf-8"))
    return loaded


@cache
def libraries() -> list[dict[str, Any]]:
    """Return what the manifest says about the three sample libraries."""
    loaded: list[dict[str, Any]] = json.loads((SAMPLES / "manifest.json").read_text("utf-8"))["libraries"]
    return loaded


@cache
def client_files() -> list[dict[str, Any]]:
    """Return how the desktop client cut files that `content` makes again."""
    text = (SAMPLES / "client-chunking.json").read_text("utf-8")
    loaded: list[dict[str, Any]] = json.loads(text)["files"]
    return loaded


@cache
def stored_objects(kind: str) -> list[Stored]:
    """Return all sample objects of `kind`: commits, fs or blocks."""
    paths = sorted((SAMPLES / "storage" / kind).glob("*/*/*"))
    return [
        Stored(path.parts[-3], ObjectId.parse(path.parts[-2] + path.parts[-1]), path.read_bytes())
        for path in paths
    ]


def sample(kind: str, store_id: str, object_id: str) -> bytes:
    """Return the bytes of one sample object."""
    return (SAMPLES / "storage" / kind / store_id / object_id[:2] / object_id[2:]).read_bytes()


def library_id(text: str) -> LibraryId:
    """Return the id of a sample library."""
    return LibraryId.parse(text)


def content(generate: str) -> bytes:
    """Return the content that a generator expression of the fixtures stands for."""
    match = re.fullmatch(r"random\.Random\((\d+)\)\.randbytes\((\d+)(?: << (\d+))?\)", generate)
    if match:
        seed, count, shift = (int(group or 0) for group in match.groups())
        return random.Random(seed).randbytes(count << shift)
    return _OTHER_CONTENT[generate]()


_OTHER_CONTENT = {
    r"''.join('line %09d\n' % i for i in range(1398102)).encode()": lambda: "".join(
        f"line {i:09d}\n" for i in range(1398102)
    ).encode(),
    r"b'\0' * (32 << 20)": lambda: bytes(32 << 20),
}
