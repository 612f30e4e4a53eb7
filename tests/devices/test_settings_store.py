"""Settings that change while the server runs."""

from __future__ import annotations

from typing import Any

import pytest

from seafleet.db import tables
from seafleet.devices.events import EventFilter
from seafleet.devices.settings import RegistryClock, RegistrySettings, SettingsStore
from seafleet.errors import InvalidArgument
from tests.devices.site import BY, RegistrySite

DEFAULTS: dict[str, Any] = {
    "require_approval": False,
    "wipe_on_status": ["STOLEN"],
    "expire_after_days": 90,
    "tombstone_days": 365,
    "posture_mode": "off",
    "posture_unreported": "allow",
    "posture_policy": [],
    "device_limit": 0,
    "allow_unbound_tokens": True,
    "metaaccess_rate_limit": 10,
    "oauth_access_token_seconds": 3600,
    "device_errors_enabled": True,
    "mobilefirst_context_root": "mfpadmin",
}


def test_defaults_are_those_of_the_reference(site: RegistrySite) -> None:
    store = SettingsStore(site.database, site.clock)
    assert store.as_json() == DEFAULTS
    assert site.settings.as_json() == {**DEFAULTS, "clock_offset_seconds": 0}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("require_approval", [True], [1, "true", None]),
        ("wipe_on_status", [[], ["LOST", "STOLEN"], ["LOST", "LOST"]], ["LOST", ["DISABLED"], None, [7]]),
        ("expire_after_days", [1, 4000], [0, -1, 1.5, "90", True, 10**10]),
        ("tombstone_days", [1], [0]),
        ("posture_mode", ["warn", "enforce"], ["on", 1, None]),
        ("posture_unreported", ["block"], ["deny"]),
        ("posture_policy", [[{"code": "firewall", "severity": "warning"}]], [{}, [{"code": "x"}]]),
        ("device_limit", [0, 5], [-1]),
        ("allow_unbound_tokens", [False], ["no"]),
        ("metaaccess_rate_limit", [1000], [0]),
        ("oauth_access_token_seconds", [60], [0]),
        ("device_errors_enabled", [False], [0]),
        ("mobilefirst_context_root", ["admin-2"], ["", "a/b", "ä", "x" * 65]),
        ("clock_offset_seconds", [-5, 10**8], ["5", 10**12]),
    ],
)
def test_values_are_checked(site: RegistrySite, name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        site.set(**{name: value})
        expected = list(dict.fromkeys(value)) if name == "wipe_on_status" else value
        assert site.settings.as_json()[name] == expected
    before = site.settings.as_json()
    for value in bad:
        with pytest.raises(InvalidArgument) as raised:
            site.set(**{"device_errors_enabled": True, name: value})
        assert raised.value.name == name
        assert site.settings.as_json() == before


def test_unknown_settings_are_refused(site: RegistrySite) -> None:
    with pytest.raises(InvalidArgument) as raised:
        site.set(require_approval=True, rubbish=1)
    assert raised.value.name == "rubbish"
    assert not site.settings.current.require_approval


def test_the_clock_is_moved_only_where_tests_may(site: RegistrySite) -> None:
    site.set(clock_offset_seconds=100)
    store = SettingsStore(site.database, site.clock)
    assert store.current.clock_offset_seconds == 0
    with pytest.raises(InvalidArgument):
        store.parse_all({"clock_offset_seconds": 5})
    moved = RegistryClock(site.clock, site.settings)
    assert moved.timestamp() == site.clock.timestamp() + 100
    assert (moved.now() - site.clock.now()).total_seconds() == 100


def test_other_workers_see_a_change_within_a_second(site: RegistrySite) -> None:
    other = SettingsStore(site.database, site.clock)
    assert not other.current.require_approval
    site.set(require_approval=True)
    assert site.settings.current.require_approval
    site.clock.advance(1)
    assert other.current.require_approval


def test_what_was_never_set_follows_the_server(site: RegistrySite) -> None:
    store = SettingsStore(site.database, site.clock, RegistrySettings(require_approval=True))
    assert store.policy.require_approval
    site.set(require_approval=False)
    store.forget()
    assert not store.policy.require_approval


def test_changes_are_told_with_before_and_after(site: RegistrySite) -> None:
    site.set(device_limit=5, posture_mode="warn")
    site.set(device_limit=5)
    events = site.registry.events.page(EventFilter(action="settings_changed", actor=BY.name), limit=1).events
    assert events[0].before == {"device_limit": 0, "posture_mode": "off"}
    assert events[0].after == {"device_limit": 5, "posture_mode": "warn"}


def test_a_value_that_is_not_understood_is_passed_over(
    site: RegistrySite, caplog: pytest.LogCaptureFixture
) -> None:
    site.set(device_limit=5)
    for key, value in (("posture_mode", '"strict"'), ("of_a_later_version", "1")):
        site.world.insert(tables.setting, key=f"device_registry.{key}", value=value)
    site.settings.forget()
    assert (site.settings.current.posture_mode, site.settings.current.device_limit) == ("off", 5)
    assert "posture_mode" in caplog.text
