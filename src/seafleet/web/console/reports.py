"""What became of devices, carried from the form to the report's page in its address.

Sealed for the session that did it: nobody can make up a report and have somebody else read it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from seafleet.api.kernel.sessions import session_token
from seafleet.devices.registry import Outcome, Result
from seafleet.secrets import equal

if TYPE_CHECKING:
    from seafleet.api.kernel import ApiRequest

_PURPOSE: Final = "device-console"
_SEAL_LENGTH: Final = 43


@dataclass(frozen=True, slots=True)
class Report:
    """What was done, what became of each device, and where to go back to."""

    deed: str
    results: tuple[Result, ...]
    back: str


def sealed(request: ApiRequest, report: Report) -> str:
    """Return a report as a part of an address."""
    rows = [[each.device_id, int(each.outcome), each.changed, each.reason] for each in report.results]
    text = json.dumps([report.deed, rows, report.back], separators=(",", ":"))
    body = _encoded(zlib.compress(text.encode(), 9))
    return _seal(request, body) + body


def report_of(request: ApiRequest, text: str) -> Report | None:
    """Return the report of an address, None unless this session made it."""
    seal, body = text[:_SEAL_LENGTH], text[_SEAL_LENGTH:]
    if not body.isascii() or not equal(seal, _seal(request, body)):
        return None
    padded = body.encode() + b"=" * (-len(body) % 4)
    deed, rows, back = json.loads(zlib.decompress(base64.urlsafe_b64decode(padded)))
    results = tuple(Result(number, Outcome(word), changed, reason) for number, word, changed, reason in rows)
    return Report(deed, results, back)


def _seal(request: ApiRequest, body: str) -> str:
    key = request.services.secret.signing_key(_PURPOSE)
    told = f"{session_token(request)} {body}"
    return _encoded(hmac.new(key, told.encode(), hashlib.sha256).digest())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
