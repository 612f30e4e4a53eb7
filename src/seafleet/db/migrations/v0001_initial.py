"""The schema of the first release."""

from __future__ import annotations

from sqlalchemy import Connection

from seafleet.db.tables import metadata


def apply(connection: Connection) -> None:
    """Create every table."""
    metadata.create_all(connection, checkfirst=False)
