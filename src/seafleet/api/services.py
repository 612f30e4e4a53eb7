"""Everything that surfaces may call, in one value.

Filled by the composition root, handed to every request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seafleet.access import Access
    from seafleet.accounts import AccessTokens, Accounts, LoginTickets, SyncTokens, Throttle, Tokens
    from seafleet.accounts.default_library import DefaultLibraries
    from seafleet.accounts.names import Names
    from seafleet.accounts.sessions import WebSessions
    from seafleet.activity.audit import Audit
    from seafleet.api.kernel.books import RequestMetrics
    from seafleet.api.kernel.pool import WorkerPool
    from seafleet.clock import Clock
    from seafleet.db.engine import Database
    from seafleet.devices.registry import Registry
    from seafleet.devices.service import Devices
    from seafleet.files.identities import Identities
    from seafleet.files.stars import Stars
    from seafleet.ids import RandomSource
    from seafleet.jobs.housekeeping import Housekeeping
    from seafleet.jobs.runner import JobRunner
    from seafleet.labels.service import Labels
    from seafleet.library.bin import LibraryBin
    from seafleet.library.history import History
    from seafleet.library.locks import Locks
    from seafleet.library.passwords import Passwords
    from seafleet.library.service import Libraries
    from seafleet.library.sub_libraries import SubLibraries
    from seafleet.library.trash import Trash
    from seafleet.library.trees import Trees
    from seafleet.links.share_links import ShareLinks
    from seafleet.oauth.rates import Rates
    from seafleet.oauth.service import OAuth
    from seafleet.secrets import ServerSecret
    from seafleet.settings import Settings
    from seafleet.sharing.ownership import Ownership
    from seafleet.sharing.publishing import Publishing
    from seafleet.sharing.shares import Shares
    from seafleet.store.collect import Collector
    from seafleet.store.objects import ObjectStore
    from seafleet.sync.service import Sync
    from seafleet.transfers.copying import Copier
    from seafleet.transfers.links import UploadLinks
    from seafleet.transfers.service import Transfers
    from seafleet.transfers.tasks import TransferTasks


@dataclass(slots=True)
class Services:
    """The server's services and their thread pools. `operations` names all that routes serve."""

    settings: Settings
    clock: Clock
    db: Database
    objects: ObjectStore
    trees: Trees
    libraries: Libraries
    history: History
    trash: Trash
    library_bin: LibraryBin
    sub_libraries: SubLibraries
    library_passwords: Passwords
    ownership: Ownership
    publishing: Publishing
    shares: Shares
    default_libraries: DefaultLibraries
    accounts: Accounts
    names: Names
    locks: Locks
    stars: Stars
    identities: Identities
    share_links: ShareLinks
    labels: Labels
    tokens: Tokens
    access_tokens: AccessTokens
    sync_tokens: SyncTokens
    tickets: LoginTickets
    sessions: WebSessions
    devices: Devices
    registry: Registry
    oauth: OAuth
    rates: Rates
    access: Access
    throttle: Throttle
    transfers: Transfers
    upload_links: UploadLinks
    copier: Copier
    tasks: TransferTasks
    jobs: JobRunner
    collector: Collector
    housekeeping: Housekeeping
    sync: Sync
    audit: Audit
    secret: ServerSecret
    random: RandomSource
    api: WorkerPool
    io: WorkerPool
    auth: WorkerPool
    metrics: RequestMetrics
    operations: frozenset[str] = frozenset()
