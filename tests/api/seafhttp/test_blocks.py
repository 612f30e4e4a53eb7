"""Files sent as blocks, and the links that this begins with."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha1
from typing import Any

import httpx
import pytest

from seafleet.formats.ciphers import BlockCipher
from seafleet.library.model import Head
from tests.api.seafhttp.conftest import Shelf
from tests.support.inprocess import InProcessServer, multipart

SMALL, LARGE = b"a small block", bytes(range(256)) * 4096  # a row and a file


def block_id(data: bytes) -> str:
    return sha1(data).hexdigest()


def api(shelf: Shelf, method: str, call: str, **options: Any) -> httpx.Response:
    """Call the Web API as the owner."""
    headers = {"Authorization": f"Token {shelf.server.api_token(shelf.owner)}"}
    path = f"/api2/repos/{shelf.library.library_id}/{call}"
    return shelf.server.request(method, path, headers=headers, **options)


def send_blocks(shelf: Shelf, *blocks: bytes, names: list[str] | None = None) -> httpx.Response:
    path = f"/seafhttp/upload-raw-blks-api/{shelf.token('upload', {'parent_dir': '/'})}"
    named = names or [block_id(block) for block in blocks]
    body, headers = multipart([("file", name, data) for name, data in zip(named, blocks, strict=True)])
    return shelf.server.request("POST", path, content=body, headers=headers)


def commit(
    shelf: Shelf, *blocks: bytes, operation: str = "upload", query: str = "?commitonly=1", **fields: str
) -> httpx.Response:
    """Have a file made of blocks; `fields` replace or add to what is usual."""
    path = f"/seafhttp/{operation}-blks-api/{shelf.token(operation, {'parent_dir': '/'})}{query}"
    form = {
        "parent_dir": "/",
        "file_name": "made.bin",
        "file_size": str(sum(map(len, blocks))),
        "blockids": json.dumps([block_id(block) for block in blocks]),
    }
    parts = [(name, None, value.encode()) for name, value in (form | fields).items() if value != "-"]
    body, headers = multipart(parts)
    return shelf.server.request("POST", path, content=body, headers=headers)


def test_blocks_become_a_file(shelf: Shelf) -> None:
    sent = send_blocks(shelf, LARGE, SMALL)
    assert (sent.status_code, sent.text) == (200, '"OK"')
    assert sent.headers["access-control-allow-origin"] == "*"
    made = commit(shelf, LARGE, SMALL, LARGE)
    entry = shelf.server.entry(shelf.library, "/made.bin")
    assert entry is not None
    assert (made.status_code, made.text) == (200, f'"{entry.id}"')
    assert entry.size == 2 * len(LARGE) + len(SMALL)
    assert shelf.content("/made.bin") == LARGE + SMALL + LARGE
    assert shelf.description == 'Added "made.bin"'


def test_ret_json_answers_an_object(shelf: Shelf) -> None:
    send_blocks(shelf, SMALL)
    made = commit(shelf, SMALL, query="?commitonly=true&ret-json=true")
    entry = shelf.server.entry(shelf.library, "/made.bin")
    assert entry is not None
    assert made.json() == {"id": entry.id}


def test_a_file_without_blocks_is_empty(shelf: Shelf) -> None:
    assert commit(shelf).text == f'"{"0" * 40}"'
    assert shelf.content("/made.bin") == b""


def test_a_taken_name_gets_a_number_or_is_replaced(shelf: Shelf) -> None:
    send_blocks(shelf, SMALL, LARGE)
    commit(shelf, SMALL)
    commit(shelf, SMALL)
    assert shelf.names() == ["made (1).bin", "made.bin"]
    commit(shelf, LARGE, replace="1", last_modify="2020-02-02T00:00:00Z")
    assert shelf.names() == ["made (1).bin", "made.bin"]
    assert shelf.content("/made.bin") == LARGE
    entry = shelf.server.entry(shelf.library, "/made.bin")
    assert entry is not None
    assert entry.mtime == 1580601600


def test_an_update_takes_blocks_as_well(shelf: Shelf) -> None:
    shelf.upload("a.bin", b"old")
    send_blocks(shelf, SMALL)
    made = commit(shelf, SMALL, operation="update", target_file="/a.bin")
    entry = shelf.server.entry(shelf.library, "/a.bin")
    assert entry is not None
    assert made.text == entry.id
    assert shelf.content("/a.bin") == SMALL
    gone = commit(shelf, SMALL, operation="update", target_file="/gone.bin")
    assert (gone.status_code, gone.json()) == (441, {"error": "File does not exist."})


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"blockids": "-"}, 400, "No blockids."),
        ({"blockids": ""}, 400, "No blockids."),
        ({"blockids": "nonsense"}, 400, "Bad request."),
        ({"blockids": '{"a": 1}'}, 400, "Bad request."),
        ({"blockids": '["nonsense"]'}, 400, "Bad request."),
        ({"blockids": "[1]"}, 400, "Bad request."),
        ({"blockids": "[" * 100_000}, 400, "Bad request."),
        ({"blockids": json.dumps(["1" * 40])}, 446, "Block missing."),
        ({"file_size": "-"}, 400, "Bad request."),
        ({"file_size": "1e3"}, 400, "Bad request."),
        ({"file_size": "12"}, 400, "Bad request."),
        ({"file_size": "14"}, 400, "Bad request."),
        ({"parent_dir": "-"}, 400, "No parent dir or file name."),
        ({"file_name": "-"}, 400, "No parent dir or file name."),
        ({"parent_dir": "/gone"}, 400, "Parent dir doesn't exist."),
        ({"file_name": ".."}, 440, "Invalid filename."),
        ({"replace": "maybe"}, 400, "Invalid argument replace."),
    ],
)
def test_a_commit_that_is_wrong_is_refused(
    shelf: Shelf, fields: dict[str, str], status: int, text: str
) -> None:
    send_blocks(shelf, SMALL)
    answer = commit(shelf, SMALL, **fields)
    assert (answer.status_code, answer.json()) == (status, {"error": text})
    assert shelf.names() == []


@pytest.mark.parametrize("operation", ["upload", "update"])
def test_only_commits_are_supported(shelf: Shelf, operation: str) -> None:
    answer = commit(shelf, operation=operation, query="")
    assert (answer.status_code, answer.json()) == (400, {"error": "Only commit supported."})


def test_a_block_that_is_not_what_its_name_says_is_refused(shelf: Shelf) -> None:
    for data in (SMALL, LARGE):
        answer = send_blocks(shelf, data + b"!", names=[block_id(data)])
        assert (answer.status_code, answer.json()) == (500, {"error": "Internal server error"})
    assert commit(shelf, SMALL).status_code == 446
    assert commit(shelf, LARGE).status_code == 446


@pytest.mark.parametrize("name", ["nonsense", "", "../../etc/passwd", block_id(SMALL).upper()])
def test_a_block_without_an_id_is_refused(shelf: Shelf, name: str) -> None:
    answer = send_blocks(shelf, SMALL, names=[name])
    assert (answer.status_code, answer.json()) == (400, {"error": "Bad request."})


def test_an_empty_block_is_refused(shelf: Shelf) -> None:
    assert send_blocks(shelf, b"").status_code == 400
    assert send_blocks(shelf).json() == {"error": "No file uploaded."}


def test_quota_is_checked_against_the_size_in_the_form(new_shelf: Callable[..., Shelf]) -> None:
    shelf = new_shelf(quota_bytes=2 * len(LARGE))
    send_blocks(shelf, LARGE)
    answer = commit(shelf, LARGE, LARGE, LARGE)
    assert (answer.status_code, answer.json()) == (443, {"error": "Out of quota."})
    assert commit(shelf, LARGE).status_code == 200


def test_tokens_for_blocks_match_their_kind(shelf: Shelf) -> None:
    only_commits = shelf.token("upload-blks-api", {"parent_dir": "/"})
    body, headers = multipart([("file", block_id(SMALL), SMALL)])
    answer = shelf.server.request(
        "POST", f"/seafhttp/upload-raw-blks-api/{only_commits}", content=body, headers=headers
    )
    assert (answer.status_code, answer.json()) == (403, {"error": "Operation does not match access token."})


def test_scripts_may_ask_before_they_send_blocks(server: InProcessServer) -> None:
    for operation in ("upload-raw-blks-api", "upload-blks-api", "update-blks-api"):
        answer = server.request("OPTIONS", f"/seafhttp/{operation}/whatever")
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")


def test_an_encrypted_library_takes_blocks_that_the_client_encrypted(server: InProcessServer) -> None:
    owner = server.account()
    shelf = Shelf(server, owner, server.library(owner, password="a password"))
    cipher = unlocked(server, shelf.library, owner.id)
    stored = [cipher.encrypt(data) for data in (LARGE, SMALL)]
    server.services.library_passwords.forget(shelf.library.library_id, owner.id)
    assert send_blocks(shelf, *stored).status_code == 200
    size = len(LARGE) + len(SMALL)
    for wrong in (size - 33, sum(map(len, stored))):
        assert commit(shelf, *stored, file_size=str(wrong)).status_code == 400
    assert commit(shelf, *stored, file_size=str(size)).status_code == 200
    unlocked(server, shelf.library, owner.id)
    assert server.request("GET", shelf.download_path("/made.bin")).content == LARGE + SMALL


def unlocked(server: InProcessServer, library: Head, account_id: int) -> BlockCipher:
    server.services.transfers.keys.unlock(library, account_id, "a password")
    cipher = server.services.library_passwords.cipher(library, account_id)
    assert cipher is not None
    return cipher


# -- links ---------------------------------------------------------------------------------------------------


def test_a_client_asks_which_blocks_are_missing_and_sends_those(shelf: Shelf) -> None:
    send_blocks(shelf, SMALL)
    ids = [block_id(LARGE), block_id(SMALL), "nonsense", block_id(LARGE)]
    answer = api(shelf, "POST", "upload-blks-link/", data={"blklist": ",".join(ids)})
    told = answer.json()
    assert answer.status_code == 200
    assert told["blklist"] == [block_id(LARGE)]
    body, headers = multipart([("file", block_id(LARGE), LARGE)])
    assert shelf.server.http.post(told["rawblksurl"], content=body, headers=headers).text == '"OK"'
    form = {
        "parent_dir": "/",
        "file_name": "a.bin",
        "file_size": str(len(LARGE) + len(SMALL)),
        "blockids": json.dumps([block_id(LARGE), block_id(SMALL)]),
        "replace": "0",
    }
    body, headers = multipart([(name, None, value.encode()) for name, value in form.items()])
    made = shelf.server.http.post(told["commiturl"], content=body, headers=headers)
    assert len(made.json()["id"]) == 40
    assert shelf.content("/a.bin") == LARGE + SMALL


def test_nothing_is_missing_of_no_list(shelf: Shelf) -> None:
    assert api(shelf, "POST", "upload-blks-link/").json()["blklist"] == []


@pytest.mark.parametrize(
    ("call", "operation"),
    [
        ("upload-link/", "upload-api"),
        ("upload-link/?from=api", "upload-api"),
        ("upload-link/?from=web", "upload-aj"),
        ("update-link/", "update-api"),
        ("update-link/?from=web", "update-aj"),
        ("upload-blks-link/", "upload-blks-api"),
        ("update-blks-link/", "update-blks-api"),
    ],
)
def test_links_are_absolute_and_bound_to_their_folder(shelf: Shelf, call: str, operation: str) -> None:
    answer = api(shelf, "GET", call)
    link = answer.json()
    assert answer.status_code == 200
    assert answer.text == json.dumps(link)
    assert link.startswith(f"{shelf.server.url}/seafhttp/{operation}/")
    grant = shelf.server.services.access_tokens.peek(link.rpartition("/")[2])
    assert json.loads(grant.object) == {"parent_dir": "/"}
    assert grant.operation == operation.partition("-")[0]
    assert not grant.one_time


@pytest.mark.parametrize("call", ["upload-link/", "update-link/", "upload-blks-link/", "update-blks-link/"])
def test_links_say_what_is_wrong(shelf: Shelf, call: str, new_shelf: Callable[..., Shelf]) -> None:
    gone = api(shelf, "GET", f"{call}?p=/gone")
    assert (gone.status_code, gone.json()) == (404, {"error_msg": "Folder /gone/ not found."})
    stranger = Shelf(shelf.server, new_shelf().owner, shelf.library)
    denied = api(stranger, "GET", call)
    text = "You do not have permission to access this folder."
    assert (denied.status_code, denied.json()) == (403, {"error_msg": text})


def test_a_full_account_gets_no_link(new_shelf: Callable[..., Shelf]) -> None:
    shelf = new_shelf(quota_bytes=5000)
    assert shelf.upload("a", b"x" * 3000).status_code == 200
    shelf.server.services.accounts.update(shelf.owner, quota_bytes=3000)
    answer = api(shelf, "GET", "upload-link/")
    assert (answer.status_code, answer.json()) == (443, {"error_msg": "Out of quota."})


def test_an_unknown_caller_word_is_refused_after_everything_else(shelf: Shelf) -> None:
    answer = api(shelf, "GET", "upload-link/?from=moon")
    assert (answer.status_code, answer.json()) == (400, {"error_msg": "from invalid."})
    assert api(shelf, "GET", "upload-link/?from=moon&p=/gone").status_code == 404


def test_a_link_to_one_block_is_good_once(shelf: Shelf) -> None:
    shelf.upload("a.bin", SMALL)
    entry = shelf.server.entry(shelf.library, "/a.bin")
    assert entry is not None
    link = api(shelf, "GET", f"files/{entry.id}/blks/{block_id(SMALL)}/download-link/").json()
    assert link.endswith(f"/{block_id(SMALL)}")
    assert shelf.server.http.get(link).content == SMALL
    assert shelf.server.http.get(link).status_code == 403


def test_strangers_get_no_link_to_blocks(shelf: Shelf, new_shelf: Callable[..., Shelf]) -> None:
    stranger = Shelf(shelf.server, new_shelf().owner, shelf.library)
    answer = api(stranger, "GET", f"files/{'0' * 40}/blks/{'0' * 40}/download-link/")
    text = "You do not have permission to access this repo."
    assert (answer.status_code, answer.json()) == (403, {"error_msg": text})
