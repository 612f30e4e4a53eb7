from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from tests.api.devicemagic.conftest import Caller, texts, xml

XML_HEADERS = {"Content-Type": "text/xml"}


@pytest.fixture
def number(caller: Caller) -> int:
    """A laptop in an organization that has the groups Sales and Field."""
    _, device, _ = caller.site.laptop(caller.tenant)
    assert caller.request("POST", "/groups", json=["Sales", "Field"]).status_code == 202
    return device.id


def names(device: dict[str, list[dict[str, str]]]) -> list[str]:
    return [group["name"] for group in device["groups"]]


def test_everything_that_may_be_written_is_read_back(caller: Caller, number: int) -> None:
    body = {
        "owner": "Andrea",
        "description": "blue",
        "groups": "Sales,Field",
        "custom_attributes": {"city": "Bonn", "company device": "yes"},
    }
    answer = caller.old().put(f"/devices/{number}.json", json={"device": body})
    assert answer.status_code == 202
    assert answer.json() == {**answer.json(), **body}
    device = caller.json(f"/devices/{number}")
    assert (device["owner"], device["description"], names(device)) == ("Andrea", "blue", ["Sales", "Field"])
    assert device["custom_attributes"] == {"city": "Bonn", "company device": "yes"}


def test_what_is_left_out_stays(caller: Caller, number: int) -> None:
    caller.put(f"/devices/{number}", json={"owner": "A", "groups": "Field", "custom_attributes": {"k": "v"}})
    before = caller.json(f"/devices/{number}")
    answer = caller.put(f"/devices/{number}", json={"device": {"description": "red"}})
    assert answer.json() == {**before, "description": "red"}
    assert caller.put(f"/devices/{number}", json={}).json() == answer.json()
    assert caller.put_xml(f"/devices/{number}.json", "<device/>").json() == answer.json()


def test_what_may_not_be_written_is_passed_over(caller: Caller, number: int) -> None:
    before = caller.json(f"/devices/{number}")
    body = {
        "id": 1,
        "identifier": "x",
        "organization_id": 1,
        "os_version": 9,
        "app_identifier": None,
        "pending_approval": True,
        "anything": [1],
    }
    assert caller.put(f"/devices/{number}", json={"device": body}).status_code == 202
    assert caller.json(f"/devices/{number}") == before
    assert caller.site.events(device_id=number, dialect="devicemagic") == []


def test_the_same_written_again_is_no_event(caller: Caller, number: int) -> None:
    body = {"owner": "A", "groups": "Field", "custom_attributes": {"k": "v"}}
    for _ in range(2):
        assert caller.put(f"/devices/{number}", json=body).status_code == 202
    [event] = caller.site.events(device_id=number, dialect="devicemagic")
    assert event.action == "edited"
    assert (event.before["groups"], event.after["groups"]) == (["Default"], ["Field"])
    assert event.after["custom_attributes"] == {"k": "v"}


def test_descriptions_are_null_until_set_and_empty_once_emptied(caller: Caller, number: int) -> None:
    def description() -> object:
        return caller.json(f"/devices/{number}")["description"]

    assert description() is None
    for body, expected in (
        ({"description": ""}, ""),
        ({"description": "x"}, "x"),
        ({"description": None}, None),
    ):
        caller.put(f"/devices/{number}", json=body)
        assert description() == expected
    for element, expected in (
        ("<description/>", ""),
        ("<description> a b </description>", " a b "),
        ('<description nil="true"/>', None),
    ):
        caller.put_xml(f"/devices/{number}", f"<device>{element}</device>")
        assert description() == expected


# -- groups --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Sales,Field", ["Sales", "Field"]),
        ("Field,Sales,Field", ["Field", "Sales"]),
        ("", []),
        (["Field"], ["Field"]),
        ([], []),
        ([{"name": "Field"}, "Sales", {"name": "Default", "id": 7}], ["Field", "Sales", "Default"]),
    ],
)
def test_groups_are_taken_in_each_form_and_keep_their_order(
    caller: Caller, number: int, given: object, expected: list[str]
) -> None:
    answer = caller.put(f"/devices/{number}", json={"groups": given})
    assert (answer.status_code, names(answer.json())) == (202, expected)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("<groups>Sales,Field</groups>", ["Sales", "Field"]),
        ("<groups/>", []),
        ('<groups type="array">\n</groups>', []),
        ('<groups type="array">Field</groups>', ["Field"]),
        ("<groups><name>Field</name><name>Sales</name></groups>", ["Field", "Sales"]),
        ('<groups type="array">\n  <name>Field</name>\n</groups>', ["Field"]),
        ("<groups><group><name>Field</name></group></groups>", ["Field"]),
    ],
)
def test_groups_in_xml_likewise(caller: Caller, number: int, given: str, expected: list[str]) -> None:
    answer = caller.put_xml(f"/devices/{number}.json", f"<device>{given}</device>")
    assert (answer.status_code, names(answer.json())) == (202, expected)


