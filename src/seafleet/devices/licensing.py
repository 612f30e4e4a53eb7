"""Which devices the license covers: the first `device_limit` managed ones of each organization, by order of
enrolment. Nothing is stored: removing one, or raising the limit, lets the next one in.

Source: device registry §13.14.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select

from seafleet.db.tables import device

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

_LAST_COVERED: Final = (
    select(device.c.enrolled_at, device.c.id)
    .where(
        device.c.organization_id == bindparam("organization"),
        device.c.kind == "managed",
        device.c.removed_at.is_(None),
    )
    .order_by(device.c.enrolled_at, device.c.id)
    .offset(bindparam("skip"))
    .limit(1)
)


def last_covered(connection: Connection, organization_id: int, limit: int) -> tuple[int, int] | None:
    """Return the place (time of enrolment, number) of the last device that is covered; None if all are."""
    if limit <= 0:
        return None
    row = connection.execute(
        _LAST_COVERED, {"organization": organization_id, "skip": limit - 1}
    ).one_or_none()
    return None if row is None else (row.enrolled_at, row.id)


def is_out(row: Any, last: tuple[int, int] | None) -> bool:
    """Tell whether the license does not cover a device's row."""
    return last is not None and row.kind == "managed" and (row.enrolled_at, row.id) > last


def license_reader(connection: Connection, limit: int) -> Callable[[Any], str]:
    """Return a function that tells the license of rows, which asks once for each organization."""
    known: dict[int, tuple[int, int] | None] = {}

    def license_of(row: Any) -> str:
        if row.organization_id not in known:
            known[row.organization_id] = last_covered(connection, row.organization_id, limit)
        return "out" if is_out(row, known[row.organization_id]) else "in"

    return license_of
