"""Every table, as SQLAlchemy Core sees it. Migrations create them; a test compares the two.

Times are whole Unix seconds in UTC unless a column says otherwise. Addresses are stored in lower case. Paths
are absolute inside their library, `/`-separated, without a final slash except the root. Ids of objects are 40
lower-case hex digits.
Audit tables hold addresses as text on purpose: their rows survive the account.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

metadata = MetaData()

# SQLite only numbers rows by itself in a column that is exactly INTEGER.
_Id = BigInteger().with_variant(Integer, "sqlite")


def _serial() -> Column[int]:
    return Column("id", _Id, primary_key=True, autoincrement=True)


def _account(name: str = "account_id", *, primary_key: bool = False, nullable: bool = False) -> Column[int]:
    target = ForeignKey("account.id", ondelete="CASCADE")
    return Column(name, _Id, target, primary_key=primary_key, nullable=nullable)


def _library(name: str = "library_id", *, primary_key: bool = False) -> Column[str]:
    return Column(
        name,
        String(36),
        ForeignKey("library.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


# --- object store -------------------------------------------------------------------------------------------

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

# --- accounts -----------------------------------------------------------------------------------------------

account = Table(
    "account",
    metadata,
    _serial(),
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
    Column("organization_id", _Id, nullable=False, server_default="1"),
)

account_option = Table(
    "account_option",
    metadata,
    _account(primary_key=True),
    Column("key", String(50), primary_key=True),
    Column("value", Text, nullable=False),
)

# A plain token has no device columns; a device token names its link. The token itself is stored as SHA-256
# in hex; where the API has to show it again (a login of the same device returns the same token) `sealed`
# holds it under the server's secret.
api_token = Table(
    "api_token",
    metadata,
    _serial(),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("sealed", LargeBinary, nullable=False),
    _account(),
    Column("device_link_id", _Id, ForeignKey("device_link.id", ondelete="CASCADE"), unique=True),
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
    _account(),
    Column("expires_at", BigInteger, nullable=False),
)

login_log = Table(
    "login_log",
    metadata,
    _serial(),
    Column("account_id", _Id),
    Column("username", String(255), nullable=False),
    Column("at", BigInteger, nullable=False, index=True),
    Column("ip", String(128), nullable=False),
    Column("success", Boolean, nullable=False),
    Column("via", String(20), nullable=False),
    Index("login_log_username", "username", "at"),
    Index("login_log_account", "account_id", "at"),
)

# --- organizations and groups -------------------------------------------------------------------------------

organization = Table(
    "organization",
    metadata,
    _serial(),
    Column("name", String(255), nullable=False),
    Column("runtime", String(64), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
)

group = Table(
    "group_",
    metadata,
    _serial(),
    Column("name", String(255), nullable=False),
    Column("creator_email", String(255), nullable=False),
    Column("owner_id", _Id, ForeignKey("account.id", ondelete="SET NULL")),
    Column("created_at_us", BigInteger, nullable=False),
    Column("parent_group_id", _Id, nullable=False, server_default="0"),  # 0: none, -1: top department
    Column("organization_id", _Id, nullable=False, server_default="1"),
    Column("quota_bytes", BigInteger),
    Index("group_name", "name"),
    Index("group_parent", "parent_group_id"),
)

group_member = Table(
    "group_member",
    metadata,
    _serial(),
    Column("group_id", _Id, ForeignKey("group_.id", ondelete="CASCADE"), nullable=False),
    _account(),
    Column("is_admin", Boolean, nullable=False, server_default=false()),
    Column("joined_at", BigInteger, nullable=False),
    UniqueConstraint("group_id", "account_id"),
    Index("group_member_account", "account_id"),
)

# --- libraries ----------------------------------------------------------------------------------------------

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
    Column("owner_id", _Id, ForeignKey("account.id"), nullable=False, index=True),
    Column("organization_id", _Id, nullable=False, server_default="1"),
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
    _library(primary_key=True),
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
    _library(primary_key=True),
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
    Column("creator_name", String(255), nullable=False, server_default=""),
    Column("description", Text, nullable=False),
    Column("ctime", BigInteger, nullable=False),
    Column("device_name", String(255)),
    Column("client_version", String(50)),
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
    Column("owner_id", _Id, ForeignKey("account.id", ondelete="SET NULL"), index=True),
    Column("owner_email", String(255), nullable=False),
    Column("organization_id", _Id, nullable=False, server_default="1"),
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
    _serial(),
    _library(),
    Column("path", Text, nullable=False),
    Column("path_hash", String(64), nullable=False),
    _account(),
    Column("locked_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),  # null: never
    UniqueConstraint("library_id", "path_hash"),
)

# Stamps of the newest change of locks and folder permissions, for clients that ask "since when".
library_stamp = Table(
    "library_stamp",
    metadata,
    _library(primary_key=True),
    Column("lock_stamp", BigInteger, nullable=False, server_default="0"),
    Column("permission_stamp", BigInteger, nullable=False, server_default="0"),
)

upload_temp = Table(
    "upload_temp",
    metadata,
    _library(primary_key=True),
    Column("path_hash", String(64), primary_key=True),
    Column("path", Text, nullable=False),
    Column("temp_name", String(64), nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("received_bytes", BigInteger, nullable=False),
    Column("account_email", String(255), nullable=False),
    Column("updated_at", BigInteger, nullable=False, index=True),
)

# --- sharing ------------------------------------------------------------------------------------------------

user_share = Table(
    "user_share",
    metadata,
    _serial(),
    _library(),
    _account("from_account_id"),
    _account("to_account_id"),
    Column("permission", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("library_id", "from_account_id", "to_account_id"),
    Index("user_share_to", "to_account_id"),
    Index("user_share_from", "from_account_id"),
)

group_share = Table(
    "group_share",
    metadata,
    _library(primary_key=True),
    Column("group_id", _Id, ForeignKey("group_.id", ondelete="CASCADE"), primary_key=True),
    _account("from_account_id"),
    Column("permission", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("group_share_group", "group_id"),
    Index("group_share_from", "from_account_id"),
)

public_share = Table(
    "public_share",
    metadata,
    _library(primary_key=True),
    Column("organization_id", _Id, primary_key=True, server_default="1"),
    Column("permission", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("public_share_organization", "organization_id"),
)

folder_user_permission = Table(
    "folder_user_permission",
    metadata,
    _serial(),
    _library(),
    Column("path", Text, nullable=False),
    Column("path_hash", String(64), nullable=False),
    _account(),
    Column("permission", String(20), nullable=False),
    UniqueConstraint("library_id", "path_hash", "account_id"),
)

folder_group_permission = Table(
    "folder_group_permission",
    metadata,
    _serial(),
    _library(),
    Column("path", Text, nullable=False),
    Column("path_hash", String(64), nullable=False),
    Column("group_id", _Id, ForeignKey("group_.id", ondelete="CASCADE"), nullable=False),
    Column("permission", String(20), nullable=False),
    UniqueConstraint("library_id", "path_hash", "group_id"),
)

share_link = Table(
    "share_link",
    metadata,
    Column("token", String(100), primary_key=True),
    _account(),
    _library(),
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
    _account(),
    _library(),
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
    _serial(),
    _account(),
    _library(),
    Column("path", Text, nullable=False),
    Column("path_hash", String(64), nullable=False),
    Column("is_dir", Boolean, nullable=False),
    UniqueConstraint("account_id", "library_id", "path_hash"),
    Index("starred_item_library", "library_id"),
)

snapshot_label = Table(
    "snapshot_label",
    metadata,
    _serial(),
    _library(),
    Column("commit_id", String(40), nullable=False),
    Column("name", String(255), nullable=False),
    _account(),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("library_id", "commit_id", "name"),
)

# --- devices ------------------------------------------------------------------------------------------------

# What an operator decided about a device, and what it said of itself. Links tie it to accounts.
device = Table(
    "device",
    metadata,
    _serial(),
    Column("uid", String(36), nullable=False, unique=True),
    Column("identifier", String(128), nullable=False),
    Column("organization_id", _Id, ForeignKey("organization.id"), nullable=False, server_default="1"),
    Column("kind", String(20), nullable=False, server_default="managed"),
    Column("display_name", String(100), nullable=False, server_default=""),
    Column("platform", String(20), nullable=False, server_default="other"),
    Column("approval", String(20), nullable=False, server_default="approved"),
    Column("admin_state", String(20), nullable=False, server_default="ACTIVE"),
    Column("expired", Boolean, nullable=False, server_default=false()),
    Column("posture", String(20), nullable=False, server_default="unreported"),
    # Text of the first critical issue.
    Column("posture_issue", String(255), nullable=False, server_default=""),
    Column("exempted_at", BigInteger),  # null: no exemption
    Column("exempt_until", BigInteger),  # null beside `exempted_at`: for ever
    Column("last_seen", BigInteger),
    Column("last_ip", String(45), nullable=False, server_default=""),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),
    Column("row_version", BigInteger, nullable=False, server_default="1"),
    UniqueConstraint("organization_id", "identifier"),
)

# Names under which a device is known again although the link that brought them is gone: ids that its clients
# chose.
device_alias = Table(
    "device_alias",
    metadata,
    _serial(),
    Column("device_id", _Id, ForeignKey("device.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(20), nullable=False),  # client, hwid
    Column("platform", String(32), nullable=False, server_default=""),
    Column("value", String(128), nullable=False),
    UniqueConstraint("device_id", "kind", "platform", "value"),
    Index("device_alias_value", "value"),
)

device_link = Table(
    "device_link",
    metadata,
    _serial(),
    Column("device_id", _Id, ForeignKey("device.id", ondelete="CASCADE"), nullable=False, index=True),
    _account(),
    Column("platform", String(32), nullable=False),
    Column("client_device_id", String(40), nullable=False),
    Column("device_name", String(255), nullable=False),
    Column("platform_version", String(16), nullable=False, server_default=""),
    Column("client_version", String(16), nullable=False, server_default=""),
    Column("app_status", String(20), nullable=False, server_default="ENABLED"),
    Column("last_accessed", BigInteger, nullable=False),
    Column("last_login_ip", String(45), nullable=False, server_default=""),
    Column("created_at", BigInteger, nullable=False),
    Column("wiped_at", BigInteger),
    Column("wipe_source", String(20)),
    UniqueConstraint("account_id", "platform", "client_device_id"),
    Index("device_link_client", "platform", "client_device_id"),
    Index("device_link_seen", "platform", "last_accessed"),
)

# One library for one account, and the device whose API token obtained it. Sealed as `api_token.sealed` is.
sync_token = Table(
    "sync_token",
    metadata,
    _serial(),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("sealed", LargeBinary, nullable=False),
    _library(),
    _account(),
    Column("device_link_id", _Id, ForeignKey("device_link.id", ondelete="CASCADE"), index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("peer_id", String(40), index=True),
    Column("peer_name", String(255)),
    Column("peer_ip", String(45)),
    Column("client_version", String(20)),
    Column("synced_at", BigInteger),
    Index("sync_token_account", "account_id"),
    Index("sync_token_library", "library_id", "account_id"),
)

# The collection generation that a client saw when it pushed a commit, compared when it moves the head.
pushed_generation = Table(
    "pushed_generation",
    metadata,
    _library(primary_key=True),
    Column("sync_token_id", _Id, ForeignKey("sync_token.id", ondelete="CASCADE"), primary_key=True),
    Column("generation", String(36), nullable=False),
    Index("pushed_generation_token", "sync_token_id"),
)

device_error = Table(
    "device_error",
    metadata,
    _serial(),
    Column("account_email", String(255), nullable=False),
    Column("device_name", String(255), nullable=False, server_default=""),
    Column("device_ip", String(45), nullable=False, server_default=""),
    Column("client_version", String(20), nullable=False, server_default=""),
    Column("peer_id", String(40), nullable=False, server_default=""),
    Column("library_id", String(36), nullable=False),
    Column("library_name", String(255), nullable=False, server_default=""),
    Column("message", String(255), nullable=False),
    Column("count", Integer, nullable=False, server_default="1"),
    Column("at", BigInteger, nullable=False, index=True),
    UniqueConstraint("account_email", "peer_id", "library_id", "message"),
)

# --- short-lived state that every worker must see -----------------------------------------------------------

# File server tokens. `object` is an object id or JSON, as the operation asks. Account, API token, device
# link and link (if any) are checked again at use. The token of a link's bearer carries the account that
# made the link.
access_token = Table(
    "access_token",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    _library(),
    Column("operation", String(30), nullable=False),
    Column("object", Text, nullable=False),
    Column("account_id", _Id, index=True),  # null: the server itself
    Column("account_email", String(255), nullable=False),
    Column("device_link_id", _Id),
    Column("api_token_id", _Id),
    Column("share_link_token", String(100)),
    Column("upload_link_token", String(100)),
    Column("one_time", Boolean, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

# The file key of an encrypted library for one account, sealed under the server's secret, for one hour.
library_unlock = Table(
    "library_unlock",
    metadata,
    _library(primary_key=True),
    _account(primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

transfer_task = Table(
    "transfer_task",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(10), nullable=False),  # copy, move, zip
    Column("account_id", _Id),
    Column("state", String(12), nullable=False),  # waiting, running, done, failed, canceled
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

# --- activity and audit -------------------------------------------------------------------------------------

activity = Table(
    "activity",
    metadata,
    _serial(),
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
    _serial(),
    Column("at", BigInteger, nullable=False, index=True),
    Column("tag", String(64), nullable=False),  # source:subject:action, such as api:file:download
    Column("actor", String(255), nullable=False),
    Column("ip", String(45), nullable=False, server_default=""),
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
    _serial(),
    Column("kind", String(30), nullable=False),
    Column("library_id", String(36)),
    Column("payload", Text, nullable=False),
    Column("at", BigInteger, nullable=False, index=True),
)

setting = Table(
    "setting", metadata, Column("key", String(64), primary_key=True), Column("value", Text, nullable=False)
)

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))
