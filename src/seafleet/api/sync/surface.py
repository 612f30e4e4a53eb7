"""The manner of the sync protocol: clients go by the status alone, so each has one meaning.

======  ==================================================================================================
status  what the client makes of it
======  ==================================================================================================
400     its own request was wrong; tried again later
403     no permission; after three in a row the library is left alone
404     something is missing here; tried again later
409     unused objects were removed meanwhile; the upload starts again
443     the owner's quota is used up
444     the library is gone: it is no longer synchronised. Never for anything that may pass
445     the library is damaged
446     blocks of the named files are missing
447     the library has too many files: shown to the user, tried again later
500     what a question or a push builds on is not here; tried again later
503     not now; tried again without a word to the user
======  ==================================================================================================

Source: sync protocol §1, "What the client makes of a status"; device registry §7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seafleet import errors
from seafleet.api.kernel import JSON, Reply, Surface, text_reply
from seafleet.sync.pushes import FOLDER_RULE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seafleet.api.kernel.request import RequestBase

NAME: Final = "sync"
BLOCKED: Final = "device blocked"


def refusal(status: int, text: str = "") -> Reply:
    """Return an error: a line of text, or nothing but the status."""
    return text_reply(f"{text}\n" if text else "", status)


def _is(status: int, text: str = "") -> Callable[[Any], Reply]:
    return lambda error: refusal(status, text)


def _access_denied(error: errors.AccessDenied) -> Reply:
    rule = error.decision.rule
    if rule.startswith("device_"):
        return _device_blocked(rule.removeprefix("device_").upper())
    return refusal(403, error.decision.reason if rule == FOLDER_RULE else "")


def _device_blocked(status: str) -> Reply:
    body = {"reason": BLOCKED, "device_status": status}
    return Reply(body, 403, {"X-Device-Status": status}, JSON)


TABLE: Final[Mapping[type[errors.SeafleetError], Callable[[Any], Reply]]] = {
    errors.SeafleetError: _is(500, "Internal error"),
    errors.InvalidInput: lambda e: refusal(400, str(e)),
    errors.NotFound: _is(404),
    errors.LibraryNotFound: _is(444),
    errors.TokenNotFound: _is(403),
    errors.Refused: _is(403),
    errors.AccessDenied: _access_denied,
    errors.DeviceBlocked: lambda e: _device_blocked(e.status),
    errors.Conflict: _is(409),
    errors.CollectionRan: _is(409, "GC Conflict."),
    errors.HeadMoved: _is(503),
    errors.FileLocked: lambda e: refusal(403, f"File {e.path[1:]} is locked"),
    errors.LimitExceeded: _is(403),
    errors.QuotaExceeded: _is(443),
    errors.FileTooLarge: _is(413),
    errors.BlocksMissing: lambda e: Reply(list(e.names), 446),
    errors.LibraryDamaged: _is(445),
    errors.StorageFailure: _is(503),
}


def reply_to(_request: RequestBase, error: errors.SeafleetError) -> Reply:
    """Return the answer to an error: that of its class, or of the nearest one above that has a row."""
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)(error)


SURFACE: Final = Surface(NAME, domain_error=reply_to, internal_error=refusal(500, "Internal error"))
