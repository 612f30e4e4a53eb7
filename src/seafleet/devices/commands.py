"""Commands for agents: queued, handed out until a result comes, bound to one enrolment.

States: queued → delivered → done, failed or unsupported; or cancelled, or expired (30 days; a wipe never). A
delivered command comes again until its result arrives, so an agent must take each at least once.

Source: device registry §8.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, func, insert, select, update

from seafleet.db.tables import device_command
from seafleet.devices.loading import OPEN_STATES, moment, sure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

    from seafleet.db.engine import Transaction
    from seafleet.devices.change import Change

EXPIRE_SECONDS: Final = 30 * 86_400
DHCP_RENEW: Final = "dhcp_renew"
RE_IDENTIFY: Final = "re_identify"
WIPE: Final = "wipe"
UNINSTALL: Final = "uninstall_agent"
TYPES: Final = (DHCP_RENEW, RE_IDENTIFY, WIPE, UNINSTALL, "report_now", "message")
RESULTS: Final = ("done", "failed", "unsupported")

_of = device_command.c
_INSERT: Final = insert(device_command)
_OPEN: Final = (
    select(device_command)
    .where(_of.device_id == bindparam("device"), _of.state.in_(OPEN_STATES))
    .order_by(_of.id)
)
_ALL: Final = (
    select(device_command).where(_of.device_id == bindparam("device")).order_by(_of.id.desc()).limit(500)
)
_ONE: Final = select(device_command).where(
    _of.device_id == bindparam("device"), _of.id == bindparam("command")
)
_COUNT_OPEN: Final = select(func.count()).where(
    _of.device_id == bindparam("device"),
    _of.state.in_(OPEN_STATES),
    _of.type.in_(bindparam("types", expanding=True)),
)


@dataclass(frozen=True, slots=True)
class Command:
    """An order for an agent. `params` is what its type asks for; `detail` what the agent said."""

    id: int
    device_id: int
    type: str
    params: dict[str, Any]
    state: str
    generation: int
    created_at: datetime
    created_by: str
    delivered_at: datetime | None
    finished_at: datetime | None
    detail: str

    @property
    def is_open(self) -> bool:
        """Tell whether a result is still to come."""
        return self.state in OPEN_STATES


def to_command(row: Any) -> Command:
    """Return the value of a row."""
    return Command(
        row.id,
        row.device_id,
        row.type,
        json.loads(row.params),
        row.state,
        row.generation,
        sure(row.created_at),
        row.created_by,
        moment(row.delivered_at),
        moment(row.finished_at),
        row.detail,
    )


def open_commands(connection: Connection, device_id: int) -> list[Command]:
    """Return what waits for a result, oldest first."""
    return [to_command(row) for row in connection.execute(_OPEN, {"device": device_id})]


def queue(change: Change, kind: str, params: dict[str, Any] | None = None) -> int:
    """Order something; return the number of the command. An equal one that is open stays the only one."""
    text = json.dumps(params or {}, sort_keys=True)
    for known in change.tx.execute(_OPEN, {"device": change.device_id}):
        if known.type == kind and known.params == text:
            return int(known.id)
    row = {
        "device_id": change.device_id,
        "type": kind,
        "params": text,
        "state": "queued",
        "generation": change["agent_generation"],
        "created_at": change.now,
        "created_by": change.origin.name[:255],
    }
    key = change.tx.execute(_INSERT, row).inserted_primary_key
    assert key is not None
    change.note("command", None, kind)
    return int(key[0])


def cancel(change: Change, *conditions: ColumnElement[bool]) -> int:
    """Cancel the open commands of a device that meet the conditions; return how many."""
    statement = (
        update(device_command)
        .where(_of.device_id == change.device_id, _of.state.in_(OPEN_STATES), *conditions)
        .values(state="cancelled", finished_at=change.now)
    )
    return change.tx.execute(statement).rowcount


def cancel_undelivered_wipe(change: Change) -> None:
    """Cancel the wipe of everything if no agent has fetched it."""
    cancel(change, _of.type == WIPE, _of.state == "queued", _of.params == json.dumps(EVERYTHING))


def open_wipe(change: Change) -> Command | None:
    """Return the order to wipe the whole device that waits for a result."""
    waiting = open_commands(change.tx.connection, change.device_id)
    return next((each for each in waiting if each.type == WIPE and each.params == EVERYTHING), None)


def cancel_for_removal(change: Change) -> None:
    """Cancel everything but wipes."""
    cancel(change, _of.type != WIPE)


def cancel_older(change: Change) -> None:
    """Cancel what was ordered for an earlier enrolment; wipes stay."""
    cancel(change, _of.type != WIPE, _of.generation < change["agent_generation"])


EVERYTHING: Final = {"libraries": "all"}
"""The parameters of a wipe of the whole device."""


def set_state(tx: Transaction, command_ids: Sequence[int], **values: Any) -> None:
    """Change commands."""
    if command_ids:
        tx.execute(update(device_command).where(_of.id.in_(command_ids)).values(values))


def history(connection: Connection, device_id: int) -> list[Command]:
    """Return the commands of a device, newest first, at most 500."""
    return [to_command(row) for row in connection.execute(_ALL, {"device": device_id})]


def find(tx: Transaction, device_id: int, command_id: int) -> Command | None:
    """Return one command of a device."""
    row = tx.execute(_ONE, {"device": device_id, "command": command_id}).one_or_none()
    return None if row is None else to_command(row)


def count_open(connection: Connection, device_id: int, types: Sequence[str] = TYPES) -> int:
    """Count the open commands of these types."""
    return int(connection.execute(_COUNT_OPEN, {"device": device_id, "types": types}).scalar_one())


def expire(tx: Transaction, now: int) -> int:
    """Give up commands that nobody fetched or answered for 30 days; return how many."""
    statement = (
        update(device_command)
        .where(_of.state.in_(OPEN_STATES), _of.type != WIPE, _of.created_at <= now - EXPIRE_SECONDS)
        .values(state="expired", finished_at=now)
    )
    return tx.execute(statement).rowcount
