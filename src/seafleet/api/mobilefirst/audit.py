"""What was changed through this API, as lines of JSON in an archive.

Source: MobileFirst devices §7; device registry §13.15.
"""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from seafleet.api.kernel import StreamRequest
from seafleet.api.kernel.parameters import parse_query
from seafleet.api.kernel.replies import encode_json
from seafleet.api.mobilefirst.roles import readable_runtimes
from seafleet.api.mobilefirst.shapes import iso
from seafleet.api.mobilefirst.surface import NAME, Refusal, actor_of, streams
from seafleet.devices.events import DeviceEvent, EventFilter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from seafleet.devices.organizations import Organization
    from seafleet.devices.registry import Registry

_BATCH: Final = 500
_is_day = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_HEADERS: Final = {
    "Content-Type": "application/zip",
    "Content-Disposition": 'attachment; filename="audit.zip"',
}


@dataclass(frozen=True, slots=True)
class _Period:
    """From a time on, and to the end of a day in UTC; None is without an end."""

    since: datetime | None
    last_day: date | None

    def holds(self, event: DeviceEvent) -> bool:
        """Tell whether an entry is not too late."""
        return self.last_day is None or event.at.date() <= self.last_day


@streams("GET", "/audit", operation="mobilefirst-audit")
async def download_audit(request: StreamRequest) -> None:
    """Send the archive while it is made; `fromDate` and `toDate` are days in UTC, both included."""
    organizations = await request.services.auth.run(_admitted, request)
    period = _period(request)
    pieces = _archive(request.services.registry, organizations, period)
    piece = await request.run_api(_next, pieces)
    await request.start(200, _HEADERS)
    while piece and request.method != "HEAD":
        await request.write(piece)
        piece = await request.run_api(_next, pieces)
    await request.finish()


def _admitted(request: StreamRequest) -> list[Organization]:
    actor = actor_of(request)
    request.scope["account"] = actor.email
    request.services.throttle.hit("user", actor.account_id or request.client_ip, request.client_ip)
    return readable_runtimes(request.services, actor)


def _period(request: StreamRequest) -> _Period:
    query = parse_query(request.query_string)
    first, last = _day(query, "fromDate"), _day(query, "toDate")
    return _Period(first, None if last is None else last.date())


def _day(query: Mapping[str, Sequence[str]], name: str) -> datetime | None:
    """Return the beginning of a day, None where none is given. Raises Refusal (400)."""
    if name not in query:
        return None
    text = query[name][-1]
    try:
        if not _is_day(text):
            raise ValueError
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise Refusal(400, "parameter_invalid", parameter=name) from None


def _next(pieces: Iterator[bytes]) -> bytes:
    return next(pieces, b"")


class _Sink(io.RawIOBase):
    """Takes what an archive writes, for somebody to fetch."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """Tell that this may be written to."""
        return True

    def write(self, data: Any) -> int:
        """Keep a piece."""
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """Return what was written since the last call."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


def _archive(registry: Registry, organizations: Sequence[Organization], period: _Period) -> Iterator[bytes]:
    """Yield the archive in pieces, none of them empty."""
    sink = _Sink()
    when = registry.now().timetuple()[:6]
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("audit.jsonl", when)
        entry.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(entry, "w", force_zip64=True) as file:
            for lines in _lines(registry, organizations, period):
                file.write(lines)
                if piece := sink.taken():
                    yield piece
    yield sink.taken()


def _lines(registry: Registry, organizations: Sequence[Organization], period: _Period) -> Iterator[bytes]:
    """Yield entries, newest first within each runtime, some hundreds at once."""
    for organization in organizations:
        wanted = EventFilter(organization_id=organization.id, dialect=NAME, since=period.since)
        before: int | None = None
        while True:
            page = registry.events.page(wanted, limit=_BATCH, before=before)
            shown = [_line(event, organization.runtime) for event in page.events if period.holds(event)]
            yield b"".join(encode_json(line) + b"\n" for line in shown)
            if page.next_before is None:
                break
            before = page.next_before


def _line(event: DeviceEvent, runtime: str) -> dict[str, Any]:
    return {
        "id": event.id,
        "at": iso(event.at),
        "runtime": runtime,
        "actor": {"kind": event.actor_kind, "name": event.actor_name},
        "dialect": event.dialect,
        "action": event.action,
        "device": {"id": event.device_id, "uid": event.device_uid, "name": event.device_name},
        "before": event.before,
        "after": event.after,
        "address": event.address,
        "request_id": event.request_id,
    }
