"""The audit log: who did what, from where, written in the same transaction as its effect.

A tag reads ``source:subject:action``: `api:account:login`, `sync:device:refused`, `web:share:added`. Rows
hold addresses as text, so that they outlive accounts and libraries. Secrets never enter: neither tokens nor
passwords.

Source: design "Access"; device registry §10.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, insert

from seafleet.actor import Actor
from seafleet.db.tables import audit_event
from seafleet.errors import InvalidArgument
from seafleet.text import storable

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Transaction

Detail = Mapping[str, str | int | Sequence[str] | Sequence[int] | None]

_is_tag = re.compile(r"[a-z0-9_]{1,20}:[a-z0-9_]{1,20}:[a-z0-9_]{1,22}").fullmatch

_INSERT: Final = insert(audit_event).values(
    {name: bindparam(name) for name in ("at", "tag", "actor", "ip", "device", "library_id", "path", "detail")}
)


class Audit:
    """Writes audit events."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def write(
        self,
        tx: Transaction,
        tag: str,
        actor: Actor | str,
        *,
        ip: str = "",
        library_id: str | None = None,
        path: str = "",
        detail: Detail | None = None,
    ) -> None:
        """Add one event to the caller's transaction; it exists if and only if the effect does.

        `actor` is an actor or, where nobody is logged in, the name that was given. Raises InvalidArgument for
        a tag of another form.
        """
        if _is_tag(tag) is None:
            raise InvalidArgument("tag", f"not of the form source:subject:action: {tag}")
        tx.execute(
            _INSERT,
            {
                "at": self._clock.timestamp(),
                "tag": tag,
                "actor": storable(actor if isinstance(actor, str) else actor.email, 255),
                "ip": storable(ip, 45),
                "device": "" if isinstance(actor, str) else actor.device_name[:255],
                "library_id": library_id,
                "path": path,
                "detail": json.dumps(detail or {}, sort_keys=True),
            },
        )
