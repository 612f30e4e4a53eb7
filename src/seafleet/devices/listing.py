"""Lists of devices: filters, every order that a dialect asks for, and pages by the last key that was shown.

A page that continues from a position neither repeats nor skips a device whose sort key did not change,
whatever comes and goes before it.

Source: MobileFirst devices §3; MetaAccess devices §5.1; device registry §9, §12.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, false, func, literal_column, not_, or_, select, true

from seafleet.db.tables import account, device, device_app, device_group_member, device_link, device_mac
from seafleet.devices.change import sort_key
from seafleet.devices.licensing import last_covered, license_reader
from seafleet.devices.loading import load
from seafleet.devices.macs import normal_mac
from seafleet.devices.record import METAACCESS_CODES, MOBILEFIRST_STATUSES, Device
from seafleet.text import is_storable

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Row, Select

    from seafleet.clock import Clock
    from seafleet.db.engine import Database
    from seafleet.devices.settings import SettingsStore

    Condition = ColumnElement[bool]

CHUNK: Final = 500
_of = device.c
# Spelled out, not bound: SQLite compares it with the condition of the index.
_NON_COMPLIANT: Final = _of.posture == literal_column("'non_compliant'")


class Sort(StrEnum):
    """An order of devices; what is equal comes by uid, ascending in either direction."""

    UID = "uid"
    NAME = "name"
    MODEL = "model"
    PLATFORM = "platform"
    STATUS = "status"
    LAST_SEEN = "last_seen"
    ENROLLED = "enrolled"
    ID = "id"


_KEYS: Final[dict[Sort, tuple[ColumnElement[Any], ColumnElement[Any]]]] = {
    Sort.UID: (_of.uid, _of.uid),
    Sort.NAME: (_of.name_key, _of.uid),
    Sort.MODEL: (_of.model_key, _of.uid),
    Sort.PLATFORM: (_of.platform, _of.uid),
    Sort.STATUS: (_of.status, _of.uid),
    Sort.LAST_SEEN: (_of.last_seen, _of.uid),
    Sort.ENROLLED: (_of.enrolled_at, _of.id),
    Sort.ID: (_of.id, _of.id),
}


@dataclass(frozen=True, slots=True)
class Position:
    """The place of a device in an order: its sort key and what decides between equal ones."""

    key: str | int
    tie: str | int


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Which devices. Members that are None or empty do not restrict; values inside one are alternatives.

    `kind` is `managed` or `sighting`. `statuses` are MobileFirst's words (upper case) or MetaAccess' (lower
    case). `text` is a part of the display name or of a user's address, without case; with `wide` also of the
    model, or a whole hardware id, identifier, uid or MAC address. `severities`: `critical`, `warning`,
    `no_issues`. `wiping` asks for those with a wipe that is not done, of the device or of a client.
    `agent_reports` are spans of time (from, before) in which the last report of an agent lies.
    Records that were removed come only with `removed_since`, and then they alone.
    """

    organization_id: int | None = None
    kind: str | None = None
    statuses: tuple[str, ...] = ()
    group_ids: tuple[int, ...] = ()
    emails: tuple[str, ...] = ()
    text: str = ""
    wide: bool = False
    admin_states: tuple[str, ...] = ()
    approvals: tuple[str, ...] = ()
    postures: tuple[str, ...] = ()
    wiping: bool = False
    platforms: tuple[str, ...] = ()
    machine_types: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    agent_types: tuple[str, ...] = ()
    agent_reports: tuple[tuple[datetime | None, datetime | None], ...] = ()
    updated_since: datetime | None = None
    removed_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list. `total` counts all that the filter lets through; `first` and `last` are the places of
    the border rows; `has_more` tells whether anything follows in the direction that was read.
    """

    devices: tuple[Device, ...]
    total: int
    first: Position | None
    last: Position | None
    has_more: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """How many managed devices there are, and how many of them want to be looked at. `pending` and `expired`
    leave out what an operator has blocked.
    """

    managed: int
    pending: int
    lost: int
    stolen: int
    disabled: int
    non_compliant: int
    expired: int


class Listing:
    """Answers lists of devices."""

    def __init__(self, database: Database, clock: Clock, settings: SettingsStore) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings

    def page(
        self,
        wanted: DeviceFilter,
        *,
        sort: Sort = Sort.UID,
        descending: bool = False,
        limit: int = 100,
        after: Position | None = None,
        before: Position | None = None,
        offset: int = 0,
    ) -> Page:
        """Return the devices after a position, or the last ones before it; `offset` skips rows."""
        backwards = before is not None and after is None
        with self._database.read() as connection:
            condition = self._condition(connection, wanted)
            total = _count(connection, condition)
            border = before if backwards else after
            if border is not None:
                condition = and_(condition, beyond(sort, border, descending=descending, backwards=backwards))
            statement = _ordered(sort, condition, descending=descending, backwards=backwards)
            rows = list(connection.execute(statement.limit(limit + 1).offset(offset)))
            has_more = len(rows) > limit
            rows = rows[:limit]
            if backwards:
                rows.reverse()
            devices = load(connection, rows, self._license(connection))
        first, last = (_position(sort, rows[0]), _position(sort, rows[-1])) if rows else (None, None)
        return Page(tuple(devices), total, first, last, has_more)

    def count(self, wanted: DeviceFilter) -> int:
        """Return how many devices there are."""
        with self._database.read() as connection:
            return _count(connection, self._condition(connection, wanted))

    def count_before(self, wanted: DeviceFilter, sort: Sort, position: Position, *, descending: bool) -> int:
        """Return how many devices come before a place in an order."""
        with self._database.read() as connection:
            condition = self._condition(connection, wanted)
            earlier = beyond(sort, position, descending=descending, backwards=True)
            return _count(connection, and_(condition, earlier))

    def stream(self, wanted: DeviceFilter) -> Iterator[Device]:
        """Yield devices by ascending number, a few hundred in memory at a time."""
        after: Position | None = None
        while True:
            with self._database.read() as connection:
                condition = self._condition(connection, wanted)
                if after is not None:
                    condition = and_(condition, beyond(Sort.ID, after, descending=False, backwards=False))
                rows = connection.execute(_ordered(Sort.ID, condition).limit(CHUNK)).all()
                devices = load(connection, rows, self._license(connection))
            yield from devices
            if len(rows) < CHUNK:
                return
            after = _position(Sort.ID, rows[-1])

    def tally(self, organization_id: int | None = None) -> Tally:
        """Count the managed devices by what an administrator looks for first; indexes count each of them."""
        here = [_presence(DeviceFilter()), *_simple(DeviceFilter(organization_id))]
        managed = [*here, _of.kind == "managed"]
        conditions = (
            managed,
            [*here, _of.status == "DISABLED", _of.admin_state == "ACTIVE", _of.approval == "pending"],
            [*here, _of.status == "LOST"],
            [*here, _of.status == "STOLEN"],
            [*here, _of.status == "DISABLED", _of.admin_state == "DISABLED"],
            [*managed, _NON_COMPLIANT],
            [*here, _of.status == "EXPIRED"],
        )
        counts = [
            select(func.count()).select_from(device).where(*parts).scalar_subquery() for parts in conditions
        ]
        with self._database.read() as connection:
            row = connection.execute(select(*counts)).one()
        return Tally(*map(int, row))

    def app_names(self, organization_id: int) -> list[str]:
        """Return the names of the applications on an organization's devices, in ascending order."""
        statement = (
            select(device_app.c.name)
            .distinct()
            .join(device, device.c.id == device_app.c.device_id)
            .where(_of.organization_id == organization_id, _of.removed_at.is_(None))
        )
        with self._database.read() as connection:
            return sorted(connection.execute(statement).scalars())

    def _license(self, connection: Connection) -> Any:
        return license_reader(connection, self._settings.current.device_limit)

    def _condition(self, connection: Connection, wanted: DeviceFilter) -> Condition:
        parts = [_presence(wanted), *_simple(wanted), *_memberships(wanted)]
        if wanted.statuses:
            words = {word: self._status(connection, wanted, word) for word in wanted.statuses}
            parts.append(or_(*words.values()))
        if wanted.text:
            parts.append(_text(connection, wanted.text, wide=wanted.wide))
        return and_(*parts)

    def _status(self, connection: Connection, wanted: DeviceFilter, word: str) -> Condition:
        if word in MOBILEFIRST_STATUSES:
            return and_(_of.kind == "managed", _of.status == word)
        if word not in METAACCESS_CODES:
            return false()
        return _metaaccess(word, self._out(connection, wanted), self._clock.timestamp())

    def _out(self, connection: Connection, wanted: DeviceFilter) -> Condition:
        """Return the condition that the license does not cover a device."""
        limit = self._settings.current.device_limit
        if limit <= 0:
            return false()
        organizations = [wanted.organization_id]
        if wanted.organization_id is None:
            organizations = list(connection.execute(select(_of.organization_id).distinct()).scalars())
        parts: list[Condition] = [false()]
        for organization_id in organizations:
            assert organization_id is not None
            last = last_covered(connection, organization_id, limit)
            if last is not None:
                later = or_(_of.enrolled_at > last[0], and_(_of.enrolled_at == last[0], _of.id > last[1]))
                parts.append(and_(_of.organization_id == organization_id, later))
        return or_(*parts)


