"""The posture policy: what it finds, what it overlooks, and how it is written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.devices.posture import CODES, FACTS, Check, Report, evaluate, parse_policy
from seafleet.devices.reports import parse_inventory
from tests.devices.site import BY, RegistrySite

FINE: dict[str, bool | None] = dict.fromkeys(FACTS, True)


def report(**values: Any) -> Report:
    parts: dict[str, Any] = {"platform": "linux", "os_version": "41", "agent_version": "1.4.0", "facts": FINE}
    return Report(**{**parts, **values})


@pytest.mark.parametrize("code", sorted(FACTS))
def test_a_fact_fails_only_when_it_is_false(code: str) -> None:
    policy = parse_policy([{"code": code, "severity": "critical"}])
    for value, state in ((True, "compliant"), (None, "compliant"), (False, "non_compliant")):
        found, issues = evaluate(policy, report(facts={code: value}))
        assert found == state
        assert len(issues) == (value is False)
    assert evaluate(policy, report(facts={}))[0] == "compliant"


def test_warnings_do_not_make_a_device_non_compliant() -> None:
    policy = parse_policy(
        [{"code": "firewall", "severity": "warning"}, {"code": "antivirus", "severity": "critical"}]
    )
    state, issues = evaluate(policy, report(facts={"firewall": False}))
    assert (state, [issue.severity for issue in issues]) == ("compliant", ["warning"])
    state, issues = evaluate(policy, report(facts={"firewall": False, "antivirus": False}))
    assert (state, [issue.code for issue in issues]) == ("non_compliant", ["antivirus", "firewall"])


def test_checks_may_be_for_some_platforms() -> None:
    policy = parse_policy([{"code": "antivirus", "severity": "critical", "platforms": ["windows"]}])
    bad = {"antivirus": False}
    assert evaluate(policy, report(facts=bad))[0] == "compliant"
    assert evaluate(policy, report(facts=bad, platform="windows"))[0] == "non_compliant"


@pytest.mark.parametrize(
    ("found", "state"),
    [
        ("10.2", "compliant"),
        ("10.2.0", "compliant"),
        ("10.10", "compliant"),
        ("11", "compliant"),
        ("10.1.9", "non_compliant"),
        ("9", "non_compliant"),
        ("10", "non_compliant"),
        ("", "compliant"),
        ("rolling", "compliant"),
        ("v10.1-beta", "non_compliant"),
    ],
)
def test_versions_compare_number_by_number(found: str, state: str) -> None:
    policy = parse_policy([{"code": "min_os_version", "severity": "critical", "value": "10.2"}])
    assert evaluate(policy, report(os_version=found))[0] == state


def test_a_report_may_be_too_old() -> None:
    policy = parse_policy([{"code": "report_age", "severity": "critical", "value": 24}])
    assert evaluate(policy, report(age_seconds=24 * 3600))[0] == "compliant"
    assert evaluate(policy, report(age_seconds=24 * 3600 + 1))[0] == "non_compliant"


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        [7],
        [{}],
        [{"code": "rubbish", "severity": "critical"}],
        [{"code": "firewall", "severity": "fatal"}],
        [{"code": "firewall"}],
        [{"code": "firewall", "severity": "critical", "platforms": "linux"}],
        [{"code": "firewall", "severity": "critical", "platforms": ["amiga"]}],
        [{"code": "firewall", "severity": "critical", "value": 1}],
        [{"code": "firewall", "severity": "critical", "more": 1}],
        [{"code": "min_os_version", "severity": "critical"}],
        [{"code": "min_os_version", "severity": "critical", "value": "new"}],
        [{"code": "min_agent_version", "severity": "critical", "value": 1}],
        [{"code": "report_age", "severity": "critical", "value": 0}],
        [{"code": "report_age", "severity": "critical", "value": True}],
        [{"code": "firewall", "severity": "critical"}] * 101,
    ],
)
def test_what_is_no_policy_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_policy(value)


_values: dict[str, str | int] = {"min_os_version": "10.2", "min_agent_version": "1", "report_age": 24}


@given(
    st.lists(
        st.builds(
            lambda code, severity, platforms: Check(code, severity, tuple(platforms), _values.get(code)),
            st.sampled_from(sorted(CODES)),
            st.sampled_from(["critical", "warning"]),
            st.lists(st.sampled_from(["linux", "ios", "other"]), unique=True),
        )
    )
)
def test_a_policy_is_read_as_it_was_written(policy: list[Check]) -> None:
    assert parse_policy([check.as_json() for check in policy]) == tuple(policy)


# -- on devices ----------------------------------------------------------------------------------------------

CRITICAL = [{"code": "firewall", "severity": "critical"}]


def reported(site: RegistrySite, **posture: Any) -> int:
    token, device = site.enrolled()
    site.registry.agents.report(token, parse_inventory({"posture": posture}))
    return device.id


def test_a_new_policy_judges_devices_by_their_last_report(site: RegistrySite) -> None:
    good, bad = reported(site, firewall=True), reported(site, firewall=False)
    _, silent = site.enrolled()
    site.set(posture_policy=CRITICAL)
    states = [site.now(number).posture.state for number in (good, bad, silent.id)]
    assert states == ["compliant", "non_compliant", "unreported"]
    assert site.events(bad)[-1].action == "posture_changed"
    site.set(posture_policy=[])
    assert site.now(bad).posture.state == "compliant"


def test_an_organization_may_have_a_policy_of_its_own(site: RegistrySite) -> None:
    number = reported(site, firewall=False)
    organizations = site.registry.organizations
    organizations.update(site.organization_id, BY, posture_policy=CRITICAL)
    assert site.now(number).posture.state == "non_compliant"
    organizations.update(site.organization_id, BY, posture_policy=[])
    assert site.now(number).posture.state == "compliant"
    site.set(posture_policy=CRITICAL)
    assert site.now(number).posture.state == "compliant"
    organizations.update(site.organization_id, BY, posture_policy=None)
    assert site.now(number).posture.state == "non_compliant"


def test_silence_becomes_an_issue_by_the_daily_task(site: RegistrySite) -> None:
    number = reported(site)
    site.set(posture_policy=[{"code": "report_age", "severity": "critical", "value": 24}])
    assert site.now(number).posture.state == "compliant"
    site.clock.advance(25 * 3600)
    site.registry.daily.run()
    assert site.now(number).posture.state == "non_compliant"
