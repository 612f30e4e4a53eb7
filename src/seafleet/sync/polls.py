"""The heads of many libraries at once: what thousands of idle clients ask for, twice a minute each.

Source: sync protocol §2, "Steady state"; §3, "head-commits-multi".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, String, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from seafleet.db.engine import Database
from seafleet.db.prepared import Prepared
from seafleet.db.tables import library

_heads = select(library.c.id, library.c.head_commit_id)
_listed = func.json_each(bindparam("ids", type_=String)).table_valued("value")
_ONE: Final = Prepared(_heads.where(library.c.id == bindparam("one")))
_SQLITE: Final = Prepared(_heads.where(library.c.id.in_(select(_listed.c.value))))
_POSTGRESQL: Final = _heads.where(library.c.id == any_(bindparam("ids", type_=ARRAY(String))))


class HeadPolls:
    """Answers polls with one indexed query each: a head that any worker has moved is seen at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def heads(self, library_ids: Sequence[str]) -> dict[str, str]:
        """Return the head commit of each library; those that do not exist are left out."""
        with self._database.read() as connection:
            return {row[0]: row[1] for row in self._rows(connection, library_ids)}

    def _rows(self, connection: Connection, library_ids: Sequence[str]) -> Iterable[Any]:
        if len(library_ids) == 1:
            return _ONE.all(connection, {"one": library_ids[0]})
        if self._database.dialect == "sqlite":
            return _SQLITE.all(connection, {"ids": json.dumps(library_ids)})
        return connection.execute(_POSTGRESQL, {"ids": list(library_ids)})