def beyond(sort: Sort, border: Position, *, descending: bool, backwards: bool) -> Condition:
    """Return the condition that a row comes after a place in an order; before it if `backwards`."""
    key, tie = _KEYS[sort]
    behind = tie < border.tie if backwards else tie > border.tie
    if key is tie:
        upwards = descending == backwards
        return key > border.key if upwards else key < border.key
    further = key > border.key if descending == backwards else key < border.key
    return or_(further, and_(key == border.key, behind))


def _ordered(
    sort: Sort, condition: Condition, *, descending: bool = False, backwards: bool = False
) -> Select[Any]:
    key, tie = _KEYS[sort]
    first = key.asc() if descending == backwards else key.desc()
    second = tie.desc() if backwards else tie.asc()
    statement = select(device).where(condition)
    return statement.order_by(first) if key is tie else statement.order_by(first, second)


def _position(sort: Sort, row: Row[Any]) -> Position:
    key, tie = _KEYS[sort]
    return Position(row._mapping[key], row._mapping[tie])


def _count(connection: Connection, condition: Condition) -> int:
    statement = select(func.count()).select_from(device).where(condition)
    return int(connection.execute(statement).scalar_one())


# -- conditions ----------------------------------------------------------------------------------------------


def _presence(wanted: DeviceFilter) -> Condition:
    if wanted.removed_since is None:
        return _of.removed_at.is_(None)
    return _of.removed_at >= int(wanted.removed_since.timestamp())


