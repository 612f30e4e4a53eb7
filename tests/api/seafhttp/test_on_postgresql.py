"""One walk through the file server on PostgreSQL; the other tests of this folder run on SQLite."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

import pytest

from tests.api.seafhttp.conftest import Shelf
from tests.support.inprocess import InProcessServer, multipart
from tests.support.postgresql import PostgresqlServer

CONTENT = bytes(range(256)) * 40_000


@pytest.fixture(scope="module")
def postgresql_shelf(
    postgresql_server: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shelf]:
    with postgresql_server.database() as url:
        data = tmp_path_factory.mktemp("postgresql") / "data"
        with InProcessServer(data, database_url=url) as server:
            owner = server.account()
            yield Shelf(server, owner, server.library(owner))


def test_files_go_in_and_come_out(postgresql_shelf: Shelf) -> None:
    shelf = postgresql_shelf
    assert shelf.upload("a.bin", CONTENT, relative_path="docs").status_code == 200
    assert shelf.upload("a.bin", b"small", replace="1").status_code == 200
    answer = shelf.server.request(
        "GET", shelf.download_path("/docs/a.bin", one_time=True), headers={"Range": "bytes=8388600-8388700"}
    )
    assert (answer.status_code, answer.content) == (206, CONTENT[8388600:8388701])
    base = shelf.server.head(shelf.library).commit_id
    for query, content in (("", b"theirs"), (f"?head={base}", b"mine")):
        body, headers = multipart([("target_file", None, b"/a.bin"), ("file", "a.bin", content)])
        path = f"/seafhttp/update-api/{shelf.token('update', 'dummy')}{query}"
        assert shelf.server.request("POST", path, content=body, headers=headers).status_code == 200
    assert sorted(map(len, shelf.names()))[:2] == [len("docs"), len("a.bin")]
    assert len(shelf.names()) == 3


def test_chunks_add_up(postgresql_shelf: Shelf) -> None:
    shelf = postgresql_shelf
    for first, last in ((0, 9), (10, 19)):
        body, headers = multipart([("parent_dir", None, b"/"), ("file", "c", CONTENT[first : last + 1])])
        headers |= {
            "Content-Range": f"bytes {first}-{last}/20",
            "Content-Disposition": 'attachment; filename="chunked"',
        }
        answer = shelf.server.request("POST", shelf.upload_path(), content=body, headers=headers)
        assert answer.status_code == 200
    assert shelf.content("/chunked") == CONTENT[:20]


def test_folders_are_packed(postgresql_shelf: Shelf) -> None:
    shelf = postgresql_shelf
    shelf.upload("b.txt", b"packed", relative_path="pack")
    token = shelf.server.api_token(shelf.owner)
    asked = shelf.server.request(
        "GET",
        f"/api/v2.1/repos/{shelf.library.library_id}/zip-task/",
        params={"parent_dir": "/", "dirents": "pack"},
        headers={"Authorization": f"Token {token}"},
    )
    answer = shelf.server.request("GET", f"/seafhttp/zip/{asked.json()['zip_token']}")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        assert found.read("pack/b.txt") == b"packed"
