"""Sync clients that were refused: noted, so that administrators can see what keeps a device from working.

Source: Seafile devices §8; device registry §5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from seafleet.devices.sync_errors import SyncError, SyncErrors
from seafleet.errors import (
    AccessDenied,
    AccountDisabled,
    BlocksMissing,
    DeviceBlocked,
    FileLocked,
    LibraryDamaged,
    QuotaExceeded,
    SeafleetError,
)

if TYPE_CHECKING:
    from seafleet.accounts.sync_tokens import SyncGrant
    from seafleet.clock import Clock
    from seafleet.db.engine import Database, Transaction
    from seafleet.devices.service import Devices

REPORTED: Final = (
    AccessDenied,
    AccountDisabled,
    BlocksMissing,
    DeviceBlocked,
    FileLocked,
    LibraryDamaged,
    QuotaExceeded,
)
"""What is worth telling an administrator; everything else is the client's or the network's fault."""


class Refusals:
    """Notes who was refused what."""

    def __init__(self, database: Database, clock: Clock, devices: Devices) -> None:
        self._database = database
        self._devices = devices
        self._errors = SyncErrors(database, clock)

    def note(self, grant: SyncGrant, library_name: str, error: SeafleetError, ip: str) -> None:
        """Note a refusal, and that the device was heard of."""
        device, peer = grant.actor.device, grant.peer
        report = SyncError(
            email=grant.actor.email,
            library_id=grant.library_id,
            message=message_of(error),
            library_name=library_name,
            peer_id=peer.peer_id or "",
            device_name=grant.actor.device_name or peer.name or "",
            ip=ip,
            client_version=peer.client_version or "",
        )

        def work(tx: Transaction) -> None:
            self._errors.report_in(tx, report)
            if device is not None:
                self._devices.note_contact(tx, device, ip)

        self._database.write(work)


def message_of(error: SeafleetError) -> str:
    """Return a sentence for an administrator, the same for the same kind of failure."""
    if isinstance(error, AccessDenied):
        return "No permission."
    if isinstance(error, DeviceBlocked):
        return error.sentence
    if isinstance(error, QuotaExceeded):
        return "Out of quota."
    if isinstance(error, LibraryDamaged):
        return "Library is damaged."
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
