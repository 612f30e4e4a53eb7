"""The schema of the first release, as it was then: one file of SQL for each kind of database."""

from __future__ import annotations

from importlib import resources

from sqlalchemy import Connection

_ORGANIZATION = "INSERT INTO organization (name, runtime, created_at) VALUES ('Default', 'mfp', 0)"


def apply(connection: Connection) -> None:
    """Create every table, and organization 1: the server itself, to which all belong who are in no other."""
    name = f"v0001_{connection.dialect.name}.sql"
    script = resources.files("seafleet.db.migrations").joinpath(name).read_text(encoding="utf-8")
    for statement in script.split(";\n"):
        if statement.strip():
            connection.exec_driver_sql(statement)
    connection.exec_driver_sql(_ORGANIZATION)
