"""SQL of devices and their links, built once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, delete, exists, func, insert, or_, select, update

from seafleet.db.engine import upsert
from seafleet.db.tables import account, device, device_alias, device_app, device_link, sync_token
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
    device_link.c.wipe_delivered_at,
    device.c.wipe,
    device.c.last_seen,
    device.c.last_ip,
    device.c.blocked_contact_at,
)
STATE_WIDTH: Final = len(STATE_COLUMNS)


def unindexed(column: ColumnElement[int]) -> ColumnElement[int]:
    """Return a number's column as an expression that no index serves.

    SQLite does not know how many devices an organization has, and would look through all of them first where
    another condition leads to one row.
    """
    return column + 0


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
LINKS_BY_ID: Final = (
    select(*STATE_COLUMNS)
    .select_from(_LINK_AND_DEVICE)
    .where(device_link.c.id.in_(bindparam("link_ids", expanding=True)))
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
    select(device.c.id, device_alias.c.platform, device.c.removed_at, device.c.admin_state, device.c.wipe)
    .select_from(device_alias)
    .join(device, device.c.id == device_alias.c.device_id)
    .where(
        device_alias.c.kind == "client",
        device_alias.c.value == bindparam("client_device_id"),
        unindexed(device.c.organization_id) == bindparam("organization_id"),
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

_put_app = upsert(device_app).values({n: bindparam(n) for n in ("device_id", "name", "platform", "version")})
PUT_APP: Final = _put_app.on_conflict_do_update(
    index_elements=["device_id", "name"],
    set_={name: _put_app.excluded[name] for name in ("platform", "version")},
)
APP_STATUS: Final = select(device_app.c.status).where(
    device_app.c.device_id == bindparam("device_id"), device_app.c.name == bindparam("name")
)
INSERT_LINK: Final = insert(device_link)
DELETE_LINK: Final = delete(device_link).where(device_link.c.id == bindparam("link_id"))
SET_ASIDE: Final = (
    update(device_link)
    .where(device_link.c.id == bindparam("link_id"))
    .values(client_device_id=bindparam("unused"))
)
MARK_LINK: Final = (
    update(device_link)
    .where(device_link.c.id == bindparam("link_id"))
    .values(wiped_at=bindparam("at"), wipe_source=bindparam("source"))
)

# Tokens obtained through the link, and those whose client reported the link's id as its own.
_TOKENS_OF_LINK: Final = or_(
    sync_token.c.device_link_id == bindparam("link_id"),
    and_(
        sync_token.c.account_id == bindparam("account_id"),
        sync_token.c.peer_id == bindparam("client_device_id"),
    ),
)
DELETE_SYNC_TOKENS: Final = delete(sync_token).where(_TOKENS_OF_LINK)
SYNCED_LIBRARIES: Final = select(sync_token.c.library_id).distinct().where(_TOKENS_OF_LINK)

MARK_LINKS: Final = (
    update(device_link)
    .where(device_link.c.device_id == bindparam("device"), device_link.c.wiped_at.is_(None))
    .values(wiped_at=bindparam("at"), wipe_source="status", wipe_delivered_at=None)
)
# Also those that the operator's state had marked, and that have not heard of it: no state takes it back now.
MARK_LINKS_FOR_GOOD: Final = (
    update(device_link)
    .where(
        device_link.c.device_id == bindparam("device"),
        or_(
            device_link.c.wiped_at.is_(None),
            and_(device_link.c.wipe_source == "status", device_link.c.wipe_delivered_at.is_(None)),
        ),
    )
    .values(wiped_at=bindparam("at"), wipe_source="unlink", wipe_delivered_at=None)
)
UNMARK_LINKS: Final = (
    update(device_link)
    .where(
        device_link.c.device_id == bindparam("device"),
        device_link.c.wipe_source == "status",
        device_link.c.wipe_delivered_at.is_(None),
        device_link.c.wiped_at >= bindparam("since"),
    )
    .values(wiped_at=None, wipe_source=None)
)
DELIVER_LINK: Final = (
    update(device_link)
    .where(device_link.c.id == bindparam("link_id"), device_link.c.wipe_delivered_at.is_(None))
    .values(wipe_delivered_at=bindparam("at"))
)
_MARKED: Final = and_(device_link.c.wiped_at.is_not(None), device_link.c.wipe_delivered_at.is_(None))
MARKED_LINK: Final = (
    select(device_link.c.id)
    .where(device_link.c.device_id == bindparam("device"), device_link.c.wiped_at.is_not(None))
    .limit(1)
)
UNMARKED_LINK: Final = (
    select(device_link.c.id)
    .where(device_link.c.device_id == bindparam("device"), device_link.c.wiped_at.is_(None))
    .limit(1)
)
STATUS_MARKS: Final = select(func.count(), func.max(device_link.c.wipe_delivered_at)).where(
    device_link.c.device_id == bindparam("device"), device_link.c.wipe_source == "status"
)
UNTOLD_LINK: Final = (
    select(device_link.c.id).where(device_link.c.device_id == bindparam("device"), _MARKED).limit(1)
)
DELETE_LINKS: Final = delete(device_link).where(
    device_link.c.device_id == bindparam("device"),
    or_(device_link.c.wiped_at.is_(None), device_link.c.wipe_delivered_at.is_not(None)),
)
_LINKS_OF_DEVICE: Final = select(device_link.c.id).where(device_link.c.device_id == bindparam("device"))
DELETE_SYNC_TOKENS_OF_DEVICE: Final = delete(sync_token).where(
    or_(
        sync_token.c.device_link_id.in_(_LINKS_OF_DEVICE),
        exists().where(
            device_link.c.device_id == bindparam("device"),
            device_link.c.account_id == sync_token.c.account_id,
            device_link.c.client_device_id == sync_token.c.peer_id,
        ),
    )
)
FIRST_USER: Final = (
    select(account.c.email)
    .join(device_link, device_link.c.account_id == account.c.id)
    .where(device_link.c.device_id == bindparam("device"))
    .order_by(device_link.c.id)
    .limit(1)
)
HWID_ALIAS: Final = (
    upsert(device_alias)
    .values(device_id=bindparam("device"), kind="hwid", platform="", value=bindparam("value"))
    .on_conflict_do_nothing()
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
SEEN_SOMEWHERE: Final = (
    update(device).where(device.c.id == bindparam("device_id")).values(last_seen=bindparam("at"))
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
