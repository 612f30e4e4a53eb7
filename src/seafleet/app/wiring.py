"""Which service is made of which: one property for each field of `Services`.

Each is made when something first needs it, so that the order of lines does not matter, and imports what it is
made of, so that a command which needs little loads little.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cached_property
from random import SystemRandom
from typing import TYPE_CHECKING, Final

from seafleet.api.services import Services
from seafleet.app.threads import Threads
from seafleet.app.wiring_devices import DeviceWiring
from seafleet.errors import StorageFailure

if TYPE_CHECKING:
    from seafleet.access import Access
    from seafleet.accounts import (
        AccessTokens,
        Account,
        Accounts,
        LoginTickets,
        Roles,
        SyncTokens,
        Throttle,
        Tokens,
    )
    from seafleet.accounts.default_library import DefaultLibraries
    from seafleet.accounts.names import Names
    from seafleet.accounts.sessions import WebSessions
    from seafleet.activity.audit import Audit
    from seafleet.api.kernel.books import RequestMetrics
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.files.identities import Identities
    from seafleet.files.stars import Stars
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
    from seafleet.secrets import ServerSecret
    from seafleet.settings import Settings
    from seafleet.sharing.ownership import Ownership
    from seafleet.sharing.publishing import Publishing
    from seafleet.sharing.shares import Shares
    from seafleet.store.collect import Collector
    from seafleet.store.contract import ReadLayer
    from seafleet.store.objects import ObjectStore
    from seafleet.sync.service import Sync
    from seafleet.transfers.copying import Copier
    from seafleet.transfers.links import UploadLinks
    from seafleet.transfers.service import Transfers
    from seafleet.transfers.tasks import TransferTasks

DATA_MODE: Final = 0o700


class Wiring(DeviceWiring):
    """Makes the services of one server, each once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.random = SystemRandom()
        self.operations: frozenset[str] = frozenset()

    def abandon(self) -> None:
        """Close what has been opened, when the rest could not be made."""
        made = vars(self)
        for name in ("libraries", "db"):
            if name in made:
                made[name].close()

    # -- ground ----------------------------------------------------------------------------------------------

    @cached_property
    def clock(self) -> Clock:
        """The machine's clock."""
        from seafleet.clock import SystemClock

        return SystemClock()

    @cached_property
    def secret(self) -> ServerSecret:
        """The server's secret, from the settings or its file."""
        from seafleet.secrets import ServerSecret

        text = self.settings.secret.get_secret_value()
        return ServerSecret.from_text(text) if text else ServerSecret.open(self.settings.secret_path)

    @cached_property
    def db(self) -> Database:
        """The database, made or migrated as needed."""
        from seafleet.db.engine import Database

        pool_size = self.settings.api_threads + 4
        return Database.open(self.settings.resolved_database_url, pool_size=pool_size)

    @cached_property
    def audit(self) -> Audit:
        """The audit log."""
        from seafleet.activity.audit import Audit

        return Audit(self.clock)

    @cached_property
    def metrics(self) -> RequestMetrics:
        """The counters of requests."""
        from seafleet.api.kernel.books import RequestMetrics

        return RequestMetrics()

    @cached_property
    def api(self) -> Threads:
        """Threads for small requests."""
        return Threads("api", self.settings.api_threads)

    @cached_property
    def io(self) -> Threads:
        """Threads for content of files."""
        return Threads("io", self.settings.io_threads)

    @cached_property
    def auth(self) -> Threads:
        """Threads for passwords, few because each takes much memory."""
        return Threads("auth", self.settings.auth_threads)

    # -- libraries -------------------------------------------------------------------------------------------

    @cached_property
    def objects(self) -> ObjectStore:
        """The object store in database and data folder, over an existing Seafile folder if there is one."""
        from seafleet.store.local import LocalBlobs
        from seafleet.store.objects import ObjectStore

        blobs = LocalBlobs(self.settings.data, self.clock)
        blobs.tidy()
        return ObjectStore(
            self.db,
            blobs,
            layers=self._layers(),
            clock=self.clock,
            inline_block_bytes=self.settings.inline_block_bytes,
        )

    def _layers(self) -> list[ReadLayer]:
        if self.settings.seafile_data is None:
            return []
        from seafleet.store.seafile_folder import SeafileFolder

        return [SeafileFolder(self.settings.seafile_data)]

    @cached_property
    def trees(self) -> Trees:
        """Folders and files of libraries."""
        from seafleet.library.trees import Trees

        return Trees(self.objects)

    @cached_property
    def libraries(self) -> Libraries:
        """The libraries, which ask the accounts for their owners' quotas."""
        from seafleet.library.service import Libraries

        return Libraries(
            self.db,
            self.objects,
            self.trees,
            self.clock,
            self.random,
            quota_of=self._quota_of,
            time_zone=self.settings.zone,
            default_history_days=self.settings.keep_history_days,
            edit_threads=self.settings.api_threads,
        )

    def _quota_of(self, account_id: int) -> int | None:
        quota_bytes = self.accounts.quota(self.accounts.get(account_id))
        return None if quota_bytes < 0 else quota_bytes

    @cached_property
    def history(self) -> History:
        """Commits and revisions of libraries."""
        from seafleet.library.history import History

        return History(self.libraries)

    @cached_property
    def trash(self) -> Trash:
        """What was deleted inside of libraries."""
        from seafleet.library.trash import Trash

        return Trash(self.libraries, self.history)

    @cached_property
    def library_bin(self) -> LibraryBin:
        """Libraries that were deleted."""
        from seafleet.library.bin import LibraryBin

        return LibraryBin(self.db, self.objects)

    @cached_property
    def sub_libraries(self) -> SubLibraries:
        """Folders that are shown as libraries."""
        from seafleet.library.sub_libraries import SubLibraries

        return SubLibraries(self.libraries, self.history)

    @cached_property
    def library_passwords(self) -> Passwords:
        """Passwords and unlocked keys of encrypted libraries."""
        from seafleet.library.passwords import Passwords

        return Passwords(self.libraries, self.secret)

    @cached_property
    def ownership(self) -> Ownership:
        """Libraries given to somebody else."""
        from seafleet.sharing.ownership import Ownership

        return Ownership(self.db, self.clock, self.audit)

    @cached_property
    def publishing(self) -> Publishing:
        """Libraries shared with everybody."""
        from seafleet.sharing.publishing import Publishing

        return Publishing(self.db, self.clock, self.audit)

    @cached_property
    def shares(self) -> Shares:
        """Libraries shared with accounts and groups."""
        from seafleet.sharing.shares import Shares

        return Shares(self.db, self.clock, self.audit)

    @cached_property
    def default_libraries(self) -> DefaultLibraries:
        """The library that applications offer first."""
        from seafleet.accounts.default_library import DefaultLibraries

        return DefaultLibraries(self.libraries, self.settings.default_library_template)

    @cached_property
    def locks(self) -> Locks:
        """Locks on files."""
        from seafleet.library.locks import Locks

        return Locks(self.db, self.clock)

    @cached_property
    def identities(self) -> Identities:
        """Lasting names of files and folders."""
        from seafleet.files.identities import Identities

        return Identities(self.db, self.random)

    @cached_property
    def stars(self) -> Stars:
        """Starred items."""
        from seafleet.files.stars import Stars

        return Stars(self.db)

    @cached_property
    def labels(self) -> Labels:
        """Snapshot labels."""
        from seafleet.labels.service import Labels

        return Labels(self.db, self.clock)

    @cached_property
    def share_links(self) -> ShareLinks:
        """Links to files and folders."""
        from seafleet.links.share_links import ShareLinks

        return ShareLinks(self.db, self.clock, self.random)

    @cached_property
    def transfers(self) -> Transfers:
        """Uploads and downloads."""
        from seafleet.transfers.service import Transfers

        return Transfers.build(
            database=self.db,
            objects=self.objects,
            trees=self.trees,
            libraries=self.libraries,
            accounts=self.accounts,
            passwords=self.library_passwords,
            clock=self.clock,
            random=self.random,
            settings=self.settings,
        )

    @cached_property
    def upload_links(self) -> UploadLinks:
        """Tokens to upload with."""
        from seafleet.transfers.links import UploadLinks

        return UploadLinks(self.access_tokens, self.clock, self.settings.web_token_expire_seconds)

    @cached_property
    def copier(self) -> Copier:
        """Copies and moves."""
        from seafleet.transfers.copying import Copier

        return Copier(self.libraries, self.transfers.contents, self.transfers.keys, self.transfers.limits)

    @cached_property
    def jobs(self) -> JobRunner:
        """Threads for what goes on after the answer."""
        from seafleet.jobs.runner import JobRunner

        return JobRunner()

    @cached_property
    def collector(self) -> Collector:
        """Removes what nobody refers to."""
        from seafleet.library.roots import LiveRoots
        from seafleet.store.collect import Collector

        return Collector(self.objects, LiveRoots(self.libraries, self.history), rng=self.random)

    @cached_property
    def housekeeping(self) -> Housekeeping:
        """What is done once a day."""
        from seafleet.jobs.housekeeping import Housekeeping

        return Housekeeping(
            self.db,
            self.clock,
            self.objects,
            self.collector,
            self.library_bin,
            every_hours=self.settings.collect_every_hours,
            keep_deleted_days=self.settings.keep_deleted_days,
        )

    @cached_property
    def tasks(self) -> TransferTasks:
        """Copies and moves in the background."""
        from seafleet.transfers.tasks import TransferTasks

        return TransferTasks(self.db, self.clock, self.random, self.copier, self.jobs.start)

    @cached_property
    def sync(self) -> Sync:
        """What sync clients are served with."""
        from seafleet.sync.service import Sync

        return Sync.build(
            database=self.db,
            objects=self.objects,
            libraries=self.libraries,
            devices=self.devices,
            clock=self.clock,
            secret=self.secret,
        )

    # -- people and devices ----------------------------------------------------------------------------------

    @cached_property
    def roles(self) -> Roles:
        """The built-in roles and those of the settings."""
        from seafleet.accounts.model import DEFAULT_ROLE, GUEST_ROLE, Role, Roles

        own = {name: Role(**role.model_dump()) for name, role in self.settings.roles.items()}
        return Roles({"default": DEFAULT_ROLE, "guest": GUEST_ROLE, **own})

    @cached_property
    def accounts(self) -> Accounts:
        """The accounts, which ask the libraries what their owners use."""
        from seafleet.accounts import Accounts
        from seafleet.accounts.login import LoginLimits

        accounts = Accounts(
            self.db,
            self.clock,
            self.audit,
            roles=self.roles,
            site_quota_bytes=self.settings.site_quota_bytes,
            usage=self.libraries.usage,
            login_limits=LoginLimits(max_failures=self.settings.login_max_failures),
        )
        accounts.on_revoked(lambda account_id: self.access.forget(account_id=account_id))
        accounts.on_delete(self._delete_libraries)
        return accounts

    def _delete_libraries(self, tx: Transaction, account: Account) -> None:
        from seafleet.library.model import Author

        self.library_bin.delete_all_of(tx, account.id, Author(account.email))

    @cached_property
    def names(self) -> Names:
        """Names of accounts for people."""
        from seafleet.accounts.names import Names

        return Names(self.db, self.clock)

    @cached_property
    def access(self) -> Access:
        """The one evaluator."""
        from seafleet.access import Access

        return Access(self.db, self.clock, self.devices, self.roles)

    @cached_property
    def tokens(self) -> Tokens:
        """API tokens."""
        from seafleet.accounts import Tokens

        return Tokens(self.db, self.clock, self.random, self.secret, self.devices, self.audit, self.roles)

    @cached_property
    def access_tokens(self) -> AccessTokens:
        """Tokens of single transfers."""
        from seafleet.accounts import AccessTokens

        return AccessTokens(self.db, self.clock, self.random, self.devices)

    @cached_property
    def sync_tokens(self) -> SyncTokens:
        """Tokens that sync one library to one device."""
        from seafleet.accounts import SyncTokens

        return SyncTokens(self.db, self.clock, self.random, self.secret, self.devices)

    @cached_property
    def tickets(self) -> LoginTickets:
        """Tickets by which an application opens the browser logged in."""
        from seafleet.accounts import LoginTickets

        return LoginTickets(self.db, self.clock, self.random)

    @cached_property
    def sessions(self) -> WebSessions:
        """Logins of browsers."""
        from seafleet.accounts.sessions import WebSessions

        return WebSessions(self.db, self.clock, self.random, self.secret, self.audit)

    @cached_property
    def throttle(self) -> Throttle:
        """Rates of requests; counted in the database unless one process is all there is."""
        from seafleet.accounts import Throttle
        from seafleet.accounts.throttle import TableCounters

        settings = self.settings
        is_alone = settings.workers == 1 and self.db.dialect == "sqlite"
        limits = {
            "ping": settings.throttle_ping_per_minute,
            "anon": settings.throttle_anon_per_minute,
            "user": settings.throttle_user_per_minute,
        }
        counters = None if is_alone else TableCounters(self.db)
        return Throttle(self.clock, counters, limits=limits, exempt=settings.throttle_exempt)


def build_services(settings: Settings) -> Services:
    """Return the server's services on its data folder and database, which are made as needed.

    Raises InvalidArgument for settings that do not fit what is there, StorageFailure for a database or folder
    that cannot be used.
    """
    _make_data_folder(settings)
    wiring = Wiring(settings)
    try:
        return Services(**{field.name: getattr(wiring, field.name) for field in fields(Services)})
    except BaseException:
        wiring.abandon()
        raise


def close_services(services: Services) -> None:
    """Finish what runs in threads and what waits to be written, and close the database."""
    services.tasks.close()
    services.jobs.close()
    for pool in (services.api, services.io, services.auth):
        pool.close()
    services.libraries.close()
    services.db.close()


def _make_data_folder(settings: Settings) -> None:
    try:
        settings.data.mkdir(mode=DATA_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailure(f"cannot make the data folder {settings.data}: {error.strerror}") from error
