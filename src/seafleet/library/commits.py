"""Reading the commits of libraries, and knowing which of them are part of a history.

A commit is part of a library's history when the table `commit_index` has a row for it: rows are written in
the transaction that moves the head, for the new commits and for everything they bring along. A commit that a
client has stored without moving the head to it is not.

Source: storage format §4.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, select

from seafleet.db.tables import commit_index
from seafleet.errors import CommitNotFound, ObjectMissing
from seafleet.formats.commit import Commit, decode
from seafleet.ids import LibraryId, ObjectId
from seafleet.library.cache import WeightedCache
from seafleet.store.contract import Kind
from seafleet.store.objects import ObjectStore

_KEPT: Final = 4096
_IN_HISTORY: Final = select(commit_index.c.commit_id).where(
    commit_index.c.library_id == bindparam("library"), commit_index.c.commit_id == bindparam("commit")
)


class Commits:
    """Reads commits. Safe to use from many threads."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._cache: WeightedCache[tuple[str, ObjectId], Commit] = WeightedCache(_KEPT)

    def get(self, library_id: LibraryId, commit_id: ObjectId) -> Commit:
        """Return a commit that is stored, in the history or not. Raises CommitNotFound, MalformedObject."""
        found = self._cache.get((library_id, commit_id))
        if found is None:
            found = self._read(library_id, commit_id)
            self._cache.put((library_id, commit_id), found)
        return found

    def is_stored(self, library_id: LibraryId, commit_id: ObjectId) -> bool:
        """Tell whether the library has any commit of this id."""
        try:
            self._objects.get(library_id, Kind.COMMIT, commit_id)
        except ObjectMissing:
            return False
        return True

    def in_history(self, library_id: LibraryId, commit_id: ObjectId) -> bool:
        """Tell whether the library's head is, or has behind it, this commit."""
        with self._objects.database.read() as connection:
            wanted = {"library": library_id, "commit": commit_id}
            return connection.execute(_IN_HISTORY, wanted).one_or_none() is not None

    def _read(self, library_id: LibraryId, commit_id: ObjectId) -> Commit:
        try:
            stored = self._objects.get(library_id, Kind.COMMIT, commit_id)
        except ObjectMissing:
            raise CommitNotFound(commit_id) from None
        return decode(stored)
