"""Organizations of each test's own, and a caller that holds the token of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from lxml import etree

from tests.support.registry import RegistrySite, Tenant


@dataclass
class Caller:
    """Speaks for an organization; paths are below it."""

    site: RegistrySite
    tenant: Tenant
    prefix: str = "/api/v2/organizations"

    @property
    def root(self) -> str:
        """The organization's path."""
        return f"{self.prefix}/{self.tenant.id}"

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request with the organization's token."""
        return self.site.request(method, self.root + path, **{"auth": (self.tenant.token, "x"), **options})

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Send a GET."""
        return self.request("GET", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        """Send a PUT."""
        return self.request("PUT", path, **options)

    def put_xml(self, path: str, content: str | bytes, **headers: str) -> httpx.Response:
        """Send a PUT with an XML body."""
        return self.put(path, content=content, headers={"Content-Type": "application/xml", **headers})

    def json(self, path: str) -> Any:
        """Return what a GET that has to succeed answers."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def old(self) -> Caller:
        """Return the same caller below the old prefix."""
        return Caller(self.site, self.tenant, "/organizations")


def xml(answer: httpx.Response) -> etree._Element:
    """Return the root of an XML answer."""
    assert answer.headers["content-type"] == "application/xml; charset=utf-8"
    assert answer.text.startswith('<?xml version="1.0" encoding="UTF-8"?>')
    return etree.fromstring(answer.content)


def texts(element: etree._Element, path: str) -> list[str]:
    """Return the texts of the elements at a path."""
    return [found.text or "" for found in element.findall(path)]


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistrySite]:
    """A server that the tests of this package share."""
    started = RegistrySite.start(tmp_path_factory.mktemp("devicemagic") / "data")
    yield started
    started.stop()


@pytest.fixture
def caller(site: RegistrySite) -> Caller:
    """Somebody with the token of an organization of this test's own."""
    return Caller(site, site.tenant())
