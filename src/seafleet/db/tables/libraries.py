"""Libraries, their history as rows, their bin, locks, unfinished uploads."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from seafleet.db.tables.columns import Id, account_key, library_key, metadata, serial

# `store_id` is where fs objects and blocks lie: the library's own id, or its origin's for a sub-library.
# `generation` changes when collection removed objects of the store. Encryption columns repeat what the head
# commit says.
library = Table(
    "library",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("store_id", String(36), nullable=False, index=True),
    Column("name", String(255), nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("owner_id", Id, ForeignKey("account.id"), nullable=False, index=True),
    Column("organization_id", Id, nullable=False, server_default="1"),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False, index=True),  # ctime of the head commit
    Column("last_modifier", String(255), nullable=False, server_default=""),
    Column("head_commit_id", String(40), nullable=False),
    Column("root_id", String(40), nullable=False),  # root of the head commit
    Column("size_bytes", BigInteger, nullable=False, server_default="0"),
    Column("file_count", BigInteger, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("status", Integer, nullable=False, server_default="0"),  # 0 normal, 1 read-only
    Column("is_damaged", Boolean, nullable=False, server_default=false()),
    Column("generation", String(36), nullable=False, server_default=""),
    Column("encrypted", Boolean, nullable=False, server_default=false()),
    Column("enc_version", Integer, nullable=False, server_default="0"),
    Column("magic", String(64), nullable=False, server_default=""),
    Column("random_key", String(96), nullable=False, server_default=""),
    Column("salt", String(64), nullable=False, server_default=""),
    Column("pwd_hash", String(64), nullable=False, server_default=""),
    Column("pwd_hash_algo", String(50), nullable=False, server_default=""),
    Column("pwd_hash_params", String(100), nullable=False, server_default=""),
    Column("history_limit_days", Integer),  # null: site default; -1: all; 0: none
    Column("valid_since", BigInteger),  # history was cut up to here
)

sub_library = Table(
    "sub_library",
    metadata,
    library_key(primary_key=True),
    Column("origin_library_id", String(36), ForeignKey("library.id", ondelete="CASCADE"), nullable=False),
    Column("path", Text, nullable=False),
    Column("path_hash", String(64), nullable=False),
    Column("base_commit_id", String(40), nullable=False),  # of the origin
    UniqueConstraint("origin_library_id", "path_hash"),
)

# A sub-library or origin whose other side moved and that has not been brought into step yet.
sub_library_pending = Table(
    "sub_library_pending",
    metadata,
    library_key(primary_key=True),
    Column("queued_at", BigInteger, nullable=False),
)

# History without walking objects: a row for each commit that is part of a library's history, and for no
# other.
commit_index = Table(
    "commit_index",
    metadata,
    Column("library_id", String(36), primary_key=True),
    Column("commit_id", String(40), primary_key=True),
    Column("parent_id", String(40)),
    Column("second_parent_id", String(40)),
    Column("root_id", String(40), nullable=False),
    Column("creator_name", Text, nullable=False, server_default=""),
    Column("description", Text, nullable=False),
    Column("ctime", BigInteger, nullable=False),
    Column("device_name", Text),
    Column("client_version", Text),
    Column("new_merge", Boolean, nullable=False, server_default=false()),
    Column("conflict", Boolean, nullable=False, server_default=false()),
    Index("commit_index_time", "library_id", "ctime"),
)

library_trash = Table(
    "library_trash",
    metadata,
    Column("library_id", String(36), primary_key=True),
    Column("store_id", String(36), nullable=False),
    Column("name", String(255), nullable=False),
    Column("owner_id", Id, ForeignKey("account.id", ondelete="SET NULL"), index=True),
    Column("owner_email", String(255), nullable=False),
    Column("organization_id", Id, nullable=False, server_default="1"),
    Column("head_commit_id", String(40), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("encrypted", Boolean, nullable=False),
    Column("deleted_at", BigInteger, nullable=False, index=True),
    Column("row", Text, nullable=False),  # the whole library row as JSON, to put it back
)

garbage_library = Table(
    "garbage_library",
    metadata,
    Column("library_id", String(36), primary_key=True),
    Column("store_id", String(36), nullable=False),
)

file_lock = Table(
    "file_lock",
    metadata,
    serial(),
    library_key(),
    Column("path", Text, nullable=False),
    Column("path_hash", String(64), nullable=False),
    account_key(),
    Column("locked_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),  # null: never
    UniqueConstraint("library_id", "path_hash"),
)

# Stamps of the newest change of locks and folder permissions, for clients that ask "since when".
library_stamp = Table(
    "library_stamp",
    metadata,
    library_key(primary_key=True),
    Column("lock_stamp", BigInteger, nullable=False, server_default="0"),
    Column("permission_stamp", BigInteger, nullable=False, server_default="0"),
)

upload_temp = Table(
    "upload_temp",
    metadata,
    library_key(primary_key=True),
    Column("path_hash", String(64), primary_key=True),
    Column("path", Text, nullable=False),
    Column("temp_name", String(64), nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("received_bytes", BigInteger, nullable=False),
    Column("account_email", String(255), nullable=False),
    Column("updated_at", BigInteger, nullable=False, index=True),
)
