"""Changes with a record of them: both or neither."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from seafleet.devices.errors import DeviceAppNotFound, DeviceNotFound, TransactionNotFound
from seafleet.devices.transactions import PENDING, SUCCESS, TransactionRecord, TransactionSort
from tests.devices.site import BY, RegistrySite


def run(site: RegistrySite, number: int, name: str = "ops@example.org") -> TransactionRecord:
    """Set a device to LOST."""
    device = site.registry.get(number)
    return site.registry.transactions.run(
        device,
        site.actions.set_status("LOST"),
        "CHANGE_DEVICE_STATUS",
        replace(BY, name=name, dialect="mobilefirst"),
        {"deviceId": device.uid, "status": "LOST"},
    )


def test_a_change_and_its_record_are_one(site: RegistrySite) -> None:
    number = site.insert()
    record = run(site, number)
    device = site.registry.get(number)
    assert device.admin_state == "LOST"
    assert record == site.registry.transactions.get(site.organization_id, record.id)
    assert (record.type, record.status, record.errors) == ("CHANGE_DEVICE_STATUS", SUCCESS, ())
    assert (record.user_name, record.description) == (
        "ops@example.org",
        {"deviceId": device.uid, "status": "LOST"},
    )
    assert record.created_at == record.updated_at == site.clock.now()


def test_what_is_so_already_is_recorded_without_an_event(site: RegistrySite) -> None:
    number = site.insert()
    first = run(site, number)
    version = site.registry.get(number).row_version
    second = run(site, number)
    assert second.id > first.id
    assert site.registry.get(number).row_version == version


def test_a_refused_change_leaves_no_record(site: RegistrySite) -> None:
    number = site.insert()
    device = site.registry.get(number)
    action = site.actions.set_app_status("nope", enabled=False)
    transactions = site.registry.transactions
    with pytest.raises(DeviceAppNotFound):
        transactions.run(device, action, "CHANGE_DEVICE_APPLICATION_STATUS", BY, {})
    transactions.run(device, site.actions.remove(), "REMOVE_DEVICE", BY, {"deviceId": device.uid})
    with pytest.raises(DeviceNotFound):
        transactions.run(device, site.actions.remove(), "REMOVE_DEVICE", BY, {})
    assert transactions.page(site.organization_id).total == 1


def test_a_record_as_accepted_is_pending_since_its_beginning(site: RegistrySite) -> None:
    record = run(site, site.insert())
    assert replace(record, status=PENDING) == record.as_accepted()


def test_records_of_other_organizations_and_odd_numbers_are_not_found(site: RegistrySite) -> None:
    record = run(site, site.insert())
    for organization_id, number in (
        (site.organization_id + 1, record.id),
        (site.organization_id, record.id + 1),
        (site.organization_id, 0),
        (site.organization_id, 1 << 70),
    ):
        with pytest.raises(TransactionNotFound):
            site.registry.transactions.get(organization_id, number)


@pytest.mark.parametrize("sort", list(TransactionSort))
@pytest.mark.parametrize("descending", [False, True])
def test_pages_join_to_the_whole_list_in_either_direction(
    site: RegistrySite, sort: TransactionSort, descending: bool
) -> None:
    number = site.insert()
    for name in ("b@example.org", "a@example.org", "b@example.org", "c@example.org", "a@example.org"):
        run(site, number, name)
        site.clock.advance(1)
    transactions = site.registry.transactions

    def keys(record: TransactionRecord) -> object:
        return {"created": record.created_at, "updated": record.updated_at, "user": record.user_name}.get(
            sort
        )

    whole = transactions.page(site.organization_id, sort=sort, descending=descending).transactions
    assert len(whole) == 5
    for one, next_one in pairwise(whole):
        if sort is TransactionSort.NUMBER:
            assert (one.id < next_one.id) is not descending
        elif keys(one) == keys(next_one):
            assert one.id < next_one.id
        else:
            assert (str(keys(one)) < str(keys(next_one))) is not descending
    forth: list[TransactionRecord] = []
    after = None
    while True:
        page = transactions.page(site.organization_id, sort=sort, descending=descending, limit=2, after=after)
        assert page.first is not None
        assert page.total == 5
        start = transactions.count_before(site.organization_id, sort, page.first, descending=descending)
        assert start == len(forth)
        forth += page.transactions
        if not page.has_more:
            break
        after = page.last
    assert forth == list(whole)
    back = transactions.page(
        site.organization_id, sort=sort, descending=descending, limit=2, before=page.first
    )
    assert (list(back.transactions), back.has_more) == (list(whole[2:4]), True)


def test_only_failures_are_listed_on_request(site: RegistrySite) -> None:
    run(site, site.insert())
    assert site.registry.transactions.page(site.organization_id, errors_only=True).total == 0


def test_old_records_go_with_the_daily_task(site: RegistrySite) -> None:
    number = site.insert()
    run(site, number)
    site.clock.advance(399 * 86_400)
    kept = run(site, number)
    site.registry.daily.run()
    assert site.registry.transactions.page(site.organization_id).total == 2
    site.clock.advance(2 * 86_400)
    assert site.registry.daily.run().transactions_dropped > 0
    assert site.registry.transactions.page(site.organization_id).transactions == (kept,)
