"""One change of one device: the row as it was, what becomes of it, and the event that tells of both.

A change lives in one transaction. Whatever a verb sets is compared with the row when it is saved: what is as
it was before is not written, and if nothing is left, neither row nor log is touched.

Source: device registry §6.1 and §10.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, insert, select, update

from seafleet.db.tables import device, device_event
from seafleet.devices.record import mobilefirst_status
from seafleet.text import storable

if TYPE_CHECKING:
    from seafleet.db.engine import Transaction
    from seafleet.devices.origin import Origin

ROW: Final = select(device).where(device.c.id == bindparam("device_id")).with_for_update()
_INSERT: Final = insert(device)
INSERT_EVENT: Final = insert(device_event)

# What changes without anybody having decided it, or follows from what else changed: not worth an event.
_UNTOLD: Final = frozenset(
    (
        "agent_reported_at",
        "agent_token_hash",
        "blocked_contact_at",
        "hwid_key",
        "last_ip",
        "last_seen",
        "model_key",
        "name_key",
        "posture_evaluated_at",
        "posture_facts",
        "posture_issues",
        "reported_users",
        "row_version",
        "status",
        "updated_at",
    )
)
_TIMES: Final = frozenset(
    (
        "enrolled_at",
        "exempt_until",
        "exempted_at",
        "removed_at",
        "wipe_delivered_at",
        "wipe_done_at",
        "wipe_requested_at",
    )
)
NAME_LIMIT: Final = 100
_KEY_LIMIT: Final = 300


def sort_key(text: str) -> str:
    """Return text in the form in which it is compared and sorted: case-folded."""
    return text.casefold()[:_KEY_LIMIT]


class Change:
    """A device's row inside a transaction. Values read from it are those that were set last; `row` is as it
    was.
    """

    def __init__(self, tx: Transaction, row: Any, origin: Origin, now: int) -> None:
        self.tx = tx
        self.origin = origin
        self.now = now
        self.device_id: int = row.id
        self.row = row
        self._row = row._mapping
        self._values: dict[str, Any] = {}
        self._before: dict[str, Any] = {}
        self._after: dict[str, Any] = {}

    @classmethod
    def of(cls, tx: Transaction, device_id: int, origin: Origin, now: int) -> Change | None:
        """Return the change of a device, None if there is no such row."""
        row = tx.execute(ROW, {"device_id": device_id}).one_or_none()
        return None if row is None else cls(tx, row, origin, now)

    def __getitem__(self, name: str) -> Any:
        return self._values[name] if name in self._values else self._row[name]

    def set(self, **values: Any) -> None:
        """Set columns."""
        self._values |= values
        if "display_name" in values:
            self._values["name_key"] = sort_key(values["display_name"])
        if "model" in values:
            self._values["model_key"] = sort_key(values["model"])

    def note(self, name: str, before: Any, after: Any) -> None:
        """Tell of something that is kept beside the row, such as groups; nothing if both are equal."""
        if before != after:
            self._before[name], self._after[name] = before, after

    def save(self, action: str, *, account_email: str | None = None, told: bool = True) -> bool:
        """Write what is different, and the event; answers whether anything effective changed.

        `account_email` names the only user whom it concerns. With `told` false no event is written.
        """
        row = self._row
        self._values["status"] = mobilefirst_status(
            self["admin_state"], self["approval"], expired=self["expired"]
        )
        changed = {name: value for name, value in self._values.items() if row[name] != value}
        for name in changed.keys() - _UNTOLD:
            self._before[name], self._after[name] = _shown(name, row[name]), _shown(name, changed[name])
        effective = bool(self._after) or bool(self._before)
        if effective:
            changed |= {"updated_at": self.now, "row_version": row["row_version"] + 1}
        if changed:
            self.tx.execute(update(device).where(device.c.id == self.device_id).values(changed))
        if effective and told:
            self.tell(action, account_email=account_email)
        return effective

    def tell(self, action: str, *, account_email: str | None = None) -> None:
        """Write an event about the device whether or not anything changed."""
        write_event(
            self.tx,
            self.origin,
            action,
            self.now,
            organization_id=self["organization_id"],
            subject=(self.device_id, self["uid"], self["display_name"]),
            before=self._before,
            after=self._after,
            account_email=account_email,
        )


def make_device(tx: Transaction, values: dict[str, Any], origin: Origin, now: int, action: str) -> int:
    """Insert a record, tell of it, and return its number."""
    values = {
        **values,
        "name_key": sort_key(values["display_name"]),
        "model_key": sort_key(values.get("model", "")),
        "status": mobilefirst_status("ACTIVE", values.get("approval", "approved"), expired=False),
        "created_at": now,
        "updated_at": now,
    }
    key = tx.execute(_INSERT, values).inserted_primary_key
    assert key is not None
    device_id = int(key[0])
    told = ("kind", "identifier", "approval", "platform")
    write_event(
        tx,
        origin,
        action,
        now,
        organization_id=values["organization_id"],
        subject=(device_id, values["uid"], values["display_name"]),
        after={name: values[name] for name in told if name in values},
    )
    return device_id


def write_event(
    tx: Transaction,
    origin: Origin,
    action: str,
    now: int,
    *,
    organization_id: int,
    subject: tuple[int | None, str, str] = (None, "", ""),
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    account_email: str | None = None,
) -> None:
    """Add an event to the log, in the caller's transaction."""
    device_id, uid, name = subject
    row = {
        "at": now,
        "organization_id": organization_id,
        "device_id": device_id,
        "device_uid": uid,
        "device_name": name,
        "account_email": account_email,
        "actor_kind": origin.kind,
        "actor_name": storable(origin.name, 255),
        "dialect": origin.dialect,
        "action": action,
        "before": json.dumps(before or {}, sort_keys=True),
        "after": json.dumps(after or {}, sort_keys=True),
        "address": storable(origin.address, 128),
        "request_id": storable(origin.request_id, 64),
    }
    tx.execute(INSERT_EVENT, row)


def _shown(name: str, value: Any) -> Any:
    if name in _TIMES and value:
        return datetime.fromtimestamp(value, UTC).isoformat().replace("+00:00", "Z")
    return value
