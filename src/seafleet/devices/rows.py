"""SQL of devices and their links, built once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, delete, insert, or_, select, update

from seafleet.db.engine import upsert
from seafleet.db.tables import api_token, device, device_alias, device_link, sync_token
from seafleet.devices.model import DESKTOP_PLATFORMS, DeviceState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

# What every token look-up joins, in the order of the fields of `DeviceState`.
STATE_COLUMNS: Final[tuple[ColumnElement[Any], ...]] = (
    device.c.id,
    device_link.c.id,
    device_link.c.platform,
    device_link.c.client_device_id,
    device_link.c.device_name,
    device.c.admin_state,
    device.c.approval,
    device_link.c.app_status,
    device.c.posture,
    device.c.posture_issue,
    device.c.exempted_at,
    device.c.exempt_until,
    device.c.expired,
    device.c.removed_at,
    device_link.c.wiped_at,
    device_link.c.wipe_source,
)
STATE_WIDTH: Final = len(STATE_COLUMNS)


def to_state(columns: Sequence[Any]) -> DeviceState | None:
    """Return the state that `STATE_COLUMNS` of an outer join hold; None where no device was joined."""
    return None if columns[0] is None else DeviceState(*columns)


_LINK_AND_DEVICE: Final = device_link.join(device, device.c.id == device_link.c.device_id)

LINK: Final = (
    select(*STATE_COLUMNS)
    .select_from(_LINK_AND_DEVICE)
    .where(
        device_link.c.account_id == bindparam("account_id"),
        device_link.c.platform == bindparam("platform"),
        device_link.c.client_device_id == bindparam("client_device_id"),
    )
)
LINK_BY_ID: Final = (
    select(*STATE_COLUMNS).select_from(_LINK_AND_DEVICE).where(device_link.c.id == bindparam("link_id"))
)
# The account's own link first: by client id alone, for peer ids that sync clients report.
LINK_BY_CLIENT_ID: Final = (
    select(*STATE_COLUMNS)
    .select_from(_LINK_AND_DEVICE)
    .where(
        device_link.c.account_id == bindparam("account_id"),
        device_link.c.client_device_id == bindparam("client_device_id"),
    )
    .order_by(device_link.c.id)
    .limit(1)
)

# One machine, several accounts: whoever logs in next from it joins the record that is there. Without a
# present one the removed one that was there last.
_KNOWN: Final = (
    select(device.c.id, device_alias.c.platform, device.c.removed_at, device.c.admin_state)
    .select_from(device_alias)
    .join(device, device.c.id == device_alias.c.device_id)
    .where(
        device_alias.c.kind == "client",
        device_alias.c.value == bindparam("client_device_id"),
        device.c.organization_id == bindparam("organization_id"),
    )
    .order_by(device.c.removed_at.is_not(None), device.c.id.desc())
    .limit(1)
)
KNOWN_DEVICE: Final = _KNOWN.where(device_alias.c.platform == bindparam("platform"))
KNOWN_PEER: Final = _KNOWN.where(device_alias.c.platform.in_(sorted((*DESKTOP_PLATFORMS, "other"))))
INSERT_ALIAS: Final = (
    upsert(device_alias)
    .values({name: bindparam(name) for name in ("device_id", "platform", "value")} | {"kind": "client"})
    .on_conflict_do_nothing()
)

INSERT_DEVICE: Final = insert(device)
INSERT_LINK: Final = insert(device_link)
DELETE_LINK: Final = delete(device_link).where(device_link.c.id == bindparam("link_id"))
MARK_LINK: Final = (
    update(device_link)
    .where(device_link.c.id == bindparam("link_id"))
    .values(wiped_at=bindparam("at"), wipe_source=bindparam("source"))
)
DELETE_API_TOKEN_OF_LINK: Final = delete(api_token).where(api_token.c.device_link_id == bindparam("link_id"))

# Tokens obtained through the link, and those whose client reported the link's id as its own.
DELETE_SYNC_TOKENS: Final = delete(sync_token).where(
    or_(
        sync_token.c.device_link_id == bindparam("link_id"),
        and_(
            sync_token.c.account_id == bindparam("account_id"),
            sync_token.c.peer_id == bindparam("client_device_id"),
        ),
    )
)

UPDATE_AT_LOGIN: Final = (
    update(device_link)
    .where(device_link.c.id == bindparam("link_id"))
    .values(
        {
            name: bindparam(name)
            for name in (
                "device_name",
                "client_version",
                "platform_version",
                "last_accessed",
                "last_login_ip",
            )
        }
    )
)
SEEN: Final = (
    update(device)
    .where(device.c.id == bindparam("device_id"))
    .values(last_seen=bindparam("at"), last_ip=bindparam("ip"))
)
SEEN_AND_BACK: Final = SEEN.values(
    expired=False, updated_at=bindparam("at"), row_version=device.c.row_version + 1
)
TOUCH_LINK: Final = (
    update(device_link)
    .where(device_link.c.id == bindparam("link_id"))
    .values(
        {
            name: bindparam(name)
            for name in ("client_version", "platform_version", "last_accessed", "last_login_ip")
        }
    )
)
