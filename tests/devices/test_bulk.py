"""Wiping whatever an operator's state is, bulk calls that tell what became of each device, and counts."""

from __future__ import annotations

import pytest

from seafleet.devices.errors import NotApplicable
from seafleet.devices.listing import DeviceFilter, Tally
from seafleet.devices.model import Verdict, verdict
from seafleet.devices.record import Device
from seafleet.devices.registry import Outcome, Result
from seafleet.errors import DeviceWiped, TokenNotFound
from tests.devices.site import BY, RegistrySite


def link_verdict(site: RegistrySite, device: Device) -> Verdict:
    """Return what is decided on the first link of a device."""
    state = device.state_of(device.links[0])
    return verdict(state, site.settings.policy, site.clock.timestamp())


# -- wiping --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["ACTIVE", "LOST", "DISABLED", "STOLEN"])
def test_a_wipe_reaches_the_client_in_any_state(site: RegistrySite, status: str) -> None:
    token, device = site.managed()
    site.apply(device, site.actions.set_status(status))  # type: ignore[arg-type]
    assert site.apply(device, site.actions.wipe()).changed
    with pytest.raises(DeviceWiped):
        site.world.tokens.resolve(token)
    assert site.now(device).admin_state == status


def test_no_state_takes_such_a_wipe_back(site: RegistrySite) -> None:
    token, device = site.managed()
    site.apply(device, site.actions.set_status("STOLEN"))
    site.apply(device, site.actions.wipe())
    site.apply(device, site.actions.set_status("ACTIVE"))
    with pytest.raises(DeviceWiped):
        site.world.tokens.resolve(token)


def test_wiping_twice_is_told_once(site: RegistrySite) -> None:
    _, device = site.managed()
    assert site.apply(device, site.actions.wipe()).changed
    assert not site.apply(device, site.actions.wipe()).changed
    assert site.told(device).count("wipe_requested") == 1


def test_the_wipe_is_over_when_the_client_says_so(site: RegistrySite) -> None:
    token, device = site.managed()
    site.apply(device, site.actions.wipe())
    site.world.tokens.acknowledge_wipe(token)
    assert site.now(device).links == ()
    with pytest.raises(TokenNotFound):
        site.world.tokens.resolve(token)


def test_an_agent_is_told_as_well(site: RegistrySite) -> None:
    _, device = site.enrolled()
    assert site.apply(device, site.actions.wipe()).device.pending == ("wipe",)


def test_there_has_to_be_somebody_to_tell(site: RegistrySite) -> None:
    for device in (site.device(), site.sighting()):
        with pytest.raises(NotApplicable):
            site.apply(device, site.actions.wipe())


def test_a_link_knows_what_is_decided_on_it(site: RegistrySite) -> None:
    token, device = site.managed()
    assert link_verdict(site, device) == Verdict(allowed=True)
    wiped = site.apply(device, site.actions.wipe()).device
    assert link_verdict(site, wiped) == Verdict(
        allowed=False, status="WIPED", sentence="This device is to be wiped.", wipe=True
    )
    with pytest.raises(DeviceWiped):
        site.world.tokens.resolve(token)


# -- many devices --------------------------------------------------------------------------------------------


def test_a_bulk_call_tells_what_became_of_each(site: RegistrySite) -> None:
    fine, exempt = site.device(), site.device()
    seen, gone, changed = site.sighting(), site.device(), site.device()
    site.apply(exempt, site.actions.exempt())
    site.apply(gone, site.actions.remove())
    numbers = [each.id for each in (changed, gone, seen, exempt, fine)]
    site.apply(changed, site.actions.set_status("LOST"))
    action = site.actions.exempt()
    assert site.registry.apply_to_each(numbers, action, BY, {changed.id: changed.row_version}) == [
        Result(changed.id, Outcome.FAILED, reason="somebody changed it meanwhile"),
        Result(gone.id, Outcome.FAILED, reason="it is not there any more"),
        Result(seen.id, Outcome.NOT_SUPPORTED, reason="the device was only seen on the network"),
        Result(exempt.id, Outcome.APPLIED, changed=False),
        Result(fine.id, Outcome.APPLIED, changed=True),
    ]


def test_devices_are_read_in_the_order_of_the_asking(site: RegistrySite) -> None:
    one, two, gone = site.device(), site.device(), site.device()
    site.apply(gone, site.actions.remove())
    numbers = [two.id, gone.id, 10**9, one.id]
    assert [found.id for found in site.registry.by_numbers(numbers)] == [two.id, one.id]
    every = site.registry.by_numbers(numbers, removed=True)
    assert [found.id for found in every] == [two.id, gone.id, one.id]


# -- lists ---------------------------------------------------------------------------------------------------


def test_the_tally_counts_what_wants_to_be_looked_at(site: RegistrySite) -> None:
    site.sighting()
    for state in ("LOST", "LOST", "STOLEN", "DISABLED"):
        site.device(
            admin_state=state, status=state, approval="pending", posture="non_compliant", expired=True
        )
    site.device(approval="pending", status="DISABLED")
    site.device(posture="non_compliant")
    site.device(expired=True, status="EXPIRED")
    site.device()
    assert site.registry.listing.tally(site.organization_id) == Tally(8, 1, 2, 1, 1, 5, 1)


def test_lists_are_filtered_by_each_part_of_the_state(site: RegistrySite) -> None:
    def ids(**wanted: object) -> list[int]:
        found = DeviceFilter(organization_id=site.organization_id, **wanted)  # type: ignore[arg-type]
        return sorted(each.id for each in site.registry.listing.page(found).devices)

    lost, waits = site.device(admin_state="LOST"), site.device(approval="pending")
    weak, asked = site.device(posture="non_compliant"), site.device(wipe="requested")
    _, told = site.managed()
    site.apply(told, site.actions.wipe())
    assert ids(admin_states=("LOST", "STOLEN")) == [lost.id]
    assert ids(approvals=("pending",)) == [waits.id]
    assert ids(postures=("non_compliant",)) == [weak.id]
    assert ids(wiping=True) == [asked.id, told.id]


def test_groups_are_named_without_their_devices(site: RegistrySite) -> None:
    [made] = site.registry.groups.create(site.organization_id, ["Field"], BY)
    assert [group.name for group in site.registry.groups.names(site.organization_id)] == ["Default", "Field"]
    assert site.registry.groups.names(site.organization_id)[1].id == made.id
