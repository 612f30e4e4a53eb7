"""Who looks at the console, which organizations he sees, and what he may do there.

Administrators may do everything everywhere. Whoever has a role in a runtime sees the devices of its
organization, and may do what the role's own API lets him do.

Source: device registry §9; MobileFirst devices §1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from seafleet.api.kernel import ReplyError
from seafleet.devices.clients import ROLES
from seafleet.devices.origin import Origin
from seafleet.web.console.render import console_page
from seafleet.web.login import login_address
from seafleet.web.pages import form_token, redirect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seafleet.actor import Actor
    from seafleet.api.kernel import ApiRequest, Reply
    from seafleet.devices.organizations import Organization

HOME: Final = "/devices/"
ROLE_DEEDS: Final = frozenset(("approve", "activate", "lost", "stolen", "disable", "remove"))
_OPERATORS: Final = frozenset(ROLES) - {"mfpmonitor"}
_NOTHING: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is let in. `deeds` names what he may do, by organization; None means everything."""

    actor: Actor
    organizations: tuple[Organization, ...]
    deeds: Mapping[int, frozenset[str]] | None = None

    def sees(self, organization_id: int) -> bool:
        """Tell whether he may look at an organization's devices."""
        return any(each.id == organization_id for each in self.organizations)

    def may(self, deed: str, organization_id: int) -> bool:
        """Tell whether he may do something to an organization's devices."""
        return self.deeds is None or deed in self.deeds.get(organization_id, _NOTHING)

    def may_anywhere(self, deed: str) -> bool:
        """Tell whether he may do something to anybody's devices."""
        return any(self.may(deed, each.id) for each in self.organizations)

    @property
    def only_organization(self) -> int | None:
        """Return the organization that he sees, if it is one."""
        return self.organizations[0].id if len(self.organizations) == 1 else None


def enter(request: ApiRequest) -> Visitor:
    """Return who looks at the console.

    Raises ReplyError: to the login for whoever is not logged in, 403 for whoever has no business here.
    """
    actor = request.actor
    if actor is None or actor.account_id is None:
        raise ReplyError(redirect(login_address(_here(request))))
    registry = request.services.registry
    organizations = registry.organizations.all()
    if actor.is_staff:
        return Visitor(actor, tuple(organizations))
    running = [each for each in organizations if each.running]  # a stopped runtime answers nobody with a role
    roles = {each.id: registry.grants.roles_of(actor.account_id, each.runtime) for each in running}
    visible = tuple(each for each in running if roles[each.id])
    if not visible:
        raise ReplyError(_not_allowed(request, actor))
    deeds = {number: ROLE_DEEDS for number, held in roles.items() if held & _OPERATORS}
    return Visitor(actor, visible, deeds)


def origin_of(request: ApiRequest) -> Origin:
    """Return who acts, for the log."""
    return Origin("user", request.caller.email, "native", request.client_ip, request.request_id)


def _here(request: ApiRequest) -> bytes:
    """Return the address to come back to after the login: that of this page, or of the list for a form."""
    if request.method != "GET":
        return HOME.encode()
    path: bytes = request.scope["raw_path"]
    return path + b"?" + request.query_string if request.query_string else path


def _not_allowed(request: ApiRequest, actor: Actor) -> Reply:
    return console_page(
        "not_allowed.html",
        403,
        email=actor.email,
        token=form_token(request),
        logout=f"/accounts/logout/?next={quote(HOME, safe='')}",
    )
