from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from seafleet.devices.record import Device
from tests.api.mobilefirst.conftest import Caller, details, xml
from tests.support.registry import ORIGIN


@pytest.fixture
def device(caller: Caller) -> Device:
    """A laptop."""
    return caller.site.laptop(caller.tenant)[1]


def change(caller: Caller, device: Device, *statuses: str) -> list[int]:
    """Set these statuses one after the other; return the numbers of the transactions."""
    return [caller.put(device, status).json()["transaction"]["id"] for status in statuses]


def listed(caller: Caller, **query: Any) -> Any:
    """Return a page of transactions."""
    answer = caller.get("/transactions", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def numbers(page: Any) -> list[int]:
    return [item["id"] for item in page["items"]]


def test_a_transaction_is_shown_as_it_was_answered(caller: Caller, device: Device) -> None:
    answered = caller.put(device, "LOST").json()["transaction"]
    shown = caller.get(f"/transactions/{answered['id']}").json()
    assert shown == {**answered, "productVersion": "8.0"}
    root = xml(caller.get(f"/transactions/{answered['id']}", headers={"Accept": "application/xml"}))
    assert (root.tag, root.get("id"), root.get("productVersion")) == (
        "transaction",
        str(answered["id"]),
        "8.0",
    )
    assert root.find("description").attrib == answered["description"]  # type: ignore[union-attr]


def test_transactions_of_others_and_of_nobody_are_not_found(caller: Caller) -> None:
    other = Caller(caller.site, caller.site.tenant(), caller.site.person(None, "admin", is_staff=True))
    [foreign] = change(other, caller.site.laptop(other.tenant)[1], "LOST")
    for name in (foreign, 999_999, 0, "x", "-1", "9" * 30, "²"):
        answer = caller.get(f"/transactions/{name}")
        assert (answer.status_code, details(answer)) == (404, f'The transaction "{name}" was not found.')


def test_the_list_is_paged_as_that_of_devices_is(caller: Caller, device: Device) -> None:
    made = change(caller, device, "LOST", "ACTIVE", "STOLEN", "DISABLED", "EXPIRED")
    page = listed(caller, pageSize=2)
    assert page.keys() == {
        "items",
        "nextPageBookmark",
        "prevPageBookmark",
        "pageNumber",
        "pageSize",
        "startIndex",
        "totalListSize",
        "productVersion",
    }
    pages = [page]
    while page["nextPageBookmark"]:
        page = listed(caller, bookmark=page["nextPageBookmark"])
        pages.append(page)
    assert [numbers(each) for each in pages] == [made[:2], made[2:4], made[4:]]
    assert [(each["pageNumber"], each["startIndex"], each["totalListSize"]) for each in pages] == [
        (1, 0, 5),
        (2, 2, 5),
        (3, 4, 5),
    ]
    back = listed(caller, bookmark=page["prevPageBookmark"])
    assert (numbers(back), back["pageNumber"], back["startIndex"]) == (made[2:4], 2, 2)
    root = xml(caller.get("/transactions?pageSize=1", headers={"Accept": "application/xml"}))
    assert (root.tag, root.get("totalListSize"), len(root.findall("items/transaction"))) == (
        "transactions",
        "5",
        1,
    )


def test_the_list_is_sorted_as_asked(caller: Caller, device: Device) -> None:
    other = caller.with_role("mfpadmin")
    first = change(other, device, "LOST")
    path = f"/devices/{device.uid}/applications/seafile-desktop"
    second = [caller.request("PUT", path, json={"status": "DISABLED"}).json()["transaction"]["id"]]
    third = change(caller, device, "ACTIVE")
    every = [*first, *second, *third]
    for order in ("created", "updated", "server", "status"):
        assert numbers(listed(caller, orderBy=order)) == every
        expected = every if order == "status" else every[::-1]
        assert numbers(listed(caller, orderBy=f"-{order}")) == expected
    assert numbers(listed(caller, orderBy="type")) == [*second, *first, *third]
    assert numbers(listed(caller, orderBy="-type")) == [*first, *third, *second]
    by_user = sorted([(other.person.email, first), (caller.person.email, [*second, *third])])
    assert numbers(listed(caller, orderBy="user")) == [*by_user[0][1], *by_user[1][1]]
    page = listed(caller, orderBy="-type", pageSize=1)
    page = listed(caller, bookmark=page["nextPageBookmark"])
    assert (numbers(page), page["startIndex"]) == (third, 1)
    page = listed(caller, bookmark=page["nextPageBookmark"])
    assert numbers(listed(caller, bookmark=page["prevPageBookmark"])) == third


def test_failures_are_listed_by_themselves(caller: Caller, device: Device) -> None:
    change(caller, device, "LOST")
    page = listed(caller, mode="errors")
    assert (page["items"], page["totalListSize"], page["nextPageBookmark"]) == ([], 0, None)
    assert caller.get("/transactions", params={"bookmark": page["prevPageBookmark"]}).status_code == 400
    assert listed(caller, mode="errors", bookmark=page["prevPageBookmark"])["items"] == []


@pytest.mark.parametrize(
    ("name", "value"), [("mode", "x"), ("mode", ""), ("orderBy", "uid"), ("pageSize", "0"), ("bookmark", "x")]
)
def test_parameters_that_cannot_be_are_refused_by_name(caller: Caller, name: str, value: str) -> None:
    answer = caller.get("/transactions", params={name: value})
    assert (answer.status_code, details(answer)) == (400, f'The value of the parameter "{name}" is invalid.')


def test_old_transactions_go_as_old_events_do(caller: Caller, device: Device) -> None:
    change(caller, device, "LOST")
    caller.site.set(clock_offset_seconds=399 * 86_400)
    try:
        assert listed(caller)["totalListSize"] == 1
        caller.site.set(clock_offset_seconds=401 * 86_400)
        assert listed(caller)["totalListSize"] == 0
    finally:
        caller.site.set(clock_offset_seconds=0)


# -- audit ---------------------------------------------------------------------------------------------------


def lines(caller: Caller, **query: str) -> list[dict[str, Any]]:
    """Return the entries of the archive."""
    answer = caller.call("GET", "/audit", params=query, headers={"Accept": "application/zip"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["audit.jsonl"]
        return [json.loads(line) for line in archive.read("audit.jsonl").splitlines()]


def test_the_archive_has_this_api_s_entries_of_the_caller_s_runtimes(caller: Caller, device: Device) -> None:
    registry = caller.site.registry
    registry.apply(device.id, registry.actions.set_status("DISABLED"), ORIGIN)
    change(caller, device, "LOST", "ACTIVE")
    other = Caller(caller.site, caller.site.tenant(), caller.site.person(None, "admin", is_staff=True))
    change(other, caller.site.laptop(other.tenant)[1], "LOST")
    last, first = lines(caller)
    assert [first["before"], first["after"]] == [{"admin_state": "DISABLED"}, {"admin_state": "LOST"}]
    assert last["after"] == {"admin_state": "ACTIVE"}
    assert first["device"] == {"id": device.id, "uid": device.uid, "name": device.display_name}
    assert first["actor"] == {"kind": "user", "name": caller.person.email}
    assert (first["runtime"], first["dialect"], first["action"]) == (
        caller.tenant.runtime,
        "mobilefirst",
        "status_set",
    )
    assert {line["runtime"] for line in lines(other)} >= {caller.tenant.runtime, other.tenant.runtime}


def test_the_archive_may_be_of_some_days(caller: Caller, device: Device) -> None:
    change(caller, device, "LOST")
    [entry] = lines(caller)
    day = entry["at"][:10]
    assert lines(caller, fromDate=day, toDate=day) == [entry]
    assert lines(caller, fromDate=day) == lines(caller, toDate=day) == [entry]
    assert lines(caller, fromDate="2001-01-01", toDate="2001-12-31") == []
    assert lines(caller, fromDate="9999-12-31") == []
    assert lines(caller, fromDate="0001-01-01", toDate="9999-12-31") == [entry]
    for value in ("", "2026", "20260101", "2026-13-01", "2026-02-30", "x", "2026-1-1", "2026-01-01T00:00"):
        for name in ("fromDate", "toDate"):
            answer = caller.call("GET", "/audit", params={name: value})
            assert (answer.status_code, details(answer)) == (
                400,
                f'The value of the parameter "{name}" is invalid.',
            )


def test_a_long_log_comes_whole(caller: Caller, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seafleet.api.mobilefirst.audit._BATCH", 2)
    change(caller, device, *(["LOST", "ACTIVE"] * 3))
    assert [line["after"]["admin_state"] for line in lines(caller)] == ["ACTIVE", "LOST"] * 3
    answer = caller.call("HEAD", "/audit")
    assert (answer.status_code, answer.content) == (200, b"")
