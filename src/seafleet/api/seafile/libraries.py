"""Libraries: listed, found by name, made, told of, renamed, deleted.

Source: Web API manual, section "Library"; libraries page; encryption §7; sync protocol §6.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import JSON_UTF8, ApiError, ApiRequest, Marker, Reply, route
from seafleet.api.seafile.library_passwords import NO_ACCESS, check_password, set_password
from seafleet.api.seafile.paging import whole
from seafleet.api.seafile.places import (
    LIBRARY_GONE,
    author_of,
    caller_id,
    library_here,
    permission_word,
    require,
)
from seafleet.api.seafile.shapes import libraries as shapes
from seafleet.api.seafile.shapes.download_info import download_info, with_sync_token
from seafleet.api.seafile.shapes.times import iso
from seafleet.errors import AlreadyExists, HeadMoved, InvalidArgument, InvalidId, InvalidName, LibraryNotFound
from seafleet.formats.commit import Encryption
from seafleet.ids import LibraryId
from seafleet.sharing.queries import group_shares_of, user_shares_of
from seafleet.sharing.reachable import Way, reachable_libraries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seafleet.library.model import Head
    from seafleet.sharing.reachable import ReachableLibrary

Json = dict[str, Any]

_WAYS: Final = {"mine": Way.OWNED, "shared": Way.SHARED, "group": Way.GROUP, "org": Way.PUBLIC}
_WAYS_V21: Final = {"mine": Way.OWNED, "shared": Way.SHARED, "group": Way.GROUP, "public": Way.PUBLIC}
_MAGIC_LENGTH: Final = 64
_RANDOM_KEY_LENGTH: Final = 96


# -- lists -----------------------------------------------------------------------------------------------

_list_route = partial(route, "GET", "/api2/repos/", action=Marker.OWN_ACCOUNT)


@_list_route(operation="list-libraries")
@_list_route(operation="search-library-by-name")
@_list_route(operation="rclone-list-libraries")
@_list_route(operation="python-list-repos")
def list_libraries(request: ApiRequest) -> Reply:
    """List what the caller reaches: own libraries, then shared ones, those of groups, and public ones."""
    found = _reachable(request, _WAYS, (request.query("type") or "").split(","))
    services = request.services
    people, now, zone = (
        services.names.of(shapes.people_in(found)),
        services.clock.now(),
        services.settings.zone,
    )
    headers = {"enable_encrypted_library": str(services.settings.encrypted_libraries)}
    return Reply(
        [shapes.listed(each, people, now, zone) for each in found], headers=headers, media_type=JSON_UTF8
    )


@route("GET", "/api/v2.1/repos/", operation="v21-repos", action=Marker.OWN_ACCOUNT)
def list_libraries_v21(request: ApiRequest) -> Json:
    """List what the caller reaches, in the newer shape."""
    words = [word for value in request.queries("type") for word in value.split(",")]
    found = _reachable(request, _WAYS_V21, words)
    services = request.services
    people, zone = services.names.of(shapes.people_in(found)), services.settings.zone
    starred = services.stars.libraries(request.caller.account_id)
    return {"repos": [shapes.listed_v21(each, people, starred, zone) for each in found]}


def _reachable(request: ApiRequest, known: Mapping[str, Way], words: Iterable[str]) -> list[ReachableLibrary]:
    """Return what is reached in the ways that are asked for: all without a word, none for an unknown one."""
    asked = {word.strip() for word in words} - {""}
    ways = {known[word] for word in asked if word in known} if asked else set(Way)
    caller, services = request.caller, request.services
    if Way.PUBLIC in ways and not services.access.decide(caller, Action.VIEW_ORGANIZATION).allowed:
        ways.discard(Way.PUBLIC)
    with services.db.read() as connection:
        part = request.query("nameContains") or ""
        return reachable_libraries(connection, caller, ways, name_contains=part)


# -- one library -----------------------------------------------------------------------------------------


@route("GET", "/api2/repos/{library_id}/", operation="get-library-info", action=Action.READ)
def library_info(request: ApiRequest) -> Json:
    """Tell what a library is, what the caller may do there, and what opens it when it is encrypted."""
    head = library_here(request, LIBRARY_GONE)
    require(request, Action.READ, head, text=NO_ACCESS)
    services, caller = request.services, request.caller
    return shapes.info(
        head,
        is_own=head.owner_id == caller.account_id,
        permission=permission_word(request, head),
        modifier=services.names.one(head.last_modifier),
        needs_password=not services.library_passwords.is_set(head, caller_id(request)),
    )


@route("GET", "/api/v2.1/repos/{library_id}/", operation="python-repo-info", action=Action.READ)
def library_info_v21(request: ApiRequest) -> Json:
    """Tell what a library is, in the newer shape."""
    head = library_here(request)
    require(request, Action.READ, head)
    services, caller = request.services, request.caller
    people = services.names.of((head.owner_email, head.last_modifier))
    owner, modifier = people[head.owner_email], people[head.last_modifier]
    standing = services.access.standing(caller, head)
    return {
        "repo_id": head.library_id,
        "repo_name": head.name,
        "owner_email": head.owner_email,
        "owner_name": owner.name,
        "owner_contact_email": owner.contact_email,
        "size": head.size_bytes,
        "encrypted": head.encrypted,
        "file_count": head.file_count,
        "permission": permission_word(request, head),
        "no_quota": services.accounts.quota(services.accounts.get(head.owner_id)) < 0,
        "is_admin": standing.manages,
        "is_virtual": head.is_sub_library,
        "has_been_shared_out": _is_shared(request, head),
        "lib_need_decrypt": not services.library_passwords.is_set(head, caller_id(request)),
        "last_modified": iso(head.updated_at, services.settings.zone),
        "modifier_email": head.last_modifier,
        "modifier_name": modifier.name,
        "modifier_contact_email": modifier.contact_email,
        "status": shapes.STATUS_WORDS[head.status],
    }


def _is_shared(request: ApiRequest, head: Head) -> bool:
    with request.services.db.read() as connection:
        shares = user_shares_of(connection, head.library_id) or group_shares_of(connection, head.library_id)
    return bool(shares)


# -- making ----------------------------------------------------------------------------------------------

_create_route = partial(route, "POST", "/api2/repos/", action=Action.CREATE_LIBRARY)


@_create_route(operation="create-library")
@_create_route(operation="rclone-create-library")
def create_library(request: ApiRequest) -> Json:
    """Make a library and tell what a client needs to synchronise it.

    With `passwd` the server makes the keys of an encrypted one, with `repo_id` the client has made them.
    """
    name = new_library_name(request)
    library_id = request.param("repo_id")
    if library_id:
        head = _create_with_keys(request, name, library_id)
    else:
        head = create_with_password(request, name)
    if request.query("from") == "web":
        return download_info(request, head)
    return with_sync_token(request, head)


def new_library_name(request: ApiRequest) -> str:
    """Return the name for a new library, once it is sure that the caller may make one. Raises ApiError."""
    if not request.services.access.decide(request.caller, Action.CREATE_LIBRARY).allowed:
        raise ApiError(403, "You do not have permission to create library.")
    name = request.param("name")
    if not name:
        raise ApiError(400, "Library name is required.")
    check_library_name(name)
    return name


def check_library_name(name: str) -> None:
    """Raise ApiError (400) unless a library may have this name."""
    try:
        paths.validate_name(name)
    except InvalidName:
        raise ApiError(400, "name invalid.") from None


def create_with_password(request: ApiRequest, name: str) -> Head:
    """Make a library, encrypted if there is a password. Raises ApiError where encryption is not allowed."""
    password = request.param("passwd") or None
    if password is not None:
        require_encryption_allowed(request)
    return request.services.libraries.create(
        caller_id(request),
        name,
        request.param("desc") or "",
        password=password,
        enc_version=request.services.settings.encrypted_library_version,
    )


def require_encryption_allowed(request: ApiRequest) -> None:
    """Raise ApiError (403) where encrypted libraries are not to be made."""
    if not request.services.settings.encrypted_libraries:
        raise ApiError(403, "NOT allow to create encrypted library.")


def _create_with_keys(request: ApiRequest, name: str, id_text: str) -> Head:
    """Make a library with id and keys of the client's own making; the server never sees the password."""
    require_encryption_allowed(request)
    try:
        library_id = LibraryId.parse(id_text)
    except InvalidId:
        raise ApiError(400, "Repo id must be a valid uuid") from None
    encryption = _client_encryption(request)
    too_new = encryption.enc_version > request.services.settings.encrypted_library_version
    try:
        if too_new:
            raise InvalidArgument("enc_version", "newer than this server makes")
        return request.services.libraries.create(
            caller_id(request),
            name,
            request.param("desc") or "",
            encryption=encryption,
            library_id=library_id,
        )
    except (InvalidArgument, AlreadyExists):
        raise ApiError(520, "Failed to create library.") from None