@pytest.mark.parametrize("given", ["Sales,Nope", "Sales, Field", "sales", "Sales,,Field", "Sales,", " "])
def test_an_unknown_group_refuses_the_whole_request(caller: Caller, number: int, given: str) -> None:
    before = caller.json(f"/devices/{number}")
    body = {"owner": "X", "description": "Y", "groups": given, "custom_attributes": {"k": "v"}}
    answer = caller.put(f"/devices/{number}", json=body)
    assert answer.status_code == 422
    [problem] = answer.json()["errors"]["groups"]
    assert problem.startswith("Unknown group: ")
    assert caller.json(f"/devices/{number}") == before


def test_errors_of_fields_have_their_own_form_in_xml(caller: Caller, number: int) -> None:
    answer = caller.put_xml(f"/devices/{number}", "<device><owner/><groups>Saels</groups></device>")
    assert answer.status_code == 422
    assert texts(xml(answer), "error") == ["owner: must not be empty", "groups: Unknown group: Saels"]


def test_groups_of_another_organization_are_unknown(caller: Caller, number: int) -> None:
    other = Caller(caller.site, caller.site.tenant())
    other.request("POST", "/groups", json=["Foreign"])
    assert caller.put(f"/devices/{number}", json={"groups": "Foreign"}).status_code == 422


# -- attributes ----------------------------------------------------------------------------------------------


def attributes(caller: Caller, number: int, given: object) -> dict[str, str]:
    """Write attributes and return all there are."""
    answer = caller.put(f"/devices/{number}", json={"custom_attributes": given})
    assert answer.status_code == 202, answer.text
    found: dict[str, str] = answer.json()["custom_attributes"]
    return found


def test_attributes_are_merged_and_become_text(caller: Caller, number: int) -> None:
    assert attributes(caller, number, {"city": "Bonn", "a": ""}) == {"a": "", "city": "Bonn"}
    given = {"city": None, "n": 12, "b": True, "f": 1.5, "no": False, "gone": None}
    assert attributes(caller, number, given) == {"a": "", "b": "true", "f": "1.5", "n": "12", "no": "false"}
    assert attributes(caller, number, {}) == {"a": "", "b": "true", "f": "1.5", "n": "12", "no": "false"}
    assert attributes(caller, number, None) == {}


def test_keys_are_kept_verbatim_in_both_formats(caller: Caller, number: int) -> None:
    keys = {
        "company device": "1",
        "company_device": "2",
        "Company Device": "3",
        "<&>\"'": "<&>\"'",
        "ü ☃": "\t\n",
    }
    assert attributes(caller, number, keys) == dict(sorted(keys.items()))
    for view, path in (
        (caller, "custom_attributes/custom_attribute"),
        (caller.old(), "custom-attributes/custom-attribute"),
    ):
        root = xml(view.get(f"/devices/{number}.xml"))
        shown = dict(zip(texts(root, f"{path}/key"), texts(root, f"{path}/value"), strict=True))
        assert shown == keys


@pytest.mark.parametrize("hyphen", [False, True])
def test_attributes_in_xml_are_merged_likewise(caller: Caller, number: int, hyphen: bool) -> None:
    def put(inner: str) -> dict[str, str]:
        body = f"<device><custom_attributes>{inner}</custom_attributes></device>"
        content = body.replace("_", "-") if hyphen else body
        answer = caller.put_xml(f"/devices/{number}.json", content)
        assert answer.status_code == 202, answer.text
        found: dict[str, str] = answer.json()["custom_attributes"]
        return found

    def entry(key: str, value: str) -> str:
        return f"<custom_attribute><key>{key}</key>{value}</custom_attribute>"

    assert put(entry("a", "<value>1</value>") + entry("b", "<value/>")) == {"a": "1", "b": ""}
    assert put("\n" + entry("a", '<value nil="true"/>') + "\n") == {"b": ""}
    assert put("") == {"b": ""}
    empty = '<device><custom_attributes nil="true"/></device>'
    answer = caller.put_xml(f"/devices/{number}.json", empty.replace("_", "-") if hyphen else empty)
    assert answer.json()["custom_attributes"] == {}


