"""What is noted of devices that are heard of while they are blocked, and how a wipe is delivered."""

from __future__ import annotations

from typing import Any

import pytest

from seafleet.db import tables
from seafleet.errors import DeviceBlocked, DeviceWiped, InvalidArgument, TokenNotFound
from tests.devices.site import RegistrySite

HOUR = 3600


def refused(site: RegistrySite, token: str, ip: str = "192.0.2.7") -> None:
    with pytest.raises((DeviceBlocked, DeviceWiped)):
        site.world.tokens.resolve(token, ip=ip)


def contacts(site: RegistrySite, number: int) -> list[Any]:
    return site.events(number, action="contact_while_blocked")


@pytest.fixture(params=["LOST", "DISABLED", "pending"])
def blocked(request: pytest.FixtureRequest, site: RegistrySite) -> tuple[str, int]:
    token, device = site.managed()
    if request.param == "pending":
        site.world.set_device(device.id, approval="pending")
    else:
        site.apply(device, site.actions.set_status(request.param))
    return token, device.id


def test_a_blocked_contact_is_noted_and_told_once_an_hour(
    site: RegistrySite, blocked: tuple[str, int]
) -> None:
    token, number = blocked
    for minutes in (0, 20, 39, 1):
        site.clock.advance(minutes * 60)
        refused(site, token, f"192.0.2.{minutes}")
        device = site.now(number)
        assert device.last_ip == f"192.0.2.{minutes}"
        assert device.last_seen == site.registry.now()
    first, second = contacts(site, number)
    assert (second.at - first.at).total_seconds() == HOUR
    assert first.after["contact"] in ("LOST", "DISABLED", "PENDING_APPROVAL")
    assert (first.actor_kind, first.dialect) == ("device", "seafile")


def test_the_expired_state_stays_while_blocked(site: RegistrySite, blocked: tuple[str, int]) -> None:
    token, number = blocked
    site.world.set_device(number, expired=True)
    refused(site, token)
    assert site.now(number).expired


def test_most_refusals_write_nothing(site: RegistrySite, blocked: tuple[str, int]) -> None:
    token, number = blocked
    refused(site, token)
    seen = site.now(number).last_seen
    site.clock.advance(60)
    refused(site, token)
    assert site.now(number).last_seen == seen


def test_refused_logins_and_file_server_tokens_count_as_contacts(site: RegistrySite) -> None:
    account, info = site.account(), site.world.desktop(ip="192.0.2.55")
    token, actor = site.world.on_device(account, info)
    assert actor.device is not None
    library = site.world.library(account)
    link = site.world.access_tokens.issue(library, "upload", "{}", actor, ttl=2 * HOUR)
    number = actor.device.device_id
    site.apply(number, site.actions.set_status("LOST"))
    with pytest.raises(DeviceBlocked):
        site.world.tokens.connect(account, info)
    assert site.now(number).last_ip == "192.0.2.55"
    assert len(contacts(site, number)) == 1
    site.clock.advance(HOUR)
    with pytest.raises(DeviceBlocked):
        site.world.access_tokens.take(link, "upload")
    assert len(contacts(site, number)) == 2
    assert token


def test_a_refused_login_of_somebody_new_leaves_no_link_and_is_noted(site: RegistrySite) -> None:
    info = site.world.desktop()
    _, actor = site.world.on_device(site.account(), info)
    assert actor.device is not None
    number = actor.device.device_id
    site.apply(number, site.actions.set_status("DISABLED"))
    stranger = site.account()
    with pytest.raises(DeviceBlocked):
        site.world.tokens.connect(stranger, info)
    assert site.world.count(tables.device_link, account_id=stranger.id) == 0
    assert len(contacts(site, number)) == 1


# -- wipes ---------------------------------------------------------------------------------------------------


