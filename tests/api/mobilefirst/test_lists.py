from __future__ import annotations

import re

import pytest

from seafleet.devices.record import Device
from tests.api.mobilefirst.conftest import Caller, details, set_state, uids, xml
from tests.support.registry import ORIGIN

ENVELOPE = {
    "items",
    "nextPageBookmark",
    "prevPageBookmark",
    "pageNumber",
    "pageSize",
    "startIndex",
    "totalListSize",
    "productVersion",
}


def laptops(caller: Caller, *names: str) -> list[Device]:
    """Log somebody in on a laptop of each name."""
    return [caller.site.laptop(caller.tenant, device_name=name)[1] for name in names]


def test_a_page_has_the_devices_and_where_it_stands(caller: Caller) -> None:
    device, other = sorted(laptops(caller, "mara-x13", "b"), key=lambda each: each.uid)
    caller.site.sighting(caller.tenant)
    [removed] = laptops(caller, "gone")
    registry = caller.site.registry
    registry.apply(removed.id, registry.actions.remove(), ORIGIN)
    page = caller.page()
    assert page.keys() == ENVELOPE
    assert uids(page) == [device.uid, other.uid]
    assert page["nextPageBookmark"] is None
    numbers = [page[key] for key in ("pageNumber", "pageSize", "startIndex", "totalListSize")]
    assert (numbers, page["productVersion"]) == ([1, 100, 0, 2], "8.0")