def _simple(wanted: DeviceFilter) -> Iterator[Condition]:
    """Yield the conditions on columns of the record."""
    if wanted.organization_id is not None:
        yield _of.organization_id == wanted.organization_id
    if wanted.kind is not None:
        yield _of.kind == wanted.kind
    for column, values in (
        (_of.admin_state, wanted.admin_states),
        (_of.approval, wanted.approvals),
        (_of.posture, wanted.postures),
        (_of.platform, wanted.platforms),
        (_of.machine_type, wanted.machine_types),
        (_of.agent_type, wanted.agent_types),
    ):
        if values:
            yield column.in_(values)
    if wanted.updated_since is not None:
        yield _of.updated_at >= int(wanted.updated_since.timestamp())
    if wanted.agent_reports:
        yield or_(*(_reported(since, before) for since, before in wanted.agent_reports))
    if wanted.severities:
        yield or_(*(_severity(word) for word in wanted.severities))


def _memberships(wanted: DeviceFilter) -> Iterator[Condition]:
    if wanted.group_ids:
        member = device_group_member.c
        yield _of.id.in_(select(member.device_id).where(member.group_id.in_(wanted.group_ids)))
    if wanted.wiping:
        yield _is_wiping()
    if wanted.emails:
        yield _of.id.in_(_used_by(account.c.email.in_([email.lower() for email in wanted.emails])))


