"""Enrolment: an agent shows a code, or a user's token, and gets a token of its own for a record.

Matching, first hit wins: the agent's own token, hardware id or alias, a client id, the address of a sighting.
Somebody who is no administrator reaches records only through links of his own, and new ones: a hardware id
that belongs to others is refused like a cloned disk.

Source: device registry §3, §6.5, §8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select

from seafleet.db.tables import device_alias, device_link, device_mac
from seafleet.devices import commands, finding, groups, rows, verbs
from seafleet.devices.change import Change, make_device
from seafleet.devices.enrolment import EnrolmentCode, use_code
from seafleet.devices.errors import DeviceCloned
from seafleet.devices.identity import identifier_of, new_identity
from seafleet.devices.origin import Origin
from seafleet.devices.reports import write_inventory
from seafleet.errors import DeviceBlocked
from seafleet.secrets import hash_token
from seafleet.text import storable

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Transaction
    from seafleet.devices.reports import Inventory
    from seafleet.devices.settings import SettingsStore
    from seafleet.ids import RandomSource

CLONE_SECONDS: Final = 3600
AGENT_APP: Final = "device-agent"
_TOKEN_BYTES: Final = 32

_MACS: Final = select(device_mac.c.mac).where(device_mac.c.device_id == bindparam("device"))
_CLIENTS: Final = select(device_alias.c.value).where(
    device_alias.c.device_id == bindparam("device"), device_alias.c.kind == "client"
)
_LINKS: Final = select(device_link.c.account_id).where(device_link.c.device_id == bindparam("device"))


@dataclass(frozen=True, slots=True)
class Credential:
    """What an agent shows: an administrator's code, or the account whose token it has.

    `agent_token` is the one that it got before, if it still has it.
    """

    code: str | None = None
    account_id: int | None = None
    email: str = ""
    organization_id: int = 1
    agent_token: str | None = None


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The record that an agent belongs to now, and its token, which is shown this once."""

    device_id: int
    token: str
    created: bool


@dataclass(frozen=True, slots=True)
class _Attempt:
    tx: Transaction
    found: Inventory
    credential: Credential
    code: EnrolmentCode | None
    organization_id: int
    origin: Origin
    now: int


