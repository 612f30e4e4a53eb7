"""What applications may ask a browser for, and where the answer goes."""

from __future__ import annotations

import pytest

from seafleet.errors import AccessDenied
from seafleet.oauth.errors import NoRedirect
from tests.oauth.conftest import CALLBACK, Site, query

CHALLENGE = "c" * 43


def test_an_allowed_application_gets_a_code_and_its_state_back(site: Site) -> None:
    asked = site.oauth.authorization(site.asked())
    assert asked.error_uri is None
    url = site.oauth.allow(asked, site.giver)
    assert url.startswith("https://app.example.org/cb?kept=1&code=")
    assert query(url)["state"] == "s 1&2"


def test_a_denied_application_is_told(site: Site) -> None:
    url = site.oauth.deny(site.oauth.authorization(site.asked()))
    assert query(url) == {"kept": "1", "error": "access_denied", "state": "s 1&2"}


def test_without_a_state_none_is_sent_back(site: Site) -> None:
    asked = site.oauth.authorization(site.asked(state=""))
    assert "state" not in query(site.oauth.allow(asked, site.giver))
    assert "state" not in query(site.oauth.deny(asked))


def test_an_address_of_another_scheme_may_be_registered(site: Site) -> None:
    asked = site.oauth.authorization(site.asked(redirect_uri="app:/cb"))
    assert site.oauth.allow(asked, site.giver).startswith("app:/cb?code=")


def test_the_type_is_read_in_any_case(site: Site) -> None:
    assert site.oauth.authorization(site.asked(response_type="CODE")).error_uri is None


def test_one_is_asked_once(site: Site) -> None:
    asked = site.oauth.authorization(site.asked())
    assert site.oauth.needs_consent(asked, site.giver)
    site.oauth.allow(asked, site.giver)
    assert not site.oauth.needs_consent(asked, site.giver)
    other = site.world.actor(site.world.account(is_staff=True))
    assert site.oauth.needs_consent(asked, other)


def test_only_administrators_let_applications_in(site: Site) -> None:
    asked = site.oauth.authorization(site.asked())
    user = site.world.actor(site.world.account())
    assert not site.oauth.may_consent(user)
    with pytest.raises(AccessDenied):
        site.oauth.allow(asked, user)


@pytest.mark.parametrize(
    "fields",
    [
        {"client_id": "NOBODY"},
        {"client_id": ""},
        {"client_id": 'ü"\\'},
        {"redirect_uri": ""},
        {"redirect_uri": "https://app.example.org/cb"},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": CALLBACK.upper()},
        {"redirect_uri": 'https://evil.example.org/"ü\\'},
    ],
)
def test_nobody_is_sent_to_an_address_that_is_not_registered(site: Site, fields: dict[str, str]) -> None:
    with pytest.raises(NoRedirect):
        site.oauth.authorization(site.asked(**fields))


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_nobody_is_sent_anywhere_when_these_are_missing_or_come_twice(site: Site, name: str) -> None:
    twice = site.asked()
    twice[name] = twice[name] * 2
    missing = {key: value for key, value in site.asked().items() if key != name}
    for fields in (twice, missing):
        with pytest.raises(NoRedirect):
            site.oauth.authorization(fields)


def test_an_application_whose_maker_is_no_administrator_any_more_is_unknown(site: Site) -> None:
    site.world.accounts.update(site.admin, is_staff=False)
    with pytest.raises(NoRedirect):
        site.oauth.authorization(site.asked())


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": 'ü"\\'}, "unsupported_response_type"),
        ({"response_type": ""}, "invalid_request"),
        ({"code_challenge": CHALLENGE}, "invalid_request"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge_method": "S256"}, "invalid_request"),
    ],
)
def test_what_cannot_be_granted_is_told_to_the_application(
    site: Site, fields: dict[str, str], error: str
) -> None:
    asked = site.oauth.authorization(site.asked(**fields))
    assert asked.error_uri is not None
    assert query(asked.error_uri) == {"kept": "1", "error": error, "state": "s 1&2"}


def test_a_parameter_that_comes_twice_is_told_to_the_application(site: Site) -> None:
    asked = site.oauth.authorization({**site.asked(), "state": ["a", "b"]})
    assert asked.error_uri is not None
    assert query(asked.error_uri)["error"] == "invalid_request"
