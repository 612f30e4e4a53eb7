"""Tokens of the file server: short-lived URLs for one transfer, kept in the database so that every worker
knows them.

A token is a UUID and is stored as SHA-256. It is bound to the account, to the API token and device it was
asked with, or to the link whose bearer asked: when any of these ends, so does the token. What the account may
do in the library is decided again at use, by the caller, through `Access`.

Source: file server §1.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from seafleet.accounts import token_rows as sql
from seafleet.actor import Actor, LinkScope
from seafleet.devices.rows import STATE_WIDTH, to_state
from seafleet.errors import AccountDisabled, DeviceBlocked, OperationMismatch, TokenNotFound
from seafleet.ids import LibraryId
from seafleet.secrets import hash_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.devices.model import DeviceState, Verdict
    from seafleet.devices.service import Devices
    from seafleet.ids import RandomSource

LIFETIME_SECONDS: Final = 3600

_is_uuid = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_BY_PREFIX: Final = ("upload", "update")


def matches(made_for: str, wanted: str) -> bool:
    """Tell whether a token made for one operation serves another.

    A token for `upload` or `update` serves every operation whose name starts so (`upload-blks-api`); one for
    `upload-blks-api` only that. The `-link` kinds count as the plain ones. Downloads have to agree exactly.
    """
    made_for = made_for.removesuffix("-link")
    if made_for.startswith(_BY_PREFIX):
        return wanted.startswith(made_for)
    return wanted == made_for


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """What a file server token gives. `object` is an object id or JSON, as the operation asks."""

    library_id: LibraryId
    operation: str
    object: str
    actor: Actor
    one_time: bool
    expires_at: int


class AccessTokens:
    """Tokens of the file server."""

    def __init__(self, database: Database, clock: Clock, random: RandomSource, devices: Devices) -> None:
        self._database = database
        self._clock = clock
        self._random = random
        self._devices = devices

    def issue(
        self,
        library_id: LibraryId,
        operation: str,
        object: str,
        actor: Actor,
        one_time: bool = False,
        ttl: int = LIFETIME_SECONDS,
        also: Callable[[Transaction], None] | None = None,
    ) -> str:
        """Return a new token, good for `ttl` seconds; the caller has checked that the actor may do this.

        `also` runs in the transaction that stores the token, such as what is noted for the audit.
        """
        token = str(uuid.UUID(bytes=self._random.randbytes(16), version=4))
        link = actor.link
        values = {
            "token_hash": hash_token(token),
            "library_id": library_id,
            "operation": operation,
            "object": object,
            "account_id": actor.account_id,
            "account_email": actor.email,
            "device_link_id": actor.device_link_id,
            "api_token_id": actor.token_id,
            "share_link_token": link.token if link and link.kind == "share" else None,
            "upload_link_token": link.token if link and link.kind == "upload" else None,
            "one_time": one_time,
            "expires_at": self._clock.timestamp() + ttl,
        }

        def work(tx: Transaction) -> None:
            tx.run(sql.INSERT_ACCESS, values)
            if also is not None:
                also(tx)

        self._database.write(work)
        return token

    def take(self, token: str, *operations: str) -> AccessGrant:
        """Return what the token gives, if it serves one of these operations; a one-time token is used up by
        this.

        Of two simultaneous takes of a one-time token one wins. It is used up even if the answer is a refusal.
        Raises TokenNotFound (unknown, expired, spent, or what it was bound to is gone), OperationMismatch,
        DeviceBlocked, AccountDisabled.
        """
        row = self._row(token)
        if row.one_time and not self.revoke(token):
            raise TokenNotFound("access")
        if not any(matches(row.operation, wanted) for wanted in operations):
            raise OperationMismatch(row.operation)
        return self._grant(row)

    def peek(self, token: str) -> AccessGrant:
        """Return what the token gives without using it up, whatever the operation. Raises as `take` does."""
        return self._grant(self._row(token))

    def revoke(self, token: str) -> bool:
        """Delete a token; False if it was gone."""
        parameters = {"token_hash": hash_token(token)}
        return self._database.write(lambda tx: tx.execute(sql.DELETE_ACCESS, parameters).rowcount) > 0

    def purge(self) -> int:
        """Delete expired tokens and return how many."""
        parameters = {"now": self._clock.timestamp()}
        return self._database.write(lambda tx: tx.execute(sql.PURGE_ACCESS, parameters).rowcount)

    def _row(self, token: str) -> Any:
        if _is_uuid(token) is None:
            raise TokenNotFound("access")
        with self._database.read() as connection:
            row = sql.TAKE.first(connection, {"token_hash": hash_token(token)})
        if row is None or row.expires_at <= self._clock.timestamp() or not _still_bound(row):
            raise TokenNotFound("access")
        return row

    def _grant(self, row: Any) -> AccessGrant:
        device = to_state(row[-STATE_WIDTH:])
        if device is not None:
            found = self._devices.verdict(device)
            if not found.allowed:
                self._note_refusal(device, replace(found, wipe=False))
                raise DeviceBlocked(found.status, found.sentence)
        if row.account_id is not None and not row.is_active:
            raise AccountDisabled(row.email)
        link = self._link(row)
        actor = Actor(
            account_id=row.account_id,
            email=row.account_email,
            is_staff=bool(row.is_staff),
            role=row.role or "",
            device=device,
            token_id=row.api_token_id,
            device_link_id=row.device_link_id,
            kind=_kind(row, link),
            link=link,
            organization_id=row.organization_id or 1,
        )
        library_id = LibraryId(row.library_id)
        return AccessGrant(library_id, row.operation, row.object, actor, row.one_time, row.expires_at)

    def _note_refusal(self, device: DeviceState, found: Verdict) -> None:
        """Note the contact; the file server does not tell of wipes, so none is delivered by this."""
        if self._devices.wants_refusal_noted(device, found, ""):
            self._database.write(lambda tx: self._devices.note_refusal(tx, device, found, ""))

    def _link(self, row: Any) -> LinkScope | None:
        library_id = LibraryId(row.library_id)
        if row.share_link_token is not None:
            self._check_end(row.share_expires_at)
            token, path, is_dir = row.share_link_token, row.share_path, row.share_is_dir
            return LinkScope("share", token, library_id, path, is_dir, may_read=True, may_write=False)
        if row.upload_link_token is not None:
            self._check_end(row.upload_expires_at)
            token, path = row.upload_link_token, row.upload_path
            return LinkScope("upload", token, library_id, path, True, may_read=False, may_write=True)
        return None

    def _check_end(self, expires_at: int | None) -> None:
        if expires_at is not None and expires_at <= self._clock.timestamp():
            raise TokenNotFound("access")


def _still_bound(row: Any) -> bool:
    """Tell whether account, API token, device link and link still exist, as far as the token was bound to
    them.
    """
    return (
        (row.for_account_id is None or row.account_id is not None)
        and (row.api_token_id is None or row.live_api_token_id is not None)
        and (row.device_link_id is None or row[-STATE_WIDTH] is not None)
        and (row.share_link_token is None or row.share_path is not None)
        and (row.upload_link_token is None or row.upload_path is not None)
    )


def _kind(row: Any, link: LinkScope | None) -> Any:
    if link is not None:
        return "link"
    return "system" if row.for_account_id is None else "user"
