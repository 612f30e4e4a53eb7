from __future__ import annotations

import pytest

from seafleet.api.devicemagic import lists
from seafleet.devices.listing import of_organization
from tests.api.devicemagic.conftest import Caller, texts, xml
from tests.support.registry import ORIGIN

KEYS = [
    "id",
    "identifier",
    "os_version",
    "app_identifier",
    "app_version",
    "organization_id",
    "owner",
    "description",
    "pending_approval",
    "groups",
    "custom_attributes",
]


def populate(caller: Caller, count: int) -> list[int]:
    """Log one account in on so many devices; return their numbers."""
    person = caller.site.person(caller.tenant)
    for _ in range(count):
        caller.site.login(person)
    return [device.id for device in caller.site.registry.listing.stream(of_organization(caller.tenant.id))]


def test_the_list_has_every_managed_device_by_number_in_the_sample_s_order_of_keys(caller: Caller) -> None:
    numbers = populate(caller, 3)
    caller.site.sighting(caller.tenant)
    removed = numbers.pop(1)
    assert caller.request("DELETE", f"/devices/{removed}").status_code == 200
    devices = caller.json("/devices.json")["devices"]
    assert [device["id"] for device in devices] == numbers
    assert all(list(device) == KEYS for device in devices)


def test_each_prefix_answers_and_decides_the_shape(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    new = caller.json("/devices")["devices"][0]
    assert (new["id"], new["groups"]) == (device.id, [{"name": "Default"}])
    for prefix in ("/organizations", "/api/organizations"):
        [old] = Caller(caller.site, caller.tenant, prefix).json("/devices")["devices"]
        assert old == {
            "id": device.id,
            "identifier": device.identifier,
            "organization_id": caller.tenant.id,
            "owner": device.owner_name,
            "description": None,
            "pending_approval": False,
            "groups": "Default",
            "custom_attributes": {},
        }


def test_the_list_in_xml_has_the_sample_s_elements(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    caller.put(f"/devices/{device.id}", json={"custom_attributes": {"company device": "<yes>"}})
    root = xml(caller.get("/devices.xml"))
    assert (root.tag, dict(root.attrib)) == ("devices", {"type": "array"})
    [shown] = root
    assert [child.tag for child in shown] == KEYS
    assert texts(shown, "groups[@type='array']/name") == ["Default"]
    assert texts(shown, "custom_attributes[@type='array']/custom_attribute/key") == ["company device"]
    assert texts(shown, "custom_attributes/custom_attribute/value") == ["<yes>"]
    assert (texts(shown, "description"), texts(shown, "pending_approval")) == ([""], ["false"])


def test_the_old_xml_has_hyphens_and_names_with_commas(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    caller.request("POST", "/groups", json=["Sales"])
    edit = {"groups": "Default,Sales", "custom_attributes": {"a": "1"}}
    assert caller.put(f"/devices/{device.id}", json=edit).status_code == 202
    [shown] = xml(caller.old().get("/devices.xml"))
    names = ["id", "identifier", "organization-id", "owner", "description", "pending-approval", "groups"]
    assert [child.tag for child in shown] == [*names, "custom-attributes"]
    assert texts(shown, "groups") == ["Default,Sales"]
    assert texts(shown, "custom-attributes/custom-attribute/key") == ["a"]
    assert texts(shown, "custom-attributes/custom-attribute/value") == ["1"]


def test_a_list_without_devices_is_empty_in_both_formats(caller: Caller) -> None:
    assert caller.json("/devices") == {"devices": []}
    root = xml(caller.get("/devices.xml"))
    assert (root.tag, len(root), dict(root.attrib)) == ("devices", 0, {"type": "array"})


def test_pages_hold_what_is_asked_for_and_name_the_next_one(caller: Caller) -> None:
    numbers = populate(caller, 5)
    seen, path = [], "/devices.json?items=2&extended=1"
    for _ in range(3):
        answer = caller.get(path)
        assert answer.headers["x-total-count"] == "5"
        page = answer.json()["devices"]
        assert all(device["status"] == "ACTIVE" for device in page)
        seen.append([device["id"] for device in page])
        link = answer.headers.get("link", "")
        path = link.partition(caller.root)[2].partition(">")[0]
        assert link == (f'<{caller.site.server.url}{caller.root}{path}>; rel="next"' if path else "")
    assert (seen, path) == ([numbers[:2], numbers[2:4], numbers[4:]], "")
    past = caller.get("/devices?page=99999999999999999999&items=2")
    assert (past.json(), past.headers["x-total-count"], "link" in past.headers) == (
        {"devices": []},
        "5",
        False,
    )


def test_a_page_without_a_size_has_a_hundred(caller: Caller) -> None:
    numbers = populate(caller, 2)
    answer = caller.get("/devices?page=1")
    assert [device["id"] for device in answer.json()["devices"]] == numbers
    assert [len(xml(caller.get("/devices.xml?page=2&items=1"))), lists.ITEMS] == [1, 100]


@pytest.mark.parametrize(
    "query", ["items=0", "items=1001", "items=x", "items=", "page=0", "page=-1", "page=²"]
)
def test_pages_that_cannot_be_are_refused_by_name(caller: Caller, query: str) -> None:
    answer = caller.get(f"/devices?{query}")
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [query.partition("=")[0]]
    assert texts(xml(caller.get(f"/devices.xml?{query}")), "error")[0].startswith(query.partition("=")[0])


def test_a_long_list_comes_in_pieces_and_whole(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = populate(caller, 5)
    monkeypatch.setattr(lists, "_BATCH", 2)
    answer = caller.get("/devices")
    assert "content-length" not in answer.headers
    assert [device["id"] for device in answer.json()["devices"]] == numbers
    assert texts(xml(caller.get("/devices.xml")), "device/id") == [str(number) for number in numbers]


def test_head_answers_without_a_list(caller: Caller) -> None:
    populate(caller, 1)
    answer = caller.request("HEAD", "/devices.xml")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/xml; charset=utf-8"


def test_extended_adds_status_access_and_wipe(caller: Caller) -> None:
    _, device, client = caller.site.laptop(caller.tenant)
    assert "status" not in caller.json("/devices")["devices"][0]
    registry = caller.site.registry
    registry.apply(device.id, registry.actions.set_status("STOLEN"), ORIGIN)
    [shown] = caller.json("/devices?extended=1")["devices"]
    assert [shown[key] for key in ("status", "access", "wipe")] == ["STOLEN", "refused", "requested"]
    assert shown["pending_approval"] is False
    one = xml(caller.get(f"/devices/{device.id}.xml?extended=1"))
    assert [texts(one, key) for key in ("status", "access", "wipe")] == [
        ["STOLEN"],
        ["refused"],
        ["requested"],
    ]
    assert caller.site.ask(client.token).status_code == 401
    assert caller.json(f"/devices/{device.id}?extended=1")["wipe"] == "delivered"
