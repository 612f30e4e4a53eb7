"""Everything behind the sync protocol, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seafleet.sharing.reachable import reachable_libraries
from seafleet.sync import feed
from seafleet.sync.blocks import SmallBlocks
from seafleet.sync.polls import HeadPolls
from seafleet.sync.pushes import Pushes
from seafleet.sync.refusals import Refusals
from seafleet.sync.rules import ClientRules
from seafleet.sync.subscriptions import Subscriptions

if TYPE_CHECKING:
    from seafleet.actor import Actor
    from seafleet.clock import Clock
    from seafleet.db.engine import Database
    from seafleet.devices.service import Devices
    from seafleet.library.service import Libraries
    from seafleet.secrets import ServerSecret
    from seafleet.sharing.reachable import ReachableLibrary
    from seafleet.store.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Sync:
    """The services behind the sync protocol."""

    database: Database
    clock: Clock
    polls: HeadPolls
    rules: ClientRules
    pushes: Pushes
    refusals: Refusals
    subscriptions: Subscriptions
    small_blocks: SmallBlocks

    @classmethod
    def build(
        cls,
        *,
        database: Database,
        objects: ObjectStore,
        libraries: Libraries,
        devices: Devices,
        clock: Clock,
        secret: ServerSecret,
    ) -> Sync:
        """Put the services together."""
        return cls(
            database=database,
            clock=clock,
            polls=HeadPolls(database),
            rules=ClientRules(database, clock),
            pushes=Pushes(libraries),
            refusals=Refusals(database, clock, devices),
            subscriptions=Subscriptions(secret, clock),
            small_blocks=SmallBlocks(objects),
        )

    def reachable(self, actor: Actor) -> list[ReachableLibrary]:
        """Return every library that an account reaches, once for each way."""
        with self.database.read() as connection:
            return reachable_libraries(connection, actor)

    def purge(self) -> None:
        """Remove news that everybody has read; to be called every few minutes."""
        feed.purge(self.database, self.clock)
