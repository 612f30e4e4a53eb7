"""Names for files and folders that stay when these are renamed or moved: what lasting links are made of.

A name is made when somebody asks for it. It follows its file wherever commits move it, and leads
nowhere while nothing is there.

Source: catalog of client calls, "desktop client".
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select

from seafleet.db.engine import upsert
from seafleet.db.tables import file_identity
from seafleet.ids import LibraryId
from seafleet.paths import path_hash

if TYPE_CHECKING:
    from sqlalchemy import Select

    from seafleet.db.engine import Database, Transaction
    from seafleet.ids import RandomSource

_row = file_identity.c
_AT: Final[Select[Any]] = select(_row.uuid).where(
    _row.library_id == bindparam("library"), _row.path_hash == bindparam("hash")
)
_BY_UUID: Final[Select[Any]] = select(_row.library_id, _row.path).where(_row.uuid == bindparam("uuid"))
_MAKE: Final = upsert(file_identity).on_conflict_do_nothing(index_elements=[_row.library_id, _row.path_hash])


@dataclass(frozen=True, slots=True)
class Identity:
    """Where something with a lasting name stands now, if it is still there."""

    library_id: LibraryId
    path: str


class Identities:
    """Gives and finds lasting names. Who may ask is decided elsewhere."""

    def __init__(self, database: Database, random: RandomSource) -> None:
        self._database = database
        self._random = random

    def of(self, library_id: LibraryId, path: str) -> str:
        """Return the lasting name of what stands at a path, the same one each time."""
        place = {"library": library_id, "hash": path_hash(library_id, path)}
        with self._database.read() as connection:
            known = connection.execute(_AT, place).scalar()
        return str(known) if known is not None else self._make(library_id, path)

    def find(self, name: str) -> Identity | None:
        """Return where something stands now, None for a name that was never given."""
        with self._database.read() as connection:
            row = connection.execute(_BY_UUID, {"uuid": name}).one_or_none()
        return None if row is None else Identity(LibraryId(row.library_id), row.path)

    def _make(self, library_id: LibraryId, path: str) -> str:
        place = {"library": library_id, "hash": path_hash(library_id, path)}
        row = {
            "uuid": str(uuid.UUID(bytes=self._random.randbytes(16), version=4)),
            "library_id": library_id,
            "path": path,
            "path_hash": place["hash"],
        }

        def work(tx: Transaction) -> str:
            tx.execute(_MAKE, row)
            return str(tx.execute(_AT, place).scalar_one())

        return self._database.write(work)
