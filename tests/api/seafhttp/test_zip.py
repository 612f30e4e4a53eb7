"""Archives of folders and of several items, from asking for the token to unpacking."""

from __future__ import annotations

import io
import json
import socket
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from seafleet.db.tables import audit_event
from seafleet.library.edits import MakeFolders, Rename
from seafleet.library.model import Author
from tests.api.seafhttp.conftest import Shelf
from tests.support.inprocess import InProcessServer, head_of

BIG = bytes(range(256)) * 40_000


def ask(
    shelf: Shelf, parent: str | None, *names: str, method: str = "GET", owner: Shelf | None = None
) -> Any:
    token = shelf.server.api_token((owner or shelf).owner)
    fields: dict[str, Any] = {"dirents": list(names)}
    if parent is not None:
        fields["parent_dir"] = parent
    return shelf.server.request(
        method,
        f"/api/v2.1/repos/{shelf.library.library_id}/zip-task/",
        headers={"Authorization": f"Token {token}"},
        **({"params": fields} if method == "GET" else {"data": fields}),
    )


def token_for(shelf: Shelf, parent: str, *names: str, method: str = "GET") -> str:
    answer = ask(shelf, parent, *names, method=method)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["zip_token"])


def progress(server: InProcessServer, token: str) -> Any:
    return server.request("GET", "/api/v2.1/query-zip-progress/", params={"token": token})


def cancel(server: InProcessServer, token: str) -> Any:
    return server.request("POST", "/api/v2.1/cancel-zip-task/", data={"token": token})


def fetch(shelf: Shelf, token: str) -> httpx.Response:
    return shelf.server.request("GET", f"/seafhttp/zip/{token}")


def unpacked(answer: httpx.Response) -> dict[str, bytes]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-length"] == str(len(answer.content))
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        assert found.testzip() is None
        return {info.filename: found.read(info) for info in found.infolist()}


@pytest.fixture
def filled(shelf: Shelf) -> Shelf:
    """A library with files, folders and an empty folder."""
    shelf.upload("a.txt", b"first", relative_path="docs")
    shelf.upload("big.bin", BIG, relative_path="docs/deep")
    shelf.upload("\u00fc.txt", b"umlaut", relative_path="docs/\u4e2d\u6587")
    shelf.upload("top.txt", b"top")
    make_folder(shelf, "docs/empty")
    return shelf


def make_folder(shelf: Shelf, path: str) -> None:
    libraries = shelf.server.services.libraries
    libraries.commit_edit(shelf.library.library_id, Author(shelf.owner.email), MakeFolders("/", path))


def test_a_folder_stands_in_its_archive_under_its_own_name(filled: Shelf) -> None:
    answer = fetch(filled, token_for(filled, "/", "docs"))
    assert unpacked(answer) == {
        "docs/a.txt": b"first",
        "docs/deep/big.bin": BIG,
        "docs/empty/": b"",
        "docs/\u4e2d\u6587/\u00fc.txt": b"umlaut",
    }
    assert answer.headers["content-disposition"].startswith("attachment;filename*=utf-8''docs.zip;")


def test_several_items_stand_at_the_top(filled: Shelf) -> None:
    answer = fetch(filled, token_for(filled, "/docs", "deep", "a.txt", "empty", "a.txt"))
    assert unpacked(answer) == {"deep/big.bin": BIG, "a.txt": b"first", "empty/": b""}
    today = f"documents-export-{datetime.now(UTC):%Y-%m-%d}.zip"
    assert f'filename="{today}"' in answer.headers["content-disposition"]


def test_one_file_may_be_packed_too(filled: Shelf) -> None:
    assert unpacked(fetch(filled, token_for(filled, "/", "top.txt", method="POST"))) == {"top.txt": b"top"}


def test_an_empty_folder_is_an_archive_with_one_entry(filled: Shelf) -> None:
    token = token_for(filled, "/docs", "empty")
    told = progress(filled.server, token).json()
    assert told["zipped"] == told["total"] == 1
    assert unpacked(fetch(filled, token)) == {"empty/": b""}


def test_the_archive_holds_what_was_there_when_the_token_was_made(filled: Shelf) -> None:
    one, several = token_for(filled, "/", "docs"), token_for(filled, "/", "top.txt", "docs")
    filled.upload("top.txt", b"newer", replace="1")
    filled.upload("more.txt", b"", relative_path="docs")
    assert "docs/more.txt" not in unpacked(fetch(filled, one))
    assert unpacked(fetch(filled, several))["top.txt"] == b"top"


