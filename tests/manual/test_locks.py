"""Nothing that somebody else has locked is changed, moved or removed, by whatever way; its holder may."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from seafleet.accounts.model import Account
from seafleet.formats.commit import Commit, encode
from seafleet.formats.fs import Directory
from seafleet.ids import ObjectId
from seafleet.library.source import stored_directory
from tests.manual.scene import Caller, Scene
from tests.support.server import until

NEW = b"new content"
PATH = "/a/b/deep.txt"

Way = Callable[[Scene, Caller], httpx.Response]


def _file(scene: Scene, caller: Caller, version: str, **form: str) -> httpx.Response:
    path = f"/{version}/repos/{scene.library.library_id}/file/"
    return caller.send("POST", path, params={"p": PATH}, data=form, follow_redirects=False)


def _delete(scene: Scene, caller: Caller, call: str, path: str) -> httpx.Response:
    version, kind = call.split()
    url = f"/{version}/repos/{scene.library.library_id}/{kind}/"
    return caller.send("DELETE", url, params={"p": path})


def _token(scene: Scene, caller: Caller, kind: str) -> str:
    path = f"/api2/repos/{scene.library.library_id}/{kind}-link/"
    return str(caller.send("GET", path).json()).rpartition("/")[2]


def _send(
    scene: Scene, caller: Caller, operation: str, headers: dict[str, str] | None = None, **form: str
) -> httpx.Response:
    token = _token(scene, caller, operation.partition("-")[0])
    files = {"file": ("deep.txt", NEW)}
    return scene.server.http.post(
        f"{scene.server.url}/seafhttp/{operation}/{token}", data=form, files=files, headers=headers
    )


def _chunk(scene: Scene, caller: Caller, operation: str, **form: str) -> httpx.Response:
    headers = {
        "Content-Range": f"bytes 0-{len(NEW) - 1}/{len(NEW)}",
        "Content-Disposition": 'attachment; filename="deep.txt"',
    }
    return _send(scene, caller, operation, headers, **form)


def _blocks(scene: Scene, caller: Caller, operation: str, **form: str) -> httpx.Response:
    http, root, block_id = scene.server.http, f"{scene.server.url}/seafhttp", ObjectId.of(NEW)
    raw = f"{root}/upload-raw-blks-api/{_token(scene, caller, 'upload')}"
    assert http.post(raw, files={"file": (block_id, NEW)}).status_code == 200
    url = f"{root}/{operation}/{_token(scene, caller, operation.partition('-')[0])}?commitonly=1"
    listed = {"blockids": json.dumps([block_id]), "file_size": str(len(NEW)), **form}
    return http.post(url, files={name: (None, value) for name, value in listed.items()})


def _batch(scene: Scene, caller: Caller, verb: str, target: str, folder: str, name: str) -> httpx.Response:
    parent = {"deep.txt": "/a/b", "b": "/a", "a": "/"}[name]
    body = {
        "src_repo_id": scene.library.library_id,
        "src_parent_dir": parent,
        "src_dirents": [name],
        "dst_repo_id": target,
        "dst_parent_dir": folder,
    }
    return caller.send("POST", f"/api/v2.1/repos/{verb}-item/", json=body)


def _task(scene: Scene, caller: Caller, target: str, folder: str) -> httpx.Response:
    form = {
        "src_repo_id": scene.library.library_id,
        "src_parent_dir": "/a/b",
        "src_dirent_name": "deep.txt",
        "dst_repo_id": target,
        "dst_parent_dir": folder,
        "operation": "move",
        "dirent_type": "file",
    }
    return caller.send("POST", "/api/v2.1/copy-move-task/", data=form)


def _fileops(scene: Scene, caller: Caller, verb: str, **form: str) -> httpx.Response:
    url = f"/api2/repos/{scene.library.library_id}/fileops/{verb}/"
    return caller.send("POST", url, params={"p": "/a/b"}, data={"file_names": "deep.txt", **form})


def _revert(scene: Scene, caller: Caller, version: str) -> httpx.Response:
    form = {"p": PATH, "commit_id": _older(scene), "operation": "revert"}
    if version == "api2":
        return caller.send("PUT", f"/api2/repos/{scene.library.library_id}/file/revert/", data=form)
    return _file(scene, caller, "api/v2.1", **form)


def _older(scene: Scene) -> str:
    """Return a commit in which the file had other content."""
    services, library_id = scene.server.services, scene.library.library_id
    for entry in services.history.commits(scene.server.head(scene.library)):
        found = services.trees.find(library_id, entry.root_id, PATH)
        if found is not None and found.size != len("deep"):
            return entry.commit_id
    raise LookupError(PATH)


def _push(scene: Scene, caller: Caller) -> httpx.Response:
    """Push a commit, as sync clients do, that removes the folder `/a`."""
    server, library_id = scene.server, scene.library.library_id
    head = server.head(scene.library)
    base = f"/seafhttp/repo/{library_id}"
    info = caller.send("GET", f"/api2/repos/{library_id}/download-info/").json()
    headers = {"Seafile-Repo-Token": info["token"]}
    trees = server.services.trees
    root = trees.directory(library_id, head.root_id)
    entries = [entry for entry in root if entry.name != "a"]
    root_id, stored = stored_directory(Directory(entries))
    frame = root_id.encode() + len(stored).to_bytes(4, "big") + stored
    sent = server.request("POST", f"{base}/recv-fs/", content=frame, headers=headers)
    assert sent.status_code == 200, sent.text
    commit = Commit.make(
        library_id=library_id,
        root_id=root_id,
        creator_name=caller.email,
        description='Removed directory "a".\n',
        ctime=server.services.clock.timestamp(),
        parent_id=head.commit_id,
        library_name=head.name,
        library_description=head.description,
    )
    put = f"{base}/commit/{commit.commit_id}"
    assert server.request("PUT", put, content=encode(commit), headers=headers).status_code == 200
    return server.request("PUT", f"{base}/commit/HEAD/?head={commit.commit_id}", headers=headers)


def _here(scene: Scene) -> str:
    return scene.library.library_id


WAYS: dict[str, Way] = {
    "rename, api2": lambda s, c: _file(s, c, "api2", operation="rename", newname="x"),
    "rename, v2.1": lambda s, c: _file(s, c, "api/v2.1", operation="rename", newname="x"),
    "move, api2": lambda s, c: _file(s, c, "api2", operation="move", dst_repo=_here(s), dst_dir="/"),
    "move, v2.1": lambda s, c: _file(s, c, "api/v2.1", operation="move", dst_repo=_here(s), dst_dir="/"),
    "move away, api2": lambda s, c: _file(s, c, "api2", operation="move", dst_repo=c.home, dst_dir="/"),
    "move away, v2.1": lambda s, c: _file(s, c, "api/v2.1", operation="move", dst_repo=c.home, dst_dir="/"),
    "rename a folder above": lambda s, c: c.send(
        "POST",
        f"/api2/repos/{_here(s)}/dir/",
        params={"p": "/a"},
        data={"operation": "rename", "newname": "z"},
    ),
    "delete, api2": lambda s, c: _delete(s, c, "api2 file", PATH),
    "delete, v2.1": lambda s, c: _delete(s, c, "api/v2.1 file", PATH),
    "delete by the folders' call": lambda s, c: _delete(s, c, "api2 dir", PATH),
    "delete a folder above, api2": lambda s, c: _delete(s, c, "api2 dir", "/a"),
    "delete a folder above, v2.1": lambda s, c: _delete(s, c, "api/v2.1 dir", "/a/b"),
    "revert, api2": lambda s, c: _revert(s, c, "api2"),
    "revert, v2.1": lambda s, c: _revert(s, c, "v2.1"),
    "upload": lambda s, c: _send(s, c, "upload-api", parent_dir="/a/b", replace="1"),
    "upload below": lambda s, c: _send(s, c, "upload-aj", parent_dir="/", relative_path="a/b", replace="1"),
    "upload in chunks": lambda s, c: _chunk(s, c, "upload-api", parent_dir="/a/b", replace="1"),
    "upload by blocks": lambda s, c: _blocks(
        s, c, "upload-blks-api", parent_dir="/a/b", file_name="deep.txt", replace="1"
    ),
    "update": lambda s, c: _send(s, c, "update-api", target_file=PATH),
    "update from a browser": lambda s, c: _send(s, c, "update-aj", target_file=PATH),
    "update in chunks": lambda s, c: _chunk(s, c, "update-api", target_file=PATH),
    "update by blocks": lambda s, c: _blocks(s, c, "update-blks-api", target_file=PATH),
    "batch move": lambda s, c: _batch(s, c, "sync-batch-move", _here(s), "/", "deep.txt"),
    "batch move of a folder above": lambda s, c: _batch(s, c, "sync-batch-move", c.home, "/", "b"),
    "move in the background": lambda s, c: _batch(s, c, "async-batch-move", c.home, "/", "a"),
    "batch delete": lambda s, c: c.send(
        "DELETE",
        "/api/v2.1/repos/batch-delete-item/",
        json={"repo_id": _here(s), "parent_dir": "/a", "dirents": ["b"]},
    ),
    "move task": lambda s, c: _task(s, c, c.home, "/"),
    "move task, at once": lambda s, c: _task(s, c, _here(s), "/"),
    "sync": _push,
}

PASSED_OVER: dict[str, Way] = {
    "fileops move": lambda s, c: _fileops(s, c, "move", dst_repo=_here(s), dst_dir="/"),
    "fileops move away": lambda s, c: _fileops(s, c, "move", dst_repo=c.home, dst_dir="/"),
    "fileops delete": lambda s, c: _fileops(s, c, "delete"),
}


@pytest.fixture
def locked(scene: Scene) -> Scene:
    """A scene whose writer has locked the file, which had other content before."""
    server, writer = scene.server, scene.people.writer
    for content in (b"older content", b"deep"):
        path = f"/seafhttp/update-api/{server.token(scene.library, 'update', 'x', _account(scene.owner))}"
        form = {"target_file": PATH}
        answer = server.http.post(server.url + path, data=form, files={"file": ("x", content)})
        assert answer.status_code == 200
    server.services.locks.lock(scene.library.library_id, PATH, _account(writer).id)
    return scene


def _account(caller: Caller) -> Account:
    assert caller.account is not None
    return caller.account


def _is_untouched(scene: Scene) -> bool:
    return scene.server.content(scene.library, PATH) == b"deep"


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_lock_holds_against_everybody_else(locked: Scene, way: Way) -> None:
    before = locked.server.head(locked.library).commit_id
    home = locked.server.services.libraries.get(locked.owner.home)
    answer = way(locked, locked.owner)
    assert answer.status_code in (403, 423), f"{answer.status_code} {answer.text}"
    assert locked.server.head(locked.library).commit_id == before
    assert locked.server.names(home) == []
    assert _is_untouched(locked)


@pytest.mark.parametrize("way", PASSED_OVER.values(), ids=PASSED_OVER)
def test_the_oldest_calls_pass_over_what_is_locked(locked: Scene, way: Way) -> None:
    before = locked.server.head(locked.library).commit_id
    assert way(locked, locked.owner).status_code == 200
    assert locked.server.head(locked.library).commit_id == before
    assert _is_untouched(locked)


@pytest.mark.parametrize("way", (WAYS | PASSED_OVER).values(), ids=WAYS | PASSED_OVER)
def test_its_holder_may(locked: Scene, way: Way) -> None:
    before = locked.server.head(locked.library).commit_id
    answer = way(locked, locked.people.writer)
    assert answer.status_code in (200, 301), f"{answer.status_code} {answer.text}"
    until(lambda: locked.server.head(locked.library).commit_id != before)  # some go on in the background
