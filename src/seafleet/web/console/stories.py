"""The history of a device in words: entries of the log, whichever API they came through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import datetime

    from seafleet.devices.events import DeviceEvent

DIALECTS: Final = {
    "seafile": "Seafile",
    "devicemagic": "Device Magic",
    "mobilefirst": "MobileFirst",
    "metaaccess": "MetaAccess",
    "agent": "Agent",
    "native": "Console or native API",
    "system": "Server",
}
_ACTIONS: Final = {
    "agent_retired": "Agent left",
    "app_status_set": "Application set",
    "approved": "Approved",
    "command_answered": "Order answered",
    "command_cancelled": "Order cancelled",
    "command_queued": "Order given",
    "contact_while_blocked": "Heard of while blocked",
    "edited": "Edited",
    "enrolled": "Enrolled",
    "exempted": "Exempted",
    "exemption_ended": "Exemption ran out",
    "expired": "Not heard of for long",
    "group_assigned": "Group assigned",
    "ignored": "Ignored",
    "link_wiped": "Client wiped",
    "linked": "Client signed in",
    "merged": "Took over another record",
    "merged_away": "Became part of another record",
    "posture_changed": "Posture changed",
    "registered": "Registered",
    "removed": "Removed",
    "returned": "Heard of again",
    "returned_after_block": "Came back after a block",
    "sighted": "Seen on the network",
    "status_set": "State set",
    "unexempted": "Exemption ended",
    "unignored": "No longer ignored",
    "unlinked": "Client unlinked",
    "user_linked": "User noted",
    "wipe_delivered": "Wipe delivered",
    "wipe_done": "Wipe done",
    "wipe_requested": "Wipe asked for",
}
_KINDS: Final = {
    "user": "",
    "oauth_client": "application",
    "api_token": "API token",
    "agent": "agent",
    "device": "device",
    "task": "daily task",
}
_NOTHING: Final = "–"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that changed, as it was and as it is."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Story:
    """One entry of the log in words."""

    at: datetime
    what: str
    who: str
    kind: str
    through: str
    address: str
    differences: tuple[Difference, ...]


def story_of(event: DeviceEvent) -> Story:
    """Return an entry of the log in words."""
    names = list(dict.fromkeys([*event.before, *event.after]))
    return Story(
        at=event.at,
        what=_ACTIONS.get(event.action, event.action.replace("_", " ").capitalize()),
        who=event.actor_name,
        kind=_KINDS.get(event.actor_kind, event.actor_kind),
        through=DIALECTS.get(event.dialect, event.dialect),
        address=event.address,
        differences=tuple(
            Difference(name.replace("_", " "), shown(event.before.get(name)), shown(event.after.get(name)))
            for name in names
        ),
    )


def shown(value: Any) -> str:
    """Return a value of the log as people read it."""
    if value is None or value in ("", [], {}):
        return _NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')}: {shown(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(shown(part) for part in value)
    return str(value)