def test_the_first_contact_delivers_the_wipe_and_ends_all_sync_tokens(site: RegistrySite) -> None:
    info, first, second = site.world.desktop(), site.account(), site.account()
    token, actor = site.world.on_device(first, info)
    other_token, other = site.world.on_device(second, info)
    assert actor.device is not None
    number = actor.device.device_id
    library = site.world.library(first)
    for each in (actor, other):
        site.world.sync_tokens.issue(library, each)
    site.apply(number, site.actions.set_status("STOLEN"))
    assert site.world.count(tables.sync_token, library_id=library) == 2
    for _ in range(3):
        refused(site, token)
    assert site.world.count(tables.sync_token, library_id=library) == 0
    assert site.now(number).wipe.state == "delivered"
    assert [event.action for event in site.events(number)].count("wipe_delivered") == 1
    refused(site, other_token)
    site.world.tokens.acknowledge_wipe(token)
    assert site.now(number).wipe.state == "delivered"
    site.world.tokens.acknowledge_wipe(other_token)
    assert site.now(number).wipe.state == "done"


def test_unlinking_with_wipe_tells_one_user_and_leaves_the_other(site: RegistrySite) -> None:
    info, first, second = site.world.desktop(), site.account(), site.account()
    token, actor = site.world.on_device(first, info)
    other_token, _ = site.world.on_device(second, info)
    assert actor.device is not None
    site.world.tokens.unlink(first, "linux", info.device_id, wipe=True)
    refused(site, token)
    assert site.world.tokens.resolve(other_token).actor.device is not None
    device = site.now(actor.device.device_id)
    assert device.wipe.state == "none"
    assert [link.wipe_source for link in device.links] == ["unlink", None]
    site.world.tokens.acknowledge_wipe(token)
    assert [link.email for link in site.now(device).links] == [second.email]
    with pytest.raises(TokenNotFound):
        site.world.tokens.resolve(token)


def test_a_wipe_with_an_agent_is_done_when_both_have_reported(site: RegistrySite) -> None:
    info = site.world.desktop()
    agent_token, device = site.enrolled(client_ids=[info.device_id])
    token, actor = site.world.on_device(site.account(), info)
    assert actor.device is not None
    assert actor.device.device_id == device.id
    site.apply(device, site.actions.set_status("STOLEN"))
    (command,) = site.registry.agents.take_commands(agent_token)
    assert site.now(device).wipe.state == "delivered"
    refused(site, token)
    site.world.tokens.acknowledge_wipe(token)
    assert site.now(device).wipe.state == "delivered"
    site.registry.agents.answer(agent_token, command.id, "done", "")
    assert site.now(device).wipe.state == "done"


def test_an_agent_that_could_not_wipe_says_so(site: RegistrySite) -> None:
    token, device = site.enrolled()
    site.apply(device, site.actions.set_status("STOLEN"))
    (command,) = site.registry.agents.take_commands(token)
    site.registry.agents.answer(token, command.id, "failed", "the disk is broken")
    assert site.now(device).wipe.state == "failed"


def test_an_unlinked_users_libraries_are_wiped_by_the_agent(site: RegistrySite) -> None:
    info, account = site.world.desktop(), site.account()
    agent_token, device = site.enrolled(client_ids=[info.device_id])
    _, actor = site.world.on_device(account, info)
    library = site.world.library(account)
    site.world.sync_tokens.issue(library, actor)
    site.world.tokens.unlink(account, "linux", info.device_id, wipe=True)
    (command,) = site.registry.agents.take_commands(agent_token)
    assert (command.type, command.params) == ("wipe", {"libraries": [library]})
    assert site.now(device).wipe.state == "none"


def test_only_a_marked_token_reports_a_wipe(site: RegistrySite) -> None:
    token, device = site.managed()
    with pytest.raises(InvalidArgument):
        site.world.tokens.acknowledge_wipe(token)
    site.apply(device, site.actions.set_status("LOST"))
    with pytest.raises(InvalidArgument):
        site.world.tokens.acknowledge_wipe(token)
