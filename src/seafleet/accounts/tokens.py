"""API tokens: what a client presents after it logged in.

A *plain* token, one for each account, is bound to no device. A *device* token belongs to one link (account,
platform, client id): a later login of the same device returns the same token. Both are 40 hex digits and kept
as SHA-256, beside a copy sealed under the server's secret for the answers that have to show them again.

Source: Web API conventions §2; Seafile devices §2, §3, §5; device registry §7.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from seafleet.accounts import token_rows as sql
from seafleet.accounts.model import Account, Roles
from seafleet.actor import Actor
from seafleet.devices.model import (
    SENTENCES,
    DeviceInfo,
    DeviceState,
    Verdict,
    raise_login_refusal,
    raise_refusal,
)
from seafleet.devices.origin import Origin
from seafleet.devices.rows import STATE_WIDTH, TOUCH_LINK, to_state
from seafleet.devices.service import Devices, Owner, check_identity, client_family
from seafleet.errors import (
    AccountDisabled,
    AccountNotFound,
    ClientForbidden,
    DeviceBlocked,
    InvalidArgument,
    MalformedObject,
    TokenNotFound,
)
from seafleet.secrets import hash_token, new_token
from seafleet.text import is_storable, storable

if TYPE_CHECKING:
    from seafleet.activity.audit import Audit, Detail
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.ids import RandomSource
    from seafleet.secrets import ServerSecret

TOUCH_SECONDS: Final = 600
"""How exact the time of last access is kept."""

_PURPOSE: Final = "api-token"
_FINE: Final = Verdict(allowed=True)
_is_token = re.compile(r"[0-9a-f]{40}").fullmatch


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token for the client, and the status word to send along if the token is suspended for now."""

    token: str
    device_status: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """Who a token stands for, read from the rows at this very request.

    `verdict` carries the device's warning, or its refusal where a suspended token was let through. The other
    fields are as the last request left them; `Tokens.touch` compares with them.
    """

    actor: Actor
    verdict: Verdict
    last_used_at: int
    ip: str
    client_version: str
    platform_version: str


