"""A set of object ids that may be larger than memory: what a walk through trees has seen."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from types import TracebackType
from typing import Final

from seafleet.ids import ObjectId
from seafleet.store.contract import Kind

_CACHE_KIB: Final = 16 << 10
_RECENT_IDS: Final = 100_000


class Marks:
    """Ids that were seen, by kind. (The same bytes may be an fs object and a block: that proves nothing.)

    Kept in a private database that spills to a temporary file, which goes with it: about 30 bytes for each
    id, 16 MiB of them in memory. For one thread at a time.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KIB}"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("CREATE TABLE mark (name BLOB PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("BEGIN")
        self._recent: dict[Kind, set[ObjectId]] = {kind: set() for kind in Kind}

    def add(self, kind: Kind, ids: Iterable[ObjectId]) -> list[ObjectId]:
        """Mark ids; return those that were not marked before, each once."""
        # One folder after the other of a history repeats the same entries: most answers come from here.
        recent = self._recent[kind]
        if len(recent) > _RECENT_IDS:
            recent.clear()
        fresh = [object_id for object_id in ids if object_id not in recent]
        recent.update(fresh)
        return [
            object_id
            for object_id in fresh
            if self._db.execute("INSERT OR IGNORE INTO mark VALUES (?)", (_name(kind, object_id),)).rowcount
        ]

    def without(self, kind: Kind, ids: Iterable[ObjectId]) -> list[ObjectId]:
        """Return those that are not marked."""
        return [
            object_id
            for object_id in ids
            if not self._db.execute("SELECT 1 FROM mark WHERE name = ?", (_name(kind, object_id),)).fetchone()
        ]

    def __enter__(self) -> Marks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()


def _name(kind: Kind, object_id: ObjectId) -> bytes:
    return bytes((kind,)) + bytes.fromhex(object_id)
