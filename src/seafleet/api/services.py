"""Everything that surfaces may call, in one value.

Filled by the composition root, handed to every request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seafleet.access import Access
    from seafleet.accounts.access_tokens import AccessTokens
    from seafleet.accounts.service import Accounts
    from seafleet.accounts.sync_tokens import SyncTokens
    from seafleet.accounts.throttle import Throttle
    from seafleet.accounts.tokens import Tokens
    from seafleet.api.kernel.books import RequestMetrics
    from seafleet.api.kernel.pool import WorkerPool
    from seafleet.clock import Clock
    from seafleet.db.engine import Database
    from seafleet.library.service import Libraries
    from seafleet.library.trees import Trees
    from seafleet.settings import Settings
    from seafleet.store.objects import ObjectStore


@dataclass(slots=True)
class Services:
    """The server's services and their thread pools. `operations` names all that routes serve."""

    settings: Settings
    clock: Clock
    db: Database
    objects: ObjectStore
    trees: Trees
    libraries: Libraries
    accounts: Accounts
    tokens: Tokens
    access_tokens: AccessTokens
    sync_tokens: SyncTokens
    access: Access
    throttle: Throttle
    api: WorkerPool
    io: WorkerPool
    auth: WorkerPool
    metrics: RequestMetrics
    operations: frozenset[str] = frozenset()
