"""Accounts, their API tokens, their logins."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    false,
    text,
    true,
)

from seafleet.db.tables.columns import Id, account_key, metadata, serial

account = Table(
    "account",
    metadata,
    serial(),
    Column("email", String(255), nullable=False, unique=True),
    Column("password_hash", String(255)),  # null or "!": no login by password
    Column("source", String(20), nullable=False, server_default="db"),
    Column("is_staff", Boolean, nullable=False, server_default=false()),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("role", String(100), nullable=False, server_default="default"),
    Column("created_at_us", BigInteger, nullable=False),  # microseconds: the admin API prints them
    Column("last_login_at", BigInteger),
    Column("quota_bytes", BigInteger),  # null: role or site default; -2: unlimited
    Column("name", String(255), nullable=False, server_default=""),  # display name ("nickname")
    Column("contact_email", String(255), index=True),
    Column("login_id", String(225), unique=True),
    Column("department", String(512), nullable=False, server_default=""),
    Column("telephone", String(100), nullable=False, server_default=""),
    Column("institution", String(255), nullable=False, server_default=""),
    Column("note", String(256), nullable=False, server_default=""),
    Column("reference_id", String(255), unique=True),
    Column("organization_id", Id, nullable=False, server_default="1"),
)

account_option = Table(
    "account_option",
    metadata,
    account_key(primary_key=True),
    Column("key", String(50), primary_key=True),
    Column("value", Text, nullable=False),
)

# A plain token has no device columns; a device token names its link. The token itself is stored as SHA-256
# in hex; where the API has to show it again (a login of the same device returns the same token) `sealed`
# holds it under the server's secret.
api_token = Table(
    "api_token",
    metadata,
    serial(),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("sealed", LargeBinary, nullable=False),
    account_key(),
    Column("device_link_id", Id, ForeignKey("device_link.id", ondelete="CASCADE"), unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Index(
        "api_token_plain",
        "account_id",
        unique=True,
        sqlite_where=text("device_link_id IS NULL"),
        postgresql_where=text("device_link_id IS NULL"),
    ),
    Index("api_token_account", "account_id"),
)

client_login_token = Table(
    "client_login_token",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    account_key(),
    Column("expires_at", BigInteger, nullable=False),
)

login_log = Table(
    "login_log",
    metadata,
    serial(),
    Column("account_id", Id),
    Column("username", String(255), nullable=False),
    Column("at", BigInteger, nullable=False, index=True),
    Column("ip", String(128), nullable=False),
    Column("success", Boolean, nullable=False),
    Column("via", String(20), nullable=False),
    Index("login_log_username", "username", "at"),
    Index("login_log_account", "account_id", "at"),
)
