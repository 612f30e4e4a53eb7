"""Orders of lists, on each kind of database."""

from __future__ import annotations

from itertools import chain

import pytest

from seafleet.devices.editing import DeviceEdit
from seafleet.devices.record import Device
from tests.api.mobilefirst.conftest import Caller, set_state, uids
from tests.support.registry import ORIGIN, RegistrySite


@pytest.fixture
def site(each_site: RegistrySite) -> RegistrySite:
    """A server on each kind of database."""
    return each_site


def walk(caller: Caller, **query: object) -> list[list[str]]:
    """Follow the bookmarks to the end; return the ids on each page."""
    pages, seen, start = [], 0, 0
    page = caller.page(**query)
    while True:
        seen += 1
        assert (page["pageNumber"], page["startIndex"]) == (seen, start)
        pages.append(uids(page))
        start += len(page["items"])
        if page["nextPageBookmark"] is None:
            return pages
        page = caller.page(bookmark=page["nextPageBookmark"])


@pytest.fixture
def various(caller: Caller) -> dict[str, Device]:
    """Devices that differ in everything that a list may be ordered by."""
    site, tenant = caller.site, caller.tenant
    registry = site.registry
    found = {}
    for at, (name, platform, model, status) in enumerate(
        [
            ("beta", "linux", "Zeta", "ACTIVE"),
            ("Alpha", "windows", "eta", "STOLEN"),
            ("ärger", "mac", "Eta", "LOST"),
            ("alpha", "android", "", "DISABLED"),
            ("_x", "ios", "theta", "EXPIRED"),
        ]
    ):
        site.set(clock_offset_seconds=-3600 * at)
        facts = {"platform": platform, "hostname": name, "model": model}
        device, _ = site.enrol(tenant, **facts)
        registry.apply(device.id, registry.actions.edit(DeviceEdit(display_name=name)), ORIGIN)
        set_state(caller, device, status)
        found[name] = registry.get(device.id)
    site.set(clock_offset_seconds=0)
    return found


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("friendlyName", ["_x", "Alpha", "alpha", "beta", "ärger"]),
        ("deviceModel", ["alpha", "Alpha", "ärger", "_x", "beta"]),
        ("deviceEnvironment", ["alpha", "_x", "beta", "ärger", "Alpha"]),
        ("status", ["beta", "alpha", "_x", "ärger", "Alpha"]),
        ("lastAccessed", ["_x", "alpha", "ärger", "Alpha", "beta"]),
    ],
)
@pytest.mark.parametrize("sign", ["", "-"])
def test_devices_are_sorted_as_asked_and_ties_by_uid(
    caller: Caller, various: dict[str, Device], order: str, names: list[str], sign: str
) -> None:
    if order in ("friendlyName", "deviceModel"):  # two names are equal but for their case
        twins = ["Alpha", "alpha"] if order == "friendlyName" else ["Alpha", "ärger"]
        by_uid = sorted(twins, key=lambda name: various[name].uid)
        names = [name for name in names if name not in twins]
        at = 1
        names = names[:at] + (by_uid[::-1] if sign else by_uid) + names[at:]
    expected = [various[name].uid for name in (names[::-1] if sign else names)]
    assert uids(caller.page(orderBy=sign + order)) == expected
    assert list(chain(*walk(caller, orderBy=sign + order, pageSize=2))) == expected
    assert list(chain(*walk(caller, orderBy=sign + order, pageSize=1))) == expected
