"""What each dialect calls a device, and that lists find devices by the same words."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from seafleet.devices.listing import DeviceFilter
from seafleet.devices.record import METAACCESS_CODES, MOBILEFIRST_STATUSES, mobilefirst_status, words
from tests.devices.site import RegistrySite

NOW = 1_700_000_000
BAD: dict[str, Any] = {"posture": "non_compliant", "posture_issues": '[["firewall", "critical", "off"]]'}


@pytest.mark.parametrize(
    ("changes", "mobilefirst", "metaaccess"),
    [
        ({"removed_at": 1}, None, None),
        ({"kind": "sighting", "ignored": True}, None, "ignored"),
        ({"kind": "sighting"}, None, "unknown"),
        ({"admin_state": "STOLEN"}, "STOLEN", "quarantined"),
        ({"admin_state": "LOST", "approval": "pending"}, "LOST", "quarantined"),
        ({"admin_state": "DISABLED"}, "DISABLED", "quarantined"),
        ({"approval": "pending"}, "DISABLED", "pending"),
        ({"approval": "pending", "expired": True}, "DISABLED", "pending"),
        ({"exempted_at": 1}, "ACTIVE", "exempted"),
        ({"exempted_at": 1, "exempt_until": NOW + 1, **BAD}, "ACTIVE", "exempted"),
        ({"exempted_at": 1, "exempt_until": NOW, **BAD}, "ACTIVE", "non_compliant"),
        ({**BAD, "expired": True}, "EXPIRED", "non_compliant"),
        ({}, "ACTIVE", "installed"),
        ({"posture": "compliant"}, "ACTIVE", "compliant"),
    ],
)
def test_a_state_has_a_word_in_each_dialect(
    site: RegistrySite, changes: dict[str, Any], mobilefirst: str | None, metaaccess: str | None
) -> None:
    found = words(site.device(**changes), datetime.fromtimestamp(NOW, UTC))
    assert (found.mobilefirst, found.metaaccess) == (mobilefirst, metaaccess)
    assert found.pending_approval == (changes.get("approval") == "pending" and metaaccess is not None)


def test_numbers_of_the_words_of_version_two() -> None:
    assert METAACCESS_CODES == {
        "compliant": 0,
        "exempted": 0,
        "non_compliant": 1,
        "quarantined": 1,
        "unknown": 2,
        "ignored": 2,
        "installed": 3,
        "pending": 3,
        "out_of_license_usage": 3,
    }


def test_devices_beyond_the_limit_are_out_of_license(site: RegistrySite) -> None:
    first, second, third = (site.device(enrolled_at=NOW + n) for n in (1, 2, 3))
    site.sighting()
    site.set(device_limit=2)
    assert [site.now(each).license for each in (first, second, third)] == ["in", "in", "out"]
    found = words(site.now(third), site.registry.now())
    assert (found.mobilefirst, found.metaaccess) == ("ACTIVE", "out_of_license_usage")
    site.apply(first, site.actions.remove())
    assert site.now(third).license == "in"


def test_lists_find_devices_by_the_word_that_they_show(site: RegistrySite) -> None:
    rows: list[dict[str, Any]] = []
    for admin_state, approval, expired, posture, exemption in product(
        ("ACTIVE", "LOST", "STOLEN", "DISABLED"),
        ("approved", "pending"),
        (False, True),
        ("unreported", "compliant", "non_compliant"),
        ((None, None), (1, None), (1, NOW + 5), (1, NOW)),
    ):
        rows.append(
            {
                "admin_state": admin_state,
                "approval": approval,
                "expired": expired,
                "posture": posture,
                "exempted_at": exemption[0],
                "exempt_until": exemption[1],
            }
        )
    for number, row in enumerate(rows):
        status = mobilefirst_status(row["admin_state"], row["approval"], expired=row["expired"])
        site.insert(**row, status=status, enrolled_at=NOW - 1000 + number)
    site.insert(kind="sighting", enrolled_at=0)
    site.insert(kind="sighting", ignored=True, enrolled_at=0)
    site.insert(removed_at=1)
    site.set(device_limit=12)
    everything = list(site.registry.listing.stream(DeviceFilter(organization_id=site.organization_id)))
    assert len(everything) == len(rows) + 2
    now = site.registry.now()
    for word in (*METAACCESS_CODES, *MOBILEFIRST_STATUSES):
        wanted = DeviceFilter(organization_id=site.organization_id, statuses=(word,))
        found = {device.id for device in site.registry.listing.stream(wanted)}
        told = {
            device.id
            for device in everything
            if word in (words(device, now).mobilefirst, words(device, now).metaaccess)
        }
        assert found == told, word
        assert found, word
