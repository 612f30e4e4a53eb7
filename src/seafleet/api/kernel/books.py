"""The books of answered requests: counters for `/metrics` and one log line each.

Both run on the event loop, for every request; so they are plain additions and one formatted line. What is
counted is labelled by operation, verb and status only, which are bounded sets.
"""

from __future__ import annotations

import re
import sys
import time
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final, TextIO

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    from seafleet.api.kernel.observer import Observer
    from seafleet.api.kernel.routes import Route

BUCKET_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)

_SECRET_PARAMS: Final = frozenset(("token", "code", "key", "secret"))
_looks_secret = re.compile(r"[0-9a-fA-F-]{16,}")


class Several:
    """Tells several observers."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def request_done(
        self, scope: Mapping[str, Any], route: Route, status: int, size_bytes: int, seconds: float
    ) -> None:
        """Pass the request on to each."""
        for observer in self._observers:
            observer.request_done(scope, route, status, size_bytes, seconds)


class RequestMetrics:
    """Counts requests, their durations and their bytes; a collector for prometheus-client."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, int], int] = {}
        self._bytes: dict[str, int] = {}
        self._seconds: dict[str, float] = {}
        self._buckets: dict[str, list[int]] = {}

    def request_done(
        self, scope: Mapping[str, Any], route: Route, status: int, size_bytes: int, seconds: float
    ) -> None:
        """Count one answered request. Status 0: the caller left before an answer began."""
        operation = route.operation
        key = (operation, route.verb, status)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._bytes[operation] = self._bytes.get(operation, 0) + size_bytes
        self._seconds[operation] = self._seconds.get(operation, 0.0) + seconds
        buckets = self._buckets.get(operation)
        if buckets is None:
            buckets = self._buckets[operation] = [0] * (len(BUCKET_SECONDS) + 1)
        buckets[bisect_left(BUCKET_SECONDS, seconds)] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield the counters in prometheus-client's terms."""
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily  # noqa: PLC0415

        labels = ("operation", "method", "status")
        requests = CounterMetricFamily("seafleet_http_requests", "Requests answered.", labels=labels)
        for (operation, verb, status), count in list(self._counts.items()):
            requests.add_metric((operation, verb, str(status)), count)
        yield requests
        sent = CounterMetricFamily("seafleet_http_response_bytes", "Bytes of bodies sent.", labels=labels[:1])
        for operation, size in list(self._bytes.items()):
            sent.add_metric((operation,), size)
        yield sent
        durations = HistogramMetricFamily(
            "seafleet_http_request_seconds",
            "Seconds from the request's head to its answer.",
            labels=labels[:1],
        )
        for operation, counts in list(self._buckets.items()):
            durations.add_metric((operation,), _cumulated(counts), self._seconds[operation])
        yield durations

    def exposition(self, registry: CollectorRegistry | None = None) -> bytes:
        """Return the page that Prometheus scrapes: our counters, then the process's."""
        from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest  # noqa: PLC0415

        if registry is None:
            registry = CollectorRegistry()
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)
        return generate_latest(self) + generate_latest(registry)


def _cumulated(counts: Sequence[int]) -> list[tuple[str, float]]:
    total, found = 0, []
    for bound, count in zip((*map(str, BUCKET_SECONDS), "+Inf"), counts, strict=True):
        total += count
        found.append((bound, float(total)))
    return found


def masked_path(scope: Mapping[str, Any], route: Route) -> str:
    """Return the path of a request for logs: no query, and asterisks for every token in it."""
    params: Mapping[str, str] | None = scope.get("path_params")
    path: str = scope["path"]
    if params is None:
        return _looks_secret.sub("***", path)
    for name in _SECRET_PARAMS & params.keys():
        if params[name]:
            path = path.replace(params[name], "***")
    return path


class AccessLog:
    """Writes one line for each answered request."""

    def __init__(self, *, as_json: bool, stream: TextIO | None = None) -> None:
        self._as_json = as_json
        self._stream = stream or sys.stderr
        self._encode = msgspec.json.Encoder().encode
        self._second = 0
        self._stamp = ""

    def request_done(
        self, scope: Mapping[str, Any], route: Route, status: int, size_bytes: int, seconds: float
    ) -> None:
        """Write the line of one request."""
        client = scope.get("client")
        fields = {
            "timestamp": self._now(),
            "level": "info",
            "part": "access",
            "event": "request",
            "method": scope["method"],
            "path": masked_path(scope, route),
            "operation": route.operation,
            "status": status,
            "bytes": size_bytes,
            "ms": round(seconds * 1000, 2),
            "client": client[0] if client else "",
            "account": scope.get("account", ""),
            "request": scope["request_id"],
        }
        self._stream.write(self._line(fields))

    def _line(self, fields: dict[str, Any]) -> str:
        if self._as_json:
            return self._encode(fields).decode() + "\n"
        path = fields["path"].encode("unicode_escape").decode()
        return (
            f"{fields['timestamp']} {fields['client']} {fields['account'] or '-'} {fields['method']} {path} "
            f"{fields['status']} {fields['bytes']} {fields['ms']} ms\n"
        )

    def _now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))
        return self._stamp
