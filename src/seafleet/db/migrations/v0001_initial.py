"""The schema of the first release."""

from __future__ import annotations

from sqlalchemy import Connection, insert

from seafleet.db.tables import metadata, organization


def apply(connection: Connection) -> None:
    """Create every table, and organization 1: the server itself, to which all belong who are in no other."""
    metadata.create_all(connection, checkfirst=False)
    connection.execute(insert(organization).values(name="Default", runtime="mfp", created_at=0))
