"""Groups, the account, and whose device something is.

Source: MetaAccess devices §5.4, §5.5.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from seafleet.api.metaaccess import shapes
from seafleet.api.metaaccess.bodies import check_page, choice, json_object, limit, members, page, text
from seafleet.api.metaaccess.errors import invalid
from seafleet.api.metaaccess.keys import required
from seafleet.api.metaaccess.surface import V3_0, caller_of, origin, serves
from seafleet.devices.listing import DeviceFilter

if TYPE_CHECKING:
    from seafleet.api.kernel import ApiRequest

MAX_NAME: Final = 256
_SORT_KEYS: Final = {
    "group_name": "group_name",
    "domain_name": "domain_name",
    "policy_name": "policy_name",
    "number_of_devices": "number_of_devices",
    "last_update": "last_modified",
}


@serves("POST", "/groups", *V3_0, operation="metaaccess-groups")
def list_groups(request: ApiRequest) -> list[dict[str, Any]]:
    """Return one page of the organization's groups, by name unless `sort` says otherwise."""
    values = json_object(request)
    rows, number = limit(values, 10), page(values)
    sort = members(values, "sort")
    field, order = text(sort, "field", "group_name"), text(sort, "order", "asc")
    if field not in _SORT_KEYS or order not in ("asc", "desc"):
        raise invalid("sort.field or sort.order is not known.")
    needle = text(values, "search", "").casefold()
    groups = [
        shapes.group(each, size)
        for each, size in request.services.registry.groups.sizes(caller_of(request).organization_id)
        if needle in each.name.casefold()
    ]
    groups.sort(key=lambda each: each["group_name"].casefold())
    groups.sort(key=lambda each: _sort_key(each[_SORT_KEYS[field]]), reverse=order == "desc")
    check_page(number, rows, len(groups))
    return groups[(number - 1) * rows : number * rows]


@serves("GET", "/account", "v2", operation="metaaccess-account")
def account(request: ApiRequest) -> dict[str, Any]:
    """Return the organization, who registered the application, and how many devices there are."""
    registry, caller = request.services.registry, caller_of(request)
    organization = registry.organizations.get(caller.organization_id)
    assert caller.actor.account_id is not None
    maker = request.services.accounts.get(caller.actor.account_id)

    def count(**wanted: Any) -> int:
        return registry.listing.count(
            DeviceFilter(organization_id=caller.organization_id, kind="managed", **wanted)
        )

    last_login = None if maker.last_login_at is None else datetime.fromtimestamp(maker.last_login_at, UTC)
    return {
        "name": organization.name,
        "email": maker.email,
        "last_login": shapes.time(last_login),
        "date_created": shapes.time(organization.created_at),
        "devices_allowed": registry.settings.current.device_limit,
        "devices_used": count(),
        "devices_uncompliant": count(statuses=("non_compliant",)),
        "devices_critical": count(severities=("critical",)),
        "devices_issues": count(severities=("critical", "warning")),
    }


@serves("POST", "/devices/{value}/link_user", "v2", operation="metaaccess-link-user")
def link_user(request: ApiRequest) -> dict[str, Any]:
    """Say whose device it is, named as `opt` says: 0 by MAC, 1 by HWID. No access follows from it."""
    by_hwid = choice(request, "opt", 0, among=(0, 1)) == 1
    values = json_object(request)
    username, group = text(values, "username"), text(values, "group", "")
    if not 1 <= len(username) <= MAX_NAME or len(group) > MAX_NAME:
        raise invalid(f"username has 1 to {MAX_NAME} characters, group at most as many.")
    device = required(request, "hwid" if by_hwid else "mac")
    registry = request.services.registry
    registry.apply(device.id, registry.actions.link_user(username, group), origin(request))
    return {"result": 1, "msg": "OK"}


def _sort_key(value: str | int) -> str | int:
    return value.casefold() if isinstance(value, str) else value
