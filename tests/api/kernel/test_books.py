"""What is counted and logged of answered requests."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from seafleet.api.kernel.books import AccessLog, RequestMetrics, Several, masked_path
from seafleet.api.kernel.routes import Auth, Marker, Route

LIBRARY = "7460f7ac-a0ff-4585-8906-bb5a57d2e118"
TOKEN = "5d0c" * 10


def route_of(pattern: str) -> Route:
    return Route("GET", pattern, "some-operation", Marker.ANYONE, Auth.PUBLIC, handler=lambda _request: None)


def scope_of(path: str, params: dict[str, str] | None = None, **values: Any) -> dict[str, Any]:
    scope = {"method": "GET", "path": path, "client": ("192.0.2.7", 1), "request_id": "r1", **values}
    return scope if params is None else {**scope, "path_params": params}


@pytest.mark.parametrize(
    ("pattern", "path", "params", "shown"),
    [
        ("/x/{library_id}/", f"/x/{LIBRARY}/", {"library_id": LIBRARY}, f"/x/{LIBRARY}/"),
        (
            "/files/{token}/{name:rest}",
            f"/files/{TOKEN}/a.txt",
            {"token": TOKEN, "name": "a.txt"},
            "/files/***/a.txt",
        ),
        ("/files/{token}/{name:rest}", "/files//a", {"token": "", "name": "a"}, "/files//a"),
        ("-", f"/nowhere/{TOKEN}/{LIBRARY}", None, "/nowhere/***/***"),
    ],
)
def test_tokens_in_paths_are_masked_and_libraries_are_not(
    pattern: str, path: str, params: dict[str, str] | None, shown: str
) -> None:
    assert masked_path(scope_of(path, params), route_of(pattern)) == shown


def test_a_log_line_is_one_json_object_of_what_happened() -> None:
    stream = io.StringIO()
    log = AccessLog(as_json=True, stream=stream)
    log.request_done(scope_of("/a\nb/", {}, account="a@b.org"), route_of("/a/"), 200, 17, 0.0123456)
    line = stream.getvalue()
    assert line.count("\n") == 1
    entry = json.loads(line)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "level": "info",
        "part": "access",
        "event": "request",
        "method": "GET",
        "path": "/a\nb/",
        "operation": "some-operation",
        "status": 200,
        "bytes": 17,
        "ms": 12.35,
        "client": "192.0.2.7",
        "account": "a@b.org",
        "request": "r1",
    }


def test_a_line_of_text_cannot_be_broken_by_a_path() -> None:
    stream = io.StringIO()
    AccessLog(as_json=False, stream=stream).request_done(
        scope_of("/a\n\x1b[31m/", {}), route_of("/a/"), 404, 3, 0.001
    )
    assert stream.getvalue().endswith(" 192.0.2.7 - GET /a\\n\\x1b[31m/ 404 3 1.0 ms\n")


def test_durations_are_counted_in_cumulated_buckets() -> None:
    metrics = RequestMetrics()
    for seconds in (0.0005, 0.02, 70.0):
        metrics.request_done(scope_of("/", {}), route_of("/"), 200, 10, seconds)
    lines = metrics.exposition().decode().splitlines()
    prefix = 'seafleet_http_request_seconds_bucket{le="%s",operation="some-operation"}'
    for bound, count in (("0.001", 1), ("0.025", 2), ("60.0", 2), ("+Inf", 3)):
        assert f"{prefix % bound} {count}.0" in lines
    assert 'seafleet_http_response_bytes_total{operation="some-operation"} 30.0' in lines
    assert any(line.startswith("process_resident_memory_bytes") for line in lines)


def test_several_observers_are_all_told() -> None:
    first, second = RequestMetrics(), RequestMetrics()
    Several((first, second)).request_done(scope_of("/", {}), route_of("/"), 200, 0, 0.1)
    assert b'status="200"} 1.0' in first.exposition()
    assert b'status="200"} 1.0' in second.exposition()
