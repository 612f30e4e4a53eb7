"""Accounts: making, finding, changing and deleting them, their options and quotas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from seafleet.accounts import rows
from seafleet.accounts.login import Login, LoginLimits
from seafleet.accounts.model import UNLIMITED, Account, Roles, normal_email
from seafleet.accounts.passwords import Passwords
from seafleet.accounts.recent import RecentLogins
from seafleet.actor import SYSTEM, Actor
from seafleet.db.tables import account_option
from seafleet.errors import AccountNotFound, AlreadyExists, InvalidArgument
from seafleet.text import is_storable, require_storable

if TYPE_CHECKING:
    from seafleet.activity.audit import Audit
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction

Usage = Callable[[int], int]
"""Answers the bytes that an account's own libraries take; given by the library package."""

DeleteHook = Callable[["Transaction", Account], None]
"""Puts away what the database does not by itself (owned libraries, avatars); runs before the account's row
goes.
"""

MAX_OPTION_LENGTH: Final = 10_000

# Argument of create and update -> column and longest value.
_TEXTS: Final = {
    "name": ("name", 255),
    "contact_email": ("contact_email", 255),
    "login_id": ("login_id", 225),
    "department": ("department", 512),
    "telephone": ("telephone", 100),
    "institution": ("institution", 255),
    "note": ("note", 256),
    "reference_id": ("reference_id", 255),
}
_NULLABLE: Final = frozenset(("contact_email", "login_id", "reference_id"))
_UNIQUE: Final = {"login_id": rows.ID_BY_LOGIN_ID, "reference_id": rows.ID_BY_REFERENCE}


