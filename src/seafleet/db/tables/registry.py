"""What belongs to a device of the registry, and who may speak to the registry in which dialect."""

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

from seafleet.db.tables.columns import Id, account_key, metadata, ordered_text, serial


def _device(*, primary_key: bool = False) -> Column[int]:
    target = ForeignKey("device.id", ondelete="CASCADE")
    return Column("device_id", Id, target, primary_key=primary_key, nullable=False)


def _organization() -> Column[int]:
    return Column("organization_id", Id, ForeignKey("organization.id", ondelete="CASCADE"), nullable=False)


# Network interfaces. `mac` is 12 lower-case hex digits; several devices may have the same one.
device_mac = Table(
    "device_mac",
    metadata,
    _device(primary_key=True),
    Column("mac", String(12), primary_key=True),
    Column("interface", String(100), nullable=False, server_default=""),
    Column("ipv4", String(45), nullable=False, server_default=""),
    Column("ipv6", String(45), nullable=False, server_default=""),
    Column("dhcp", Boolean),
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Index("device_mac_mac", "mac"),
)

# Applications that reach the server from a device; links name theirs.
device_app = Table(
    "device_app",
    metadata,
    _device(primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("platform", String(20), nullable=False, server_default=""),
    Column("version", String(50), nullable=False, server_default=""),
    Column("status", String(10), nullable=False, server_default="ENABLED"),  # ENABLED, DISABLED
)

device_group = Table(
    "device_group",
    metadata,
    serial(),
    _organization(),
    Column("name", ordered_text(100), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    UniqueConstraint("organization_id", "name"),
)

# The group with the lowest position is the primary one.
device_group_member = Table(
    "device_group_member",
    metadata,
    _device(primary_key=True),
    Column("group_id", Id, ForeignKey("device_group.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, nullable=False),
    Index("device_group_member_group", "group_id", "device_id"),
)

device_attribute = Table(
    "device_attribute",
    metadata,
    _device(primary_key=True),
    Column("key", String(100), primary_key=True),
    Column("value", Text, nullable=False),
)

# What the agent is to do. `generation` is that of the enrolment for which it was ordered.
device_command = Table(
    "device_command",
    metadata,
    serial(),
    _device(),
    Column("type", String(30), nullable=False),
    Column("params", Text, nullable=False),  # JSON
    Column("state", String(12), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(255), nullable=False, server_default=""),
    Column("delivered_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("detail", Text, nullable=False, server_default=""),
    Index("device_command_device", "device_id", "state", "id"),
    Index("device_command_open", "state", "created_at"),
)

# The audit log of the registry. Rows outlive devices and accounts.
device_event = Table(
    "device_event",
    metadata,
    serial(),
    Column("at", BigInteger, nullable=False, index=True),
    Column("organization_id", Id, nullable=False),
    Column("device_id", Id),  # null: about the registry itself
    Column("device_uid", String(36), nullable=False, server_default=""),
    Column("device_name", String(100), nullable=False, server_default=""),
    Column("account_email", String(255)),  # whom alone it concerns, of those who use the device
    Column("actor_kind", String(20), nullable=False),
    Column("actor_name", String(255), nullable=False),
    Column("dialect", String(20), nullable=False),
    Column("action", String(40), nullable=False),
    Column("before", Text, nullable=False),  # JSON
    Column("after", Text, nullable=False),  # JSON
    Column("address", String(128), nullable=False, server_default=""),
    Column("request_id", String(64), nullable=False, server_default=""),
    Index("device_event_device", "device_id", "id"),
    Index("device_event_actor", "actor_name", "id"),
    Index("device_event_account", "account_email", "id"),
    Index("device_event_action", "action", "id"),
    Index("device_event_dialect", "dialect", "id"),
)

# Codes that let an agent in, as SHA-256.
enrolment_code = Table(
    "enrolment_code",
    metadata,
    serial(),
    Column("code_hash", String(64), nullable=False, unique=True),
    _organization(),
    Column("max_uses", Integer, nullable=False),  # 0: any number
    Column("uses", Integer, nullable=False, server_default="0"),
    Column("expires_at", BigInteger),  # null: never
    Column("group_id", Id, ForeignKey("device_group.id", ondelete="SET NULL")),
    Column("auto_approve", Boolean, nullable=False, server_default=false()),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(255), nullable=False, server_default=""),
)

# Who may use the MobileFirst dialect, in one runtime or in all ("*").
role_grant = Table(
    "role_grant",
    metadata,
    serial(),
    account_key(),
    Column("role", String(20), nullable=False),
    Column("runtime", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("account_id", "role", "runtime"),
)

# What the MobileFirst dialect reports of its changes. Times are in milliseconds.
mfp_transaction = Table(
    "mfp_transaction",
    metadata,
    serial(),
    _organization(),
    Column("type", String(40), nullable=False),
    Column("status", String(12), nullable=False),
    Column("user_name", String(255), nullable=False),
    Column("description", Text, nullable=False),  # JSON
    Column("errors", Text, nullable=False),  # JSON
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Index("mfp_transaction_organization", "organization_id", "created_at_ms", "id"),
)

# Applications that may speak the MetaAccess dialect, with the rights of the administrator who made them.
oauth_client = Table(
    "oauth_client",
    metadata,
    serial(),
    Column("client_id", String(64), nullable=False, unique=True),
    Column("secret_hash", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    _organization(),
    account_key(),
    Column("redirect_uris", Text, nullable=False),  # JSON
    Column("created_at", BigInteger, nullable=False),
)
