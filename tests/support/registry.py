"""A running server whose device registry tests may set up from behind; everything else goes over sockets."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from seafleet.accounts.model import Account
from seafleet.devices.enrolling import Credential
from seafleet.devices.events import DeviceEvent, EventFilter
from seafleet.devices.listing import DeviceFilter
from seafleet.devices.organizations import Organization
from seafleet.devices.origin import Origin
from seafleet.devices.record import Device
from seafleet.devices.reports import parse_inventory
from tests.support.inprocess import InProcessServer
from tests.support.world import FAST

PASSWORD: Final = "a user's password"
ORIGIN: Final = Origin("user", "admin@example.com", "native")
_numbers = itertools.count(1)


@dataclass
class Person:
    """An account that can log in."""

    account: Account
    password: str = PASSWORD

    @property
    def email(self) -> str:
        """Its address."""
        return self.account.email

    @property
    def basic(self) -> tuple[str, str]:
        """Its credentials of the Basic scheme."""
        return self.account.email, self.password


@dataclass
class Tenant:
    """An organization of one test's own, with its API token."""

    organization: Organization
    token: str

    @property
    def id(self) -> int:
        """Its number."""
        return self.organization.id

    @property
    def runtime(self) -> str:
        """Its runtime."""
        return self.organization.runtime


@dataclass
class Client:
    """A Seafile application on a device, logged in with `token`."""

    person: Person
    token: str
    device_id: str
    platform: str


@dataclass
class RegistrySite:
    """The server and what tests put into its registry."""

    server: InProcessServer
    patch: pytest.MonkeyPatch = field(default_factory=pytest.MonkeyPatch)
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.server.url, timeout=60)

    @classmethod
    def start(cls, data: Path, **settings: Any) -> RegistrySite:
        """Start a server with quick passwords, whose registry's clock may be moved."""
        patch = pytest.MonkeyPatch()
        patch.setattr("seafleet.accounts.service.Passwords", lambda: FAST)
        values = {"device_registry_test_clock": True, "throttle_exempt": "127.0.0.0/8", **settings}
        return cls(InProcessServer(data, **values).start(), patch)

    def stop(self) -> None:
        """Stop the server."""
        self.http.close()
        self.server.stop()
        self.patch.undo()

    @property
    def registry(self) -> Any:
        """The registry itself."""
        return self.server.services.registry

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request as it is."""
        return self.http.request(method, path, **options)

    def set(self, **values: object) -> None:
        """Change settings of the registry; a moved clock runs the daily task."""
        self.registry.change_settings(values, ORIGIN)

    def tenant(self, **values: Any) -> Tenant:
        """Make an organization with an API token."""
        name = f"lab-{next(_numbers)}"
        made = self.registry.organizations.create(name, name, ORIGIN, **values)
        return Tenant(made, self.registry.organizations.make_token(made.id, ORIGIN))

    def person(self, tenant: Tenant | None = None, name: str = "user", **values: Any) -> Person:
        """Make an account with a password."""
        values["organization_id"] = 1 if tenant is None else tenant.id
        email = f"{name}-{next(_numbers)}@example.org"
        return Person(self.server.services.accounts.create(email, PASSWORD, **values))

    def grant(self, person: Person, role: str, runtime: str) -> None:
        """Give a MobileFirst role."""
        self.registry.grants.create(person.account.id, role, runtime, ORIGIN)

    # -- devices -----------------------------------------------------------------------------------------

    def login(self, person: Person, *, device_id: str = "", **fields: str) -> Client:
        """Log in from a device, a new laptop unless `device_id` and `platform` say otherwise."""
        platform = fields.get("platform", "linux")
        device_id = device_id or f"{next(_numbers):040x}"
        answer = self.try_login(person, device_id=device_id, **fields)
        assert answer.status_code == 200, answer.text
        return Client(person, str(answer.json()["token"]), device_id, platform)

    def try_login(self, person: Person, **fields: str) -> httpx.Response:
        """Send the login form of a device."""
        form = {
            "username": person.email,
            "password": person.password,
            "platform": "linux",
            "device_name": "laptop",
            "client_version": "9.0.5",
            "platform_version": "",
            **fields,
        }
        return self.http.post("/api2/auth-token/", data=form)

    def ask(self, token: str, path: str = "/api2/account/info/") -> httpx.Response:
        """Ask the Web API for something with a token."""
        return self.http.get(path, headers={"Authorization": f"Token {token}"})

    def device(self, person: Person) -> Device:
        """Return the only device of somebody."""
        [found] = self.registry.listing.page(DeviceFilter(emails=(person.email,))).devices
        device: Device = found
        return device

    def unlink(self, client: Client, *, wipe: bool = False) -> None:
        """Cut somebody off from his device."""
        tokens, account = self.server.services.tokens, client.person.account
        assert tokens.unlink(account, client.platform, client.device_id, wipe=wipe)

    def laptop(self, tenant: Tenant, name: str = "user", **fields: str) -> tuple[Person, Device, Client]:
        """Make somebody who is logged in on a new laptop."""
        person = self.person(tenant, name)
        client = self.login(person, **fields)
        return person, self.device(person), client

    def sighting(self, tenant: Tenant) -> int:
        """Have a device seen on the network; return its number."""
        mac = f"{next(_numbers) << 24:012x}"
        number, _ = self.registry.sightings.observe(tenant.id, mac, "192.0.2.9", "printer", ORIGIN)
        return int(number)

    def enrol(self, tenant: Tenant, **facts: Any) -> tuple[Device, str]:
        """Enrol an agent; return its device and token."""
        _, code = self.registry.enrolment_codes.create(tenant.id, ORIGIN)
        hwid = f"HW{next(_numbers):014d}"
        report = {"hwid": hwid, "platform": "linux", "hostname": "agent", "agent_version": "1.4.0", **facts}
        done = self.registry.agents.enrol(parse_inventory(report, enrolling=True), Credential(code=code))
        return self.registry.get(done.device_id), done.token

    def events(self, **wanted: Any) -> list[DeviceEvent]:
        """Return entries of the log, newest first."""
        page = self.registry.events.page(EventFilter(**wanted))
        return list(page.events)
