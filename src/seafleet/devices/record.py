"""A device as the registry knows it, with everything around it, and the words that each API has for it.

Times are in UTC, None for "never".

Source: device registry §2 and §4.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal

from seafleet.devices.model import AdminState, DeviceState

MobileFirstStatus = Literal["ACTIVE", "LOST", "STOLEN", "EXPIRED", "DISABLED"]
MOBILEFIRST_STATUSES: Final[tuple[MobileFirstStatus, ...]] = (
    "ACTIVE",
    "LOST",
    "STOLEN",
    "EXPIRED",
    "DISABLED",
)

METAACCESS_CODES: Final = {
    "ignored": 2,
    "unknown": 2,
    "quarantined": 1,
    "pending": 3,
    "out_of_license_usage": 3,
    "exempted": 0,
    "non_compliant": 1,
    "installed": 3,
    "compliant": 0,
}
"""MetaAccess' status words, and the numbers that its version 2 has for them."""


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface. `mac` is 12 lower-case hex digits; `dhcp` is None where nobody told."""

    mac: str
    name: str
    ipv4: str
    ipv6: str
    dhcp: bool | None
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class App:
    """An application that reaches the server from the device. `status` is `ENABLED` or `DISABLED`."""

    name: str
    platform: str
    version: str
    status: str

    @property
    def app_id(self) -> str:
        """Return the id that MobileFirst shows."""
        return f"{self.name}${self.platform}${self.version}"


@dataclass(frozen=True, slots=True)
class Link:
    """The tie between an account and the device, by the id that the client chose."""

    link_id: int
    account_id: int
    email: str
    account_name: str
    platform: str
    client_device_id: str
    device_name: str
    client_version: str
    platform_version: str
    app_name: str
    app_status: str
    last_accessed: datetime
    last_login_ip: str
    created_at: datetime
    wiped_at: datetime | None
    wipe_source: str | None
    wipe_delivered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GroupRef:
    """A device group by number and name."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that the posture policy found. `severity` is `critical` or `warning`."""

    code: str
    severity: str
    text: str


@dataclass(frozen=True, slots=True)
class Wipe:
    """The wipe of the whole device: `none`, `requested`, `delivered`, `done` or `failed`."""

    state: str
    source: str
    requested_at: datetime | None
    requested_by: str
    delivered_at: datetime | None
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class Exemption:
    """Leave from the posture policy; `until` None is for ever."""

    until: datetime | None
    by: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Agent:
    """The agent that runs there. `type` is `persistent`, `dissolvable` or `mobile`."""

    type: str
    version: str
    generation: int
    reported_at: datetime | None


@dataclass(frozen=True, slots=True)
class Posture:
    """What the posture policy says: `unreported`, `compliant` or `non_compliant`, and why."""

    state: str
    issues: tuple[Issue, ...] = ()
    evaluated_at: datetime | None = None

    @property
    def critical(self) -> int:
        """Count the critical issues."""
        return sum(issue.severity == "critical" for issue in self.issues)


