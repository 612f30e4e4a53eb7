"""Libraries for everybody, and the older calls that share a library with accounts and groups.

Source: Web API manual, "Create Public Library", "Set Exist Lib as Public Library", "Remove Public Library";
libraries page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from seafleet.access import Action
from seafleet.accounts.model import is_email
from seafleet.api.kernel import ApiError, ApiRequest, Reply, route
from seafleet.api.seafile.libraries import create_with_password, new_library_name, require_encryption_allowed
from seafleet.api.seafile.library_settings import CANNOT_CREATE
from seafleet.api.seafile.paging import whole
from seafleet.api.seafile.places import LIBRARY_GONE, library_here, require
from seafleet.api.seafile.shapes.libraries import created_public
from seafleet.errors import AccessDenied, InvalidArgument, LibraryNotFound
from seafleet.groups.queries import find_group, reaching_group_ids
from seafleet.sharing.model import Permission

if TYPE_CHECKING:
    from seafleet.library.model import Head

_NOT_YOURS: Final = "You do not have permission to share library."
_WRONG_TYPE: Final = "Share type can only be personal or group or public."
_SHARES: Final = "/api2/shared-repos/{library_id}/"


@route("POST", "/api2/repos/public/", operation="create-public-lib", action=Action.CREATE_LIBRARY)
def create_public_library(request: ApiRequest) -> tuple[int, dict[str, Any]]:
    """Make a library that everybody reaches."""
    name = new_library_name(request)
    if not _may_publish(request):
        raise ApiError(403, CANNOT_CREATE)
    if request.param("passwd"):
        require_encryption_allowed(request)
    permission = _permission(request.param("permission") or "r", "Invalid permission")
    head = create_with_password(request, name)
    _publish(request, head, permission)
    services = request.services
    owner = services.names.one(head.owner_email)
    return 201, created_public(head, owner, services.clock.now(), services.settings.zone)


@route("PUT", _SHARES, operation="set-exist-lib-as-public-lib", action=Action.OWN)
def share_library(request: ApiRequest) -> Reply:
    """Share a library with everybody, with accounts or with a group: `share_type` says which."""
    try:
        head = request.library()
        request.require(head)
    except (LibraryNotFound, AccessDenied):  # a library that does not exist has no owner
        raise ApiError(403, _NOT_YOURS) from None
    permission = _permission(_query(request, "permission"), "Permission need to be rw or r.")
    verb = _SHARE.get(_query(request, "share_type"))
    if verb is None:
        raise ApiError(400, _WRONG_TYPE)
    verb(request, head, permission)
    request.services.access.forget(library_id=head.library_id)
    return Reply("success")


@route("DELETE", _SHARES, operation="remove-public-lib", action=Action.OWN)
def unshare_library(request: ApiRequest) -> Reply:
    """End what `share_library` did, for the owner and for administrators."""
    head = library_here(request, LIBRARY_GONE)
    if not request.caller.is_staff:
        require(request, Action.OWN, head, text="You do not have permission to unshare library.")
    word = _query(request, "share_type")
    if not word:
        raise ApiError(400, "Share type is required.")
    verb = _UNSHARE.get(word)
    if verb is None:
        raise ApiError(400, _WRONG_TYPE)
    verb(request, head)
    request.services.access.forget(library_id=head.library_id)
    return Reply("success")


# -- everybody -------------------------------------------------------------------------------------------


def _may_publish(request: ApiRequest) -> bool:
    """Tell whether the caller may make libraries public at all."""
    services, caller = request.services, request.caller
    if caller.is_staff:
        return True
    sees_others = services.access.decide(caller, Action.VIEW_ORGANIZATION).allowed
    return services.settings.allow_public_libraries and sees_others


def _share_with_everybody(request: ApiRequest, head: Head, permission: Permission) -> None:
    if not _may_publish(request):
        raise ApiError(403, "Failed to share library to public: permission denied.")
    _publish(request, head, permission)


def _publish(request: ApiRequest, head: Head, permission: Permission) -> None:
    request.services.publishing.publish(
        head.library_id,
        permission,
        request.caller,
        organization_id=head.organization_id,
        ip=request.client_ip,
    )


def _withdraw(request: ApiRequest, head: Head) -> None:
    request.services.publishing.withdraw(
        head.library_id, request.caller, organization_id=head.organization_id, ip=request.client_ip
    )


# -- accounts --------------------------------------------------------------------------------------------


def _share_with_accounts(request: ApiRequest, head: Head, permission: Permission) -> None:
    """Share with all that are named, or with none if one of them cannot be shared with."""
    text = _query(request, "users") or _query(request, "user")
    emails = [email.strip().lower() for email in text.split(",") if email.strip()]
    if not emails:
        raise ApiError(400, "User or users (comma separated are mandatory) are not provided")
    if head.owner_email in emails or not all(map(is_email, emails)):
        raise ApiError(400, "Some users are not valid, sharing rolled back")
    accounts = [request.services.accounts.find(email) for email in emails]
    known = [each.id for each in accounts if each and each.organization_id == head.organization_id]
    if len(known) < len(emails):
        raise ApiError(400, "Some users are not existent, sharing rolled back")
    request.services.shares.share_with_accounts(
        head.library_id, known, permission, request.caller, ip=request.client_ip
    )


def _unshare_from_account(request: ApiRequest, head: Head) -> None:
    email = _query(request, "user").strip().lower()
    if not email:
        raise ApiError(400, "User is required.")
    if not is_email(email):
        raise ApiError(400, "User is not valid")
    account = request.services.accounts.find(email)
    if account is not None:
        request.services.shares.unshare_from_account(
            head.library_id, account.id, account.email, request.caller, ip=request.client_ip
        )


# -- groups ----------------------------------------------------------------------------------------------


def _share_with_group(request: ApiRequest, head: Head, permission: Permission) -> None:
    group_id = _group_id(request, "Group ID must be integer.")
    with request.services.db.read() as connection:
        group = find_group(connection, group_id)
        of_caller = reaching_group_ids(connection, request.caller.account_id or 0)
    if group is None:
        raise ApiError(400, "Group does not exist .")
    if group_id not in of_caller:
        raise ApiError(403, _NOT_YOURS)
    request.services.shares.share_with_group(
        head.library_id, group_id, permission, request.caller, ip=request.client_ip
    )


def _unshare_from_group(request: ApiRequest, head: Head) -> None:
    if not _query(request, "group_id"):
        raise ApiError(400, "Group ID is required.")
    group_id = _group_id(request, "Group ID is not valid.")
    request.services.shares.unshare_from_group(
        head.library_id, group_id, request.caller, ip=request.client_ip
    )


def _group_id(request: ApiRequest, text: str) -> int:
    try:
        return whole(_query(request, "group_id"))
    except ValueError:
        raise ApiError(400, text) from None


# -- parts -----------------------------------------------------------------------------------------------

_SHARE: Final[dict[str, Callable[[ApiRequest, Head, Permission], None]]] = {
    "public": _share_with_everybody,
    "personal": _share_with_accounts,
    "group": _share_with_group,
}
_UNSHARE: Final[dict[str, Callable[[ApiRequest, Head], None]]] = {
    "public": _withdraw,
    "personal": _unshare_from_account,
    "group": _unshare_from_group,
}


def _query(request: ApiRequest, name: str) -> str:
    """Return what these calls carry in the query whatever their verb, or else in the body."""
    return request.query(name) or request.form(name) or ""


def _permission(word: str, refusal: str) -> Permission:
    """Return `r` or `rw`. Raises ApiError (400) for anything else, the right to manage included."""
    try:
        permission = Permission.parse(word)
    except InvalidArgument:
        raise ApiError(400, refusal) from None
    if permission is Permission.ADMIN:
        raise ApiError(400, refusal)
    return permission
