"""What can be done about devices, each with a plain account of what it does to access right now.

The account of one device is no text of its own: the state is changed as the action would, and the registry's
one rule decides on it.

Source: device registry §5, §6, §7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from seafleet.devices.model import AdminState, DevicePolicy, DeviceState
from seafleet.text import is_storable
from seafleet.web.console.standing import Access, access_of

if TYPE_CHECKING:
    from seafleet.devices.actions import Action, Actions
    from seafleet.devices.record import Device

    Changed = Callable[[DeviceState, int, "Choices"], DeviceState]

MAX_REASON: Final = 255
WIPE_WORD: Final = "wipe"


@dataclass(frozen=True, slots=True)
class Choices:
    """What an administrator fills in: the group's number, the end of an exemption, its reason."""

    group: int | None = None
    until: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that can be done. `label` stands on its button, `done` in the report of what was done.

    `effect` says what it does to access, `make` makes the registry's action, `changed` the state that
    follows (None: access stays as it is). `fits` tells for which devices it is offered. One that `guards` is
    done only to records that nobody has changed since they were shown; one that `needs_managed` not to what
    was only seen on the network.
    """

    name: str
    label: str
    title: str
    done: str
    effect: Callable[[DevicePolicy], str]
    make: Callable[[Actions, Choices], Action]
    fits: Callable[[Device, datetime], bool]
    changed: Changed | None = None
    harsh: bool = False
    guards: bool = True
    needs_managed: bool = True
    fields: tuple[str, ...] = field(default=())


# -- what they say -------------------------------------------------------------------------------------------


def _approve(_policy: DevicePolicy) -> str:
    return (
        "A device that waits for approval may sign in, use the API and synchronise from its next request on. "
        "One that is lost, stolen or disabled stays refused."
    )


def _activate(_policy: DevicePolicy) -> str:
    return (
        "The device is let in from its next request on, and counts as approved. A wipe that came with "
        "its state, and that no client has heard of yet, is taken back."
    )


def _blocking(what: str, status: str) -> Callable[[DevicePolicy], str]:
    def tell(policy: DevicePolicy) -> str:
        refused = (
            f"{what} Every token of the device is refused from its next request on, and nobody can sign in "
            "from it. Files in the web and on other devices are not touched."
        )
        if status in policy.wipe_on_status:
            return refused + " Its clients and its agent are told to remove their copies at the next contact."
        return refused + " By itself this removes nothing from it, and activating it again undoes it."

    return tell


def _exempt(policy: DevicePolicy) -> str:
    text = (
        "The security policy no longer refuses the device, whatever is found on it, until the day you name."
    )
    return text + _mode(policy) + " A device that is lost, stolen or disabled stays refused."


def _unexempt(policy: DevicePolicy) -> str:
    return "The security policy goes for the device again from its next request on." + _mode(policy)


def _mode(policy: DevicePolicy) -> str:
    if policy.posture_mode == "enforce":
        return ""
    return f" The policy’s mode is “{policy.posture_mode}”, so nobody is refused by it at present."


def _wipe(_policy: DevicePolicy) -> str:
    return (
        "Every client that is signed in on the device is cut off now, and told at its next contact to remove "
        "what it holds: synchronised folders and caches of this server, nothing else. An agent is told the "
        "same. This cannot be taken back. Who has the password can sign in again afterwards, unless the "
        "device is lost, stolen or disabled as well."
    )


def _group(_policy: DevicePolicy) -> str:
    return "The group becomes the device’s first one. Access stays exactly as it is."


def _remove(_policy: DevicePolicy) -> str:
    return (
        "The device leaves the registry: its clients are signed out and its synchronisation stops. Copies "
        "stay on it. Who has the password can sign in again, as a new device; after a block or an open wipe "
        "that one has to be approved first."
    )


def _ignore(_policy: DevicePolicy) -> str:
    return "The device is left out of the list of those seen on the network. It holds no access either way."


def _unignore(_policy: DevicePolicy) -> str:
    return "The device is listed again among those seen on the network. It holds no access either way."


# -- what follows --------------------------------------------------------------------------------------------


def _approved(state: DeviceState, _now: int, _choices: Choices) -> DeviceState:
    return replace(state, approval="approved")


def _activated(state: DeviceState, _now: int, _choices: Choices) -> DeviceState:
    return replace(_without_status_wipe(state), admin_state="ACTIVE", approval="approved", expired=False)


def _blocked(status: AdminState) -> Changed:
    return lambda state, _now, _choices: replace(state, admin_state=status)


def _disabled(state: DeviceState, _now: int, _choices: Choices) -> DeviceState:
    return replace(_without_status_wipe(state), admin_state="DISABLED")


def _without_status_wipe(state: DeviceState) -> DeviceState:
    """Take away the mark that came with the operator's state, unless the client has heard of it."""
    if state.wipe_source != "status" or state.wipe_delivered_at is not None:
        return state
    return replace(state, wiped_at=None, wipe_source=None)


def _exempted(state: DeviceState, now: int, choices: Choices) -> DeviceState:
    until = None if choices.until is None else int(choices.until.timestamp())
    return replace(state, exempted_at=now, exempt_until=until)


def _subject_again(state: DeviceState, _now: int, _choices: Choices) -> DeviceState:
    return replace(state, exempted_at=None, exempt_until=None)


def _wiped(state: DeviceState, now: int, _choices: Choices) -> DeviceState:
    """Mark a client; what concerns no client goes on."""
    return replace(state, wiped_at=now, wipe_source="unlink") if state.link_id else state


