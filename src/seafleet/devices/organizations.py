"""Organizations as the registry needs them: runtime names, API tokens, posture policies of their own.

Number 1 is the server itself; those belong to it who are in no other.

Source: device registry §2, §9, §13.12, §13.13; Device Magic devices §2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, insert, select, update

from seafleet.db.tables import account, device, organization
from seafleet.devices import groups
from seafleet.devices.change import write_event
from seafleet.devices.editing import UNSET, Unset
from seafleet.devices.errors import StillInUse
from seafleet.devices.loading import sure
from seafleet.devices.posture import Check, parse_policy
from seafleet.devices.posture_runs import evaluate_all
from seafleet.errors import AlreadyExists, InvalidArgument, OrganizationNotFound, TokenNotFound
from seafleet.secrets import hash_token, new_token
from seafleet.text import require_storable

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.devices.origin import Origin
    from seafleet.devices.settings import SettingsStore
    from seafleet.ids import RandomSource

SERVER_ID: Final = 1
MAX_NAME: Final = 255

_of = organization.c
_is_runtime = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_ALL: Final = select(organization).order_by(_of.id)
_BY_ID: Final = select(organization).where(_of.id == bindparam("key"))
_BY_RUNTIME: Final = select(organization).where(_of.runtime == bindparam("key"))
_BY_TOKEN: Final = select(organization).where(_of.device_token_hash == bindparam("key"))
_INSERT: Final = insert(organization)
_HAS_DEVICE: Final = (
    select(device.c.id)
    .where(device.c.organization_id == bindparam("key"), device.c.removed_at.is_(None))
    .limit(1)
)
_HAS_ACCOUNT: Final = select(account.c.id).where(account.c.organization_id == bindparam("key")).limit(1)


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization. `posture_policy` is its own, None for the one of the settings; `has_token` tells
    whether there is a token for the Device Magic API.
    """

    id: int
    name: str
    runtime: str
    running: bool
    created_at: datetime
    has_token: bool
    posture_policy: tuple[Check, ...] | None