class Tokens:
    """API tokens of accounts and devices."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        random: RandomSource,
        secret: ServerSecret,
        devices: Devices,
        audit: Audit,
        roles: Roles | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._random = random
        self._secret = secret
        self._devices = devices
        self._audit = audit
        self._roles = roles or Roles()

    # -- issuing ---------------------------------------------------------------------------------------------

    def issue_plain(self, account: Account) -> str:
        """Return the account's plain token, made at the first call.

        Raises DeviceBlocked("UNBOUND") where only devices may log in (administrators may always).
        """
        if not (account.is_staff or self._devices.policy.allow_unbound_tokens):
            raise DeviceBlocked("UNBOUND", SENTENCES["UNBOUND"])

        def work(tx: Transaction) -> str:
            _check_active(tx, account)
            return self._token_of(tx, account.id, None)

        return self._database.write(work)

    def issue_device(self, account: Account, info: DeviceInfo) -> str:
        """Return the token of this account on this device: the same one at every login. See `connect`."""
        return self.connect(account, info).token

    def connect(self, account: Account, info: DeviceInfo) -> IssuedToken:
        """Tie the account, whose password was right, to the device and return the token, the same at every
        login.

        Raises ClientForbidden (role), InvalidArgument("platform" or "device_id"), and DeviceBlocked with the
        login form's sentence for a device that may not log in. A device that waits for approval, or whose
        posture is bad, gets a token that is suspended, with the status word.
        """
        family = client_family(info.platform)
        if family is not None and not self._roles.of(account.role).may_connect(family):
            raise ClientForbidden(family)
        check_identity(info)
        owner = Owner(account.id, account.organization_id, account.email)
        refused: list[tuple[DeviceState, Verdict]] = []

        def work(tx: Transaction) -> IssuedToken:
            _check_active(tx, account)
            link = self._devices.connect(tx, owner, info)
            found = self._devices.verdict(link)
            if found.login_refused:
                refused[:] = [(link, replace(found, wipe=False))]
            raise_login_refusal(found)
            token = self._token_of(tx, account.id, link.link_id)
            detail: Detail = {"device_id": link.device_id, "link_id": link.link_id, "status": found.status}
            self._audit.write(tx, "api:device:login", account.email, ip=info.ip, detail=detail)
            return IssuedToken(token, "" if found.allowed else found.status)

        try:
            return self._database.write(work)
        except DeviceBlocked:
            for link, found in refused:
                self._note_refusal(link, found, info.ip)
            raise

    def _token_of(self, tx: Transaction, account_id: int, link_id: int | None) -> str:
        """Return the one token of an account or link, made anew if it is not there or cannot be opened any
        more.
        """
        if link_id is None:
            row = tx.execute(sql.PLAIN_TOKEN, {"account_id": account_id}).one_or_none()
        else:
            row = tx.execute(sql.TOKEN_OF_LINK, {"link_id": link_id}).one_or_none()
        if row is not None:
            try:
                return self._secret.unseal(_PURPOSE, row.sealed).decode("ascii")
            except MalformedObject:  # the server's secret is another one now
                tx.execute(sql.DELETE_TOKEN, {"token_id": row.id})
        token = new_token(self._random)
        now = self._clock.timestamp()
        values = {
            "token_hash": hash_token(token),
            "sealed": self._secret.seal(_PURPOSE, token.encode("ascii")),
            "account_id": account_id,
            "device_link_id": link_id,
            "created_at": now,
            "last_used_at": now,
        }
        tx.execute(sql.INSERT_TOKEN, values)
        return token

    # -- using -----------------------------------------------------------------------------------------------

    def resolve(self, token: str, *, allow_suspended: bool = False, ip: str = "") -> Session:
        """Return whom the token stands for; one indexed query.

        Raises TokenNotFound, DeviceWiped, DeviceBlocked, AccountDisabled, in the registry's order; what is
        refused is noted as a contact from `ip`. The few calls that a suspended device may still make pass
        `allow_suspended`: then `Session.verdict` tells the refusal.
        """
        row = self._row(token)
        device = to_state(row[-STATE_WIDTH:])
        found = self._verdict(row, device)
        if found.gone:
            raise TokenNotFound("api")
        if not (found.allowed or allow_suspended):
            if not self._note_refusal(device, found, ip):
                return self.resolve(token, ip=ip)
            raise_refusal(found)
        if not row.is_active:
            raise AccountDisabled(row.email)
        actor = Actor(
            account_id=row.account_id,
            email=row.email,
            is_staff=row.is_staff,
            role=row.role,
            device=device,
            token_id=row.token_id,
            device_link_id=None if device is None else device.link_id,
            organization_id=row.organization_id,
        )
        return Session(actor, found, *row[sql.SEEN_FIELDS])

    def _note_refusal(self, device: DeviceState | None, found: Verdict, ip: str) -> bool:
        """Note a refusal; False if it does not hold any more."""
        if device is None or not self._devices.wants_refusal_noted(device, found, ip):
            return True
        return self._database.write(lambda tx: self._devices.note_refusal(tx, device, found, ip))

    def _row(self, token: str) -> Any:
        if _is_token(token) is None:
            raise TokenNotFound("api")
        with self._database.read() as connection:
            row = sql.RESOLVE.first(connection, {"token_hash": hash_token(token)})
        if row is None:
            raise TokenNotFound("api")
        return row

    def _verdict(self, row: Any, device: DeviceState | None) -> Verdict:
        if device is not None:
            return self._devices.verdict(device)
        if row.is_staff or self._devices.policy.allow_unbound_tokens:
            return _FINE
        return Verdict(allowed=False, status="UNBOUND", sentence=SENTENCES["UNBOUND"])

    def touch(
        self, session: Session, ip: str = "", client_version: str = "", platform_version: str = ""
    ) -> bool:
        """Note the use of a token: time (to ten minutes), address and versions. Writes, and answers True,
        rarely.

        A device that was expired and is admitted is noted at once. Empty values leave what is known.
        """
        seen = (
            storable(ip, 45) or session.ip,
            storable(client_version, 16) or session.client_version,
            storable(platform_version, 16) or session.platform_version,
        )
        now = self._clock.timestamp()
        actor, device = session.actor, session.actor.device
        stale = now - session.last_used_at >= TOUCH_SECONDS or (device is not None and device.expired)
        if not stale and (
            device is None or seen == (session.ip, session.client_version, session.platform_version)
        ):
            return False

        def work(tx: Transaction) -> None:
            tx.execute(sql.TOUCH_TOKEN, {"token_id": actor.token_id, "at": now})
            if device is not None:
                values = dict(zip(("last_login_ip", "client_version", "platform_version"), seen, strict=True))
                tx.execute(TOUCH_LINK, {**values, "link_id": device.link_id, "last_accessed": now})
                self._devices.note_contact(tx, device, seen[0], name=actor.email)

        self._database.write(work)
        return True

    # -- ending ----------------------------------------------------------------------------------------------

    def revoke(self, session: Session, ip: str = "") -> None:
        """Log the token out: a device is unlinked, sync tokens included; allowed in every state."""
        actor = session.actor

        def work(tx: Transaction) -> None:
            if actor.device is None or actor.account_id is None:
                tx.execute(sql.DELETE_TOKEN, {"token_id": actor.token_id})
            else:
                origin = Origin("user", actor.email, "seafile", ip)
                self._devices.unlink(tx, actor.device, actor.account_id, origin=origin, email=actor.email)
            self._audit.write(tx, "api:device:logout", actor, ip=ip)

        self._database.write(work)

    def unlink(
        self,
        account: Account,
        platform: str,
        device_id: str,
        *,
        wipe: bool = False,
        by: Actor | None = None,
        ip: str = "",
        request_id: str = "",
    ) -> bool:
        """Cut the account off from a device, with `wipe` in the way that tells it to remove what it holds.

        False, and nothing happens, if there is no such link. Source: device registry §5.
        """
        origin = Origin("user", account.email if by is None else by.email, "seafile", ip, request_id)

        if not is_storable(platform + device_id):
            return False

        def work(tx: Transaction) -> bool:
            link = self._devices.find_link(tx, account.id, platform.lower(), device_id)
            if link is None:
                return False
            self._devices.unlink(
                tx,
                link,
                account.id,
                wipe_source="unlink" if wipe else None,
                origin=origin,
                email=account.email,
            )
            detail: Detail = {"device_id": link.device_id, "account": account.email, "wipe": wipe}
            self._audit.write(tx, "api:device:unlinked", by or account.email, detail=detail)
            return True

        return self._database.write(work)

    def acknowledge_wipe(self, token: str) -> None:
        """Take a device's word that it removed what it held: the marked link and its token go.

        Raises TokenNotFound, and InvalidArgument("device token") if the token is not marked.
        """
        row = self._row(token)
        device = to_state(row[-STATE_WIDTH:])
        if device is None or not self._devices.verdict(device).wipe:
            raise InvalidArgument("device token", "not marked for wiping")

        def work(tx: Transaction) -> None:
            self._devices.acknowledge_wipe(tx, device, row.account_id, row.email)
            detail = {"device_id": device.device_id}
            self._audit.write(tx, "api:device:wiped", row.email, detail=detail)

        self._database.write(work)

    def revoke_plain(self, account_id: int) -> None:
        """Delete the account's plain token."""
        parameters = {"account_id": account_id}
        self._database.write(lambda tx: tx.execute(sql.DELETE_PLAIN, parameters).rowcount)

    def fingerprint(self, link_id: int) -> str:
        """Return 40 hex digits that name a link in lists and are no credential."""
        return self._secret.fingerprint("device-link", str(link_id))


def _check_active(tx: Transaction, account: Account) -> None:
    """Refuse an account that was deleted or switched off since its password was found right."""
    is_active = tx.execute(sql.IS_ACTIVE, {"account_id": account.id}).scalar_one_or_none()
    if is_active is None:
        raise AccountNotFound(account.email)
    if not is_active:
        raise AccountDisabled(account.email)
