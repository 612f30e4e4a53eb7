"""Devices, their links to accounts, sync tokens, what went wrong on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from seafleet.db.tables.columns import Id, account_key, library_key, metadata, ordered_text, serial

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

# What an operator decided about a device, and what it said of itself. Links tie it to accounts. A record that
# was removed stays: it is the tombstone by which a newcomer is known again. `*_key` columns hold the text in
# the form in which it is compared and sorted.
device = Table(
    "device",
    metadata,
    serial(),
    Column("uid", ordered_text(36), nullable=False, unique=True),
    Column("identifier", String(128), nullable=False),
    Column("organization_id", Id, ForeignKey("organization.id"), nullable=False, server_default="1"),
    Column("kind", String(20), nullable=False, server_default="managed"),  # managed, sighting
    Column("ignored", Boolean, nullable=False, server_default=false()),
    Column("hwid", String(128), nullable=False),
    Column("hwid_key", String(128)),  # null once removed
    Column("hwid_source", String(10), nullable=False, server_default="server"),
    Column("display_name", String(100), nullable=False, server_default=""),
    Column("name_key", ordered_text(300), nullable=False, server_default=""),
    Column("host_name", String(100), nullable=False, server_default=""),
    Column("owner", String(255)),  # null: never set
    Column("description", Text),  # null: never set
    Column("platform", ordered_text(20), nullable=False, server_default="other"),
    Column("machine_type", String(20), nullable=False, server_default="other"),
    Column("os_family", String(50), nullable=False, server_default=""),
    Column("os_name", String(100), nullable=False, server_default=""),
    Column("os_version", String(50), nullable=False, server_default=""),
    Column("architecture", String(50), nullable=False, server_default=""),
    Column("model", String(100), nullable=False, server_default=""),
    Column("model_key", ordered_text(300), nullable=False, server_default=""),
    Column("is_domain_controller", Boolean, nullable=False, server_default=false()),
    # What operators decided.
    Column("approval", String(20), nullable=False, server_default="approved"),
    Column("admin_state", String(20), nullable=False, server_default="ACTIVE"),
    Column("expired", Boolean, nullable=False, server_default=false()),
    # Follows from the three above; kept for sorting and filtering.
    Column("status", ordered_text(10), nullable=False, server_default="ACTIVE"),
    Column("exempted_at", BigInteger),  # null: no exemption
    Column("exempt_until", BigInteger),  # null beside `exempted_at`: for ever
    Column("exempted_by", String(255), nullable=False, server_default=""),
    Column("exempt_reason", String(255), nullable=False, server_default=""),
    Column("linked_user", String(255), nullable=False, server_default=""),
    Column("linked_user_group", String(255), nullable=False, server_default=""),
    # The wipe of the whole device; that of one link stands on the link.
    Column("wipe", String(12), nullable=False, server_default="none"),
    Column("wipe_source", String(20), nullable=False, server_default=""),
    Column("wipe_requested_at", BigInteger),
    Column("wipe_requested_by", String(255), nullable=False, server_default=""),
    Column("wipe_delivered_at", BigInteger),
    Column("wipe_done_at", BigInteger),
    # What the agent reported, and what follows from it.
    Column("posture", String(20), nullable=False, server_default="unreported"),
    # Text of the first critical issue.
    Column("posture_issue", String(255), nullable=False, server_default=""),
    Column("posture_issues", Text, nullable=False, server_default="[]"),  # JSON
    Column("posture_facts", Text, nullable=False, server_default="{}"),  # JSON
    Column("posture_evaluated_at", BigInteger),
    Column("agent_type", String(20)),  # null: no agent
    Column("agent_version", String(50), nullable=False, server_default=""),
    Column("agent_token_hash", String(64), unique=True),
    Column("agent_generation", Integer, nullable=False, server_default="0"),
    Column("agent_reported_at", BigInteger),
    Column("reported_users", Text, nullable=False, server_default="[]"),  # JSON
    Column("last_seen", BigInteger, nullable=False, server_default="0"),  # 0: never
    Column("last_ip", String(128), nullable=False, server_default=""),
    Column("blocked_contact_at", BigInteger),  # of the last event about it
    Column("created_at", BigInteger, nullable=False),
    Column("enrolled_at", BigInteger, nullable=False, server_default="0"),  # 0: a sighting
    Column("updated_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),
    Column("merged_into", Id, ForeignKey("device.id")),  # beside `removed_at`: where its keys lead
    Column("row_version", BigInteger, nullable=False, server_default="1"),
    UniqueConstraint("organization_id", "identifier"),
    UniqueConstraint("organization_id", "hwid_key"),
    Index("device_merged", "merged_into"),
)


def _present(name: str, *columns: str | ColumnElement[Any]) -> None:
    """Index the devices that were not removed; made for lists, which show no others."""
    condition = text("removed_at IS NULL")
    expressions = [device.c[each] if isinstance(each, str) else each for each in columns]
    Index(name, *expressions, sqlite_where=condition, postgresql_where=condition)


# One for each order in which devices are listed. What many devices have in common needs another one for the
# reverse, for equal ones come by uid in either direction.
_present("device_live", "organization_id", "kind", "id")
_present("device_by_id", "organization_id", "id")
_present("device_by_uid", "organization_id", "uid")
_present("device_by_name", "organization_id", "name_key", "uid")
_present("device_by_last_seen", "organization_id", "last_seen", "uid")
_present("device_by_enrolment", "organization_id", "enrolled_at", "id")
for _key in ("model_key", "platform", "status"):
    _present(f"device_by_{_key}", "organization_id", _key, "uid")
    _present(f"device_by_{_key}_down", "organization_id", device.c[_key].desc(), "uid")

# What administrators look for first among what has no order of its own.
_non_compliant = text("removed_at IS NULL AND posture = 'non_compliant'")
Index(
    "device_non_compliant",
    device.c.organization_id,
    device.c.kind,
    sqlite_where=_non_compliant,
    postgresql_where=_non_compliant,
)

Index(
    "device_removed",
    device.c.removed_at,
    sqlite_where=text("removed_at IS NOT NULL"),
    postgresql_where=text("removed_at IS NOT NULL"),
)

# Names under which a device is known again although the link that brought them is gone: ids that its clients
# chose.
device_alias = Table(
    "device_alias",
    metadata,
    serial(),
    Column("device_id", Id, ForeignKey("device.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(20), nullable=False),  # client, hwid
    Column("platform", String(32), nullable=False, server_default=""),
    Column("value", String(128), nullable=False),
    UniqueConstraint("device_id", "kind", "platform", "value"),
    Index("device_alias_value", "value"),
)

device_link = Table(
    "device_link",
    metadata,
    serial(),
    Column("device_id", Id, ForeignKey("device.id", ondelete="CASCADE"), nullable=False, index=True),
    account_key(),
    Column("platform", String(32), nullable=False),
    Column("client_device_id", String(40), nullable=False),
    Column("device_name", String(255), nullable=False),
    Column("platform_version", String(255), nullable=False, server_default=""),
    Column("client_version", String(255), nullable=False, server_default=""),
    Column("app_name", String(64), nullable=False, server_default=""),
    Column("app_status", String(20), nullable=False, server_default="ENABLED"),  # follows `device_app`
    Column("last_accessed", BigInteger, nullable=False),
    Column("last_login_ip", String(128), nullable=False, server_default=""),
    Column("created_at", BigInteger, nullable=False),
    Column("wiped_at", BigInteger),
    Column("wipe_source", String(20)),  # unlink, status
    Column("wipe_delivered_at", BigInteger),
    UniqueConstraint("account_id", "platform", "client_device_id"),
    Index("device_link_client", "platform", "client_device_id"),
    Index("device_link_seen", "platform", "last_accessed"),
    Index("device_link_recent", "last_accessed", "account_id", "platform", "client_device_id", "wiped_at"),
)

# One library for one account, and the device whose API token obtained it. Sealed as `api_token.sealed` is.
sync_token = Table(
    "sync_token",
    metadata,
    serial(),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("sealed", LargeBinary, nullable=False),
    library_key(),
    account_key(),
    Column("device_link_id", Id, ForeignKey("device_link.id", ondelete="CASCADE"), index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("peer_id", String(40), index=True),
    Column("peer_name", String(255)),
    Column("peer_ip", String(128)),
    Column("client_version", String(255)),
    Column("synced_at", BigInteger),
    Index("sync_token_account", "account_id"),
    Index("sync_token_library", "library_id", "account_id"),
)

# The collection generation that a client saw when it pushed a commit, compared when it moves the head.
pushed_generation = Table(
    "pushed_generation",
    metadata,
    library_key(primary_key=True),
    Column("sync_token_id", Id, ForeignKey("sync_token.id", ondelete="CASCADE"), primary_key=True),
    Column("generation", String(36), nullable=False),
    Index("pushed_generation_token", "sync_token_id"),
)

device_error = Table(
    "device_error",
    metadata,
    serial(),
    Column("account_email", String(255), nullable=False),
    Column("device_name", String(255), nullable=False, server_default=""),
    Column("device_ip", String(128), nullable=False, server_default=""),
    Column("client_version", String(255), nullable=False, server_default=""),
    Column("peer_id", String(40), nullable=False, server_default=""),
    Column("library_id", String(36), nullable=False),
    Column("library_name", String(255), nullable=False, server_default=""),
    Column("message", String(255), nullable=False),
    Column("count", Integer, nullable=False, server_default="1"),
    Column("at", BigInteger, nullable=False, index=True),
    UniqueConstraint("account_email", "peer_id", "library_id", "message"),
)