def test_what_was_read_may_be_written_back(caller: Caller, number: int) -> None:
    body = {
        "owner": "A&B",
        "description": "<x>",
        "groups": "Field,Default",
        "custom_attributes": {"a b": "c"},
    }
    caller.put(f"/devices/{number}", json=body)
    for view in (caller, caller.old()):
        for suffix, headers in ((".json", {"Content-Type": "application/json"}), (".xml", XML_HEADERS)):
            read = view.get(f"/devices/{number}{suffix}")
            answer = view.put(f"/devices/{number}{suffix}", content=read.content, headers=headers)
            assert (answer.status_code, answer.content) == (202, read.content)


# -- limits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("owner", ["x", "ä" * 255, " "], ["", "x" * 256, "a\x00b", "a\x0bb", "\ufffe"]),
        ("description", ["", "x" * 2000, "a\nb\tc\r"], ["x" * 2001, "\x1b"]),
        ("owner", [], [None, 1, ["x"], {"a": 1}, True]),
        ("description", [None], [1, [], {}]),
        ("groups", [], [",".join(map(str, range(1001))), list(map(str, range(1001)))]),
        ("groups", [], [None, 1, [1], [None], [{"id": 1}], {"name": "Sales"}, True]),
        ("custom_attributes", [{}, None], ["x", 1, [], [{"key": "a", "value": "b"}]]),
        ("custom_attributes", [{"k": "x" * 1000}, {"k" * 100: ""}], [{"k": "x" * 1001}, {"k" * 101: ""}]),
        ("custom_attributes", [], [{"": "x"}, {"k": []}, {"k": {}}, {"k\x01": "x"}, {"k": "\x0c"}]),
        ("custom_attributes", [{str(n): "x" for n in range(100)}], [{str(n): "x" for n in range(101)}]),
    ],
)
def test_values_at_their_limits_are_taken_and_others_refused_by_name(
    caller: Caller, number: int, field: str, good: list[Any], bad: list[Any]
) -> None:
    for value in bad:
        before = caller.json(f"/devices/{number}")
        answer = caller.put(f"/devices/{number}", json={"device": {field: value}})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [field]), value
        assert caller.json(f"/devices/{number}") == before
    for value in good:
        answer = caller.put(f"/devices/{number}", json={"device": {field: value}})
        assert answer.status_code == 202
        shown = answer.json()[field]
        assert shown == value or (isinstance(shown, dict) and shown.items() >= (value or {}).items())


def test_half_a_surrogate_pair_is_refused(caller: Caller, number: int) -> None:
    content = b'{"owner": "\\ud800", "custom_attributes": {"\\udfff": "x"}}'
    answer = caller.put(f"/devices/{number}", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, set(answer.json()["errors"])) == (422, {"owner", "custom_attributes"})


def test_attributes_count_with_those_that_are_there(caller: Caller, number: int) -> None:
    attributes(caller, number, {f"a{n}": "x" for n in range(100)})
    assert caller.put(f"/devices/{number}", json={"custom_attributes": {"b": "x"}}).status_code == 422
    assert len(attributes(caller, number, {"b": "x", "a0": None})) == 100


@pytest.mark.parametrize(
    "content",
    [
        "<other><owner>A</owner></other>",
        "<device><owner>A</owner><owner>B</owner></device>",
        "<device><owner><b/></owner></device>",
        "<device><groups><id>1</id></groups></device>",
        "<device><groups>x<name>Sales</name></groups></device>",
        "<device><custom_attributes>x</custom_attributes></device>",
        "<device><custom_attributes><other/></custom_attributes></device>",
        "<device><custom_attributes><custom_attribute><key>a</key></custom_attribute></custom_attributes></device>",
        "<device><custom_attributes>"
        + "<custom_attribute><key>a</key><value>1</value></custom_attribute>" * 2
        + "</custom_attributes></device>",
    ],
)
def test_elements_that_say_nothing_clear_are_refused(caller: Caller, number: int, content: str) -> None:
    before = caller.json(f"/devices/{number}")
    answer = caller.put_xml(f"/devices/{number}", content)
    assert (answer.status_code, len(etree.fromstring(answer.content))) == (422, 1)
    assert caller.json(f"/devices/{number}") == before


@pytest.mark.parametrize("content", ["[]", '"x"', "1", "null", '{"device": []}', '{"device": null}'])
def test_json_that_is_no_object_is_refused(caller: Caller, number: int, content: str) -> None:
    answer = caller.put(f"/devices/{number}", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()) == (422, {"errors": {"device": ["must be an object"]}})
