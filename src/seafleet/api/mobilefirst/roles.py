"""Who may do what in a runtime.

Source: MobileFirst devices §1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from seafleet.api.mobilefirst.surface import Refusal
from seafleet.devices.clients import ROLES
from seafleet.errors import OrganizationNotFound

if TYPE_CHECKING:
    from seafleet.actor import Actor
    from seafleet.api.kernel import ApiRequest
    from seafleet.api.services import Services
    from seafleet.devices.organizations import Organization

READERS: Final = frozenset(ROLES)
OPERATORS: Final = READERS - {"mfpmonitor"}


def runtime_of(
    request: ApiRequest, allowed: frozenset[str] = READERS, *, running: bool = True
) -> Organization:
    """Return the organization of the runtime in the path.

    Raises Refusal (403) unless the caller has one of the roles, and OrganizationNotFound; with `running` also
    for a runtime that is stopped.
    """
    runtime = request.path_params["runtime"]
    _require(request.services, request.caller, allowed, runtime)
    organization = request.services.registry.organizations.by_runtime(runtime)
    if running and not organization.running:
        raise OrganizationNotFound(runtime)
    return organization


def _require(services: Services, caller: Actor, allowed: frozenset[str], runtime: str) -> None:
    """Raise Refusal without one of the roles, OrganizationNotFound if there is one in other runtimes only."""
    if caller.is_staff:
        return
    account_id = _account_id(caller)
    grants = services.registry.grants
    roles = grants.roles_of(account_id, runtime)
    if roles & allowed:
        return
    if roles or not grants.has_any(account_id):
        raise Refusal(403, "forbidden")
    raise OrganizationNotFound(runtime)


def readable_runtimes(services: Services, caller: Actor) -> list[Organization]:
    """Return the organizations whose runtimes the caller may look at. Raises Refusal (403) without a role."""
    organizations = services.registry.organizations.all()
    if caller.is_staff:
        return organizations
    account_id, grants = _account_id(caller), services.registry.grants
    if not grants.has_any(account_id):
        raise Refusal(403, "forbidden")
    return [each for each in organizations if grants.roles_of(account_id, each.runtime)]


def _account_id(caller: Actor) -> int:
    assert caller.account_id is not None
    return caller.account_id
