"""The small pages in a real browser: signing in, what a share link shows, what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from seafleet.actor import Actor
from tests.support.chromium import Window
from tests.support.registry import RegistrySite

pytestmark = [pytest.mark.clients, pytest.mark.slow]

PASSWORD = "a link's password"


@pytest.fixture
def quiet(window: Window, site: RegistrySite) -> Iterator[Window]:
    """A window whose pages may not break their own policy."""
    window.prefer("light")
    window.complaints()
    yield window
    window.resize(1280)
    assert window.complaints() == []


@pytest.fixture(scope="module")
def link(site: RegistrySite) -> str:
    """The address of a shared folder with a password."""
    person = site.person()
    library = site.server.library(person.account)
    actor = Actor(person.account.id, person.email)
    made = site.server.services.share_links.create(
        actor, library.library_id, "/", is_dir=True, password=PASSWORD
    )
    return f"/d/{made.token}/"


def check(window: Window, what: str) -> None:
    """Check what goes for every page, at three widths and in light and dark."""
    for scheme in ("light", "dark"):
        window.prefer(scheme)
        assert window.weak_contrasts() == [], what
    for width in (320, 1280):
        window.resize(width)
        assert not window.is_too_wide(), what
    assert window.nameless() == [], what


def test_signing_in_and_what_is_refused_can_be_read_by_all(quiet: Window, site: RegistrySite) -> None:
    for path, title in (
        ("/accounts/login/", "Sign in"),
        ("/accounts/nothing/", "There is no such page"),
        ("/devices/", "Sign in"),
    ):
        quiet.driver.get(site.server.url + path)
        quiet.wait_for_title(title)
        check(quiet, path)


def test_a_link_with_a_password_is_opened_by_the_keyboard(
    quiet: Window, site: RegistrySite, link: str
) -> None:
    quiet.driver.get(site.server.url + link)
    quiet.wait_for_title("Password required")
    check(quiet, "the question")
    quiet.wait_for_focus("password")
    quiet.press("not this one", Keys.ENTER)
    quiet.wait_for(lambda: quiet.all("[role=alert]"), "the refusal")
    check(quiet, "the refusal")
    quiet.wait_for_focus("password")
    quiet.press(PASSWORD, Keys.ENTER)
    quiet.wait_for_title("library")
    assert "This folder is empty." in quiet.text("table")
    check(quiet, "the folder")
