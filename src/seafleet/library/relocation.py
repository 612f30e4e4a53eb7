"""What refers to paths follows them: locks, stars, links and folder rules of something that was moved.

Source: Web API gaps, "links, stars, comments, rules after rename/move".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Delete, Select, Table, Update, bindparam, delete, func, or_, select, update

from seafleet import paths
from seafleet.db.engine import Transaction
from seafleet.db.tables import (
    file_lock,
    folder_group_permission,
    folder_user_permission,
    share_link,
    starred_item,
    upload_link,
)
from seafleet.library.model import Relocation


@dataclass(frozen=True, slots=True)
class _Statements:
    below: Select[tuple[str]]
    move: Update
    clear: Delete | None


def _statements(table: Table, *, clear: bool) -> _Statements:
    here = table.c.library_id == bindparam("library")
    is_below = or_(
        table.c.path == bindparam("top"),
        func.substr(table.c.path, 1, func.length(bindparam("inside"))) == bindparam("inside"),
    )
    return _Statements(
        below=select(table.c.path).distinct().where(here, is_below),
        move=update(table)
        .where(here, table.c.path_hash == bindparam("old_hash"))
        .values(path=bindparam("new_path"), path_hash=bindparam("new_hash")),
        clear=delete(table).where(here, is_below) if clear else None,
    )


# What stands at a path that was free until now is about something else, and gives way. Links stay: their
# bearers were promised this path.
_FOLLOWING: Final = (
    _statements(file_lock, clear=True),
    _statements(starred_item, clear=True),
    _statements(folder_user_permission, clear=True),
    _statements(folder_group_permission, clear=True),
    _statements(share_link, clear=False),
    _statements(upload_link, clear=False),
)
_LOCKS: Final = _FOLLOWING[0]


def relocate(tx: Transaction, library_id: str, moved: Iterable[Relocation]) -> None:
    """Have everything that refers to the old paths, or to paths below them, refer to the new ones."""
    for move in moved:
        for table in _FOLLOWING:
            if table.clear is not None:
                tx.execute(table.clear, _place(library_id, move.new_path))
            _follow(tx, table, library_id, move)


def forget_locks(tx: Transaction, library_id: str, removed: Iterable[str]) -> None:
    """Drop the locks of what was removed. Whether it may be removed has been decided."""
    assert _LOCKS.clear is not None
    for path in removed:
        tx.execute(_LOCKS.clear, _place(library_id, path))


def _follow(tx: Transaction, table: _Statements, library_id: str, move: Relocation) -> None:
    found = tx.execute(table.below, _place(library_id, move.old_path)).scalars().all()
    if found:
        tx.execute(table.move, [_step(library_id, path, move) for path in found])


def _step(library_id: str, path: str, move: Relocation) -> dict[str, object]:
    new_path = paths.rebase(path, move.old_path, move.new_path)
    return {
        "library": library_id,
        "old_hash": paths.path_hash(library_id, path),
        "new_path": new_path,
        "new_hash": paths.path_hash(library_id, new_path),
    }


def _place(library_id: str, path: str) -> dict[str, object]:
    return {"library": library_id, "top": path, "inside": path + "/"}
