"""Ping, server information, tokens."""

from __future__ import annotations

from typing import Any

import pytest

from seafleet.accounts import Account
from seafleet.api.services import Services
from tests.api.seafile.conftest import PASSWORD
from tests.support.asgi import Client, Response

DESKTOP = "8c1d5e0f2a6b4c3d9e8f70123456789abcdef012"
BAD_LOGIN = {"non_field_errors": ["Unable to login with provided credentials."]}


def device(**values: str) -> dict[str, str]:
    return {"platform": "linux", "device_id": DESKTOP, "device_name": "desk", **values}


def log_in(client: Client, account: Account, **values: object) -> Response:
    return client.post("/api2/auth-token/", form={"username": account.email, "password": PASSWORD, **values})


def token_of(response: Response) -> str:
    assert response.status == 200, response.text
    token: str = response.json()["token"]
    assert len(token) == 40
    return token


# -- ping and server info ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api2/ping/", "/api2/ping"])
def test_ping_answers_everybody_whatever_token_they_show(client: Client, path: str) -> None:
    assert client.get(path).body == b'"pong"'
    assert client.get(path, token="nonsense").body == b'"pong"'


def test_auth_ping_answers_the_holder_of_a_token(client: Client, token: str) -> None:
    assert client.get("/api2/auth/ping/", token=token).body == b'"pong"'
    refused = client.get("/api2/auth/ping/")
    assert (refused.status, refused.json()) == (
        403,
        {"detail": "Authentication credentials were not provided."},
    )


def test_server_info_tells_a_strict_version_and_only_features_that_are_served(
    client: Client, services: Services
) -> None:
    answer = client.get("/api2/server-info")
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    info = answer.json()
    assert [part.isdigit() for part in info["version"].split(".")] == [True] * 3
    assert info["features"][0] == "seafile-basic"
    assert ("file-search" in info["features"]) == ("search-files-in-libraries" in services.operations)
    assert info["encrypted_library_version"] == 2


# -- tokens -----------------------------------------------------------------------------------------------


def test_a_plain_token_is_the_same_at_every_login_and_in_every_form_of_body(
    client: Client, account: Account
) -> None:
    fields = {"username": account.email, "password": PASSWORD}
    parts = "".join(
        f'--X\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    answers = [
        client.post("/api2/auth-token/", form=fields),
        client.post("/api2/auth-token", data=fields),
        client.post("/api2/auth-token/anything", form=fields),
        client.post(
            "/api2/auth-token/",
            body=f"{parts}--X--\r\n".encode(),
            headers={"Content-Type": "multipart/form-data; boundary=X"},
        ),
    ]
    assert len({token_of(answer) for answer in answers}) == 1


def test_the_address_is_compared_without_case(client: Client, account: Account) -> None:
    token_of(log_in(client, account, username=account.email.upper()))


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({}, {"username": ["This field is required."], "password": ["This field is required."]}),
        ({"username": "a"}, {"password": ["This field is required."]}),
        ({"username": " ", "password": "x"}, {"username": ["This field may not be blank."]}),
        ({"username": None, "password": "x"}, {"username": ["This field may not be null."]}),
    ],
)
def test_missing_blank_and_null_fields_are_told_together(
    client: Client, fields: dict[str, Any], problems: dict[str, list[str]]
) -> None:
    answer = client.post("/api2/auth-token/", data=fields)
    assert (answer.status, answer.json()) == (400, problems)


def test_a_wrong_password_and_an_unknown_name_read_alike(client: Client, account: Account) -> None:
    wrong = log_in(client, account, password="wrong")
    unknown = log_in(client, account, username="nobody@example.com")
    assert (wrong.status, wrong.json()) == (unknown.status, unknown.json()) == (400, BAD_LOGIN)


def test_a_disabled_account_is_told_so_only_with_the_right_password(
    client: Client, services: Services, account: Account
) -> None:
    services.accounts.set_active(account, False)
    assert log_in(client, account).json() == {"non_field_errors": ["User account is disabled."]}
    assert log_in(client, account, password="wrong").json() == BAD_LOGIN


