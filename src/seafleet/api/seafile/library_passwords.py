"""Passwords of encrypted libraries: set for an hour, checked, changed.

Source: Web API manual, "Decrypt Library"; Web API conventions §11; libraries page, "Password"; encryption §5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seafleet.access import Action
from seafleet.api.kernel import ApiError, ApiRequest, Reply, route
from seafleet.api.seafile.places import author_of, caller_id, library_here, require
from seafleet.errors import InvalidArgument, MalformedObject, WrongPassword

if TYPE_CHECKING:
    from seafleet.library.model import Head

NO_ACCESS: Final = "You do not have permission to access this library."


def set_password(request: ApiRequest, head: Head) -> Reply:
    """Keep the key of a library for the caller. One that is not encrypted needs no password."""
    require(request, Action.READ, head, text=NO_ACCESS)
    if not head.encrypted:
        return Reply("success")
    password = request.param("password")
    if not password:
        raise ApiError(440, "Library password is needed.")
    try:
        request.services.library_passwords.set(head, caller_id(request), password)
    except WrongPassword:
        raise ApiError(400, "Incorrect password") from None
    except MalformedObject:  # the right password, but keys that a client made up
        raise ApiError(500, "Internal server error") from None
    return Reply("success")


def check_password(request: ApiRequest, head: Head) -> Reply:
    """Tell whether a client computed the right check of the password; it does not send the password."""
    require(request, Action.READ, head, text=NO_ACCESS)
    magic = request.query("magic") or request.form("magic")
    if not magic:
        raise ApiError(441, "Library password magic is needed.")
    if not head.encrypted:
        raise ApiError(500, "SearpcError:Repo is not encrypted")
    if not request.services.library_passwords.check_magic(head, magic):
        raise ApiError(500, "SearpcError:Incorrect password")
    return Reply("success")


@route(
    "POST",
    "/api/v2.1/repos/{library_id}/set-password/",
    operation="v21-set-password",
    action=Action.READ,
    pool="auth",
)
def set_password_v21(request: ApiRequest) -> dict[str, Any]:
    """Keep the key of an encrypted library for the caller, for an hour."""
    password = request.param("password")
    if not password:
        raise ApiError(400, "password invalid.")
    head = _encrypted_library(request)
    require(request, Action.READ, head)
    try:
        request.services.library_passwords.set(head, caller_id(request), password)
    except WrongPassword:
        raise ApiError(400, "Wrong password") from None
    except MalformedObject:
        raise ApiError(500, "Decrypt library error") from None
    return {"success": True}


@route(
    "PUT",
    "/api/v2.1/repos/{library_id}/set-password/",
    operation="change-library-password",
    action=Action.OWN,
    pool="auth",
)
def change_password(request: ApiRequest) -> dict[str, Any]:
    """Exchange the password of an encrypted library; files stay as they are."""
    if (request.param("operation") or "change-password") != "change-password":
        raise ApiError(400, "operation invalid.")
    old, new = request.param("old_password"), request.param("new_password")
    if not old:
        raise ApiError(400, "old_password invalid.")
    if not new:
        raise ApiError(400, "new_password invalid.")
    head = _encrypted_library(request)
    require(request, Action.OWN, head)
    if head.is_sub_library:  # it has its origin's
        raise ApiError(403, "Permission denied.")
    try:
        request.services.library_passwords.change(head.library_id, author_of(request), old, new)
    except WrongPassword:
        raise ApiError(403, "Wrong old password") from None
    except (InvalidArgument, MalformedObject):  # version 1, where the password is the key
        raise ApiError(500, "Internal Server Error") from None
    return {"success": True}


def _encrypted_library(request: ApiRequest) -> Head:
    head = library_here(request)
    if not head.encrypted:
        raise ApiError(400, f"Library {head.library_id} is not encrypted.")
    return head
