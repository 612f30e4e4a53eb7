"""What OAuth gives to applications, and how often they may call; the applications are `oauth_client`.

Codes and tokens are stored as SHA-256.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table, Text

from seafleet.db.tables.columns import Id, account_key, metadata, serial


def _client(*, primary_key: bool = False) -> Column[int]:
    target = ForeignKey("oauth_client.id", ondelete="CASCADE")
    return Column("client_id", Id, target, primary_key=primary_key, nullable=False)


# Who has let an application in: the page that asks is shown once.
oauth_consent = Table(
    "oauth_consent",
    metadata,
    _client(primary_key=True),
    account_key(primary_key=True),
    Column("granted_at", BigInteger, nullable=False),
)

# A family of tokens: what came of one code or one call with client credentials, and of every refresh since.
oauth_grant = Table(
    "oauth_grant",
    metadata,
    serial(),
    _client(),
    account_key(nullable=True),  # who consented; null: client credentials
    Column("created_at", BigInteger, nullable=False),
    Index("oauth_grant_client", "client_id"),
    Index("oauth_grant_account", "account_id"),
)

# A code that was used stays until its time is over: a second use revokes the family that the first one got.
oauth_code = Table(
    "oauth_code",
    metadata,
    Column("code_hash", String(64), primary_key=True),
    _client(),
    account_key(),
    Column("redirect_uri", Text, nullable=False),
    Column("code_challenge", String(128), nullable=False, server_default=""),  # empty: none was sent
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("used_at", BigInteger),
    Column("grant_id", Id, ForeignKey("oauth_grant.id", ondelete="SET NULL")),
)

# Refresh tokens that were used stay likewise.
oauth_token = Table(
    "oauth_token",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("grant_id", Id, ForeignKey("oauth_grant.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(10), nullable=False),  # access, refresh
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("used_at", BigInteger),
)

# Times of the calls of the last minute by (organization, path), exact across workers.
api_rate = Table(
    "api_rate",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("hits_ms", Text, nullable=False),  # JSON, Unix milliseconds, ascending
    Column("updated_at", BigInteger, nullable=False, index=True),
)
