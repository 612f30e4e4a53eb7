"""Locks and folder permissions as sync clients keep them: for each library, with the stamp of their copy.

Paths of locks go out without a slash before them, as clients name files; those of permissions with one.

Source: sync protocol §4, "locked-files" and "folder-perm".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select

from seafleet.db.tables import library_stamp
from seafleet.library.locks import read_locks
from seafleet.paths import ROOT, is_inside, rebase
from seafleet.sharing.queries import load_facts

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from seafleet.clock import Clock
    from seafleet.db.engine import Database
    from seafleet.ids import LibraryId
    from seafleet.sharing.model import FolderRule, LibraryFacts

_STAMPS: Final = select(library_stamp.c.lock_stamp, library_stamp.c.permission_stamp).where(
    library_stamp.c.library_id == bindparam("library")
)


@dataclass(frozen=True, slots=True)
class LockedFiles:
    """The locks of a library, each with whether the asking account holds it, and their stamp."""

    stamp: int
    files: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class FolderPermissions:
    """The folder permissions that concern an account: path and `r` or `rw`, and their stamp."""

    stamp: int
    own: tuple[tuple[str, str], ...]
    of_groups: tuple[tuple[str, str], ...]


class ClientRules:
    """Answers what changed since a stamp."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def locked_files(self, library_id: LibraryId, account_id: int | None, since: int) -> LockedFiles | None:
        """Return the locks of a library, None if they are as they were at `since`."""
        with self._database.read() as connection:
            stamp = _stamp(connection, library_id, 0)
            if stamp <= since:
                return None
            locks = read_locks(connection, library_id, self._clock.timestamp())
        files = sorted((path[1:], lock.account_id == account_id) for path, lock in locks.items())
        return LockedFiles(stamp, tuple(files))

    def folder_permissions(
        self, library_id: LibraryId, origin_id: LibraryId, account_id: int, since: int
    ) -> FolderPermissions | None:
        """Return the permissions of a library, None if they are as they were at `since`.

        The folders of a sub-library have the permissions that they have in its origin.
        """
        with self._database.read() as connection:
            stamp = _stamp(connection, origin_id, 1)
            facts = load_facts(connection, account_id, library_id) if stamp > since else None
        if facts is None:
            return None
        rules = list(_within(facts))
        return FolderPermissions(
            stamp,
            tuple(sorted(_told(rule) for rule in rules if rule.kind == "user")),
            tuple(sorted(_told(rule) for rule in rules if rule.kind == "group")),
        )


def _stamp(connection: Connection, library_id: str, column: int) -> int:
    row = connection.execute(_STAMPS, {"library": library_id}).one_or_none()
    return 0 if row is None else int(row[column])


def _within(facts: LibraryFacts) -> Iterable[FolderRule]:
    """Return the rules with paths as the library itself has them."""
    top = facts.origin_path or ROOT
    for rule in facts.rules:
        if top == ROOT:
            yield rule
        elif is_inside(rule.path, top):
            yield type(rule)(rebase(rule.path, top, ROOT), rule.kind, rule.permission)
        elif is_inside(top, rule.path):
            yield type(rule)(ROOT, rule.kind, rule.permission)


def _told(rule: FolderRule) -> tuple[str, str]:
    return rule.path, rule.permission.wire
