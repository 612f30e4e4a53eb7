"""Cases 65 to 89: MobileFirst's dialect. Cases that only look share one server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from lxml import etree

from tests.conformance.site import DAY, MFP, PHONE, Site, copied, email

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEVICES = "/runtimes/mfp/devices"


@pytest.fixture(scope="module")
def still(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that nobody changes anything on."""
    with copied(template, tmp_path_factory.mktemp("still")) as running:
        yield running


def page(site: Site, **query: Any) -> dict[str, Any]:
    """Return a page of devices."""
    answer = site.mfp("GET", DEVICES, params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def uids(body: dict[str, Any]) -> list[str]:
    return [item["id"] for item in body["items"]]


def item(site: Site, device: dict[str, Any]) -> dict[str, Any]:
    """Return a device as it is listed."""
    [found] = [each for each in page(site)["items"] if each["id"] == device["uid"]]
    listed: dict[str, Any] = found
    return listed


def put(site: Site, device: dict[str, Any], body: Any, user: str = "ops", **options: Any) -> httpx.Response:
    return site.mfp("PUT", f"{DEVICES}/{device['uid']}", user, json=body, **options)


def test_case_065_the_list(still: Site) -> None:
    body = page(still)
    numbers = [body[key] for key in ("pageNumber", "pageSize", "startIndex", "totalListSize")]
    assert numbers == [1, 100, 0, len(body["items"])]
    assert (body["nextPageBookmark"], body["productVersion"]) == (None, "8.0")
    expected = {still.laptop["uid"], still.phone["uid"], still.workstation["uid"]}
    assert set(uids(body)) == expected
    assert still.sighting["uid"] not in uids(body)


def test_case_066_an_item(still: Site) -> None:
    found = item(still, still.laptop)
    assert all(isinstance(found[key], str) for key in ("deviceDisplayName", "deviceModel", "deviceOs"))
    assert (found["status"], found["lastAccessed"][-1]) == ("ACTIVE", "Z")
    assert {"str": email("mara")} in found["userIds"]
    [app] = found["applicationDeviceAssociations"]
    assert (app["appName"], app["status"]) == ("seafile-desktop", "ENABLED")


def test_case_067_the_list_in_xml(still: Site) -> None:
    answer = still.mfp("GET", DEVICES, headers={"Accept": "application/xml"})
    assert answer.headers["content-type"].startswith("application/xml")
    devices = etree.fromstring(answer.content)
    assert devices.tag == "devices"
    told = dict(devices.attrib)
    assert told.pop("prevPageBookmark")
    assert told == {
        "pageNumber": "1",
        "pageSize": "100",
        "productVersion": "8.0",
        "startIndex": "0",
        "totalListSize": "3",
    }
    found = {each.get("id"): each for each in devices.findall("items/item")}
    users = [user.get("str") for user in found[still.laptop["uid"]].findall("userIds/userId")]
    assert users == [email("mara")]


def test_case_068_other_media_types(still: Site) -> None:
    answer = still.mfp("GET", DEVICES, headers={"Accept": "text/xml"})
    assert answer.headers["content-type"].startswith("text/xml")
    assert still.mfp("GET", DEVICES, headers={"Accept": "text/html"}).status_code == 406


def test_case_069_who_may_not(still: Site) -> None:
    assert still.server.request("GET", MFP + DEVICES).status_code == 401
    assert still.basic("GET", MFP + DEVICES, email("ops"), "wrong").status_code == 401
    assert still.mfp("GET", DEVICES, "none").status_code == 403


def test_case_070_an_unknown_runtime(still: Site) -> None:
    assert still.mfp("GET", "/runtimes/nope/devices").status_code == 404
    assert still.mfp("GET", "/runtimes/nope/devices", "none").status_code == 403


def test_case_071_every_device_once(still: Site) -> None:
    seen: list[str] = []
    body = page(still, pageSize=1)
    while True:
        assert (body["pageNumber"], body["startIndex"]) == (len(seen) + 1, len(seen))
        seen += uids(body)
        if body["nextPageBookmark"] is None:
            break
        body = page(still, pageSize=1, bookmark=body["nextPageBookmark"])
    assert sorted(seen) == seen == uids(page(still))
    assert len(seen) == 3


def test_case_072_back_to_the_first_page(still: Site) -> None:
    first = page(still, pageSize=1)
    second = page(still, bookmark=first["nextPageBookmark"])
    for body in (first, second):
        again = page(still, bookmark=body["prevPageBookmark"])
        assert (uids(again), again["pageNumber"]) == (uids(first), 1)


def test_case_073_orders(site: Site) -> None:
    site.set_status(site.laptop, "LOST")
    site.move_clock(3600)
    assert site.login("mara", PHONE).status_code == 200
    items = page(site, orderBy="-lastAccessed")["items"]
    assert items[0]["id"] == site.phone["uid"]
    times = [each["lastAccessed"] for each in items]
    assert times == sorted(times, reverse=True)
    shown = [each["deviceDisplayName"].casefold() for each in page(site, orderBy="friendlyName")["items"]]
    assert shown == sorted(shown)
    statuses = [each["status"] for each in page(site, orderBy="status")["items"]]
    assert statuses == ["ACTIVE", "ACTIVE", "LOST"]


def test_case_074_wrong_parameters(still: Site) -> None:
    for query in ("orderBy=nope", "pageSize=0", "pageSize=x", "bookmark=abc"):
        assert still.mfp("GET", f"{DEVICES}?{query}").status_code == 400, query


def test_case_075_searching(still: Site) -> None:
    assert uids(page(still, query="MARA-X")) == [still.laptop["uid"]]
    assert uids(page(still, query="ines@")) == [still.workstation["uid"]]
    assert uids(page(still, query="%")) == []


def test_case_076_a_bookmark_of_another_order(still: Site) -> None:
    bookmark = page(still, orderBy="uid", pageSize=1)["nextPageBookmark"]
    answer = still.mfp("GET", DEVICES, params={"bookmark": bookmark, "orderBy": "status"})
    assert answer.status_code == 400


def test_case_077_a_status_is_set(site: Site) -> None:
    laptop = site.laptop
    answer = put(site, laptop, {"status": "DISABLED"})
    body = answer.json()
    assert (answer.status_code, body["ok"]) == (200, True)
    transaction = body["transaction"]
    assert (transaction["type"], transaction["status"]) == ("CHANGE_DEVICE_STATUS", "SUCCESS")
    assert transaction["description"]["deviceId"] == laptop["uid"]
    assert site.mfp_status(laptop) == "DISABLED"


def test_case_078_a_monitor_sets_nothing(still: Site) -> None:
    assert put(still, still.laptop, {"status": "DISABLED"}, "watch").status_code == 403
    assert still.mfp_status(still.laptop) == "ACTIVE"


def test_case_079_other_payloads(still: Site) -> None:
    laptop = still.laptop
    bodies: list[Any] = [{"status": "lost"}, {}, []]
    assert [put(still, laptop, body).status_code for body in bodies] == [400, 400, 400]
    headers = {"Content-Type": "application/xml"}
    answer = still.mfp("PUT", f"{DEVICES}/{laptop['uid']}", content="<status>LOST</status>", headers=headers)
    assert answer.status_code == 415


def test_case_080_an_unknown_device(still: Site) -> None:
    assert put(still, {"uid": "nope"}, {"status": "LOST"}).status_code == 404


def test_case_081_not_waiting_for_the_end(site: Site) -> None:
    answer = put(site, site.laptop, {"status": "LOST"}, params={"async": "true"})
    transaction = answer.json()["transaction"]
    assert (answer.status_code, transaction["status"]) == (200, "PENDING")
    found = site.mfp("GET", f"/runtimes/mfp/transactions/{transaction['id']}").json()
    assert found["status"] == "SUCCESS"


def test_case_082_one_application_is_disabled(site: Site) -> None:
    laptop = site.laptop
    path = f"{DEVICES}/{laptop['uid']}/applications/seafile-desktop"
    merged = site.admin("POST", f"/devices/{site.phone['id']}/merge/", json={"into": laptop["id"]})
    assert merged.status_code == 200  # so that there are two applications on one device
    assert site.mfp("PUT", path, json={"status": "DISABLED"}).status_code == 200
    refused = site.use(site.facts.tl)
    assert (refused.status_code, refused.headers["x-device-status"]) == (403, "APP_DISABLED")
    assert refused.json()["device_status"] == "APP_DISABLED"
    assert site.use(site.facts.tp).status_code == 200
    assert site.mfp("PUT", path, json={"status": "ENABLED"}).status_code == 200
    assert site.use(site.facts.tl).status_code == 200


def test_case_083_an_unknown_application(still: Site) -> None:
    path = f"{DEVICES}/{still.laptop['uid']}/applications/nope"
    assert still.mfp("PUT", path, json={"status": "DISABLED"}).status_code == 404


def test_case_084_a_device_is_removed(site: Site) -> None:
    path = f"{DEVICES}/{site.phone['uid']}"
    answer = site.mfp("DELETE", path)
    assert (answer.status_code, answer.json()["transaction"]["type"]) == (200, "REMOVE_DEVICE")
    assert site.mfp("DELETE", path).status_code == 404
    assert site.use(site.facts.tp).status_code == 401


def test_case_085_runtimes(still: Site) -> None:
    runtimes = still.mfp("GET", "/runtimes")
    [project] = [each for each in runtimes.json()["projects"] if each["name"] == "mfp"]
    assert project["running"] is True
    runtime = still.mfp("GET", "/runtimes/mfp")
    assert runtime.json()["numberOfActiveDevices"] == 3
    assert "secret" not in (runtimes.text + runtime.text).lower()


def test_case_086_languages_of_errors(still: Site) -> None:
    answers = [still.mfp("GET", f"/runtimes/nope/devices?locale={locale}") for locale in ("de_DE", "xx_YY")]
    assert [answer.headers["content-language"] for answer in answers] == ["de", "en"]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text != answers[1].text


def test_case_087_a_runtime_without_devices(site: Site) -> None:
    assert site.admin("POST", "/organizations/", json={"name": "Void", "runtime": "void"}).status_code == 201
    grant = {"user": email("ops"), "role": "mfpmonitor", "runtime": "void"}
    assert site.admin("POST", "/role-grants/", json=grant).status_code == 201
    body = site.mfp("GET", "/runtimes/void/devices?query=").json()
    assert (body["items"], body["totalListSize"]) == ([], 0)


def test_case_088_a_silent_device_expires_and_comes_back(site: Site) -> None:
    laptop = site.laptop
    site.move_clock(91 * DAY)
    assert site.mfp_status(laptop) == "EXPIRED"
    assert site.use(site.facts.tl).status_code == 200
    assert site.mfp_status(laptop) == "ACTIVE"


def test_case_089_a_lost_device_does_not_expire(site: Site) -> None:
    laptop = site.laptop
    site.set_status(laptop, "LOST")
    site.move_clock(91 * DAY)
    assert site.mfp_status(laptop) == "LOST"