class DeviceOrganizations:
    """The organizations of the server."""

    def __init__(
        self, database: Database, clock: Clock, random: RandomSource, settings: SettingsStore
    ) -> None:
        self._database = database
        self._clock = clock
        self._random = random
        self._settings = settings

    def all(self) -> list[Organization]:
        """Return every organization, by number."""
        with self._database.read() as connection:
            return [_organization(row) for row in connection.execute(_ALL)]

    def get(self, organization_id: int) -> Organization:
        """Return an organization. Raises OrganizationNotFound."""
        return self._one(_BY_ID, organization_id)

    def by_runtime(self, runtime: str) -> Organization:
        """Return the organization of a runtime, running or not. Raises OrganizationNotFound."""
        if _is_runtime(runtime) is None:
            raise OrganizationNotFound(runtime)
        return self._one(_BY_RUNTIME, runtime)

    def by_token(self, token: str) -> Organization:
        """Return the organization that a Device Magic token stands for. Raises TokenNotFound."""
        try:
            return self._one(_BY_TOKEN, hash_token(token))
        except OrganizationNotFound:
            raise TokenNotFound("organization") from None

    def create(self, name: str, runtime: str, origin: Origin, *, running: bool = True) -> Organization:
        """Make an organization with the group `Default`.

        Raises InvalidArgument("name" or "runtime"), AlreadyExists("runtime").
        """
        now = self._clock.timestamp()
        values = {
            "name": _check_name(name),
            "runtime": _check_runtime(runtime),
            "running": running,
            "created_at": now,
        }

        def work(tx: Transaction) -> int:
            _check_free(tx, runtime)
            key = tx.execute(_INSERT, values).inserted_primary_key
            assert key is not None
            groups.default_group(tx, key[0], now)
            after = {"name": name, "runtime": runtime, "running": running}
            write_event(tx, origin, "organization_created", now, organization_id=key[0], after=after)
            return int(key[0])

        return self.get(self._database.write(work))

    def update(
        self,
        organization_id: int,
        origin: Origin,
        *,
        name: str | None = None,
        runtime: str | None = None,
        running: bool | None = None,
        posture_policy: object | Unset = UNSET,
    ) -> Organization:
        """Change what is given. A policy is a list as JSON holds it, None for that of the settings; devices
        are judged by it at once.

        Raises OrganizationNotFound, InvalidArgument, AlreadyExists("runtime").
        """
        values: dict[str, Any] = {}
        if name is not None:
            values["name"] = _check_name(name)
        if runtime is not None:
            values["runtime"] = _check_runtime(runtime)
        if running is not None:
            values["running"] = running
        if not isinstance(posture_policy, Unset):
            values["posture_policy"] = _policy_text(posture_policy)
        now = self._clock.timestamp()

        def work(tx: Transaction) -> None:
            row = tx.execute(_BY_ID, {"key": organization_id}).one_or_none()
            if row is None:
                raise OrganizationNotFound(organization_id)
            new = {key: value for key, value in values.items() if row._mapping[key] != value}
            if "runtime" in new:
                _check_free(tx, new["runtime"])
            if not new:
                return
            tx.execute(update(organization).where(_of.id == organization_id).values(new))
            before = {key: row._mapping[key] for key in new}
            write_event(
                tx,
                origin,
                "organization_changed",
                now,
                organization_id=organization_id,
                before=before,
                after=new,
            )

        self._database.write(work)
        if "posture_policy" in values:
            evaluate_all(self._database, self._settings, now, organization_id)
        return self.get(organization_id)

    def delete(self, organization_id: int, origin: Origin) -> None:
        """Delete an organization that has neither devices nor members.

        Raises OrganizationNotFound, StillInUse; the server itself cannot be deleted.
        """
        now = self._clock.timestamp()

        def work(tx: Transaction) -> None:
            row = tx.execute(_BY_ID, {"key": organization_id}).one_or_none()
            if row is None:
                raise OrganizationNotFound(organization_id)
            if organization_id == SERVER_ID:
                raise StillInUse("organization", "it is the server itself")
            for statement, what in ((_HAS_DEVICE, "devices"), (_HAS_ACCOUNT, "members")):
                if tx.execute(statement, {"key": organization_id}).first() is not None:
                    raise StillInUse("organization", f"it has {what}")
            records = device.c.organization_id == organization_id
            tx.execute(update(device).where(records).values(merged_into=None))
            tx.execute(delete(device).where(records))
            tx.execute(delete(organization).where(_of.id == organization_id))
            before = {"name": row.name, "runtime": row.runtime}
            write_event(
                tx, origin, "organization_deleted", now, organization_id=organization_id, before=before
            )

        self._database.write(work)

    def make_token(self, organization_id: int, origin: Origin) -> str:
        """Return a new token for the Device Magic API, shown this once; the old one stops at once.

        Raises OrganizationNotFound.
        """
        token = new_token(self._random)
        self._set_token(organization_id, hash_token(token), origin, "api_token_made")
        return token

    def delete_token(self, organization_id: int, origin: Origin) -> None:
        """Take the token away. Raises OrganizationNotFound."""
        self._set_token(organization_id, None, origin, "api_token_deleted")

    def move_user(self, account_id: int, organization_id: int, origin: Origin) -> None:
        """Put an account into another organization; devices stay. Raises OrganizationNotFound."""
        self.get(organization_id)
        now = self._clock.timestamp()

        def work(tx: Transaction) -> None:
            found = select(account.c.email, account.c.organization_id).where(account.c.id == account_id)
            row = tx.execute(found).one()
            if row.organization_id == organization_id:
                return
            tx.execute(
                update(account).where(account.c.id == account_id).values(organization_id=organization_id)
            )
            before, after = {"organization_id": row.organization_id}, {"organization_id": organization_id}
            write_event(
                tx,
                origin,
                "user_moved",
                now,
                organization_id=organization_id,
                before={"user": row.email, **before},
                after={"user": row.email, **after},
            )

        self._database.write(work)

    def _set_token(self, organization_id: int, token_hash: str | None, origin: Origin, action: str) -> None:
        now = self._clock.timestamp()

        def work(tx: Transaction) -> None:
            statement = update(organization).where(_of.id == organization_id)
            if not tx.execute(statement.values(device_token_hash=token_hash)).rowcount:
                raise OrganizationNotFound(organization_id)
            write_event(tx, origin, action, now, organization_id=organization_id)

        self._database.write(work)

    def _one(self, statement: Any, key: object) -> Organization:
        with self._database.read() as connection:
            row = connection.execute(statement, {"key": key}).one_or_none()
        if row is None:
            raise OrganizationNotFound(key)
        return _organization(row)


def _organization(row: Any) -> Organization:
    own = None if row.posture_policy is None else parse_policy(json.loads(row.posture_policy))
    has_token = row.device_token_hash is not None
    return Organization(row.id, row.name, row.runtime, row.running, sure(row.created_at), has_token, own)


def _check_name(name: str) -> str:
    if not name.strip():
        raise InvalidArgument("name", "empty")
    return require_storable("name", name, MAX_NAME)


def _check_runtime(runtime: str) -> str:
    if _is_runtime(runtime) is None:
        raise InvalidArgument("runtime", "1 to 64 letters, digits, - and _")
    return runtime


def _check_free(tx: Transaction, runtime: str) -> None:
    if tx.execute(_BY_RUNTIME, {"key": runtime}).first() is not None:
        raise AlreadyExists("runtime", runtime)


def _policy_text(value: object) -> str | None:
    if value is None:
        return None
    try:
        checks: Sequence[Check] = parse_policy(value)
    except ValueError as error:
        raise InvalidArgument("posture_policy", str(error)) from None
    return json.dumps([check.as_json() for check in checks])
