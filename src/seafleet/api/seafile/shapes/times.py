"""Times on the wire. Source: Web API conventions §6."""

from __future__ import annotations

from datetime import datetime, tzinfo
from email.utils import format_datetime
from functools import lru_cache

from seafleet.display import elapsed


def iso(moment: datetime | int, zone: tzinfo) -> str:
    """Return `2017-04-01T02:35:57+00:00` for a moment or Unix seconds."""
    return _local(moment, zone).isoformat(timespec="seconds")


def relative_html(moment: datetime | int, now: datetime, zone: tzinfo) -> str:
    """Return the HTML `<time>` element that old clients show: how long ago, with the full time as a hint."""
    seconds = moment if isinstance(moment, int) else int(moment.timestamp())
    start, local, at = _absolute_html(seconds, zone)
    return f"{start}{elapsed(int(now.timestamp()) - at, local)}</time>"


@lru_cache(maxsize=4096)
def _absolute_html(seconds: int, zone: tzinfo) -> tuple[str, datetime, int]:
    """Return what does not depend on the present, which lists ask for again and again."""
    local = _local(seconds, zone)
    title = format_datetime(local)
    day, rest = title.split(" ", 1)
    title = f"{day} {rest.removeprefix('0')}"
    plain = local.replace(tzinfo=None).isoformat(timespec="seconds")
    start = f'<time datetime="{plain}" is="relative-time" title="{title}" >'
    return start, local, int(local.timestamp())


def _local(moment: datetime | int, zone: tzinfo) -> datetime:
    if isinstance(moment, int):
        try:
            return datetime.fromtimestamp(moment, zone)
        except (OverflowError, OSError, ValueError):  # a time that a client made up
            return datetime.fromtimestamp(0, zone)
    return moment.astimezone(zone)
