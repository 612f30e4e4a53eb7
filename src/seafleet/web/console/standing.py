"""How a device stands, in words: its state at a glance, what it may reach right now and why, and what each
API says of it.

Source: device registry §4 and §7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from seafleet.devices.model import DevicePolicy, DeviceState, Verdict, verdict
from seafleet.devices.record import words

if TYPE_CHECKING:
    from datetime import datetime

    from seafleet.devices.record import Device, Link

Tone = Literal["good", "wait", "warn", "bad", "quiet"]


@dataclass(frozen=True, slots=True)
class Badge:
    """A word about a device. Its tone is shown as a colour and as a sign."""

    text: str
    tone: Tone

    @property
    def sign(self) -> str:
        """Return what stands beside the word, for those who do not see the colour."""
        return _SIGNS[self.tone]


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody or something may reach right now. `word` is `Allowed`, `Refused`, `In part` or
    `No access`."""

    word: str
    tone: Tone
    sentence: str

    @property
    def sign(self) -> str:
        """Return what stands beside the word."""
        return _SIGNS[self.tone]


_SIGNS: Final[dict[Tone, str]] = {"good": "●", "wait": "◐", "warn": "▲", "bad": "✕", "quiet": "○"}
_BLOCKED: Final = {"LOST": "Lost", "STOLEN": "Stolen", "DISABLED": "Disabled"}
_WIPES: Final[dict[str, Badge]] = {
    "requested": Badge("Wipe asked for", "warn"),
    "delivered": Badge("Wipe delivered", "warn"),
    "failed": Badge("Wipe failed", "bad"),
    "done": Badge("Wiped", "quiet"),
}
_NONE: Final = Access(
    "No access", "quiet", "It was seen on the network only and holds nothing to sign in with."
)
_REMOVED: Final = Access("No access", "quiet", "It was removed: everything that it held is dead.")
_FINE: Final = "Its clients may sign in, use the API and synchronise."
_WARNED: Final = "It does not meet the security policy, which warns and does not refuse."


def badges(device: Device, now: datetime) -> list[Badge]:
    """Return the state of a device, the most important word first."""
    return [_main(device), *_further(device, now)]


def _main(device: Device) -> Badge:
    if device.is_removed:
        return Badge("Removed", "quiet")
    if device.is_sighting:
        return Badge("Ignored" if device.ignored else "Seen on the network", "quiet")
    if device.admin_state != "ACTIVE":
        return Badge(_BLOCKED[device.admin_state], "bad")
    if device.approval != "approved":
        return Badge("Waits for approval", "wait")
    return Badge("Active", "good")


def _further(device: Device, now: datetime) -> list[Badge]:
    found = []
    if device.admin_state != "ACTIVE" and device.approval != "approved":
        found.append(Badge("Not approved", "wait"))
    if device.wipe.state in _WIPES:
        found.append(_WIPES[device.wipe.state])
    elif marked := [link for link in device.links if link.wiped_at is not None]:
        is_told = all(link.wipe_delivered_at is not None for link in marked)
        found.append(_WIPES["delivered" if is_told else "requested"])
    if device.is_exempt(now):
        found.append(Badge("Exempt", "wait"))
    if device.posture.state == "non_compliant":
        found.append(Badge("Not compliant", "warn"))
    elif device.posture.issues:
        found.append(Badge("Warnings", "wait"))
    if device.expired:
        found.append(Badge("Not heard of", "quiet"))
    if device.license == "out":
        found.append(Badge("Out of license", "quiet"))
    return found


# -- access --------------------------------------------------------------------------------------------------


def access_of(
    device: Device,
    policy: DevicePolicy,
    now: datetime,
    change: Callable[[DeviceState], DeviceState] = lambda state: state,
) -> Access:
    """Return what a device may reach right now, all its clients taken together, as the one rule decides it;
    with a `change` what it may reach after that.
    """
    if device.is_removed:
        return _REMOVED
    if device.is_sighting:
        return _NONE
    states = [device.state_of(link) for link in device.links] or [device.state()]
    found = [verdict(change(state), policy, int(now.timestamp())) for state in states]
    refused = [each for each in found if not each.allowed]
    if not refused or len(refused) == len(found):
        return told(found[0])
    are = "is" if len(refused) == 1 else "are"
    text = f"{len(refused)} of {len(found)} clients {are} refused. {refused[0].sentence}"
    return Access("In part", "warn", text)


def access_of_link(device: Device, link: Link, policy: DevicePolicy, now: datetime) -> Access:
    """Return what one client on the device may reach right now."""
    return told(verdict(device.state_of(link), policy, int(now.timestamp())))


def told(found: Verdict) -> Access:
    """Return a verdict in words."""
    if found.allowed:
        warned = bool(found.status)
        return Access("Allowed", "warn" if warned else "good", _WARNED if warned else _FINE)
    sentence = found.sentence
    if found.wipe:
        sentence += " Its clients are told to remove what they hold."
    return Access("Refused", "bad", sentence)


def dialects(device: Device, now: datetime) -> list[tuple[str, str]]:
    """Return what each API says of the device, by the API's name."""
    said = words(device, now)
    listed = device.is_listed
    return [
        ("Seafile", _seafile(device)),
        (
            "Device Magic",
            f"pending_approval: {str(said.pending_approval).lower()}" if listed else "not listed",
        ),
        ("MobileFirst", said.mobilefirst or "not listed"),
        ("MetaAccess", f"{said.metaaccess} ({said.metaaccess_code})" if said.metaaccess else "not listed"),
    ]


def _seafile(device: Device) -> str:
    if not device.links:
        return "not listed"
    hidden = sum(link.wiped_at is not None for link in device.links)
    listed = len(device.links) - hidden
    text = f"{listed} client{'' if listed == 1 else 's'} listed"
    return text if not hidden else f"{text}, {hidden} hidden until wiped"
