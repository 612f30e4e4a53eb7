"""Who is let in, how often, and how refusals read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from seafleet import errors
from seafleet.api.metaaccess.errors import CODES, TABLE, reply_to
from seafleet.devices.record import Device
from seafleet.oauth.rates import Rates
from tests.api.metaaccess.conftest import Caller, error, make_caller
from tests.support.registry import ORIGIN, RegistrySite, Tenant
from tests.support.server import RunningServer

RATE = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset-Time")
ACCOUNT = "/o/api/v2/account"
ACTION = "/v3/devices/action"


@pytest.fixture
def device(site: RegistrySite, tenant: Tenant) -> Device:
    """A device with an agent."""
    return site.enrol(tenant, agent_type="persistent")[0]


@pytest.fixture
def narrow(site: RegistrySite) -> Iterator[int]:
    """The rate of two calls a minute."""
    site.set(metaaccess_rate_limit=2)
    yield 2
    site.set(metaaccess_rate_limit=100_000)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# -- tokens --------------------------------------------------------------------------------------------------


def test_the_token_may_come_in_a_header(site: RegistrySite, caller: Caller) -> None:
    for headers in (bearer(caller.token), {"Authorization": f"bearer  {caller.token}"}):
        assert site.request("GET", ACCOUNT, headers=headers).status_code == 200


def test_the_same_token_may_come_in_both_places(caller: Caller) -> None:
    assert caller.get("/v2/account", headers=bearer(caller.token)).status_code == 200


def test_two_different_tokens_are_refused(site: RegistrySite, caller: Caller) -> None:
    assert error(caller.get("/v2/account", headers=bearer("0" * 40))) == (400, "invalid_request")
    twice = {"access_token": [caller.token, "0" * 40]}
    assert error(site.request("GET", ACCOUNT, params=twice)) == (400, "invalid_request")


def test_a_token_in_the_body_is_not_looked_at(site: RegistrySite, caller: Caller) -> None:
    body = {"access_token": caller.token, "types": "exempt", "ids": ["x"]}
    assert error(site.request("POST", "/o/api" + ACTION, json=body)) == (401, "invalid_token")


def test_a_refusal_names_the_scheme(site: RegistrySite) -> None:
    answer = site.request("GET", ACCOUNT)
    assert error(answer) == (401, "invalid_token")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert not set(RATE) & set(answer.headers)


def test_credentials_of_other_apis_open_nothing(
    site: RegistrySite, tenant: Tenant, caller: Caller, device: Device
) -> None:
    client = site.login(caller.maker)
    agent = site.enrol(tenant)[1]
    for token in (client.token, tenant.token, agent, caller.secret):
        assert site.request("GET", ACCOUNT, params={"access_token": token}).status_code == 401
        assert site.request("GET", ACCOUNT, headers=bearer(token)).status_code == 401
        assert site.request("GET", ACCOUNT, headers={"Authorization": f"Token {token}"}).status_code == 401
    assert site.request("GET", ACCOUNT, auth=(tenant.token, "x")).status_code == 401
    assert site.ask(caller.token).status_code == 401


def test_a_token_dies_with_its_application(site: RegistrySite, caller: Caller) -> None:
    site.registry.oauth_clients.delete(caller.client.id, ORIGIN)
    assert error(caller.get("/v2/account")) == (401, "invalid_token")


# -- the token endpoint --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_tokens_are_given_in_the_form_of_the_standard(
    site: RegistrySite, caller: Caller, method: str
) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": caller.client.client_id,
        "client_secret": caller.secret,
    }
    options: dict[str, Any] = {"params" if method == "GET" else "data": form}
    answer = site.request(method, "/o/oauth/token", **options)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json().keys() == {"access_token", "token_type", "expires_in", "refresh_token"}


def test_the_secret_may_come_by_the_basic_scheme(site: RegistrySite, caller: Caller) -> None:
    answer = site.request(
        "POST",
        "/o/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(caller.client.client_id, caller.secret),
    )
    assert answer.status_code == 200


def test_refusals_of_the_token_endpoint(site: RegistrySite, caller: Caller) -> None:
    assert error(caller.ask("")) == (400, "invalid_request")
    assert error(caller.ask("password")) == (400, "unsupported_grant_type")
    assert error(caller.ask("refresh_token", refresh_token="x")) == (400, "invalid_grant")
    wrong = caller.ask("client_credentials", client_secret="x")
    assert error(wrong) == (401, "invalid_client")
    assert wrong.headers["WWW-Authenticate"].startswith("Basic")
    assert site.request("HEAD", "/o/oauth/token").status_code == 405
    assert error(site.request("DELETE", "/o/oauth/token")) == (405, "method_not_allowed")
    plain = {"content": b"grant_type=x", "headers": {"Content-Type": "text/plain"}}
    assert error(site.request("POST", "/o/oauth/token", **plain)) == (415, "unsupported_media_type")
    assert error(site.request("GET", "/o/oauth/token?grant_type=%ff")) == (400, "invalid_request")


# -- rates ---------------------------------------------------------------------------------------------------


def test_refused_values_count_and_tell_what_is_left(caller: Caller) -> None:
    answers: list[tuple[httpx.Response, int]] = [
        (caller.post(ACTION, {"types": "x"}), 400),
        (caller.post(ACTION, content=b"{", headers={"Content-Type": "application/json"}), 400),
        (caller.post(ACTION, content=b"x", headers={"Content-Type": "text/plain"}), 415),
        (caller.post("/v3/devices/detail", {"ids": ["x"]}), 404),
        (caller.post("/v3/devices", {"limit": 51}), 406),
        (caller.post("/v3/devices", {"page": 2}), 413),
    ]
    for answer, status in answers:
        assert answer.status_code == status
        assert all(name in answer.headers for name in RATE), status
    remaining = [int(answer.headers[RATE[1]]) for answer, _ in answers]
    assert remaining[0] - remaining[1] == remaining[1] - remaining[2] == 1


def test_a_wrong_verb_does_not_count(caller: Caller) -> None:
    answer = caller.get(ACTION)
    assert error(answer) == (405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]
    assert not set(RATE) & set(answer.headers)


def test_a_refused_call_has_no_effect(narrow: int, caller: Caller, device: Device) -> None:
    for _ in range(narrow):
        assert caller.act("unexempt", ids=[device.hwid]) == {device.hwid: 1}
    answer = caller.post(ACTION, {"types": "delete", "ids": [device.hwid]})
    assert error(answer) == (429, "rate_limit_exceeded")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["Retry-After"] == answer.headers[RATE[2]]
    assert answer.headers[RATE[1]] == "0"
    assert not caller.now(device).is_removed


def test_the_rate_comes_before_media_type_and_values(narrow: int, caller: Caller) -> None:
    for _ in range(narrow):
        caller.post(ACTION, content=b"x", headers={"Content-Type": "text/plain"})
    answer = caller.post(ACTION, content=b"x", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 429


def test_each_path_and_organization_has_its_own_rate(site: RegistrySite, narrow: int, caller: Caller) -> None:
    for _ in range(narrow):
        caller.post(ACTION, {})
    assert caller.post(ACTION, {}).status_code == 429
    assert caller.post("/v3.0/devices/action", {}).status_code == 429
    assert caller.post("/v3.1/devices/action", {}).status_code == 400
    assert caller.get("/v2/account").status_code == 200
    colleague = make_caller(site, caller.tenant, "Second")
    assert colleague.post(ACTION, {}).status_code == 429
    assert make_caller(site, site.tenant()).post(ACTION, {}).status_code == 400


def test_paths_with_a_device_in_them_are_one(narrow: int, caller: Caller) -> None:
    answers = [caller.get(f"/v2.1/devices/{number}").status_code for number in range(narrow + 1)]
    assert answers == [404] * narrow + [429]


def test_callers_without_a_token_are_limited_by_address(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("anonymous") / "data"
    strict = RegistrySite.start(folder, throttle_exempt="", throttle_anon_per_minute=3)
    try:
        answers = [strict.request("GET", ACCOUNT, params={"access_token": "0" * 40}) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
        assert error(answers[-1]) == (429, "rate_limit_exceeded")
        assert int(answers[-1].headers["Retry-After"]) > 0
        endpoint = strict.request("POST", "/o/oauth/token", data={"grant_type": "client_credentials"})
        assert error(endpoint) == (429, "rate_limit_exceeded")
    finally:
        strict.stop()


# -- other refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/o/", "/o/api/v3/nothing", "/o/api/v1/devices/action", "/o/%ff"])
def test_a_path_that_nothing_serves_is_refused_in_the_same_form(site: RegistrySite, path: str) -> None:
    answer = site.request("GET", path)
    assert answer.status_code == 404
    assert answer.json()["error"] == "not_found"


def test_a_mistake_of_ours_says_nothing_of_itself(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(Rates, "take", fail)
    answer = caller.get("/v2/account")
    assert error(answer) == (500, "server_error")
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (errors.StorageFailure("disk"), 500),
        (errors.InvalidArgument("x", "y"), 400),
        (errors.MalformedObject("JSON", "x"), 400),
        (errors.LibraryNotFound("x"), 404),
        (errors.TokenNotFound("x"), 401),
        (errors.AccountDisabled("x"), 401),
        (errors.Throttled("x", 5), 429),
        (errors.NameTaken("x"), 400),
    ],
)
def test_every_error_of_the_domain_has_an_answer(failure: errors.SeafleetError, status: int) -> None:
    reply = reply_to(None, failure)  # type: ignore[arg-type]
    assert (reply.status, reply.body["error"]) == (status, CODES[status])
    assert reply.body["error_description"].endswith(".")
    assert all(issubclass(kind, errors.SeafleetError) for kind in TABLE)


# -- logs ----------------------------------------------------------------------------------------------------


def test_no_secret_of_a_query_is_logged(own_server: RunningServer) -> None:
    registry = "/api/v2.1/admin/device-registry"
    body = {"name": "NAC", "organization_id": 1, "redirect_uris": []}
    made = own_server.admin.post(f"{registry}/oauth-clients/", json=body).json()
    form = {
        "grant_type": "client_credentials",
        "client_id": made["client_id"],
        "client_secret": made["client_secret"],
    }
    with httpx.Client(base_url=own_server.url) as http:
        tokens = http.get("/o/oauth/token", params=form).json()
        http.get(ACCOUNT, params={"access_token": tokens["access_token"]})
        http.get("/o/nothing/" + tokens["access_token"], params={"access_token": tokens["access_token"]})
        http.get("/o/oauth/token", params={**form, "client_secret": "q" * 48})
    own_server.stop()
    log = own_server.log.read_text()
    assert ACCOUNT in log
    secrets = (made["client_secret"], tokens["access_token"], tokens["refresh_token"], "q" * 48)
    assert not [secret for secret in secrets if secret in log]
    assert f"oauth:{made['client_id']}" in log
