"""Lists of devices: every order in both directions, pages that neither repeat nor skip, filters."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from seafleet.devices.listing import DeviceFilter, Page, Position, Sort
from seafleet.devices.record import Device
from tests.devices.site import BY, RegistrySite

NAMES = ["Zoë", "zoe", "Ängström", "angst", "STRASSE", "straße", "a_b", "a%b", "aXb", "", "日本", "😀"]


def keys(sort: Sort) -> Callable[[Device], tuple[Any, Any]]:
    values: dict[Sort, Callable[[Device], tuple[Any, Any]]] = {
        Sort.UID: lambda d: (d.uid, d.uid),
        Sort.NAME: lambda d: (d.display_name.casefold(), d.uid),
        Sort.MODEL: lambda d: (d.model.casefold(), d.uid),
        Sort.PLATFORM: lambda d: (d.platform, d.uid),
        Sort.STATUS: lambda d: (d.admin_state, d.uid),
        Sort.LAST_SEEN: lambda d: (d.last_seen.timestamp() if d.last_seen else 0, d.uid),
        Sort.ENROLLED: lambda d: (d.enrolled_at, d.id),
        Sort.ID: lambda d: (d.id, d.id),
    }
    return values[sort]


def expected(devices: list[Device], sort: Sort, *, descending: bool) -> list[int]:
    if sort in (Sort.UID, Sort.ID):
        return [d.id for d in sorted(devices, key=keys(sort), reverse=descending)]
    ordered = sorted(devices, key=lambda d: keys(sort)(d)[1])
    ordered.sort(key=lambda d: keys(sort)(d)[0], reverse=descending)
    return [device.id for device in ordered]


@pytest.fixture
def devices(site: RegistrySite) -> list[Device]:
    chance = random.Random(7)
    for _ in range(40):
        site.insert(
            display_name=chance.choice(NAMES),
            model=chance.choice(["ThinkPad", "thinkpad", "MacBook", ""]),
            platform=chance.choice(["linux", "windows", "ios"]),
            admin_state=(state := chance.choice(["ACTIVE", "LOST", "STOLEN"])),
            status=state,
            last_seen=chance.choice([0, 5, 5, 1_600_000_000]),
            enrolled_at=1_600_000_000 + chance.randrange(5),
        )
    for device in site.registry.listing.stream(all_of(site)):
        site.world.set_device(
            device.id, name_key=device.display_name.casefold(), model_key=device.model.casefold()
        )
    return list(site.registry.listing.stream(all_of(site)))


def all_of(site: RegistrySite) -> DeviceFilter:
    return DeviceFilter(organization_id=site.organization_id, kind="managed")


def walk(site: RegistrySite, sort: Sort, *, descending: bool, limit: int = 7) -> list[Page]:
    pages: list[Page] = []
    after: Position | None = None
    while True:
        page = site.registry.listing.page(
            all_of(site), sort=sort, descending=descending, limit=limit, after=after
        )
        pages.append(page)
        if not page.has_more:
            return pages
        after = page.last


def ids(pages: list[Page]) -> list[int]:
    return [device.id for page in pages for device in page.devices]


@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
@pytest.mark.parametrize("sort", list(Sort))
def test_pages_forwards_and_backwards_follow_the_order(
    site: RegistrySite, devices: list[Device], sort: Sort, descending: bool
) -> None:
    pages = walk(site, sort, descending=descending)
    order = expected(devices, sort, descending=descending)
    assert ids(pages) == order
    assert {page.total for page in pages} == {len(order)}
    back: list[int] = []
    before = pages[-1].first
    while before is not None:
        page = site.registry.listing.page(
            all_of(site), sort=sort, descending=descending, limit=7, before=before
        )
        back = [device.id for device in page.devices] + back
        before = page.first
    assert back == order[: len(order) - len(pages[-1].devices)]
    last = pages[-1].first
    assert last is not None
    earlier = site.registry.listing.count_before(all_of(site), sort, last, descending=descending)
    assert earlier == len(back)


@pytest.mark.parametrize("sort", [Sort.NAME, Sort.LAST_SEEN])
def test_what_comes_and_goes_neither_repeats_nor_hides_others(
    site: RegistrySite, devices: list[Device], sort: Sort
) -> None:
    first = site.registry.listing.page(all_of(site), sort=sort, limit=15)
    for device in first.devices[3:12]:
        site.apply(device, site.actions.remove())
    for _ in range(5):
        site.insert(display_name="", name_key="", last_seen=0)
    rest = site.registry.listing.page(all_of(site), sort=sort, limit=500, after=first.last)
    shown = [device.id for device in (*first.devices, *rest.devices)]
    assert len(set(shown)) == len(shown)
    assert {device.id for device in devices} <= set(shown)


def test_an_empty_list_has_no_borders(site: RegistrySite) -> None:
    page = site.registry.listing.page(all_of(site))
    assert (page.devices, page.total, page.first, page.last, page.has_more) == ((), 0, None, None, False)


def found(site: RegistrySite, **values: Any) -> set[str]:
    wanted = DeviceFilter(organization_id=site.organization_id, **values)
    return {device.display_name for device in site.registry.listing.page(wanted, limit=500).devices}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("zo", {"Zoë", "zoe"}),
        ("ZOË", {"Zoë"}),
        ("ångström", set()),
        ("ÄNGST", {"Ängström"}),
        ("strasse", {"STRASSE", "straße"}),
        ("_", {"a_b"}),
        ("%", {"a%b"}),
        ("日", {"日本"}),
        ("nothing", set()),
        ("\0", set()),
    ],
)
def test_text_is_sought_without_case_and_without_wildcards(
    site: RegistrySite, text: str, names: set[str]
) -> None:
    for name in NAMES:
        site.insert(display_name=name)
    assert found(site, text=text) == names


def test_devices_are_found_by_their_users(site: RegistrySite) -> None:
    account = site.account()
    _, device = site.managed(account, device_name="desk of hers")
    site.managed(device_name="somebody else's")
    assert found(site, text=account.email.upper()[:12]) >= {device.display_name}
    assert found(site, emails=(account.email,)) == {device.display_name}
    assert found(site, text=device.hwid) == set()
    for key in (device.hwid, device.uid, device.identifier):
        assert found(site, text=key, wide=True) == {device.display_name}


def test_filters_restrict_together(site: RegistrySite) -> None:
    site.insert(display_name="one", platform="linux", machine_type="laptop", posture="non_compliant")
    site.insert(
        display_name="two", platform="mac", machine_type="laptop", posture_issues='[["x", "warning", "x"]]'
    )
    site.insert(display_name="three", platform="mac", machine_type="server", agent_type="persistent")
    assert found(site, platforms=("mac",)) == {"two", "three"}
    assert found(site, platforms=("mac",), machine_types=("laptop", "phone")) == {"two"}
    assert found(site, severities=("critical",)) == {"one"}
    assert found(site, severities=("warning", "no_issues")) == {"two", "three"}
    assert found(site, severities=("rubbish",)) == set()
    assert found(site, agent_types=("persistent",)) == {"three"}
    assert found(site, statuses=("rubbish",)) == set()


def test_removed_devices_are_found_by_the_time_of_their_removal(site: RegistrySite) -> None:
    device = site.device(display_name="gone")
    since = site.registry.now()
    site.apply(device, site.actions.remove())
    assert found(site) == set()
    assert found(site, removed_since=since) == {"gone"}
    assert found(site, removed_since=since + timedelta(seconds=1)) == set()


def test_devices_are_found_by_group(site: RegistrySite) -> None:
    (sales,) = site.registry.groups.create(site.organization_id, ["Sales"], BY)
    device = site.device(display_name="in sales")
    site.insert(display_name="elsewhere")
    site.apply(device, site.actions.assign_to_group(sales.id))
    assert found(site, group_ids=(sales.id,)) == {"in sales"}


def test_a_stream_goes_through_everything_once(site: RegistrySite) -> None:
    identities = [site.insert(display_name=f"device {n}") for n in range(3)]
    site.sighting()
    streamed = [device.id for device in site.registry.listing.stream(all_of(site))]
    assert streamed == identities
