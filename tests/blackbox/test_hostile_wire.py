"""Attacks on HTTP itself: what is smuggled into headers, addresses without end, callers that never finish."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import ApiClient, RunningServer, until
from tests.support.wire import FORM, Answer, Wire, escaped, form, multipart, multipart_type

pytestmark = pytest.mark.slow

MIB = 1 << 20


@pytest.fixture(scope="module")
def mallory(sqlite_server: RunningServer) -> ApiClient:
    """Who attacks."""
    return sqlite_server.user("mallory")


@pytest.fixture(scope="module")
def library(mallory: ApiClient) -> str:
    """A library with a file."""
    library_id = mallory.create_library("library")
    mallory.upload(library_id, "/note.txt", b"content")
    return library_id


@pytest.fixture
def wire(sqlite_server: RunningServer, mallory: ApiClient) -> Iterator[Wire]:
    """A connection with mallory's token."""
    with Wire(sqlite_server.port, mallory.token) as connection:
        yield connection


def answered(answer: Answer | None) -> Answer:
    assert answer is not None, "closed without an answer"
    return answer


# -- headers of answers ----------------------------------------------------------------------------------

SMUGGLED = "a\r\nX-Injected: yes\r\nSet-Cookie: a=b\r\n\r\n<script>"


@pytest.mark.parametrize("name", [SMUGGLED, "a\nX-Injected: yes", "a\x00b", 'a"; X-Injected="yes', "a\x7fb"])
def test_names_in_download_addresses_do_not_become_headers(
    wire: Wire, mallory: ApiClient, library: str, name: str
) -> None:
    link = mallory.json("GET", f"/api2/repos/{library}/file/", params={"p": "/note.txt", "reuse": "1"})
    path = link.removeprefix(mallory.server.url).rpartition("/")[0]
    answer = answered(wire.request("GET", f"{path}/{escaped(name)}"))
    assert answer.status in (200, 404)
    assert not answer.header("X-Injected")
    assert not answer.header("Set-Cookie")
    if answer.status == 200:
        assert answer.header("Content-Disposition").count("filename") == 2
        assert answer.body == b"content"


@pytest.mark.parametrize("name", ['quo"te.txt', "semi;colon.txt", "ünï ☃.txt", "back\\slash", "a%0d%0ab"])
def test_odd_names_make_headers_that_browsers_understand(mallory: ApiClient, library: str, name: str) -> None:
    folder = mallory.post(
        f"/api2/repos/{library}/file/", params={"p": f"/{name}"}, data={"operation": "create"}
    )
    assert folder.status_code == 201
    assert folder.headers["location"].isascii()
    link = mallory.json("GET", f"/api2/repos/{library}/file/", params={"p": f"/{name}"})
    told = mallory.http.get(link).headers["content-disposition"]
    assert f"filename*=utf-8''{escaped(name)}" in told


def test_names_with_line_breaks_are_refused(mallory: ApiClient, library: str) -> None:
    for version, word in (("api2", "create"), ("api/v2.1", "create")):
        answer = mallory.post(
            f"/{version}/repos/{library}/file/", params={"p": f"/{SMUGGLED}"}, data={"operation": word}
        )
        assert answer.status_code in (400, 404)
    answer = mallory.post(f"/api2/repos/{library}/dir/", params={"p": "/a\r\nb"}, data={"operation": "mkdir"})
    assert answer.status_code == 400


# -- headers of requests ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "evil.example/path",
        "evil.example?x",
        "user@evil.example",
        "evil.example:99999999",
        "evil example",
        "evil.example\\",
        "<script>",
        "[::1",
        "",
        "\xff\xfe",
        "a" * 5000 + "/",
    ],
)
def test_a_host_that_is_none_does_not_get_into_addresses(wire: Wire, library: str, host: str) -> None:
    target = f"/api2/repos/{library}/upload-link/"
    answer = answered(wire.request("GET", target, [b"Host: " + host.encode("latin-1")]))
    if answer.status == 200:
        assert answer.json().startswith(f"http://127.0.0.1:{wire.port}/seafhttp/")
    else:
        assert answer.status == 400


