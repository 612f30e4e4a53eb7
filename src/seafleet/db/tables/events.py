"""What happened, the feed that tells other workers of it, run-time settings, the version of the schema."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from seafleet.db.tables.columns import metadata, serial

activity = Table(
    "activity",
    metadata,
    serial(),
    Column("op_type", String(20), nullable=False),  # create, delete, edit, rename, move, recover, …
    Column("obj_type", String(10), nullable=False),  # repo, file, dir
    Column("library_id", String(36), nullable=False),
    Column("commit_id", String(40)),
    Column("path", Text, nullable=False),
    Column("op_user", String(255), nullable=False),
    Column("detail", Text, nullable=False),  # JSON
    Column("at", BigInteger, nullable=False, index=True),
    Index("activity_library", "library_id", "at"),
)

audit_event = Table(
    "audit_event",
    metadata,
    serial(),
    Column("at", BigInteger, nullable=False, index=True),
    Column("tag", String(64), nullable=False),  # source:subject:action, such as api:file:download
    Column("actor", String(255), nullable=False),
    Column("ip", String(128), nullable=False, server_default=""),
    Column("device", String(255), nullable=False, server_default=""),
    Column("library_id", String(36)),
    Column("path", Text, nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default="{}"),
    Index("audit_event_actor", "actor", "id"),
    Index("audit_event_library", "library_id", "id"),
)

# A feed that workers read to learn of changes that other workers made: head moves, locks, permissions,
# revocations.
change_feed = Table(
    "change_feed",
    metadata,
    serial(),
    Column("kind", String(30), nullable=False),
    Column("library_id", String(36)),
    Column("payload", Text, nullable=False),
    Column("at", BigInteger, nullable=False, index=True),
)

setting = Table(
    "setting", metadata, Column("key", String(64), primary_key=True), Column("value", Text, nullable=False)
)

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))
