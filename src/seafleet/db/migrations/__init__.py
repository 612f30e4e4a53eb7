"""Numbered changes of the schema, applied in order and each recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, insert, inspect, select

from seafleet.db.migrations import v0001_initial
from seafleet.db.tables import schema_version
from seafleet.errors import SeafleetError


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: `apply` takes the schema from `version` - 1 to `version`."""

    version: int
    apply: Callable[[Connection], None]


MIGRATIONS: Final[tuple[Migration, ...]] = (Migration(1, v0001_initial.apply),)


class SchemaTooNew(SeafleetError):
    """The database was written by a later version of this program."""

    code = "schema_too_new"

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"the database has schema version {found}, but this program knows {known} at most: "
            "install the newer program again, or restore a backup from before the upgrade"
        )
        self.found = found
        self.known = known


def migrate(connection: Connection) -> None:
    """Bring the schema up to date. The caller holds the lock and the transaction. Raises SchemaTooNew."""
    present = current_version(connection)
    known = MIGRATIONS[-1].version
    if present > known:
        raise SchemaTooNew(present, known)
    for migration in MIGRATIONS:
        if migration.version > present:
            migration.apply(connection)
            connection.execute(insert(schema_version).values(version=migration.version))


def current_version(connection: Connection) -> int:
    """Return the version of the schema; 0 for an empty database."""
    if not inspect(connection).has_table(schema_version.name):
        return 0
    return int(connection.execute(select(func.coalesce(func.max(schema_version.c.version), 0))).scalar_one())
