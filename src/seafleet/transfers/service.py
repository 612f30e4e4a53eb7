"""Everything that moves content in and out, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from seafleet.transfers.content import Contents
from seafleet.transfers.keys import LibraryKeys
from seafleet.transfers.limits import Limits
from seafleet.transfers.progress import UploadProgress
from seafleet.transfers.resumable import ResumableUploads
from seafleet.transfers.zip import Zips
from seafleet.transfers.zip_tasks import ZipTasks

if TYPE_CHECKING:
    from seafleet.accounts.service import Accounts
    from seafleet.clock import Clock
    from seafleet.db.engine import Database
    from seafleet.ids import RandomSource
    from seafleet.library.passwords import Passwords
    from seafleet.library.service import Libraries
    from seafleet.library.trees import Trees
    from seafleet.settings import Settings
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
    zips: Zips
    zip_tasks: ZipTasks

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
        settings: Settings,
    ) -> Transfers:
        """Put the services together. Unfinished uploads are kept in a folder below the data folder."""
        contents = Contents(objects, trees)
        return cls(
            contents=contents,
            keys=LibraryKeys(passwords),
            limits=Limits(accounts, libraries, settings.max_upload_bytes),
            resumable=ResumableUploads(database, clock, random, settings.data / UPLOADS_FOLDER),
            progress=UploadProgress(database, clock),
            zips=Zips(trees, contents, clock, settings.zone, settings.max_zip_bytes),
            zip_tasks=ZipTasks(database, clock),
        )

    def purge(self) -> None:
        """Remove what has expired; to be called every few minutes."""
        self.keys.purge()
        self.resumable.purge()
