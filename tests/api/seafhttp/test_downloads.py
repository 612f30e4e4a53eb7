"""Downloads: whole, in parts, of encrypted libraries, of blocks; and what is said about them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from seafleet.actor import Actor
from seafleet.db.tables import audit_event
from seafleet.ids import ObjectId
from seafleet.store.contract import Kind
from tests.api.seafhttp.conftest import Shelf
from tests.support.inprocess import InProcessServer, head_of

CONTENT = bytes(range(256)) * 40_000  # 10.24 MB: two blocks
SIZE = len(CONTENT)
BLOCK = 8 << 20


@pytest.fixture(scope="module")
def big(server: InProcessServer) -> Shelf:
    """A library with one file of two blocks, which tests only read."""
    owner = server.account()
    made = Shelf(server, owner, server.library(owner))
    assert made.upload("big.bin", CONTENT).status_code == 200
    return made


def get(shelf: Shelf, path: str, **headers: str) -> Any:
    lines = {name.replace("_", "-"): value for name, value in headers.items()}
    return shelf.server.request("GET", path, headers=lines)


# -- whole files ---------------------------------------------------------------------------------------------


def test_a_download_comes_with_everything_that_clients_read(big: Shelf) -> None:
    entry = big.server.entry(big.library, "/big.bin")
    assert entry is not None
    answer = get(big, big.download_path("/big.bin"))
    assert answer.status_code == 200
    assert answer.content == CONTENT
    found = dict(answer.headers)
    assert found["etag"] == entry.id
    assert found["last-modified"].endswith(" GMT")
    assert found["cache-control"] == "max-age=3600"
    assert found["access-control-allow-origin"] == "*"
    assert found["content-type"] == "application/octet-stream"
    assert found["content-length"] == str(SIZE)
    assert found["content-disposition"] == "attachment;filename*=utf-8''big.bin;filename=\"big.bin\""
    assert found["x-content-type-options"] == "nosniff"
    assert found["accept-ranges"] == "bytes"


def test_a_token_for_viewing_shows_the_file_inline(shelf: Shelf) -> None:
    shelf.upload("a.txt", b"text")
    answer = get(shelf, shelf.download_path("/a.txt", "view"))
    assert answer.headers["content-disposition"].startswith("inline;")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.content == b"text"


def test_an_empty_file_is_nothing(shelf: Shelf) -> None:
    shelf.upload("empty", b"")
    answer = get(shelf, shelf.download_path("/empty"), Range="bytes=0-5")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


def test_head_tells_the_same_without_the_content(big: Shelf) -> None:
    path = big.download_path("/big.bin")
    asked = big.server.request("HEAD", path, headers={"Range": "bytes=0-1"})
    told = get(big, path)
    ignored = ("date", "last-modified", "x-request-id")
    assert asked.status_code == 200
    assert asked.content == b""
    assert {k: v for k, v in asked.headers.items() if k not in ignored} == {
        k: v for k, v in told.headers.items() if k not in ignored
    }


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.PDF", "application/pdf"),
        ("a.svg", "image/svg+xml"),
        ("a.mov", "video/mp4"),
        ("a.html", "application/octet-stream"),
        ("a.js", "application/octet-stream"),
        ("pdf", "application/octet-stream"),
        (".txt", "text/plain; charset=utf-8"),
    ],
)
def test_content_types_follow_the_name_in_the_url(shelf: Shelf, name: str, media_type: str) -> None:
    shelf.upload("a", b"<svg/>")
    path = shelf.download_path("/a").rpartition("/")[0]
    answer = get(shelf, f"{path}/{name}")
    assert answer.headers["content-type"] == media_type
    assert answer.headers.get("content-security-policy") == ("sandbox" if name == "a.svg" else None)


def test_any_name_makes_one_safe_header(shelf: Shelf) -> None:
    shelf.upload("a", b"x")
    path = shelf.download_path("/a").rpartition("/")[0]
    answer = get(shelf, path + "/x%0d%0aSet-Cookie:%20a=b%22%5c%e2%82%ac.txt")
    assert "set-cookie" not in answer.headers
    raw = dict(answer.headers.raw)[b"content-disposition"].decode()
    assert raw == (
        "attachment;filename*=utf-8''x%0D%0ASet-Cookie%3A%20a%3Db%22%5C%E2%82%AC.txt;"
        'filename="x  Set-Cookie: a=b\\"\\\\\u20ac.txt"'
    )


# -- what the caller has already -----------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["{}", '"{}"', 'W/"{}"', '"other", "{}"', "*"])
def test_content_that_the_caller_has_is_not_sent_again(big: Shelf, tag: str) -> None:
    entry = big.server.entry(big.library, "/big.bin")
    assert entry is not None
    answer = get(big, big.download_path("/big.bin"), If_None_Match=tag.format(entry.id))
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == entry.id


def test_any_time_since_is_answered_with_304(big: Shelf) -> None:
    assert get(big, big.download_path("/big.bin"), If_Modified_Since="whenever").status_code == 304


def test_another_tag_outweighs_the_time(shelf: Shelf) -> None:
    shelf.upload("a", b"x")
    path = shelf.download_path("/a")
    answer = get(shelf, path, If_None_Match='"other"', If_Modified_Since="Sun, 22 Nov 2026 09:00:00 GMT")
    assert (answer.status_code, answer.content) == (200, b"x")


# -- ranges --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, SIZE - 1),
        ("bytes=-1", SIZE - 1, SIZE - 1),
        (f"bytes=-{SIZE + 1}", 0, SIZE - 1),
        (f"bytes={BLOCK - 1}-{BLOCK}", BLOCK - 1, BLOCK),
        (f"bytes={BLOCK}-{BLOCK}", BLOCK, BLOCK),
        (f"bytes={SIZE - 2}-99999999", SIZE - 2, SIZE - 1),
        ("bytes=700000-8999999", 700_000, 8_999_999),
        ("Bytes = 5 - 6", 5, 6),
    ],
)
def test_one_range_is_sent_as_asked(big: Shelf, asked: str, first: int, last: int) -> None:
    answer = get(big, big.download_path("/big.bin"), Range=asked)
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["content-length"] == str(last - first + 1)
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.content == CONTENT[first : last + 1]


@pytest.mark.parametrize(
    "asked",
    [
        f"bytes={SIZE}-",
        f"bytes={SIZE}-{SIZE + 5}",
        "bytes=5-4",
        "bytes=-0",
        "bytes=-",
        "bytes=",
        "bytes",
        "bytes=a-b",
        "bytes=1-2-3",
        "items=0-5",
        "bytes=0-9,5-14",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(17)),
        f"bytes={'9' * 30}-",
    ],
)
def test_a_range_that_cannot_be_is_refused(big: Shelf, asked: str) -> None:
    answer = get(big, big.download_path("/big.bin"), Range=asked)
    assert (answer.status_code, answer.content) == (416, b"")
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


def test_several_ranges_come_in_one_answer(big: Shelf) -> None:
    answer = get(big, big.download_path("/big.bin"), Range=f"bytes=-3, 0-1,{BLOCK - 2}-{BLOCK + 1},{SIZE}-")
    kind, _, boundary = answer.headers["content-type"].partition("; boundary=")
    assert (answer.status_code, kind) == (206, "multipart/byteranges")
    assert answer.headers["content-length"] == str(len(answer.content))
    expected = b""
    for first, last in ((SIZE - 3, SIZE - 1), (0, 1), (BLOCK - 2, BLOCK + 1)):
        expected += (
            f"\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Range: bytes {first}-{last}/{SIZE}\r\n\r\n"
        ).encode() + CONTENT[first : last + 1]
    assert answer.content == expected + f"\r\n--{boundary}--\r\n".encode()


def test_one_of_several_ranges_that_is_left_is_sent_plainly(big: Shelf) -> None:
    answer = get(big, big.download_path("/big.bin"), Range=f"bytes={SIZE}-,0-1")
    assert (answer.status_code, answer.headers["content-range"]) == (206, f"bytes 0-1/{SIZE}")
    assert answer.content == CONTENT[:2]


def test_if_range_holds_for_the_same_content_only(big: Shelf) -> None:
    entry = big.server.entry(big.library, "/big.bin")
    assert entry is not None
    path = big.download_path("/big.bin")
    same = get(big, path, Range="bytes=0-1", If_Range=f'"{entry.id}"')
    other = get(big, path, Range="bytes=0-1", If_Range='"other"')
    dated = get(big, path, Range="bytes=0-1", If_Range="Sun, 22 Nov 2026 09:00:00 GMT")
    assert [each.status_code for each in (same, other, dated)] == [206, 200, 200]


# -- tokens --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_one_time_token_is_used_up_by_the_first_request(shelf: Shelf, method: str) -> None:
    shelf.upload("a", b"x")
    path = shelf.download_path("/a", one_time=True)
    assert shelf.server.request(method, path).status_code == 200
    again = get(shelf, path)
    assert (again.status_code, again.text) == (403, "Access token not found\n")
    assert again.headers["content-type"].startswith("text/plain")


def test_a_one_time_token_is_used_up_by_a_failed_request(shelf: Shelf) -> None:
    shelf.upload("a", b"x")
    path = shelf.download_path("/a", "downloadblks", one_time=True)
    refused = get(shelf, path)
    assert (refused.status_code, refused.text) == (403, "Operation does not match access token.\n")
    assert get(shelf, path).text == "Access token not found\n"


def test_a_token_keeps_serving_the_content_it_was_made_for(shelf: Shelf) -> None:
    shelf.upload("a", b"old")
    path = shelf.download_path("/a")
    shelf.upload("a", b"new", replace="1")
    assert get(shelf, path).content == b"old"
    assert get(shelf, path).content == b"old"


def test_a_token_ends_with_the_right_to_read(shelf: Shelf, new_shelf: Callable[..., Shelf]) -> None:
    shelf.upload("a", b"x")
    entry = shelf.server.entry(shelf.library, "/a")
    assert entry is not None
    token = shelf.server.token(shelf.library, "download", entry.id, new_shelf().owner)
    answer = get(shelf, f"/seafhttp/files/{token}/a")
    assert (answer.status_code, answer.text) == (403, "Permission denied\n")


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/seafhttp/files/00000000-0000-4000-8000-000000000000/a", 403, "Access token not found\n"),
        ("/seafhttp/files/nonsense/a", 403, "Access token not found\n"),
        ("/seafhttp/files/00000000-0000-4000-8000-000000000000", 400, "Invalid URL\n"),
        ("/seafhttp/files/00000000-0000-4000-8000-000000000000/", 400, "Invalid URL\n"),
    ],
)
def test_what_is_no_download_is_refused_in_plain_text(
    server: InProcessServer, path: str, status: int, text: str
) -> None:
    answer = server.request("GET", path)
    assert (answer.status_code, answer.text) == (status, text)


def test_a_file_id_that_is_none_is_refused(shelf: Shelf) -> None:
    answer = get(shelf, f"/seafhttp/files/{shelf.token('download', 'nonsense')}/a")
    assert (answer.status_code, answer.text) == (400, "Invalid file id\n")


# -- when something is missing or somebody leaves ------------------------------------------------------------


def test_a_block_that_is_missing_from_the_beginning_is_an_error(shelf: Shelf) -> None:
    shelf.upload("a", CONTENT)
    remove_block(shelf, "/a", 0)
    answer = get(shelf, shelf.download_path("/a"))
    assert (answer.status_code, answer.text) == (500, "Internal server error\n")


def test_a_block_that_is_missing_later_closes_the_connection(shelf: Shelf) -> None:
    shelf.upload("a", CONTENT)
    remove_block(shelf, "/a", 1)
    answer = shelf.server.raw(head_of("GET", shelf.download_path("/a"), {}))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"content-length: {SIZE}".encode() in head
    assert body == CONTENT[:BLOCK]


def remove_block(shelf: Shelf, path: str, index: int) -> None:
    entry = shelf.server.entry(shelf.library, path)
    assert entry is not None
    services = shelf.server.services
    file = services.transfers.contents.file(shelf.library.store_id, entry.id)
    assert services.objects.blobs.remove(shelf.library.store_id, file.block_ids[index])


def test_nothing_is_read_for_a_caller_that_left(big: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0
    objects = big.server.services.objects
    real = objects.read_block

    def counted(*arguments: Any) -> bytes:
        nonlocal reads
        reads += 1
        return real(*arguments)

    with monkeypatch.context() as patch, socket.create_connection(("127.0.0.1", big.server.port)) as caller:
        patch.setattr(objects, "read_block", counted)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.sendall(head_of("GET", big.download_path("/big.bin"), {}))
        assert caller.recv(100).startswith(b"HTTP/1.1 200 ")
        caller.close()
        big.server.settled()
    assert reads < SIZE // (512 << 10)


# -- encrypted libraries -------------------------------------------------------------------------------------


@pytest.fixture
def locked(server: InProcessServer) -> Shelf:
    """An encrypted library whose password is not set."""
    owner = server.account()
    return Shelf(server, owner, server.library(owner, password="a password"))


def unlock(shelf: Shelf) -> None:
    shelf.server.services.transfers.keys.unlock(shelf.library, shelf.owner.id, "a password")


def test_an_encrypted_library_takes_and_gives_content_while_unlocked(locked: Shelf) -> None:
    unlock(locked)
    assert locked.upload("big.bin", CONTENT).status_code == 200
    assert locked.upload("small.txt", b"secret").status_code == 200
    whole = get(locked, locked.download_path("/big.bin"))
    assert (whole.status_code, whole.headers["content-length"]) == (200, str(SIZE))
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.content == CONTENT
    assert get(locked, locked.download_path("/small.txt")).content == b"secret"


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("bytes=0-5", 0, 6),
        ("bytes=5-16", 5, 17),
        (f"bytes={SIZE - 100}-", SIZE - 100, SIZE),
        ("bytes=-1", SIZE - 1, SIZE),
        (f"bytes={(8 << 20) - 3}-{(8 << 20) + 2}", (8 << 20) - 3, (8 << 20) + 3),
    ],
)
def test_parts_of_encrypted_files_are_decrypted(locked: Shelf, asked: str, first: int, end: int) -> None:
    unlock(locked)
    assert locked.upload("big.bin", CONTENT).status_code == 200
    part = get(locked, locked.download_path("/big.bin"), Range=asked)
    assert (part.status_code, part.headers["content-range"]) == (206, f"bytes {first}-{end - 1}/{SIZE}")
    assert part.content == CONTENT[first:end]


def test_stored_blocks_of_an_encrypted_library_are_not_readable(locked: Shelf) -> None:
    unlock(locked)
    locked.upload("small.txt", b"secret")
    entry = locked.server.entry(locked.library, "/small.txt")
    assert entry is not None
    assert entry.size == len(b"secret")
    services = locked.server.services
    (block_id,) = services.transfers.contents.file(locked.library.store_id, entry.id).block_ids
    stored = services.objects.get(locked.library.store_id, Kind.BLOCK, ObjectId(block_id))
    assert len(stored) == 16
    assert b"secret" not in stored


def test_a_locked_library_refuses_content(locked: Shelf) -> None:
    unlock(locked)
    locked.upload("a", b"secret")
    path = locked.download_path("/a")
    locked.server.services.library_passwords.forget(locked.library.library_id, locked.owner.id)
    down = get(locked, path)
    assert (down.status_code, down.text) == (400, "Repo is encrypted. Please provide password to view it.\n")
    up = locked.upload("b", b"secret")
    assert (up.status_code, up.json()) == (500, {"error": "Internal error"})
    assert locked.names() == ["a"]


def test_an_unlocked_library_is_unlocked_for_one_account_only(locked: Shelf) -> None:
    unlock(locked)
    keys = locked.server.services.transfers.keys
    other = locked.server.account()
    assert keys.is_unlocked(locked.library, locked.owner.id)
    assert not keys.is_unlocked(locked.library, other.id)
    assert not keys.is_unlocked(locked.library, None)


# -- blocks --------------------------------------------------------------------------------------------------


def test_a_block_comes_as_it_is_stored(big: Shelf) -> None:
    entry = big.server.entry(big.library, "/big.bin")
    assert entry is not None
    first, second = big.server.services.transfers.contents.file(big.library.store_id, entry.id).block_ids
    token = big.token("downloadblks", entry.id)
    for block_id, content in ((first, CONTENT[:BLOCK]), (second, CONTENT[BLOCK:])):
        answer = get(big, f"/seafhttp/blks/{token}/{block_id}")
        assert answer.status_code == 200
        assert answer.content == content
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"] == f'attachment;filename="{block_id}"'
        assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("block_id", ["0" * 40, "nonsense"])
def test_a_block_of_another_file_is_refused(big: Shelf, block_id: str) -> None:
    entry = big.server.entry(big.library, "/big.bin")
    assert entry is not None
    answer = get(big, f"/seafhttp/blks/{big.token('downloadblks', entry.id)}/{block_id}")
    assert (answer.status_code, answer.content) == (400, b"")


# -- by path -------------------------------------------------------------------------------------------------


def by_path(shelf: Shelf, path: str, query: str = "op=download", **headers: str) -> Any:
    lines = {"Authorization": f"Token {shelf.server.api_token(shelf.owner)}"}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    target = f"/seafhttp/repos/{shelf.library.library_id}/files{path}?{query}"
    return shelf.server.request("GET", target, headers=lines)


def test_the_holder_of_an_api_token_downloads_by_path(shelf: Shelf) -> None:
    shelf.upload("a b.txt", b"text", relative_path="x/y")
    answer = by_path(shelf, "/x/y/a%20b.txt", "op=view")
    assert (answer.status_code, answer.content) == (200, b"text")
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["content-disposition"].startswith("inline;filename*=utf-8''a%20b.txt")
    assert by_path(shelf, "/x/y/a%20b.txt", Range="bytes=1-2").content == b"ex"
    assert by_path(shelf, "/x/y/a%20b.txt", If_None_Match=answer.headers["etag"]).status_code == 304


def test_a_download_by_path_is_written_into_the_audit_log(shelf: Shelf) -> None:
    shelf.upload("a.txt", b"text")
    by_path(shelf, "/a.txt")
    with shelf.server.services.db.read() as connection:
        statement = select(audit_event).where(audit_event.c.library_id == shelf.library.library_id)
        rows = [(row.tag, row.actor, row.path) for row in connection.execute(statement)]
    assert ("api:file:download", shelf.owner.email, "/a.txt") in rows


@pytest.mark.parametrize(
    ("path", "query", "status", "text"),
    [
        ("/a.txt", "", 400, "No operation\n"),
        ("/a.txt", "op=eat", 400, "Operation is neither view or download\n"),
        ("/", "op=view", 400, "Invalid file_path\n"),
        ("/gone.txt", "op=view", 404, "File not found\n"),
    ],
)
def test_downloads_by_path_say_what_is_wrong(
    shelf: Shelf, path: str, query: str, status: int, text: str
) -> None:
    shelf.upload("a.txt", b"text")
    answer = by_path(shelf, path, query)
    assert (answer.status_code, answer.text) == (status, text)


def test_downloads_by_path_ask_for_a_token_and_the_right_to_read(
    shelf: Shelf, new_shelf: Callable[..., Shelf]
) -> None:
    shelf.upload("a.txt", b"text")
    nobody = by_path(shelf, "/a.txt", Authorization="")
    unknown = by_path(shelf, "/a.txt", Authorization="Token " + "0" * 40)
    stranger = shelf.server.api_token(new_shelf().owner)
    refused = by_path(shelf, "/a.txt", Authorization=f"Token {stranger}")
    assert (nobody.status_code, nobody.text) == (400, "Both token and cookie are not set\n")
    assert unknown.status_code == 403
    assert (refused.status_code, refused.text) == (403, "Permission denied\n")


def test_a_token_of_the_server_itself_reads_everything(shelf: Shelf) -> None:
    shelf.upload("a.txt", b"text")
    entry = shelf.server.entry(shelf.library, "/a.txt")
    assert entry is not None
    system = Actor(account_id=None, email="", is_staff=True, kind="system")
    token = shelf.server.services.access_tokens.issue(
        shelf.library.library_id, "download-link", entry.id, system
    )
    assert get(shelf, f"/seafhttp/files/{token}/a.txt").content == b"text"
