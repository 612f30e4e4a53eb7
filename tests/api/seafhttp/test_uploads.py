"""Uploads and updates through the file server, as clients send them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from seafleet.ids import ZERO_ID
from seafleet.library.edits import MakeFolders
from seafleet.library.model import Author, LibraryStatus
from tests.api.seafhttp.conftest import Shelf
from tests.support.inprocess import InProcessServer, head_of, multipart

CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    "access-control-max-age": "86400",
}

Part = tuple[str, str | None, bytes]


def send(
    shelf: Shelf, parts: Sequence[Part], path: str = "", **headers: str
) -> tuple[int, str, dict[str, str]]:
    """Upload a form whose parts stand in this order."""
    body, lines = multipart(parts)
    answer = shelf.server.request(
        "POST", path or shelf.upload_path(), content=body, headers={**lines, **headers}
    )
    return answer.status_code, answer.text, dict(answer.headers)


FOLDER: Part = ("parent_dir", None, b"/")


def file(content: bytes = b"x", name: str = "a.txt") -> Part:
    return ("file", name, content)


# -- what is answered ----------------------------------------------------------------------------------------


def test_a_plain_upload_answers_the_bare_id(shelf: Shelf) -> None:
    answer = shelf.upload("a.txt", b"hello")
    entry = shelf.server.entry(shelf.library, "/a.txt")
    assert entry is not None
    assert (answer.status_code, answer.text) == (200, entry.id)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert shelf.content("/a.txt") == b"hello"
    assert shelf.description == 'Added "a.txt".'


def test_answers_carry_the_headers_that_let_scripts_read_them(shelf: Shelf) -> None:
    answer = shelf.upload("a.txt", b"hello")
    assert CORS.items() <= dict(answer.headers).items()


def test_ret_json_tells_name_id_and_size_in_the_order_of_the_parts(shelf: Shelf) -> None:
    parts = [FOLDER, file(b"1", "b.txt"), file(b"22", "a.txt"), file(b"", "c.txt")]
    status, text, _ = send(shelf, parts, shelf.upload_path() + "?ret-json=1")
    found = json.loads(text)
    assert status == 200
    assert [(each["name"], each["size"]) for each in found] == [("b.txt", 1), ("a.txt", 2), ("c.txt", 0)]
    assert found[2]["id"] == ZERO_ID
    assert shelf.description == 'Added "b.txt" and 2 more files.'


def test_ret_json_is_taken_from_the_form_as_well(shelf: Shelf) -> None:
    _, text, _ = send(shelf, [FOLDER, ("ret-json", None, b"1"), file()])
    assert json.loads(text)[0]["name"] == "a.txt"


def test_several_ids_are_joined_by_tabs(shelf: Shelf) -> None:
    _, text, _ = send(shelf, [FOLDER, file(b"1", "a"), file(b"2", "b")])
    assert [len(each) for each in text.split("\t")] == [40, 40]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/json, */*", "application/json; charset=utf-8"),
        ("text/html", "text/plain; charset=utf-8"),
    ],
)
def test_browsers_get_json_under_the_type_that_they_accept(
    shelf: Shelf, accept: str, media_type: str
) -> None:
    status, text, headers = send(
        shelf, [FOLDER, file()], shelf.upload_path(operation="upload-aj"), Accept=accept
    )
    assert status == 200
    assert json.loads(text)[0]["name"] == "a.txt"
    assert headers["content-type"] == media_type


# -- the form ------------------------------------------------------------------------------------------------


def test_fields_may_come_before_and_after_the_file(shelf: Shelf) -> None:
    parts = [("replace", None, b"1"), file(b"one"), FOLDER, ("need_idx_progress", None, b"true")]
    assert send(shelf, parts)[0] == 200
    assert shelf.content("/a.txt") == b"one"


def test_other_fields_and_other_files_are_passed_over(shelf: Shelf) -> None:
    parts = [FOLDER, ("avatar", "me.png", b"\x89PNG"), ("filename", None, b"b.txt"), file()]
    assert send(shelf, parts)[0] == 200
    assert shelf.names() == ["a.txt"]


def test_relative_path_is_made_in_a_commit_of_its_own(shelf: Shelf) -> None:
    before = shelf.server.head(shelf.library).commit_id
    assert shelf.upload("a.txt", b"x", relative_path="x/y/z/").status_code == 200
    assert shelf.names("/x/y/z") == ["a.txt"]
    libraries = shelf.server.services.libraries
    head = shelf.server.head(shelf.library)
    last = libraries.commits.get(head.library_id, head.commit_id)
    assert last.parent_id is not None
    made = libraries.commits.get(head.library_id, last.parent_id)
    assert (made.description, made.parent_id) == ('Added directory "x/y/z"', before)


def test_relative_path_reuses_folders_and_takes_backslashes(shelf: Shelf) -> None:
    shelf.upload("a.txt", b"x", relative_path="x/y")
    assert shelf.upload("b.txt", b"x", relative_path="x\\y\\").status_code == 200
    assert shelf.names("/x/y") == ["a.txt", "b.txt"]
    assert shelf.names("/x") == ["y"]


def test_an_empty_relative_path_is_none(shelf: Shelf) -> None:
    assert shelf.upload("a.txt", b"x", relative_path="").status_code == 200
    assert shelf.names() == ["a.txt"]


@pytest.mark.parametrize("sent", ["/docs/", "docs", "//docs", "/docs"])
def test_parent_dir_is_brought_into_normal_form(shelf: Shelf, sent: str) -> None:
    shelf.upload("first", b"", relative_path="docs")
    assert send(shelf, [("parent_dir", None, sent.encode()), file()])[0] == 200
    assert shelf.names("/docs") == ["a.txt", "first"]


def test_last_modify_dates_the_entry(shelf: Shelf) -> None:
    shelf.upload("a.txt", b"x", last_modify="2020-02-02T02:02:02+02:00")
    shelf.upload("b.txt", b"x", last_modify="yesterday")
    dated, undated = (shelf.server.entry(shelf.library, path) for path in ("/a.txt", "/b.txt"))
    assert dated is not None
    assert undated is not None
    assert dated.mtime == 1580601722
    assert undated.mtime >= shelf.library.created_at.timestamp()


def test_a_chunked_body_of_unknown_length_is_taken(shelf: Shelf) -> None:
    body, lines = multipart([FOLDER, ("relative_path", None, b""), file(b"streamed")])
    pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
    path = shelf.upload_path() + "?ret-json=1"
    answer = shelf.server.request("POST", path, content=iter(pieces), headers=lines)
    assert answer.json()[0]["size"] == len("streamed")


def test_a_caller_that_waits_for_100_continue_is_told_to_go_on(shelf: Shelf) -> None:
    body, lines = multipart([FOLDER, file(b"patient")])
    lines = {**lines, "Expect": "100-continue", "Content-Length": str(len(body))}
    answer = shelf.server.raw(head_of("POST", shelf.upload_path(), lines), body)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert shelf.content("/a.txt") == b"patient"


def test_a_caller_that_waits_is_refused_without_sending_the_body(server: InProcessServer) -> None:
    _, lines = multipart([])
    lines = {**lines, "Expect": "100-continue", "Content-Length": "1000000000"}
    path = "/seafhttp/upload-api/00000000-0000-4000-8000-000000000000"
    answer = server.raw(head_of("POST", path, lines))
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b'{"error":"Access token not found."}' in answer


def test_large_content_comes_back_as_it_was(shelf: Shelf) -> None:
    content = b"".join(number.to_bytes(4, "big") for number in range(3 << 20))  # 12 MiB: two blocks
    status, text, _ = send(shelf, [FOLDER, file(b"small", "s"), file(content, "large"), file(b"last", "t")])
    assert status == 200
    assert len(text.split("\t")) == 3
    assert shelf.content("/large") == content
    assert (shelf.content("/s"), shelf.content("/t")) == (b"small", b"last")


def test_content_that_looks_like_a_boundary_is_content(shelf: Shelf) -> None:
    content = b"\r\n--test-boundar\r\n--test-boundaryx"[:-1] + b"\r\n-\r\n--\r" * 1000
    assert send(shelf, [FOLDER, file(content[20:])])[0] == 200
    assert shelf.content("/a.txt") == content[20:]


# -- names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("a b+c%20d.txt", "a b+c%20d.txt"),
        ("C:\\\\dir\\\\b.txt", "b.txt"),
        ("../../etc/passwd", "passwd"),
        ("e\u0301.txt", "\u00e9.txt"),
        ("trailing dot.", "trailing dot."),
        ("n" * 255, "n" * 255),
        ("\U0001f600" * 63, "\U0001f600" * 63),
    ],
)
def test_names_are_cut_to_the_last_component_and_composed(shelf: Shelf, name: str, stored: str) -> None:
    assert send(shelf, [FOLDER, file(name=name)])[0] == 200
    assert shelf.names() == [stored]


@pytest.mark.parametrize("name", ["", ".", "..", "a/", "n" * 256, "tab\tname", "\U0001f600" * 64])
def test_names_that_must_not_be_are_refused_with_440(shelf: Shelf, name: str) -> None:
    status, text, _ = send(shelf, [FOLDER, file(name=name)])
    assert (status, json.loads(text)) == (440, {"error": "Invalid filename."})
    assert shelf.names() == []


@pytest.mark.parametrize(
    ("name", "second", "third"),
    [
        ("a.txt", "a (1).txt", "a (2).txt"),
        ("x.tar.gz", "x.tar (1).gz", "x.tar (2).gz"),
        ("README", "README (1)", "README (2)"),
        (".bashrc", " (1).bashrc", " (2).bashrc"),
    ],
)
def test_a_taken_name_gets_a_number(shelf: Shelf, name: str, second: str, third: str) -> None:
    used = [shelf.upload(name, b"x", query="?ret-json=1").json()[0]["name"] for _ in range(3)]
    assert used == [name, second, third]
    assert shelf.description == f'Added "{name}".'


def test_equal_names_in_one_request_get_numbers(shelf: Shelf) -> None:
    _, text, _ = send(shelf, [FOLDER, file(b"1"), file(b"2")], shelf.upload_path() + "?ret-json=1")
    assert [each["name"] for each in json.loads(text)] == ["a.txt", "a (1).txt"]


def test_replace_exchanges_the_content(shelf: Shelf) -> None:
    shelf.upload("a.txt", b"old")
    assert shelf.upload("a.txt", b"new", replace="1").status_code == 200
    assert shelf.names() == ["a.txt"]
    assert shelf.content("/a.txt") == b"new"
    assert shelf.description == 'Added "a.txt".'


def test_replace_spares_a_folder_of_that_name(shelf: Shelf) -> None:
    shelf.upload("inside", b"x", relative_path="a.txt")
    answer = shelf.upload("a.txt", b"new", replace="1")
    assert (answer.status_code, answer.json()) == (441, {"error": "File already exists."})
    assert shelf.names("/a.txt") == ["inside"]


# -- refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "status", "text"),
    [
        ([FOLDER], 400, "No file uploaded."),
        ([file()], 400, "Invalid parent dir."),
        ([("parent_dir", None, b""), file()], 400, "Invalid parent dir."),
        ([("parent_dir", None, b"/nowhere"), file()], 400, "Parent dir doesn't exist."),
        ([FOLDER, ("replace", None, b"yes"), file()], 400, "Invalid argument replace."),
        ([FOLDER, ("relative_path", None, b"/a"), file()], 400, "Invalid relative path."),
        ([FOLDER, ("relative_path", None, b"\\a"), file()], 400, "Invalid relative path."),
        ([FOLDER, ("relative_path", None, b"a/../b"), file()], 400, "Invalid relative path."),
        ([FOLDER, ("relative_path", None, b"n" * 256), file()], 440, "Invalid filename."),
        ([FOLDER, ("relative_path", None, b"\xff"), file()], 400, "Bad request."),
        ([FOLDER, ("note", None, b"nul\x00"), file()], 400, "Bad request."),
        ([FOLDER, ("note", None, b"n" * 10_000_000), file()], 400, "Bad request."),
    ],
)
def test_a_wrong_form_is_refused_and_leaves_nothing(
    shelf: Shelf, parts: Sequence[Part], status: int, text: str
) -> None:
    found, body, headers = send(shelf, parts)
    assert (found, json.loads(body)) == (status, {"error": text})
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert CORS.items() <= headers.items()
    assert shelf.names() == []


def test_what_is_missing_is_told_in_the_documented_order(shelf: Shelf) -> None:
    wrong: list[Part] = [("replace", None, b"2"), ("relative_path", None, b"/x")]
    asked = [
        ([*wrong], "No file uploaded."),
        ([*wrong, file()], "Invalid argument replace."),
        ([wrong[1], file()], "Invalid parent dir."),
        ([wrong[1], ("parent_dir", None, b"/gone"), file()], "Invalid relative path."),
        ([("parent_dir", None, b"/gone"), file(name="..")], "Parent dir doesn't exist."),
    ]
    assert [json.loads(send(shelf, parts)[1])["error"] for parts, _ in asked] == [text for _, text in asked]


def test_a_link_for_a_folder_does_not_reach_others(shelf: Shelf) -> None:
    shelf.upload("a", b"", relative_path="in/deep")
    shelf.upload("b", b"", relative_path="out")
    path = shelf.upload_path("/in")
    assert send(shelf, [("parent_dir", None, b"/in"), file()], path)[0] == 200
    assert send(shelf, [("parent_dir", None, b"/in/deep"), file()], path)[0] == 200
    for other in (b"/", b"/out", b"/in/../out"):
        status, text, _ = send(shelf, [("parent_dir", None, other), file()], path)
        assert (status, json.loads(text)["error"]) in (
            (403, "Permission denied."),
            (400, "Parent dir doesn't exist."),
        )
    assert shelf.names("/out") == ["b"]


@pytest.mark.parametrize(
    ("operation", "target", "used_at"),
    [
        ("update", "dummy", "upload-api"),
        ("upload", '{"parent_dir":"/"}', "update-api"),
        ("view", ZERO_ID, "upload-aj"),
    ],
)
def test_a_token_for_something_else_is_refused(
    shelf: Shelf, operation: str, target: str, used_at: str
) -> None:
    path = f"/seafhttp/{used_at}/{shelf.token(operation, target)}"
    status, text, _ = send(shelf, [FOLDER, file()], path)
    assert (status, json.loads(text)) == (403, {"error": "Operation does not match access token."})


@pytest.mark.parametrize("token", ["x", "0" * 36, "00000000-0000-4000-8000-000000000000", "%00", "a%2Fb"])
def test_an_unknown_token_is_refused(shelf: Shelf, token: str) -> None:
    status, _, _ = send(shelf, [FOLDER, file()], f"/seafhttp/upload-api/{token}")
    assert status in (403, 404)


def test_a_read_only_library_takes_nothing(shelf: Shelf) -> None:
    path = shelf.upload_path()
    shelf.server.services.libraries.set_status(shelf.library.library_id, LibraryStatus.READ_ONLY)
    status, text, _ = send(shelf, [FOLDER, file()], path)
    assert (status, json.loads(text)) == (403, {"error": "Repo status not writable."})


def test_a_link_ends_with_its_owners_right_to_write(shelf: Shelf, new_shelf: Callable[..., Shelf]) -> None:
    stranger = new_shelf()
    token = shelf.server.token(shelf.library, "upload", {"parent_dir": "/"}, stranger.owner)
    status, text, _ = send(shelf, [FOLDER, file()], f"/seafhttp/upload-api/{token}")
    assert (status, json.loads(text)) == (403, {"error": "Permission denied."})


def test_other_verbs_are_refused(shelf: Shelf) -> None:
    path = shelf.upload_path()
    for verb in ("GET", "PUT", "PATCH", "DELETE"):
        answer = shelf.server.request(verb, path)
        assert answer.status_code == 405
        assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize("operation", ["upload-api", "upload-aj", "update-api", "update-aj"])
def test_scripts_of_other_pages_may_ask_first(server: InProcessServer, operation: str) -> None:
    answer = server.request("OPTIONS", f"/seafhttp/{operation}/whatever")
    assert (answer.status_code, answer.content) == (200, b"")
    assert CORS.items() <= dict(answer.headers).items()
    assert "content-range" in answer.headers["access-control-allow-headers"]


# -- quota and size ------------------------------------------------------------------------------------------


def test_a_full_quota_refuses_before_the_body_is_read(new_shelf: Callable[..., Shelf]) -> None:
    shelf = new_shelf(quota_bytes=1000)
    _, lines = multipart([])
    lines = {**lines, "Content-Length": "5000000"}
    answer = shelf.server.raw(head_of("POST", shelf.upload_path(), lines), until=b'{"error":"Out of quota."}')
    assert answer.startswith(b"HTTP/1.1 443 ")
    assert b"connection: close" in answer


def test_a_quota_counts_what_was_received_when_no_length_was_announced(
    new_shelf: Callable[..., Shelf],
) -> None:
    shelf = new_shelf(quota_bytes=1000)
    body, lines = multipart([FOLDER, file(b"q" * 1001)])
    answer = shelf.server.request("POST", shelf.upload_path(), content=iter([body]), headers=lines)
    assert (answer.status_code, answer.json()) == (443, {"error": "Out of quota."})
    assert shelf.names() == []
    assert shelf.upload("fits", b"q" * 10).status_code == 200


# -- updates -------------------------------------------------------------------------------------------------


def update(
    shelf: Shelf, target: str, content: bytes, query: str = "", operation: str = "update-api"
) -> tuple[int, str]:
    path = f"/seafhttp/{operation}/{shelf.token('update', 'dummy')}{query}"
    status, text, _ = send(shelf, [("target_file", None, target.encode()), file(content, "ignored")], path)
    return status, text


def test_an_update_exchanges_the_content_and_answers_the_id(shelf: Shelf) -> None:
    shelf.upload("a.txt", b"old")
    status, text = update(shelf, "/a.txt", b"new")
    entry = shelf.server.entry(shelf.library, "/a.txt")
    assert entry is not None
    assert (status, text) == (200, entry.id)
    assert shelf.content("/a.txt") == b"new"
    assert shelf.description == 'Modified "a.txt"'


def test_an_update_from_a_browser_answers_json(shelf: Shelf) -> None:
    shelf.upload("a.txt", b"old")
    status, text = update(shelf, "/a.txt", b"newer", operation="update-aj")
    assert status == 200
    assert [(each["name"], each["size"]) for each in json.loads(text)] == [("a.txt", 5)]


def test_the_same_content_makes_no_commit(shelf: Shelf) -> None:
    shelf.upload("a.txt", b"same")
    before = shelf.server.head(shelf.library)
    status, text = update(shelf, "/a.txt", b"same")
    assert status == 200
    assert len(text) == 40
    assert shelf.server.head(shelf.library).commit_id == before.commit_id


@pytest.mark.parametrize("target", ["/gone.txt", "/gone/a.txt", "/folder"])
def test_an_update_of_what_is_no_file_is_refused(shelf: Shelf, target: str) -> None:
    shelf.upload("a.txt", b"", relative_path="folder")
    status, text = update(shelf, target, b"new")
    assert (status, json.loads(text)) == (441, {"error": "File does not exist."})


def test_an_update_names_its_target(shelf: Shelf) -> None:
    path = f"/seafhttp/update-api/{shelf.token('update', 'dummy')}"
    status, text, _ = send(shelf, [file()], path)
    assert (status, json.loads(text)) == (400, {"error": "No target file."})
    status, text, _ = send(shelf, [("target_file", None, b"/a.txt")], path)
    assert (status, json.loads(text)) == (400, {"error": "No file uploaded."})


def test_an_update_that_started_from_an_older_commit_keeps_both_contents(shelf: Shelf) -> None:
    shelf.upload("a.txt", b"base")
    base = shelf.server.head(shelf.library).commit_id
    update(shelf, "/a.txt", b"theirs")
    status, _ = update(shelf, "/a.txt", b"mine", query=f"?head={base}")
    assert status == 200
    kept, conflict = sorted(shelf.names(), key=len)
    assert shelf.content(f"/{kept}") == b"theirs"
    assert conflict.startswith(f"a (SFConflict {shelf.owner.email} ")
    assert conflict.endswith(").txt")
    assert shelf.content(f"/{conflict}") == b"mine"


@pytest.mark.parametrize("base", ["nonsense", "0" * 39 + "1"])
def test_an_update_from_an_unknown_commit_is_refused(shelf: Shelf, base: str) -> None:
    shelf.upload("a.txt", b"base")
    status, text = update(shelf, "/a.txt", b"mine", query=f"?head={base}")
    assert (status, json.loads(text)) == (400, {"error": "Bad request."})


# -- many at once --------------------------------------------------------------------------------------------


def test_uploads_of_one_name_at_the_same_time_all_arrive(shelf: Shelf) -> None:
    path = shelf.upload_path() + "?ret-json=1"
    count = 24

    def one(number: int) -> str:
        body, lines = multipart([FOLDER, file(str(number).encode(), "same.txt")])
        answer = httpx.post(shelf.server.url + path, content=body, headers=lines)
        assert answer.status_code == 200
        name: str = answer.json()[0]["name"]
        return name

    with ThreadPoolExecutor(8) as threads:
        names = list(threads.map(one, range(count)))
    expected = {"same.txt", *(f"same ({number}).txt" for number in range(1, count))}
    assert set(names) == expected == set(shelf.names())
    assert {shelf.content(f"/{name}") for name in names} == {str(number).encode() for number in range(count)}


def test_a_folder_in_decomposed_form_that_a_client_synced_can_be_uploaded_to(shelf: Shelf) -> None:
    libraries = shelf.server.services.libraries
    name = "e\u0301"
    libraries.commit_edit(shelf.library.library_id, Author(shelf.owner.email), MakeFolders("/", name))
    assert send(shelf, [("parent_dir", None, f"/{name}".encode()), file()])[0] == 200
    assert shelf.names() == [name]
    assert shelf.names(f"/{name}") == ["a.txt"]


def test_a_relative_path_goes_through_decomposed_folders_and_makes_composed_ones(shelf: Shelf) -> None:
    libraries = shelf.server.services.libraries
    libraries.commit_edit(shelf.library.library_id, Author(shelf.owner.email), MakeFolders("/", "a/e\u0301"))
    for relative in ("e\u0301/o\u0301", "o\u0301/e\u0301/", "e\u0301"):
        fields = [("parent_dir", None, b"/a"), ("relative_path", None, relative.encode())]
        assert send(shelf, [*fields, file()])[0] == 200
    assert sorted(shelf.names("/a")) == ["e\u0301", "\u00f3"]
    assert sorted(shelf.names("/a/e\u0301")) == ["a.txt", "\u00f3"]
    assert shelf.names("/a/\u00f3") == ["\u00e9"]
