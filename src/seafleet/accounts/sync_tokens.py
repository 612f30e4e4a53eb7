"""Sync tokens: one library for one account, bound to the device whose API token obtained it.

Each request for one makes a new token. It dies with the access of the account to the library, with the
account's password, and with the device link; while the device is suspended it is refused.

Source: sync protocol §5; device registry §8.2, §13.7, §13.19.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from seafleet.accounts import token_rows as sql
from seafleet.actor import Actor
from seafleet.devices.model import DeviceState, Verdict
from seafleet.devices.rows import LINKS_BY_ID, STATE_WIDTH, to_state
from seafleet.devices.service import Devices, Owner
from seafleet.errors import AccountDisabled, DeviceBlocked, InvalidArgument, LibraryNotFound, TokenNotFound
from seafleet.ids import LibraryId
from seafleet.secrets import hash_token, new_token
from seafleet.text import storable

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.ids import RandomSource
    from seafleet.secrets import ServerSecret

PEER_SECONDS: Final = 60
"""How exact the time of the last synchronisation is kept while nothing else about the peer changes."""

_LINKS_AT_ONCE: Final = 500
_PURPOSE: Final = "sync-token"
_is_token = re.compile(r"[0-9a-f]{40}").fullmatch
_is_peer_id = re.compile(r"[\x21-\x7e]{40}").fullmatch


@dataclass(frozen=True, slots=True)
class Peer:
    """What a sync client said of itself, as it is stored. `synced_at` is in seconds, None before the first
    report.
    """

    peer_id: str | None
    name: str | None
    ip: str | None
    client_version: str | None
    synced_at: int | None


@dataclass(frozen=True, slots=True)
class SyncGrant:
    """Whom a sync token stands for, and the one library that it opens.

    Objects of the library lie under `store_id`, its origin's if it is a sub-library.
    """

    token_id: int
    library_id: LibraryId
    actor: Actor
    peer: Peer
    store_id: LibraryId
    is_damaged: bool = False


@dataclass(frozen=True, slots=True)
class SyncTokenInfo:
    """One row of the lists of tokens: everything but the token. Times are in seconds."""

    token_id: int
    library_id: LibraryId
    library_name: str
    email: str
    device_link_id: int | None
    peer_id: str | None
    peer_name: str | None
    peer_ip: str | None
    client_version: str | None
    created_at: int
    synced_at: int | None


class SyncTokens:
    """Sync tokens of all accounts."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        random: RandomSource,
        secret: ServerSecret,
        devices: Devices,
    ) -> None:
        self._database = database
        self._clock = clock
        self._random = random
        self._secret = secret
        self._devices = devices

    def issue(self, library_id: LibraryId, actor: Actor) -> str:
        """Return a new token of the actor for a library. See `issue_many`."""
        return self.issue_many([library_id], actor)[library_id]

    def issue_many(self, library_ids: Sequence[LibraryId], actor: Actor) -> dict[LibraryId, str]:
        """Return a new token for each library, in one transaction; the caller has checked that the actor may
        read.

        Raises LibraryNotFound, and TokenNotFound if the actor's device was unlinked meanwhile.
        """
        return self._database.write(
            lambda tx: {library_id: self._issue(tx, library_id, actor) for library_id in library_ids}
        )

    def _issue(self, tx: Transaction, library_id: LibraryId, actor: Actor) -> str:
        if tx.execute(sql.LIBRARY_EXISTS, {"library_id": library_id}).first() is None:
            raise LibraryNotFound(library_id)
        link_id = actor.device_link_id
        if link_id is not None and tx.execute(sql.LINK_EXISTS, {"link_id": link_id}).first() is None:
            raise TokenNotFound("api")
        token = new_token(self._random)
        values = {
            "token_hash": hash_token(token),
            "sealed": self._secret.seal(_PURPOSE, token.encode("ascii")),
            "library_id": library_id,
            "account_id": actor.account_id,
            "device_link_id": link_id,
            "created_at": self._clock.timestamp(),
        }
        tx.execute(sql.INSERT_SYNC, values)
        return token

    def resolve(self, token: str, library_id: str, ip: str = "") -> SyncGrant:
        """Return whom the token stands for; one indexed query. A refused device's contact is noted.

        Raises TokenNotFound for an unknown token and for one of another library, DeviceBlocked for a
        suspended or wiped device, AccountDisabled. What the account may do in the library is for `Access` to
        say.
        """
        row = self._row(token, library_id)
        device = to_state(row[-STATE_WIDTH:])
        if not self._check_device(device, ip):
            return self.resolve(token, library_id, ip)
        if not row.is_active:
            raise AccountDisabled(row.email)
        return _grant(row, device)

    def identify(self, token: str, library_id: str) -> SyncGrant:
        """Return whom the token stands for, be device and account blocked or not: to note a refusal only.

        Raises TokenNotFound.
        """
        row = self._row(token, library_id)
        return _grant(row, to_state(row[-STATE_WIDTH:]))

    def admitted(self, link_ids: Iterable[int]) -> frozenset[int]:
        """Return which of these device links are there and not refused; never writes."""
        wanted = sorted(set(link_ids))
        found: set[int] = set()
        with self._database.read() as connection:
            for first in range(0, len(wanted), _LINKS_AT_ONCE):
                parameters = {"link_ids": wanted[first : first + _LINKS_AT_ONCE]}
                states = map(to_state, connection.execute(LINKS_BY_ID, parameters))
                found |= {one.link_id for one in states if one and self._devices.verdict(one).allowed}
        return frozenset(found)

    def glance(self, token: str, library_id: str) -> SyncGrant | None:
        """Return whom the token stands for, None if there is anything to refuse; never writes."""
        try:
            row = self._row(token, library_id)
        except TokenNotFound:
            return None
        device = to_state(row[-STATE_WIDTH:])
        if not row.is_active or (device is not None and not self._devices.verdict(device).allowed):
            return None
        return _grant(row, device)

    def _row(self, token: str, library_id: str) -> Any:
        if _is_token(token) is None:
            raise TokenNotFound("sync")
        with self._database.read() as connection:
            row = sql.RESOLVE_SYNC.first(connection, {"token_hash": hash_token(token)})
        if row is None or row.library_id != library_id:
            raise TokenNotFound("sync")
        return row

    def _check_device(self, device: DeviceState | None, ip: str) -> bool:
        """Raise DeviceBlocked for every refusal: the sync client knows nothing of wiping. False if the device
        was changed meanwhile, so that one has to look again.
        """
        if device is None:
            return True
        found: Verdict = self._devices.verdict(device)
        if found.allowed:
            return True
        told = replace(found, wipe=False)
        if self._devices.wants_refusal_noted(device, told, ip) and not self._database.write(
            lambda tx: self._devices.note_refusal(tx, device, told, ip)
        ):
            return False
        raise DeviceBlocked(found.status, found.sentence)

    def record_peer(
        self, grant: SyncGrant, peer_id: str, peer_name: str, ip: str, client_version: str | None = None
    ) -> None:
        """Note which client synchronises with this token; writes only when something changed or a minute has
        passed.

        A token that was obtained without a device is bound to the device that the peer id stands for. Raises
        InvalidArgument("peer_id") unless it is 40 printable characters, DeviceBlocked if that device is
        suspended.
        """
        if _is_peer_id(peer_id) is None:
            raise InvalidArgument("peer_id")
        known = grant.peer
        now = self._clock.timestamp()
        version = storable(client_version, 20) if client_version else known.client_version
        peer = Peer(peer_id, storable(peer_name, 255), storable(ip, 45), version, now)
        bound = grant.actor.device_link_id is not None
        unchanged = _what(peer) == _what(known)
        if bound and unchanged and known.synced_at is not None and now - known.synced_at < PEER_SECONDS:
            return
        self._check_device(self._database.write(lambda tx: self._record(tx, grant, peer)), ip)

    def _record(self, tx: Transaction, grant: SyncGrant, peer: Peer) -> DeviceState | None:
        device = grant.actor.device
        if device is None:
            assert grant.actor.account_id is not None
            assert peer.peer_id is not None
            owner = Owner(grant.actor.account_id, grant.actor.organization_id, grant.actor.email)
            device = self._devices.connect_peer(tx, owner, peer.peer_id, peer.name or "", peer.ip or "")
        elif tx.execute(sql.LINK_EXISTS, {"link_id": device.link_id}).first() is None:
            return None  # unlinked meanwhile: the token is gone with the link
        elif peer.peer_id is not None and peer.peer_id != device.client_device_id:
            self._devices.add_alias(tx, device, peer.peer_id)  # its daemon goes by another id than its login
        values = {
            "token_id": grant.token_id,
            "peer_id": peer.peer_id,
            "peer_name": peer.name,
            "peer_ip": peer.ip,
            "client_version": peer.client_version,
            "synced_at": peer.synced_at,
            "device_link_id": device.link_id,
        }
        tx.execute(sql.RECORD_PEER, values)
        self._devices.note_contact(tx, device, peer.ip or "", name=grant.actor.email)
        return device

    def of_account(self, account_id: int) -> list[SyncTokenInfo]:
        """Return the tokens of an account, those synchronised last first."""
        with self._database.read() as connection:
            found = connection.execute(sql.SYNC_OF_ACCOUNT, {"account_id": account_id}).all()
        return [_info(row) for row in found]

    def of_library(self, library_id: LibraryId) -> list[SyncTokenInfo]:
        """Return the tokens for a library, those synchronised last first."""
        with self._database.read() as connection:
            found = connection.execute(sql.SYNC_OF_LIBRARY, {"library_id": library_id}).all()
        return [_info(row) for row in found]

    def revoke(
        self,
        *,
        library_id: LibraryId | None = None,
        account_id: int | None = None,
        device_link_id: int | None = None,
        peer_id: str | None = None,
        token_id: int | None = None,
    ) -> int:
        """Delete the tokens that fit everything given, and return how many. Nothing given is refused."""
        columns = {
            "library_id": library_id,
            "account_id": account_id,
            "device_link_id": device_link_id,
            "peer_id": peer_id,
            "id": token_id,
        }
        return self._database.write(lambda tx: revoke_in(tx, columns))


def revoke_in(tx: Transaction, columns: dict[str, Any]) -> int:
    """Delete the sync tokens with all these column values (None: any) in the caller's transaction."""
    given = {name: value for name, value in columns.items() if value is not None}
    if not given:
        raise InvalidArgument("revoke", "says nothing about the tokens")
    return tx.execute(sql.delete_sync(**given)).rowcount


def _grant(row: Any, device: DeviceState | None) -> SyncGrant:
    actor = Actor(
        account_id=row.account_id,
        email=row.email,
        is_staff=row.is_staff,
        role=row.role,
        device=device,
        device_link_id=row.device_link_id,
        organization_id=row.organization_id,
    )
    peer = Peer(row.peer_id, row.peer_name, row.peer_ip, row.client_version, row.synced_at)
    return SyncGrant(
        row.token_id, LibraryId(row.library_id), actor, peer, LibraryId(row.store_id), row.is_damaged
    )


def _info(row: Any) -> SyncTokenInfo:
    token_id, library_id, *rest = row
    return SyncTokenInfo(token_id, LibraryId(library_id), *rest)


def _what(peer: Peer) -> tuple[str | None, ...]:
    return peer.peer_id, peer.name, peer.ip, peer.client_version
