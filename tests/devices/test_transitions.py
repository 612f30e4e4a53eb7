"""What each action does, that doing it twice does nothing, and that every effective change is told once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from seafleet.db import tables
from seafleet.devices.actions import Action
from seafleet.devices.editing import DeviceEdit
from seafleet.devices.errors import (
    CommandNotFound,
    DeviceAppNotFound,
    DeviceChanged,
    DeviceGroupNotFound,
    DeviceNotFound,
    NotApplicable,
)
from seafleet.devices.listing import DeviceFilter
from seafleet.devices.record import words
from seafleet.devices.registry import Outcome
from seafleet.errors import DeviceBlocked, DeviceWiped, InvalidArgument, TokenNotFound
from tests.devices.site import BY, RegistrySite

STATUSES: list[Any] = ["ACTIVE", "LOST", "STOLEN", "DISABLED", "EXPIRED"]


def test_approving_touches_nothing_else(site: RegistrySite) -> None:
    site.set(require_approval=True)
    token, device = site.managed()
    assert device.approval == "pending"
    site.apply(device, site.actions.set_status("LOST"))
    assert site.apply(device, site.actions.approve()).changed
    now = site.now(device)
    assert (now.approval, now.admin_state) == ("approved", "LOST")
    with pytest.raises(DeviceBlocked):
        site.world.tokens.resolve(token)


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_is_read_back_as_it_was_set(site: RegistrySite, status: Any) -> None:
    _, device = site.managed()
    applied = site.apply(device, site.actions.set_status(status))
    assert words(applied.device, site.registry.now()).mobilefirst == status
    again = site.apply(device, site.actions.set_status(status))
    assert not again.changed
    assert again.device.row_version == applied.device.row_version
    assert site.told(device).count("status_set") == (status != "ACTIVE")


def test_active_approves_and_ends_the_expired_state(site: RegistrySite) -> None:
    device = site.device(approval="pending", expired=True)
    site.apply(device, site.actions.set_status("ACTIVE"))
    now = site.now(device)
    assert (now.approval, now.expired, now.admin_state) == ("approved", False, "ACTIVE")


def test_expired_lifts_a_block_and_leaves_the_approval(site: RegistrySite) -> None:
    device = site.device(approval="pending", admin_state="LOST")
    site.apply(device, site.actions.set_status("EXPIRED"))
    now = site.now(device)
    assert (now.approval, now.expired, now.admin_state) == ("pending", True, "ACTIVE")


@pytest.mark.parametrize("back", ["ACTIVE", "DISABLED", "EXPIRED"])
def test_a_wipe_is_taken_back_while_nobody_has_heard_of_it(site: RegistrySite, back: Any) -> None:
    token, device = site.managed()
    site.apply(device, site.actions.set_status("STOLEN"))
    assert site.now(device).wipe.state == "requested"
    assert site.now(device).links[0].wipe_source == "status"
    site.apply(device, site.actions.set_status(back))
    assert site.now(device).wipe.state == "none"
    assert site.now(device).links[0].wiped_at is None
    if back != "DISABLED":
        assert site.world.tokens.resolve(token).actor.device is not None


def test_a_wipe_that_was_delivered_stays(site: RegistrySite) -> None:
    token, device = site.managed()
    site.apply(device, site.actions.set_status("STOLEN"))
    with pytest.raises(DeviceWiped):
        site.world.tokens.resolve(token)
    site.apply(device, site.actions.set_status("ACTIVE"))
    assert site.now(device).wipe.state == "delivered"
    with pytest.raises(DeviceWiped):
        site.world.tokens.resolve(token)
    site.world.tokens.acknowledge_wipe(token)
    assert site.now(device).wipe.state == "done"
    with pytest.raises(TokenNotFound):
        site.world.tokens.resolve(token)


def test_lost_wipes_only_if_the_setting_says_so(site: RegistrySite) -> None:
    _, device = site.managed()
    site.apply(device, site.actions.set_status("LOST"))
    assert site.now(device).wipe.state == "none"
    site.apply(device, site.actions.set_status("ACTIVE"))
    site.set(wipe_on_status=["LOST", "STOLEN"])
    site.apply(device, site.actions.set_status("LOST"))
    assert site.now(device).wipe.state == "requested"


def test_a_lost_device_that_was_stolen_before_goes_on_waiting_for_its_wipe(site: RegistrySite) -> None:
    token, device = site.managed()
    site.apply(device, site.actions.set_status("STOLEN"))
    site.apply(device, site.actions.set_status("LOST"))
    with pytest.raises(DeviceBlocked) as raised:
        site.world.tokens.resolve(token)
    assert raised.value.status == "LOST"
    assert site.now(device).wipe.state == "requested"


def test_an_application_is_suspended_by_name(site: RegistrySite) -> None:
    account = site.account()
    token, device = site.managed(account)
    site.apply(device, site.actions.set_app_status("seafile-desktop", enabled=False))
    with pytest.raises(DeviceBlocked) as raised:
        site.world.tokens.resolve(token)
    assert raised.value.status == "APP_DISABLED"
    assert [app.status for app in site.now(device).apps] == ["DISABLED"]
    site.apply(device, site.actions.set_app_status("seafile-desktop", enabled=True))
    assert site.world.tokens.resolve(token).actor.device is not None
    with pytest.raises(DeviceAppNotFound):
        site.apply(device, site.actions.set_app_status("nope", enabled=False))


def test_a_login_on_a_suspended_application_is_refused_for_everybody(site: RegistrySite) -> None:
    info = site.world.desktop()
    _, actor = site.world.on_device(site.account(), info)
    assert actor.device is not None
    site.apply(actor.device.device_id, site.actions.set_app_status("seafile-desktop", enabled=False))
    with pytest.raises(DeviceBlocked):
        site.world.tokens.connect(site.account(), info)


# -- removal -------------------------------------------------------------------------------------------------


def test_removing_kills_tokens_and_cannot_be_done_twice(site: RegistrySite) -> None:
    token, device = site.managed()
    site.apply(device, site.actions.remove())
    with pytest.raises(TokenNotFound):
        site.world.tokens.resolve(token)
    with pytest.raises(DeviceNotFound):
        site.apply(device, site.actions.remove())
    assert site.world.count(tables.device_link, device_id=device.id) == 0
    for find in (
        lambda: site.registry.get(device.id),
        lambda: site.registry.by_uid(device.uid),
        lambda: site.registry.by_identifier(device.identifier, site.organization_id),
        lambda: site.registry.by_hwid(device.hwid, site.organization_id),
    ):
        with pytest.raises(DeviceNotFound):
            find()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("status", ["LOST", "STOLEN", "DISABLED"])
def test_what_was_blocked_comes_back_as_a_new_record_that_waits(site: RegistrySite, status: Any) -> None:
    account, info = site.account(), site.world.desktop()
    _, actor = site.world.on_device(account, info)
    assert actor.device is not None
    old = site.now(actor.device.device_id)
    site.apply(old, site.actions.set_status(status))
    site.apply(old, site.actions.remove())
    issued = site.world.tokens.connect(account, info)
    assert issued.device_status == "PENDING_APPROVAL"
    new = site.registry.listing.page(DeviceFilter(organization_id=site.organization_id)).devices[0]
    assert {new.id, new.uid, new.identifier}.isdisjoint({old.id, old.uid, old.identifier})
    assert "returned_after_block" in site.told(new)


def test_what_was_removed_in_peace_starts_clean(site: RegistrySite) -> None:
    account, info = site.account(), site.world.desktop()
    _, actor = site.world.on_device(account, info)
    assert actor.device is not None
    old = site.now(actor.device.device_id)
    site.apply(old, site.actions.edit(DeviceEdit(attributes={"city": "Bonn"}, groups=[])))
    site.apply(old, site.actions.remove())
    assert site.world.tokens.connect(account, info).device_status == ""
    new = site.registry.listing.page(DeviceFilter(organization_id=site.organization_id)).devices[0]
    assert new.attributes == {}
    assert [group.name for group in new.groups] == ["Default"]


def test_an_agent_matched_to_a_blocked_tombstone_waits_whatever_its_code_says(site: RegistrySite) -> None:
    _, device = site.enrolled(hwid="STOLEN-0001")
    site.apply(device, site.actions.set_status("STOLEN"))
    site.apply(device, site.actions.remove())
    _, code = site.registry.enrolment_codes.create(site.organization_id, BY, auto_approve=True)
    found = site.enrol(code, hwid="stolen-0001")
    assert found.created
    assert site.now(found.device_id).approval == "pending"


# -- exemption and sightings ---------------------------------------------------------------------------------


def test_exempting_replaces_the_end_and_ending_it_twice_is_nothing(site: RegistrySite) -> None:
    device, now = site.device(), site.registry.now()
    for end in (now + timedelta(hours=1), None):
        site.apply(device, site.actions.exempt(end, "travelling"))
        exemption = site.now(device).exemption
        assert exemption is not None
        assert (exemption.until, exemption.by, exemption.reason) == (end, BY.name, "travelling")
    assert site.apply(device, site.actions.unexempt()).changed
    assert not site.apply(device, site.actions.unexempt()).changed


def test_an_exemption_is_over_at_the_second_of_its_end(site: RegistrySite) -> None:
    device = site.device()
    site.apply(device, site.actions.exempt(site.registry.now() + timedelta(hours=1)))
    site.clock.advance(3599)
    assert site.now(device).is_exempt(site.registry.now())
    site.clock.advance(1)
    assert not site.now(device).is_exempt(site.registry.now())


def test_sightings_can_be_ignored_and_nothing_else(site: RegistrySite) -> None:
    sighting, device = site.sighting(), site.device()
    actions = site.actions
    for action in (actions.exempt(), actions.unexempt(), actions.re_identify(), actions.dhcp_renew()):
        with pytest.raises(NotApplicable):
            site.apply(sighting, action)
    with pytest.raises(NotApplicable):
        site.apply(sighting, actions.unignore())
    site.apply(sighting, actions.ignore())
    with pytest.raises(NotApplicable):
        site.apply(sighting, actions.ignore())
    site.apply(sighting, actions.unignore())
    for action in (actions.ignore(), actions.unignore()):
        with pytest.raises(NotApplicable):
            site.apply(device, action)
    site.apply(sighting, actions.assign_to_group(None))
    site.apply(sighting, actions.remove())
    assert site.now(sighting).is_removed


# -- commands ------------------------------------------------------------------------------------------------


def test_commands_need_an_agent_and_equal_ones_are_queued_once(site: RegistrySite) -> None:
    actions = site.actions
    _, managed = site.managed()
    _, device = site.enrolled()
    for action in (actions.dhcp_renew(), actions.re_identify(), actions.uninstall_agent()):
        with pytest.raises(NotApplicable):
            site.apply(managed, action)
        assert site.apply(device, action).changed
        assert not site.apply(device, action).changed
    assert site.now(device).pending == ("dhcp_renew", "re_identify", "uninstall_agent")


def test_only_a_persistent_agent_renews_its_address(site: RegistrySite) -> None:
    _, device = site.enrolled(agent_type="dissolvable")
    with pytest.raises(NotApplicable):
        site.apply(device, site.actions.dhcp_renew())
    site.apply(device, site.actions.re_identify())


@pytest.mark.parametrize(
    ("kind", "params", "name"),
    [
        ("rubbish", {}, "type"),
        ("message", {}, "text"),
        ("message", {"text": ""}, "text"),
        ("message", {"text": "x" * 1001}, "text"),
        ("message", {"text": 7}, "text"),
    ],
)
def test_what_is_no_command_is_refused(
    site: RegistrySite, kind: str, params: dict[str, Any], name: str
) -> None:
    with pytest.raises(InvalidArgument) as raised:
        site.actions.command(kind, params)
    assert raised.value.name == name


def test_a_command_can_be_cancelled_until_it_has_a_result(site: RegistrySite) -> None:
    token, device = site.enrolled()
    site.apply(device, site.actions.command("report_now", {}))
    (command,) = site.registry.agents.take_commands(token)
    site.apply(device, site.actions.cancel_command(command.id))
    assert site.registry.agents.take_commands(token) == []
    with pytest.raises(NotApplicable):
        site.apply(device, site.actions.cancel_command(command.id))
    with pytest.raises(CommandNotFound):
        site.apply(device, site.actions.cancel_command(command.id + 1000))


# -- groups --------------------------------------------------------------------------------------------------


def test_assigning_a_group_replaces_the_primary_one(site: RegistrySite) -> None:
    sales, field = site.registry.groups.create(site.organization_id, ["Sales", "Field"], BY)
    _, device = site.managed()
    site.apply(device, site.actions.edit(DeviceEdit(groups=["Field", "Sales"])))
    site.apply(device, site.actions.assign_to_group(None))
    assert [group.name for group in site.now(device).groups] == ["Default", "Sales"]
    assert not site.apply(device, site.actions.assign_to_group(None)).changed
    site.apply(device, site.actions.assign_to_group(sales.id))
    assert [group.name for group in site.now(device).groups] == ["Sales"]
    with pytest.raises(DeviceGroupNotFound):
        site.apply(device, site.actions.assign_to_group(field.id + 1000))
    site.apply(device, site.actions.edit(DeviceEdit(is_domain_controller=True)))
    with pytest.raises(NotApplicable):
        site.apply(device, site.actions.assign_to_group(field.id))


# -- versions and bulk ---------------------------------------------------------------------------------------


def test_a_version_that_is_not_the_present_one_is_refused(site: RegistrySite) -> None:
    device = site.device()
    action = site.actions.set_status("LOST")
    with pytest.raises(DeviceChanged) as raised:
        site.apply(device, action, if_version=device.row_version + 1)
    assert raised.value.row_version == device.row_version
    assert site.apply(device, action, if_version=device.row_version).changed
    assert site.now(device).row_version == device.row_version + 1


def test_in_a_bulk_call_each_device_has_its_own_outcome(site: RegistrySite) -> None:
    device, sighting, lost = site.device(), site.sighting(), site.device(admin_state="LOST", status="LOST")
    numbers = [lost.id, 999_999_999, device.id, sighting.id, device.id]
    outcomes = site.registry.apply_to_all(numbers, site.actions.exempt(), BY)
    assert outcomes == [
        Outcome.APPLIED,
        Outcome.FAILED,
        Outcome.APPLIED,
        Outcome.NOT_SUPPORTED,
        Outcome.APPLIED,
    ]
    assert [int(outcome) for outcome in outcomes] == [1, 0, 1, -1, 1]
    assert site.told(device) == ["exempted"]


def test_other_organizations_do_not_reach_a_device(site: RegistrySite) -> None:
    device = site.device()
    other = site.organization_id + 1000
    with pytest.raises(DeviceNotFound):
        site.registry.apply(device.id, site.actions.approve(), BY, organization_id=other)
    with pytest.raises(DeviceNotFound):
        site.registry.by_uid(device.uid, other)
    with pytest.raises(DeviceNotFound):
        site.registry.by_hwid(device.hwid, other)


@pytest.mark.parametrize(
    ("make", "action"),
    [
        ({"approval": "pending"}, "approve"),
        ({"admin_state": "LOST"}, "set_status"),
        ({}, "exempt"),
        ({"kind": "sighting"}, "ignore"),
    ],
)
def test_an_effective_change_is_told_with_before_and_after(
    site: RegistrySite, make: dict[str, Any], action: str
) -> None:
    device = site.device(**make)
    made: dict[str, Action] = {
        "approve": site.actions.approve(),
        "set_status": site.actions.set_status("ACTIVE"),
        "exempt": site.actions.exempt(),
        "ignore": site.actions.ignore(),
    }
    site.apply(device, made[action])
    (event,) = site.events(device)
    assert event.before.keys() == event.after.keys()
    assert event.before != event.after
    assert (event.actor_kind, event.actor_name, event.dialect) == (BY.kind, BY.name, BY.dialect)
    assert (event.address, event.request_id) == (BY.address, BY.request_id)
    assert event.device_uid == device.uid
