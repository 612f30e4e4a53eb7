"""What has to be done once in a while, by one of the workers: garbage, deleted libraries, old records.

Which worker it is gets decided by a row in the `setting` table, moved by compare-and-set when the time has
come. Collection runs while the server serves; it is safe at any time and may be broken off at any time.

Source: storage format §12; design §3.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select, update

from seafleet.db.engine import Transaction, upsert
from seafleet.db.tables import setting
from seafleet.logs import logger
from seafleet.store.deleted import remove_deleted

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Database
    from seafleet.library.bin import LibraryBin
    from seafleet.store.collect import Collector
    from seafleet.store.objects import ObjectStore

HOUR_SECONDS: Final = 3600
_KEY: Final = "housekeeping_at"

_READ: Final = select(setting.c.value).where(setting.c.key == _KEY)
_FIRST: Final = upsert(setting).on_conflict_do_nothing(index_elements=[setting.c.key])
_CLAIM: Final = (
    update(setting)
    .where(setting.c.key == _KEY, setting.c.value == bindparam("seen"))
    .values(value=bindparam("now"))
)
_log: Any = logger("housekeeping")


class Housekeeping:
    """Runs every `every_hours`, on one worker; never if that is 0. Deleted libraries are kept for
    `keep_deleted_days`, for ever if that is negative.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        objects: ObjectStore,
        collector: Collector,
        library_bin: LibraryBin,
        *,
        every_hours: int,
        keep_deleted_days: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._objects = objects
        self._collector = collector
        self._bin = library_bin
        self._every_hours = every_hours
        self._keep_deleted_days = keep_deleted_days

    def run_if_due(self) -> bool:
        """Do the work if its time has come and no other worker is faster; tell whether it was done."""
        if self._every_hours <= 0 or not self._claim():
            return False
        self.run()
        return True

    def run(self) -> None:
        """Give up libraries that were deleted long ago, and remove everything that nobody refers to."""
        if self._keep_deleted_days >= 0:
            self._bin.purge_older(self._clock.now() - timedelta(days=self._keep_deleted_days))
        for removed in remove_deleted(self._objects):
            _log.info("removed a deleted library", library=removed.library_id, bytes=removed.removed_bytes)
        for collected in self._collector.collect_all():
            if collected.removed_bytes or collected.skipped:
                _log.info(
                    "collected",
                    store=collected.store_id,
                    bytes=collected.removed_bytes,
                    skipped=collected.skipped or "",
                )

    def _claim(self) -> bool:
        """Take the next run for this worker. The first one comes a whole interval after the first start."""
        now = self._clock.timestamp()
        with self._database.read() as connection:
            seen = connection.execute(_READ).scalar()
        if seen is not None and int(seen) + self._every_hours * HOUR_SECONDS > now:
            return False

        def work(tx: Transaction) -> bool:
            if seen is None:
                tx.execute(_FIRST, {"key": _KEY, "value": str(now)})
                return False
            return tx.execute(_CLAIM, {"seen": seen, "now": str(now)}).rowcount == 1

        return self._database.write(work)
