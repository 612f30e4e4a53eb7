"""A registry of its own organization for each test, with people, devices and time to be moved."""

from __future__ import annotations

import itertools
from typing import Any

from sqlalchemy import delete, insert

from seafleet.accounts.access_tokens import AccessTokens
from seafleet.accounts.model import Account
from seafleet.accounts.tokens import Tokens
from seafleet.db import tables
from seafleet.db.engine import Database
from seafleet.devices.actions import Action, Actions
from seafleet.devices.enrolling import Credential, Enrolled
from seafleet.devices.events import DeviceEvent, EventFilter
from seafleet.devices.identity import new_identity
from seafleet.devices.origin import Origin
from seafleet.devices.record import Device
from seafleet.devices.registry import Applied, Registry
from seafleet.devices.reports import parse_inventory
from seafleet.devices.service import Devices
from seafleet.devices.settings import SettingsStore
from tests.support.world import World

_numbers = itertools.count(1)
BY = Origin("user", "root@example.org", "native", "192.0.2.1", "r1")


class RegistrySite:
    """The registry on a database that tests share; settings begin anew, devices are in an organization of
    this test's own.
    """

    def __init__(self, database: Database) -> None:
        database.write(lambda tx: tx.execute(delete(tables.setting)).rowcount)
        self.database = database
        self.world = World(database)
        self.clock = self.world.clock
        self.settings = SettingsStore(database, self.clock, test_clock=True)
        self.world.devices = Devices(self.clock, self.world.random, lambda: self.settings.policy)
        self.registry = Registry(database, self.clock, self.settings, self.world.random, self.world.devices)
        self.world.tokens = Tokens(
            database,
            self.clock,
            self.world.random,
            self.world.secret,
            self.world.devices,
            self.world.audit,
            self.world.roles,
        )
        self.world.access_tokens = AccessTokens(database, self.clock, self.world.random, self.world.devices)
        made = self.registry.organizations.create("org", f"runtime-{next(_numbers)}", BY)
        self.organization_id = made.id

    @property
    def actions(self) -> Actions:
        """What may be done."""
        return self.registry.actions

    def account(self, **values: Any) -> Account:
        """Make an account of the organization."""
        return self.world.account(organization_id=self.organization_id, **values)

    def set(self, **values: Any) -> None:
        """Change settings of the registry."""
        self.registry.change_settings(values, BY)

    # -- devices -----------------------------------------------------------------------------------------

    def insert(self, **values: Any) -> int:
        """Insert a record as it is, whatever its state, and return its number."""
        row = {
            **new_identity(self.world.random, str(values.get("platform", "linux"))),
            "organization_id": self.organization_id,
            "display_name": f"device {next(_numbers)}",
            "platform": "linux",
            "created_at": self.clock.timestamp(),
            "updated_at": self.clock.timestamp(),
            "enrolled_at": self.clock.timestamp(),
            **values,
        }
        row.setdefault("name_key", str(row["display_name"]).casefold())
        return self.world.insert(tables.device, **row)

    def insert_many(self, rows: list[dict[str, Any]]) -> None:
        """Insert many rows into the table of devices at once."""
        self.database.write(lambda tx: tx.execute(insert(tables.device), rows).rowcount)

    def device(self, **values: Any) -> Device:
        """Make a record; see `insert`."""
        return self.registry.removed(self.insert(**values))

    def managed(self, account: Account | None = None, **info: Any) -> tuple[str, Device]:
        """Log somebody in on a new device; return the token and the device."""
        token = self.world.tokens.issue_device(account or self.account(), self.world.desktop(**info))
        state = self.world.tokens.resolve(token, allow_suspended=True).actor.device
        assert state is not None
        return token, self.now(state.device_id)

    def enrolled(self, **values: Any) -> tuple[str, Device]:
        """Enrol an agent by a code; return its token and the device."""
        found = self.enrol(**values)
        return found.token, self.now(found.device_id)

    def enrol(self, code: str | None = None, **values: Any) -> Enrolled:
        """Enrol an agent by a code, a fresh one if none is given."""
        if code is None:
            _, code = self.registry.enrolment_codes.create(self.organization_id, BY)
        number = next(_numbers)
        report = {"hwid": f"HWID-{number:08}", "platform": "linux", "hostname": f"host {number}", **values}
        found = parse_inventory(report, enrolling=True)
        return self.registry.agents.enrol(found, Credential(code=code))

    def sighting(self, mac: str = "") -> Device:
        """See an address on the network."""
        number = next(_numbers)
        mac = mac or f"00163e{number:06x}"
        found, _ = self.registry.sightings.observe(self.organization_id, mac, "192.0.2.9", "", BY)
        return self.now(found)

    def now(self, device: Device | int) -> Device:
        """Return a record as it is now, be it removed or not."""
        return self.registry.removed(device if isinstance(device, int) else device.id)

    def apply(self, device: Device | int, action: Action, **options: Any) -> Applied:
        """Apply an action."""
        number = device if isinstance(device, int) else device.id
        return self.registry.apply(number, action, BY, **options)

    def events(self, device: Device | int, **values: Any) -> list[DeviceEvent]:
        """Return the log of a device, oldest first."""
        number = device if isinstance(device, int) else device.id
        page = self.registry.events.page(EventFilter(device_id=number, **values), limit=500)
        return list(reversed(page.events))

    def told(self, device: Device | int) -> list[str]:
        """Return the words of the log about a device, oldest first."""
        return [event.action for event in self.events(device)]
