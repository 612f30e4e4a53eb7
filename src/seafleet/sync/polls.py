"""The heads of many libraries at once: what thousands of idle clients ask for, twice a minute each.

Source: sync protocol §2, "Steady state"; §3, "head-commits-multi".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Select, String, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from seafleet.db.engine import Database
from seafleet.db.tables import library

_ONE: Final = select(library.c.id, library.c.head_commit_id).where(library.c.id == bindparam("one"))
_listed = func.json_each(bindparam("ids")).table_valued("value")
_MANY: Final[dict[str, Select[Any]]] = {
    "sqlite": select(library.c.id, library.c.head_commit_id).where(library.c.id.in_(select(_listed.c.value))),
    "postgresql": select(library.c.id, library.c.head_commit_id).where(
        library.c.id == any_(bindparam("ids", type_=ARRAY(String)))
    ),
}


class HeadPolls:
    """Answers polls with one indexed query each: a head that any worker has moved is seen at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._many = _MANY[database.dialect]

    def heads(self, library_ids: Sequence[str]) -> dict[str, str]:
        """Return the head commit of each library; those that do not exist are left out."""
        if len(library_ids) == 1:
            return self._query(_ONE, {"one": library_ids[0]})
        is_sqlite = self._database.dialect == "sqlite"
        return self._query(self._many, {"ids": json.dumps(library_ids) if is_sqlite else list(library_ids)})

    def _query(self, statement: Select[Any], parameters: dict[str, object]) -> dict[str, str]:
        with self._database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(statement, parameters)}
