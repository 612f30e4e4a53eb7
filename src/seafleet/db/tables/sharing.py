"""Who else may read or write: shares, folder permissions, links; starred items and labels."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, String, Table, Text, UniqueConstraint

from seafleet.db.tables.columns import Id, account_key, library_key, metadata, serial

user_share = Table(
    "user_share",
    metadata,
    serial(),
    library_key(),
    account_key("from_account_id"),
    account_key("to_account_id"),
    Column("permission", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("library_id", "from_account_id", "to_account_id"),
    Index("user_share_to", "to_account_id"),
    Index("user_share_from", "from_account_id"),
)

group_share = Table(
    "group_share",
    metadata,
    library_key(primary_key=True),
    Column("group_id", Id, ForeignKey("group_.id", ondelete="CASCADE"), primary_key=True),
    account_key("from_account_id"),
    Column("permission", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("group_share_group", "group_id"),
    Index("group_share_from", "from_account_id"),
)

public_share = Table(
    "public_share",
    metadata,
    library_key(primary_key=True),
    Column("organization_id", Id, primary_key=True, server_default="1"),
    Column("permission", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("public_share_organization", "organization_id"),
)

folder_user_permission = Table(
    "folder_user_permission",
    metadata,
    serial(),
    library_key(),
    Column("path", Text, nullable=False),
    Column("path_hash", String(64), nullable=False),
    account_key(),
    Column("permission", String(20), nullable=False),
    UniqueConstraint("library_id", "path_hash", "account_id"),
)

folder_group_permission = Table(
    "folder_group_permission",
    metadata,
    serial(),
    library_key(),
    Column("path", Text, nullable=False),
    Column("path_hash", String(64), nullable=False),
    Column("group_id", Id, ForeignKey("group_.id", ondelete="CASCADE"), nullable=False),
    Column("permission", String(20), nullable=False),
    UniqueConstraint("library_id", "path_hash", "group_id"),
)

share_link = Table(
    "share_link",
    metadata,
    Column("token", String(100), primary_key=True),
    account_key(),
    library_key(),
    Column("path", Text, nullable=False),
    Column("path_hash", String(64), nullable=False),
    Column("is_dir", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("view_count", BigInteger, nullable=False, server_default="0"),
    Column("password_hash", String(255)),
    Column("expires_at", BigInteger),
    Column("permission", String(50), nullable=False, server_default="view_download"),
    Index("share_link_path", "library_id", "path_hash"),
    Index("share_link_account", "account_id"),
)

upload_link = Table(
    "upload_link",
    metadata,
    Column("token", String(100), primary_key=True),
    account_key(),
    library_key(),
    Column("path", Text, nullable=False),
    Column("path_hash", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("view_count", BigInteger, nullable=False, server_default="0"),
    Column("password_hash", String(255)),
    Column("expires_at", BigInteger),
    Index("upload_link_path", "library_id", "path_hash"),
    Index("upload_link_account", "account_id"),
)

starred_item = Table(
    "starred_item",
    metadata,
    serial(),
    account_key(),
    library_key(),
    Column("path", Text, nullable=False),
    Column("path_hash", String(64), nullable=False),
    Column("is_dir", Boolean, nullable=False),
    UniqueConstraint("account_id", "library_id", "path_hash"),
    Index("starred_item_library", "library_id"),
)

# The lasting name of a file or folder: it follows what stands at the path.
file_identity = Table(
    "file_identity",
    metadata,
    Column("uuid", String(36), primary_key=True),
    library_key(),
    Column("path", Text, nullable=False),
    Column("path_hash", String(64), nullable=False),
    UniqueConstraint("library_id", "path_hash"),
)

snapshot_label = Table(
    "snapshot_label",
    metadata,
    serial(),
    library_key(),
    Column("commit_id", String(40), nullable=False),
    Column("name", String(255), nullable=False),
    account_key(),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("library_id", "commit_id", "name"),
)
