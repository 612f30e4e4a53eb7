"""Cases 36 to 64: Device Magic's dialect. Cases that only look share one server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from lxml import etree

from tests.conformance.site import Site, copied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = {
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
}
XML = {"Content-Type": "application/xml"}


@pytest.fixture(scope="module")
def still(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that nobody changes anything on."""
    with copied(template, tmp_path_factory.mktemp("still")) as running:
        yield running


def root(answer: httpx.Response) -> etree._Element:
    """Return the root element of an answer in XML."""
    assert answer.headers["content-type"].startswith("application/xml")
    return etree.fromstring(answer.content)


def old(site: Site, method: str, path: str, **options: Any) -> httpx.Response:
    """Send a request below the old prefix."""
    return site.basic(method, f"/organizations/1{path}", site.facts.t1, **options)


def shown(site: Site, number: int) -> dict[str, Any]:
    """Return a device as version 2 shows it."""
    answer = site.magic("GET", f"/devices/{number}.json")
    assert answer.status_code == 200
    device: dict[str, Any] = answer.json()
    return device


def names(device: dict[str, Any]) -> list[str]:
    return [group["name"] for group in device["groups"]]


@pytest.fixture
def laptop(site: Site) -> dict[str, Any]:
    """L, written to as case 45 does."""
    device = site.laptop
    body = {
        "device": {
            "owner": "Andrea",
            "description": "blue",
            "groups": "Sales,Field",
            "custom_attributes": {"city": "Bonn"},
        }
    }
    answer = old(site, "PUT", f"/devices/{device['id']}.json", json=body)
    assert answer.status_code == 202
    assert answer.json()["owner"] == "Andrea"
    return device


def test_case_036_the_list_has_managed_devices_in_order(still: Site) -> None:
    answer = still.magic("GET", "/devices.json")
    devices = answer.json()["devices"]
    numbers = [device["id"] for device in devices]
    assert (answer.status_code, numbers) == (200, sorted(numbers))
    assert {still.laptop["id"], still.phone["id"], still.workstation["id"]} == set(numbers)
    assert all(set(device) == KEYS for device in devices)
    assert still.sighting["id"] not in numbers


def test_case_037_the_list_in_xml(still: Site) -> None:
    answer = still.magic("GET", "/devices.xml")
    assert answer.status_code == 200
    devices = root(answer)
    assert (devices.tag, devices.get("type")) == ("devices", "array")
    groups = devices.findall("device/groups")
    assert groups
    assert all(group.get("type") == "array" and [name.tag for name in group] == ["name"] for group in groups)


def test_case_038_without_credentials(still: Site) -> None:
    answer = still.server.request("GET", "/api/v2/organizations/1/devices.json")
    assert answer.status_code == 401
    assert "Basic" in answer.headers["www-authenticate"]


def test_case_039_other_organizations(still: Site) -> None:
    answers = [
        still.basic("GET", f"/api/v2/organizations/{number}/devices.json", still.facts.t1)
        for number in (2, 999)
    ]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].content == answers[1].content


def test_case_040_one_device_by_number(still: Site) -> None:
    laptop = still.laptop
    device = shown(still, laptop["id"])
    assert (device["id"], device["identifier"]) == (laptop["id"], laptop["identifier"])
    assert (device["organization_id"], device["pending_approval"]) == (1, False)


def test_case_041_one_device_by_identifier(still: Site) -> None:
    laptop = still.laptop
    answer = still.magic("GET", f"/devices/{laptop['identifier']}.json")
    assert (answer.status_code, answer.json()) == (200, shown(still, laptop["id"]))


def test_case_042_an_unknown_device(still: Site) -> None:
    answer = still.magic("GET", "/devices/99999.json")
    assert (answer.status_code, list(answer.json())) == (404, ["error"])
    answer = still.magic("GET", "/devices/99999.xml")
    assert (answer.status_code, root(answer).tag) == (404, "errors")


def test_case_043_the_old_shape_in_xml(still: Site) -> None:
    device = root(old(still, "GET", f"/devices/{still.laptop['id']}.xml"))
    assert device.findtext("organization-id") == "1"
    assert device.findtext("pending-approval") == "false"
    assert device.findtext("groups") == "Default"


def test_case_044_the_old_shape_in_json(still: Site) -> None:
    assert old(still, "GET", f"/devices/{still.laptop['id']}.json").json()["groups"] == "Default"


def test_case_045_an_update_is_seen_in_version_2(site: Site, laptop: dict[str, Any]) -> None:
    device = shown(site, laptop["id"])
    assert (device["owner"], device["description"]) == ("Andrea", "blue")
    assert names(device) == ["Sales", "Field"]
    assert device["custom_attributes"] == {"city": "Bonn"}


def test_case_046_what_is_left_out_stays(site: Site, laptop: dict[str, Any]) -> None:
    before = shown(site, laptop["id"])
    path = f"/devices/{laptop['id']}.json"
    assert old(site, "PUT", path, json={"device": {"description": "red"}}).status_code == 202
    assert shown(site, laptop["id"]) == {**before, "description": "red"}


def test_case_047_an_update_in_xml(site: Site) -> None:
    number = site.laptop["id"]
    body = "<device><owner>Ana</owner><groups>Default</groups></device>"
    answer = old(site, "PUT", f"/devices/{number}.xml", content=body, headers=XML)
    assert (answer.status_code, root(answer).findtext("owner")) == (202, "Ana")
    assert shown(site, number)["owner"] == "Ana"


