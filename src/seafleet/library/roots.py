"""What collection has to keep: the trees of kept history, of sub-libraries' base commits, and of labelled
commits.

Source: storage format §12, "What is live".
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Final

from sqlalchemy import Connection, bindparam, literal, select

from seafleet.db.tables import library, snapshot_label, sub_library
from seafleet.ids import ObjectId
from seafleet.library.history import History
from seafleet.library.model import Head
from seafleet.library.rows import read_sharing_store
from seafleet.library.service import Libraries
from seafleet.store.history import live_commits, read_commit

_STORES: Final = select(library.c.id).where(library.c.id == library.c.store_id).order_by(library.c.id)
_HEADS: Final = (
    select(library.c.id, library.c.head_commit_id, literal("head").label("what"))
    .where(library.c.store_id == bindparam("store"))
    .union(
        select(sub_library.c.library_id, sub_library.c.base_commit_id, literal("base")).where(
            sub_library.c.origin_library_id == bindparam("store")
        ),
        select(snapshot_label.c.library_id, snapshot_label.c.commit_id, literal("label"))
        .join(library, library.c.id == snapshot_label.c.library_id)
        .where(library.c.store_id == bindparam("store")),
    )
)


class LiveRoots:
    """Tells collection what to keep; see `store.collect.RootSource`."""

    def __init__(self, libraries: Libraries, history: History) -> None:
        self._libraries = libraries
        self._history = history

    def store_ids(self) -> Iterator[str]:
        """Yield the stores of libraries that exist."""
        with self._libraries.database.read() as connection:
            found = connection.execute(_STORES).scalars().all()
        yield from found

    def heads(self, connection: Connection, store_id: str) -> Hashable:
        """Return a value that changes whenever there may be more to keep."""
        return frozenset(tuple(row) for row in connection.execute(_HEADS, {"store": store_id}))

    def roots(self, store_id: str) -> Iterator[ObjectId]:
        """Yield the root directories of all commits that are kept, of the library and its sub-libraries.

        Raises ObjectMissing or MalformedObject when a commit cannot be read.
        """
        with self._libraries.database.read() as connection:
            sharing = read_sharing_store(connection, store_id)
            marked = connection.execute(_HEADS, {"store": store_id}).all()
        for head in sharing:
            yield from self._of_history(head)
        objects = self._libraries.objects
        for library_id, commit_id, what in marked:
            if what != "head":
                holder = store_id if what == "base" else library_id
                yield read_commit(objects, holder, ObjectId(commit_id)).root_id

    def _of_history(self, head: Head) -> Iterator[ObjectId]:
        truncate_time = self._history.truncate_time(head)
        commits = live_commits(self._libraries.objects, head.library_id, head.commit_id, truncate_time)
        for commit in commits:
            yield commit.root_id
