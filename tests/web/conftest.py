"""A browser of straw: it keeps cookies, follows nothing by itself, and reads forms."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.registry import Person, RegistrySite

LOGIN = "/accounts/login/"


@dataclass
class Browser:
    """One browser; paths are on the server."""

    http: httpx.Client

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Open a page."""
        return self.http.get(path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """Send a form."""
        return self.http.post(path, **options)

    def form_token(self, path: str) -> str:
        """Return the token of the forms of a page."""
        page = self.get(path)
        found = re.search(r'name="form_token" value="([^"]+)"', page.text)
        assert found is not None, page.text
        return html.unescape(found[1])

    def sign_in(
        self,
        person: Person,
        *,
        next: str | None = None,
        headers: dict[str, str] | None = None,
        form_token: str | None = None,
        **form: str,
    ) -> httpx.Response:
        """Fill in the form of the login page and send it."""
        token = self.form_token(LOGIN) if form_token is None else form_token
        fields = {"username": person.email, "password": person.password, "form_token": token, **form}
        query = {} if next is None else {"next": next}
        return self.post(LOGIN, params=query, data=fields, headers=headers)


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistrySite]:
    """A server that the tests of this package share."""
    running = RegistrySite.start(tmp_path_factory.mktemp("web") / "data")
    yield running
    running.stop()


@pytest.fixture
def browser(site: RegistrySite) -> Iterator[Browser]:
    """A browser that nobody is logged in with."""
    with httpx.Client(base_url=site.server.url, timeout=60) as http:
        yield Browser(http)


@pytest.fixture
def ann(site: RegistrySite) -> Person:
    """Somebody who is no administrator."""
    return site.person(name="ann")
