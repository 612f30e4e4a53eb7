"""What time does by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from seafleet.db import tables
from seafleet.devices import daily
from seafleet.devices.change import Change
from seafleet.devices.daily import DAY_SECONDS
from seafleet.devices.events import EventFilter
from tests.devices.site import RegistrySite


@pytest.mark.parametrize(
    ("values", "expires"),
    [
        ({}, True),
        ({"approval": "pending"}, True),
        ({"admin_state": "LOST"}, False),
        ({"admin_state": "STOLEN"}, False),
        ({"admin_state": "DISABLED"}, False),
        ({"kind": "sighting"}, False),
        ({"removed_at": 1}, False),
    ],
)
def test_silent_devices_expire_unless_they_are_blocked(
    site: RegistrySite, values: dict[str, Any], expires: bool
) -> None:
    device = site.device(last_seen=site.clock.timestamp(), **values)
    site.clock.advance(90 * DAY_SECONDS - 1)
    site.registry.daily.run()
    assert not site.now(device).expired
    site.clock.advance(1)
    site.registry.daily.run()
    assert site.now(device).expired == expires
    assert site.told(device) == (["expired"] if expires else [])
    site.registry.daily.run()
    assert len(site.told(device)) == expires


def test_exemptions_end_and_that_is_told(site: RegistrySite) -> None:
    device, forever = site.device(), site.device()
    site.apply(device, site.actions.exempt(site.registry.now() + timedelta(hours=1)))
    site.apply(forever, site.actions.exempt())
    site.clock.advance(3600)
    site.registry.daily.run()
    assert site.now(device).exemption is None
    assert site.now(forever).exemption is not None
    (*_, ended) = site.events(device)
    assert (ended.action, ended.actor_kind, ended.dialect) == ("exemption_ended", "task", "system")


def test_after_a_year_a_removed_device_is_nobody_known(site: RegistrySite) -> None:
    account, info = site.account(), site.world.desktop()
    _, actor = site.world.on_device(account, info)
    assert actor.device is not None
    number = actor.device.device_id
    site.apply(number, site.actions.set_status("LOST"))
    site.apply(number, site.actions.remove())
    site.clock.advance(365 * DAY_SECONDS)
    site.registry.daily.run()
    assert site.world.count(tables.device_alias, device_id=number) == 0
    assert site.told(number)[-1] == "tombstone_dropped"
    assert site.world.tokens.connect(account, info).device_status == ""
    before = len(site.told(number))
    site.registry.daily.run()
    assert len(site.told(number)) == before


def test_the_log_is_kept_for_four_hundred_days(site: RegistrySite) -> None:
    device = site.device()
    site.apply(device, site.actions.set_status("LOST"))
    site.clock.advance(400 * DAY_SECONDS)
    site.registry.daily.run()
    assert site.told(device) == ["status_set"]
    site.clock.advance(1)
    site.registry.daily.run()
    assert site.told(device) == []


def test_one_worker_a_day_does_the_work(site: RegistrySite) -> None:
    daily = site.registry.daily
    assert daily.run_if_due() is not None
    assert daily.run_if_due() is None
    site.clock.advance(DAY_SECONDS - 1)
    assert daily.run_if_due() is None
    site.clock.advance(1)
    assert daily.run_if_due() is not None


def test_many_devices_are_worked_through_in_parts(site: RegistrySite) -> None:
    for _ in range(450):
        site.insert(last_seen=1)
    assert site.registry.daily.run().expired >= 450
    page = site.registry.events.page(
        EventFilter(organization_id=site.organization_id, action="expired"), limit=500
    )
    assert len(page.events) == 450


def test_a_run_that_is_stopped_leaves_the_rest_to_the_next_one(
    site: RegistrySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = [site.device(last_seen=site.clock.timestamp()) for _ in range(3)]
    site.clock.advance(90 * DAY_SECONDS)
    monkeypatch.setattr(daily, "_CHUNK", 1)
    expire, task = daily._expire, site.registry.daily

    def expire_and_stop(change: Change) -> None:
        expire(change)
        task.stop()

    monkeypatch.setattr(daily, "_expire", expire_and_stop)
    stopped = task.run_if_due()
    assert stopped is not None
    assert stopped.expired == 1
    monkeypatch.undo()
    other_worker = daily.DailyTask(site.database, site.clock, site.settings)
    assert other_worker.run_if_due() is not None
    assert all(site.now(device).expired for device in silent)
    assert other_worker.run_if_due() is None
