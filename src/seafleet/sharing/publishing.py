"""Libraries for everybody: shared with all accounts of an organization.

Source: Web API manual, "Set Exist Lib as Public Library", "Remove Public Library".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, select

from seafleet.db.engine import upsert
from seafleet.db.tables import public_share

if TYPE_CHECKING:
    from seafleet.activity.audit import Audit
    from seafleet.actor import Actor
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.ids import LibraryId
    from seafleet.sharing.model import Permission

EVERYBODY: Final = "all"
"""How records of shares name the receiver."""

_share = public_share.c
_here = (_share.library_id == bindparam("library")) & (_share.organization_id == bindparam("organization"))
_FIND: Final = select(_share.permission).where(_here)
_DELETE: Final = delete(public_share).where(_here)
_put = upsert(public_share)
_PUT: Final = _put.on_conflict_do_update(
    index_elements=[_share.library_id, _share.organization_id], set_={"permission": _put.excluded.permission}
)


class Publishing:
    """Publishes libraries and takes them back. Who may do so is decided elsewhere.

    Callers have the access evaluator forget the library afterwards.
    """

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def publish(
        self,
        library_id: LibraryId,
        permission: Permission,
        by: Actor,
        *,
        organization_id: int = 1,
        ip: str = "",
    ) -> None:
        """Let everybody of an organization reach a library, or do more or less there than before."""
        row = {
            "library_id": library_id,
            "organization_id": organization_id,
            "permission": permission.value,
            "created_at": self._clock.timestamp(),
        }
        told = {"target": EVERYBODY, "permission": permission.value}

        def work(tx: Transaction) -> None:
            before = tx.execute(_FIND, _place(library_id, organization_id)).scalar_one_or_none()
            if before == permission.value:
                return
            tx.execute(_PUT, row)
            tag = "api:share:added" if before is None else "api:share:changed"
            self._audit.write(tx, tag, by, ip=ip, library_id=library_id, path="/", detail=told)

        self._database.write(work)

    def withdraw(self, library_id: LibraryId, by: Actor, *, organization_id: int = 1, ip: str = "") -> bool:
        """Take a library back from everybody; tell whether it was public."""

        def work(tx: Transaction) -> bool:
            place = _place(library_id, organization_id)
            before = tx.execute(_FIND, place).scalar_one_or_none()
            if before is None:
                return False
            tx.execute(_DELETE, place)
            told = {"target": EVERYBODY, "permission": before}
            self._audit.write(
                tx, "api:share:removed", by, ip=ip, library_id=library_id, path="/", detail=told
            )
            return True

        return self._database.write(work)


def _place(library_id: str, organization_id: int) -> dict[str, object]:
    return {"library": library_id, "organization": organization_id}
