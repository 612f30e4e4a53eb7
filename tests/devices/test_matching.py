"""Which record a newcomer belongs to."""

from __future__ import annotations

import pytest

from seafleet.db import tables
from seafleet.devices.enrolling import Credential
from seafleet.devices.errors import DeviceCloned, DeviceNotFound, DeviceRemoved, NotApplicable
from seafleet.devices.model import DeviceInfo
from seafleet.devices.reports import parse_inventory
from seafleet.errors import InvalidArgument, TokenNotFound
from tests.devices.site import BY, RegistrySite


def test_the_agents_own_token_comes_before_everything(site: RegistrySite) -> None:
    token, device = site.enrolled(hwid="FIRST-0001")
    _, other = site.enrolled(hwid="SECOND-001")
    _, code = site.registry.enrolment_codes.create(site.organization_id, BY)
    found = parse_inventory({"hwid": "SECOND-001", "platform": "linux"}, enrolling=True)
    enrolled = site.registry.agents.enrol(found, Credential(code=code, agent_token=token))
    assert enrolled.device_id == device.id
    assert site.now(other).hwid == "SECOND-001"
    assert site.now(device).hwid == "FIRST-0001"


def test_a_hardware_id_comes_before_a_client_id(site: RegistrySite) -> None:
    _, by_hwid = site.enrolled(hwid="SAME-00001")
    info = site.world.desktop()
    site.world.on_device(site.account(), info)
    found = site.enrol(hwid="same-00001", client_ids=[info.device_id])
    assert found.device_id == by_hwid.id


def test_a_client_id_that_an_agent_reported_matches_a_login(site: RegistrySite) -> None:
    info = site.world.desktop()
    _, device = site.enrolled(client_ids=[info.device_id])
    _, actor = site.world.on_device(site.account(), info)
    assert actor.device is not None
    assert actor.device.device_id == device.id
    other_platform = DeviceInfo.of("mac", info.device_id, "mac")
    _, elsewhere = site.world.on_device(site.account(), other_platform)
    assert elsewhere.device is not None
    assert elsewhere.device.device_id != device.id


def test_an_alias_leads_to_the_record(site: RegistrySite) -> None:
    token, device = site.enrolled(hwid="OLD-HWID-1")
    _, code = site.registry.enrolment_codes.create(site.organization_id, BY)
    found = parse_inventory({"hwid": "NEW-HWID-1", "platform": "linux"}, enrolling=True)
    site.registry.agents.enrol(found, Credential(code=code, agent_token=token))
    for hwid in (" old-hwid-1 ", "NEW-hwid-1"):
        assert site.registry.by_hwid(hwid, site.organization_id).id == device.id
    assert site.enrol(hwid="OLD-HWID-1").device_id == device.id


@pytest.mark.parametrize(
    ("sightings", "mac", "matches"),
    [(1, "00163e000001", True), (2, "00163e000002", False), (1, "02163e000003", False)],
    ids=["one", "two", "made-up"],
)
def test_an_address_turns_the_only_sighting_of_it_managed(
    site: RegistrySite, sightings: int, mac: str, matches: bool
) -> None:
    first = site.sighting(mac)
    for _ in range(sightings - 1):
        other = site.sighting()
        site.world.insert(tables.device_mac, device_id=other.id, mac=mac, first_seen=0, last_seen=0)
    found = site.enrol(macs=[mac])
    assert (found.device_id == first.id) == matches
    assert (site.now(first).kind == "managed") == matches


def test_a_managed_device_is_never_matched_by_its_address(site: RegistrySite) -> None:
    _, device = site.enrolled(macs=["00163e000010"])
    assert site.enrol(macs=["00163e000010"]).device_id != device.id


def test_an_adopted_sighting_gets_name_identifier_and_group(site: RegistrySite) -> None:
    sighting = site.sighting("00163e000020")
    site.apply(sighting, site.actions.ignore())
    site.enrol(hwid="ADOPTED-01", platform="windows", hostname="desk", macs=["00163e000020"])
    device = site.now(sighting)
    assert (device.kind, device.ignored, device.display_name) == ("managed", False, "desk")
    assert device.identifier == f"Windows_{device.uid}"
    assert [group.name for group in device.groups] == ["Default"]
    assert (device.hwid, device.aliases) == ("ADOPTED-01", (sighting.hwid,))


def test_addresses_that_identify_nothing_are_not_kept(site: RegistrySite) -> None:
    _, device = site.enrolled(macs=["0" * 12, "f" * 12, "01005e000001", "02163e000003", "00163e000030"])
    assert sorted(interface.mac for interface in device.macs) == ["00163e000030", "02163e000003"]


