"""A client opens the web for its user: a ticket, good once and for half a minute."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.support.registry import ORIGIN, Client, Person, RegistrySite
from tests.web.conftest import LOGIN, Browser

PATH = "/client-login/"


@pytest.fixture
def client(site: RegistrySite, ann: Person) -> Client:
    """The desktop client that she is logged in with."""
    return site.login(ann)


def ticket(site: RegistrySite, client: Client) -> str:
    answer = site.request("POST", "/api2/client-login/", headers={"Authorization": f"Token {client.token}"})
    assert answer.status_code == 200
    return str(answer.json()["token"])


def leads_to(answer: httpx.Response) -> str:
    assert answer.status_code == 302
    return answer.headers["Location"]


def is_signed_in(browser: Browser, ann: Person) -> bool:
    return ann.email in browser.get(LOGIN).text


def test_a_ticket_signs_in_and_leads_on(
    site: RegistrySite, client: Client, browser: Browser, ann: Person
) -> None:
    answer = browser.get(PATH, params={"token": ticket(site, client), "next": "/o/x?y=1"})
    assert leads_to(answer) == "/o/x?y=1"
    assert is_signed_in(browser, ann)
    assert browser.get("/api/v2.1/repos/").status_code == 200


def test_a_ticket_is_good_once(site: RegistrySite, client: Client, browser: Browser, ann: Person) -> None:
    parameters = {"token": ticket(site, client)}
    assert leads_to(site.request("GET", PATH, params=parameters)) == LOGIN
    assert leads_to(browser.get(PATH, params=parameters)) == LOGIN
    assert not is_signed_in(browser, ann)


def test_a_ticket_that_is_not_good_leads_to_the_form_and_on_from_there(browser: Browser) -> None:
    for query in ({}, {"token": ""}, {"token": "0" * 32}, {"token": "\u00e9"}):
        where = urlsplit(leads_to(browser.get(PATH, params={**query, "next": "/o/x?y=1"})))
        assert (where.path, parse_qs(where.query)) == (LOGIN, {"next": ["/o/x?y=1"]})


@pytest.mark.parametrize("path", ["//evil.example.org", "https://evil.example.org/", "/\\evil.example.org"])
def test_a_ticket_leads_to_no_other_server(
    site: RegistrySite, client: Client, browser: Browser, path: str
) -> None:
    answer = browser.get(PATH, params={"token": ticket(site, client), "next": path})
    assert leads_to(answer) == LOGIN


def test_an_account_that_was_switched_off_meanwhile_is_not_let_in(
    site: RegistrySite, client: Client, browser: Browser, ann: Person
) -> None:
    good = ticket(site, client)
    site.server.services.accounts.set_active(ann.account, False)
    assert leads_to(browser.get(PATH, params={"token": good})) == LOGIN
    assert not is_signed_in(browser, ann)


def test_a_blocked_device_gets_no_ticket(site: RegistrySite, client: Client, ann: Person) -> None:
    site.registry.apply(site.device(ann).id, site.registry.actions.set_status("LOST"), ORIGIN)
    answer = site.request("POST", "/api2/client-login/", headers={"Authorization": f"Token {client.token}"})
    assert (answer.status_code, answer.headers["X-Device-Status"]) == (403, "LOST")
