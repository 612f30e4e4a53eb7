"""Somebody at the console: a browser of straw that reads tables and fills in forms."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from lxml import html

from seafleet.devices.record import Device
from tests.support.registry import Person, RegistrySite, Tenant
from tests.web.conftest import Browser

HOME = "/devices/"
ACT = "/devices/act/"
_numbers = itertools.count(1)


@dataclass
class Page:
    """An answer, read as a page."""

    answer: httpx.Response

    def __post_init__(self) -> None:
        self.tree = html.fromstring(self.answer.text)

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self.answer.status_code

    @property
    def title(self) -> str:
        """The first heading."""
        return self.text("//h1")

    def text(self, path: str) -> str:
        """The text of the first element of a path, blanks taken together."""
        return _plain(self.tree.xpath(path)[0])

    def texts(self, path: str) -> list[str]:
        """The text of each element of a path."""
        return [_plain(each) for each in self.tree.xpath(path)]

    def link(self, text: str) -> str:
        """The address of the link with this text."""
        found = [each for each in self.tree.xpath("//a") if _plain(each) == text]
        assert found, f"no link {text}: {self.texts('//a')}"
        return str(found[0].get("href"))

    @property
    def names(self) -> list[str]:
        """The names of the devices in the table."""
        return self.texts("//tbody/tr/td[contains(@class, 'name')]/descendant::bdi[1]")

    @property
    def buttons(self) -> list[str]:
        """The deeds that are offered."""
        return [str(value) for value in self.tree.xpath("//button[@name='do']/@value")]

    def column(self, label: str) -> list[str]:
        """The cells of a column of the table."""
        return self.texts(f"//tbody/tr/td[@data-label='{label}']")


@dataclass
class Console:
    """A browser at the console."""

    browser: Browser
    person: Person

    def get(self, path: str = HOME, **query: Any) -> Page:
        """Open a page."""
        return Page(self.browser.get(path, params=query or None))

    def follow(self, page: Page, text: str) -> Page:
        """Follow a link of a page."""
        return Page(self.browser.http.get(page.answer.url.join(page.link(text))))

    def send(self, deed: str, *devices: Device | int | str, **form: Any) -> httpx.Response:
        """Send the form that does something; devices are given as they were shown, or by number."""
        marked = [each if isinstance(each, str) else str(_number(each)) for each in devices]
        token = self.browser.form_token(HOME)
        data = {"form_token": token, "do": deed, "device": marked, **form}
        return self.browser.post(ACT, data=data)

    def do(self, deed: str, *devices: Device | int | str, **form: Any) -> Page:
        """Do something and read the report."""
        answer = self.send(deed, *devices, **form)
        assert answer.status_code == 303, answer.text
        return Page(self.browser.get(answer.headers["Location"]))


def _number(device: Device | int) -> int:
    return device if isinstance(device, int) else device.id


def _plain(element: Any) -> str:
    return " ".join(element.text_content().split())


@pytest.fixture
def tenant(site: RegistrySite) -> Tenant:
    """An organization of one test's own."""
    return site.tenant()


@pytest.fixture
def browsers(site: RegistrySite) -> Iterator[list[Browser]]:
    """Browsers to sign in with; they are closed at the end."""
    opened: list[Browser] = []
    yield opened
    for each in opened:
        each.http.close()


def open_console(site: RegistrySite, browsers: list[Browser], person: Person) -> Console:
    """Sign somebody in."""
    browser = Browser(httpx.Client(base_url=site.server.url, timeout=60))
    browsers.append(browser)
    assert browser.sign_in(person).status_code == 302
    return Console(browser, person)


@pytest.fixture(scope="package")
def root(site: RegistrySite) -> Person:
    """An administrator."""
    return site.person(name="root", is_staff=True)


@pytest.fixture
def console(site: RegistrySite, browsers: list[Browser], root: Person) -> Console:
    """An administrator at the console."""
    return open_console(site, browsers, root)


def laptop(site: RegistrySite, tenant: Tenant, name: str = "", **fields: str) -> Device:
    """Have somebody log in on a new laptop."""
    _, device, _ = site.laptop(tenant, device_name=name or f"laptop {next(_numbers)}", **fields)
    return device
