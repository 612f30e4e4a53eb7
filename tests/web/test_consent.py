"""The page on which an administrator lets an application in."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from seafleet.devices.clients import OAuthClient
from tests.support.registry import ORIGIN, Person, RegistrySite
from tests.web.conftest import LOGIN, Browser

CALLBACK = "https://app.example.org/cb"
PATH = "/o/oauth/authorize"


@dataclass
class Application:
    """An application, its secret, and its administrator."""

    client: OAuthClient
    secret: str
    admin: Person

    def address(self, **fields: str) -> str:
        """Return where it sends browsers."""
        asked = {
            "client_id": self.client.client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "state": "s&1",
            **fields,
        }
        return f"{PATH}?{urlencode(asked)}"


@pytest.fixture
def admin(site: RegistrySite) -> Person:
    return site.person(name="root", is_staff=True)


@pytest.fixture
def application(site: RegistrySite, admin: Person) -> Application:
    client, secret = site.registry.oauth_clients.create("<NAC> & co", 1, [CALLBACK], admin.account.id, ORIGIN)
    return Application(client, secret, admin)


def query(address: str) -> dict[str, str]:
    assert address.startswith(CALLBACK + "?")
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def test_the_way_of_a_code(site: RegistrySite, browser: Browser, application: Application) -> None:
    address = application.address()
    to_login = browser.get(address).headers["Location"]
    assert to_login.startswith(LOGIN + "?next=%2Fo%2Foauth%2Fauthorize%3F")
    form_token = browser.form_token(to_login)
    form = {
        "username": application.admin.email,
        "password": application.admin.password,
        "form_token": form_token,
    }
    back = browser.post(to_login, data=form).headers["Location"]
    assert back == address
    page = browser.get(back)
    assert page.status_code == 200
    assert "Allow “&lt;NAC&gt; &amp; co” to manage devices?" in page.text
    assert CALLBACK in page.text
    answer = browser.post(address, data={"form_token": browser.form_token(address), "decision": "allow"})
    assert answer.status_code == 302
    returned = query(answer.headers["Location"])
    assert returned["state"] == "s&1"
    tokens = site.request(
        "POST",
        "/o/oauth/token",
        data={
            "grant_type": "authorization_code",
            "client_id": application.client.client_id,
            "client_secret": application.secret,
            "redirect_uri": CALLBACK,
            "code": returned["code"],
        },
    ).json()
    opened = site.request("GET", "/o/api/v2/account", params={"access_token": tokens["access_token"]})
    assert opened.json()["email"] == application.admin.email


def test_one_is_asked_once(browser: Browser, application: Application) -> None:
    browser.sign_in(application.admin)
    address = application.address()
    browser.post(address, data={"form_token": browser.form_token(address), "decision": "allow"})
    again = browser.get(address)
    assert again.status_code == 302
    assert query(again.headers["Location"])["code"]


@pytest.mark.parametrize("decision", ["deny", "", "Allow"])
def test_whatever_is_not_a_yes_is_a_no(browser: Browser, application: Application, decision: str) -> None:
    browser.sign_in(application.admin)
    address = application.address()
    answer = browser.post(address, data={"form_token": browser.form_token(address), "decision": decision})
    assert query(answer.headers["Location"]) == {"error": "access_denied", "state": "s&1"}
    assert browser.get(address).status_code == 200


def test_an_answer_that_another_site_made_is_refused(
    site: RegistrySite, browser: Browser, application: Application
) -> None:
    browser.sign_in(application.admin)
    address = application.address()
    form = {"form_token": browser.form_token(address), "decision": "allow"}
    for data, headers in (
        ({"decision": "allow"}, {}),
        ({**form, "form_token": "0" * 40}, {}),
        (form, {"Sec-Fetch-Site": "cross-site"}),
    ):
        answer = browser.post(address, data=data, headers=headers)
        assert answer.status_code == 403
        assert "Location" not in answer.headers
    assert browser.get(address).status_code == 200


def test_an_answer_of_nobody_leads_to_the_login(browser: Browser, application: Application) -> None:
    answer = browser.post(application.address(), data={"decision": "allow"})
    assert answer.headers["Location"].startswith(LOGIN)


def test_somebody_else_may_not_and_can_change_accounts(
    browser: Browser, ann: Person, application: Application
) -> None:
    browser.sign_in(ann)
    address = application.address()
    page = browser.get(address)
    assert page.status_code == 403
    assert "Only administrators" in page.text
    form = {"form_token": browser.form_token(LOGIN)}
    assert browser.post(address, data={**form, "decision": "allow"}).status_code == 403
    denied = browser.post(address, data={**form, "decision": "deny"})
    assert query(denied.headers["Location"])["error"] == "access_denied"
    action = re.search(r'action="(/accounts/logout/[^"]+)"', page.text)
    assert action is not None
    to_login = browser.post(html.unescape(action[1]), data=form).headers["Location"]
    assert parse_qs(urlsplit(to_login).query)["next"] == [address]


@pytest.mark.parametrize(
    "fields",
    [
        {"redirect_uri": "https://evil.example.org/"},
        {"redirect_uri": ""},
        {"client_id": "NOBODY"},
        {"client_id": ""},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_is_sent_where_he_must_not_be(
    browser: Browser, application: Application, fields: dict[str, str], method: str
) -> None:
    browser.sign_in(application.admin)
    answer = browser.http.request(method, application.address(**fields))
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert "Nothing was allowed" in answer.text


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": ""}, "invalid_request"),
        ({"code_challenge": "x" * 43, "code_challenge_method": "plain"}, "invalid_request"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_cannot_be_granted_goes_back_at_once(
    browser: Browser, application: Application, fields: dict[str, str], error: str, method: str
) -> None:
    answer = browser.http.request(method, application.address(**fields))
    assert query(answer.headers["Location"]) == {"error": error, "state": "s&1"}


def test_capitals_in_the_type_are_fine(browser: Browser, application: Application) -> None:
    browser.sign_in(application.admin)
    assert browser.get(application.address(response_type="CODE")).status_code == 200


def test_an_address_with_raw_letters_survives_the_login(browser: Browser, application: Application) -> None:
    address = application.address() + "&x=" + "ü"
    to_login = browser.get(address).headers["Location"]
    assert parse_qs(urlsplit(to_login).query)["next"] == [application.address() + "&x=%C3%BC"]
