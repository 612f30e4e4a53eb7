"""Libraries as lists and single answers show them, in both generations of the Web API.

Source: Web API manual, "List Libraries", "Get Library Info", "Create Public Library"; libraries page; sync
protocol §6.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final

from seafleet.api.seafile.shapes.times import iso, relative_html
from seafleet.display import size_text
from seafleet.library.model import LibraryStatus
from seafleet.sharing.reachable import Way

if TYPE_CHECKING:
    from seafleet.accounts.names import PersonName
    from seafleet.library.model import Head
    from seafleet.sharing.reachable import ReachableLibrary

Json = dict[str, Any]
People = Mapping[str, "PersonName"]

PUBLIC_OWNER: Final = "Organization"
STATUS_WORDS: Final = {LibraryStatus.NORMAL: "normal", LibraryStatus.READ_ONLY: "read-only"}


def people_in(found: Collection[ReachableLibrary]) -> set[str]:
    """Return the addresses of everybody whom a list names."""
    return {email for each in found for email in (each.last_modifier, each.owner_email, each.giver_email)}


# -- lists -----------------------------------------------------------------------------------------------


def listed(each: ReachableLibrary, people: People, now: datetime, zone: tzinfo) -> Json:
    """Return one line of the older list; the way in which the library is reached says which keys it has."""
    modifier = people[each.last_modifier]
    return {
        "id": each.library_id,
        "name": each.name,
        "desc": each.description,
        "mtime": each.updated_at,
        "mtime_relative": relative_html(each.updated_at, now, zone),
        "size": each.size_bytes,
        "size_formatted": size_text(each.size_bytes),
        "encrypted": each.encrypted,
        "permission": each.access,
        "root": "",
        "head_commit_id": each.head_commit_id,
        "version": each.version,
        "salt": each.salt,
        "modifier_email": each.last_modifier,
        "modifier_name": modifier.name,
        "modifier_contact_email": modifier.contact_email,
        **_LISTED[each.way](each, people),
    }


def _listed_own(each: ReachableLibrary, people: People) -> Json:
    owner = people[each.owner_email]
    return {
        "type": "repo",
        "owner": each.owner_email,
        "owner_name": owner.name,
        "owner_contact_email": owner.contact_email,
        "virtual": False,
    }


def _listed_shared(each: ReachableLibrary, people: People) -> Json:
    giver = people[each.giver_email]
    return {
        "type": "srepo",
        "owner": each.giver_email,
        "owner_name": giver.name,
        "owner_nickname": giver.name,
        "owner_contact_email": giver.contact_email,
        "share_type": "personal",
        "is_admin": each.is_admin,
        "is_virtual": each.is_sub_library,
        "origin_repo_id": each.store_id if each.is_sub_library else None,
    }


def _listed_of_group(each: ReachableLibrary, people: People) -> Json:
    return {
        "type": "grepo",
        "owner": each.group_name,
        "groupid": each.group_id,
        "group_name": each.group_name,
        "is_admin": each.is_admin,
        **_giver(each, people),
    }


def _listed_public(each: ReachableLibrary, people: People) -> Json:
    return {"type": "grepo", "owner": PUBLIC_OWNER, "share_type": "public", **_giver(each, people)}


def _giver(each: ReachableLibrary, people: People) -> Json:
    giver = people[each.giver_email]
    return {
        "share_from": each.giver_email,
        "share_from_name": giver.name,
        "share_from_contact_email": giver.contact_email,
    }


_LISTED: Final = {
    Way.OWNED.value: _listed_own,
    Way.SHARED.value: _listed_shared,
    Way.GROUP.value: _listed_of_group,
    Way.PUBLIC.value: _listed_public,
}


def listed_v21(each: ReachableLibrary, people: People, starred: Collection[str], zone: tzinfo) -> Json:
    """Return one line of the newer list. `starred` holds the ids of the libraries that the caller starred."""
    owner, modifier = people[each.owner_email], people[each.last_modifier]
    line = {
        "type": each.way,
        "repo_id": each.library_id,
        "repo_name": each.name,
        "owner_email": each.owner_email,
        "owner_name": owner.name,
        "owner_contact_email": owner.contact_email,
        "last_modified": iso(each.updated_at, zone),
        "modifier_email": each.last_modifier,
        "modifier_name": modifier.name,
        "modifier_contact_email": modifier.contact_email,
        "size": each.size_bytes,
        "encrypted": each.encrypted,
        "permission": each.access,
        "starred": each.library_id in starred,
        "monitored": False,
        "status": STATUS_WORDS[LibraryStatus(min(each.status, 1))],
        "salt": each.salt,
    }
    if each.way in (Way.SHARED, Way.GROUP):
        line["is_admin"] = each.is_admin
    if each.way == Way.GROUP:
        line |= {"group_id": each.group_id, "group_name": each.group_name}
    return line


# -- single libraries ------------------------------------------------------------------------------------


def info(head: Head, *, is_own: bool, permission: str, modifier: PersonName, needs_password: bool) -> Json:
    """Return a library as the older call tells it; what opens it only when it is encrypted."""
    shape = {
        "type": "repo",
        "id": head.library_id,
        "owner": "self" if is_own else "share",
        "name": head.name,
        "desc": head.description,
        "mtime": int(head.updated_at.timestamp()),
        "size": head.size_bytes,
        "file_count": head.file_count,
        "encrypted": head.encrypted,
        "password_need": needs_password if head.encrypted else None,
        "root": head.root_id,
        "permission": permission,
        "head_commit_id": head.commit_id,
        "version": head.version,
        "modifier_email": head.last_modifier,
        "modifier_name": modifier.name,
        "modifier_contact_email": modifier.contact_email,
    }
    if head.encryption is not None:
        shape |= {name: value for name in _KEYS if (value := getattr(head.encryption, name))}
    return shape


_KEYS: Final = ("enc_version", "magic", "random_key", "salt", "pwd_hash", "pwd_hash_algo", "pwd_hash_params")


def created_public(head: Head, owner: PersonName, now: datetime, zone: tzinfo) -> Json:
    """Return a public library that was just made; the permission is the owner's own."""
    return {
        "id": head.library_id,
        "name": head.name,
        "desc": head.description,
        "size": head.size_bytes,
        "size_formatted": size_text(head.size_bytes),
        "mtime": int(head.updated_at.timestamp()),
        "mtime_relative": relative_html(head.updated_at, now, zone),
        "encrypted": head.encrypted,
        "permission": "rw",
        "owner": head.owner_email,
        "owner_nickname": owner.name,
    }