def test_an_observation_needs_an_address_and_finds_what_is_known(site: RegistrySite) -> None:
    sightings = site.registry.sightings
    for text in ("rubbish", "0" * 12, "f" * 12):
        with pytest.raises(InvalidArgument):
            sightings.observe(site.organization_id, text, "", "", BY)
    _, device = site.enrolled(macs=["00163e000040"])
    assert sightings.observe(site.organization_id, "00-16-3E-00-00-40", "", "", BY) == (device.id, False)
    number, created = sightings.observe(site.organization_id, "0016.3e00.0041", "192.0.2.1", "tv", BY)
    assert created
    assert site.now(number).display_name == "tv"
    again = sightings.observe(site.organization_id, "00163e000041", "192.0.2.2", "new tv", BY)
    assert again == (number, False)
    assert (site.now(number).display_name, site.now(number).last_ip) == ("new tv", "192.0.2.2")


def test_a_wrong_code_is_told_nothing(site: RegistrySite) -> None:
    for code in ("", "rubbish", "0" * 40):
        with pytest.raises(TokenNotFound):
            site.enrol(code)


def test_another_machine_under_the_same_id_is_refused_for_an_hour(site: RegistrySite) -> None:
    token, _ = site.enrolled(hwid="CLONED-001", macs=["00163e000050"])
    site.registry.agents.report(token, parse_inventory({}))
    with pytest.raises(DeviceCloned):
        site.enrol(hwid="CLONED-001", macs=["00163e000051"])
    site.enrol(hwid="CLONED-001", macs=["00163e000050", "00163e000052"])
    site.clock.advance(3600)
    assert not site.enrol(hwid="CLONED-001", macs=["00163e000053"]).created


def test_a_removed_agent_fetches_what_is_left_for_thirty_days(site: RegistrySite) -> None:
    agents = site.registry.agents
    token, device = site.enrolled()
    site.apply(device, site.actions.remove())
    with pytest.raises(DeviceRemoved) as raised:
        agents.status(token)
    assert not raised.value.wipe
    assert [command.type for command in agents.take_commands(token)] == ["uninstall_agent"]
    site.clock.advance(30 * 86_400)
    with pytest.raises(DeviceRemoved):
        agents.take_commands(token)


# -- merging -------------------------------------------------------------------------------------------------


def test_merging_moves_everything_and_redirects_the_keys(site: RegistrySite) -> None:
    account = site.account()
    info = site.world.desktop()
    token, actor = site.world.on_device(account, info)
    assert actor.device is not None
    one = site.now(actor.device.device_id)
    site.apply(one, site.actions.set_app_status("seafile-desktop", enabled=False))
    agent_token, two = site.enrolled(hwid="REMAINS-01", macs=["00163e000060"])
    site.apply(one, site.actions.set_status("LOST"))
    merged = site.registry.merge(one.id, two.id, BY)
    assert merged.id == two.id
    assert merged.admin_state == "LOST"
    assert [link.email for link in merged.links] == [account.email]
    assert [(app.name, app.status) for app in merged.apps] == [("seafile-desktop", "DISABLED")]
    assert merged.aliases == (one.hwid.lower(),)
    organization_id = site.organization_id
    assert site.registry.get(one.id).id == two.id
    assert site.registry.by_uid(one.uid, organization_id).id == two.id
    assert site.registry.by_identifier(one.identifier, organization_id).id == two.id
    assert site.registry.by_hwid(one.hwid, organization_id).id == two.id
    assert site.registry.agents.status(agent_token).status == "LOST"
    site.apply(two, site.actions.set_status("ACTIVE"))
    site.apply(two, site.actions.set_app_status("seafile-desktop", enabled=True))
    state = site.world.tokens.resolve(token).actor.device
    assert state is not None
    assert state.device_id == two.id


def test_only_different_managed_devices_can_be_merged(site: RegistrySite) -> None:
    device, sighting = site.device(), site.sighting()
    for one, into in ((device, device), (sighting, device), (device, sighting)):
        with pytest.raises(NotApplicable):
            site.registry.merge(one.id, into.id, BY)
    site.apply(device, site.actions.remove())
    with pytest.raises(DeviceNotFound):
        site.registry.merge(device.id, sighting.id, BY)


def test_a_record_that_was_merged_twice_still_leads_to_the_last(site: RegistrySite) -> None:
    first, second, third = site.device(), site.device(), site.device()
    site.registry.merge(first.id, second.id, BY)
    site.registry.merge(second.id, third.id, BY)
    assert site.registry.get(first.id).id == third.id
    assert site.registry.by_hwid(first.hwid, site.organization_id).id == third.id
    site.apply(third, site.actions.remove())
    with pytest.raises(DeviceNotFound):
        site.registry.get(first.id)
