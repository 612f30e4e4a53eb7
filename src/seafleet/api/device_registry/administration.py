"""Settings, organizations, role grants, applications, enrolment codes, sightings.

Source: device registry §9, §13.
"""

from __future__ import annotations

from typing import Any, Final

from seafleet.api.device_registry.parsing import number_of, time_of
from seafleet.api.device_registry.shapes import client_json, code_json, grant_json, organization_json
from seafleet.api.device_registry.surface import NAME, json_object, member, origin_of
from seafleet.api.kernel import ApiRequest, Marker, Reply, route
from seafleet.devices.editing import UNSET
from seafleet.errors import InvalidArgument

Json = dict[str, Any]
BASE: Final = "/api/v2.1/admin/device-registry"
_DONE: Final = {"success": True}
_RUN: Final = "run_daily_task"


def _number(request: ApiRequest, name: str) -> int:
    return number_of(name, request.path_params[name])


# -- settings ------------------------------------------------------------------------------------------------


@route("GET", BASE + "/settings/", operation="registry-settings", action=Marker.STAFF, surface=NAME)
def settings(request: ApiRequest) -> Json:
    """Tell every setting."""
    return request.services.registry.settings.as_json()


@route("PUT", BASE + "/settings/", operation="registry-change-settings", action=Marker.STAFF, surface=NAME)
def change_settings(request: ApiRequest) -> Json:
    """Set some settings, all of them or none, and tell every one."""
    registry, values = request.services.registry, json_object(request)
    run = True
    if registry.settings.test_clock and _RUN in values:
        run = bool(member(values, _RUN, bool))
        del values[_RUN]
    registry.change_settings(values, origin_of(request), run_daily_task=run)
    return registry.settings.as_json()


# -- organizations -------------------------------------------------------------------------------------------


@route("GET", BASE + "/organizations/", operation="registry-organizations", action=Marker.STAFF, surface=NAME)
def organizations(request: ApiRequest) -> Json:
    """List the organizations."""
    found = request.services.registry.organizations.all()
    return {"organizations": [organization_json(organization) for organization in found]}


@route(
    "POST", BASE + "/organizations/", operation="registry-add-organization", action=Marker.STAFF, surface=NAME
)
def add_organization(request: ApiRequest) -> Reply:
    """Make an organization."""
    values = json_object(request)
    running = member(values, "running", bool)
    made = request.services.registry.organizations.create(
        member(values, "name", str, required=True),
        member(values, "runtime", str, required=True),
        origin_of(request),
        running=True if running is None else running,
    )
    return Reply(organization_json(made), 201)


@route(
    "GET",
    BASE + "/organizations/{organization_id}/",
    operation="registry-organization",
    action=Marker.STAFF,
    surface=NAME,
)
def organization(request: ApiRequest) -> Json:
    """Tell one organization."""
    return organization_json(request.services.registry.organizations.get(_number(request, "organization_id")))


@route(
    "PATCH",
    BASE + "/organizations/{organization_id}/",
    operation="registry-change-organization",
    action=Marker.STAFF,
    surface=NAME,
)
def change_organization(request: ApiRequest) -> Json:
    """Change an organization: name, runtime, whether it runs, its posture policy."""
    values = json_object(request)
    changed = request.services.registry.organizations.update(
        _number(request, "organization_id"),
        origin_of(request),
        name=member(values, "name", str),
        runtime=member(values, "runtime", str),
        running=member(values, "running", bool),
        posture_policy=values.get("posture_policy", UNSET),
    )
    return organization_json(changed)


@route(
    "DELETE",
    BASE + "/organizations/{organization_id}/",
    operation="registry-delete-organization",
    action=Marker.STAFF,
    surface=NAME,
)
def delete_organization(request: ApiRequest) -> Json:
    """Delete an organization that is empty."""
    request.services.registry.organizations.delete(_number(request, "organization_id"), origin_of(request))
    return _DONE


@route(
    "POST",
    BASE + "/organizations/{organization_id}/api-token/",
    operation="registry-make-api-token",
    action=Marker.STAFF,
    surface=NAME,
)
def make_api_token(request: ApiRequest) -> Reply:
    """Make the token of the Device Magic API anew; it is shown this once."""
    organizations = request.services.registry.organizations
    token = organizations.make_token(_number(request, "organization_id"), origin_of(request))
    return Reply({"token": token}, 201)


@route(
    "DELETE",
    BASE + "/organizations/{organization_id}/api-token/",
    operation="registry-delete-api-token",
    action=Marker.STAFF,
    surface=NAME,
)
def delete_api_token(request: ApiRequest) -> Json:
    """Take the token of the Device Magic API away."""
    organizations = request.services.registry.organizations
    organizations.delete_token(_number(request, "organization_id"), origin_of(request))
    return _DONE


@route("PATCH", BASE + "/users/{email}/", operation="registry-move-user", action=Marker.STAFF, surface=NAME)
def move_user(request: ApiRequest) -> Json:
    """Put a user into another organization; his devices stay where they are."""
    account = request.services.accounts.get_by_email(request.path_params["email"])
    organization_id = member(json_object(request), "organization_id", int, required=True)
    organizations = request.services.registry.organizations
    organizations.move_user(account.id, organization_id, origin_of(request))
    request.services.access.forget(account_id=account.id)
    return {"user": account.email, "organization_id": organization_id}