def _is_wiping() -> Condition:
    told = select(device_link.c.device_id).where(device_link.c.wiped_at.is_not(None))
    return or_(_of.wipe.in_(("requested", "delivered", "failed")), _of.id.in_(told))


def _severity(word: str) -> Condition:
    if word == "critical":
        return _of.posture == "non_compliant"
    has_issues = _of.posture_issues != "[]"
    if word == "warning":
        return and_(has_issues, _of.posture != "non_compliant")
    if word == "no_issues":
        return and_(not_(has_issues), _of.posture != "non_compliant")
    return false()


def _reported(since: datetime | None, before: datetime | None) -> Condition:
    parts: list[Condition] = [_of.agent_reported_at.is_not(None)]
    if since is not None:
        parts.append(_of.agent_reported_at >= int(since.timestamp()))
    if before is not None:
        parts.append(_of.agent_reported_at < int(before.timestamp()))
    return and_(*parts)


def _used_by(condition: Condition) -> Select[Any]:
    return (
        select(device_link.c.device_id)
        .join(account, account.c.id == device_link.c.account_id)
        .where(condition)
    )


def _text(connection: Connection, text: str, *, wide: bool) -> Condition:
    if not is_storable(text):
        return false()
    folded = sort_key(text)
    parts = [_of.name_key.contains(folded, autoescape=True), *_by_user(connection, folded)]
    if wide:
        parts += [
            _of.model_key.contains(folded, autoescape=True),
            _of.uid == text.lower(),
            _of.identifier == text,
            _of.hwid_key == text.lower(),
        ]
        mac = normal_mac(text)
        if mac is not None:
            parts.append(_of.id.in_(select(device_mac.c.device_id).where(device_mac.c.mac == mac)))
    return or_(*parts)


def _by_user(connection: Connection, folded: str) -> list[Condition]:
    """Return the condition that a device is used by somebody whose address contains a text; none if nobody's
    does. Few users are named by number, so that the page does not look for them again.
    """
    called_so = account.c.email.contains(folded, autoescape=True)
    numbers = list(connection.execute(select(account.c.id).where(called_so).limit(CHUNK + 1)).scalars())
    if not numbers:
        return []
    few = device_link.c.account_id.in_(numbers)
    if len(numbers) <= CHUNK:
        return [_of.id.in_(select(device_link.c.device_id).where(few))]
    return [_of.id.in_(_used_by(called_so))]


def _metaaccess(word: str, out: Condition, now: int) -> Condition:
    """Return the condition that MetaAccess has this word for a device. Source: device registry §4."""
    managed = _of.kind == "managed"
    active, approved = _of.admin_state == "ACTIVE", _of.approval == "approved"
    exempt = and_(_of.exempted_at.is_not(None), or_(_of.exempt_until.is_(None), _of.exempt_until > now))
    covered = and_(managed, active, approved, not_(out))
    by_posture = and_(covered, not_(exempt))
    conditions: dict[str, Condition] = {
        "ignored": and_(_of.kind == "sighting", _of.ignored.is_(true())),
        "unknown": and_(_of.kind == "sighting", _of.ignored.is_(false())),
        "quarantined": and_(managed, not_(active)),
        "pending": and_(managed, active, not_(approved)),
        "out_of_license_usage": and_(managed, active, approved, out),
        "exempted": and_(covered, exempt),
        "non_compliant": and_(by_posture, _of.posture == "non_compliant"),
        "installed": and_(by_posture, _of.posture == "unreported"),
        "compliant": and_(by_posture, _of.posture == "compliant"),
    }
    return conditions[word]


def of_organization(organization_id: int, wanted: DeviceFilter | None = None) -> DeviceFilter:
    """Return a filter for the managed devices of one organization."""
    return replace(wanted or DeviceFilter(), organization_id=organization_id, kind="managed")
