"""No request, however odd, is answered with an internal error or left without an answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seafleet import logs
from seafleet.api.kernel.routes import Route
from seafleet.api.registry import all_routes
from seafleet.app import Server, create_app
from seafleet.settings import Settings
from tests.support.asgi import Client
from tests.support.world import FAST

PASSWORD = "correct horse"
NO_LIBRARY = "00000000-0000-4000-8000-000000000000"
MULTIPART = "multipart/form-data; boundary=X"
FORM = "application/x-www-form-urlencoded"

# Headers, query and body of requests that no client sends. Fields bear names that many calls read.
FIELDS = (
    "p",
    "path",
    "name",
    "operation",
    "repo_id",
    "dst_repo",
    "username",
    "group_id",
    "page",
    "commit_id",
)
ODD: dict[str, tuple[dict[str, str], str, bytes]] = {
    "nothing": ({}, "", b""),
    "deep path": ({}, "?p=" + "/a" * 3000, b""),
    "dots": ({}, "?p=/../../etc/passwd&path=..", b""),
    "bad utf-8": ({}, "?p=%ff%fe&name=%ed%a0%80", b""),
    "nul": ({}, "?p=/a%00b&name=%00", b""),
    "control characters": ({}, "?p=/%0d%0a%1b&name=%7f&operation=%0b", b""),
    "huge numbers": ({}, "?page=" + "9" * 400 + "&per_page=-1&group_id=99999999999999999999&days=1e9", b""),
    "odd digits": ({}, "?page=%D9%A3&limit=%C2%B2&start=%E2%85%A7", b""),
    "every field": (
        {"Content-Type": FORM},
        "?" + "&".join(f"{name}=x" for name in FIELDS),
        "&".join(f"{name}=%F0%9F%98%80" for name in FIELDS).encode(),
    ),
    "repeated fields": ({"Content-Type": FORM}, "?p=/&p=/a", b"&".join([b"p=/", b"operation=mkdir"] * 50)),
    "long field": ({"Content-Type": FORM}, "", b"name=" + b"x" * 900_000),
    "too long body": ({"Content-Type": FORM}, "", b"name=" + b"x" * 10_000_000),
    "json object of everything": (
        {"Content-Type": "application/json"},
        "",
        b'{"p": {"a": []}, "name": [1, null, {}], "operation": true, "page": 1e300, "repo_id": []}',
    ),
    "json list": ({"Content-Type": "application/json"}, "", b"[[], {}, null]"),
    "json text": ({"Content-Type": "application/json"}, "", b'"\\ud83d\\ude00"'),
    "broken json": ({"Content-Type": "application/json"}, "", b'{"p": '),
    "deep json": ({"Content-Type": "application/json"}, "", b"[" * 100_000),
    "broken multipart": ({"Content-Type": MULTIPART}, "", b"--X\r\nContent-Disposition: form-data\r\n\r\n"),
    "multipart file": (
        {"Content-Type": MULTIPART},
        "",
        b'--X\r\nContent-Disposition: form-data; name="file"; filename="../a\\b"\r\n\r\nx\r\n--X--\r\n',
    ),
    "no type": ({}, "", b"p=/"),
    "odd type": ({"Content-Type": "text/x-odd; charset=\xff"}, "", b"p=/"),
    "odd headers": (
        {
            "Accept": "application/json; indent=\xff",
            "Range": "bytes=9-1",
            "Cookie": "\xff=;=",
            "Host": "\xff",
        },
        "",
        b"",
    ),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose administrator has one library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seafleet.accounts.service.Passwords", lambda: FAST)
        folder: Path = tmp_path_factory.mktemp("robust") / "data"
        logs.configure("error", "text")
        app = create_app(
            Settings.load(
                data=folder, admin_password=PASSWORD, access_log=False, throttle_exempt="192.0.2.0/24"
            )
        )
        yield app
        app.close()


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    admin = server.services.accounts.get_by_email("admin@example.com")
    with Client(server, token=server.services.tokens.issue_plain(admin)) as client:
        yield client


@pytest.fixture
def library_id(server: Server) -> str:
    admin = server.services.accounts.get_by_email("admin@example.com")
    return str(server.services.libraries.create(admin.id, "library").library_id)  # a call may delete it


def target_of(route: Route, library_id: str) -> str:
    path = route.pattern.replace("{library_id}", library_id).replace("{repo_id}", library_id)
    for kind, value in (
        (":number}", "1"),
        (":object}", "0" * 40),
        (":email}", "nobody@example.com"),
        (":library}", library_id),
        (":rest}", "a/b"),
        ("}", "x"),
    ):
        while kind in path:
            end = path.index(kind) + len(kind)
            path = path[: path.rindex("{", 0, end)] + value + path[end:]
    return path


def small_routes() -> list[Route]:
    routes = {(each.verb, each.pattern): each for each in all_routes()}
    return [each for key, each in sorted(routes.items()) if "logout" not in key[1]]


@pytest.mark.parametrize("route", small_routes(), ids=lambda route: f"{route.verb} {route.pattern}")
def test_odd_requests_are_refused_in_so_many_words(route: Route, client: Client, library_id: str) -> None:
    failed = []
    for library in (library_id, NO_LIBRARY):
        path = target_of(route, library)
        for what, (headers, query, body) in ODD.items():
            answer = client.request(route.verb, path + query, headers=headers, body=body or None)
            if not 200 <= answer.status < 500 and answer.status not in (520,):
                failed.append(f"{what}: {answer.status} {answer.body[:80]!r}")
    assert failed == []
