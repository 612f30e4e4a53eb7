"""Taking over libraries that another server made, whose objects a read-only layer holds.

Nothing is copied: the library gets its row, its commits are indexed, and its sums are computed once. What is
written from then on goes to the object store.

Source: storage format §2, §10, §11.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from sqlalchemy import insert

from seafleet import paths
from seafleet.db.engine import Transaction, upsert
from seafleet.db.tables import commit_index, library, sub_library
from seafleet.errors import AlreadyExists, CommitNotFound, LibraryDamaged, MalformedObject, ObjectMissing
from seafleet.formats.commit import Commit
from seafleet.ids import LibraryId, ObjectId
from seafleet.library.model import Head
from seafleet.library.rows import index_row, library_row, moment
from seafleet.library.service import Libraries, new_head

_ROWS_AT_ONCE: Final = 1000
_INSERT: Final = insert(library)
_INSERT_SUB: Final = insert(sub_library)
_INDEX: Final = upsert(commit_index).on_conflict_do_nothing(
    index_elements=[commit_index.c.library_id, commit_index.c.commit_id]
)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a sub-library shows: a folder of an origin that has been adopted already."""

    library_id: LibraryId
    path: str
    base_commit_id: ObjectId


def adopt(
    libraries: Libraries,
    library_id: LibraryId,
    head_commit_id: ObjectId,
    owner_id: int,
    *,
    origin: Origin | None = None,
    history_limit_days: int | None = None,
) -> Head:
    """Make a library of the objects that the store can read, and return it.

    Commits that cannot be read end their line of history. Raises AlreadyExists, AccountNotFound, and
    LibraryDamaged when the head or a folder of its tree is not there.
    """
    if libraries.find(library_id) is not None:
        raise AlreadyExists("library", library_id)
    store_id = library_id if origin is None else origin.library_id
    commits = _reachable(libraries, library_id, head_commit_id)
    try:
        stats = libraries.trees.stats(store_id, commits[0].root_id)
    except (ObjectMissing, MalformedObject) as error:
        raise LibraryDamaged(library_id, f"its tree cannot be read: {error}") from error
    first = new_head(commits[0], owner_id, libraries.email_of(owner_id), store_id=store_id)
    head = replace(
        first,
        created_at=moment(min(commit.ctime for commit in commits)),
        size_bytes=stats.size_bytes,
        file_count=stats.file_count,
        version=commits[0].version,
        history_limit_days=history_limit_days,
    )
    libraries.database.write(lambda tx: _write(tx, head, commits, origin))
    return libraries.get(library_id)


def _reachable(libraries: Libraries, library_id: LibraryId, head_id: ObjectId) -> Sequence[Commit]:
    """Return the head and all commits behind it, the head first."""
    try:
        found = [libraries.commits.get(library_id, head_id)]
    except (CommitNotFound, MalformedObject) as error:
        raise LibraryDamaged(library_id, f"its head cannot be read: {error}") from error
    seen = {head_id}
    for commit in found:
        for parent_id in commit.parent_ids:
            if parent_id not in seen:
                seen.add(parent_id)
                parent = _readable(libraries, library_id, parent_id)
                if parent is not None:
                    found.append(parent)
    return found


def _readable(libraries: Libraries, library_id: LibraryId, commit_id: ObjectId) -> Commit | None:
    try:
        return libraries.commits.get(library_id, commit_id)
    except (CommitNotFound, MalformedObject):
        return None


def _write(tx: Transaction, head: Head, commits: Sequence[Commit], origin: Origin | None) -> None:
    tx.execute(_INSERT, library_row(head))
    if origin is not None:
        shows = {
            "library_id": head.library_id,
            "origin_library_id": origin.library_id,
            "path": origin.path,
            "path_hash": paths.path_hash(origin.library_id, origin.path),
            "base_commit_id": origin.base_commit_id,
        }
        tx.execute(_INSERT_SUB, shows)
    rows = iter(commits)
    while batch := [index_row(commit) for commit in islice(rows, _ROWS_AT_ONCE)]:
        tx.execute(_INDEX, batch)