def _client_encryption(request: ApiRequest) -> Encryption:
    """Return the keys that a client sent. Raises ApiError (400) when they cannot be any."""
    try:
        enc_version = whole(request.param("enc_version") or "0")
    except ValueError:
        raise ApiError(400, "Invalid enc_version param.") from None
    magic, random_key = request.param("magic") or "", request.param("random_key") or ""
    pwd_hash, algo = request.param("pwd_hash") or "", request.param("pwd_hash_algo") or ""
    checks = len(pwd_hash) == _MAGIC_LENGTH if algo else len(magic) == _MAGIC_LENGTH
    if not checks or len(random_key) != _RANDOM_KEY_LENGTH or enc_version < 0:
        raise ApiError(400, "You must provide magic, random_key and enc_version.")
    return Encryption(
        enc_version,
        magic=None if algo else magic,
        random_key=random_key,
        salt=request.param("salt") or None,
        pwd_hash=pwd_hash if algo else None,
        pwd_hash_algo=algo or None,
        pwd_hash_params=(request.param("pwd_hash_params") or None) if algo else None,
    )


# -- changing --------------------------------------------------------------------------------------------

_change_route = partial(route, "POST", "/api2/repos/{library_id}/", action=Action.READ, pool="auth")


@_change_route(operation="rename-library")
@_change_route(operation="decrypt-library")
@_change_route(operation="rclone-decrypt")
def change_library(request: ApiRequest) -> Reply:
    """Rename a library, or set or check the password of an encrypted one: `op` in the query says which."""
    head = library_here(request, LIBRARY_GONE)
    word = request.query("op") or "setpassword"
    if word == "rename":
        return _rename(request, head)
    if word == "setpassword":
        return set_password(request, head)
    if word == "checkpassword":
        return check_password(request, head)
    return Reply("unsupported operation")


