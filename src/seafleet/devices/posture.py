"""The posture policy: what a device has to be like, and what a report says against it.

A check is `{"code", "severity": "critical" or "warning", "platforms": […], "value"}`; without platforms it
goes for all. `value` is a version for `min_os_version` and `min_agent_version`, hours for `report_age`. What
an agent could not find out (null) is no failure.

Source: device registry §8, "Posture policy".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from seafleet.devices.model import PLATFORMS
from seafleet.devices.record import Issue

HOUR_SECONDS: Final = 3600
MAX_CHECKS: Final = 100

_FACTS: Final = {
    "disk_encryption": "The disk is not encrypted",
    "firewall": "The firewall is off",
    "screen_lock": "The screen does not lock itself",
    "os_up_to_date": "The operating system is not up to date",
    "antivirus": "There is no working virus scanner",
}
FACTS: Final = frozenset(_FACTS)
"""What agents report: true, false, or null for "not known"."""

_VERSIONS: Final = {
    "min_os_version": ("os_version", "The operating system is older than {value}"),
    "min_agent_version": ("agent_version", "The agent is older than {value}"),
}
_REPORT_AGE: Final = "report_age"
CODES: Final = FACTS | set(_VERSIONS) | {_REPORT_AGE}
_MEMBERS: Final = frozenset(("code", "severity", "platforms", "value"))
_is_version = re.compile(r"[0-9]+(\.[0-9]+)*").fullmatch
_NUMBERS: Final = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a policy."""

    code: str
    severity: str
    platforms: tuple[str, ...] = ()
    value: str | int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the check as the settings show it."""
        shown: dict[str, Any] = {"code": self.code, "severity": self.severity}
        if self.platforms:
            shown["platforms"] = list(self.platforms)
        return shown if self.value is None else shown | {"value": self.value}


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of a device when its posture is evaluated. `age_seconds` is that of the last report."""

    platform: str
    os_version: str
    agent_version: str
    facts: Mapping[str, bool | None]
    age_seconds: int = 0


def parse_policy(value: object) -> tuple[Check, ...]:
    """Return a policy from what JSON holds. Raises ValueError with a sentence."""
    if not isinstance(value, list | tuple) or len(value) > MAX_CHECKS:
        raise ValueError(f"a list of at most {MAX_CHECKS} checks")
    return tuple(item if isinstance(item, Check) else _check(item) for item in value)


def _check(item: object) -> Check:
    if not isinstance(item, dict) or not set(item) <= _MEMBERS:
        raise ValueError("each check has code, severity, platforms and value")
    code, severity, platforms = item.get("code"), item.get("severity"), item.get("platforms") or []
    if not isinstance(code, str) or code not in CODES:
        raise ValueError("code is one of " + ", ".join(sorted(CODES)))
    if severity not in ("critical", "warning"):
        raise ValueError("severity is critical or warning")
    known = {*PLATFORMS, "other"}
    if not isinstance(platforms, list) or not all(isinstance(p, str) and p in known for p in platforms):
        raise ValueError("platforms is a list of " + ", ".join(sorted(known)))
    return Check(code, severity, tuple(platforms), _value(code, item.get("value")))


def _value(code: str, value: object) -> str | int | None:
    if code in _VERSIONS:
        if not isinstance(value, str) or _is_version(value) is None or len(value) > 50:
            raise ValueError(f"the value of {code} is a version such as 10.2")
        return value
    if code == _REPORT_AGE:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 100_000:
            raise ValueError(f"the value of {code} is a number of hours")
        return value
    if value is not None:
        raise ValueError(f"{code} has no value")
    return None


def evaluate(policy: Sequence[Check], report: Report) -> tuple[str, tuple[Issue, ...]]:
    """Return `compliant` or `non_compliant` and the issues, critical ones first, else as in the policy."""
    issues = [
        Issue(check.code, check.severity, text)
        for check in policy
        if (not check.platforms or report.platform in check.platforms)
        and (text := _failure(check, report)) is not None
    ]
    issues.sort(key=lambda issue: issue.severity != "critical")
    critical = bool(issues) and issues[0].severity == "critical"
    return "non_compliant" if critical else "compliant", tuple(issues)


def _failure(check: Check, report: Report) -> str | None:
    if check.code in _FACTS:
        return _FACTS[check.code] if report.facts.get(check.code) is False else None
    if check.code == _REPORT_AGE:
        assert isinstance(check.value, int)
        late = report.age_seconds > check.value * HOUR_SECONDS
        return f"The last report is older than {check.value} hours" if late else None
    attribute, sentence = _VERSIONS[check.code]
    found = _version(getattr(report, attribute))
    if not found or found >= _version(str(check.value)):
        return None
    return sentence.format(value=check.value)


def _version(text: str) -> tuple[int, ...]:
    """Return the numbers of a version without zeros at its end: 1.4 is 1.4.0."""
    numbers = [int(number[:9]) for number in _NUMBERS.findall(text)]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
