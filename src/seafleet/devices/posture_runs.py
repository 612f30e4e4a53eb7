"""Evaluates the posture of devices: one at its report, all of them when a policy changes and once a day.

Source: device registry §8, "Posture policy"; §13.12.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select

from seafleet.db.tables import device, organization
from seafleet.devices.change import Change
from seafleet.devices.loading import issues_text
from seafleet.devices.origin import DAILY_TASK
from seafleet.devices.posture import Check, Report, evaluate, parse_policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from seafleet.db.engine import Database, Transaction
    from seafleet.devices.settings import SettingsStore

_CHUNK: Final = 200
_MAX_ISSUE: Final = 255
_POLICY: Final = select(organization.c.posture_policy).where(organization.c.id == bindparam("organization"))
_REPORTED: Final = (
    select(device.c.id)
    .where(
        device.c.id > bindparam("after"),
        device.c.posture_evaluated_at.is_not(None),
        device.c.removed_at.is_(None),
    )
    .order_by(device.c.id)
    .limit(_CHUNK)
)


def policy_of(connection: Connection, settings: SettingsStore, organization_id: int) -> tuple[Check, ...]:
    """Return the policy that goes for an organization: its own, or that of the settings."""
    own = connection.execute(_POLICY, {"organization": organization_id}).scalar_one_or_none()
    return settings.current.posture_policy if own is None else parse_policy(json.loads(own))


def evaluate_device(change: Change, policy: Sequence[Check]) -> None:
    """Judge a device by what was reported of it last; nothing happens to one that never reported."""
    facts: dict[str, Any] = json.loads(change["posture_facts"])
    if change["posture_evaluated_at"] is None:
        return
    report = Report(
        platform=change["platform"],
        os_version=change["os_version"],
        agent_version=change["agent_version"],
        facts=facts,
        age_seconds=change.now - (change["agent_reported_at"] or change.now),
    )
    state, issues = evaluate(policy, report)
    first = next((issue.text for issue in issues if issue.severity == "critical"), "")
    change.set(posture=state, posture_issue=first[:_MAX_ISSUE], posture_issues=issues_text(issues))


def evaluate_all(
    database: Database, settings: SettingsStore, now: int, organization_id: int | None = None
) -> int:
    """Judge every device that has reported, or those of one organization; return how many changed."""
    changed, after = 0, 0
    statement = _REPORTED
    if organization_id is not None:
        statement = statement.where(device.c.organization_id == organization_id)
    while True:
        with database.read() as connection:
            ids = list(connection.execute(statement, {"after": after}).scalars())
        if not ids:
            return changed
        changed += database.write(_work(settings, ids, now))
        after = ids[-1]


def _work(settings: SettingsStore, ids: Sequence[int], now: int) -> Any:
    def work(tx: Transaction) -> int:
        changed = 0
        policies: dict[int, tuple[Check, ...]] = {}
        for device_id in ids:
            change = Change.of(tx, device_id, DAILY_TASK, now)
            if change is None:
                continue
            number = change["organization_id"]
            if number not in policies:
                policies[number] = policy_of(tx.connection, settings, number)
            evaluate_device(change, policies[number])
            changed += change.save("posture_changed")
        return changed

    return work