def test_case_048_the_type_of_the_body_decides_without_a_suffix(site: Site) -> None:
    body = "<device><owner>Ana</owner></device>"
    answer = old(site, "PUT", f"/devices/{site.laptop['id']}", content=body, headers=XML)
    assert (answer.status_code, root(answer).tag) == (202, "device")


def refused(site: Site, groups: str) -> None:
    """Check that nothing of an update with these groups is applied."""
    number = site.laptop["id"]
    before = shown(site, number)
    answer = site.magic("PUT", f"/devices/{number}.json", json={"device": {"groups": groups, "owner": "X"}})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["groups"])
    assert shown(site, number) == before


def test_case_049_an_unknown_group_refuses_all(still: Site) -> None:
    refused(still, "Sales,Nope")


def test_case_050_blanks_belong_to_names(still: Site) -> None:
    refused(still, "Sales, Field")


def test_case_051_no_approval_by_the_back_door(site: Site) -> None:
    number = site.laptop["id"]
    before = shown(site, number)
    body = {"device": {"pending_approval": True, "id": 1}}
    assert site.magic("PUT", f"/devices/{number}.json", json=body).status_code == 202
    assert shown(site, number) == before


def test_case_052_keys_are_verbatim(site: Site) -> None:
    number = site.laptop["id"]
    body = {"device": {"custom_attributes": {"company device": "yes"}}}
    assert site.magic("PUT", f"/devices/{number}.json", json=body).status_code == 202
    assert shown(site, number)["custom_attributes"] == {"company device": "yes"}
    device = root(site.magic("GET", f"/devices/{number}.xml"))
    assert device.findtext("custom_attributes/custom_attribute/key") == "company device"


def test_case_053_attributes_are_merged(site: Site, laptop: dict[str, Any]) -> None:
    body = {"device": {"custom_attributes": {"city": None, "n": 12, "b": True}}}
    assert site.magic("PUT", f"/devices/{laptop['id']}.json", json=body).status_code == 202
    assert shown(site, laptop["id"])["custom_attributes"] == {"n": "12", "b": "true"}


def test_case_054_broken_bodies(still: Site) -> None:
    number = still.laptop["id"]
    answer = still.magic(
        "PUT", f"/devices/{number}", content="{", headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()) == (400, {"error": "Malformed JSON"})
    answer = still.magic("PUT", f"/devices/{number}", content="<device>", headers=XML)
    assert (answer.status_code, root(answer).findtext("error")) == (400, "Malformed XML")


@pytest.fixture
def waiting(site: Site) -> tuple[int, str]:
    """Number and token of a device of Ines that waits for approval."""
    site.settings(require_approval=True)
    device = {"platform": "ios", "device_id": "0" * 36, "device_name": "iPad of Ines"}
    token = site.login("ines", device).json()["token"]
    return site.device("iPad of Ines")["id"], token


def test_case_055_a_new_device_waits(site: Site, waiting: tuple[int, str]) -> None:
    number, token = waiting
    assert shown(site, number)["pending_approval"] is True
    assert site.use(token).status_code == 403


def test_case_056_an_approved_device_is_let_in(site: Site, waiting: tuple[int, str]) -> None:
    number, token = waiting
    assert site.magic("POST", f"/devices/{number}/approve").is_success
    assert shown(site, number)["pending_approval"] is False
    assert site.use(token).status_code == 200


def test_case_057_approving_again_is_no_mistake(site: Site, waiting: tuple[int, str]) -> None:
    number, token = waiting
    for _ in range(2):
        assert site.magic("POST", f"/devices/{number}/approve").is_success
    assert site.use(token).status_code == 200


def test_case_058_approve_is_posted(still: Site) -> None:
    answer = still.magic("GET", f"/devices/{still.laptop['id']}/approve")
    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]


def test_case_059_a_deleted_device_is_gone(site: Site) -> None:
    number = site.phone["id"]
    answer = site.magic("DELETE", f"/devices/{number}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert site.magic("GET", f"/devices/{number}").status_code == 404
    assert number not in [device["id"] for device in site.magic("GET", "/devices").json()["devices"]]
    assert site.use(site.facts.tp).status_code == 401


def test_case_060_a_deleted_device_is_not_deleted_again(site: Site) -> None:
    path = f"/devices/{site.phone['id']}"
    assert [site.magic("DELETE", path).status_code for _ in range(2)] == [200, 404]


def test_case_061_the_list_of_groups(still: Site) -> None:
    groups = still.magic("GET", "/groups.json").json()["groups"]
    assert all(list(group) == ["id", "name", "device_ids", "form_ids", "tags"] for group in groups)
    assert {group["name"] for group in groups} == {"Default", "Sales", "Field"}


def test_case_062_groups_are_made_and_filtered(site: Site) -> None:
    assert old(site, "POST", "/groups.json", json=["North", "South"]).status_code == 202
    groups = site.magic("GET", "/groups.json?filter=Nor").json()["groups"]
    assert [group["name"] for group in groups] == ["North"]


def test_case_063_default_stays(site: Site) -> None:
    groups = site.magic("GET", "/groups.json").json()["groups"]
    number = next(group["id"] for group in groups if group["name"] == "Default")
    assert old(site, "DELETE", f"/groups/{number}").status_code == 422
    assert site.magic("GET", "/groups.json").json()["groups"] == groups


def test_case_064_another_representation(still: Site) -> None:
    assert still.magic("GET", "/devices", headers={"Accept": "text/csv"}).status_code == 406
