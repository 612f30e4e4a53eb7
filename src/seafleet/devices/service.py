"""Devices as logins make them and as unlinking undoes them; every method joins the caller's transaction.

A *link* ties one account to one device by the id that the client chose. The device record behind it is shared
by all accounts that use the same client, so that what an operator decides about a device holds for all of
them.

Source: device registry §3, §5, §8; Seafile devices §3, §5.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from seafleet.devices import rows
from seafleet.devices.model import (
    DESKTOP_PLATFORMS,
    PLATFORMS,
    DeviceInfo,
    DevicePolicy,
    DeviceState,
    Verdict,
    verdict,
)
from seafleet.errors import InvalidArgument
from seafleet.text import storable

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Transaction
    from seafleet.ids import RandomSource

_PREFIXES: Final = {
    "windows": "Windows",
    "linux": "Linux",
    "mac": "Mac",
    "android": "Android",
    "ios": "iPhone",
}
_is_android_id = re.compile(r"[0-9a-fA-F]{1,16}").fullmatch
_is_printable = re.compile(r"[\x21-\x7e]+").fullmatch


def client_family(platform: str) -> str | None:
    """Return the family that a role may forbid: `desktop`, `android` or `ios`; None for others."""
    if platform in DESKTOP_PLATFORMS:
        return "desktop"
    return platform if platform in PLATFORMS else None


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

    def connect(self, tx: Transaction, owner: Owner, info: DeviceInfo) -> DeviceState:
        """Find or make the link and the device of a login whose password was right, and note the contact.

        A link that is to be wiped is replaced by a fresh one, unless the device is blocked: then it is left
        as it is, and the caller refuses.
        """
        found = self.find_link(tx, owner.account_id, info.platform, info.device_id)
        if found is not None and found.wiped_at is not None and found.admin_state == "ACTIVE":
            tx.execute(rows.DELETE_LINK, {"link_id": found.link_id})
            return self._attach(tx, owner, info, found.device_id, app_status=found.app_status)
        if found is None:
            known = tx.execute(rows.KNOWN_DEVICE, {**_key(owner, info), "platform": info.platform})
            return self._attach(tx, owner, info, self._device_of(tx, owner, info, known.one_or_none()))
        if not self.verdict(found).login_refused:
            self._note_login(tx, found, info)
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
            return state
        info = DeviceInfo.of("other", peer_id, peer_name, ip=ip)
        known = tx.execute(rows.KNOWN_PEER, _key(owner, info)).one_or_none()
        if known is not None:
            info = replace(info, platform=known.platform)
        return self._attach(tx, owner, info, self._device_of(tx, owner, info, known))

    def add_alias(self, tx: Transaction, device: DeviceState, client_id: str) -> None:
        """Have the device known by another id that a client of it reported."""
        parameters = {"device_id": device.device_id, "platform": device.platform, "value": client_id}
        tx.execute(rows.INSERT_ALIAS, parameters)

    def unlink(
        self, tx: Transaction, link: DeviceState, account_id: int, *, wipe_source: str | None = None
    ) -> None:
        """Cut the account off from the device: its tokens die and the link goes.

        With a `wipe_source` the link and its API token stay, marked, until the device has heard of it. Sync
        tokens that the client's id was reported for die either way.
        """
        parameters = {
            "link_id": link.link_id,
            "account_id": account_id,
            "client_device_id": link.client_device_id,
        }
        tx.execute(rows.DELETE_SYNC_TOKENS, parameters)
        if wipe_source is None:
            tx.execute(rows.DELETE_LINK, {"link_id": link.link_id})
        else:
            at = self._clock.timestamp()
            tx.execute(rows.MARK_LINK, {"link_id": link.link_id, "at": at, "source": wipe_source})

    def note_contact(self, tx: Transaction, device: DeviceState, ip: str) -> None:
        """Note when and from where a device was last heard of; an admitted one is no longer expired."""
        admitted = device.expired and self.verdict(device).allowed
        statement = rows.SEEN_AND_BACK if admitted else rows.SEEN
        at = self._clock.timestamp()
        tx.execute(statement, {"device_id": device.device_id, "at": at, "ip": storable(ip, 45)})

    def _device_of(self, tx: Transaction, owner: Owner, info: DeviceInfo, known: Any) -> int:
        """Return the device that is known by the client's id, or a new one.

        One that was removed while an operator had it blocked comes back as a new record that waits for
        approval.
        """
        if known is not None and known.removed_at is None:
            return int(known.id)
        returned_after_block = known is not None and known.admin_state != "ACTIVE"
        pending = returned_after_block or self._policy().require_approval
        return self._make_device(tx, owner, info, approval="pending" if pending else "approved")

    def _attach(
        self,
        tx: Transaction,
        owner: Owner,
        info: DeviceInfo,
        device_id: int,
        *,
        app_status: str = "ENABLED",
    ) -> DeviceState:
        now = self._clock.timestamp()
        values = {
            "device_id": device_id,
            "account_id": owner.account_id,
            "platform": info.platform,
            "client_device_id": info.device_id,
            "device_name": info.device_name,
            "client_version": info.client_version,
            "platform_version": info.platform_version,
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
        self.note_contact(tx, state, info.ip)
        return state

    def _make_device(self, tx: Transaction, owner: Owner, info: DeviceInfo, *, approval: str) -> int:
        uid = str(uuid.UUID(bytes=self._random.randbytes(16), version=4))
        now = self._clock.timestamp()
        values = {
            "uid": uid,
            "identifier": f"{_PREFIXES.get(info.platform, 'Device')}_{uid}",
            "organization_id": owner.organization_id,
            "display_name": info.device_name,
            "platform": info.platform,
            "approval": approval,
            "last_seen": now,
            "last_ip": info.ip,
            "created_at": now,
            "updated_at": now,
        }
        key = tx.execute(rows.INSERT_DEVICE, values).inserted_primary_key
        assert key is not None
        return int(key[0])

    def _note_login(self, tx: Transaction, link: DeviceState, info: DeviceInfo) -> None:
        values = {
            "link_id": link.link_id,
            "device_name": info.device_name,
            "client_version": info.client_version,
            "platform_version": info.platform_version,
            "last_accessed": self._clock.timestamp(),
            "last_login_ip": info.ip,
        }
        tx.execute(rows.UPDATE_AT_LOGIN, values)
        self.note_contact(tx, link, info.ip)


def _key(owner: Owner, info: DeviceInfo) -> dict[str, Any]:
    return {"client_device_id": info.device_id, "organization_id": owner.organization_id}
