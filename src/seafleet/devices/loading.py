"""Reads records with everything around them: one query for each table, however many devices."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select

from seafleet.db.tables import (
    account,
    device,
    device_alias,
    device_app,
    device_attribute,
    device_command,
    device_group,
    device_group_member,
    device_link,
    device_mac,
)
from seafleet.devices.record import (
    Agent,
    App,
    Device,
    Exemption,
    GroupRef,
    Interface,
    Issue,
    Link,
    Posture,
    Wipe,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row, Select

_IDS: Final[Any] = bindparam("ids", expanding=True)
_QUERY_LIMIT: Final = 500

BY_IDS: Final = select(device).where(device.c.id.in_(_IDS))
_MACS: Final = (
    select(device_mac)
    .where(device_mac.c.device_id.in_(_IDS))
    .order_by(device_mac.c.first_seen, device_mac.c.mac)
)
_LINKS: Final = (
    select(device_link, account.c.email, account.c.name)
    .join(account, account.c.id == device_link.c.account_id)
    .where(device_link.c.device_id.in_(_IDS))
    .order_by(device_link.c.id)
)
_APPS: Final = select(device_app).where(device_app.c.device_id.in_(_IDS)).order_by(device_app.c.name)
_GROUPS: Final = (
    select(device_group_member.c.device_id, device_group.c.id, device_group.c.name)
    .join(device_group, device_group.c.id == device_group_member.c.group_id)
    .where(device_group_member.c.device_id.in_(_IDS))
    .order_by(device_group_member.c.position, device_group.c.name)
)
_ATTRIBUTES: Final = (
    select(device_attribute)
    .where(device_attribute.c.device_id.in_(_IDS))
    .order_by(device_attribute.c.device_id, device_attribute.c.key)
)
_ALIASES: Final = (
    select(device_alias.c.device_id, device_alias.c.value)
    .where(device_alias.c.device_id.in_(_IDS), device_alias.c.kind == "hwid")
    .order_by(device_alias.c.id)
)
OPEN_STATES: Final = ("queued", "delivered")
_PENDING: Final = (
    select(device_command.c.device_id, device_command.c.type)
    .where(device_command.c.device_id.in_(_IDS), device_command.c.state.in_(OPEN_STATES))
    .order_by(device_command.c.id)
)

License = Callable[["Row[Any]"], str]


def moment(seconds: int | None) -> datetime | None:
    """Return a time of the database, None for none."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def sure(seconds: int) -> datetime:
    """Return a time of the database that is always set."""
    return datetime.fromtimestamp(seconds, UTC)


def load(connection: Connection, rows: Sequence[Row[Any]], license_of: License) -> list[Device]:
    """Return the records of rows of the table, in their order."""
    found: list[Device] = []
    for first in range(0, len(rows), _QUERY_LIMIT):
        found += _load_some(connection, rows[first : first + _QUERY_LIMIT], license_of)
    return found


def _load_some(connection: Connection, rows: Sequence[Row[Any]], license_of: License) -> list[Device]:
    if not rows:
        return []
    ids = [row.id for row in rows]

    def around(statement: Select[Any], make: Callable[[Any], Any]) -> dict[int, list[Any]]:
        parts: dict[int, list[Any]] = defaultdict(list)
        for part in connection.execute(statement, {"ids": ids}):
            parts[part.device_id].append(make(part))
        return parts

    macs, links, apps = around(_MACS, _interface), around(_LINKS, _link), around(_APPS, _app)
    groups = around(_GROUPS, lambda part: GroupRef(part.id, part.name))
    attributes = around(_ATTRIBUTES, lambda part: (part.key, part.value))
    aliases = around(_ALIASES, lambda part: part.value)
    pending = around(_PENDING, lambda part: part.type)
    return [
        _device(
            row,
            license=license_of(row),
            macs=tuple(macs[row.id]),
            links=tuple(links[row.id]),
            apps=tuple(apps[row.id]),
            groups=tuple(groups[row.id]),
            attributes=dict(attributes[row.id]),
            aliases=tuple(aliases[row.id]),
            pending=tuple(pending[row.id]),
        )
        for row in rows
    ]


_PLAIN: Final = (
    "id",
    "uid",
    "identifier",
    "organization_id",
    "kind",
    "ignored",
    "hwid",
    "hwid_source",
    "display_name",
    "host_name",
    "owner",
    "description",
    "platform",
    "machine_type",
    "os_family",
    "os_name",
    "os_version",
    "architecture",
    "model",
    "is_domain_controller",
    "approval",
    "admin_state",
    "expired",
    "linked_user",
    "linked_user_group",
    "last_ip",
    "merged_into",
    "row_version",
)


def _device(row: Row[Any], **around: Any) -> Device:
    columns = row._mapping
    return Device(
        **{name: columns[name] for name in _PLAIN},
        wipe=_wipe(row),
        posture=Posture(row.posture, issues_of(row.posture_issues), moment(row.posture_evaluated_at)),
        exemption=_exemption(row),
        agent=_agent(row),
        reported_users=tuple(_items(row.reported_users)),
        last_seen=moment(row.last_seen or None),
        created_at=sure(row.created_at),
        enrolled_at=moment(row.enrolled_at or None),
        updated_at=sure(row.updated_at),
        removed_at=moment(row.removed_at),
        **around,
    )


def issues_of(text: str) -> tuple[Issue, ...]:
    """Return the issues that a row holds."""
    return tuple(Issue(*item) for item in _items(text))


def _items(text: str) -> list[Any]:
    """Return the list that a column holds; most are empty."""
    return [] if text == "[]" else json.loads(text)


def issues_text(issues: Iterable[Issue]) -> str:
    """Return the issues as a row holds them."""
    return json.dumps([[issue.code, issue.severity, issue.text] for issue in issues])


def _wipe(row: Any) -> Wipe:
    return Wipe(
        row.wipe,
        row.wipe_source,
        moment(row.wipe_requested_at),
        row.wipe_requested_by,
        moment(row.wipe_delivered_at),
        moment(row.wipe_done_at),
    )


def _exemption(row: Any) -> Exemption | None:
    if row.exempted_at is None:
        return None
    return Exemption(moment(row.exempt_until), row.exempted_by, sure(row.exempted_at), row.exempt_reason)


def _agent(row: Any) -> Agent | None:
    if row.agent_type is None:
        return None
    return Agent(row.agent_type, row.agent_version, row.agent_generation, moment(row.agent_reported_at))


def _interface(row: Any) -> Interface:
    first, last = sure(row.first_seen), sure(row.last_seen)
    return Interface(row.mac, row.interface, row.ipv4, row.ipv6, row.dhcp, first, last)


def _app(row: Any) -> App:
    return App(row.name, row.platform, row.version, row.status)


def _link(row: Any) -> Link:
    return Link(
        link_id=row.id,
        account_id=row.account_id,
        email=row.email,
        account_name=row.name,
        platform=row.platform,
        client_device_id=row.client_device_id,
        device_name=row.device_name,
        client_version=row.client_version,
        platform_version=row.platform_version,
        app_name=row.app_name,
        app_status=row.app_status,
        last_accessed=sure(row.last_accessed),
        last_login_ip=row.last_login_ip,
        created_at=sure(row.created_at),
        wiped_at=moment(row.wiped_at),
        wipe_source=row.wipe_source,
        wipe_delivered_at=moment(row.wipe_delivered_at),
    )
