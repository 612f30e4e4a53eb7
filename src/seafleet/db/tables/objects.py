"""Objects that are kept as rows, and what collection is about to remove."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table

from seafleet.db.tables.columns import metadata

# Commits, fs objects and blocks up to `inline_block_bytes`. kind: 0 commit, 1 fs, 2 block. touched_at is
# renewed when an object is written again or reported as present, so that collection leaves it alone for the
# grace time.
object_ = Table(
    "object",
    metadata,
    Column("store_id", String(36), primary_key=True),
    Column("kind", Integer, primary_key=True),
    Column("object_id", String(40), primary_key=True),
    Column("touched_at", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

# Blobs that collection has decided to remove and has not removed yet: writers take them as missing. A blob
# that was touched at or after `touched_before` stays after all.
condemned_blob = Table(
    "condemned_blob",
    metadata,
    Column("store_id", String(36), primary_key=True),
    Column("object_id", String(40), primary_key=True),
    Column("touched_before", BigInteger, nullable=False),
)
