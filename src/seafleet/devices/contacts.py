"""What is noted when a device is heard of.

Source: device registry §5, "any request with a device token"; §10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from seafleet.devices.change import Change
from seafleet.devices.model import DevicePolicy, DeviceState, Verdict, verdict
from seafleet.text import storable

if TYPE_CHECKING:
    from seafleet.db.engine import Transaction
    from seafleet.devices.origin import Origin

CONTACT_SECONDS: Final = 600
"""How exact the time is when a device was last heard of."""
EVENT_SECONDS: Final = 3600
"""How often the log says that a blocked device was heard of."""


class _Columns(Protocol):
    def __getitem__(self, name: str, /) -> Any: ...


def state_of(row: _Columns) -> DeviceState:
    """Return what `verdict` decides on for a device's row, or a change of it, without any link."""
    return DeviceState(
        device_id=row["id"],
        link_id=0,
        platform=row["platform"],
        client_device_id="",
        device_name=row["display_name"],
        admin_state=row["admin_state"],
        approval=row["approval"],
        posture=row["posture"],
        posture_issue=row["posture_issue"],
        exempted_at=row["exempted_at"],
        exempt_until=row["exempt_until"],
        expired=row["expired"],
        removed_at=row["removed_at"],
        wipe=row["wipe"],
    )


def note(change: Change, ip: str, policy: DevicePolicy) -> Verdict:
    """Set time and address of a contact; one that is admitted is no longer expired. Return the verdict."""
    change.set(last_seen=change.now)
    if ip:
        change.set(last_ip=storable(ip, 45))
    found = verdict(state_of(change), policy, change.now)
    if found.allowed:
        change.set(expired=False)
    return found


def tell_if_blocked(tx: Transaction, device_id: int, origin: Origin, now: int, status: str) -> None:
    """Write the event about a contact while blocked, unless there was one within the hour.

    To be called when everything else is saved.
    """
    change = Change.of(tx, device_id, origin, now)
    assert change is not None
    told = change["blocked_contact_at"]
    if told is not None and now - told < EVENT_SECONDS:
        return
    change.set(blocked_contact_at=now)
    change.save("contact_while_blocked", told=False)
    change.note("contact", None, status)
    change.tell("contact_while_blocked")
