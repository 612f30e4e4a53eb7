"""What other workers, and through them clients, are told of: the feed of changes, and stamps to ask by.

Source: sync protocol §4 ("locked-files", "folder-perm"), §7.
"""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Table, case, insert

from seafleet.db.engine import Transaction, upsert
from seafleet.db.prepared import Prepared, insertion
from seafleet.db.tables import change_feed, library_stamp

LOCK_CHANGED: Final = "lock"
"""The kind of rows that tell of a lock taken or given back; the payload is what clients are told."""
PERMISSION_CHANGED: Final = "folder_permission"
"""The kind of rows that tell of a folder permission; the payload is what clients are told."""

_FEED: Final = Prepared(insertion(insert(change_feed), change_feed, "id"))


def announce(tx: Transaction, kind: str, library_id: str, payload: object, now: int) -> None:
    """Tell other workers of a change."""
    row = {"kind": kind, "library_id": library_id, "payload": json.dumps(payload), "at": now}
    tx.run(_FEED, row)


def mark_locks(tx: Transaction, library_id: str, payload: dict[str, Any], now: int) -> None:
    """Note that locks of a library changed, for clients that ask since when, and tell of it."""
    _mark(tx, "lock_stamp", library_id, now)
    announce(tx, LOCK_CHANGED, library_id, payload, now)


def mark_permissions(tx: Transaction, library_id: str, payload: dict[str, Any], now: int) -> None:
    """Note that folder permissions of a library changed, and tell of it.

    `payload` is `{"path", "type": "user" or "group", "change_event": "add", "modify" or "del", "user",
    "group": int, "perm"}`.
    """
    _mark(tx, "permission_stamp", library_id, now)
    announce(tx, PERMISSION_CHANGED, library_id, payload, now)


def _mark(tx: Transaction, name: str, library_id: str, now: int) -> None:
    row = {"library_id": library_id, "lock_stamp": 0, "permission_stamp": 0, name: now}
    tx.execute(_STAMPS[name], row)


def _stamp(table: Table, name: str) -> Any:
    """Return the statement that sets a stamp to a value which it never had: two changes in a second count."""
    statement = upsert(table)
    old, new = table.c[name], statement.excluded[name]
    return statement.on_conflict_do_update(
        index_elements=[table.c.library_id], set_={name: case((new > old, new), else_=old + 1)}
    )


_STAMPS: Final = {name: _stamp(library_stamp, name) for name in ("lock_stamp", "permission_stamp")}