def _rename(request: ApiRequest, head: Head) -> Reply:
    name, description = request.param("repo_name"), request.param("repo_desc")
    check_library_name(name or "")
    require(request, Action.OWN, head, text="You do not have permission to rename this library.")
    try:
        request.services.libraries.rename(
            head.library_id, author_of(request), name=name, description=description
        )
    except HeadMoved:
        raise ApiError(500, "Unable to rename library") from None
    return Reply("success")


# -- deleting --------------------------------------------------------------------------------------------

_delete_route = partial(route, "DELETE", "/api2/repos/{library_id}/", action=Action.OWN)


@_delete_route(operation="delete-library")
@_delete_route(operation="rclone-delete-library")
def delete_library(request: ApiRequest) -> str:
    """Put a library into the bin."""
    _delete(request)
    return "success"


@route("DELETE", "/api/v2.1/repos/{library_id}/", operation="v21-repo-delete", action=Action.OWN)
def delete_library_v21(request: ApiRequest) -> Json:
    """Put a library into the bin, and say so in the newer shape."""
    _delete(request)
    return {"success": True}


def _delete(request: ApiRequest) -> None:
    services = request.services
    head = services.libraries.find(request.library_id())  # one that is damaged may be deleted too
    if head is None:
        raise LibraryNotFound(request.library_id())
    require(request, Action.OWN, head)
    services.libraries.delete(head.library_id, author_of(request))
    services.access.forget(library_id=head.library_id)
