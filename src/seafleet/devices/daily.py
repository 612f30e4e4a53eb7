"""What time does by itself: devices expire, exemptions end, tombstones and old entries go.

Source: device registry §5, "daily task"; §10.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, exists, select, update

from seafleet.db.engine import upsert
from seafleet.db.tables import (
    device,
    device_alias,
    device_app,
    device_attribute,
    device_command,
    device_link,
    device_mac,
    setting,
)
from seafleet.devices import commands, events, transactions
from seafleet.devices.change import Change
from seafleet.devices.origin import DAILY_TASK
from seafleet.devices.posture_runs import evaluate_all
from seafleet.devices.settings import PREFIX
from seafleet.devices.verbs import end_exemption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select

    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.devices.settings import SettingsStore

DAY_SECONDS: Final = 86_400
_CHUNK: Final = 200
_RAN_AT: Final = PREFIX + "task.ran_at"

_of = device.c
_SILENT: Final = select(_of.id).where(
    _of.kind == "managed",
    _of.removed_at.is_(None),
    _of.expired.is_(False),
    _of.admin_state == "ACTIVE",
    _of.last_seen <= bindparam("before"),
)
_NO_LONGER_EXEMPT: Final = select(_of.id).where(
    _of.removed_at.is_(None), _of.exempted_at.is_not(None), _of.exempt_until <= bindparam("before")
)
_TOMBSTONES: Final = select(_of.id).where(
    _of.removed_at <= bindparam("before"), exists().where(device_alias.c.device_id == _of.id)
)
_RAN: Final = select(setting.c.value).where(setting.c.key == _RAN_AT)
_put = upsert(setting).values(key=_RAN_AT, value=bindparam("value"))
_SET_RAN: Final = _put.on_conflict_do_update(index_elements=["key"], set_={"value": _put.excluded.value})


@dataclass(frozen=True, slots=True)
class DailyResult:
    """How much was done."""

    expired: int
    exemptions_ended: int
    tombstones_dropped: int
    commands_expired: int
    events_dropped: int
    transactions_dropped: int
    postures_changed: int


class DailyTask:
    """The registry's daily work. Safe to run at any time, and again."""

    def __init__(self, database: Database, clock: Clock, settings: SettingsStore) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._stopped = False

    def stop(self) -> None:
        """Have a run end after the few hundred devices that it is at, for a server that is about to end."""
        self._stopped = True

    def run_if_due(self) -> DailyResult | None:
        """Run unless some worker did so within a day; None if it did. What a stopped run leaves is due at
        once.
        """
        now = self._clock.timestamp()

        def claim(tx: Transaction) -> bool:
            ran = tx.execute(_RAN).scalar_one_or_none()
            if ran is not None and 0 <= now - int(ran) < DAY_SECONDS:
                return False
            tx.execute(_SET_RAN, {"value": str(now)})
            return True

        if not self._database.write(claim):
            return None
        done = self.run()
        if self._stopped:
            self._database.write(lambda tx: tx.execute(_SET_RAN, {"value": "0"}).rowcount)
        return done

    def run(self) -> DailyResult:
        """Do everything that is due."""
        now, current = self._clock.timestamp(), self._settings.current
        silent = now - current.expire_after_days * DAY_SECONDS
        forgotten = now - current.tombstone_days * DAY_SECONDS
        return DailyResult(
            expired=self._each(_SILENT, silent, _expire),
            exemptions_ended=self._each(_NO_LONGER_EXEMPT, now, _end_exemption),
            tombstones_dropped=self._each(_TOMBSTONES, forgotten, _drop),
            commands_expired=self._database.write(lambda tx: commands.expire(tx, now)),
            events_dropped=self._database.write(lambda tx: events.purge(tx, now)),
            transactions_dropped=self._database.write(lambda tx: transactions.purge(tx, now)),
            postures_changed=0 if self._stopped else evaluate_all(self._database, self._settings, now),
        )

    def _each(self, statement: Select[Any], before: int, step: Callable[[Change], None]) -> int:
        """Take a step for every device that is found, some hundreds in a transaction."""
        after, count = 0, 0
        page = statement.where(_of.id > bindparam("after")).order_by(_of.id).limit(_CHUNK)
        while True:
            with self._database.read() as connection:
                ids = list(connection.execute(page, {"before": before, "after": after}).scalars())
            if not ids or self._stopped:
                return count
            count += self._database.write(self._steps(ids, statement, before, step))
            after = ids[-1]

    def _steps(
        self, ids: Sequence[int], statement: Select[Any], before: int, step: Callable[[Change], None]
    ) -> Callable[[Transaction], int]:
        """Return the work that takes a step for each of these devices which the condition still goes for."""
        still = statement.where(_of.id.in_(ids)).order_by(_of.id)

        def work(tx: Transaction) -> int:
            found = list(tx.execute(still, {"before": before}).scalars())
            for device_id in found:
                change = Change.of(tx, device_id, DAILY_TASK, self._clock.timestamp())
                assert change is not None
                step(change)
            return len(found)

        return work


def _expire(change: Change) -> None:
    change.set(expired=True)
    change.save("expired")


def _end_exemption(change: Change) -> None:
    end_exemption(change)
    change.save("exemption_ended")


def _drop(change: Change) -> None:
    """Forget the keys of a removed record, so that a newcomer is nobody known. Its log stays."""
    for table in (device_alias, device_mac, device_app, device_attribute, device_command, device_link):
        change.tx.execute(delete(table).where(table.c.device_id == change.device_id))
    change.tx.execute(update(device).where(_of.id == change.device_id).values(agent_token_hash=None))
    change.tell("tombstone_dropped")