def test_a_device_has_the_documented_members(caller: Caller) -> None:
    person, device, _ = caller.site.laptop(
        caller.tenant, "mara", device_name="Mara's laptop", platform_version="41", client_version="9.0.5"
    )
    set_state(caller, device, "LOST")
    [item] = caller.page()["items"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", item.pop("lastAccessed"))
    assert item == {
        "id": device.uid,
        "deviceDisplayName": "Mara's laptop",
        "deviceModel": "",
        "deviceOs": "41",
        "status": "LOST",
        "userIds": [{"str": person.email}],
        "applicationDeviceAssociations": [
            {
                "appId": "seafile-desktop$linux$9.0.5",
                "appName": "seafile-desktop",
                "certSerialNumber": "",
                "deviceId": device.uid,
                "deviceStatus": "LOST",
                "status": "ENABLED",
            }
        ],
    }


def test_the_same_in_xml_has_attributes(caller: Caller) -> None:
    person, device, _ = caller.site.laptop(caller.tenant, "mara", device_name='<Mara\'s> "laptop" & ü')
    root = xml(caller.get("/devices", headers={"Accept": "application/xml"}))
    assert root.tag == "devices"
    assert list(root.attrib) == [
        "pageNumber",
        "pageSize",
        "prevPageBookmark",
        "productVersion",
        "startIndex",
        "totalListSize",
    ]
    [item] = root.findall("items/item")
    assert list(item.attrib) == [
        "deviceDisplayName",
        "deviceModel",
        "deviceOs",
        "id",
        "lastAccessed",
        "status",
    ]
    assert (item.get("deviceDisplayName"), item.get("deviceModel")) == ('<Mara\'s> "laptop" & ü', "")
    [app] = item.findall("applicationDeviceAssociations/applicationDeviceAssociation")
    assert dict(app.attrib) == {
        "appId": "seafile-desktop$linux$9.0.5",
        "appName": "seafile-desktop",
        "certSerialNumber": "",
        "deviceId": device.uid,
        "deviceStatus": "ACTIVE",
        "status": "ENABLED",
    }
    assert [user.get("str") for user in item.findall("userIds/userId")] == [person.email]
    paged = xml(caller.get("/devices?pageSize=1", headers={"Accept": "text/xml"}), "text/xml")
    assert "nextPageBookmark" not in paged.attrib


def test_what_an_agent_reported_is_shown(caller: Caller) -> None:
    facts = {"os_name": "Fedora 41", "os_version": "41", "model": "ThinkPad X13", "hostname": "x13"}
    device, _ = caller.site.enrol(caller.tenant, **facts)
    windows, _ = caller.site.enrol(caller.tenant, platform="windows", os_name="Windows 11", os_version="24H2")
    shown = {item["id"]: item for item in caller.page()["items"]}
    assert (shown[device.uid]["deviceModel"], shown[device.uid]["deviceOs"]) == ("ThinkPad X13", "Fedora 41")
    assert shown[device.uid]["userIds"] == []
    assert shown[windows.uid]["deviceOs"] == "Windows 11 24H2"


def test_characters_that_xml_cannot_carry_are_replaced(caller: Caller) -> None:
    laptops(caller, "a\x0bb\x1fc")
    assert caller.page()["items"][0]["deviceDisplayName"] == "a\x0bb\x1fc"
    root = xml(caller.get("/devices", headers={"Accept": "application/xml"}))
    assert root.findall("items/item")[0].get("deviceDisplayName") == "a\ufffdb\ufffdc"


def test_a_user_who_unlinked_is_no_user_of_the_device_any_more(caller: Caller) -> None:
    mara, device, client = caller.site.laptop(caller.tenant, "mara")
    ines = caller.site.person(caller.tenant, "ines")
    caller.site.login(ines, device_id=client.device_id)
    users = [user["str"] for user in caller.page()["items"][0]["userIds"]]
    assert users == [mara.email, ines.email]
    caller.site.unlink(client, wipe=True)
    [item] = caller.page()["items"]
    assert (item["id"], item["userIds"]) == (device.uid, [{"str": ines.email}])


# -- searching -----------------------------------------------------------------------------------------------


def test_names_and_users_are_searched_without_case(caller: Caller) -> None:
    mara, laptop, _ = caller.site.laptop(caller.tenant, "mara", device_name="Straße 50%_*")
    ines, other, _ = caller.site.laptop(caller.tenant, "ines", device_name="x")
    for text in ("STRASSE", "straße", "50%", "%_", "_*", mara.email, mara.email.upper(), "MARA-"):
        page = caller.page(query=text)
        assert (uids(page), page["totalListSize"]) == ([laptop.uid], 1), text
    assert uids(caller.page(query="ines-")) == [other.uid]
    assert caller.page(query="x%")["items"] == []
    assert uids(caller.page(query=ines.email)) == [other.uid]
    assert caller.page(query="")["totalListSize"] == 2


@pytest.mark.parametrize("text", ["%", "_", "nobody", "\u2603", "a" * 5000])
def test_a_search_without_a_hit_is_an_empty_list(caller: Caller, text: str) -> None:
    laptops(caller, "a")
    page = caller.page(query=text)
    assert (page["items"], page["totalListSize"], page["startIndex"]) == ([], 0, 0)
    assert page["nextPageBookmark"] is None
    assert uids(caller.page(bookmark=page["prevPageBookmark"], query=text)) == []
    root = xml(caller.get("/devices", params={"query": text}, headers={"Accept": "application/xml"}))
    assert (len(root.findall("items")), len(root[0])) == (1, 0)


# -- parameters ----------------------------------------------------------------------------------------------


def test_without_an_order_uids_decide(caller: Caller) -> None:
    devices = laptops(caller, "c", "b", "a")
    expected = sorted(device.uid for device in devices)
    assert uids(caller.page()) == uids(caller.page(orderBy="uid")) == expected
    assert uids(caller.page(orderBy="-uid")) == expected[::-1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("orderBy", value) for value in ("nope", "", "UID", "--uid", "+uid", "uid,status")),
        *(("pageSize", value) for value in ("0", "x", "", "-1", "1.5", "²", "00")),
        *(("bookmark", value) for value in ("abc", "", "ü", "A" * 600, "=", "e30")),
    ],
)
def test_parameters_that_cannot_be_are_refused_by_name(caller: Caller, name: str, value: str) -> None:
    answer = caller.get("/devices", params={name: value})
    assert (answer.status_code, details(answer)) == (400, f'The value of the parameter "{name}" is invalid.')


def test_large_pages_are_cut_and_say_so(caller: Caller) -> None:
    laptops(caller, "a")
    assert caller.page(pageSize=1000)["pageSize"] == 1000
    assert caller.page(pageSize=1001)["pageSize"] == 1000
    assert caller.page(pageSize="9" * 300)["pageSize"] == 1000
    assert caller.page(offset="7", unknown="x")["startIndex"] == 0
