"""The device registry: finds devices by the key of any dialect, and applies actions to them.

Every action is one transaction on the row of one device: callers at the same instant are put in order, and
both are in the log.

Source: device registry §3, §5, §6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select

from seafleet.db.tables import device, device_link
from seafleet.devices import commands
from seafleet.devices.actions import Action, Actions
from seafleet.devices.agents import Agents
from seafleet.devices.change import Change, write_event
from seafleet.devices.clients import OAuthClients, RoleGrants
from seafleet.devices.clients_list import ClientList
from seafleet.devices.commands import Command
from seafleet.devices.daily import DailyTask
from seafleet.devices.enrolment import EnrolmentCodes, Sightings
from seafleet.devices.errors import DeviceChanged, DeviceGroupNotFound, DeviceNotFound, NotApplicable
from seafleet.devices.events import EventLog
from seafleet.devices.finding import find_by_hwid, find_by_mac
from seafleet.devices.groups import DeviceGroups
from seafleet.devices.licensing import license_reader
from seafleet.devices.listing import Listing
from seafleet.devices.loading import BY_IDS, load
from seafleet.devices.merging import merge
from seafleet.devices.organizations import SERVER_ID, DeviceOrganizations
from seafleet.devices.posture_runs import evaluate_all
from seafleet.devices.record import Device
from seafleet.devices.settings import CLOCK_OFFSET, plain
from seafleet.devices.sync_errors import SyncErrors
from seafleet.devices.transactions import Transactions
from seafleet.text import is_storable

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.devices.origin import Origin
    from seafleet.devices.service import Devices
    from seafleet.devices.settings import SettingsStore
    from seafleet.ids import RandomSource

MAX_REDIRECTS: Final = 20

_of = device.c
_WHERE_TO: Final = select(_of.id, _of.organization_id, _of.removed_at, _of.merged_into)
_BY_ID: Final = _WHERE_TO.where(_of.id == bindparam("key"))
_BY_UID: Final = _WHERE_TO.where(_of.uid == bindparam("key"))
_BY_IDENTIFIER: Final = _WHERE_TO.where(
    _of.organization_id == bindparam("organization"), _of.identifier == bindparam("key")
)
_ACCOUNTS: Final = select(device_link.c.account_id).where(device_link.c.device_id == bindparam("device"))


class Outcome(IntEnum):
    """What became of an action in a bulk call; the numbers are MetaAccess' own."""

    NOT_SUPPORTED = -1
    FAILED = 0
    APPLIED = 1


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one device in a bulk call. `changed` is False if it was so already; `reason` says why
    the action did not apply.
    """

    device_id: int
    outcome: Outcome
    changed: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """A device after an action, and whether the action changed anything."""

    device: Device
    changed: bool


class Registry:
    """The devices of all organizations. Safe to use from many threads."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: SettingsStore,
        random: RandomSource,
        devices: Devices,
    ) -> None:
        self._database = database
        self.clock = clock
        self.settings = settings
        self.actions = Actions(settings)
        self.listing = Listing(database, clock, settings)
        self.groups = DeviceGroups(database, clock)
        self.events = EventLog(database)
        self.organizations = DeviceOrganizations(database, clock, random, settings)
        self.grants = RoleGrants(database, clock)
        self.oauth_clients = OAuthClients(database, clock, random)
        self.enrolment_codes = EnrolmentCodes(database, clock, random)
        self.sightings = Sightings(database, clock, random)
        self.agents = Agents(database, clock, random, settings, devices)
        self.clients = ClientList(database)
        self.sync_errors = SyncErrors(database, clock)
        self.daily = DailyTask(database, clock, settings)
        self.transactions = Transactions(database, self)
        self._revoked_hooks: list[Callable[[int], None]] = []

    def on_revoked(self, hook: Callable[[int], None]) -> None:
        """Call `hook` with the account's number after each change of a device that the account uses."""
        self._revoked_hooks.append(hook)

    def now(self) -> datetime:
        """Return the registry's time."""
        return self.clock.now()

    def change_settings(
        self, values: Mapping[str, object], origin: Origin, *, run_daily_task: bool = True
    ) -> None:
        """Set settings, all or none. Devices are judged by a new policy at once; a moved clock runs the daily
        task.

        Raises InvalidArgument naming the setting.
        """
        parsed = self.settings.parse_all(values)
        before = {name: plain(getattr(self.settings.current, name)) for name in parsed}
        after = {name: plain(value) for name, value in parsed.items()}
        changed = [name for name in parsed if before[name] != after[name]]

        def work(tx: Transaction) -> None:
            self.settings.put(tx, parsed)
            if changed:
                write_event(
                    tx,
                    origin,
                    "settings_changed",
                    self.clock.timestamp(),
                    organization_id=SERVER_ID,
                    before={name: before[name] for name in changed},
                    after={name: after[name] for name in changed},
                )

        self._database.write(work)
        if "posture_policy" in changed:
            evaluate_all(self._database, self.settings, self.clock.timestamp())
        if CLOCK_OFFSET in parsed and run_daily_task:
            self.daily.run()

    def commands_of(self, device_id: int) -> list[Command]:
        """Return the commands of a device, newest first. Raises DeviceNotFound."""
        number = self.get(device_id).id
        with self._database.read() as connection:
            return commands.history(connection, number)

    # -- finding ---------------------------------------------------------------------------------------------

    def get(self, device_id: int, organization_id: int | None = None) -> Device:
        """Return the device of a number, or the one that it was merged into. Raises DeviceNotFound."""
        return self._found(_BY_ID, device_id, organization_id)

    def by_uid(self, uid: str, organization_id: int | None = None) -> Device:
        """Return the device of a uid, or the one that it was merged into. Raises DeviceNotFound."""
        return self._found(_BY_UID, uid, organization_id)

    def by_identifier(self, identifier: str, organization_id: int) -> Device:
        """Return the device of an identifier, or the one that it was merged into. Raises DeviceNotFound."""
        return self._found(_BY_IDENTIFIER, identifier, organization_id)

    def by_hwid(self, hwid: str, organization_id: int) -> Device:
        """Return the device of a hardware id or alias, without case. Raises DeviceNotFound."""
        with self._database.read() as connection:
            device_id = find_by_hwid(connection, hwid, organization_id)
        if device_id is None:
            raise DeviceNotFound(hwid)
        return self.get(device_id, organization_id)

    def by_mac(self, mac: str, organization_id: int) -> list[Device]:
        """Return the devices that have a MAC address, however it is spelled; none for what is no address."""
        with self._database.read() as connection:
            ids = find_by_mac(connection, mac, organization_id)
            return self._load(connection, ids)

    def numbers_by_hwid(self, hwids: Iterable[str], organization_id: int) -> dict[str, int | None]:
        """Return the number of the device with each hardware id or alias, None for those that none has."""
        with self._database.read() as connection:
            return {hwid: find_by_hwid(connection, hwid, organization_id) for hwid in hwids}

    def numbers_by_mac(self, macs: Iterable[str], organization_id: int) -> dict[str, list[int]]:
        """Return the numbers of the devices with each MAC address, however it is spelled."""
        with self._database.read() as connection:
            return {mac: find_by_mac(connection, mac, organization_id) for mac in macs}

    def by_numbers(self, device_ids: Sequence[int], *, removed: bool = False) -> list[Device]:
        """Return the records of these numbers, in this order; those that are not there are left out. Removed
        ones come only with `removed`.
        """
        with self._database.read() as connection:
            found = self._load(connection, device_ids)
        return [each for each in found if removed or not each.is_removed]

    def removed(self, device_id: int) -> Device:
        """Return a record, be it removed or not. Raises DeviceNotFound."""
        with self._database.read() as connection:
            found = self._load(connection, [device_id])
        if not found:
            raise DeviceNotFound(device_id)
        return found[0]

    def _found(self, statement: Any, key: str | int, organization_id: int | None) -> Device:
        if isinstance(key, str) and not is_storable(key):
            raise DeviceNotFound(key)
        if isinstance(key, int) and not 0 < key < 1 << 62:
            raise DeviceNotFound(key)
        with self._database.read() as connection:
            parameters = {"key": key, "organization": organization_id}
            row = connection.execute(statement, parameters).one_or_none()
            device_id = None if row is None else _follow(connection, row, organization_id)
            if device_id is None:
                raise DeviceNotFound(key)
            return self._load(connection, [device_id])[0]

    def _load(self, connection: Connection, ids: Sequence[int]) -> list[Device]:
        rows = {row.id: row for row in connection.execute(BY_IDS, {"ids": ids})}
        ordered = [rows[device_id] for device_id in ids if device_id in rows]
        return load(connection, ordered, license_reader(connection, self.settings.current.device_limit))

    # -- acting ----------------------------------------------------------------------------------------------

    def apply(
        self,
        device_id: int,
        action: Action,
        origin: Origin,
        *,
        organization_id: int | None = None,
        if_version: int | None = None,
    ) -> Applied:
        """Apply an action to one device and return it as it is then.

        With `if_version` only if that is the record's `row_version`, else DeviceChanged. Raises
        DeviceNotFound, and what the action raises.
        """
        number = self.get(device_id, organization_id).id
        changed = self._database.write(lambda tx: self._work(tx, number, action, origin, if_version))
        return Applied(self.removed(number), changed)

    def apply_to_all(self, device_ids: Sequence[int], action: Action, origin: Origin) -> list[Outcome]:
        """Apply an action to many devices, each for itself; what happens to one does not touch the others.

        Devices are changed in the order of their numbers, and on SQLite made durable together.
        """
        return [result.outcome for result in self.apply_to_each(device_ids, action, origin)]

    def apply_to_each(
        self,
        device_ids: Sequence[int],
        action: Action,
        origin: Origin,
        versions: Mapping[int, int] | None = None,
    ) -> list[Result]:
        """As `apply_to_all`, and tell what became of each. Devices with a number in `versions` are left alone
        unless that is their `row_version`.
        """
        known = versions or {}
        futures: dict[int, Future[bool]] = {}
        for device_id in sorted(set(device_ids)):
            work = self._bulk_work(device_id, action, origin, known.get(device_id))
            futures[device_id] = self._database.submit(work)
        results = {device_id: _result(device_id, future) for device_id, future in futures.items()}
        return [results[device_id] for device_id in device_ids]

    def merge(self, device_id: int, into_id: int, origin: Origin) -> Device:
        """Make one record part of another of the same organization, and return that one.

        Raises DeviceNotFound, NotApplicable unless both are managed and different.
        """
        into = self.get(into_id)
        one = self.get(device_id, into.organization_id)

        def work(tx: Transaction) -> None:
            now = self.clock.timestamp()
            changes = [Change.of(tx, number, origin, now) for number in (one.id, into.id)]
            if changes[0] is None or changes[1] is None:
                raise DeviceNotFound(device_id)
            for change in changes:
                assert change is not None
                self._forget_later(tx, change.device_id)
            merge(changes[0], changes[1])

        self._database.write(work)
        return self.get(into.id)

    def _bulk_work(
        self, device_id: int, action: Action, origin: Origin, if_version: int | None
    ) -> Callable[[Transaction], bool]:
        return lambda tx: self._work(tx, device_id, action, origin, if_version)

    def _work(
        self, tx: Transaction, device_id: int, action: Action, origin: Origin, if_version: int | None
    ) -> bool:
        change = Change.of(tx, device_id, origin, self.clock.timestamp())
        if change is None or change["removed_at"] is not None:
            raise DeviceNotFound(device_id)
        if if_version is not None and if_version != change["row_version"]:
            raise DeviceChanged(change["row_version"])
        self._forget_later(tx, device_id)
        action.work(change)
        return change.save(action.name)

    def _forget_later(self, tx: Transaction, device_id: int) -> None:
        """Have caches about the accounts of a device dropped once the change is durable."""
        account_ids = set(tx.execute(_ACCOUNTS, {"device": device_id}).scalars())

        def forget() -> None:
            for account_id in account_ids:
                for hook in self._revoked_hooks:
                    hook(account_id)

        if account_ids and self._revoked_hooks:
            tx.after_commit(forget)


def _follow(connection: Connection, row: Any, organization_id: int | None) -> int | None:
    """Return the number of the present record that a row leads to, None for a removed one."""
    for _ in range(MAX_REDIRECTS):
        if organization_id is not None and row.organization_id != organization_id:
            return None
        if row.removed_at is None:
            return int(row.id)
        if row.merged_into is None:
            return None
        row = connection.execute(_BY_ID, {"key": row.merged_into}).one()
    return None


def _result(device_id: int, future: Future[bool]) -> Result:
    try:
        return Result(device_id, Outcome.APPLIED, changed=future.result())
    except NotApplicable as error:
        return Result(device_id, Outcome.NOT_SUPPORTED, reason=error.reason)
    except DeviceChanged:
        return Result(device_id, Outcome.FAILED, reason="somebody changed it meanwhile")
    except DeviceNotFound:
        return Result(device_id, Outcome.FAILED, reason="it is not there any more")
    except DeviceGroupNotFound:
        return Result(device_id, Outcome.FAILED, reason="its organization has no such group")