# -- role grants ---------------------------------------------------------------------------------------------


@route("GET", BASE + "/role-grants/", operation="registry-role-grants", action=Marker.STAFF, surface=NAME)
def role_grants(request: ApiRequest) -> Json:
    """List who has which role in which runtime."""
    return {"role_grants": [grant_json(grant) for grant in request.services.registry.grants.all()]}


@route("POST", BASE + "/role-grants/", operation="registry-grant-role", action=Marker.STAFF, surface=NAME)
def grant_role(request: ApiRequest) -> Reply:
    """Give somebody a role."""
    values = json_object(request)
    account = request.services.accounts.get_by_email(member(values, "user", str, required=True))
    role, runtime = (member(values, name, str, required=True) for name in ("role", "runtime"))
    grant = request.services.registry.grants.create(account.id, role, runtime, origin_of(request))
    return Reply(grant_json(grant), 201)


@route(
    "DELETE",
    BASE + "/role-grants/{grant_id}/",
    operation="registry-withdraw-role",
    action=Marker.STAFF,
    surface=NAME,
)
def withdraw_role(request: ApiRequest) -> Json:
    """Take a role away."""
    request.services.registry.grants.delete(_number(request, "grant_id"), origin_of(request))
    return _DONE


# -- applications --------------------------------------------------------------------------------------------


@route("GET", BASE + "/oauth-clients/", operation="registry-oauth-clients", action=Marker.STAFF, surface=NAME)
def oauth_clients(request: ApiRequest) -> Json:
    """List the applications of the MetaAccess API."""
    return {"oauth_clients": [client_json(each) for each in request.services.registry.oauth_clients.all()]}


@route(
    "POST", BASE + "/oauth-clients/", operation="registry-add-oauth-client", action=Marker.STAFF, surface=NAME
)
def add_oauth_client(request: ApiRequest) -> Reply:
    """Make an application; its secret is shown this once."""
    values, account_id = json_object(request), request.caller.account_id
    assert account_id is not None, "administrators have accounts"
    client, secret = request.services.registry.oauth_clients.create(
        member(values, "name", str, required=True),
        member(values, "organization_id", int) or 1,
        member(values, "redirect_uris", list) or [],
        account_id,
        origin_of(request),
    )
    return Reply({**client_json(client), "client_secret": secret}, 201)


@route(
    "DELETE",
    BASE + "/oauth-clients/{number}/",
    operation="registry-delete-oauth-client",
    action=Marker.STAFF,
    surface=NAME,
)
def delete_oauth_client(request: ApiRequest) -> Json:
    """Delete an application, and its tokens with it."""
    request.services.registry.oauth_clients.delete(_number(request, "number"), origin_of(request))
    return _DONE


# -- enrolment -----------------------------------------------------------------------------------------------


@route(
    "GET", BASE + "/enrolment-codes/", operation="registry-enrolment-codes", action=Marker.STAFF, surface=NAME
)
def enrolment_codes(request: ApiRequest) -> Json:
    """List the codes that let agents in, without the codes."""
    return {"enrolment_codes": [code_json(code) for code in request.services.registry.enrolment_codes.all()]}


@route(
    "POST",
    BASE + "/enrolment-codes/",
    operation="registry-add-enrolment-code",
    action=Marker.STAFF,
    surface=NAME,
)
def add_enrolment_code(request: ApiRequest) -> Reply:
    """Make a code; it is shown this once."""
    values = json_object(request)
    max_uses = member(values, "max_uses", int)
    made, code = request.services.registry.enrolment_codes.create(
        member(values, "organization_id", int) or 1,
        origin_of(request),
        max_uses=1 if max_uses is None else max_uses,
        expires_at=time_of("expires_at", values.get("expires_at")),
        group=member(values, "group", str),
        auto_approve=bool(member(values, "auto_approve", bool)),
    )
    return Reply({**code_json(made), "code": code}, 201)


@route(
    "DELETE",
    BASE + "/enrolment-codes/{code_id}/",
    operation="registry-delete-enrolment-code",
    action=Marker.STAFF,
    surface=NAME,
)
def delete_enrolment_code(request: ApiRequest) -> Json:
    """Take a code back."""
    request.services.registry.enrolment_codes.delete(_number(request, "code_id"), origin_of(request))
    return _DONE


@route("POST", BASE + "/observations/", operation="registry-observe", action=Marker.STAFF, surface=NAME)
def observe(request: ApiRequest) -> Reply:
    """Note that an address was seen on the network; 201 for one that nobody knew."""
    values, registry = json_object(request), request.services.registry
    mac = member(values, "mac", str, required=True)
    host_name = member(values, "hostname", str) or ""
    address = member(values, "ip", str) or ""
    if len(host_name) > 255:
        raise InvalidArgument("hostname", "longer than 255 characters")
    organization_id = member(values, "organization_id", int) or 1
    number, created = registry.sightings.observe(organization_id, mac, address, host_name, origin_of(request))
    device = registry.get(number)
    shown = {"id": device.id, "uid": device.uid, "kind": device.kind, "display_name": device.display_name}
    return Reply(shown, 201 if created else 200)
