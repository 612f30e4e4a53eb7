from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.devicemagic.conftest import Caller, texts, xml
from tests.support.registry import ORIGIN


def make(caller: Caller, *names: str) -> dict[str, int]:
    """Make groups; return their numbers."""
    answer = caller.request("POST", "/groups", json=list(names))
    assert answer.status_code == 202, answer.text
    return {group["name"]: group["id"] for group in answer.json()["groups"]}


def listed(caller: Caller, query: str = "") -> list[str]:
    """Return the names of the groups that a query leaves."""
    return [group["name"] for group in caller.json(f"/groups.json{query}")["groups"]]


def test_default_is_always_there_with_its_devices(caller: Caller) -> None:
    [group] = caller.json("/groups")["groups"]
    assert list(group) == ["id", "name", "device_ids", "form_ids", "tags"]
    assert (group["name"], group["device_ids"], group["form_ids"], group["tags"]) == ("Default", [], [], [])
    _, device, _ = caller.site.laptop(caller.tenant)
    assert caller.json("/groups")["groups"][0]["device_ids"] == [device.id]


def test_groups_in_xml_name_each_device(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    root = xml(caller.get("/groups.xml"))
    assert (root.tag, root.get("type")) == ("groups", "array")
    assert [child.tag for child in root[0]] == ["id", "name", "device_ids", "form_ids", "tags"]
    assert texts(root, "group/device_ids[@type='array']/device_id") == [str(device.id)]


def test_groups_are_filtered_by_part_of_the_name_and_paged(caller: Caller) -> None:
    make(caller, "North", "South", "Norway%")
    assert listed(caller, "?filter=Nor") == ["North", "Norway%"]
    assert listed(caller, "?filter=%25") == ["Norway%"]
    assert listed(caller, "?filter=nope") == []
    assert listed(caller, "?tags[]=x") == []
    assert listed(caller, "?tags[]=") == ["Default", "North", "South", "Norway%"]
    assert [listed(caller, f"?items=3&page={page}") for page in (1, 2, 3)] == [
        ["Default", "North", "South"],
        ["Norway%"],
        [],
    ]
    for query in ("items=0", "page=0", "items=1001"):
        assert caller.get(f"/groups?{query}").status_code == 422


@pytest.mark.parametrize("prefix", ["/api/v2/organizations", "/api/organizations", "/organizations"])
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ('["North","South"]', "application/json"),
        ('[{"name":"North"},"South","North"]', "application/json"),
        ('{"groups":["North","South"]}', "application/json"),
        (
            "<groups><group><name>North</name></group><group><name>South</name></group></groups>",
            "application/xml",
        ),
        ('<groups type="array"><name>North</name><name>South</name></groups>', "text/xml"),
    ],
)
def test_groups_are_made_from_each_form_and_shown(
    caller: Caller, prefix: str, content: str, kind: str
) -> None:
    view = Caller(caller.site, caller.tenant, prefix)
    for _ in range(2):
        answer = view.request("POST", "/groups.json", content=content, headers={"Content-Type": kind})
        assert answer.status_code == 202
        assert [group["name"] for group in answer.json()["groups"]] == ["North", "South"]
    assert listed(caller) == ["Default", "North", "South"]
    assert len(caller.site.events(organization_id=caller.tenant.id, action="group_created")) == 1


def test_names_are_unique_in_composed_form_and_with_case(caller: Caller) -> None:
    numbers = make(caller, "e\u0301", "E\u0301")
    assert set(numbers) == {"\u00e9", "\u00c9"}
    assert make(caller, "\u00e9") == {"\u00e9": numbers["\u00e9"]}


@pytest.mark.parametrize(
    "body", [["a,b"], [""], ["x" * 101], ["ok", "a\nb"], [1], [None], {}, "North", [["North"]]]
)
def test_no_group_is_made_of_a_list_with_a_bad_name(caller: Caller, body: Any) -> None:
    answer = caller.request("POST", "/groups", json=body)
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 1
    assert listed(caller) == ["Default"]


@pytest.mark.parametrize("body", ["<group/>", "<groups><group/></groups>", "<groups>x</groups>"])
def test_elements_that_name_no_group_are_refused(caller: Caller, body: str) -> None:
    answer = caller.request("POST", "/groups", content=body, headers={"Content-Type": "application/xml"})
    assert answer.status_code == 422
    assert texts(xml(answer), "error")[0].startswith("groups: ")


def change(caller: Caller, number: object, body: Any) -> httpx.Response:
    """Send a change of a group."""
    return caller.put(f"/groups/{number}", json=body)


