"""Runtimes of each test's own, and people with roles in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from lxml import etree

from seafleet.devices.record import Device
from tests.conftest import DATABASES
from tests.support.registry import ORIGIN, Person, RegistrySite, Tenant

BASE = "/mfpadmin/management-apis/2.0"


@dataclass
class Caller:
    """Somebody who speaks for a runtime; paths are below it."""

    site: RegistrySite
    tenant: Tenant
    person: Person
    base: str = BASE

    @property
    def root(self) -> str:
        """The runtime's path."""
        return f"{self.base}/runtimes/{self.tenant.runtime}"

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request to a path below the service."""
        return self.site.request(method, self.base + path, **{"auth": self.person.basic, **options})

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request to a path below the runtime."""
        return self.call(method, f"/runtimes/{self.tenant.runtime}{path}", **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Send a GET."""
        return self.request("GET", path, **options)

    def page(self, **query: Any) -> Any:
        """Return a page of devices."""
        answer = self.get("/devices", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def put(self, device: Device, status: Any, **options: Any) -> httpx.Response:
        """Set a device's status."""
        return self.request("PUT", f"/devices/{device.uid}", json={"status": status}, **options)

    def status(self, device: Device) -> str:
        """Return the status that a device is listed with."""
        [found] = [item["status"] for item in self.page(pageSize=1000)["items"] if item["id"] == device.uid]
        return str(found)

    def with_role(self, *roles: str) -> Caller:
        """Return somebody else with these roles in the same runtime."""
        person = self.site.person(self.tenant, "-".join(roles) or "nobody")
        for role in roles:
            self.site.grant(person, role, self.tenant.runtime)
        return replace(self, person=person)


def uids(page: Any) -> list[str]:
    """Return the ids on a page."""
    return [item["id"] for item in page["items"]]


def details(answer: httpx.Response) -> str:
    """Return the only sentence of an error in JSON."""
    body = answer.json()
    [error] = body["errors"]
    assert body == {"ok": False, "productVersion": "8.0", "errors": [{"details": error["details"]}]}
    return str(error["details"])


def xml(answer: httpx.Response, kind: str = "application/xml") -> etree._Element:
    """Return the root of an XML answer."""
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert answer.text.startswith('<?xml version="1.0" encoding="UTF-8"?>')
    return etree.fromstring(answer.content)


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistrySite]:
    """A server that the tests of this package share."""
    started = RegistrySite.start(tmp_path_factory.mktemp("mobilefirst") / "data")
    yield started
    started.stop()


@pytest.fixture(scope="package", params=DATABASES)
def each_site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RegistrySite]:
    """A server on each kind of database, for what databases may disagree on."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    folder = tmp_path_factory.mktemp("mobilefirst")
    started = RegistrySite.start(folder / "data", database_url=url)
    yield started
    started.stop()


@pytest.fixture
def caller(site: RegistrySite) -> Caller:
    """An operator of a runtime of this test's own."""
    tenant = site.tenant()
    person = site.person(tenant, "ops")
    site.grant(person, "mfpoperator", tenant.runtime)
    return Caller(site, tenant, person)


def set_state(caller: Caller, device: Device, status: str) -> None:
    """Set a device's status from behind."""
    registry = caller.site.registry
    registry.apply(device.id, registry.actions.set_status(status), ORIGIN)
