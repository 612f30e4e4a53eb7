"""Folders as lists, in the shapes that the generations of the Web API give them.

Source: Web API manual, "List Directory Entries"; directories page, "List".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import JSON_UTF8, ApiError, ApiRequest, Reply
from seafleet.api.seafile.places import folder_here, permission_word, require, with_slashes
from seafleet.api.seafile.shapes.entries import EntryShaper
from seafleet.errors import LibraryNotFound
from seafleet.library.ordering import folders_first
from seafleet.sharing.model import Permission

if TYPE_CHECKING:
    from seafleet.formats.fs import Dirent
    from seafleet.library.model import Head

Json = dict[str, Any]

_WORDS: Final[dict[Permission | None, str]] = {None: ""} | {each: each.wire for each in Permission}
_NOBODY: Final[Json] = {"modifier_email": "", "modifier_name": "", "modifier_contact_email": ""}


def check_listing(request: ApiRequest) -> None:
    """Check the words of a listing, before anything is looked up. Raises ApiError (400)."""
    if (request.param("recursive") or "0") not in ("0", "1"):
        text = "If you want to get recursive dir entries, you should set 'recursive' argument as '1'."
        raise ApiError(400, text)
    if (request.param("t") or "d") not in ("d", "f"):
        raise ApiError(400, "'t'(type) should be 'f' or 'd'.")


def list_folder(
    request: ApiRequest, head: Head, path: str, headers: Mapping[str, str] | None = None
) -> Reply:
    """Return a folder as the older call lists it; `uptodate` when the caller knows it already."""
    folder_id, folder = folder_here(request, head, path)
    require(request, Action.LIST, head, path)
    told = {**(headers or {}), "oid": folder_id, "dir_perm": permission_word(request, head, path)}
    if request.param("oid") == folder_id:
        return Reply("uptodate", headers={"oid": folder_id}, media_type=JSON_UTF8)
    if request.param("recursive") == "1":
        return Reply(list(_recursive(request, head, path)), headers=told, media_type=JSON_UTF8)
    entries = _shaped(request, _shaper(request, head), path, folder)
    return Reply(_wanted(request, entries), headers=told, media_type=JSON_UTF8)


def list_folder_v21(request: ApiRequest, head: Head, path: str) -> Reply:
    """Return a folder as the newer call lists it: an object, with the caller's stars."""
    folder_id, folder = folder_here(request, head, path)
    require(request, Action.LIST, head, path)
    if request.param("recursive") == "1":
        return Reply({"dirent_list": list(_recursive(request, head, path))})
    shaper = _shaper(request, head, _starred(request, head))
    parent = with_slashes(path)
    listed = _wanted(request, _shaped(request, shaper, path, folder))
    for shaped in listed:
        shaped["parent_dir"] = parent
        if shaped["type"] == "dir":
            shaped.update(_NOBODY)
    if (request.param("with_parents") or "").lower() == "true":
        listed = [*_parents(request, head, path, shaper), *listed]
    word = permission_word(request, head, path)
    return Reply({"user_perm": word, "dir_id": folder_id, "dirent_list": listed})


def parent_listing(
    request: ApiRequest, head: Head, path: str, headers: Mapping[str, str] | None = None
) -> Reply:
    """Return the folder above `path` as it is now: what `reloaddir=true` asks for."""
    now = request.services.libraries.find(head.library_id)
    if now is None:
        raise LibraryNotFound(head.library_id)
    return list_folder(request, now, paths.split(path)[0], headers)


def _wanted(request: ApiRequest, entries: Iterable[tuple[Dirent, Json]]) -> list[Json]:
    kind = request.param("t")
    if kind is None:
        return [shaped for _, shaped in entries]
    return [shaped for entry, shaped in entries if entry.is_dir == (kind == "d")]


def _shaper(request: ApiRequest, head: Head, starred: frozenset[str] | None = None) -> EntryShaper:
    """Return the shaper of a library's entries; it has yet to be told of the people in a folder."""
    permission = request.services.access.permissions_in(request.caller, head)

    locks = request.services.locks.of(head.library_id)
    return EntryShaper(request.caller.account_id, lambda path: _WORDS[permission(path)], {}, locks, starred)


def _shaped(
    request: ApiRequest, shaper: EntryShaper, path: str, folder: Iterable[Dirent]
) -> Iterator[tuple[Dirent, Json]]:
    """Yield the entries of one folder and what they look like, folders first."""
    modifiers = {entry.modifier or "" for entry in folder if entry.is_file}
    holders = {lock.holder_email for lock in shaper.locks.values()}
    knowing = replace(shaper, people=request.services.names.of(modifiers | holders))
    above = "" if path == paths.ROOT else path
    for entry in folders_first(folder):
        yield entry, knowing.shape(entry, f"{above}/{entry.name}")


def _recursive(request: ApiRequest, head: Head, path: str) -> Iterator[Json]:
    """Yield every entry below a folder with its parent: depth first, folders before files on each level."""
    trees, kind = request.services.trees, request.param("t")
    shaper = _shaper(request, head)
    folder = folder_here(request, head, path)[1]
    levels = [(path, _shaped(request, shaper, path, folder))]
    while levels:
        parent, entries = levels[-1]
        entry, shaped = next(entries, (None, {}))
        if entry is None:
            levels.pop()
            continue
        if kind is None or entry.is_dir == (kind == "d"):
            yield shaped | {"parent_dir": parent}
        if entry.is_dir:
            here, below = paths.join(parent, entry.name), trees.directory(head.store_id, entry.id)
            levels.append((here, _shaped(request, shaper, here, below)))


def _parents(request: ApiRequest, head: Head, path: str, shaper: EntryShaper) -> Iterator[Json]:
    """Yield the entries of every folder from the root down to above `path`."""
    here, folder_id = paths.ROOT, head.root_id
    for name in paths.components(path):
        folder = request.services.trees.directory(head.store_id, folder_id)
        parent = with_slashes(here)
        yield from (shaped | {"parent_dir": parent} for _, shaped in _shaped(request, shaper, here, folder))
        below = folder.get(name)
        assert below is not None, "the folder at the end of the path has been found"
        here, folder_id = paths.join(here, name), below.id


def _starred(request: ApiRequest, head: Head) -> frozenset[str]:
    return request.services.stars.of(request.caller.account_id, head.library_id)
