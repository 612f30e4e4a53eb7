from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.api.devicemagic.conftest import Caller, texts, xml
from tests.support.registry import ORIGIN


def test_a_device_is_found_by_number_and_by_identifier(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    by_number = caller.json(f"/devices/{device.id}.json")
    assert by_number["id"] == device.id
    assert by_number["identifier"] == device.identifier == f"Linux_{device.uid}"
    assert by_number["organization_id"] == caller.tenant.id
    for name in (device.identifier, f"{device.identifier}.json", quote(device.identifier, safe="") + ".json"):
        assert caller.json(f"/devices/{name}") == by_number
    encoded = "".join(f"%{ord(letter):02X}" for letter in device.identifier)
    assert caller.json(f"/devices/{encoded}") == by_number
    assert texts(xml(caller.get(f"/devices/{device.identifier}.xml")), "id") == [str(device.id)]


def test_names_of_no_device_are_not_found_whatever_their_form(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    _, foreign, _ = caller.site.laptop(caller.site.tenant())
    sighting = caller.site.sighting(caller.tenant)
    names = [
        *("99999", "0", "9" * 18, "9" * 30, "x", ".json", "%00", "a%2Fb", "-1", "²"),
        f"{device.id}.csv",
        f"{device.id}.json.json",
        device.identifier.upper(),
        device.uid,
        foreign.identifier,
        str(foreign.id),
        str(sighting),
    ]
    for name in names:
        answer = caller.get(f"/devices/{name}")
        assert (answer.status_code, answer.json()) == (404, {"error": "Device not found"}), name
    answer = caller.get("/devices/99999.xml")
    assert (answer.status_code, texts(xml(answer), "error")) == (404, ["Device not found"])


def test_values_are_those_of_the_registry(caller: Caller) -> None:
    tenant = caller.tenant
    phone = {"platform": "android", "device_id": "3e91b07c55d2aa18", "client_version": "3.0.2"}
    _, device, _ = caller.site.laptop(tenant, "ines", **phone, platform_version="14", device_name="Pixel")
    shown = caller.json(f"/devices/{device.id}")
    assert shown["identifier"].startswith("Android_")
    assert [shown[key] for key in ("os_version", "app_identifier", "app_version")] == [
        "14",
        "com.seafile.seadroid2",
        "3.0.2",
    ]
    assert shown["owner"].startswith("ines-")
    assert shown["description"] is None


def test_a_device_without_applications_shows_its_agent_or_nothing(caller: Caller) -> None:
    device, _ = caller.site.enrol(caller.tenant, agent_version="1.4.0", hostname="mara-x13")
    shown = caller.json(f"/devices/{device.id}")
    assert (shown["app_identifier"], shown["app_version"]) == ("device-agent", "1.4.0")
    assert shown["owner"] == "mara-x13"
    _, linked, client = caller.site.laptop(caller.tenant)
    caller.site.unlink(client)
    shown = caller.json(f"/devices/{linked.id}")
    assert (shown["app_identifier"], shown["app_version"], shown["owner"]) == (None, None, "laptop")


def test_approving_lets_a_waiting_device_in_and_may_be_repeated(caller: Caller) -> None:
    caller.site.set(require_approval=True)
    try:
        _, device, client = caller.site.laptop(caller.tenant)
    finally:
        caller.site.set(require_approval=False)
    assert caller.json(f"/devices/{device.id}")["pending_approval"] is True
    assert caller.site.ask(client.token).status_code == 403
    for name in (device.id, device.identifier):
        answer = caller.request("POST", f"/devices/{name}/approve")
        assert (answer.status_code, answer.json()["pending_approval"]) == (200, False)
    assert caller.site.ask(client.token).status_code == 200
    events = caller.site.events(device_id=device.id, dialect="devicemagic")
    assert [(event.action, event.before, event.after) for event in events] == [
        ("approved", {"approval": "pending"}, {"approval": "approved"})
    ]
    assert (events[0].actor_kind, events[0].address) == ("api_token", "127.0.0.1")


def test_approval_does_not_end_an_operator_s_block(caller: Caller) -> None:
    _, device, client = caller.site.laptop(caller.tenant)
    registry = caller.site.registry
    registry.apply(device.id, registry.actions.set_status("LOST"), ORIGIN)
    answer = caller.request(
        "POST", f"/devices/{device.id}/approve.xml", headers={"Accept": "application/json"}
    )
    assert texts(xml(answer), "pending_approval") == ["false"]
    assert caller.json(f"/devices/{device.id}?extended=1")["status"] == "LOST"
    assert caller.site.ask(client.token).status_code == 403


def test_a_body_of_the_approval_is_not_read(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    headers = {"Content-Type": "text/plain"}
    answer = caller.request("POST", f"/devices/{device.id}/approve", content=b"{nonsense", headers=headers)
    assert answer.status_code == 200


def test_deleting_answers_nothing_and_ends_every_way_in(caller: Caller) -> None:
    _, device, client = caller.site.laptop(caller.tenant)
    answer = caller.request("DELETE", f"/devices/{device.id}", headers={"Accept": "text/csv"})
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")
    for method in ("GET", "DELETE", "PUT"):
        assert caller.request(method, f"/devices/{device.id}", json={}).status_code == 404
    assert caller.request("POST", f"/devices/{device.identifier}/approve").status_code == 404
    assert caller.json("/devices") == {"devices": []}
    assert caller.site.ask(client.token).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/devices/1/approve", {"POST"}),
        ("PUT", "/devices/1/approve.xml", {"POST"}),
        ("POST", "/devices", {"GET", "HEAD"}),
        ("POST", "/devices/1", {"GET", "HEAD", "PUT", "DELETE"}),
        ("PATCH", "/groups/1", {"PUT", "DELETE"}),
    ],
)
def test_other_verbs_are_refused_with_those_that_there_are(
    caller: Caller, method: str, path: str, allowed: set[str]
) -> None:
    answer = caller.request(method, path)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) - {"OPTIONS"} == allowed
    body = xml(answer).findtext("error") if path.endswith(".xml") else answer.json()["error"]
    assert body == "Method Not Allowed"


def test_what_is_not_served_is_not_found_in_the_negotiated_format(caller: Caller) -> None:
    assert caller.get("/forms").json() == {"error": "Device not found"}
    assert texts(xml(caller.get("/forms", headers={"Accept": "text/xml"})), "error") == ["Device not found"]
    assert caller.get("/devices.csv").status_code == 404
