"""Walking through lists while they change, and bookmarks that do not fit."""

from __future__ import annotations

import base64
import re

import pytest

from seafleet.api.mobilefirst.bookmarks import MAX_LENGTH, Bookmarks, Place, Walk
from seafleet.api.mobilefirst.surface import Refusal
from seafleet.devices.editing import DeviceEdit
from seafleet.devices.record import Device
from seafleet.secrets import ServerSecret
from tests.api.mobilefirst.conftest import Caller, details, uids
from tests.support.registry import ORIGIN, RegistrySite

BOOKMARKS = Bookmarks(ServerSecret(b"x" * 32), "devices 1")
UID = "5b0e9d0e-6d53-4a55-9f0e-1f2a3b4c5d6e"


@pytest.fixture
def site(each_site: RegistrySite) -> RegistrySite:
    """A server on each kind of database."""
    return each_site


def named(caller: Caller, *names: str) -> list[Device]:
    return [caller.site.laptop(caller.tenant, device_name=name)[1] for name in names]


def remove(caller: Caller, device: Device) -> None:
    caller.site.registry.apply(device.id, caller.site.registry.actions.remove(), ORIGIN)


def rename(caller: Caller, device: Device, name: str) -> None:
    edit = caller.site.registry.actions.edit(DeviceEdit(display_name=name))
    caller.site.registry.apply(device.id, edit, ORIGIN)


def test_walking_forth_and_back_meets_every_page(caller: Caller) -> None:
    expected = [device.uid for device in named(caller, "a", "b", "c", "d", "e")]
    page = caller.page(orderBy="friendlyName", pageSize=2)
    forth = [page]
    while page["nextPageBookmark"]:
        page = caller.page(bookmark=page["nextPageBookmark"])
        forth.append(page)
    assert [uids(each) for each in forth] == [expected[:2], expected[2:4], expected[4:]]
    assert [each["pageNumber"] for each in forth] == [1, 2, 3]
    back = []
    for _ in range(4):
        page = caller.page(bookmark=page["prevPageBookmark"])
        back.append((page["pageNumber"], page["startIndex"], uids(page)))
    assert back == [(2, 2, expected[2:4]), *[(1, 0, expected[:2])] * 3]
    again = caller.page(bookmark=caller.page(bookmark=forth[2]["prevPageBookmark"])["nextPageBookmark"])
    assert (uids(again), again["pageNumber"], again["startIndex"]) == (expected[4:], 3, 4)


def test_pages_before_the_third_lead_to_the_first(caller: Caller) -> None:
    devices = sorted(device.uid for device in named(caller, "a", "b"))
    first = caller.page(pageSize=1)
    second = caller.page(bookmark=first["nextPageBookmark"])
    for page in (first, second):
        assert uids(caller.page(bookmark=page["prevPageBookmark"])) == devices[:1]


def test_what_comes_and_goes_elsewhere_neither_repeats_nor_hides_a_device(caller: Caller) -> None:
    b, c, d, e, f = named(caller, "b", "c", "d", "e", "f")
    page = caller.page(orderBy="friendlyName", pageSize=2)
    assert uids(page) == [b.uid, c.uid]
    named(caller, "a")
    remove(caller, b)
    remove(caller, c)
    page = caller.page(bookmark=page["nextPageBookmark"])
    assert (uids(page), page["pageNumber"], page["startIndex"], page["totalListSize"]) == (
        [d.uid, e.uid],
        2,
        1,
        4,
    )
    rename(caller, e, "a0")
    [g] = named(caller, "g")
    page = caller.page(bookmark=page["nextPageBookmark"])
    assert (uids(page), page["startIndex"], page["nextPageBookmark"]) == ([f.uid, g.uid], 3, None)


def test_a_page_that_has_become_empty_ends_the_walk(caller: Caller) -> None:
    a, b = named(caller, "a", "b")
    page = caller.page(orderBy="friendlyName", pageSize=1)
    remove(caller, b)
    page = caller.page(bookmark=page["nextPageBookmark"])
    assert (page["items"], page["startIndex"], page["totalListSize"]) == ([], 1, 1)
    assert page["nextPageBookmark"] is None
    assert uids(caller.page(bookmark=page["prevPageBookmark"])) == [a.uid]


def test_the_size_of_pages_may_change_on_the_way(caller: Caller) -> None:
    expected = sorted(device.uid for device in named(caller, "a", "b", "c", "d"))
    page = caller.page(pageSize=1)
    page = caller.page(bookmark=page["nextPageBookmark"], pageSize=2)
    assert (uids(page), page["pageSize"]) == (expected[1:3], 2)
    page = caller.page(bookmark=page["nextPageBookmark"])
    assert (uids(page), page["pageSize"], page["pageNumber"]) == (expected[3:], 2, 3)


def test_order_and_search_may_be_repeated_but_not_changed(caller: Caller) -> None:
    named(caller, "qqa", "qqb", "y")
    page = caller.page(orderBy="-status", query="qq", pageSize=1)
    bookmark = page["nextPageBookmark"]
    assert page["totalListSize"] == 2
    same = caller.page(bookmark=bookmark, orderBy="-status", query="qq")
    assert same["items"] == caller.page(bookmark=bookmark)["items"] != page["items"]
    for name, value in (("orderBy", "status"), ("orderBy", "uid"), ("query", "QQ"), ("query", "")):
        answer = caller.get("/devices", params={"bookmark": bookmark, name: value})
        expected = f'The bookmark was made with another value of "{name}".'
        assert (answer.status_code, details(answer)) == (400, expected)


def test_a_bookmark_of_another_list_is_refused(caller: Caller) -> None:
    named(caller, "a", "b")
    bookmark = caller.page(pageSize=1)["nextPageBookmark"]
    other = Caller(caller.site, caller.site.tenant(), caller.person)
    caller.site.grant(caller.person, "mfpoperator", other.tenant.runtime)
    assert other.get("/devices", params={"bookmark": bookmark}).status_code == 400
    assert caller.get("/transactions", params={"bookmark": bookmark}).status_code == 400
    assert caller.get("/devices", params={"bookmark": bookmark}).status_code == 200


def test_a_bookmark_with_any_bit_changed_is_refused(caller: Caller) -> None:
    named(caller, "a", "b")
    text = caller.page(pageSize=1)["nextPageBookmark"]
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    for at in range(0, len(raw), 5):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        bookmark = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
        assert caller.get("/devices", params={"bookmark": bookmark}).status_code == 400


@pytest.mark.parametrize(
    "key", ["\U0001f600" * 100, "\u9f98" * 100, "x" * 100, "", UID, 2**40, "\u0390" * 100]
)
@pytest.mark.parametrize("search", ["", "x" * 20, "\u9f98" * 4000])
def test_bookmarks_are_short_whatever_they_hold(key: str | int, search: str) -> None:
    place = Place(Walk("-friendlyName", 1000, search), 123_456_789, "before", key, UID)
    text = BOOKMARKS.write(place)
    assert len(text) <= MAX_LENGTH
    assert BOOKMARKS.read(text, search) == place


def test_a_search_too_long_to_be_kept_has_to_be_sent_along() -> None:
    search = "\u9f98" * 4000
    text = BOOKMARKS.write(Place(Walk("uid", 100, search), 2, "after", UID, UID))
    for other in (None, "", search + "x"):
        with pytest.raises(Refusal) as refused:
            BOOKMARKS.read(text, other)
        assert (refused.value.status, refused.value.arguments) == (400, {"parameter": "query"})
