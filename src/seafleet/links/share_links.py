"""Share links: who made which, what they open, and until when.

There is at most one link for each maker and path. A link gives never more than its maker may read at the
moment of use: the evaluator is asked anew for an actor that carries the link. Passwords are kept as hashes.

Source: share links page; database model §5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Row, Select, bindparam, delete, insert, select, update

from seafleet.accounts.passwords import Passwords
from seafleet.actor import Actor, LinkScope
from seafleet.db.tables import account, library, share_link
from seafleet.errors import LibraryNotFound, TokenNotFound
from seafleet.ids import LibraryId
from seafleet.paths import path_hash

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.ids import RandomSource

TOKEN_BYTES: Final = 10
VIEW_ONLY: Final = "view_only"
VIEW_DOWNLOAD: Final = "view_download"

_link = share_link.c
_LINKS: Final[Select[Any]] = (
    select(
        _link.token,
        _link.account_id,
        account.c.email,
        _link.library_id,
        library.c.name.label("library_name"),
        _link.path,
        _link.is_dir,
        _link.created_at,
        _link.view_count,
        _link.password_hash,
        _link.expires_at,
        _link.permission,
    )
    .join(account, account.c.id == _link.account_id)
    .join(library, library.c.id == _link.library_id)
)
_ONE: Final = _LINKS.where(_link.token == bindparam("token"))
_OF_ACCOUNT: Final = _LINKS.where(_link.account_id == bindparam("account"))
_OF_PATH: Final = _OF_ACCOUNT.where(
    _link.library_id == bindparam("library"), _link.path_hash == bindparam("hash")
)
_INSERT: Final = insert(share_link)
_DELETE: Final = delete(share_link).where(_link.token == bindparam("token"))
_VIEWED: Final = (
    update(share_link).where(_link.token == bindparam("link")).values(view_count=_link.view_count + 1)
)


@dataclass(frozen=True, slots=True)
class ShareLink:
    """One link. `path` is in normal form; times are Unix seconds, `expires_at` None for never."""

    token: str
    account_id: int
    email: str
    library_id: LibraryId
    library_name: str
    path: str
    is_dir: bool
    created_at: int
    view_count: int
    expires_at: int | None
    permission: str
    password_hash: str | None

    @property
    def has_password(self) -> bool:
        """Whether a password is asked for."""
        return self.password_hash is not None

    @property
    def may_download(self) -> bool:
        """Whether content may be saved, and not only be looked at."""
        return self.permission == VIEW_DOWNLOAD

    def is_expired(self, now: int) -> bool:
        """Tell whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now


class ShareLinks:
    """Makes, finds and ends links."""

    def __init__(self, database: Database, clock: Clock, random: RandomSource) -> None:
        self._database = database
        self._clock = clock
        self._random = random
        self._passwords: Passwords | None = None

    def of_account(self, account_id: int, library_id: str | None = None) -> list[ShareLink]:
        """Return the links that an account has made, expired ones included."""
        with self._database.read() as connection:
            found = [_shaped(row) for row in connection.execute(_OF_ACCOUNT, {"account": account_id})]
        return [link for link in found if library_id in (None, link.library_id)]

    def of_path(self, account_id: int, library_id: str, path: str) -> ShareLink | None:
        """Return the account's link to a path, or None."""
        values = {"account": account_id, "library": library_id, "hash": path_hash(library_id, path)}
        with self._database.read() as connection:
            row = connection.execute(_OF_PATH, values).first()
        return None if row is None else _shaped(row)

    def create(
        self,
        actor: Actor,
        library_id: LibraryId,
        path: str,
        *,
        is_dir: bool,
        password: str = "",
        expires_at: datetime | None = None,
        may_download: bool = True,
    ) -> ShareLink:
        """Return the account's link to a path: the one there is, unchanged, or a new one.

        The caller has checked that the actor may make it. Raises LibraryNotFound.
        """
        account_id = actor.account_id
        assert account_id is not None, "links belong to accounts"
        values = {
            "token": self._random.randbytes(TOKEN_BYTES).hex(),
            "account_id": account_id,
            "library_id": library_id,
            "path": path,
            "path_hash": path_hash(library_id, path),
            "is_dir": is_dir,
            "created_at": self._clock.timestamp(),
            "password_hash": self._hasher().hash(password) if password else None,
            "expires_at": None if expires_at is None else int(expires_at.timestamp()),
            "permission": VIEW_DOWNLOAD if may_download else VIEW_ONLY,
        }
        wanted = {"account": account_id, "library": library_id, "hash": values["path_hash"]}

        def work(tx: Transaction) -> ShareLink:
            row = tx.execute(_OF_PATH, wanted).first()
            if row is None:
                tx.execute(_INSERT, values)
                row = tx.execute(_OF_PATH, wanted).first()
            if row is None:
                raise LibraryNotFound(library_id)
            return _shaped(row)

        return self._database.write(work)

    def get(self, token: str) -> ShareLink:
        """Return a link, expired or not. Raises TokenNotFound."""
        with self._database.read() as connection:
            row = connection.execute(_ONE, {"token": token}).one_or_none()
        if row is None:
            raise TokenNotFound("share link")
        return _shaped(row)

    def open(self, token: str) -> ShareLink:
        """Return a link that is good now. Raises TokenNotFound, also for an expired one."""
        link = self.get(token)
        if link.is_expired(self._clock.timestamp()):
            raise TokenNotFound("share link")
        return link

    def delete(self, token: str) -> None:
        """End a link, and with it every transfer that was begun through it."""
        self._database.write(lambda tx: tx.execute(_DELETE, {"token": token}).rowcount)

    def note_view(self, token: str) -> None:
        """Count one view."""
        self._database.write(lambda tx: tx.execute(_VIEWED, {"link": token}).rowcount)

    def verify(self, link: ShareLink, password: str) -> bool:
        """Tell whether this is the link's password; slow on purpose."""
        return self._hasher().verify(link.password_hash, password)

    def _hasher(self) -> Passwords:
        if self._passwords is None:
            self._passwords = Passwords()
        return self._passwords


def bearer_of(link: ShareLink) -> Actor:
    """Return whoever knows the link, as an actor: what its maker may read, below the link's path."""
    scope = LinkScope(
        "share", link.token, link.library_id, link.path, link.is_dir, may_read=True, may_write=False
    )
    return replace(Actor(link.account_id, link.email), kind="link", link=scope)


def _shaped(row: Row[Any]) -> ShareLink:
    return ShareLink(
        row.token,
        row.account_id,
        row.email,
        LibraryId(row.library_id),
        row.library_name,
        row.path,
        bool(row.is_dir),
        row.created_at,
        row.view_count,
        row.expires_at,
        row.permission,
        row.password_hash,
    )
