"""Bodies that break off, lie about themselves or were never forms: refused, and without a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seafleet.errors import StorageFailure
from seafleet.store.local import LocalWriter
from tests.api.seafhttp.conftest import Shelf
from tests.support.inprocess import InProcessServer, head_of, multipart

BIG = bytes(3 << 20)
BAD_REQUEST = b'{"error":"Bad request."}'
WRONG_BOUNDARY = b'{"error":"Wrong boundary in url"}'


def files_in(folder: Path) -> list[str]:
    """Return the files below a folder, by path."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture(autouse=True)
def _no_trace(shelf: Shelf) -> Iterator[None]:
    """After each of these tests the library is as it was, and so is the data folder."""
    before = files_in(shelf.server.data / "blocks"), files_in(shelf.server.data / "tmp")
    yield
    # What was received is dropped in a thread after the answer, or after the caller hung up.
    shelf.server.settled()
    assert shelf.names() == []
    assert (files_in(shelf.server.data / "blocks"), files_in(shelf.server.data / "tmp")) == before


def form(content: bytes, boundary: str = "test-boundary") -> bytes:
    body, _ = multipart([("parent_dir", None, b"/"), ("file", "a.bin", content)], boundary)
    return body


def post(shelf: Shelf, body: bytes, length: int | None = None, boundary: str = "test-boundary") -> bytes:
    """Send a body as it is; its length may be a lie."""
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(len(body) if length is None else length),
    }
    return shelf.server.raw(head_of("POST", shelf.upload_path(), headers), body, until=b"}")


@pytest.mark.parametrize("content", [b"small", BIG], ids=["small", "big"])
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda body: body[:-20], id="cut off"),
        pytest.param(lambda body: body[:60], id="cut off in a head"),
        pytest.param(lambda body: body.replace(b"boundary--", b"boundary"), id="no end"),
        pytest.param(lambda body: body + b"garbage", id="garbage after the end"),
        pytest.param(lambda body: body + BIG, id="much garbage after the end"),
        pytest.param(lambda body: b"--other" + body, id="another boundary first"),
        pytest.param(lambda body: body.replace(b"form-data", b"attachment"), id="not form data"),
        pytest.param(lambda body: body.replace(b"Content-Type:", b"Content Type:"), id="bad head name"),
        pytest.param(lambda body: body.replace(b"octet-stream", b"o" * 5000), id="long head line"),
        pytest.param(
            lambda body: body.replace(b"Content-Type:", b"X-A: b\r\n" * 20 + b"Content-Type:"),
            id="many heads",
        ),
        pytest.param(lambda body: body.replace(b"a.bin", b"\xff\xfe.bin"), id="name not UTF-8"),
        pytest.param(lambda body: body.replace(b"\r\n", b"\n"), id="bare line feeds"),
        pytest.param(lambda body: b"", id="empty"),
    ],
)
def test_a_body_that_is_no_complete_form_is_refused(
    shelf: Shelf, content: bytes, spoil: Callable[[bytes], bytes]
) -> None:
    answer = post(shelf, spoil(form(content)))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(BAD_REQUEST)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/mixed; boundary=test-boundary",
        "multipart/form-data; boundary=" + "b" * 201,
        "multipart/form-data; boundary=\u00e9",
    ],
)
def test_a_body_without_a_boundary_is_refused(shelf: Shelf, content_type: str) -> None:
    body = form(b"x")
    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
    answer = shelf.server.raw(head_of("POST", shelf.upload_path(), headers), body, until=b"}")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(WRONG_BOUNDARY)


def test_a_boundary_that_the_body_does_not_use_is_refused(shelf: Shelf) -> None:
    assert post(shelf, form(BIG, "mine"), boundary="yours").endswith(BAD_REQUEST)


def test_too_many_parts_are_refused(shelf: Shelf) -> None:
    body, _ = multipart(("file", "a", b"") for _ in range(10_001))
    assert post(shelf, body).endswith(BAD_REQUEST)


@pytest.mark.parametrize("content", [b"small", BIG], ids=["small", "big"])
def test_a_caller_that_hangs_up_leaves_nothing(shelf: Shelf, content: bytes) -> None:
    body = form(content)
    headers = {
        "Content-Type": "multipart/form-data; boundary=test-boundary",
        "Content-Length": str(len(body)),
    }
    answer = shelf.server.raw(head_of("POST", shelf.upload_path(), headers), body[:-40], until=b"")
    assert answer == b""


def test_a_chunked_body_that_breaks_off_leaves_nothing(shelf: Shelf) -> None:
    headers = {
        "Content-Type": "multipart/form-data; boundary=test-boundary",
        "Transfer-Encoding": "chunked",
    }
    body = form(BIG)
    chunk = f"{len(body):x}\r\n".encode() + body[:-1]
    assert shelf.server.raw(head_of("POST", shelf.upload_path(), headers), chunk, until=b"") == b""


def test_a_wrong_form_after_much_content_leaves_nothing(shelf: Shelf) -> None:
    body, headers = multipart([("file", "a.bin", BIG), ("parent_dir", None, b"/gone")])
    answer = shelf.server.request("POST", shelf.upload_path(), content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (400, {"error": "Parent dir doesn't exist."})


def test_one_bad_name_among_files_refuses_all_of_them(shelf: Shelf) -> None:
    body, headers = multipart(
        [("parent_dir", None, b"/"), ("file", "a.bin", BIG), ("file", "..", b""), ("file", "b.bin", BIG)]
    )
    answer = shelf.server.request("POST", shelf.upload_path(), content=body, headers=headers)
    assert answer.status_code == 440


def test_a_disk_that_fails_is_an_internal_error(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StorageFailure("cannot write a block: no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LocalWriter, "write", fail)
        answer = shelf.upload("a.bin", BIG)
    assert (answer.status_code, answer.json()) == (500, {"error": "Internal error"})


def test_a_file_above_the_limit_is_refused_as_soon_as_that_is_known(tmp_path: Path, shelf: Shelf) -> None:
    with InProcessServer(tmp_path / "data", max_upload_bytes=1 << 20) as server:
        owner = server.account()
        small = Shelf(server, owner, server.library(owner))
        body, headers = multipart([("parent_dir", None, b"/"), ("file", "a.bin", BIG)])
        for content in (body, iter([body[:100], body[100:]])):
            answer = server.request("POST", small.upload_path(), content=content, headers=headers)
            assert (answer.status_code, answer.json()) == (442, {"error": "File size is too large."})
        assert small.upload("fits", bytes(1000)).status_code == 200
        server.settled()
        assert files_in(server.data / "tmp") == []
