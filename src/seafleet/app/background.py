"""What the server does by itself while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from seafleet.app.threads import Periodic

if TYPE_CHECKING:
    from seafleet.api.services import Services
    from seafleet.library.model import HeadChanged

PURGE_SECONDS: Final = 300
STEP_SECONDS: Final = 30.0
"""How long a sub-library waits when another process made the change; our own are looked after at once."""

HEARTBEAT_SECONDS: Final = 5
REGISTRY_SECONDS: Final = 600
"""How often it is looked whether the registry's daily task is due."""

_STEP_LIMIT: Final = 100


def background_of(services: Services) -> Periodic:
    """Return the work, not yet begun: remove what has expired, bring sub-libraries into step, see to
    the device registry.
    """
    work = Periodic()
    work.add("purge", PURGE_SECONDS, lambda: purge(services))
    work.add("tasks", HEARTBEAT_SECONDS, services.tasks.renew)
    work.add("housekeeping", PURGE_SECONDS, services.housekeeping.run_if_due)
    work.add("device registry", REGISTRY_SECONDS, services.registry.daily.run_if_due)
    bring_into_step = work.add("sub-libraries", STEP_SECONDS, lambda: step(services))

    def head_changed(change: HeadChanged) -> None:
        if change.needs_propagation:
            bring_into_step()

    services.libraries.listen(head_changed)
    return work


def purge(services: Services) -> None:
    """Remove tokens, keys, locks and counters whose time is over."""
    services.access_tokens.purge()
    services.transfers.purge()
    services.tasks.purge()
    services.locks.purge()
    services.throttle.purge()
    services.sync.purge()
    services.sessions.purge()
    services.oauth.purge()
    services.rates.purge()


def step(services: Services) -> None:
    """Bring sub-libraries into step until none waits, or those that do cannot be."""
    while services.sub_libraries.run_pending(_STEP_LIMIT) == _STEP_LIMIT:
        pass