class Enrolling:
    """Matches agents to records; every method joins the caller's transaction."""

    def __init__(self, clock: Clock, random: RandomSource, settings: SettingsStore) -> None:
        self._clock = clock
        self._random = random
        self._settings = settings

    def enrol(
        self, tx: Transaction, found: Inventory, credential: Credential, ip: str, request_id: str
    ) -> Enrolled:
        """Match or make a record, and give its agent a new token; the old one dies.

        Raises TokenNotFound for a code that is not good, DeviceBlocked for a blocked record unless the agent
        shows its own token, DeviceCloned.
        """
        now = self._clock.timestamp()
        code = None if credential.code is None else use_code(tx, credential.code, now)
        organization_id = credential.organization_id if code is None else code.organization_id
        assert found.hwid is not None
        name = credential.email or f"code {code.id if code else ''}"
        origin = Origin("user" if code is None else "agent", name, "agent", ip, request_id)
        attempt = _Attempt(tx, found, credential, code, organization_id, origin, now)
        device_id, by_token = self._match(attempt)
        created = device_id is None
        if device_id is None:
            device_id = self._make(attempt)
        else:
            self._check(attempt, device_id, by_token=by_token)
        token = self._random.randbytes(_TOKEN_BYTES).hex()
        self._take_over(attempt, device_id, token, created=created)
        return Enrolled(device_id, token, created)

    def _match(self, attempt: _Attempt) -> tuple[int | None, bool]:
        """Return the number of the record, and whether the agent's own token led there."""
        connection, organization_id = attempt.tx.connection, attempt.organization_id
        own = attempt.credential.agent_token
        if own is not None:
            number = finding.find_by_token(connection, hash_token(own), organization_id)
            if number is not None:
                return number, True
        found = attempt.found
        assert found.hwid is not None
        account_id = attempt.credential.account_id if attempt.code is None else None
        return (
            finding.find_by_hwid(connection, found.hwid, organization_id)
            or finding.find_by_clients(connection, found, organization_id, account_id)
            or finding.find_sighting(connection, sorted(found.addresses), organization_id)
        ), False

    def _check(self, attempt: _Attempt, device_id: int, *, by_token: bool) -> None:
        """Refuse newcomers that may not take over a record."""
        change = Change.of(attempt.tx, device_id, attempt.origin, attempt.now)
        assert change is not None
        if by_token or change["kind"] == "sighting":
            return
        state = change["admin_state"]
        if state != "ACTIVE":
            raise DeviceBlocked(state, f"This device is blocked ({state}).")
        assert attempt.found.hwid is not None
        users = set(attempt.tx.execute(_LINKS, {"device": device_id}).scalars())
        if attempt.code is None and users and attempt.credential.account_id not in users:
            raise DeviceCloned(attempt.found.hwid)
        reported = change["agent_reported_at"]
        if (
            reported is not None
            and attempt.now - reported < CLONE_SECONDS
            and self._differs(attempt, device_id)
        ):
            raise DeviceCloned(attempt.found.hwid)

    def _differs(self, attempt: _Attempt, device_id: int) -> bool:
        """Tell whether another machine speaks: neither an address nor a client id is known."""
        parameters = {"device": device_id}
        macs = set(attempt.tx.execute(_MACS, parameters).scalars())
        clients = set(attempt.tx.execute(_CLIENTS, parameters).scalars())
        told = attempt.found.client_ids or ()
        return bool(macs or clients) and not (macs & attempt.found.addresses) and clients.isdisjoint(told)

    def _make(self, attempt: _Attempt) -> int:
        found, code = attempt.found, attempt.code
        platform = found.platform or "other"
        returned = finding.was_blocked(attempt.tx.connection, found, attempt.organization_id)
        approves = code is not None and code.auto_approve
        pending = returned or (self._settings.current.require_approval and not approves)
        host_name = found.columns.get("host_name", "")
        values = {
            **new_identity(self._random, platform, found.hwid),
            "organization_id": attempt.organization_id,
            "display_name": host_name or found.columns.get("model", "") or str(found.hwid)[:100],
            "host_name": host_name,
            "platform": platform,
            "approval": "pending" if pending else "approved",
            "enrolled_at": attempt.now,
        }
        action = "returned_after_block" if returned else "registered"
        return make_device(attempt.tx, values, attempt.origin, attempt.now, action)

    def _take_over(self, attempt: _Attempt, device_id: int, token: str, *, created: bool) -> None:
        tx, found = attempt.tx, attempt.found
        change = Change.of(tx, device_id, attempt.origin, attempt.now)
        assert change is not None
        if change["kind"] == "sighting":
            self._adopt(attempt, change)
        self._take_hwid(attempt, change)
        if attempt.code is not None and attempt.code.group_id is not None and created:
            groups.make_primary(change, attempt.code.group_id)
        else:
            groups.join_default(change)
        write_inventory(change, found)
        change.set(
            agent_type=found.columns.get("agent_type", "persistent"),
            agent_token_hash=hash_token(token),
            agent_generation=change["agent_generation"] + 1,
            last_seen=attempt.now,
            last_ip=storable(attempt.origin.address, 45) or change["last_ip"],
        )
        commands.cancel_older(change)
        change.save("enrolled", told=not created)
        self._link(attempt, change)

    def _adopt(self, attempt: _Attempt, change: Change) -> None:
        """Make a sighting a managed device."""
        approves = attempt.code is not None and attempt.code.auto_approve
        pending = self._settings.current.require_approval and not approves
        platform = attempt.found.platform or "other"
        change.set(
            kind="managed",
            ignored=False,
            enrolled_at=attempt.now,
            approval="pending" if pending else "approved",
            identifier=identifier_of(platform, change["uid"]),
        )
        host_name = attempt.found.columns.get("host_name")
        if host_name:
            change.set(display_name=host_name)

    def _take_hwid(self, attempt: _Attempt, change: Change) -> None:
        """Give the record the hardware id that the agent reports; the former one stays as an alias.

        One that another record bears stays there: an administrator has to merge them.
        """
        hwid = attempt.found.hwid
        assert hwid is not None
        if change["hwid_key"] == hwid.lower():
            change.set(hwid=hwid, hwid_source="agent")
            return
        holder = finding.find_by_hwid(attempt.tx.connection, hwid, attempt.organization_id)
        if holder in (None, change.device_id):
            verbs.retire_keys(change)
            change.set(hwid=hwid, hwid_key=hwid.lower(), hwid_source="agent")

    def _link(self, attempt: _Attempt, change: Change) -> None:
        """Tie the user whose token was shown to the device."""
        account_id = attempt.credential.account_id
        if attempt.code is not None or account_id is None:
            return
        if account_id in set(attempt.tx.execute(_LINKS, {"device": change.device_id}).scalars()):
            return
        platform = change["platform"]
        entry: dict[str, Any] = {
            "device_id": change.device_id,
            "name": AGENT_APP,
            "platform": platform,
            "version": change["agent_version"],
        }
        attempt.tx.execute(rows.PUT_APP, entry)
        row = {
            "device_id": change.device_id,
            "account_id": account_id,
            "platform": platform,
            "client_device_id": change["uid"],
            "device_name": change["display_name"][:255],
            "client_version": change["agent_version"],
            "platform_version": change["os_version"],
            "app_name": AGENT_APP,
            "last_accessed": attempt.now,
            "last_login_ip": storable(attempt.origin.address, 45),
            "created_at": attempt.now,
        }
        attempt.tx.execute(rows.INSERT_LINK, row)
        told = Change.of(attempt.tx, change.device_id, attempt.origin, attempt.now)
        assert told is not None
        told.note("link", None, {"user": attempt.credential.email, "platform": platform})
        told.save("linked", account_email=attempt.credential.email)
