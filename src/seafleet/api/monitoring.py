"""For whoever watches the server: `/healthz`, `/readyz` and `/metrics`.

`/healthz` answers as long as the process runs. `/readyz` answers 200 only while requests can succeed: the
database commits and the data folder takes files. `/metrics` is for Prometheus; it is shown to callers on this
machine, and to those who present the setting `metrics_token`.
"""

from __future__ import annotations

import hmac
import tempfile
from typing import TYPE_CHECKING, Final

from seafleet.api.kernel import (
    PUBLIC,
    ApiRequest,
    Marker,
    Reply,
    StreamRequest,
    Surface,
    route,
    stream_route,
    text_reply,
)
from seafleet.errors import SeafleetError

if TYPE_CHECKING:
    from seafleet.api.kernel.request import RequestBase
    from seafleet.db.engine import Transaction

NAME: Final = "monitoring"
_PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"
_LOOPBACK: Final = frozenset(("127.0.0.1", "::1", ""))
_FORWARDED: Final = ("x-forwarded-for", "forwarded", "x-real-ip")


def _failed(_request: RequestBase, error: SeafleetError) -> Reply:
    return text_reply(f"{error}\n", 503)


SURFACE: Final = Surface(NAME, domain_error=_failed, internal_error=text_reply("internal error\n", 500))


@stream_route("GET", "/healthz", operation="health", action=Marker.ANYONE, surface=NAME)
async def health(request: StreamRequest) -> None:
    """Tell that the process runs; answered on the event loop, so that busy threads do not matter."""
    await request.reply(text_reply("ok\n"))


@route(
    "GET",
    "/readyz",
    operation="readiness",
    action=Marker.ANYONE,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def readiness(request: ApiRequest) -> Reply:
    """Tell whether the database commits and the data folder takes files."""
    services = request.services
    try:
        services.db.write(_nothing)
        with tempfile.TemporaryFile(dir=services.settings.data) as handle:
            handle.write(b"ready?")
    except OSError as error:
        return text_reply(f"data folder: {error.strerror}\n", 503)
    return text_reply("ready\n")


def _nothing(_tx: Transaction) -> None:
    """Commit nothing, to see that committing works."""


@route(
    "GET",
    "/metrics",
    operation="metrics",
    action=Marker.ANYONE,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def metrics(request: ApiRequest) -> Reply:
    """Return the counters of this process."""
    if not _may_watch(request):
        return text_reply("metrics are shown on this machine, or to the holder of metrics_token\n", 403)
    return Reply(request.services.metrics.exposition(), media_type=_PROMETHEUS)


def _may_watch(request: ApiRequest) -> bool:
    token = request.services.settings.metrics_token.get_secret_value()
    shown = request.headers.get("authorization").removeprefix("Bearer ")
    if token and hmac.compare_digest(shown.encode(), token.encode()):
        return True
    # A proxy on this machine calls from here as well, but says for whom.
    return request.client_ip in _LOOPBACK and not any(name in request.headers for name in _FORWARDED)
