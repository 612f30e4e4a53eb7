"""The caller's own account: quota, usage, names.

Source: Web API manual, "Check Account Info"; Web API conventions §7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seafleet.api.kernel import SESSION, TOKEN, ApiError, ApiRequest, Marker, route

if TYPE_CHECKING:
    from seafleet.accounts.model import Account

MAX_NAME_LENGTH: Final = 64
_DEFAULT_AVATAR: Final = "/media/avatars/default.png"


@route(
    "GET",
    "/api2/account/info/",
    operation=("check-account-info", "rclone-about"),
    action=Marker.OWN_ACCOUNT,
    auth=TOKEN,
)
def account_info(request: ApiRequest) -> dict[str, Any]:
    """Tell the caller's usage, quota and names."""
    return _shape(request, _own_account(request))


@route("PUT", "/api2/account/info/", operation="v21-account-put", action=Marker.OWN_ACCOUNT, auth=SESSION)
def rename_account(request: ApiRequest) -> dict[str, Any]:
    """Change the caller's display name, when one is sent, and tell the account as it is then."""
    account = _own_account(request)
    name = request.param("name")
    if name is not None:
        account = request.services.accounts.update(account, name=_checked(name), by=request.caller)
    return _shape(request, account)


def _own_account(request: ApiRequest) -> Account:
    account_id = request.caller.account_id
    assert account_id is not None, "callers of the Web API have accounts"
    return request.services.accounts.get(account_id)


def _checked(text: str) -> str:
    name = text.strip()
    if len(name) > MAX_NAME_LENGTH:
        raise ApiError(400, f"Name is too long (maximum is {MAX_NAME_LENGTH} characters)")
    if "/" in name:
        raise ApiError(400, "Name should not include '/'.")
    return name


def _shape(request: ApiRequest, account: Account) -> dict[str, Any]:
    accounts = request.services.accounts
    usage, total = accounts.usage(account), accounts.quota(account)
    return {
        "usage": usage,
        "total": total,
        "email": account.email,
        "name": account.name,
        "login_id": account.login_id or "",
        "department": account.department,
        "contact_email": account.contact_email,
        "institution": account.institution,
        "is_staff": account.is_staff,
        "space_usage": f"{usage / total:.1%}" if total > 0 else "0.0%",
        "avatar_url": request.absolute_url(_DEFAULT_AVATAR),
    }
