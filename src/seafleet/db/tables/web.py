"""Logins of browsers."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table

from seafleet.db.tables.columns import account_key, metadata

# The cookie's value is stored as SHA-256.
web_session = Table(
    "web_session",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    account_key(),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("ip", String(128), nullable=False, server_default=""),
    Column("user_agent", String(255), nullable=False, server_default=""),
    Index("web_session_account", "account_id"),
)
