"""Everything that moves content in and out, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from seafleet.transfers.content import Contents
from seafleet.transfers.keys import LibraryKeys
from seafleet.transfers.limits import Limits
from seafleet.transfers.progress import UploadProgress
from seafleet.transfers.resumable import ResumableUploads

if TYPE_CHECKING:
    from pathlib import Path

    from seafleet.accounts.service import Accounts
    from seafleet.clock import Clock
    from seafleet.db.engine import Database
    from seafleet.ids import RandomSource
    from seafleet.library.passwords import Passwords
    from seafleet.library.service import Libraries
    from seafleet.library.trees import Trees
    from seafleet.store.objects import ObjectStore

UPLOADS_FOLDER: Final = "uploads"


@dataclass(frozen=True, slots=True)
class Transfers:
    """The services behind the file server."""

    contents: Contents
    keys: LibraryKeys
    limits: Limits
    resumable: ResumableUploads
    progress: UploadProgress

    @classmethod
    def build(
        cls,
        *,
        database: Database,
        objects: ObjectStore,
        trees: Trees,
        libraries: Libraries,
        accounts: Accounts,
        passwords: Passwords,
        clock: Clock,
        random: RandomSource,
        data: Path,
        max_upload_bytes: int = 0,
    ) -> Transfers:
        """Put the services together. Unfinished uploads are kept in a folder below `data`."""
        return cls(
            contents=Contents(objects, trees),
            keys=LibraryKeys(passwords),
            limits=Limits(accounts, libraries, max_upload_bytes),
            resumable=ResumableUploads(database, clock, random, data / UPLOADS_FOLDER),
            progress=UploadProgress(),
        )

    def purge(self) -> None:
        """Remove what has expired; to be called every few minutes."""
        self.keys.purge()
        self.resumable.purge()
