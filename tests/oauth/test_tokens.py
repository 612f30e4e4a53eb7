"""The token endpoint: who gets tokens, for what, for how long."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from seafleet.db.tables import oauth_code, oauth_grant, oauth_token
from seafleet.errors import TokenNotFound
from seafleet.oauth.tokens import CODE_SECONDS, REFRESH_SECONDS
from tests.oauth.conftest import CALLBACK, ORIGIN, Site, error

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def is_dead(site: Site, access_token: str) -> bool:
    try:
        site.oauth.resolve(access_token)
    except TokenNotFound:
        return True
    return False


# -- client credentials --------------------------------------------------------------------------------------


def test_client_credentials_give_both_tokens(site: Site) -> None:
    answer = site.token("client_credentials")
    assert answer.status == 200
    assert answer.body.keys() == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert answer.body["token_type"] == "bearer"
    assert answer.body["expires_in"] == 3600
    assert answer.headers["Cache-Control"] == "no-store"
    caller = site.oauth.resolve(answer.body["access_token"])
    assert (caller.name, caller.organization_id) == ("Access control", 1)
    assert (caller.actor.email, caller.actor.is_staff) == (site.admin.email, True)


def test_id_and_secret_may_come_as_a_name_and_a_password(site: Site) -> None:
    sent = {"grant_type": ["client_credentials"]}
    assert site.oauth.token(sent, (site.client.client_id, site.secret)).status == 200
    for wrong in (None, (site.client.client_id, ""), ("", ""), ("ü", site.secret)):
        assert error(site.oauth.token(sent, wrong)) == (401, "invalid_client")


@pytest.mark.parametrize(
    "fields",
    [
        {"client_secret": "WRONG"},
        {"client_secret": ""},
        {"client_id": "NOBODY"},
        {"client_id": "ünknown"},
        {"client_id": "\0"},
    ],
)
def test_a_wrong_id_or_secret_is_refused(site: Site, fields: dict[str, str]) -> None:
    answer = site.token("client_credentials", **fields)
    assert error(answer) == (401, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_the_life_of_access_tokens_is_a_setting(site: Site) -> None:
    site.access_seconds = 5
    answer = site.token("client_credentials")
    assert answer.body["expires_in"] == 5
    site.world.clock.advance(4)
    assert not is_dead(site, answer.body["access_token"])
    site.world.clock.advance(1)
    assert is_dead(site, answer.body["access_token"])


def test_tokens_and_codes_are_stored_as_hashes(site: Site) -> None:
    code = site.code()
    tokens = site.exchange(code).body
    with site.database.read() as connection:
        hashes = {*connection.execute(select(oauth_token.c.token_hash)).scalars()}
        hashes |= {*connection.execute(select(oauth_code.c.code_hash)).scalars()}
    secrets = {code, tokens["access_token"], tokens["refresh_token"]}
    assert not secrets & hashes
    assert {hashlib.sha256(secret.encode()).hexdigest() for secret in secrets} <= hashes


# -- forms of requests ---------------------------------------------------------------------------------------


def test_a_grant_type_has_to_be_named_and_known(site: Site) -> None:
    assert error(site.token("")) == (400, "invalid_request")
    assert error(site.token("password")) == (400, "unsupported_grant_type")
    assert error(site.token('"ü\\\x01')) == (400, "unsupported_grant_type")


def test_a_parameter_that_comes_twice_is_refused(site: Site) -> None:
    sent = {"grant_type": ["client_credentials"] * 2, "client_id": ["a"]}
    assert error(site.oauth.token(sent)) == (400, "invalid_request")


def test_scopes_are_not_looked_at(site: Site) -> None:
    assert site.token("client_credentials", scope="everything").status == 200
    assert "scope" not in site.token("client_credentials", scope="everything").body


# -- codes ---------------------------------------------------------------------------------------------------


def test_a_code_gives_tokens_once(site: Site) -> None:
    code = site.code()
    first = site.exchange(code)
    assert first.status == 200
    assert first.body["refresh_token"]
    assert error(site.exchange(code)) == (400, "invalid_grant")


def test_a_second_use_of_a_code_revokes_what_the_first_one_gave(site: Site) -> None:
    code = site.code()
    tokens = site.exchange(code).body
    site.exchange(code)
    assert is_dead(site, tokens["access_token"])
    again = site.token("refresh_token", refresh_token=tokens["refresh_token"])
    assert error(again) == (400, "invalid_grant")


def test_a_code_lives_for_a_minute(site: Site) -> None:
    young, old = site.code(), site.code()
    site.world.clock.advance(CODE_SECONDS - 1)
    assert site.exchange(young).status == 200
    site.world.clock.advance(1)
    assert error(site.exchange(old)) == (400, "invalid_grant")


@pytest.mark.parametrize("uri", ["app:/cb", "https://app.example.org/cb", ""])
def test_a_code_is_exchanged_only_with_the_address_that_it_was_sent_to(site: Site, uri: str) -> None:
    assert error(site.exchange(site.code(), redirect_uri=uri)) == (400, "invalid_grant")


def test_a_code_belongs_to_its_application(site: Site) -> None:
    other, secret = site.application()
    code = site.code()
    stolen = site.exchange(code, client_id=other.client_id, client_secret=secret)
    assert error(stolen) == (400, "invalid_grant")
    assert site.exchange(code).status == 200


@pytest.mark.parametrize("code", ["", "x", "0" * 40, "ü" * 40])
def test_what_is_no_code_gives_nothing(site: Site, code: str) -> None:
    assert error(site.exchange(code)) in [(400, "invalid_grant"), (400, "invalid_request")]


def test_of_many_uses_at_once_one_gets_tokens_and_loses_them(site: Site) -> None:
    code = site.code()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: site.exchange(code), range(4)))
    given = [answer for answer in answers if answer.status == 200]
    assert len(given) == 1
    assert is_dead(site, given[0].body["access_token"])


# -- PKCE ----------------------------------------------------------------------------------------------------


def test_pkce_asks_for_the_verifier(site: Site) -> None:
    fields = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    assert error(site.exchange(site.code(**fields))) == (400, "invalid_request")
    wrong = site.exchange(site.code(**fields), code_verifier="w" * 43)
    assert error(wrong) == (400, "invalid_grant")
    assert site.exchange(site.code(**fields), code_verifier=VERIFIER).status == 200


def test_a_verifier_without_a_challenge_is_refused(site: Site) -> None:
    assert error(site.exchange(site.code(), code_verifier=VERIFIER)) == (400, "invalid_request")


# -- refreshing ----------------------------------------------------------------------------------------------


def test_each_refresh_gives_a_new_refresh_token(site: Site) -> None:
    first = site.token("client_credentials").body
    second = site.token("refresh_token", refresh_token=first["refresh_token"])
    assert second.status == 200
    assert second.body["refresh_token"] != first["refresh_token"]
    assert not is_dead(site, second.body["access_token"])


def test_a_spent_refresh_token_revokes_the_family(site: Site) -> None:
    first = site.exchange(site.code()).body
    second = site.token("refresh_token", refresh_token=first["refresh_token"]).body
    stolen = site.token("refresh_token", refresh_token=first["refresh_token"])
    assert error(stolen) == (400, "invalid_grant")
    assert is_dead(site, first["access_token"])
    assert is_dead(site, second["access_token"])
    assert error(site.token("refresh_token", refresh_token=second["refresh_token"])) == (400, "invalid_grant")


def test_of_many_refreshes_at_once_one_gets_tokens_and_loses_them(site: Site) -> None:
    spent = site.token("client_credentials").body["refresh_token"]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: site.token("refresh_token", refresh_token=spent), range(4)))
    given = [answer for answer in answers if answer.status == 200]
    assert len(given) == 1
    assert is_dead(site, given[0].body["access_token"])


def test_refresh_tokens_live_for_thirty_days_from_each_use(site: Site) -> None:
    token = site.token("client_credentials").body["refresh_token"]
    for _ in range(3):
        site.world.clock.advance(REFRESH_SECONDS - 1)
        token = site.token("refresh_token", refresh_token=token).body["refresh_token"]
    site.world.clock.advance(REFRESH_SECONDS)
    assert error(site.token("refresh_token", refresh_token=token)) == (400, "invalid_grant")


def test_a_refresh_token_belongs_to_its_application(site: Site) -> None:
    other, secret = site.application()
    token = site.token("client_credentials").body["refresh_token"]
    stolen = site.token("refresh_token", refresh_token=token, client_id=other.client_id, client_secret=secret)
    assert error(stolen) == (400, "invalid_grant")
    assert site.token("refresh_token", refresh_token=token).status == 200


def test_a_missing_refresh_token_is_told(site: Site) -> None:
    assert error(site.token("refresh_token")) == (400, "invalid_request")
    assert error(site.token("refresh_token", refresh_token="x")) == (400, "invalid_grant")


def test_an_access_token_refreshes_nothing_and_a_refresh_token_opens_nothing(site: Site) -> None:
    tokens = site.token("client_credentials").body
    assert is_dead(site, tokens["refresh_token"])
    crossed = site.token("refresh_token", refresh_token=tokens["access_token"])
    assert error(crossed) == (400, "invalid_grant")


# -- whose rights --------------------------------------------------------------------------------------------


def _unmake(site: Site) -> None:
    site.world.accounts.update(site.admin, is_staff=False)


def _switch_off(site: Site) -> None:
    site.world.accounts.set_active(site.admin, active=False)


def _delete(site: Site) -> None:
    site.world.accounts.delete(site.admin)


def _delete_client(site: Site) -> None:
    site.clients.delete(site.client.id, ORIGIN)


@pytest.mark.parametrize("end", [_unmake, _switch_off, _delete, _delete_client])
def test_tokens_die_with_the_application_and_with_the_rights_of_its_maker(
    site: Site, end: Callable[[Site], None]
) -> None:
    tokens = site.token("client_credentials").body
    end(site)
    assert is_dead(site, tokens["access_token"])
    refused = site.token("refresh_token", refresh_token=tokens["refresh_token"])
    assert error(refused) == (401, "invalid_client")


@pytest.mark.parametrize("end", [_unmake, _switch_off, _delete])
def test_tokens_die_with_the_rights_of_whoever_consented(site: Site, end: Callable[[Site], None]) -> None:
    maker = site.world.account(is_staff=True)
    site.client, site.secret = site.application(maker)
    tokens, unused = site.exchange(site.code()).body, site.code()
    end(site)
    assert is_dead(site, tokens["access_token"])
    assert error(site.token("refresh_token", refresh_token=tokens["refresh_token"]))[1] == "invalid_grant"
    assert error(site.exchange(unused)) == (400, "invalid_grant")


def test_a_new_password_revokes_what_was_consented_to(site: Site) -> None:
    tokens = site.exchange(site.code()).body
    own = site.token("client_credentials").body
    site.world.accounts.set_password(site.admin, "another one")
    assert is_dead(site, tokens["access_token"])
    assert not is_dead(site, own["access_token"])


@pytest.mark.parametrize("token", ["", "x", "0" * 40, "ü" * 40, "0" * 41])
def test_what_is_no_token_opens_nothing(site: Site, token: str) -> None:
    assert is_dead(site, token)


def test_what_has_expired_is_purged_and_nothing_else(site: Site) -> None:
    site.exchange(site.code())
    lasting = site.token("client_credentials").body
    site.world.clock.advance(3600)
    site.oauth.purge()
    assert error(site.exchange("0" * 40, redirect_uri=CALLBACK)) == (400, "invalid_grant")
    assert site.token("refresh_token", refresh_token=lasting["refresh_token"]).status == 200
    site.world.clock.advance(10 * REFRESH_SECONDS)
    site.oauth.purge()
    with site.database.read() as connection:
        of_client = select(func.count()).where(oauth_grant.c.client_id == site.client.id)
        assert connection.execute(of_client).scalar_one() == 0
