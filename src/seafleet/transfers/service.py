"""Everything that moves content in and out, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seafleet.transfers.content import Contents
from seafleet.transfers.keys import LibraryKeys
from seafleet.transfers.limits import Limits

if TYPE_CHECKING:
    from seafleet.accounts.service import Accounts
    from seafleet.clock import Clock
    from seafleet.db.engine import Database
    from seafleet.library.service import Libraries
    from seafleet.library.trees import Trees
    from seafleet.secrets import ServerSecret
    from seafleet.store.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Transfers:
    """The services behind the file server."""

    contents: Contents
    keys: LibraryKeys
    limits: Limits

    @classmethod
    def build(
        cls,
        *,
        database: Database,
        objects: ObjectStore,
        trees: Trees,
        libraries: Libraries,
        accounts: Accounts,
        clock: Clock,
        secret: ServerSecret,
        max_upload_bytes: int = 0,
    ) -> Transfers:
        """Put the services together."""
        return cls(
            contents=Contents(objects, trees),
            keys=LibraryKeys(database, clock, secret),
            limits=Limits(accounts, libraries, max_upload_bytes),
        )

    def purge(self) -> None:
        """Remove what has expired; to be called every few minutes."""
        self.keys.purge()
