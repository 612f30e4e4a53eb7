"""Entries of folders as the listings show them.

Source: Web API manual, "List Directory Entries"; directories page, "List".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seafleet.accounts.names import PersonName
    from seafleet.formats.fs import Dirent
    from seafleet.library.locks import FileLock

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EntryShaper:
    """What entries of one library look like to one caller.

    `permission_of` returns the caller's word for a path; `people` knows every modifier and lock holder;
    `starred` holds the caller's starred paths, None when the listing does not tell.
    """

    caller_id: int | None
    permission_of: Callable[[str], str]
    people: Mapping[str, PersonName]
    locks: Mapping[str, FileLock]
    starred: frozenset[str] | None = None

    def shape(self, entry: Dirent, path: str) -> Json:
        """Return one entry."""
        if entry.is_dir:
            shaped: Json = {
                "id": entry.id,
                "type": "dir",
                "name": entry.name,
                "mtime": entry.mtime,
                "permission": self.permission_of(path),
            }
        else:
            email = entry.modifier or ""
            person = self.people[email]
            shaped = {
                "id": entry.id,
                "type": "file",
                "name": entry.name,
                "mtime": entry.mtime,
                "permission": self.permission_of(path),
                "size": entry.size or 0,
                "modifier_email": email,
                "modifier_name": person.name,
                "modifier_contact_email": person.contact_email,
                "is_locked": False,
            }
            if self.locks and (lock := self.locks.get(path)) is not None:
                shaped |= self._locked(lock)
        if self.starred is not None:
            shaped["starred"] = path in self.starred
        return shaped

    def _locked(self, lock: FileLock) -> Json:
        return {
            "is_locked": True,
            "lock_owner": lock.holder_email,
            "lock_owner_name": self.people[lock.holder_email].name,
            "lock_time": int(lock.locked_at.timestamp()),
            "lock_expires": None if lock.expires_at is None else int(lock.expires_at.timestamp()),
            "locked_by_me": lock.account_id == self.caller_id,
        }
