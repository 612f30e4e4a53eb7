"""What belongs to a library beside its content: owner, retention, default library, sub-libraries.

Source: Web API manual, section "Library"; libraries page.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import JSON_UTF8, ApiError, ApiRequest, Marker, Reply, route
from seafleet.api.seafile.paging import whole
from seafleet.api.seafile.places import DENIED, author_of, caller_id, folder_missing, library_here, require
from seafleet.errors import FolderNotFound, InvalidName, PasswordRequired, WrongPassword

if TYPE_CHECKING:
    from seafleet.accounts.model import Account
    from seafleet.library.model import Head

Json = dict[str, Any]

CANNOT_CREATE: Final = "You do not have permission to create library."
MAX_KEEP_DAYS: Final = 1_000_000


# -- default library -------------------------------------------------------------------------------------


@route("GET", "/api2/default-repo/", operation="get-default-lib", action=Marker.OWN_ACCOUNT)
def default_library(request: ApiRequest) -> Json:
    """Tell the caller's default library, if it has one."""
    found = request.services.default_libraries.find(caller_id(request))
    return {"exists": False} if found is None else {"exists": True, "repo_id": found}


@route("POST", "/api2/default-repo/", operation="create-default-lib", action=Action.CREATE_LIBRARY)
def create_default_library(request: ApiRequest) -> Json:
    """Tell the caller's default library, made if there is none."""
    if not request.services.access.decide(request.caller, Action.CREATE_LIBRARY).allowed:
        raise ApiError(403, CANNOT_CREATE)
    library_id = request.services.default_libraries.ensure(caller_id(request), author_of(request))
    return {"exists": True, "repo_id": library_id}


# -- owner -----------------------------------------------------------------------------------------------


@route("GET", "/api2/repos/{library_id}/owner/", operation="get-library-owner", action=Action.OWN)
def library_owner(request: ApiRequest) -> Reply:
    """Tell the owner of a library, to the owner and to administrators."""
    head = library_here(request)
    _require_owner_or_staff(request, head)
    return Reply({"owner": head.owner_email}, media_type=JSON_UTF8)


@route("PUT", "/api2/repos/{library_id}/owner/", operation="transfer-library", action=Action.OWN)
def transfer_library(request: ApiRequest) -> Reply:
    """Give a library to another account, for the owner and for administrators."""
    email = (request.param("owner") or "").strip().lower()
    if not email:
        raise ApiError(400, "owner invalid.")
    head, services = library_here(request), request.services
    account = services.accounts.find(email)
    if account is None or account.organization_id != head.organization_id:
        raise ApiError(404, f"User {email} not found.")
    _require_owner_or_staff(request, head)
    if head.is_sub_library:  # it belongs to whom its origin belongs to
        raise ApiError(403, DENIED)
    _check_new_owner(request, head, account)
    services.ownership.transfer(head.library_id, account.id, request.caller, ip=request.client_ip)
    services.access.forget(library_id=head.library_id)
    return Reply({"success": True}, media_type=JSON_UTF8)


def _check_new_owner(request: ApiRequest, head: Head, account: Account) -> None:
    if not request.services.accounts.roles.of(account.role).can_add_repo:
        text = f"Transfer failed: role of {account.email} is {account.role}, can not add library."
        raise ApiError(403, text)
    if head.owner_id == account.id:
        raise ApiError(400, "Library can not be transferred to owner.")


def _require_owner_or_staff(request: ApiRequest, head: Head) -> None:
    if not request.caller.is_staff:
        require(request, Action.OWN, head)


# -- retention -------------------------------------------------------------------------------------------

_LIMIT: Final = "/api2/repos/{library_id}/history-limit/"


@route("GET", _LIMIT, operation="get-library-history-limit-days", action=Action.OWN)
def history_limit(request: ApiRequest) -> Json:
    """Tell for how many days a library keeps its history."""
    return _kept_days(request, _own_library(request))


@route("PUT", _LIMIT, operation="set-library-history-limit-days", action=Action.OWN)
def set_history_limit(request: ApiRequest) -> Json:
    """Set for how many days a library keeps its history: a negative number for ever, 0 not at all."""
    head = _own_library(request)
    if not request.services.settings.allow_history_limits:
        raise ApiError(403, DENIED)
    try:
        days = max(-1, whole(request.param("keep_days") or ""))
    except ValueError:
        raise ApiError(400, "keep_days invalid.") from None
    if days > MAX_KEEP_DAYS:
        raise ApiError(400, "keep_days invalid.")
    request.services.libraries.set_history_limit(head.library_id, days)
    return _kept_days(request, request.services.libraries.get(head.library_id))


def _own_library(request: ApiRequest) -> Head:
    """Return a library of the caller's own, not a sub-library, which is kept as its origin is."""
    head = library_here(request)
    require(request, Action.OWN, head)
    if head.is_sub_library:
        raise ApiError(403, DENIED)
    return head


def _kept_days(request: ApiRequest, head: Head) -> Json:
    return {"keep_days": max(-1, request.services.history.limit_days(head))}


# -- sub-libraries ---------------------------------------------------------------------------------------

_sub_library_route = partial(route, "GET", "/api2/repos/{library_id}/dir/sub_repo/", action=Action.READ)


@_sub_library_route(operation="check/create-sub-library")
@_sub_library_route(operation="desktop-create-subrepo")
def sub_library(request: ApiRequest) -> Json:
    """Tell the sub-library of a folder, made if there is none; an existing one keeps its name."""
    text, name = request.param("p"), request.param("name")
    path = paths.normalize_folder(text or "")
    if path == paths.ROOT:
        raise ApiError(400, "p invalid.")
    if not name:
        raise ApiError(400, "name invalid.")
    head = library_here(request)
    require(request, Action.READ, head, path)
    try:
        made = request.services.sub_libraries.create(
            head, path, name, author_of(request), password=request.param("password")
        )
    except InvalidName:
        raise ApiError(400, "name invalid.") from None
    except FolderNotFound:
        raise folder_missing(path) from None
    except PasswordRequired:
        raise ApiError(400, "password invalid.") from None
    except WrongPassword:
        raise ApiError(400, "Wrong password") from None
    return {"sub_repo_id": made.library_id}
