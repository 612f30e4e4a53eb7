"""Organizations of each test's own, and an application that holds a token for one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from seafleet.devices.clients import OAuthClient
from seafleet.devices.record import Device
from tests.support.registry import ORIGIN, Person, RegistrySite, Tenant

CALLBACK = "https://nac.example.org/back"


@dataclass
class Caller:
    """An application that speaks for an organization; paths are below `/o/api`."""

    site: RegistrySite
    tenant: Tenant
    maker: Person
    client: OAuthClient
    secret: str
    token: str = ""

    def ask(self, grant_type: str, **fields: str) -> httpx.Response:
        """Ask the token endpoint."""
        form = {
            "grant_type": grant_type,
            "client_id": self.client.client_id,
            "client_secret": self.secret,
            **fields,
        }
        return self.site.request("POST", "/o/oauth/token", data=form)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request with the token in the query."""
        parameters = {"access_token": self.token, **options.pop("params", {})}
        return self.site.request(method, "/o/api" + path, params=parameters, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Send a GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """Send a POST, with a JSON body if one is given."""
        if body is not None:
            headers = {"Content-Type": "application/json"}
            options = {"content": json.dumps(body).encode(), "headers": headers, **options}
        return self.request("POST", path, **options)

    def json(self, path: str, body: Any = None, **options: Any) -> Any:
        """Send a POST that has to succeed."""
        answer = self.post(path, body, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def act(self, types: str, version: str = "v3", **body: Any) -> Any:
        """Apply an action."""
        return self.json(f"/{version}/devices/action", {"types": types, **body})

    def details(self, *keys: str, **body: Any) -> list[dict[str, Any]]:
        """Return details of devices."""
        found: list[dict[str, Any]] = self.json("/v3/devices/detail", {"ids": list(keys), **body})
        return found

    def status(self, device: Device) -> str:
        """Return the word for a device."""
        return str(self.details(device.hwid)[0]["status"])

    def now(self, device: Device) -> Device:
        """Return a device as the registry has it."""
        found: Device = self.site.registry.get(device.id)
        return found


def make_caller(site: RegistrySite, tenant: Tenant, name: str = "NAC") -> Caller:
    """Register an application and get it a token."""
    maker = site.person(is_staff=True)
    client, secret = site.registry.oauth_clients.create(name, tenant.id, [CALLBACK], maker.account.id, ORIGIN)
    caller = Caller(site, tenant, maker, client, secret)
    caller.token = caller.ask("client_credentials").json()["access_token"]
    return caller


def error(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a refusal, which has a sentence."""
    body = answer.json()
    assert body["error_description"].endswith("."), body
    return answer.status_code, body["error"]


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistrySite]:
    """A server that the tests of this package share, with a wide rate."""
    running = RegistrySite.start(tmp_path_factory.mktemp("metaaccess") / "data")
    running.set(metaaccess_rate_limit=100_000)
    yield running
    running.stop()


@pytest.fixture
def tenant(site: RegistrySite) -> Tenant:
    """A new organization."""
    return site.tenant()


@pytest.fixture
def caller(site: RegistrySite, tenant: Tenant) -> Caller:
    """An application of the new organization."""
    return make_caller(site, tenant)
