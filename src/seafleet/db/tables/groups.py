"""Organizations, and groups of accounts."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)

from seafleet.db.tables.columns import Id, account_key, metadata, serial

organization = Table(
    "organization",
    metadata,
    serial(),
    Column("name", String(255), nullable=False),
    Column("runtime", String(64), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    # For the device registry: whether its runtime answers, the token of its API, its own posture policy as
    # JSON (null: the one of the settings).
    Column("running", Boolean, nullable=False, server_default=true()),
    Column("device_token_hash", String(64), unique=True),
    Column("posture_policy", Text),
)

group = Table(
    "group_",
    metadata,
    serial(),
    Column("name", String(255), nullable=False),
    Column("creator_email", String(255), nullable=False),
    Column("owner_id", Id, ForeignKey("account.id", ondelete="SET NULL")),
    Column("created_at_us", BigInteger, nullable=False),
    Column("parent_group_id", Id, nullable=False, server_default="0"),  # 0: none, -1: top department
    Column("organization_id", Id, nullable=False, server_default="1"),
    Column("quota_bytes", BigInteger),
    Index("group_name", "name"),
    Index("group_parent", "parent_group_id"),
)

group_member = Table(
    "group_member",
    metadata,
    serial(),
    Column("group_id", Id, ForeignKey("group_.id", ondelete="CASCADE"), nullable=False),
    account_key(),
    Column("is_admin", Boolean, nullable=False, server_default=false()),
    Column("joined_at", BigInteger, nullable=False),
    UniqueConstraint("group_id", "account_id"),
    Index("group_member_account", "account_id"),
)
