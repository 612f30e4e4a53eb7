"""Uploads in several requests, and how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from seafleet.db.tables import upload_temp
from tests.api.seafhttp.conftest import Shelf
from tests.support.inprocess import InProcessServer, multipart

CONTENT = bytes(range(256)) * 8 * 1024  # 2 MiB


def chunk(
    shelf: Shelf,
    first: int,
    last: int,
    total: int,
    *,
    data: bytes | None = None,
    name: str | None = "big%20file.bin",
    path: str = "",
    **fields: str,
) -> httpx.Response:
    """Send one chunk of CONTENT."""
    form = [(key, None, value.encode()) for key, value in {"parent_dir": "/", **fields}.items()]
    content = CONTENT[first : last + 1] if data is None else data
    body, headers = multipart([*form, ("file", "blob", content)])
    headers["Content-Range"] = f"bytes {first}-{last}/{total}"
    if name is not None:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return shelf.server.request("POST", path or shelf.upload_path(), content=body, headers=headers)


def uploaded_bytes(shelf: Shelf, folder: str = "/", name: str = "big file.bin") -> Any:
    answer = ask_uploaded_bytes(shelf, parent_dir=folder, file_name=name)
    assert answer.status_code == 200
    assert answer.headers["accept-ranges"] == "bytes"
    return answer.json()["uploadedBytes"]


def ask_uploaded_bytes(shelf: Shelf, **query: str) -> httpx.Response:
    token = shelf.server.api_token(shelf.owner)
    return shelf.server.request(
        "GET",
        f"/api/v2.1/repos/{shelf.library.library_id}/file-uploaded-bytes/",
        params=query,
        headers={"Authorization": f"Token {token}"},
    )


@pytest.fixture(autouse=True)
def _unfinished_uploads_are_all_that_is_left(server: InProcessServer) -> Iterator[None]:
    """Every file in the folder for uploads belongs to an unfinished one."""
    yield
    server.settled()
    with server.services.db.read() as connection:
        used = set(connection.execute(select(upload_temp.c.temp_name)).scalars())
    assert set(temporary_files(server)) == used


def temporary_files(server: InProcessServer) -> list[str]:
    folder = server.data / "uploads"
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def test_chunks_become_a_file_with_the_last_one(shelf: Shelf) -> None:
    total = len(CONTENT)
    for first, last in ((0, 799_999), (800_000, 1_599_999)):
        answer = chunk(shelf, first, last, total)
        assert (answer.status_code, answer.json()) == (200, {"success": True})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert uploaded_bytes(shelf) == last + 1
        assert shelf.names() == []
    answer = chunk(shelf, 1_600_000, total - 1, total, path=shelf.upload_path() + "?ret-json=1")
    (told,) = answer.json()
    assert (told["name"], told["size"]) == ("big file.bin", total)
    assert shelf.content("/big file.bin") == CONTENT
    assert shelf.description == 'Added "big file.bin".'
    assert uploaded_bytes(shelf) == 0


def test_the_place_is_known_only_after_the_chunk_and_may_be_deep(shelf: Shelf) -> None:
    shelf.upload("x", b"", relative_path="docs")
    first = chunk(shelf, 0, 9, 20, parent_dir="/docs", relative_path="a/b")
    assert first.json() == {"success": True}
    assert chunk(shelf, 10, 19, 20, parent_dir="/docs", relative_path="a/b").status_code == 200
    assert shelf.content("/docs/a/b/big file.bin") == CONTENT[:20]


def test_a_file_in_one_chunk_needs_no_second(shelf: Shelf) -> None:
    assert len(chunk(shelf, 0, 99, 100).text) == 40
    assert shelf.content("/big file.bin") == CONTENT[:100]


def test_a_chunked_upload_to_a_taken_name_gets_a_number(shelf: Shelf) -> None:
    shelf.upload("big file.bin", b"first")
    chunk(shelf, 0, 9, 20)
    chunk(shelf, 10, 19, 20)
    assert shelf.names() == ["big file (1).bin", "big file.bin"]


def test_an_update_may_come_in_chunks(shelf: Shelf) -> None:
    shelf.upload("a.bin", b"old")
    path = f"/seafhttp/update-api/{shelf.token('update', 'dummy')}"
    assert chunk(shelf, 0, 9, 20, path=path, target_file="/a.bin").json() == {"success": True}
    assert uploaded_bytes(shelf, name="a.bin") == 10
    assert len(chunk(shelf, 10, 19, 20, path=path, target_file="/a.bin").text) == 40
    assert shelf.content("/a.bin") == CONTENT[:20]


def test_a_browser_gets_the_file_as_json(shelf: Shelf) -> None:
    path = shelf.upload_path(operation="upload-aj")
    assert chunk(shelf, 0, 9, 20, path=path).json() == {"success": True}
    assert chunk(shelf, 10, 19, 20, path=path).json()[0]["size"] == 20


@pytest.mark.parametrize("range_", ["bytes=0-5/6", "bytes 6-5/9", "bytes 0-9/9", "bytes 0-9/*"])
def test_a_range_that_makes_no_sense_is_refused(shelf: Shelf, range_: str) -> None:
    body, headers = multipart([("parent_dir", None, b"/"), ("file", "a", b"x")])
    headers |= {"Content-Range": range_, "Content-Disposition": "attachment; filename=a"}
    answer = shelf.server.request("POST", shelf.upload_path(), content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (400, {"error": "Invalid Seafile-Content-Range"})


@pytest.mark.parametrize("name", [None, "%ff%fe"])
def test_a_chunk_without_a_name_is_refused(shelf: Shelf, name: str | None) -> None:
    answer = chunk(shelf, 0, 9, 20, name=name)
    assert (answer.status_code, answer.json()) == (400, {"error": "Bad request."})


@pytest.mark.parametrize("name", ["..", "a%2F", "%2e"])
def test_a_chunk_with_a_bad_name_is_refused(shelf: Shelf, name: str) -> None:
    answer = chunk(shelf, 0, 9, 20, name=name)
    assert (answer.status_code, answer.json()) == (440, {"error": "Invalid filename."})


def test_a_hole_is_refused(shelf: Shelf) -> None:
    chunk(shelf, 0, 9, 30)
    for first, last in ((11, 19), (20, 29)):
        answer = chunk(shelf, first, last, 30)
        assert (answer.status_code, answer.json()) == (400, {"error": "Invalid Seafile-Content-Range"})
    assert uploaded_bytes(shelf) == 10
    assert shelf.names() == []


def test_a_chunk_that_is_too_short_is_refused(shelf: Shelf) -> None:
    for last, total in ((9, 20), (9, 10)):
        answer = chunk(shelf, 0, last, total, data=b"short")
        assert (answer.status_code, answer.json()) == (400, {"error": "Invalid Seafile-Content-Range"})
    assert shelf.names() == []


def test_several_files_with_a_range_are_refused(shelf: Shelf) -> None:
    body, headers = multipart(
        [("parent_dir", None, b"/"), ("file", "a", b"0123456789"), ("file", "b", b"0123456789")]
    )
    headers |= {"Content-Range": "bytes 0-9/20", "Content-Disposition": "attachment; filename=a"}
    answer = shelf.server.request("POST", shelf.upload_path(), content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (400, {"error": "More files in one request."})


def test_the_whole_size_is_checked_with_every_chunk(new_shelf: Callable[..., Shelf]) -> None:
    shelf = new_shelf(quota_bytes=1000)
    answer = chunk(shelf, 0, 9, 1001)
    assert (answer.status_code, answer.json()) == (443, {"error": "Out of quota."})


def test_what_came_is_kept_when_the_last_chunk_fails(shelf: Shelf) -> None:
    shelf.upload("x", b"", relative_path="docs")
    chunk(shelf, 0, 9, 20, parent_dir="/docs")
    assert chunk(shelf, 10, 19, 20, parent_dir="/docs", replace="maybe").status_code == 400
    assert uploaded_bytes(shelf, "/docs") == 10
    assert chunk(shelf, 10, 19, 20, parent_dir="/docs").status_code == 200
    assert shelf.content("/docs/big file.bin") == CONTENT[:20]


def test_an_encrypted_library_takes_chunks_while_unlocked(server: InProcessServer) -> None:
    owner = server.account()
    shelf = Shelf(server, owner, server.library(owner, password="a password"))
    refused = chunk(shelf, 0, 9, 20)
    assert (refused.status_code, refused.json()) == (500, {"error": "Internal error"})
    server.services.transfers.keys.unlock(shelf.library, owner.id, "a password")
    chunk(shelf, 0, 9, 20)
    assert chunk(shelf, 10, 19, 20).status_code == 200
    answer = server.request("GET", shelf.download_path("/big file.bin"))
    assert answer.content == CONTENT[:20]


def test_an_upload_goes_on_after_the_server_was_started_again(tmp_path: Path) -> None:
    server = InProcessServer(tmp_path / "data").start()
    owner = server.account()
    shelf = Shelf(server, owner, server.library(owner))
    path = shelf.upload_path()
    assert chunk(shelf, 0, 999_999, len(CONTENT), path=path).json() == {"success": True}
    server.stop()
    server.start()
    try:
        assert uploaded_bytes(shelf) == 1_000_000
        assert chunk(shelf, 1_000_000, len(CONTENT) - 1, len(CONTENT), path=path).status_code == 200
        assert shelf.content("/big file.bin") == CONTENT
    finally:
        server.stop()


# -- how far -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ({"file_name": "a"}, 400, "parent_dir invalid."),
        ({"parent_dir": "/"}, 400, "file_name invalid."),
        ({"parent_dir": "/gone", "file_name": "a"}, 404, "Folder /gone/ not found."),
    ],
)
def test_asking_how_much_has_come_names_a_place(
    shelf: Shelf, query: dict[str, str], status: int, text: str
) -> None:
    answer = ask_uploaded_bytes(shelf, **query)
    assert (answer.status_code, answer.json()) == (status, {"error_msg": text})


def test_strangers_may_not_ask_how_much_has_come(shelf: Shelf, new_shelf: Callable[..., Shelf]) -> None:
    stranger = Shelf(shelf.server, new_shelf().owner, shelf.library)
    answer = ask_uploaded_bytes(stranger, parent_dir="/", file_name="a")
    assert (answer.status_code, answer.json()) == (403, {"error_msg": "Permission denied."})


def test_old_pages_learn_how_far_an_upload_is(shelf: Shelf) -> None:
    def progress(progress_id: str, callback: str = "cb") -> httpx.Response:
        query = {"X-Progress-ID": progress_id, "callback": callback}
        return shelf.server.request("GET", "/seafhttp/upload_progress", params=query)

    body, headers = multipart([("parent_dir", None, b"/"), ("file", "a", CONTENT)])
    small, _ = multipart([("parent_dir", None, b"/"), ("file", "b", b"")])
    for content, name in ((body, "big"), (small, "small")):
        path = f"{shelf.upload_path()}?X-Progress-ID={name}"
        shelf.server.request("POST", path, content=content, headers=headers)
        told = progress(name)
        assert told.text == f'cb({{"uploaded":{len(content)},"length":{len(content)}}});'
        assert told.headers["content-type"].startswith("application/javascript")
    assert progress("unknown").text == 'cb({"uploaded":-1,"length":-1});'
    assert progress("big", "alert(1)//").status_code == 400
    indexing = shelf.server.request("GET", "/seafhttp/idx_progress", params={"task_id": "1"})
    assert (indexing.status_code, indexing.json()) == (404, {"error": "Failed to get index progress"})
