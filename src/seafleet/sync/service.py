"""Everything behind the sync protocol, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seafleet.sync.polls import HeadPolls
from seafleet.sync.pushes import Pushes
from seafleet.sync.refusals import Refusals
from seafleet.sync.subscriptions import Subscriptions

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Database
    from seafleet.devices.service import Devices
    from seafleet.library.service import Libraries
    from seafleet.secrets import ServerSecret


@dataclass(frozen=True, slots=True)
class Sync:
    """The services behind the sync protocol."""

    polls: HeadPolls
    pushes: Pushes
    refusals: Refusals
    subscriptions: Subscriptions

    @classmethod
    def build(
        cls,
        *,
        database: Database,
        libraries: Libraries,
        devices: Devices,
        clock: Clock,
        secret: ServerSecret,
    ) -> Sync:
        """Put the services together."""
        return cls(
            polls=HeadPolls(database),
            pushes=Pushes(libraries),
            refusals=Refusals(database, clock, devices),
            subscriptions=Subscriptions(secret, clock),
        )
