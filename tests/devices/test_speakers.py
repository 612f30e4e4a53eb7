"""Organizations and their tokens, roles, applications, enrolment codes, and the log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from seafleet.db import tables
from seafleet.devices.errors import DeviceGroupNotFound, StillInUse
from seafleet.devices.events import EventFilter
from seafleet.errors import (
    AlreadyExists,
    BadCredentials,
    InvalidArgument,
    NotFound,
    OrganizationNotFound,
    TokenNotFound,
)
from tests.devices.site import BY, RegistrySite


def organization(site: RegistrySite, suffix: str = "x") -> Any:
    return site.registry.organizations.create("Lab", f"lab-{site.organization_id}-{suffix}", BY)


def test_an_organization_is_found_by_runtime_and_token(site: RegistrySite) -> None:
    organizations, made = site.registry.organizations, organization(site)
    assert organizations.by_runtime(made.runtime) == made
    old = organizations.make_token(made.id, BY)
    assert organizations.by_token(old).id == made.id
    new = organizations.make_token(made.id, BY)
    assert len(new) == 40
    for token in (old, "", "rubbish"):
        with pytest.raises(TokenNotFound):
            organizations.by_token(token)
    organizations.delete_token(made.id, BY)
    with pytest.raises(TokenNotFound):
        organizations.by_token(new)
    assert not organizations.get(made.id).has_token


@pytest.mark.parametrize(
    ("name", "runtime", "wrong"),
    [("", "fine", "name"), (" ", "fine", "name"), ("Lab", "", "runtime"), ("Lab", "a b", "runtime")],
)
def test_names_of_organizations_are_checked(site: RegistrySite, name: str, runtime: str, wrong: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        site.registry.organizations.create(name, runtime, BY)
    assert raised.value.name == wrong


def test_a_runtime_exists_once(site: RegistrySite) -> None:
    first, second = organization(site), organization(site, "y")
    with pytest.raises(AlreadyExists):
        site.registry.organizations.create("other", first.runtime, BY)
    with pytest.raises(AlreadyExists):
        site.registry.organizations.update(second.id, BY, runtime=first.runtime)
    changed = site.registry.organizations.update(second.id, BY, name="New", running=False)
    assert (changed.name, changed.running, changed.runtime) == ("New", False, second.runtime)
    with pytest.raises(OrganizationNotFound):
        site.registry.organizations.update(999_999, BY, name="x")


def test_only_empty_organizations_can_be_deleted(site: RegistrySite) -> None:
    organizations, made = site.registry.organizations, organization(site)
    device = site.device(organization_id=made.id)
    with pytest.raises(StillInUse):
        organizations.delete(made.id, BY)
    site.apply(device, site.actions.remove())
    account = site.account()
    organizations.move_user(account.id, made.id, BY)
    with pytest.raises(StillInUse):
        organizations.delete(made.id, BY)
    organizations.move_user(account.id, 1, BY)
    organizations.delete(made.id, BY)
    with pytest.raises(OrganizationNotFound):
        organizations.get(made.id)
    with pytest.raises(StillInUse):
        organizations.delete(1, BY)


def test_moving_a_user_moves_no_devices(site: RegistrySite) -> None:
    account = site.account()
    _, device = site.managed(account)
    made = organization(site)
    site.registry.organizations.move_user(account.id, made.id, BY)
    assert site.now(device).organization_id == site.organization_id
    _, newer = site.managed(site.world.accounts.get(account.id))
    assert newer.organization_id == made.id
    with pytest.raises(OrganizationNotFound):
        site.registry.organizations.move_user(account.id, 999_999, BY)


# -- roles and applications ----------------------------------------------------------------------------------


def test_roles_are_held_in_one_runtime_or_in_all(site: RegistrySite) -> None:
    grants, account, made = site.registry.grants, site.account(), organization(site)
    assert not grants.has_any(account.id)
    one = grants.create(account.id, "mfpoperator", made.runtime, BY)
    assert grants.create(account.id, "mfpoperator", made.runtime, BY) == one
    grants.create(account.id, "mfpmonitor", "*", BY)
    assert grants.roles_of(account.id, made.runtime) == {"mfpoperator", "mfpmonitor"}
    assert grants.roles_of(account.id, "mfp") == {"mfpmonitor"}
    assert grants.has_any(account.id)
    grants.delete(one.id, BY)
    assert grants.roles_of(account.id, made.runtime) == {"mfpmonitor"}
    with pytest.raises(NotFound):
        grants.delete(one.id, BY)
    with pytest.raises(InvalidArgument):
        grants.create(account.id, "king", "*", BY)
    with pytest.raises(OrganizationNotFound):
        grants.create(account.id, "mfpadmin", "nowhere", BY)
    site.world.accounts.delete(account)
    assert grants.roles_of(account.id, "mfp") == set()


def test_an_application_has_the_rights_of_its_maker(site: RegistrySite) -> None:
    clients, admin = site.registry.oauth_clients, site.account(is_staff=True)
    client, secret = clients.create("NAC", site.organization_id, ["https://n.example.org/back"], admin.id, BY)
    assert (len(client.client_id), len(secret)) == (48, 48)
    assert secret.isupper() or secret.isalnum()
    assert clients.authenticate(client.client_id, secret).id == client.id
    for client_id, wrong in ((client.client_id, "x"), ("x", secret), (client.client_id, ""), ("\0", secret)):
        with pytest.raises(BadCredentials):
            clients.authenticate(client_id, wrong)
    site.world.accounts.update(admin, is_staff=False)
    with pytest.raises(BadCredentials):
        clients.authenticate(client.client_id, secret)
    site.world.accounts.update(admin, is_staff=True)
    clients.delete(client.id, BY)
    assert clients.find(client.client_id) is None
    with pytest.raises(NotFound):
        clients.delete(client.id, BY)


def test_an_application_goes_with_its_maker(site: RegistrySite) -> None:
    clients, admin = site.registry.oauth_clients, site.account(is_staff=True)
    client, _ = clients.create("NAC", site.organization_id, [], admin.id, BY)
    site.world.accounts.delete(admin)
    assert clients.find(client.client_id) is None


@pytest.mark.parametrize("uri", ["", "/back", "https://n.example.org/#part", "https://n example", 7])
def test_where_an_application_sends_people_is_checked(site: RegistrySite, uri: Any) -> None:
    admin = site.account(is_staff=True)
    with pytest.raises(InvalidArgument):
        site.registry.oauth_clients.create("NAC", site.organization_id, [uri], admin.id, BY)
    with pytest.raises(OrganizationNotFound):
        site.registry.oauth_clients.create("NAC", 999_999, [], admin.id, BY)


# -- codes ---------------------------------------------------------------------------------------------------


def test_a_code_is_good_for_its_uses_and_until_its_end(site: RegistrySite) -> None:
    codes = site.registry.enrolment_codes
    end = site.registry.now() + timedelta(hours=1)
    made, code = codes.create(site.organization_id, BY, max_uses=2, expires_at=end)
    for _ in range(2):
        site.enrol(code)
    with pytest.raises(TokenNotFound):
        site.enrol(code)
    _, forever = codes.create(site.organization_id, BY, max_uses=0, expires_at=end)
    for _ in range(3):
        site.enrol(forever)
    site.clock.advance(3600)
    with pytest.raises(TokenNotFound):
        site.enrol(forever)
    (told,) = [each for each in codes.all() if each.id == made.id]
    assert told.uses == 2
    codes.delete(made.id, BY)
    with pytest.raises(NotFound):
        codes.delete(made.id, BY)


def test_codes_of_unknown_groups_and_organizations_are_not_made(site: RegistrySite) -> None:
    codes = site.registry.enrolment_codes
    with pytest.raises(DeviceGroupNotFound):
        codes.create(site.organization_id, BY, group="Nope")
    with pytest.raises(OrganizationNotFound):
        codes.create(999_999, BY)
    with pytest.raises(InvalidArgument):
        codes.create(site.organization_id, BY, max_uses=-1)


# -- the log -------------------------------------------------------------------------------------------------


def test_the_log_is_read_in_pages_newest_first(site: RegistrySite) -> None:
    device = site.device()
    for status in ("LOST", "ACTIVE") * 5:
        site.apply(device, site.actions.set_status(status))
        site.clock.advance(60)
    seen, before = [], None
    while True:
        page = site.registry.events.page(EventFilter(device_id=device.id), limit=3, before=before)
        seen += [event.id for event in page.events]
        before = page.next_before
        if before is None:
            break
    assert len(seen) == 10
    assert seen == sorted(seen, reverse=True)


def test_the_log_is_filtered(site: RegistrySite) -> None:
    device = site.device()
    start = site.registry.now()
    site.apply(device, site.actions.set_status("LOST"))
    site.clock.advance(60)
    site.apply(device, site.actions.exempt())

    def found(**values: Any) -> list[str]:
        wanted = EventFilter(device_id=device.id, **values)
        return [event.action for event in site.registry.events.page(wanted).events]

    assert found(action="exempted") == ["exempted"]
    assert found(actor=BY.name, dialect="native") == ["exempted", "status_set"]
    assert found(actor="nobody") == []
    assert found(dialect="seafile") == []
    assert found(since=start + timedelta(seconds=60)) == ["exempted"]
    assert found(until=start) == ["status_set"]
    assert found(organization_id=site.organization_id + 1) == []


def test_users_see_what_happened_to_their_devices_and_nothing_of_others(site: RegistrySite) -> None:
    info, first, second = site.world.desktop(), site.account(), site.account()
    _, actor = site.world.on_device(first, info)
    site.world.on_device(second, info)
    assert actor.device is not None
    site.apply(actor.device.device_id, site.actions.set_status("LOST"))
    log = site.registry.events

    def told(account: Any) -> list[str]:
        return [event.action for event in log.of_account(account.id, account.email).events]

    assert told(first) == ["status_set", "linked", "registered"]
    assert told(second) == ["status_set", "linked", "registered"]
    site.world.tokens.unlink(second, "linux", info.device_id)
    assert told(second) == ["unlinked", "linked"]
    assert told(first) == ["status_set", "linked", "registered"]
    assert told(site.account()) == []


def test_no_event_carries_a_secret(site: RegistrySite) -> None:
    token, device = site.enrolled()
    made = site.registry.organizations.make_token(site.organization_id, BY)
    _, code = site.registry.enrolment_codes.create(site.organization_id, BY)
    text = str(site.world.rows(tables.device_event))
    assert device.uid in text
    for secret in (token, made, code):
        assert secret not in text