def test_a_second_host_does_not_break_anything(wire: Wire, library: str) -> None:
    target = f"/api2/repos/{library}/upload-link/"
    answer = answered(wire.request("GET", target, ["Host: one.example", "Host: two.example/"]))
    assert answer.status in (200, 400)
    assert b"two.example" not in answer.body


def test_the_public_address_wins_over_every_host(tmp_path: Path) -> None:
    server = RunningServer(
        tmp_path / "data", settings={"SEAFLEET_PUBLIC_URL": "https://files.example.org/sea"}
    )
    server.start()
    library_id = server.admin.create_library("library")
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "ftp"}
    link = server.admin.get(f"/api2/repos/{library_id}/upload-link/", headers=headers).json()
    assert link.startswith("https://files.example.org/sea/seafhttp/upload-api/")
    assert server.stop() == 0


@pytest.mark.parametrize(
    "smuggled",
    ["X-HTTP-Method-Override: DELETE", "X-Method-Override: DELETE", "X-HTTP-Method: DELETE"],
)
def test_a_verb_in_a_header_is_not_obeyed(
    wire: Wire, mallory: ApiClient, library: str, smuggled: str
) -> None:
    for verb in ("GET", "POST"):
        wire.request(verb, f"/api2/repos/{library}/?_method=DELETE", [smuggled])
    assert mallory.get(f"/api2/repos/{library}/").status_code == 200


def test_a_verb_in_a_form_is_not_obeyed(wire: Wire, mallory: ApiClient, library: str) -> None:
    body = form([("_method", "DELETE"), ("p", "/note.txt")])
    wire.request("POST", f"/api2/repos/{library}/file/?p=/note.txt", [f"Content-Type: {FORM}"], body)
    assert "note.txt" in mallory.names(library)


