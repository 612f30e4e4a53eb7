"""What follows from the state of a device. The table repeats the registry's enforcement matrix."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from seafleet.devices.model import (
    SENTENCES,
    AdminState,
    DevicePolicy,
    DeviceState,
    Verdict,
    raise_login_refusal,
    raise_refusal,
    verdict,
)
from seafleet.errors import DeviceBlocked, DeviceWiped

NOW = 1_700_000_000
FINE = DeviceState(1, 1, "linux", "a" * 40, "desk")
ENFORCE = DevicePolicy(posture_mode="enforce")
STRICT = DevicePolicy(posture_mode="enforce", posture_unreported="block")
BAD: dict[str, Any] = {"posture": "non_compliant", "posture_issue": "The firewall is off."}


@pytest.mark.parametrize(
    ("changes", "policy", "status"),
    [
        ({}, DevicePolicy(), ""),
        ({"expired": True}, DevicePolicy(), ""),
        ({"approval": "pending"}, DevicePolicy(), "PENDING_APPROVAL"),
        ({"admin_state": "DISABLED"}, DevicePolicy(), "DISABLED"),
        ({"admin_state": "LOST"}, DevicePolicy(), "LOST"),
        ({"admin_state": "STOLEN"}, DevicePolicy(), "STOLEN"),
        ({"wiped_at": 1}, DevicePolicy(), "WIPED"),
        ({"wiped_at": 1, "admin_state": "LOST"}, DevicePolicy(), "LOST"),
        ({"removed_at": 1}, DevicePolicy(), "REMOVED"),
        ({"app_status": "DISABLED"}, DevicePolicy(), "APP_DISABLED"),
        (BAD, DevicePolicy(), ""),
        (BAD, ENFORCE, "NON_COMPLIANT"),
        ({**BAD, "exempted_at": 1}, ENFORCE, ""),
        ({**BAD, "exempted_at": 1, "exempt_until": NOW + 1}, ENFORCE, ""),
        ({**BAD, "exempted_at": 1, "exempt_until": NOW}, ENFORCE, "NON_COMPLIANT"),
        ({"posture": "compliant"}, ENFORCE, ""),
        ({"posture": "compliant"}, STRICT, ""),
        ({"posture": "unreported"}, ENFORCE, ""),
        ({"posture": "unreported"}, STRICT, "NON_COMPLIANT"),
        ({"posture": "unreported", "exempted_at": 1}, STRICT, ""),
    ],
)
def test_a_state_leads_to_its_word(changes: dict[str, Any], policy: DevicePolicy, status: str) -> None:
    found = verdict(replace(FINE, **changes), policy, NOW)
    assert (found.status, found.allowed) == (status, status == "")


# Each line is stronger than those below it: with both, the upper one decides.
PRECEDENCE: list[tuple[str, dict[str, Any]]] = [
    ("REMOVED", {"removed_at": 1}),
    ("WIPED", {"wiped_at": 1}),
    ("LOST", {"admin_state": "LOST"}),
    ("PENDING_APPROVAL", {"approval": "pending"}),
    ("APP_DISABLED", {"app_status": "DISABLED"}),
    ("NON_COMPLIANT", BAD),
]


@pytest.mark.parametrize(
    ("upper", "lower"),
    [(a, b) for (i, a), (j, b) in product(enumerate(PRECEDENCE), repeat=2) if i < j],
    ids=lambda line: line[0],
)
def test_the_stronger_reason_decides(
    upper: tuple[str, dict[str, Any]], lower: tuple[str, dict[str, Any]]
) -> None:
    found = verdict(replace(FINE, **{**lower[1], **upper[1]}), ENFORCE, NOW)
    expected = "LOST" if {upper[0], lower[0]} == {"WIPED", "LOST"} else upper[0]
    assert found.status == expected
    assert found.wipe == ("WIPED" in {upper[0], lower[0]})


def test_an_exemption_beats_posture_and_nothing_else() -> None:
    exempt = replace(FINE, **BAD, exempted_at=1)
    assert verdict(exempt, ENFORCE, NOW).allowed
    stronger = [replace(exempt, admin_state="LOST"), replace(exempt, approval="pending")]
    for device in (*stronger, replace(exempt, app_status="DISABLED")):
        assert not verdict(device, ENFORCE, NOW).allowed


@pytest.mark.parametrize(
    ("state", "wipe_on_status", "wipe"),
    [
        ("STOLEN", {"STOLEN"}, True),
        ("STOLEN", set(), False),
        ("LOST", {"STOLEN"}, False),
        ("LOST", {"STOLEN", "LOST"}, True),
        ("DISABLED", {"STOLEN"}, False),
    ],
)
def test_the_policy_says_which_states_wipe(state: AdminState, wipe_on_status: set[str], wipe: bool) -> None:
    policy = DevicePolicy(wipe_on_status=frozenset(wipe_on_status))
    assert verdict(replace(FINE, admin_state=state), policy, NOW).wipe == wipe


def test_in_warn_mode_bad_posture_is_told_and_allowed() -> None:
    found = verdict(replace(FINE, **BAD), DevicePolicy(posture_mode="warn"), NOW)
    assert found == Verdict(allowed=True, status="NON_COMPLIANT")


def test_every_refusal_has_its_sentence() -> None:
    assert SENTENCES["LOST"] == "This device has been reported lost."
    assert SENTENCES["STOLEN"] == "This device has been reported stolen."
    assert SENTENCES["DISABLED"] == "This device has been disabled by an administrator."
    assert SENTENCES["PENDING_APPROVAL"] == "This device is waiting for approval."
    assert SENTENCES["APP_DISABLED"] == "This application has been disabled on this device."
    found = verdict(replace(FINE, **BAD), ENFORCE, NOW)
    assert found.sentence == "This device does not meet the security policy: The firewall is off."


def test_a_refusal_is_raised_as_the_web_api_answers_it() -> None:
    raise_refusal(verdict(FINE, ENFORCE, NOW))
    with pytest.raises(DeviceBlocked) as blocked:
        raise_refusal(verdict(replace(FINE, admin_state="LOST"), ENFORCE, NOW))
    assert (blocked.value.status, blocked.value.sentence) == ("LOST", SENTENCES["LOST"])
    with pytest.raises(DeviceWiped):
        raise_refusal(verdict(replace(FINE, wiped_at=1), ENFORCE, NOW))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, None),
        ({"approval": "pending"}, None),
        (BAD, None),
        ({"admin_state": "STOLEN"}, "This device is blocked (STOLEN)."),
        ({"admin_state": "LOST"}, "This device is blocked (LOST)."),
        ({"admin_state": "DISABLED"}, "This device is blocked (DISABLED)."),
        ({"app_status": "DISABLED"}, "This application has been disabled on this device."),
    ],
)
def test_a_login_is_refused_only_where_waiting_would_not_help(
    changes: dict[str, Any], sentence: str | None
) -> None:
    found = verdict(replace(FINE, **changes), ENFORCE, NOW)
    if sentence is None:
        raise_login_refusal(found)
        assert not found.login_refused
        return
    with pytest.raises(DeviceBlocked) as raised:
        raise_login_refusal(found)
    assert str(raised.value) == sentence


def test_desktop_is_where_a_sync_client_runs() -> None:
    assert FINE.is_desktop
    assert not replace(FINE, platform="ios").is_desktop
