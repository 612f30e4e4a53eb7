"""Runtimes: each organization is one.

Source: MobileFirst devices §1, §7.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seafleet.api.kernel import ApiRequest, Reply
from seafleet.api.mobilefirst import shapes
from seafleet.api.mobilefirst.roles import readable_runtimes, runtime_of
from seafleet.api.mobilefirst.surface import Refusal, represent, serves
from seafleet.devices.listing import of_organization

if TYPE_CHECKING:
    from seafleet.devices.organizations import Organization


@serves("GET", "/runtimes", operation="mobilefirst-runtimes")
def list_runtimes(request: ApiRequest) -> Reply:
    """Return the runtimes that the caller may look at: those that run, or all that are known (`mode=db`)."""
    organizations = readable_runtimes(request.services, request.caller)
    mode = request.query("mode", "running")
    if mode not in ("running", "db"):
        raise Refusal(400, "parameter_invalid", parameter="mode")
    shown = [each for each in organizations if each.running or mode == "db"]
    return represent(request, *shapes.projects([_project(request, each) for each in shown]))


@serves("GET", "/runtimes/{runtime}", operation="mobilefirst-runtime")
def show_runtime(request: ApiRequest) -> Reply:
    """Return one runtime, be it running or not, and how much there is in it."""
    organization = runtime_of(request, running=False)
    listing = request.services.registry.listing
    every = of_organization(organization.id)
    members = shapes.runtime_members(
        organization,
        active=listing.count(replace(every, statuses=("ACTIVE",))),
        expired=listing.count(replace(every, statuses=("EXPIRED",))),
        apps=len(listing.app_names(organization.id)),
    )
    return represent(request, *shapes.runtime(members))


def _project(request: ApiRequest, organization: Organization) -> dict[str, object]:
    base = request.scope["path"].rstrip("/")
    return shapes.project_members(organization, request.absolute_url(f"{base}/{organization.runtime}"))
