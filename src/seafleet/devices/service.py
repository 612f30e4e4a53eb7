"""Devices as logins make them and as unlinking undoes them; every method joins the caller's transaction.

A *link* ties one account to one device by the id that the client chose. The device record behind it is shared
by all accounts that use the same client, so that what an operator decides about a device holds for all of
them.

Source: device registry §3, §5, §8; Seafile devices §3, §5.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from seafleet.devices import commands, groups, rows
from seafleet.devices.change import Change, make_device
from seafleet.devices.contacts import CONTACT_SECONDS, EVENT_SECONDS, state_of, tell_if_blocked
from seafleet.devices.identity import new_identity
from seafleet.devices.model import (
    DESKTOP_PLATFORMS,
    PLATFORMS,
    DeviceInfo,
    DevicePolicy,
    DeviceState,
    Verdict,
    verdict,
)
from seafleet.devices.origin import Origin
from seafleet.errors import InvalidArgument
from seafleet.text import storable

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Transaction
    from seafleet.ids import RandomSource

_is_android_id = re.compile(r"[0-9a-fA-F]{1,16}").fullmatch
_is_printable = re.compile(r"[\x21-\x7e]+").fullmatch


def client_family(platform: str) -> str | None:
    """Return the family that a role may forbid: `desktop`, `android` or `ios`; None for others."""
    if platform in DESKTOP_PLATFORMS:
        return "desktop"
    return platform if platform in PLATFORMS else None


def app_name(platform: str) -> str:
    """Return the name of the application that logs in from a platform. Source: device registry §8.1."""
    family = client_family(platform)
    return f"seafile-{family}" if family is not None else "seafile-sync"


def check_identity(info: DeviceInfo) -> None:
    """Raise InvalidArgument("platform") or ("device_id") unless the id has the form of its platform.

    Desktop: 40 characters; android: 1 to 16 hex digits; ios: 36 characters. Source: Seafile devices §3.
    """
    if info.platform not in PLATFORMS:
        raise InvalidArgument("platform")
    if info.platform == "android":
        fits = _is_android_id(info.device_id) is not None
    else:
        length = 40 if info.platform in DESKTOP_PLATFORMS else 36
        fits = len(info.device_id) == length and _is_printable(info.device_id) is not None
    if not fits:
        raise InvalidArgument("device_id")


@dataclass(frozen=True, slots=True)
class Owner:
    """The account that a link belongs to."""

    account_id: int
    organization_id: int
    email: str = ""


class Devices:
    """Links between accounts and devices, and the verdict on them."""

    def __init__(
        self,
        clock: Clock,
        random: RandomSource,
        policy: Callable[[], DevicePolicy] | None = None,
    ) -> None:
        self._clock = clock
        self._random = random
        self._policy = policy or DevicePolicy

    @property
    def policy(self) -> DevicePolicy:
        """Return the registry's settings that decide about access."""
        return self._policy()

    def verdict(self, device: DeviceState) -> Verdict:
        """Decide on a device as it is now."""
        return verdict(device, self._policy(), self._clock.timestamp())

    def find_link(
        self, tx: Transaction, account_id: int, platform: str, device_id: str
    ) -> DeviceState | None:
        """Return the account's link of this platform and client id."""
        parameters = {"account_id": account_id, "platform": platform, "client_device_id": device_id}
        row = tx.execute(rows.LINK, parameters).one_or_none()
        return None if row is None else rows.to_state(row)

    # -- logging in ------------------------------------------------------------------------------------------

    def connect(self, tx: Transaction, owner: Owner, info: DeviceInfo) -> DeviceState:
        """Find or make the link and the device of a login whose password was right, and note the contact.

        A link that is to be wiped is replaced by a fresh one, unless the device is blocked: then it is left
        as it is, and the caller refuses. A link of a removed record is set aside, so that its old token goes
        on telling of the wipe.
        """
        found = self.find_link(tx, owner.account_id, info.platform, info.device_id)
        if found is not None and found.removed_at is not None:
            tx.execute(rows.SET_ASIDE, {"link_id": found.link_id, "unused": f"old {found.link_id}"})
            found = None
        if found is not None and found.wiped_at is not None and found.admin_state == "ACTIVE":
            tx.execute(rows.DELETE_LINK, {"link_id": found.link_id})
            return self._attach(tx, owner, info, found.device_id, app_status=found.app_status)
        if found is None:
            known = tx.execute(rows.KNOWN_DEVICE, {**_key(owner, info), "platform": info.platform})
            return self._attach(tx, owner, info, self._device_of(tx, owner, info, known.one_or_none()))
        if not self.verdict(found).login_refused:
            self._note_login(tx, owner, found, info)
        return found

    def connect_peer(
        self, tx: Transaction, owner: Owner, peer_id: str, peer_name: str, ip: str
    ) -> DeviceState:
        """Return the link that a sync client's peer id stands for, made if need be.

        The account's own link with this client id; else a link to the device that other accounts know under
        it; else a new device. Source: device registry §8.2, §13.19.
        """
        parameters = {"account_id": owner.account_id, "client_device_id": peer_id}
        row = tx.execute(rows.LINK_BY_CLIENT_ID, parameters).one_or_none()
        if row is not None:
            state = rows.to_state(row)
            assert state is not None
            if state.removed_at is None:
                return state
            tx.execute(rows.SET_ASIDE, {"link_id": state.link_id, "unused": f"old {state.link_id}"})
        info = DeviceInfo.of("other", peer_id, peer_name, ip=ip)
        known = tx.execute(rows.KNOWN_PEER, _key(owner, info)).one_or_none()
        if known is not None:
            info = replace(info, platform=known.platform)
        return self._attach(tx, owner, info, self._device_of(tx, owner, info, known))

    def add_alias(self, tx: Transaction, device: DeviceState, client_id: str) -> None:
        """Have the device known by another id that a client of it reported."""
        parameters = {"device_id": device.device_id, "platform": device.platform, "value": client_id}
        tx.execute(rows.INSERT_ALIAS, parameters)

    def _device_of(self, tx: Transaction, owner: Owner, info: DeviceInfo, known: Any) -> int:
        """Return the device that is known by the client's id, or a new one.

        One that was removed while an operator had it blocked, or with a wipe open, comes back as a new record
        that waits for approval.
        """
        if known is not None and known.removed_at is None:
            return int(known.id)
        returned = known is not None and (known.admin_state != "ACTIVE" or known.wipe == "requested")
        pending = returned or self._policy().require_approval
        return self._make_device(
            tx, owner, info, approval="pending" if pending else "approved", returned=returned
        )

    def _attach(
        self,
        tx: Transaction,
        owner: Owner,
        info: DeviceInfo,
        device_id: int,
        *,
        app_status: str = "ENABLED",
    ) -> DeviceState:
        """Make the link, its application's entry and the alias, and note the contact."""
        now, app = self._clock.timestamp(), app_name(info.platform)
        entry = {
            "device_id": device_id,
            "name": app,
            "platform": info.platform,
            "version": info.client_version,
        }
        tx.execute(rows.PUT_APP, entry)
        if tx.execute(rows.APP_STATUS, {"device_id": device_id, "name": app}).scalar_one() != "ENABLED":
            app_status = "DISABLED"
        values = {
            "device_id": device_id,
            "account_id": owner.account_id,
            "platform": info.platform,
            "client_device_id": info.device_id,
            "device_name": info.device_name,
            "client_version": info.client_version,
            "platform_version": info.platform_version,
            "app_name": app,
            "app_status": app_status,
            "last_accessed": now,
            "last_login_ip": info.ip,
            "created_at": now,
        }
        key = tx.execute(rows.INSERT_LINK, values).inserted_primary_key
        assert key is not None
        row = tx.execute(rows.LINK_BY_ID, {"link_id": key[0]}).one()
        state = rows.to_state(row)
        assert state is not None
        self.add_alias(tx, state, info.device_id)
        change = Change.of(tx, device_id, _by(owner.email, info.ip), now)
        assert change is not None
        change.note("link", None, _link_label(owner.email, state))
        change.save("linked", account_email=owner.email)
        self.note_contact(tx, state, info.ip)
        return state

    def _make_device(
        self, tx: Transaction, owner: Owner, info: DeviceInfo, *, approval: str, returned: bool
    ) -> int:
        now, origin = self._clock.timestamp(), _by(owner.email, info.ip)
        values = {
            **new_identity(self._random, info.platform),
            "organization_id": owner.organization_id,
            "display_name": info.device_name,
            "host_name": info.device_name,
            "platform": info.platform,
            "os_version": info.platform_version,
            "approval": approval,
            "enrolled_at": now,
            "last_seen": now,
            "last_ip": info.ip,
        }
        action = "returned_after_block" if returned else "registered"
        device_id = make_device(tx, values, origin, now, action)
        change = Change.of(tx, device_id, origin, now)
        assert change is not None
        groups.join_default(change)
        return device_id

    def _note_login(self, tx: Transaction, owner: Owner, link: DeviceState, info: DeviceInfo) -> None:
        values = {
            "link_id": link.link_id,
            "device_name": info.device_name,
            "client_version": info.client_version,
            "platform_version": info.platform_version,
            "last_accessed": self._clock.timestamp(),
            "last_login_ip": info.ip,
        }
        tx.execute(rows.UPDATE_AT_LOGIN, values)
        entry = {
            "device_id": link.device_id,
            "name": app_name(info.platform),
            "platform": info.platform,
            "version": info.client_version,
        }
        tx.execute(rows.PUT_APP, entry)
        self.note_contact(tx, link, info.ip, name=owner.email)

    # -- unlinking -------------------------------------------------------------------------------------------

    def unlink(
        self,
        tx: Transaction,
        link: DeviceState,
        account_id: int,
        *,
        wipe_source: str | None = None,
        origin: Origin | None = None,
        email: str = "",
        action: str = "unlinked",
    ) -> None:
        """Cut the account off from the device: its tokens die and the link goes.

        With a `wipe_source` the link and its API token stay, marked, until the device has heard of it, and
        the agent is told to remove the account's libraries. Sync tokens that the client's id was reported for
        die either way. `email` is the account's address, `origin` who does it, the account itself without.
        """
        change = Change.of(tx, link.device_id, origin or _by(email, ""), self._clock.timestamp())
        assert change is not None
        parameters = {
            "link_id": link.link_id,
            "account_id": account_id,
            "client_device_id": link.client_device_id,
        }
        if wipe_source is not None and change["agent_type"] is not None:
            libraries = sorted(tx.execute(rows.SYNCED_LIBRARIES, parameters).scalars())
            commands.queue(change, commands.WIPE, {"libraries": libraries})
        tx.execute(rows.DELETE_SYNC_TOKENS, parameters)
        label = _link_label(email, link)
        if wipe_source is None:
            tx.execute(rows.DELETE_LINK, {"link_id": link.link_id})
            change.note("link", label, None)
        elif link.wiped_at is None:
            tx.execute(rows.MARK_LINK, {"link_id": link.link_id, "at": change.now, "source": wipe_source})
            change.note("link", label, {**label, "wipe": "requested"})
        change.save(action, account_email=email or None)

    def acknowledge_wipe(self, tx: Transaction, link: DeviceState, account_id: int, email: str) -> None:
        """Take a client's word that it removed what it held: the link goes, and with the last one the wipe is
        done.
        """
        origin = Origin("device", link.device_name, "seafile")
        self.unlink(tx, link, account_id, origin=origin, email=email, action="link_wiped")
        self.finish_wipe(tx, link.device_id, origin)

    def finish_wipe(self, tx: Transaction, device_id: int, origin: Origin) -> None:
        """Set the device's wipe to done when no marked link is left and the agent, if any, has reported."""
        change = Change.of(tx, device_id, origin, self._clock.timestamp())
        if change is None or change["wipe"] not in ("requested", "delivered"):
            return
        marked = tx.execute(rows.MARKED_LINK, {"device": device_id}).first()
        if marked is None and commands.count_open(tx.connection, device_id, [commands.WIPE]) == 0:
            change.set(wipe="done", wipe_done_at=change.now)
            change.save("wipe_done")

    # -- contacts --------------------------------------------------------------------------------------------

    def note_contact(self, tx: Transaction, device: DeviceState, ip: str, *, name: str = "") -> None:
        """Note when and from where a device was last heard of; an admitted one is no longer expired."""
        at = self._clock.timestamp()
        if device.expired and self.verdict(device).allowed:
            change = Change.of(tx, device.device_id, _by(name or device.device_name, ip), at)
            # It may have been blocked since the request was admitted; then it stays expired.
            if change is not None and verdict(state_of(change), self._policy(), at).allowed:
                change.set(expired=False)
                change.save("returned")
        statement = rows.SEEN if ip else rows.SEEN_SOMEWHERE
        tx.execute(statement, {"device_id": device.device_id, "at": at, "ip": storable(ip, 45)})

    def wants_refusal_noted(self, device: DeviceState, found: Verdict, ip: str) -> bool:
        """Tell whether `note_refusal` would write anything about a refused request."""
        if device.removed_at is not None and device.wiped_at is None:
            return False
        now = self._clock.timestamp()
        return (
            (found.wipe and device.wipe_delivered_at is None)
            or device.blocked_contact_at is None
            or now - device.blocked_contact_at >= EVENT_SECONDS
            or now - device.last_seen >= CONTACT_SECONDS
            or (ip not in ("", device.last_ip))
        )

    def note_refusal(self, tx: Transaction, device: DeviceState, found: Verdict, ip: str) -> bool:
        """Note a request that is refused: time and address, an event once an hour, and the wipe's delivery.

        False if the device was changed since `found` was decided, and is not to be refused like that any
        more: the caller has to look again. So no client is told of a wipe that was taken back.

        Source: device registry §5, "any request with a device token"; §10; §13.6, §13.7.
        """
        origin, now = Origin("device", device.device_name, "seafile", ip), self._clock.timestamp()
        change = Change.of(tx, device.device_id, origin, now)
        if change is None:
            return False
        row = tx.execute(rows.LINK_BY_ID, {"link_id": device.link_id}).one_or_none()
        present = None if row is None else rows.to_state(row)
        if present is not None and not _still_refused(found, self.verdict(present)):
            return False
        if present is None and found.wipe:
            return False
        device = present or device
        change.set(last_seen=now)
        if ip:
            change.set(last_ip=storable(ip, 45))
        if found.wipe:
            self._deliver_wipe(change, device)
        change.save("wipe_delivered")
        tell_if_blocked(tx, device.device_id, origin, now, found.status)
        return present is not None

    def _deliver_wipe(self, change: Change, device: DeviceState) -> None:
        """Note that the client has heard of the wipe: from now on it cannot be taken back."""
        by_unlink = device.wipe_source == "unlink"
        if not by_unlink:
            change.tx.execute(rows.MARK_LINKS, {"device": change.device_id, "at": change.now})
        told = change.tx.execute(rows.DELIVER_LINK, {"link_id": device.link_id, "at": change.now}).rowcount
        if not told:
            return
        if by_unlink:
            change.note("link", None, {"wipe": "delivered", "platform": device.platform})
            return
        change.tx.execute(rows.DELETE_SYNC_TOKENS_OF_DEVICE, {"device": change.device_id})
        if change["wipe"] != "delivered":
            requested = change["wipe_requested_at"] if change["wipe"] == "requested" else change.now
            change.set(
                wipe="delivered",
                wipe_source="status",
                wipe_requested_at=requested,
                wipe_delivered_at=change.now,
                wipe_done_at=None,
            )


def _still_refused(found: Verdict, present: Verdict) -> bool:
    """Tell whether the present verdict is the one that was found, or at least as strict about wiping."""
    same = (present.allowed, present.status) == (found.allowed, found.status)
    return same and (present.wipe or not found.wipe)


def _by(email: str, ip: str) -> Origin:
    return Origin("user", email, "seafile", ip)


def _link_label(email: str, link: DeviceState) -> dict[str, str]:
    return {"user": email, "platform": link.platform, "device_name": link.device_name}


def _key(owner: Owner, info: DeviceInfo) -> dict[str, Any]:
    return {"client_device_id": info.device_id, "organization_id": owner.organization_id}