@pytest.mark.parametrize(
    "line",
    [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: -1",
        "Content-Length: 0x10",
        "Content-Length: 99999999999999999999999999",
        "Transfer-Encoding: gzip, chunked, identity",
        "Content-Length : 5",
        " folded: yes",
        "no colon at all",
        "X\x00Y: z",
    ],
)
def test_ambiguous_requests_are_refused(wire: Wire, line: str) -> None:
    """What one server reads as one request and another as two lets callers speak for each other."""
    request = f"POST /api2/auth-token/ HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\nabcde"
    answer = wire.exchange(request.encode("latin-1") + b"GET /api2/ping/ HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer is None or answer.status in (400, 411, 413, 415)
    assert answer is None or b"pong" not in answer.body


@pytest.mark.parametrize("target", ["http://evil.example/api2/ping/", "*", "//evil.example/x", "evil", "?a"])
def test_unusual_targets_are_answered(wire: Wire, target: str) -> None:
    assert answered(wire.request("GET", target)).status in (200, 400, 404)


@pytest.mark.parametrize(
    "line",
    [b"Authorization: Token \xff\xfe", b"Authorization: Token " + b"a" * 60_000, b"Range: bytes=0-0\x7f"],
)
def test_odd_bytes_in_headers_do_no_harm(wire: Wire, line: bytes) -> None:
    assert answered(wire.request("GET", "/api2/auth/ping/", [line])).status in (200, 400, 401, 403)


@pytest.mark.parametrize(
    "accept", ["application/json; indent=99999999999999999999", ",;=,;" * 3000, "application/json; indent=-1"]
)
def test_odd_wishes_for_the_answers_form_do_no_harm(wire: Wire, accept: str) -> None:
    assert answered(wire.request("GET", "/api2/auth/ping/", [f"Accept: {accept}"])).status in (200, 406)


# -- too long, too slow ----------------------------------------------------------------------------------


def test_an_address_without_end_is_refused(wire: Wire) -> None:
    for head in (b"GET /" + b"a" * MIB, b"GET /?" + b"a=b&" * 300_000, b"GET / HTTP/1.1\r\nX: " + b"a" * MIB):
        answer = wire.exchange(head + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer is None or answer.status in (400, 404, 431)
    assert answered(wire.request("GET", "/api2/ping/")).status == 200


def test_a_long_address_is_answered(wire: Wire, library: str) -> None:
    target = f"/api2/repos/{library}/dir/?p=/{'n' * 30_000}"
    assert answered(wire.request("GET", target)).status == 404


def test_callers_that_never_finish_keep_nobody_else_from_being_served(
    sqlite_server: RunningServer, wire: Wire, mallory: ApiClient, library: str
) -> None:
    link = mallory.json("GET", f"/api2/repos/{library}/upload-link/").removeprefix(sqlite_server.url)
    starts = [
        b"",
        b"G",
        b"GET /api2/ping/ HTTP/1.1\r\nHost: x\r\nX-",
        b"POST /api2/auth-token/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nusername",
        f"POST {link} HTTP/1.1\r\nHost: x\r\n{multipart_type()}\r\nContent-Length: 100000000\r\n\r\n".encode()
        + multipart([("parent_dir", "/")], [("file", "slow", b"x" * 3 * MIB)])[:-100],
    ]
    with contextlib.ExitStack() as stack:
        for number in range(100):
            connection = stack.enter_context(wire.connect())
            connection.sendall(starts[number % len(starts)])
        for _ in range(20):
            assert answered(wire.request("GET", "/api2/auth/ping/")).status == 200
        mallory.upload(library, "/meanwhile.txt", b"content")
    assert "slow" not in mallory.names(library)


def test_a_caller_that_leaves_in_the_middle_of_a_download_does_no_harm(
    wire: Wire, mallory: ApiClient, library: str
) -> None:
    mallory.upload(library, "/large", bytes(20 * MIB))
    for _ in range(5):
        link = mallory.json("GET", f"/api2/repos/{library}/file/", params={"p": "/large"})
        with wire.connect() as connection:
            connection.sendall(
                f"GET {link.removeprefix(mallory.server.url)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            )
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert mallory.download(library, "/large") == bytes(20 * MIB)


# -- bodies of uploads -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["..", ".", "", "../../up", "a\x00b", "a\nb", "n" * 300, b"\xff\xfe", b"\xed\xa0\x80"]
)
def test_files_with_impossible_names_are_refused(
    wire: Wire, mallory: ApiClient, library: str, name: str | bytes
) -> None:
    before = mallory.names(library)
    link = mallory.json("GET", f"/api2/repos/{library}/upload-link/").removeprefix(mallory.server.url)
    body = multipart([("parent_dir", "/")], [("file", name, b"content")])
    answer = answered(wire.request("POST", link, [multipart_type()], body))
    if name == "../../up":  # only what follows the last slash is the name
        assert answer.status == 200
        assert sorted(mallory.names(library)) == sorted([*before, "up"])
        mallory.delete(f"/api2/repos/{library}/file/", params={"p": "/up"})
    else:
        assert answer.status in (400, 440)
        assert mallory.names(library) == before


@pytest.mark.parametrize(
    "path", ["../..", "a/../../b", "/absolute", "a\x00b", "n" * 5000, "x/" * 3000, "a/./b"]
)
def test_files_do_not_leave_the_folder_they_are_for(
    wire: Wire, mallory: ApiClient, library: str, path: str
) -> None:
    before = mallory.names(library)
    link = mallory.json("GET", f"/api2/repos/{library}/upload-link/").removeprefix(mallory.server.url)
    fields = [("parent_dir", "/"), ("relative_path", path)]
    body = multipart(fields, [("file", "file", b"content")])
    assert answered(wire.request("POST", link, [multipart_type()], body)).status in (400, 440)
    assert mallory.names(library) == before


def test_uploads_that_break_off_anywhere_leave_nothing(
    sqlite_server: RunningServer, wire: Wire, mallory: ApiClient, library: str
) -> None:
    before = mallory.names(library)
    link = mallory.json("GET", f"/api2/repos/{library}/upload-link/").removeprefix(sqlite_server.url)
    body = multipart([("parent_dir", "/")], [("file", "torn", bytes(2 * MIB))])
    head = f"POST {link} HTTP/1.1\r\nHost: x\r\n{multipart_type()}\r\nContent-Length: {len(body)}\r\n\r\n"
    for cut in (0, 10, 100, 200, MIB, MIB + 1, len(body) - 30, len(body) - 1):
        with wire.connect() as connection:
            connection.sendall(head.encode() + body[:cut])
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                assert b"HTTP/1.1 200" not in connection.recv(10_000)
    assert mallory.names(library) == before
    until(lambda: not [path for path in (sqlite_server.data / "tmp").rglob("*") if path.is_file()])
