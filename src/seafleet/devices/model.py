"""What is known of a device that asks for something, and what follows from it.

`verdict` is the only place that decides on a device. New facts become fields of `DeviceState` and rows of the
database; new rules belong here.

Source: device registry §4 and §7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from seafleet.errors import DeviceBlocked, DeviceWiped
from seafleet.text import storable

DESKTOP_PLATFORMS: Final = frozenset(("windows", "linux", "mac"))
PLATFORMS: Final = DESKTOP_PLATFORMS | {"android", "ios"}

PostureMode = Literal["off", "warn", "enforce"]
AdminState = Literal["ACTIVE", "LOST", "STOLEN", "DISABLED"]

SENTENCES: Final = {
    "LOST": "This device has been reported lost.",
    "STOLEN": "This device has been reported stolen.",
    "DISABLED": "This device has been disabled by an administrator.",
    "PENDING_APPROVAL": "This device is waiting for approval.",
    "NON_COMPLIANT": "This device does not meet the security policy: {issue}.",
    "APP_DISABLED": "This application has been disabled on this device.",
    "REMOVED": "This device has been removed.",
    "WIPED": "This device is to be wiped.",
    "UNBOUND": "Device information is required.",
}
"""What people are told for each status word."""

# With these the password is refused as well; the others log in and hold a token that is suspended.
_LOGIN_REFUSED: Final = frozenset(("LOST", "STOLEN", "DISABLED", "APP_DISABLED"))


@dataclass(frozen=True, slots=True)
class DevicePolicy:
    """The settings of the registry that decide about access. Source: device registry §9."""

    require_approval: bool = False
    wipe_on_status: frozenset[str] = frozenset(("STOLEN",))
    posture_mode: PostureMode = "off"
    posture_unreported: Literal["allow", "block"] = "allow"
    allow_unbound_tokens: bool = True


@dataclass(frozen=True, slots=True)
class DeviceState:
    """A device as one link (account, platform, client id) sees it, read at the time of the request.

    Times are whole Unix seconds. `exempted_at` without `exempt_until` is an exemption for ever. `wiped_at`,
    `wipe_source` and `wipe_delivered_at` are the mark on the link; `wipe` is the state of the whole device's
    wipe. `blocked_contact_at` is when the log last said that the device was heard of while blocked.
    """

    device_id: int
    link_id: int
    platform: str
    client_device_id: str
    device_name: str
    admin_state: AdminState = "ACTIVE"
    approval: str = "approved"
    app_status: str = "ENABLED"
    posture: str = "unreported"
    posture_issue: str = ""
    exempted_at: int | None = None
    exempt_until: int | None = None
    expired: bool = False
    removed_at: int | None = None
    wiped_at: int | None = None
    wipe_source: str | None = None
    wipe_delivered_at: int | None = None
    wipe: str = "none"
    last_seen: int = 0
    last_ip: str = ""
    blocked_contact_at: int | None = None

    @property
    def is_desktop(self) -> bool:
        """Tell whether a sync client runs there."""
        return self.platform in DESKTOP_PLATFORMS

    def is_exempt(self, now: int) -> bool:
        """Tell whether an exemption is in force; at the second `exempt_until` it is over."""
        return self.exempted_at is not None and (self.exempt_until is None or now < self.exempt_until)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a device may do anything at all.

    `status` is the word that the wire carries: for refusals the reason, for admitted devices a warning or
    nothing. `wipe` asks the device to remove what it holds. `gone` means that its tokens count as unknown.
    """

    allowed: bool
    status: str = ""
    sentence: str = ""
    wipe: bool = False
    gone: bool = False

    @property
    def login_refused(self) -> bool:
        """Tell whether a right password does not help either."""
        return not self.allowed and self.status in _LOGIN_REFUSED


_FINE: Final = Verdict(allowed=True)
_GONE: Final = Verdict(allowed=False, status="REMOVED", sentence=SENTENCES["REMOVED"], gone=True)
_WARNED: Final = Verdict(allowed=True, status="NON_COMPLIANT")


def verdict(device: DeviceState, policy: DevicePolicy, now: int) -> Verdict:
    """Decide on a device: removed, wipe mark, operator's state, approval, application, posture, in this
    order.
    """
    if device.removed_at is not None:
        # Only links that have not heard of their wipe outlive the record.
        return _GONE if device.wiped_at is None else _refused("REMOVED", wipe=True)
    if device.wiped_at is not None and not _waits(device, policy):
        return _refused(device.admin_state if device.admin_state != "ACTIVE" else "WIPED", wipe=True)
    if device.admin_state != "ACTIVE":
        return _refused(device.admin_state, wipe=device.admin_state in policy.wipe_on_status)
    if device.approval != "approved":
        return _refused("PENDING_APPROVAL")
    if device.app_status != "ENABLED":
        return _refused("APP_DISABLED")
    return _posture_verdict(device, policy, now)


def _waits(device: DeviceState, policy: DevicePolicy) -> bool:
    """Tell whether a mark that came of the operator's state, and that nobody has heard of, is not to be told
    now: the state has become another one, or the setting has.
    """
    return (
        device.wipe_source == "status"
        and device.wipe_delivered_at is None
        and device.admin_state != "ACTIVE"
        and device.admin_state not in policy.wipe_on_status
    )


def _posture_verdict(device: DeviceState, policy: DevicePolicy, now: int) -> Verdict:
    if policy.posture_mode == "off" or device.is_exempt(now):
        return _FINE
    unreported = device.posture == "unreported" and policy.posture_unreported == "block"
    if device.posture != "non_compliant" and not unreported:
        return _FINE
    if policy.posture_mode == "warn":
        return _WARNED
    return _refused("NON_COMPLIANT", issue=device.posture_issue or "nothing was reported")


def _refused(status: str, *, wipe: bool = False, issue: str = "") -> Verdict:
    sentence = SENTENCES.get(status, SENTENCES["DISABLED"]).format(issue=issue.rstrip("."))
    return Verdict(allowed=False, status=status, sentence=sentence, wipe=wipe)


def raise_refusal(found: Verdict) -> None:
    """Raise what the web API answers for this verdict: DeviceWiped, DeviceBlocked, or nothing if it is
    allowed.
    """
    if found.allowed:
        return
    if found.wipe:
        raise DeviceWiped(found.status)
    raise DeviceBlocked(found.status, found.sentence)


def raise_login_refusal(found: Verdict) -> None:
    """Raise DeviceBlocked with the login form's sentence, if a right password does not help this device."""
    if not found.login_refused:
        return
    if found.status == "APP_DISABLED":
        raise DeviceBlocked(found.status, found.sentence)
    raise DeviceBlocked(found.status, f"This device is blocked ({found.status}).")


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What a client says of itself when it logs in. Build it with `of`, which brings the parts to their
    stored form.
    """

    platform: str
    device_id: str
    device_name: str
    client_version: str = ""
    platform_version: str = ""
    ip: str = ""

    @classmethod
    def of(
        cls,
        platform: str,
        device_id: str,
        device_name: str,
        client_version: str = "",
        platform_version: str = "",
        ip: str = "",
    ) -> DeviceInfo:
        """Return the parts cut to what is stored: platform in lower case, name 40 characters, versions 16."""
        return cls(
            platform.lower(),
            device_id,
            storable(device_name, 40),
            storable(client_version, 16),
            storable(platform_version, 16),
            storable(ip, 45),
        )
