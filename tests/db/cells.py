"""Named values in the `setting` table: the smallest rows that transactions can fight over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select, update

from seafleet.db.engine import upsert
from seafleet.db.tables import setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from seafleet.db.engine import Database, Transaction

VALUE = select(setting.c.value).where(setting.c.key == bindparam("wanted"))
COUNT = select(setting.c.key)
INSERT = insert(setting)
SWAP = (
    update(setting)
    .where(setting.c.key == bindparam("wanted"), setting.c.value == bindparam("old"))
    .values(value=bindparam("new"))
)
_NEW = upsert(setting)
UPSERT = _NEW.on_conflict_do_update(index_elements=["key"], set_={"value": _NEW.excluded.value})
INSERT_UNLESS_PRESENT = upsert(setting).on_conflict_do_nothing()


class Refusal(Exception):
    """What a work of these tests raises of its own."""


def value_in(connection: Connection, key: str) -> str | None:
    value: str | None = connection.execute(VALUE, {"wanted": key}).scalar_one_or_none()
    return value


def value_of(database: Database, key: str) -> str | None:
    with database.read() as connection:
        return value_in(connection, key)


def insertion(key: str, value: str = "1") -> Callable[[Transaction], str]:
    """Answer a work that inserts a value and returns its key."""

    def work(tx: Transaction) -> str:
        tx.execute(INSERT, {"key": key, "value": value})
        return key

    return work


def failing_insertion(key: str) -> Callable[[Transaction], str]:
    """Answer a work that inserts a value and then refuses."""

    def work(tx: Transaction) -> str:
        tx.execute(INSERT, {"key": key, "value": "1"})
        raise Refusal(key)

    return work


def swap(database: Database, key: str, old: str, new: str) -> bool:
    """Set a value if it is still what it was; tell whether it was."""
    return database.write(lambda tx: tx.execute(SWAP, {"wanted": key, "old": old, "new": new}).rowcount == 1)


def increment(database: Database, key: str) -> None:
    """Add one by compare and swap, as often as it takes."""
    done = False
    while not done:
        old = value_of(database, key)
        assert old is not None
        done = swap(database, key, old, str(int(old) + 1))