@dataclass(frozen=True, slots=True)
class Device:
    """A record of the registry, with all that belongs to it.

    `kind` is `managed` or `sighting`; `license` `in` or `out`; `removed_at` is set for records that were
    removed and, with `merged_into`, for those that became part of another one.
    """

    id: int
    uid: str
    identifier: str
    organization_id: int
    kind: str
    ignored: bool
    hwid: str
    hwid_source: str
    display_name: str
    host_name: str
    owner: str | None
    description: str | None
    platform: str
    machine_type: str
    os_family: str
    os_name: str
    os_version: str
    architecture: str
    model: str
    is_domain_controller: bool
    approval: str
    admin_state: AdminState
    expired: bool
    wipe: Wipe
    posture: Posture
    exemption: Exemption | None
    agent: Agent | None
    linked_user: str
    linked_user_group: str
    last_seen: datetime | None
    last_ip: str
    created_at: datetime
    enrolled_at: datetime | None
    updated_at: datetime
    removed_at: datetime | None
    merged_into: int | None
    row_version: int
    license: str = "in"
    macs: tuple[Interface, ...] = ()
    links: tuple[Link, ...] = ()
    apps: tuple[App, ...] = ()
    groups: tuple[GroupRef, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    reported_users: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    """Types of the commands that wait for a result, oldest first."""

    @property
    def is_sighting(self) -> bool:
        """Tell whether it was only seen on the network."""
        return self.kind == "sighting"

    @property
    def is_removed(self) -> bool:
        """Tell whether it is gone."""
        return self.removed_at is not None

    @property
    def is_listed(self) -> bool:
        """Tell whether Device Magic and MobileFirst know it: managed, and there."""
        return not self.is_sighting and not self.is_removed

    @property
    def has_persistent_agent(self) -> bool:
        """Tell whether an agent stays there that takes commands."""
        return self.agent is not None and self.agent.type == "persistent"

    @property
    def primary_group(self) -> GroupRef | None:
        """Return the first group."""
        return self.groups[0] if self.groups else None

    @property
    def emails(self) -> tuple[str, ...]:
        """Return the addresses of those who use it, each once, in the order of their links."""
        return tuple(dict.fromkeys(link.email for link in self.links))

    @property
    def owner_name(self) -> str:
        """Return the owner that was set, else the name of the first user, else the device's name."""
        if self.owner is not None:
            return self.owner
        if self.links:
            return self.links[0].account_name or self.links[0].email.partition("@")[0]
        return self.display_name

    def is_exempt(self, now: datetime) -> bool:
        """Tell whether an exemption is in force; at the second of its end it is over."""
        return self.exemption is not None and (self.exemption.until is None or now < self.exemption.until)

    def state_of(self, link: Link) -> DeviceState:
        """Return what `verdict` decides on for one of the device's links."""
        return replace(
            self.state(),
            link_id=link.link_id,
            platform=link.platform,
            client_device_id=link.client_device_id,
            app_status=link.app_status,
            wiped_at=_seconds(link.wiped_at),
            wipe_source=link.wipe_source,
            wipe_delivered_at=_seconds(link.wipe_delivered_at),
        )

    def state(self) -> DeviceState:
        """Return what `verdict` decides on, without any link."""
        return DeviceState(
            device_id=self.id,
            link_id=0,
            platform=self.platform,
            client_device_id="",
            device_name=self.display_name,
            admin_state=self.admin_state,
            approval=self.approval,
            posture=self.posture.state,
            posture_issue=next((i.text for i in self.posture.issues if i.severity == "critical"), ""),
            exempted_at=None if self.exemption is None else int(self.exemption.at.timestamp()),
            exempt_until=_seconds(self.exemption.until if self.exemption else None),
            expired=self.expired,
            removed_at=_seconds(self.removed_at),
            wipe=self.wipe.state,
        )


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


@dataclass(frozen=True, slots=True)
class Words:
    """What each API calls a device now; None where it does not show it.

    `metaaccess_code` is the number of MetaAccess' version 2.
    """

    mobilefirst: MobileFirstStatus | None
    metaaccess: str | None
    pending_approval: bool

    @property
    def metaaccess_code(self) -> int | None:
        """Return the number that MetaAccess' version 2 has for the word."""
        return None if self.metaaccess is None else METAACCESS_CODES[self.metaaccess]


def words(device: Device, now: datetime) -> Words:
    """Return the words for a device; the only place that knows them. Source: device registry §4."""
    if device.is_removed:
        return Words(None, None, pending_approval=False)
    if device.is_sighting:
        return Words(None, "ignored" if device.ignored else "unknown", pending_approval=False)
    status = mobilefirst_status(device.admin_state, device.approval, expired=device.expired)
    return Words(status, _metaaccess(device, now), device.approval == "pending")


def mobilefirst_status(admin_state: AdminState, approval: str, *, expired: bool) -> MobileFirstStatus:
    """Return MobileFirst's word for a managed device."""
    if admin_state != "ACTIVE":
        return admin_state
    if approval != "approved":
        return "DISABLED"
    return "EXPIRED" if expired else "ACTIVE"


def _metaaccess(device: Device, now: datetime) -> str:
    if device.admin_state != "ACTIVE":
        return "quarantined"
    if device.approval != "approved":
        return "pending"
    if device.license == "out":
        return "out_of_license_usage"
    if device.is_exempt(now):
        return "exempted"
    return "installed" if device.posture.state == "unreported" else device.posture.state