def test_times_and_modes_are_those_of_the_library(shelf: Shelf) -> None:
    shelf.upload("a", b"x", last_modify="2020-02-02T12:00:00Z")
    with zipfile.ZipFile(io.BytesIO(fetch(shelf, token_for(shelf, "/", "a")).content)) as found:
        (info,) = found.infolist()
    assert info.date_time == (2020, 2, 2, 12, 0, 0)
    assert info.external_attr >> 16 == 0o100644


def test_a_client_that_polls_is_told_to_fetch_at_once(filled: Shelf) -> None:
    token = token_for(filled, "/", "docs")
    told = {"zipped": 3, "total": 3, "failed": 0, "failed_reason": "", "canceled": 0}
    assert progress(filled.server, token).json() == told
    fetch(filled, token)
    filled.server.settled()
    assert progress(filled.server, token).json() == told


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_archive_is_fetched_once(filled: Shelf, method: str) -> None:
    token = token_for(filled, "/", "docs")
    assert filled.server.request(method, f"/seafhttp/zip/{token}").status_code == 200
    again = fetch(filled, token)
    assert (again.status_code, again.text) == (403, "Access token not found\n")


def test_progress_is_known_to_token_holders_only(server: InProcessServer) -> None:
    unknown = progress(server, "00000000-0000-4000-8000-000000000000")
    assert (unknown.status_code, unknown.json()) == (404, {"error_msg": "progress not found."})
    for call in (progress, cancel):
        missing = call(server, "")
        assert (missing.status_code, missing.json()) == (400, {"error_msg": "token invalid."})
    assert cancel(server, "whatever").json() == {"success": True}


def test_a_canceled_archive_is_not_sent(filled: Shelf) -> None:
    token = token_for(filled, "/", "docs")
    assert cancel(filled.server, token).json() == {"success": True}
    told = progress(filled.server, token).json()
    assert (told["canceled"], told["failed"]) == (1, 0)
    assert fetch(filled, token).status_code == 403


@pytest.mark.parametrize(
    ("parent", "names", "status", "text"),
    [
        (None, ["docs"], 400, "parent_dir invalid."),
        ("/", [], 400, "dirents invalid."),
        ("/", [""], 400, "dirents invalid."),
        ("/", ["docs/a.txt"], 400, "dirents invalid."),
        ("/gone", ["docs"], 404, "Folder /gone/ not found."),
        ("/", ["docs", "gone", "also gone"], 404, "Folder /gone/ not found."),
        ("/docs", ["."], 404, "Folder /docs/./ not found."),
    ],
)
def test_what_cannot_be_packed_is_refused(
    filled: Shelf, parent: str | None, names: list[str], status: int, text: str
) -> None:
    answer = ask(filled, parent, *names)
    assert (answer.status_code, answer.json()) == (status, {"error_msg": text})


def test_strangers_get_no_archive(filled: Shelf, new_shelf: Callable[..., Shelf]) -> None:
    answer = ask(filled, "/", "docs", owner=new_shelf())
    assert (answer.status_code, answer.json()) == (403, {"error_msg": "Permission denied."})


def test_the_site_limits_what_is_packed(tmp_path: Path) -> None:
    with InProcessServer(tmp_path / "data", max_zip_bytes=9) as server:
        owner = server.account()
        shelf = Shelf(server, owner, server.library(owner))
        for name in ("a", "b"):
            shelf.upload(name, b"12345", relative_path="docs")
        shelf.upload("one", b"12345", relative_path="few")
        alone, both = ask(shelf, "/", "docs"), ask(shelf, "/", "docs", "few")
        text = 'Unable to download directory "docs": size is too large.'
        assert (alone.status_code, alone.json()) == (400, {"error_msg": text})
        assert (both.status_code, both.json()) == (400, {"error_msg": "Total size exceeds limit."})
        assert unpacked(fetch(shelf, token_for(shelf, "/", "few"))) == {"few/one": b"12345"}
        target = {"parent_dir": "/", "file_list": ["docs"], "is_windows": 0}
        refused = fetch(shelf, shelf.token("download-multi-link", target, one_time=True))
        assert (refused.status_code, refused.text) == (400, "size is too large\n")


