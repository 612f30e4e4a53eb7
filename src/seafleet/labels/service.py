"""Setting, finding and removing snapshot labels.

A label is a word on one commit of one library, by the account that set it first. The same word may stand on
many commits. Labels keep no commit alive.

Source: Web API manual, section "Snapshot Label"; snapshot labels page.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, select

from seafleet.db.engine import upsert
from seafleet.db.tables import account, snapshot_label
from seafleet.errors import InvalidArgument
from seafleet.ids import LibraryId, ObjectId

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction

MAX_LENGTH: Final = 255
_is_label = re.compile(r"[.\w-]+").fullmatch

_label = snapshot_label.c
_library = _label.library_id == bindparam("library")
_commit = _label.commit_id == bindparam("commit")
_LABELS: Final[Select[*tuple[Any, ...]]] = select(
    _label.library_id, _label.commit_id, _label.name, account.c.email
).join(account, account.c.id == _label.account_id)
_OF_COMMIT: Final = _LABELS.where(_library, _commit).order_by(_label.id)
_NAMES_OF_COMMITS: Final = (
    select(_label.commit_id, _label.name)
    .where(_library, _label.commit_id.in_(bindparam("commits", expanding=True)))
    .order_by(_label.id)
)
_BY_ACCOUNT: Final = select(_label.name).where(_label.account_id == bindparam("account"))
_PUT: Final = upsert(snapshot_label).on_conflict_do_nothing(
    index_elements=[_label.library_id, _label.commit_id, _label.name]
)
_CLEAR: Final = delete(snapshot_label).where(_library, _commit)
_REMOVE: Final = delete(snapshot_label).where(_library, _label.name == bindparam("name"))


@dataclass(frozen=True, slots=True)
class Label:
    """One label, and who set it."""

    library_id: LibraryId
    commit_id: ObjectId
    name: str
    creator_email: str


def check_label(name: str) -> None:
    """Raise InvalidArgument unless a label may read so: letters of any script, digits, `_`, `-` and `.`."""
    if _is_label(name) is None or len(name) > MAX_LENGTH:
        raise InvalidArgument("label", "letters, digits, dots, hyphens and underscores only")


class Labels:
    """The labels of all libraries. Who may set them is decided elsewhere."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(
        self, library_id: LibraryId, commit_id: ObjectId, names: Sequence[str], account_id: int
    ) -> list[Label]:
        """Label a commit, and return these labels in this order; one that is there already stays as it is."""
        return self._put(library_id, commit_id, names, account_id, clear=False)

    def replace(
        self, library_id: LibraryId, commit_id: ObjectId, names: Sequence[str], account_id: int
    ) -> list[Label]:
        """Remove every label of a commit, whoever set it, and set these instead."""
        return self._put(library_id, commit_id, names, account_id, clear=True)

    def remove(self, library_id: LibraryId, name: str) -> int:
        """Remove a label from all commits of a library; return from how many."""
        place = {"library": library_id, "name": name}
        return self._database.write(lambda tx: tx.execute(_REMOVE, place).rowcount)

    def names_by(self, account_id: int) -> list[str]:
        """Return the labels that an account has set: in code point order, one for each commit."""
        with self._database.read() as connection:
            return sorted(connection.execute(_BY_ACCOUNT, {"account": account_id}).scalars())

    def of_commits(
        self, library_id: LibraryId, commit_ids: Sequence[ObjectId]
    ) -> dict[ObjectId, tuple[str, ...]]:
        """Return the labels of those of these commits that have any, oldest first."""
        if not commit_ids:
            return {}
        place = {"library": library_id, "commits": list(commit_ids)}
        found: dict[ObjectId, tuple[str, ...]] = {}
        with self._database.read() as connection:
            for commit_id, name in connection.execute(_NAMES_OF_COMMITS, place):
                found[ObjectId(commit_id)] = (*found.get(ObjectId(commit_id), ()), name)
        return found

    def _put(
        self,
        library_id: LibraryId,
        commit_id: ObjectId,
        names: Sequence[str],
        account_id: int,
        *,
        clear: bool,
    ) -> list[Label]:
        for name in names:
            check_label(name)
        wanted = list(dict.fromkeys(names))
        place = {"library_id": library_id, "commit_id": commit_id}
        common = {**place, "account_id": account_id, "created_at": self._clock.timestamp()}
        rows = [{**common, "name": name} for name in wanted]

        def work(tx: Transaction) -> list[Label]:
            if clear:
                tx.execute(_CLEAR, {"library": library_id, "commit": commit_id})
            if rows:
                tx.execute(_PUT, rows)
            there = {label.name: label for label in _of_commit(tx.connection, library_id, commit_id)}
            return [there[name] for name in wanted]

        return self._database.write(work)


def _of_commit(connection: Connection, library_id: str, commit_id: str) -> list[Label]:
    rows = connection.execute(_OF_COMMIT, {"library": library_id, "commit": commit_id})
    return [Label(LibraryId(row[0]), ObjectId(row[1]), row[2], row[3]) for row in rows]