def _removed(state: DeviceState, now: int, _choices: Choices) -> DeviceState:
    return replace(state, removed_at=now)


def _managed(device: Device, _now: datetime) -> bool:
    return not device.is_sighting


def _not_in(state: str) -> Callable[[Device, datetime], bool]:
    return lambda device, _now: not device.is_sighting and device.admin_state != state


def _can_activate(device: Device, _now: datetime) -> bool:
    is_fine = device.admin_state == "ACTIVE" and device.approval == "approved" and not device.expired
    return not device.is_sighting and not is_fine


_ALL: Final = (
    Deed(
        "approve",
        "Approve",
        "Approve",
        "Approved",
        _approve,
        lambda actions, _: actions.approve(),
        lambda device, _: not device.is_sighting and device.approval != "approved",
        _approved,
    ),
    Deed(
        "activate",
        "Activate",
        "Activate",
        "Activated",
        _activate,
        lambda actions, _: actions.set_status("ACTIVE"),
        _can_activate,
        _activated,
    ),
    Deed(
        "lost",
        "Mark lost",
        "Mark as lost",
        "Marked as lost",
        _blocking("For devices that may turn up again.", "LOST"),
        lambda actions, _: actions.set_status("LOST"),
        _not_in("LOST"),
        _blocked("LOST"),
        harsh=True,
        guards=False,
    ),
    Deed(
        "stolen",
        "Mark stolen",
        "Mark as stolen",
        "Marked as stolen",
        _blocking("For devices in other hands.", "STOLEN"),
        lambda actions, _: actions.set_status("STOLEN"),
        _not_in("STOLEN"),
        _blocked("STOLEN"),
        harsh=True,
        guards=False,
    ),
    Deed(
        "disable",
        "Disable",
        "Disable",
        "Disabled",
        _blocking("For devices that are not to be used for now.", "DISABLED"),
        lambda actions, _: actions.set_status("DISABLED"),
        _not_in("DISABLED"),
        _disabled,
        harsh=True,
        guards=False,
    ),
    Deed(
        "exempt",
        "Exempt",
        "Exempt from the security policy",
        "Exempted",
        _exempt,
        lambda actions, choices: actions.exempt(choices.until, choices.reason),
        _managed,
        _exempted,
        fields=("until", "reason"),
    ),
    Deed(
        "unexempt",
        "End exemption",
        "End the exemption",
        "Exemption ended",
        _unexempt,
        lambda actions, _: actions.unexempt(),
        lambda device, now: device.is_exempt(now),
        _subject_again,
    ),
    Deed(
        "group",
        "Assign to group",
        "Assign to a group",
        "Assigned",
        _group,
        lambda actions, choices: actions.assign_to_group(choices.group),
        lambda device, _: not device.is_domain_controller,
        needs_managed=False,
        fields=("group",),
    ),
    Deed(
        "wipe",
        "Wipe",
        "Wipe",
        "Wipe asked for",
        _wipe,
        lambda actions, _: actions.wipe(),
        lambda device, _: bool(device.links) or device.agent is not None,
        _wiped,
        harsh=True,
        fields=("confirm",),
    ),
    Deed(
        "remove",
        "Remove",
        "Remove from the registry",
        "Removed",
        _remove,
        lambda actions, _: actions.remove(),
        lambda _device, _now: True,
        _removed,
        harsh=True,
        needs_managed=False,
    ),
    Deed(
        "ignore",
        "Ignore",
        "Ignore",
        "Ignored",
        _ignore,
        lambda actions, _: actions.ignore(),
        lambda device, _: device.is_sighting and not device.ignored,
        needs_managed=False,
    ),
    Deed(
        "unignore",
        "Stop ignoring",
        "Stop ignoring",
        "No longer ignored",
        _unignore,
        lambda actions, _: actions.unignore(),
        lambda device, _: device.is_sighting and device.ignored,
        needs_managed=False,
    ),
)
DEEDS: Final = {deed.name: deed for deed in _ALL}
"""Everything that can be done, in the order in which it is offered."""


def access_after(deed: Deed, device: Device, policy: DevicePolicy, now: datetime, choices: Choices) -> Access:
    """Return what a device may reach right after a deed."""
    if deed.changed is None or not deed.fits(device, now):
        return access_of(device, policy, now)
    changed, seconds = deed.changed, int(now.timestamp())
    return access_of(device, policy, now, lambda state: changed(state, seconds, choices))


def read_choices(deed: Deed, values: dict[str, str], now: datetime) -> tuple[Choices, dict[str, str]]:
    """Return what was filled in for a deed, and what is wrong with it, by the name of the field."""
    problems: dict[str, str] = {}
    group, until, reason = None, None, values.get("reason", "").strip()
    if "group" in deed.fields:
        text = values.get("group", "")
        if text.isascii() and text.isdecimal() and len(text) <= 18:
            group = int(text)
        else:
            problems["group"] = "Choose a group."
    if "until" in deed.fields and values.get("until", "").strip():
        until = _end_of_day(values["until"].strip())
        if until is None or until <= now:
            problems["until"] = "Give a day from today on, such as 2027-03-31."
    if "reason" in deed.fields and (len(reason) > MAX_REASON or not is_storable(reason)):
        problems["reason"] = f"Use at most {MAX_REASON} characters."
    if "confirm" in deed.fields and values.get("confirm", "").strip().casefold() != WIPE_WORD:
        problems["confirm"] = f"Type the word “{WIPE_WORD}” to confirm."
    return Choices(group, until, reason), problems


def _end_of_day(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        return None