@pytest.mark.parametrize("missing", ["platform", "device_id", "device_name"])
def test_part_of_a_device_is_refused_before_the_password_is_looked_at(
    client: Client, account: Account, missing: str
) -> None:
    fields = {name: value for name, value in device().items() if name != missing}
    answer = log_in(client, account, password="wrong", **fields)
    assert (answer.status, answer.json()) == (400, {"non_field_errors": ["invalid params"]})


def test_a_device_has_a_token_of_its_own_the_same_at_every_login(client: Client, account: Account) -> None:
    first = token_of(log_in(client, account, **device()))
    assert token_of(log_in(client, account, **device(device_name="renamed"))) == first
    assert token_of(log_in(client, account, **device(device_id="f" * 40))) != first
    assert token_of(log_in(client, account)) != first


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"device_id": "short"}, "invalid device id"),
        ({"platform": "android", "device_id": "xyz"}, "invalid device id"),
        ({"platform": "ios", "device_id": "1" * 35}, "invalid device id"),
        ({"platform": "beos"}, "invalid platform"),
    ],
)
def test_a_malformed_device_is_told_only_to_who_knows_the_password(
    client: Client, account: Account, values: dict[str, str], text: str
) -> None:
    assert log_in(client, account, **device(**values)).json() == {"non_field_errors": [text]}
    assert log_in(client, account, password="wrong", **device(**values)).json() == BAD_LOGIN


def test_a_role_may_forbid_a_family_of_clients(client: Client, services: Services, account: Account) -> None:
    services.accounts.update(account, role="guest")
    answer = log_in(client, account, **device())
    assert answer.json() == {"non_field_errors": ["Not allowed to connect to desktop client."]}
    phone = log_in(client, account, **device(platform="android", device_id="a1"))
    assert phone.json() == {"non_field_errors": ["Not allowed to connect to android client."]}


def test_many_wrong_passwords_lock_a_name_for_a_while(client: Client, account: Account) -> None:
    statuses = [log_in(client, account, password="wrong").status for _ in range(21)]
    assert statuses == [400] * 20 + [429]
    assert int(log_in(client, account).headers["retry-after"]) > 0


# -- the end of a token -----------------------------------------------------------------------------------


def test_logging_out_ends_the_token_that_was_shown(client: Client, account: Account) -> None:
    token = token_of(log_in(client, account, **device()))
    plain = token_of(log_in(client, account))
    answer = client.post("/api2/logout-device/", token=token)
    assert (answer.status, answer.json()) == (200, {})
    assert client.get("/api2/auth/ping/", token=token).status == 401
    assert client.get("/api2/auth/ping/", token=plain).status == 200


def test_a_device_that_is_to_be_wiped_is_told_until_it_reports(
    client: Client, services: Services, account: Account
) -> None:
    token = token_of(log_in(client, account, **device()))
    assert client.post("/api2/device-wiped/", form={"token": token}).json() == {
        "error_msg": "invalid device token"
    }
    services.tokens.unlink(account, "linux", DESKTOP, wipe=True)
    told = client.get("/api2/auth/ping/", token=token)
    assert (told.status, told.headers["x-seafile-wiped"]) == (401, "true")
    done = client.post("/api2/device-wiped/", form={"token": token})
    assert (done.status, done.json()) == (200, {})
    assert client.get("/api2/auth/ping/", token=token).json() == {"detail": "Invalid token"}


@pytest.mark.parametrize("token", ["", "short", "g" * 40])
def test_a_wipe_report_without_a_token_is_refused(client: Client, token: str) -> None:
    answer = client.post("/api2/device-wiped/", form={"token": token})
    assert (answer.status, answer.json()) == (400, {"error_msg": "token invalid."})


def test_a_wipe_report_for_an_unknown_token_is_not_found(client: Client) -> None:
    answer = client.post("/api2/device-wiped/", form={"token": "0" * 40})
    assert (answer.status, answer.json()) == (404, {"error_msg": f"token {'0' * 40} not found."})
