"""The caller's own account."""

from __future__ import annotations

import pytest

from seafleet.accounts import Account
from seafleet.api.services import Services
from tests.support.asgi import Client


def test_account_info_has_the_manuals_fields_and_what_clients_read(
    client: Client, services: Services, account: Account, token: str
) -> None:
    services.accounts.update(account, quota_bytes=1000, name="Änn")
    answer = client.get("/api2/account/info/", token=token)
    assert answer.status == 200
    assert answer.json() == {
        "usage": 0,
        "total": 1000,
        "email": account.email,
        "name": "Änn",
        "login_id": "",
        "department": "",
        "contact_email": account.email,
        "institution": "",
        "is_staff": False,
        "space_usage": "0.0%",
        "avatar_url": "http://files.example.com/media/avatars/default.png",
    }


def test_no_quota_is_minus_two_and_no_name_is_the_address_before_the_at(
    client: Client, account: Account, token: str
) -> None:
    info = client.get("/api2/account/info/", token=token).json()
    assert (info["total"], info["space_usage"]) == (-2, "0.0%")
    assert info["name"] == account.email.partition("@")[0]


def test_a_caller_changes_its_name_or_sends_none_and_changes_nothing(client: Client, token: str) -> None:
    assert client.put("/api2/account/info/", token=token, form={"name": " Ann "}).json()["name"] == "Ann"
    assert client.put("/api2/account/info/", token=token).json()["name"] == "Ann"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x" * 65, "Name is too long (maximum is 64 characters)"),
        ("a/b", "Name should not include '/'."),
    ],
)
def test_names_that_are_too_long_or_hold_a_slash_are_refused(
    client: Client, token: str, name: str, text: str
) -> None:
    answer = client.put("/api2/account/info/", token=token, data={"name": name})
    assert (answer.status, answer.json()) == (400, {"error_msg": text})