def test_devices_of_a_group_are_replaced(caller: Caller) -> None:
    devices = [caller.site.laptop(caller.tenant)[1].id for _ in range(3)]
    number = make(caller, "North")["North"]
    answer = change(caller, number, {"group": {"device_ids": devices[:2], "form_ids": [7]}})
    assert (answer.status_code, answer.json()["device_ids"], answer.json()["form_ids"]) == (
        202,
        devices[:2],
        [],
    )
    answer = change(caller, f"{number}.json", {"device_ids": [devices[2], str(devices[1]), devices[1]]})
    assert answer.json()["device_ids"] == devices[1:]
    content = f"<group><device_ids><device_id>{devices[0]}</device_id></device_ids></group>"
    answer = caller.put_xml(f"/groups/{number}", content)
    assert (answer.status_code, texts(xml(answer), "device_ids/device_id")) == (202, [str(devices[0])])
    shown = caller.json(f"/devices/{devices[0]}")
    assert [group["name"] for group in shown["groups"]] == ["Default", "North"]
    assert change(caller, number, {"device_ids": []}).json()["device_ids"] == []


def test_a_group_takes_more_devices_than_a_statement_has_places(caller: Caller) -> None:
    number = make(caller, "North")["North"]
    answer = change(caller, number, {"device_ids": list(range(1_000_000, 1_100_000))})
    assert (answer.status_code, answer.json()) == (
        422,
        {"errors": {"device_ids": ["Unknown device: 1000000"]}},
    )
    assert caller.request("POST", "/groups", json=[str(n) for n in range(1001)]).status_code == 422


def test_a_group_is_renamed(caller: Caller) -> None:
    numbers = make(caller, "North", "South")
    answer = change(caller, numbers["North"], {"group": {"name": "Nord"}})
    assert (answer.status_code, answer.json()["name"]) == (202, "Nord")
    assert listed(caller) == ["Default", "Nord", "South"]
    answer = change(caller, numbers["North"], {"name": "South"})
    assert (answer.status_code, answer.json()) == (422, {"errors": {"name": ["has already been taken"]}})


def test_a_change_that_cannot_be_leaves_all_as_it_was(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    _, foreign, _ = caller.site.laptop(caller.site.tenant())
    number = make(caller, "North")["North"]
    change(caller, number, {"device_ids": [device.id]})
    for body, field in (
        ({"name": "Nord", "device_ids": [99999]}, "device_ids"),
        ({"name": "Nord", "device_ids": [foreign.id]}, "device_ids"),
        ({"name": "Nord", "device_ids": ["x"]}, "device_ids"),
        ({"name": "Nord", "device_ids": [True]}, "device_ids"),
        ({"name": "Nord", "device_ids": [1.5]}, "device_ids"),
        ({"name": "Nord", "device_ids": "1"}, "device_ids"),
        ({"name": "a,b", "device_ids": []}, "name"),
        ({"name": "", "device_ids": []}, "name"),
        ({"name": None, "device_ids": []}, "name"),
        ({"name": 5}, "name"),
        ([], "group"),
    ):
        answer = change(caller, number, body)
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [field]), body
    [group] = [each for each in caller.json("/groups")["groups"] if each["id"] == number]
    assert (group["name"], group["device_ids"]) == ("North", [device.id])


def test_sightings_in_a_group_are_neither_shown_nor_lost(caller: Caller) -> None:
    registry, number = caller.site.registry, make(caller, "North")["North"]
    sighting = caller.site.sighting(caller.tenant)
    registry.apply(sighting, registry.actions.assign_to_group(number), ORIGIN)
    _, device, _ = caller.site.laptop(caller.tenant)
    assert change(caller, number, {"device_ids": [device.id]}).json()["device_ids"] == [device.id]
    assert registry.groups.get(caller.tenant.id, number).device_ids == tuple(sorted((sighting, device.id)))


def test_a_deleted_group_leaves_its_devices(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    number = make(caller, "North")["North"]
    caller.put(f"/devices/{device.id}", json={"groups": "North,Default"})
    answer = caller.request("DELETE", f"/groups/{number}")
    assert (answer.status_code, answer.content) == (202, b"")
    assert caller.json(f"/devices/{device.id}")["groups"] == [{"name": "Default"}]
    assert caller.request("DELETE", f"/groups/{number}").status_code == 404


def test_default_is_neither_renamed_nor_deleted(caller: Caller) -> None:
    [group] = caller.json("/groups")["groups"]
    assert caller.request("DELETE", f"/groups/{group['id']}.json").status_code == 422
    assert change(caller, group["id"], {"name": "Other"}).status_code == 422
    assert change(caller, group["id"], {"name": "Default"}).status_code == 202
    assert listed(caller) == ["Default"]


def test_groups_of_others_and_of_nobody_are_not_found(caller: Caller) -> None:
    foreign = make(Caller(caller.site, caller.site.tenant()), "North")["North"]
    for number in (foreign, 99999, "x", "0", "9" * 30, "²"):
        for answer in (change(caller, number, {}), caller.request("DELETE", f"/groups/{number}")):
            assert (answer.status_code, answer.json()) == (404, {"error": "Group not found"})