def test_tokens_of_links_are_taken(filled: Shelf) -> None:
    entry = filled.server.entry(filled.library, "/docs/deep")
    assert entry is not None
    folder = {"obj_id": entry.id, "dir_name": "deep", "is_windows": 1}
    assert unpacked(fetch(filled, filled.token("download-dir-link", folder))) == {"deep/big.bin": BIG}
    several = {"parent_dir": "/docs", "file_list": ["a.txt"], "is_windows": 0}
    assert unpacked(fetch(filled, filled.token("download-multi-link", several))) == {"a.txt": b"first"}


@pytest.mark.parametrize("target", ["nonsense", "{}", {"obj_id": "x", "dir_name": "d"}])
def test_tokens_that_make_no_sense_are_refused(filled: Shelf, target: object) -> None:
    assert fetch(filled, filled.token("download-dir", target)).status_code == 400


def test_an_encrypted_library_is_packed_while_unlocked(server: InProcessServer) -> None:
    owner = server.account()
    shelf = Shelf(server, owner, server.library(owner, password="a password"))
    server.services.transfers.keys.unlock(shelf.library, owner.id, "a password")
    shelf.upload("a.txt", b"secret", relative_path="docs")
    shelf.upload("big", BIG, relative_path="docs")
    assert unpacked(fetch(shelf, token_for(shelf, "/", "docs"))) == {"docs/a.txt": b"secret", "docs/big": BIG}
    server.services.library_passwords.forget(shelf.library.library_id, owner.id)
    token = token_for(shelf, "/", "docs")
    told = progress(server, token).json()
    assert (told["failed"], told["failed_reason"]) == (1, "internal error")
    assert fetch(shelf, token).status_code == 400


def test_names_that_lead_out_of_the_archive_are_made_harmless(shelf: Shelf) -> None:
    shelf.upload("a.txt", b"x", relative_path="docs")
    services = shelf.server.services
    head = shelf.server.head(shelf.library)
    libraries = services.libraries
    libraries.commit_edit(
        head.library_id, Author(shelf.owner.email), Rename("/docs/a.txt", "..\\..\\evil.txt")
    )
    assert unpacked(fetch(shelf, token_for(shelf, "/", "docs"))) == {"docs/.._.._evil.txt": b"x"}


def test_a_caller_that_leaves_ends_the_packing(filled: Shelf) -> None:
    token = token_for(filled, "/", "docs")
    with socket.create_connection(("127.0.0.1", filled.server.port)) as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.sendall(head_of("GET", f"/seafhttp/zip/{token}", {}))
        assert caller.recv(100).startswith(b"HTTP/1.1 200 ")
    filled.server.settled()
    told = progress(filled.server, token).json()
    assert (told["failed"], told["failed_reason"]) == (1, "internal error")


def test_a_missing_block_breaks_the_archive_off(filled: Shelf) -> None:
    entry = filled.server.entry(filled.library, "/docs/deep/big.bin")
    assert entry is not None
    services = filled.server.services
    file = services.transfers.contents.file(filled.library.store_id, entry.id)
    services.objects.blobs.remove(filled.library.store_id, file.block_ids[1])
    token = token_for(filled, "/", "docs")
    answer = filled.server.raw(head_of("GET", f"/seafhttp/zip/{token}", {}))
    filled.server.settled()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert not answer.endswith(b"\0\0")
    assert progress(filled.server, token).json()["failed"] == 1


def test_what_is_packed_is_written_into_the_audit_log(filled: Shelf) -> None:
    token_for(filled, "/docs", "a.txt", "deep")
    for number in range(11):
        filled.upload(f"{number}", b"", relative_path="many")
    token_for(filled, "/many", *map(str, range(11)))
    with filled.server.services.db.read() as connection:
        statement = select(audit_event).where(audit_event.c.library_id == filled.library.library_id)
        rows = [(row.tag, row.path) for row in connection.execute(statement)]
    downloads = [row for row in rows if row[0] == "web:file:download"]
    assert downloads == [
        ("web:file:download", "/docs/a.txt"),
        ("web:file:download", "/docs/deep"),
        ("web:file:download", "/many"),
    ]
    assert json.dumps(downloads).count("/many/") == 0
