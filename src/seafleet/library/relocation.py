"""What refers to paths follows them: locks, stars, names, links and folder rules of something that was moved.

Source: Web API gaps, "links, stars, comments, rules after rename/move".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Delete, Select, Table, Update, bindparam, delete, select, update

from seafleet import paths
from seafleet.db.engine import Transaction
from seafleet.db.tables import (
    file_identity,
    file_lock,
    folder_group_permission,
    folder_user_permission,
    share_link,
    starred_item,
    upload_link,
)
from seafleet.library.model import Relocation


@dataclass(frozen=True, slots=True)
class _Following:
    """A table of things that stand at paths.

    `gives_way`: what stands at a path that was free until now is about something else, and is dropped when
    something is moved there. Links stay: their bearers were promised this path.
    """

    paths: Select[tuple[str]]
    move: Update
    drop: Delete
    gives_way: bool


def _following(table: Table, *, gives_way: bool) -> _Following:
    here = table.c.library_id == bindparam("library")
    at_path = table.c.path_hash == bindparam("at")
    return _Following(
        paths=select(table.c.path).distinct().where(here),
        move=update(table)
        .where(here, at_path)
        .values(path=bindparam("new_path"), path_hash=bindparam("new_hash")),
        drop=delete(table).where(here, at_path),
        gives_way=gives_way,
    )


_LOCKS: Final = _following(file_lock, gives_way=True)
_TABLES: Final = (
    _LOCKS,
    _following(starred_item, gives_way=True),
    _following(file_identity, gives_way=True),
    _following(folder_user_permission, gives_way=True),
    _following(folder_group_permission, gives_way=True),
    _following(share_link, gives_way=False),
    _following(upload_link, gives_way=False),
)


def relocate(tx: Transaction, library_id: str, moved: Sequence[Relocation]) -> None:
    """Have everything that refers to the old paths, or to paths below them, refer to the new ones."""
    if not moved:
        return
    for table in _TABLES:
        known = set(tx.execute(table.paths, {"library": library_id}).scalars())
        if known:
            for move in moved:
                known = _relocate(tx, table, library_id, move, known)


def forget_locks(tx: Transaction, library_id: str, removed: Sequence[str]) -> None:
    """Drop the locks of what was removed. Whether it may be removed has been decided."""
    if not removed:
        return
    gone = set(removed)
    locked = tx.execute(_LOCKS.paths, {"library": library_id}).scalars()
    _drop(tx, _LOCKS, library_id, [path for path in locked if not gone.isdisjoint(paths.with_parents(path))])


def _relocate(
    tx: Transaction, table: _Following, library_id: str, move: Relocation, known: set[str]
) -> set[str]:
    """Do one move; return the paths that the table speaks of afterwards."""
    if table.gives_way:
        stale = {path for path in known if paths.is_inside(path, move.new_path)}
        _drop(tx, table, library_id, sorted(stale))
        known -= stale
    found = [path for path in known if paths.is_inside(path, move.old_path)]
    steps = [_step(library_id, path, paths.rebase(path, move.old_path, move.new_path)) for path in found]
    if steps:
        tx.execute(table.move, steps)
    return known.difference(found).union(str(step["new_path"]) for step in steps)


def _drop(tx: Transaction, table: _Following, library_id: str, gone: Sequence[str]) -> None:
    if gone:
        tx.execute(
            table.drop, [{"library": library_id, "at": paths.path_hash(library_id, path)} for path in gone]
        )


def _step(library_id: str, path: str, new_path: str) -> dict[str, str]:
    return {
        "library": library_id,
        "at": paths.path_hash(library_id, path),
        "new_path": new_path,
        "new_hash": paths.path_hash(library_id, new_path),
    }
