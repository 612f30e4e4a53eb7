"""Writes the SQL of the first migration from the tables: ``python -m tools.freeze_schema``.

Only until the first release. From then on the first migration stays as it is, and every change is a new one.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from seafleet.db.tables import metadata
from tools.source import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Dialect

FOLDER = ROOT / "src" / "seafleet" / "db" / "migrations"
DIALECTS: dict[str, type[Dialect]] = {"sqlite": sqlite.dialect, "postgresql": postgresql.dialect}


def target(name: str) -> Path:
    """Answer the file of one kind of database."""
    return FOLDER / f"v0001_{name}.sql"


def schema(name: str) -> str:
    """Answer the statements that create every table, separated by semicolons at line ends."""
    return "".join(f"{statement};\n\n" for statement in _statements(DIALECTS[name]())).rstrip("\n") + "\n"


def _statements(dialect: Dialect) -> Iterator[str]:
    for table in metadata.sorted_tables:
        yield _tidy(str(CreateTable(table).compile(dialect=dialect)))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield _tidy(str(CreateIndex(index).compile(dialect=dialect)))


def _tidy(text: str) -> str:
    lines = (line.rstrip() for line in text.replace("\t", "    ").splitlines())
    return "\n".join(line for line in lines if line)


def main() -> int:
    """Write the files, and tell which of them changed."""
    for name in DIALECTS:
        path, text = target(name), schema(name)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