class Accounts:
    """The accounts of this server. Addresses compare without case and are stored in lower case."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Audit,
        *,
        passwords: Passwords | None = None,
        roles: Roles | None = None,
        site_quota_bytes: int = UNLIMITED,
        usage: Usage | None = None,
        login_limits: LoginLimits | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._passwords = passwords or Passwords()
        self._site_quota_bytes = site_quota_bytes
        self._usage = usage or (lambda account_id: 0)
        self._delete_hooks: list[DeleteHook] = []
        self._revoked_hooks: list[Callable[[int], None]] = []
        self._login = Login(database, clock, audit, self._passwords, login_limits or LoginLimits())
        self.roles = roles or Roles()
        self.recent = RecentLogins(self, clock)
        self.on_revoked(self.recent.forget)

    # -- wiring ----------------------------------------------------------------------------------------------

    def on_delete(self, hook: DeleteHook) -> None:
        """Run `hook` inside every transaction that deletes an account, before its row goes."""
        self._delete_hooks.append(hook)

    def on_revoked(self, hook: Callable[[int], None]) -> None:
        """Call `hook` with the account's id after each change that takes rights away (tokens, activity,
        existence).
        """
        self._revoked_hooks.append(hook)

    # -- finding ---------------------------------------------------------------------------------------------

    def get(self, account_id: int) -> Account:
        """Return an account. Raises AccountNotFound."""
        with self._database.read() as connection:
            row = rows.BY_ID.first(connection, {"id": account_id})
        if row is None:
            raise AccountNotFound(account_id)
        return rows.to_account(row)

    def get_by_email(self, email: str) -> Account:
        """Return the account of an address, in any case. Raises AccountNotFound."""
        found = self.find(email)
        if found is None:
            raise AccountNotFound(email)
        return found

    def find(self, email: str) -> Account | None:
        """Return the account of an address, or None."""
        if not is_storable(email):
            return None
        with self._database.read() as connection:
            row = connection.execute(rows.BY_EMAIL, {"email": email.strip().lower()}).one_or_none()
        return None if row is None else rows.to_account(row)

    def list(
        self, *, start: int = 0, limit: int | None = 100, source: str | None = None
    ) -> Sequence[Account]:
        """Return accounts in creation order; no `limit` means all."""
        return self._page(rows.page(source=source, needle=None, staff_only=False), start, limit)

    def search(self, text: str, *, start: int = 0, limit: int | None = 100) -> Sequence[Account]:
        """Return accounts whose address, contact address or name contains `text`, without case."""
        if not is_storable(text):
            return []
        needle = text.strip().lower()
        return self._page(rows.page(source=None, needle=needle, staff_only=False), start, limit)

    def staff(self) -> Sequence[Account]:
        """Return all administrators."""
        return self._page(rows.page(source=None, needle=None, staff_only=True), 0, None)

    def count(self) -> int:
        """Return how many accounts there are."""
        with self._database.read() as connection:
            return int(connection.execute(rows.COUNT).scalar_one())

    def _page(self, statement: Any, start: int, limit: int | None) -> Sequence[Account]:
        statement = statement.offset(max(start, 0))
        with self._database.read() as connection:
            found = connection.execute(statement if limit is None else statement.limit(max(limit, 0)))
            return [rows.to_account(row) for row in found]

    # -- logging in ------------------------------------------------------------------------------------------

    def authenticate(self, username: str, password: str, ip: str = "", via: str = "api") -> Account:
        """Return whose name (login id, address or contact address) and password these are; the attempt is
        logged.

        Costs a deliberate 0.1 s. Raises BadCredentials, AccountDisabled (only when the password was right)
        and LoginLocked after too many failures.
        """
        return self._login.authenticate(username, password, ip, via)

    def admit(self, account_id: int, ip: str = "", via: str = "ticket") -> Account:
        """Return an account that proved itself without its password; that it came in is logged as a login.

        Raises AccountNotFound, AccountDisabled.
        """
        return self._login.admit(account_id, ip, via)

    def verify_password(self, account_id: int, password: str) -> bool:
        """Tell whether this is the account's password, without logging it; False for no such account."""
        with self._database.read() as connection:
            row = rows.BY_ID.first(connection, {"id": account_id})
        return self._passwords.verify(None if row is None else row.password_hash, password)

    # -- changing --------------------------------------------------------------------------------------------

    def create(
        self,
        email: str,
        password: str | None,
        *,
        is_staff: bool = False,
        is_active: bool = True,
        role: str = "default",
        source: str = "db",
        quota_bytes: int | None = None,
        organization_id: int = 1,
        by: Actor = SYSTEM,
        **texts: str | None,
    ) -> Account:
        """Make an account; no password means that nobody logs in with one.

        `texts`: name, contact_email, login_id, department, telephone, institution, note, reference_id. Raises
        InvalidArgument naming the field, AlreadyExists("account" or the field's name).
        """
        values = {
            "email": normal_email(email),
            "password_hash": self._hash(password),
            "is_staff": is_staff,
            "is_active": is_active,
            "role": role,
            "source": source,
            "quota_bytes": _quota(quota_bytes),
            "organization_id": organization_id,
            "created_at_us": int(self._clock.now().timestamp() * 1_000_000),
            **_text_values(texts),
        }

        def work(tx: Transaction) -> int:
            if tx.execute(rows.BY_EMAIL, {"email": values["email"]}).first() is not None:
                raise AlreadyExists("account", str(values["email"]))
            _check_unique(tx, values, account_id=None)
            key = tx.execute(rows.INSERT, values).inserted_primary_key
            assert key is not None
            self._audit.write(tx, "api:account:created", by, detail={"email": str(values["email"])})
            return int(key[0])

        return self.get(self._database.write(work))

    def update(
        self,
        account: Account,
        *,
        is_staff: bool | None = None,
        role: str | None = None,
        quota_bytes: int | None = None,
        by: Actor = SYSTEM,
        **texts: str | None,
    ) -> Account:
        """Change what is given and leave the rest; a quota of 0 or less returns to the default one.

        Raises as `create` does, and AccountNotFound.
        """
        values: dict[str, Any] = _text_values(texts)
        if is_staff is not None:
            values["is_staff"] = is_staff
        if role is not None:
            values["role"] = role
        if quota_bytes is not None:
            values["quota_bytes"] = _quota(quota_bytes)

        def work(tx: Transaction) -> None:
            _check_unique(tx, values, account_id=account.id)
            self._change(tx, account, values)
            detail = {"email": account.email, "fields": sorted(values)}
            self._audit.write(tx, "api:account:changed", by, detail=detail)
            tx.after_commit(lambda: self._revoked(account.id))

        if values:
            self._database.write(work)
        return self.get(account.id)

    def set_password(self, account: Account, password: str | None, *, by: Actor = SYSTEM) -> None:
        """Set or take away the password. Every token of the account dies with the old one."""
        values = {"password_hash": self._hash(password)}

        def work(tx: Transaction) -> None:
            self._change(tx, account, values)
            _kill_tokens(tx, account.id)
            self._audit.write(tx, "api:account:password_changed", by, detail={"email": account.email})
            tx.after_commit(lambda: self._revoked(account.id))

        self._database.write(work)

    def set_active(self, account: Account, active: bool, *, by: Actor = SYSTEM) -> None:
        """Switch an account on or off. Off kills its tokens and device links; on brings nothing back."""

        def work(tx: Transaction) -> None:
            self._change(tx, account, {"is_active": active})
            if not active:
                _kill_tokens(tx, account.id)
                tx.execute(rows.KILL_LINKS, {"account_id": account.id})
            tag = f"api:account:{'activated' if active else 'deactivated'}"
            self._audit.write(tx, tag, by, detail={"email": account.email})
            tx.after_commit(lambda: self._revoked(account.id))

        self._database.write(work)

    def delete(self, account: Account, *, by: Actor = SYSTEM) -> bool:
        """Delete an account and all that is only its own; the hooks see to its libraries. False if it was
        gone.

        Audit, activity, comments and commits keep the address as text. Source: database model §12.
        """

        def work(tx: Transaction) -> bool:
            if rows.BY_ID.first(tx.connection, {"id": account.id}) is None:
                return False
            for hook in self._delete_hooks:
                hook(tx, account)
            tx.execute(rows.KILL_ACCESS_TOKENS, {"account_id": account.id})
            tx.execute(rows.DELETE, {"account_id": account.id})
            self._audit.write(tx, "api:account:deleted", by, detail={"email": account.email})
            tx.after_commit(lambda: self._revoked(account.id))
            return True

        return self._database.write(work)

    def _change(self, tx: Transaction, account: Account, values: dict[str, Any]) -> None:
        if values and tx.execute(rows.set_columns(account.id, values)).rowcount == 0:
            raise AccountNotFound(account.email)

    def _revoked(self, account_id: int) -> None:
        for hook in self._revoked_hooks:
            hook(account_id)

    def _hash(self, password: str | None) -> str:
        return "!" if password is None else self._passwords.hash(password)

    # -- quota and options -----------------------------------------------------------------------------------

    def quota(self, account: Account) -> int:
        """Return the bytes that the account's libraries may take: its own value, its role's or the site's; -2
        for no end.
        """
        for value in (account.quota_bytes, self.roles.of(account.role).quota_bytes, self._site_quota_bytes):
            if value is not None and value != 0:
                return value if value > 0 else UNLIMITED
        return UNLIMITED

    def usage(self, account: Account) -> int:
        """Return the bytes that the account's own libraries take."""
        return self._usage(account.id)

    def option(self, account_id: int, key: str) -> str | None:
        """Return what the account keeps under `key`, such as `default_repo`."""
        with self._database.read() as connection:
            value = connection.execute(
                rows.OPTION, {"account_id": account_id, "key": key}
            ).scalar_one_or_none()
        return None if value is None else str(value)

    def options(self, account_id: int) -> Mapping[str, str]:
        """Return everything that the account keeps."""
        with self._database.read() as connection:
            found = connection.execute(rows.OPTIONS, {"account_id": account_id}).all()
        return {str(key): str(value) for key, value in found}

    def set_option(self, account_id: int, key: str, value: str | None) -> None:
        """Keep a value under `key` (at most 50 characters), or forget it."""
        if not require_storable("key", key, 50):
            raise InvalidArgument("key", "empty")
        if value is not None:
            require_storable(key, value, MAX_OPTION_LENGTH)
        values = {"account_id": account_id, "key": key, "value": value}

        def work(tx: Transaction) -> None:
            if value is None:
                tx.execute(rows.DELETE_OPTION, {"account_id": account_id, "key": key})
                return
            statement = self._database.upsert(account_option).values(values)
            tx.execute(
                statement.on_conflict_do_update(index_elements=["account_id", "key"], set_={"value": value})
            )

        self._database.write(work)


def _kill_tokens(tx: Transaction, account_id: int) -> None:
    for statement in (rows.KILL_API_TOKENS, *rows.KILL_OTHERS):
        tx.execute(statement, {"account_id": account_id})


def _quota(quota_bytes: int | None) -> int | None:
    """Bring a quota to its stored form: 0 and less means the default, except -2, which means no end."""
    if quota_bytes is None or quota_bytes == UNLIMITED:
        return quota_bytes
    return quota_bytes if quota_bytes > 0 else None


def _text_values(texts: Mapping[str, str | None]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in texts.items():
        if name not in _TEXTS:
            raise InvalidArgument(name, "no such field")
        column, limit = _TEXTS[name]
        value = require_storable(name, (text or "").strip(), limit)
        if name == "contact_email":
            value = value.lower()
        values[column] = value or (None if name in _NULLABLE else "")
    return values


def _check_unique(tx: Transaction, values: Mapping[str, Any], account_id: int | None) -> None:
    for name, statement in _UNIQUE.items():
        if values.get(name):
            owner = tx.execute(statement, {name: values[name]}).scalar_one_or_none()
            if owner is not None and owner != account_id:
                raise AlreadyExists(name, str(values[name]))
