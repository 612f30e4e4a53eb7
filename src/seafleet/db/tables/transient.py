"""Short-lived state that every worker must see."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, String, Table, Text, false

from seafleet.db.tables.columns import Id, account_key, library_key, metadata

# File server tokens. `object` is an object id or JSON, as the operation asks. Account, API token, device
# link and link (if any) are checked again at use. The token of a link's bearer carries the account that
# made the link.
access_token = Table(
    "access_token",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    library_key(),
    Column("operation", String(30), nullable=False),
    Column("object", Text, nullable=False),
    Column("account_id", Id, index=True),  # null: the server itself
    Column("account_email", String(255), nullable=False),
    Column("device_link_id", Id),
    Column("api_token_id", Id),
    Column("share_link_token", String(100)),
    Column("upload_link_token", String(100)),
    Column("one_time", Boolean, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

# The file key of an encrypted library for one account, sealed under the server's secret, for one hour.
library_unlock = Table(
    "library_unlock",
    metadata,
    library_key(primary_key=True),
    account_key(primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

transfer_task = Table(
    "transfer_task",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(10), nullable=False),  # copy, move, zip, upload
    Column("account_id", Id),
    Column("state", String(12), nullable=False),  # waiting, running, finishing, done, failed, canceled
    Column("done", BigInteger, nullable=False, server_default="0"),
    Column("total", BigInteger, nullable=False, server_default="0"),
    Column("failed_reason", Text, nullable=False, server_default=""),
    Column("cancel_requested", Boolean, nullable=False, server_default=false()),
    Column("arguments", Text, nullable=False),  # JSON
    Column("worker", String(64), nullable=False, server_default=""),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False, index=True),
)

throttle_window = Table(
    "throttle_window",
    metadata,
    Column("key", String(120), primary_key=True),
    Column("window", BigInteger, primary_key=True),  # start, whole seconds
    Column("hits", BigInteger, nullable=False),
)
