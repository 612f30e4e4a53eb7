"""Links between accounts and devices."""

from __future__ import annotations

import pytest

from seafleet.db import tables
from seafleet.devices import clients_list
from seafleet.devices.model import DeviceInfo
from seafleet.devices.service import Owner, client_family
from seafleet.errors import DeviceBlocked
from tests.devices.site import RegistrySite
from tests.support.world import World


@pytest.mark.parametrize(
    ("platform", "family"),
    [
        ("windows", "desktop"),
        ("linux", "desktop"),
        ("mac", "desktop"),
        ("ios", "ios"),
        ("android", "android"),
        ("x", None),
    ],
)
def test_a_platform_belongs_to_a_family_of_clients(platform: str, family: str | None) -> None:
    assert client_family(platform) == family


def test_organizations_do_not_share_devices(world: World) -> None:
    second = world.insert(
        tables.organization, name="second", runtime=f"r{world.random.random()}", created_at=0
    )
    info = world.desktop()
    _, here = world.on_device(world.account(), info)
    _, there = world.on_device(world.account(organization_id=second), info)
    assert here.device is not None
    assert there.device is not None
    assert here.device.device_id != there.device.device_id
    world.set_device(here.device.device_id, admin_state="LOST")
    assert world.tokens.connect(world.account(organization_id=second), info).device_status == ""


def test_the_same_id_on_another_platform_is_another_device(world: World) -> None:
    account = world.account()
    _, first = world.on_device(account, DeviceInfo.of("linux", "7" * 40, "one"))
    _, second = world.on_device(account, DeviceInfo.of("mac", "7" * 40, "two"))
    assert first.device is not None
    assert second.device is not None
    assert first.device.device_id != second.device.device_id


def test_a_fresh_link_after_a_wipe_keeps_the_application_disabled(world: World) -> None:
    account, info = world.account(), world.desktop()
    _, actor = world.on_device(account, info)
    assert actor.device is not None
    world.tokens.unlink(account, "linux", info.device_id, wipe=True)
    world.set_link(actor.device.link_id, app_status="DISABLED")
    with pytest.raises(DeviceBlocked) as raised:
        world.tokens.connect(account, info)
    assert raised.value.status == "APP_DISABLED"


def test_a_refused_login_leaves_no_trace_of_a_link(world: World) -> None:
    account, info = world.account(), world.desktop()
    _, actor = world.on_device(account, info)
    assert actor.device is not None
    world.tokens.unlink(account, "linux", info.device_id)
    world.set_device(actor.device.device_id, admin_state="DISABLED")
    before = world.count(tables.device)
    with pytest.raises(DeviceBlocked):
        world.tokens.connect(account, info)
    assert world.count(tables.device_link, account_id=account.id) == 0
    assert world.count(tables.device) == before


def test_login_and_unlink_are_audited(world: World) -> None:
    account, info = world.account(), world.desktop()
    world.on_device(account, info)
    world.tokens.unlink(account, "linux", info.device_id)
    tags = [event.tag for event in world.rows(tables.audit_event, actor=account.email)]
    assert tags == ["api:device:login", "api:device:unlinked"]


def test_deleting_an_account_keeps_the_device(world: World) -> None:
    account, info = world.account(), world.desktop()
    _, actor = world.on_device(account, info)
    world.accounts.delete(account)
    assert actor.device is not None
    assert world.count(tables.device, id=actor.device.device_id) == 1
    assert world.count(tables.device_link, device_id=actor.device.device_id) == 0
    _, other = world.on_device(world.account(), info)
    assert other.device is not None
    assert other.device.device_id == actor.device.device_id


@pytest.mark.parametrize("few", [0, 500])
def test_deep_pages_of_clients_are_those_that_were_skipped_to_one_by_one(
    site: RegistrySite, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    for _ in range(3):
        site.managed()
        site.clock.advance(1)
    account = site.account()
    owner = Owner(account.id, account.organization_id, account.email)
    devices, peer = site.world.devices, "f" * 40
    site.database.write(lambda tx: devices.connect_peer(tx, owner, peer, "sync only", "192.0.2.7").link_id)

    def pages() -> list[list[str]]:
        found = [site.registry.clients.page((), skip, 2, site.organization_id)[0] for skip in (0, 2)]
        return [[client.device_id for client in page] for page in found]

    expected = pages()
    assert [len(page) for page in expected] == [2, 1]
    monkeypatch.setattr(clients_list, "_DEEP", 0)
    monkeypatch.setattr(clients_list, "_FEW", few)
    assert pages() == expected
