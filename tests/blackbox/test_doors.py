"""Every operation that needs a login refuses callers without one, in the documented words."""

from __future__ import annotations

import pytest

from tests.support.catalog import BAD_TOKEN, NO_CREDENTIALS, Operation, operations
from tests.support.server import RunningServer
from tools.check_routes import registered

_VALUES = {
    "repo_id": "00000000-0000-4000-8000-000000000000",
    "file_id": "0" * 40,
    "block_id": "0" * 40,
    "email": "nobody@example.com",
    "user": "nobody@example.com",
}


def _guarded() -> list[Operation]:
    served = {route.operation for route in registered()[0]}
    return [
        each
        for each in operations().values()
        if each.id in served and each.auth.startswith("token") and each.path.startswith("/api")
    ]


def _url(operation: Operation) -> str:
    path = operation.path
    while "{" in path:
        before, _, rest = path.partition("{")
        name, _, after = rest.partition("}")
        path = before + _VALUES.get(name, "1") + after
    return path


@pytest.mark.parametrize("operation", _guarded(), ids=lambda each: each.id)
def test_refuses_callers_without_credentials(sqlite_server: RunningServer, operation: Operation) -> None:
    answer = sqlite_server.admin.http.request(operation.method, _url(operation))
    assert (answer.status_code, answer.json()) == NO_CREDENTIALS


@pytest.mark.parametrize("operation", _guarded(), ids=lambda each: each.id)
def test_refuses_unknown_tokens(sqlite_server: RunningServer, operation: Operation) -> None:
    headers = {"Authorization": f"Token {'0' * 40}"}
    answer = sqlite_server.admin.http.request(operation.method, _url(operation), headers=headers)
    assert (answer.status_code, answer.json()) == BAD_TOKEN


def test_most_operations_are_guarded() -> None:
    assert len(_guarded()) > 50
