"""Clients as Seafile lists them: one row for each link that has an API token, and what it synchronises.

What is marked for wiping is left out, as are agents and clients that only hold sync tokens.

Source: Seafile devices §4, §6.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, exists, func, or_, select

from seafleet.db.tables import account, api_token, device_link, library, sync_token
from seafleet.devices.model import DESKTOP_PLATFORMS, PLATFORMS

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from seafleet.db.engine import Database

MOBILE_PLATFORMS: Final = PLATFORMS - DESKTOP_PLATFORMS
CONNECTED_SECONDS: Final = 3600

_link, _token = device_link.c, sync_token.c
_ROWS: Final = (
    select(
        _link.id,
        account.c.email,
        _link.platform,
        _link.client_device_id,
        _link.device_name,
        _link.client_version,
        _link.platform_version,
        _link.last_accessed,
        _link.last_login_ip,
    )
    .join(api_token, api_token.c.device_link_id == _link.id)
    .join(account, account.c.id == _link.account_id)
    .where(_link.wiped_at.is_(None))
)
_OF_ACCOUNT: Final = _ROWS.where(_link.account_id == bindparam("account")).order_by(
    _link.last_accessed.desc(), _link.platform, _link.client_device_id
)
# The rows of a page are found first, so that what is only shown is read for them alone.
_HAS_TOKEN: Final = exists(select(api_token.c.device_link_id).where(api_token.c.device_link_id == _link.id))
_ORDER: Final = (_link.last_accessed.desc(), _link.account_id, _link.platform, _link.client_device_id)
_PAGE_IDS: Final = select(_link.id).where(_link.wiped_at.is_(None)).order_by(*_ORDER)
_DEEP: Final = 5_000
"""From here on it is worth knowing beforehand which links have no token, rather than asking for each."""
_FEW: Final = 500
_NUMBERS: Final = select(
    select(func.count()).select_from(device_link).scalar_subquery(),
    select(func.count(api_token.c.device_link_id)).scalar_subquery(),
)
_WITHOUT_TOKEN: Final = select(_link.id).where(~_HAS_TOKEN).order_by(_link.id).limit(_FEW + 1)
_BY_IDS: Final = _ROWS.where(_link.id.in_(bindparam("ids", expanding=True))).order_by(*_ORDER)
_ALL_SYNCED: Final = (
    select(_link.id, library.c.id.label("library_id"), library.c.name, func.max(_token.synced_at).label("at"))
    .select_from(device_link)
    .join(
        sync_token,
        and_(
            _token.account_id == _link.account_id,
            or_(_token.device_link_id == _link.id, _token.peer_id == _link.client_device_id),
        ),
    )
    .join(library, library.c.id == _token.library_id)
    .where(_token.synced_at.is_not(None))
    .group_by(_link.id, library.c.id, library.c.name)
    .order_by(func.max(_token.synced_at).desc(), library.c.id)
)
_SYNCED: Final = _ALL_SYNCED.where(_link.account_id == bindparam("account"))
_SYNCED_ON: Final = _ALL_SYNCED.where(_link.device_id == bindparam("device"))
_COUNT: Final = (
    select(func.count())
    .select_from(device_link)
    .join(api_token, api_token.c.device_link_id == _link.id)
    .where(_link.wiped_at.is_(None))
)


@dataclass(frozen=True, slots=True)
class SyncedLibrary:
    """A library that a client synchronised last at `synced_at` (Unix seconds)."""

    library_id: str
    name: str
    synced_at: int


@dataclass(frozen=True, slots=True)
class Client:
    """A client that logged in. `last_accessed` is in Unix seconds."""

    link_id: int
    email: str
    platform: str
    device_id: str
    device_name: str
    client_version: str
    platform_version: str
    last_accessed: int
    last_login_ip: str
    synced: tuple[SyncedLibrary, ...] = ()

    @property
    def is_desktop(self) -> bool:
        """Tell whether a sync client runs there."""
        return self.platform in DESKTOP_PLATFORMS


class ClientList:
    """Reads the lists."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_account(self, account_id: int) -> list[Client]:
        """Return the clients of an account, desktops first, each kind by last use, newest first."""
        parameters = {"account": account_id}
        synced: dict[int, list[SyncedLibrary]] = defaultdict(list)
        with self._database.read() as connection:
            rows = connection.execute(_OF_ACCOUNT, parameters).all()
            for row in connection.execute(_SYNCED, parameters):
                synced[row.id].append(SyncedLibrary(row.library_id, row.name, row.at))
        clients = [Client(*row, synced=tuple(synced[row.id])) for row in rows]
        return sorted(clients, key=lambda client: not client.is_desktop)

    def synced_on(self, device_id: int) -> dict[int, list[SyncedLibrary]]:
        """Return what the clients of a device synchronise, by the numbers of their links, newest first."""
        found: dict[int, list[SyncedLibrary]] = defaultdict(list)
        with self._database.read() as connection:
            for row in connection.execute(_SYNCED_ON, {"device": device_id}):
                found[row.id].append(SyncedLibrary(row.library_id, row.name, row.at))
        return dict(found)

    def page(
        self, platforms: Sequence[str], offset: int, limit: int, organization_id: int | None = None
    ) -> tuple[list[Client], bool]:
        """Return clients of these platforms (none: of all), newest use first, and whether more follow."""
        statement: Any = _PAGE_IDS.offset(offset).limit(limit + 1)
        if platforms:
            statement = statement.where(_link.platform.in_(platforms))
        if organization_id is not None:
            members = select(account.c.id).where(account.c.organization_id == organization_id)
            statement = statement.where(_link.account_id.in_(members))
        with self._database.read() as connection:
            statement = statement.where(*_logged_in(connection, offset))
            ids = list(connection.execute(statement).scalars())
            rows = connection.execute(_BY_IDS, {"ids": ids[:limit]}).all()
        return [Client(*row) for row in rows], len(ids) > limit

    def counts(self, now: int) -> tuple[int, int]:
        """Return how many clients there are, and how many were seen within the last hour."""
        recent = _COUNT.where(_link.last_accessed >= now - CONNECTED_SECONDS)
        with self._database.read() as connection:
            return (
                int(connection.execute(_COUNT).scalar_one()),
                int(connection.execute(recent).scalar_one()),
            )


def _logged_in(connection: Connection, offset: int) -> list[ColumnElement[bool]]:
    """Return the conditions that a link has a token, in the form that is quickest after so many rows."""
    if offset < _DEEP:
        return [_HAS_TOKEN]
    links, tokens = connection.execute(_NUMBERS).one()
    if links == tokens:
        return []
    without = list(connection.execute(_WITHOUT_TOKEN).scalars())
    return [_link.id.not_in(without)] if len(without) <= _FEW else [_HAS_TOKEN]
