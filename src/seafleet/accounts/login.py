"""Logging in with a name and a password, and the lock that many failures put on a name.

Failures are counted in the login log, so the lock holds across workers and restarts. A name that no account
has is locked in the same way and costs the same time, so that neither tells which names exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seafleet.accounts import rows
from seafleet.accounts.model import Account
from seafleet.errors import AccountDisabled, AccountNotFound, BadCredentials, LoginLocked
from seafleet.text import is_storable, storable

if TYPE_CHECKING:
    from seafleet.accounts.passwords import Passwords
    from seafleet.activity.audit import Audit
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction

_Row = Any  # of rows.BY_LOGIN


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """How many failures in how many seconds lock a name. The lock ends when the window has moved past enough
    of them.
    """

    max_failures: int = 20
    window_seconds: int = 600


class Login:
    """Checks names and passwords."""

    def __init__(
        self, database: Database, clock: Clock, audit: Audit, passwords: Passwords, limits: LoginLimits
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._passwords = passwords
        self._limits = limits

    def authenticate(self, username: str, password: str, ip: str, via: str) -> Account:
        """Return whose name and password these are. See `Accounts.authenticate`."""
        row = self._find(username)
        self._check_lock(username, row)
        stored = None if row is None else row.password_hash
        if not self._passwords.verify(stored, password) or row is None:
            self._log(username, row, ip, via, success=False)
            raise BadCredentials
        if not row.is_active:
            self._log(username, row, ip, via, success=False)
            raise AccountDisabled(row.email)
        outdated = self._passwords.needs_rehash(row.password_hash)
        new_hash = self._passwords.hash(password) if outdated else None
        self._log(username, row, ip, via, success=True, new_hash=new_hash)
        return rows.to_account(row)

    def admit(self, account_id: int, ip: str, via: str) -> Account:
        """Return an account that proved itself without its password. See `Accounts.admit`."""
        with self._database.read() as connection:
            row = rows.BY_ID.first(connection, {"id": account_id})
        if row is None:
            raise AccountNotFound(account_id)
        self._log(row.email, row, ip, via, success=row.is_active)
        if not row.is_active:
            raise AccountDisabled(row.email)
        return rows.to_account(row)

    def _find(self, username: str) -> _Row | None:
        typed = username.strip()
        if not is_storable(typed):
            return None
        with self._database.read() as connection:
            found = connection.execute(rows.BY_LOGIN, {"typed": typed, "lower": typed.lower()}).all()
        if not found:
            return None
        best = found[0]
        # An account may claim any contact address; it must not come before, or beside, another account of
        # that name.
        by_contact = best.login_id != typed and best.email != typed.lower()
        return None if by_contact and len(found) > 1 else best

    def _check_lock(self, username: str, row: _Row | None) -> None:
        since = self._clock.timestamp() - self._limits.window_seconds
        parameters: dict[str, Any] = {"since": since, "limit": self._limits.max_failures}
        if row is None:
            statement, parameters["username"] = rows.FAILURES_OF_NAME, _logged(username)
        else:
            statement, parameters["account_id"] = rows.FAILURES_OF_ACCOUNT, row.id
        with self._database.read() as connection:
            times = connection.execute(statement, parameters).scalars().all()
        if len(times) >= self._limits.max_failures:
            raise LoginLocked(max(1, times[-1] - since))

    def _log(
        self,
        username: str,
        row: _Row | None,
        ip: str,
        via: str,
        *,
        success: bool,
        new_hash: str | None = None,
    ) -> None:
        entry = {
            "account_id": None if row is None else row.id,
            "username": _logged(username),
            "at": self._clock.timestamp(),
            "ip": storable(ip, 128),
            "success": success,
            "via": via,
        }

        def work(tx: Transaction) -> None:
            tx.execute(rows.LOG_LOGIN, entry)
            name = _logged(username) if row is None else row.email
            self._audit.write(tx, f"{via}:account:{'login' if success else 'login_failed'}", name, ip=ip)
            if success and row is not None:
                tx.execute(rows.SET_LAST_LOGIN, {"account_id": row.id, "at": entry["at"]})
            if new_hash is not None and row is not None:
                parameters = {"account_id": row.id, "old": row.password_hash, "new": new_hash}
                tx.execute(rows.REHASH, parameters)

        self._database.write(work)


def _logged(username: str) -> str:
    """Bring a typed name to the form of the log; what the database cannot hold is replaced."""
    return storable(username.strip().lower(), 255)
