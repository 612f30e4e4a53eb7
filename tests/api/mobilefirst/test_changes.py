from __future__ import annotations

import re
from typing import Any

import pytest

from tests.api.mobilefirst.conftest import Caller, details, uids, xml

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def test_a_change_answers_its_transaction(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    answer = caller.put(device, "LOST")
    assert answer.status_code == 200
    body = answer.json()
    transaction = body.pop("transaction")
    assert body == {"ok": True, "productVersion": "8.0"}
    assert all(re.fullmatch(TIME, transaction.pop(name)) for name in ("timeCreated", "timeUpdated"))
    assert transaction == {
        "id": transaction["id"],
        "type": "CHANGE_DEVICE_STATUS",
        "status": "SUCCESS",
        "appServerId": "127.0.0.1",
        "userName": caller.person.email,
        "project": {"name": caller.tenant.runtime},
        "description": {"deviceId": device.uid, "status": "LOST"},
        "errors": [],
    }
    assert caller.status(device) == "LOST"


def test_the_answer_in_xml(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    headers = {"Accept": "text/xml"}
    root = xml(caller.put(device, "DISABLED", headers=headers), "text/xml")
    assert (root.tag, dict(root.attrib)) == (
        "set-device-status-result",
        {"ok": "true", "productVersion": "8.0"},
    )
    [transaction] = root
    assert list(transaction.attrib) == [
        "appServerId",
        "id",
        "status",
        "timeCreated",
        "timeUpdated",
        "type",
        "userName",
    ]
    assert [child.tag for child in transaction] == ["description", "errors", "project"]
    assert dict(transaction[0].attrib) == {"deviceId": device.uid, "status": "DISABLED"}
    assert transaction[2].get("name") == caller.tenant.runtime
    path = f"/devices/{device.uid}/applications/seafile-desktop"
    answer = caller.request("PUT", path, json={"status": "ENABLED"}, headers=headers)
    assert xml(answer, "text/xml").tag == "set-applicationdevice-status-result"
    answer = caller.request("DELETE", f"/devices/{device.uid}", headers=headers)
    assert xml(answer, "text/xml").tag == "remove-device-result"


@pytest.mark.parametrize(
    ("status", "api", "login"),
    [
        ("ACTIVE", 200, 200),
        ("EXPIRED", 200, 200),
        ("LOST", 403, 400),
        ("DISABLED", 403, 400),
        ("STOLEN", 401, 400),
    ],
)
def test_each_status_is_read_back_and_has_its_effect(
    caller: Caller, status: str, api: int, login: int
) -> None:
    person, device, client = caller.site.laptop(caller.tenant)
    assert caller.put(device, status).json()["transaction"]["status"] == "SUCCESS"
    assert caller.status(device) == status
    assert caller.site.ask(client.token).status_code == api
    assert caller.site.try_login(person, device_id=client.device_id).status_code == login
    assert caller.status(device) == ("ACTIVE" if status == "EXPIRED" else status)


def test_active_gives_back_what_there_was(caller: Caller) -> None:
    _, device, client = caller.site.laptop(caller.tenant)
    caller.put(device, "LOST")
    assert caller.site.ask(client.token).status_code == 403
    caller.put(device, "ACTIVE")
    assert caller.site.ask(client.token).status_code == 200
    events = caller.site.events(device_id=device.id, dialect="mobilefirst")
    assert [(event.action, event.before, event.after) for event in events] == [
        ("status_set", {"admin_state": "LOST"}, {"admin_state": "ACTIVE"}),
        ("status_set", {"admin_state": "ACTIVE"}, {"admin_state": "LOST"}),
    ]
    assert {(event.actor_kind, event.actor_name) for event in events} == {("user", caller.person.email)}


def test_a_waiting_device_is_disabled_until_it_is_made_active(caller: Caller) -> None:
    caller.site.set(require_approval=True)
    try:
        _, device, client = caller.site.laptop(caller.tenant)
    finally:
        caller.site.set(require_approval=False)
    assert caller.status(device) == "DISABLED"
    caller.put(device, "ACTIVE")
    assert caller.status(device) == "ACTIVE"
    assert caller.site.ask(client.token).status_code == 200


def test_a_status_that_is_set_already_succeeds_without_an_event(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    numbers = [caller.put(device, "LOST").json()["transaction"]["id"] for _ in range(2)]
    assert numbers[0] < numbers[1]
    assert len(caller.site.events(device_id=device.id, dialect="mobilefirst")) == 1


@pytest.mark.parametrize(
    "body", [{"status": "lost"}, {"status": "Lost"}, {"status": " LOST"}, {"status": ""}, {}, [], "LOST", 1]
)
def test_other_statuses_are_refused(caller: Caller, body: Any) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    answer = caller.request("PUT", f"/devices/{device.uid}", json=body)
    expected = "The status must be one of ACTIVE, LOST, STOLEN, EXPIRED, DISABLED."
    assert (answer.status_code, details(answer)) == (400, expected)
    assert caller.status(device) == "ACTIVE"


@pytest.mark.parametrize("status", [None, 1, True, ["LOST"], {"LOST": 1}])
def test_a_status_that_is_no_text_is_refused(caller: Caller, status: Any) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    assert caller.put(device, status).status_code == 400


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"status": "LOST"',
        b'{"status": "LOST", "status": "LOST"}',
        b'{"status": "LOST", "a": ' + b"[" * 32 + b"]" * 32 + b"}",
        b"[" * 400_000,
        b'{"status": "LOST", "a": NaN}',
        '{"status": "LOST", "a": "ü"}'.encode("latin-1"),
        b'{"status": "LOST", "a": "' + b"x" * (1 << 20) + b'"}',
        b"<device-status>LOST</device-status>",
    ],
)
def test_payloads_that_are_no_plain_json_are_refused(caller: Caller, content: bytes) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    for headers in ({"Content-Type": "application/json"}, {"Content-Type": ""}):
        answer = caller.request("PUT", f"/devices/{device.uid}", content=content, headers=headers)
        assert answer.status_code == 400
        assert details(answer) in ("The payload is invalid.", "The payload is too large.")
    assert caller.status(device) == "ACTIVE"


@pytest.mark.parametrize(
    "kind", ["application/xml", "text/xml", "text/plain", "application/x-www-form-urlencoded"]
)
def test_other_types_of_payloads_are_not_supported(caller: Caller, kind: str) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    content = b'{"status": "LOST"}'
    answer = caller.request("PUT", f"/devices/{device.uid}", content=content, headers={"Content-Type": kind})
    assert (answer.status_code, details(answer)) == (415, "The payload must be of the type application/json.")
    path = f"/devices/{device.uid}/applications/seafile-desktop"
    assert caller.request("PUT", path, content=content, headers={"Content-Type": kind}).status_code == 415


def test_a_payload_without_a_type_is_json(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    content = b'{"status": "LOST", "anything": null}'
    for kind in ("", "application/json; charset=utf-8", "Application/JSON"):
        headers = {"Content-Type": kind}
        answer = caller.request("PUT", f"/devices/{device.uid}", content=content, headers=headers)
        assert answer.status_code == 200


def test_who_does_not_wait_is_shown_a_pending_transaction_and_finds_its_end(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    transaction = caller.put(device, "LOST", params={"async": "true"}).json()["transaction"]
    assert transaction["status"] == "PENDING"
    assert transaction["timeUpdated"] == transaction["timeCreated"]
    found = caller.get(f"/transactions/{transaction['id']}").json()
    assert (found["status"], found["description"]) == ("SUCCESS", {"deviceId": device.uid, "status": "LOST"})
    path = f"/devices/{device.uid}/applications/seafile-desktop?async=true"
    answer = caller.request("PUT", path, json={"status": "DISABLED"})
    assert answer.json()["transaction"]["status"] == "PENDING"
    answer = caller.request("DELETE", f"/devices/{device.uid}?async=true")
    assert answer.json()["transaction"]["status"] == "PENDING"
    assert uids(caller.page()) == []


@pytest.mark.parametrize("value", ["", "1", "TRUE", "yes"])
def test_other_words_for_async_are_refused(caller: Caller, value: str) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    for answer in (
        caller.put(device, "LOST", params={"async": value}),
        caller.request("DELETE", f"/devices/{device.uid}", params={"async": value}),
    ):
        expected = 'The value of the parameter "async" is invalid.'
        assert (answer.status_code, details(answer)) == (400, expected)
    assert caller.status(device) == "ACTIVE"


# -- applications --------------------------------------------------------------------------------------------


def test_a_disabled_application_is_shut_out_and_others_go_on(caller: Caller) -> None:
    person, device, client = caller.site.laptop(caller.tenant)
    path = f"/devices/{device.uid}/applications/seafile-desktop"
    answer = caller.request("PUT", path, json={"status": "DISABLED"})
    assert answer.status_code == 200
    transaction = answer.json()["transaction"]
    assert transaction["type"] == "CHANGE_DEVICE_APPLICATION_STATUS"
    assert transaction["description"] == {
        "deviceId": device.uid,
        "appName": "seafile-desktop",
        "status": "DISABLED",
    }
    refused = caller.site.ask(client.token)
    assert (refused.status_code, refused.json()["device_status"]) == (403, "APP_DISABLED")
    [item] = caller.page()["items"]
    assert (item["status"], item["applicationDeviceAssociations"][0]["status"]) == ("ACTIVE", "DISABLED")
    phone = caller.site.login(person, device_id="1234567890abcdef", platform="android")
    assert caller.site.ask(phone.token).status_code == 200
    assert caller.request("PUT", path, json={"status": "ENABLED"}).status_code == 200
    assert caller.site.ask(client.token).status_code == 200


@pytest.mark.parametrize("status", ["ACTIVE", "enabled", None])
def test_other_statuses_of_applications_are_refused(caller: Caller, status: Any) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    path = f"/devices/{device.uid}/applications/seafile-desktop"
    answer = caller.request("PUT", path, json={"status": status})
    assert (answer.status_code, details(answer)) == (400, "The status must be one of ENABLED, DISABLED.")


def test_an_application_that_is_not_on_the_device_is_not_found(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    for name in ("nope", "seafile-android", "Seafile-Desktop", "a%20b"):
        path = f"/devices/{device.uid}/applications/{name}"
        assert caller.request("PUT", path, json={"status": "DISABLED"}).status_code == 404
    answer = caller.request("PUT", f"/devices/{device.uid}/applications/nope", json={"status": "ENABLED"})
    assert details(answer) == 'The application "nope" was not found on the device.'
    assert caller.get("/transactions").json()["totalListSize"] == 0


# -- removal and strangers -----------------------------------------------------------------------------------


def test_a_removed_device_is_gone_and_its_token_dead(caller: Caller) -> None:
    person, device, client = caller.site.laptop(caller.tenant)
    caller.put(device, "EXPIRED")
    transaction = caller.request("DELETE", f"/devices/{device.uid}").json()["transaction"]
    assert (transaction["type"], transaction["status"]) == ("REMOVE_DEVICE", "SUCCESS")
    assert transaction["description"] == {"deviceId": device.uid, "status": "EXPIRED"}
    assert caller.request("DELETE", f"/devices/{device.uid}").status_code == 404
    assert caller.site.ask(client.token).status_code == 401
    again = caller.site.login(person, device_id=client.device_id)
    [item] = caller.page()["items"]
    assert item["id"] != device.uid
    assert item["status"] == "ACTIVE"
    assert caller.site.ask(again.token).status_code == 200


def test_a_device_removed_while_blocked_comes_back_disabled(caller: Caller) -> None:
    person, device, client = caller.site.laptop(caller.tenant)
    caller.put(device, "LOST")
    caller.request("DELETE", f"/devices/{device.uid}")
    again = caller.site.login(person, device_id=client.device_id)
    [item] = caller.page()["items"]
    assert (item["id"] != device.uid, item["status"]) == (True, "DISABLED")
    assert caller.site.ask(again.token).status_code == 403


def test_devices_of_others_sightings_and_nobody_are_not_found(caller: Caller) -> None:
    _, foreign, _ = caller.site.laptop(caller.site.tenant())
    sighting = caller.site.registry.get(caller.site.sighting(caller.tenant))
    _, device, _ = caller.site.laptop(caller.tenant)
    for uid in (
        foreign.uid,
        sighting.uid,
        "nope",
        device.uid.upper(),
        str(device.id),
        device.identifier,
        "ü",
    ):
        for answer in (
            caller.request("PUT", f"/devices/{uid}", json={"status": "LOST"}),
            caller.request("PUT", f"/devices/{uid}/applications/seafile-desktop", json={"status": "ENABLED"}),
            caller.request("DELETE", f"/devices/{uid}"),
        ):
            assert (answer.status_code, details(answer)) == (404, f'The device "{uid}" was not found.')
    assert caller.get("/transactions").json()["totalListSize"] == 0


def test_time_expires_silent_devices_and_a_contact_revives_them(caller: Caller) -> None:
    _, silent, client = caller.site.laptop(caller.tenant)
    _, lost, _ = caller.site.laptop(caller.tenant)
    caller.put(lost, "LOST")
    caller.site.set(clock_offset_seconds=91 * 86_400)
    try:
        assert (caller.status(silent), caller.status(lost)) == ("EXPIRED", "LOST")
        assert caller.site.ask(client.token).status_code == 200
        assert caller.status(silent) == "ACTIVE"
    finally:
        caller.site.set(clock_offset_seconds=0)
