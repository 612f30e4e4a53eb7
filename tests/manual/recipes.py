"""How each operation is called, and who may: written down once, for every test that goes through them all.

A value in braces stands for something of the scene; `{home}` for a library of the caller's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import httpx

from tests.manual.scene import CONTENT, Caller, Scene
from tests.support.catalog import Operation, operation

USER_SECTIONS = (
    "Library",
    "File",
    "Directory",
    "Upload / Update links",
    "Asynchronously Copy/Move File/Directory",
    "Multiple Files / Directories",
    "Snapshot Label",
)
CLIENT_SECTIONS = ("rclone", "python-seafile", "seaf-cli", "desktop client", "mobile and seafile-js")

ELSEWHERE = {
    **dict.fromkeys(
        (
            "search-files-in-libraries", "get-library-download-links", "get-library-upload-links",
            "delete-library-download-link", "delete-library-upload-link", "view-file-through-owa",
            "rclone-list-share-links", "rclone-create-share-link", "desktop-starred-items",
            "desktop-activities", "desktop-upload-link-of-share", "desktop-folder-sharing",
            "file-shared-link", "v21-groups-list", "v21-share-link-info",
        ),
        "comes with sharing, search and the office viewer",
    ),
    **dict.fromkeys(
        (
            "rclone-auth", "rclone-server-info", "rclone-about", "desktop-logout", "desktop-client-login",
            "desktop-device-wiped", "desktop-unseen", "v21-account-put",
        ),
        "about accounts and devices: tests/api/seafile, tests/accounts",
    ),
    "seaf-cli-calls": "four calls that are listed one by one; the program itself runs in tests/clients",
    "python-via-repo-token": "needs tokens of libraries, which no call of the catalogs makes; optional there",
}  # fmt: skip


class Need(Enum):
    """What a caller needs for an operation."""

    LINK = "the token in the request"
    ACCOUNT = "an account"
    CREATE = "a role that makes libraries"
    READ = "any permission"
    WRITE = "rw"
    OWN = "ownership"
    OWN_OR_STAFF = "ownership, or to be an administrator"


@dataclass(frozen=True)
class Recipe:
    """One call that succeeds for whoever has what it needs.

    `before` names a recipe that the caller follows first; `keep` says where in its answer `{kept}` is found,
    the answer itself when it is empty. `once`: a second call would find nothing left to do.
    """

    need: Need
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    path: Mapping[str, str] = field(default_factory=dict)
    upload: bool = False
    before: str = ""
    keep: str = ""
    once: bool = False

    def change(self, parts: Mapping[str, Mapping[str, Any]]) -> Recipe:
        """Return the call with other parameters; None leaves one out."""
        query, body, path = (
            _merge(getattr(self, name), parts.get(name, {})) for name in ("query", "body", "path")
        )
        return replace(self, query=query, body=body, path=path)


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**old, **new}.items() if value is not None}


def call(
    scene: Scene, caller: Caller, what: Operation, recipe: Recipe, *, as_json: bool = False
) -> httpx.Response:
    """Send what a recipe says."""
    values = scene.values | {"home": caller.home if caller.account else ""}
    if recipe.before:
        first = operation(recipe.before)
        answer = call(scene, scene.owner if caller.account is None else caller, first, RECIPES[first.id])
        told = answer.json()
        values["kept"] = told[recipe.keep] if recipe.keep else told
    query, body = _filled(recipe.query, values), _filled(recipe.body, values)
    if recipe.upload:
        token = recipe.path["token"] if not recipe.before else values["kept"].rpartition("/")[2]
        operation_path = what.path if what.path.startswith("/") else "/upload-api/{token}"
        url = "/seafhttp" + operation_path.format(token=token)
        return _upload(caller, url, query, body)
    sent: dict[str, Any] = {"json" if as_json else "data": body} if body else {}
    path = what.path.format_map({**values, **_filled(recipe.path, values)})
    return caller.send(what.method, path, params=query, follow_redirects=False, **sent)


def _upload(caller: Caller, url: str, query: dict[str, Any], body: dict[str, Any]) -> httpx.Response:
    """Send a form with the files that are named in `files`; `raw` sends none but some text."""
    names = body.pop("files", ["up.txt"])
    if names == "raw":
        return caller.send("POST", url, params=query, content=b"text")
    files = [("file", (name, CONTENT)) for name in names] or [("none", ("none", ""))]
    return caller.send("POST", url, params=query, data=body, files=files)


def _filled(given: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    return {name: _fill(value, values) for name, value in given.items()}


def _fill(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str) and value.startswith("{") and value.endswith("}"):
        return values[value[1:-1]]
    return [_fill(each, values) for each in value] if isinstance(value, list) else value


R, W, OWN, SELF, MAKE, LINK = Need.READ, Need.WRITE, Need.OWN, Need.ACCOUNT, Need.CREATE, Need.LINK
NOTE = {"p": "/note.md"}
OLD = {"commit_id": "{old}"}
TO_HOME = {"dst_repo": "{home}", "dst_dir": "/"}
TO_A = {"dst_repo": "{repo_id}", "dst_dir": "/a"}
LABELS = {"repo_id": "{repo_id}", "tag_names": "v1.0"}


def _batch(repo: str, folder: str) -> dict[str, Any]:
    return {
        "src_repo_id": "{repo_id}", "src_parent_dir": "/", "src_dirents": ["note.md"],
        "dst_repo_id": repo, "dst_parent_dir": folder,
    }  # fmt: skip


_TASK = {
    "src_repo_id": "{repo_id}", "src_parent_dir": "/", "src_dirent_name": "note.md", "dst_repo_id": "{home}",
    "dst_parent_dir": "/", "operation": "copy", "dirent_type": "file",
}  # fmt: skip

RECIPES: dict[str, Recipe] = {
    # -- Library
    "get-default-lib": Recipe(SELF),
    "create-default-lib": Recipe(MAKE),
    "list-libraries": Recipe(SELF),
    "rclone-list-libraries": Recipe(SELF),
    "python-list-repos": Recipe(SELF),
    "v21-repos": Recipe(SELF, {"type": ["mine", "shared", "group"]}),
    "search-library-by-name": Recipe(SELF, {"nameContains": "library", "type": "mine"}),
    "get-library-info": Recipe(R),
    "python-repo-info": Recipe(R),
    "get-library-owner": Recipe(Need.OWN_OR_STAFF),
    "get-library-history": Recipe(R),
    "api2-repo-history": Recipe(R),
    "desktop-commit-changes": Recipe(R, {"commit_id": "{old}"}),
    "get-library-trash": Recipe(R),
    "rclone-clean-trash": Recipe(OWN, body={"keep_days": "0"}),
    "get-library-history-limit-days": Recipe(OWN),
    "set-library-history-limit-days": Recipe(OWN, body={"keep_days": "4"}),
    "create-library": Recipe(MAKE, body={"name": "made"}),
    "rclone-create-library": Recipe(MAKE, body={"name": "made", "desc": "", "passwd": ""}),
    "create-public-lib": Recipe(MAKE, body={"name": "made"}),
    "check/create-sub-library": Recipe(R, {"p": "/a", "name": "a"}),
    "desktop-create-subrepo": Recipe(R, {"p": "/a", "name": "a"}),
    "delete-library": Recipe(OWN, once=True),
    "rclone-delete-library": Recipe(OWN, once=True),
    "v21-repo-delete": Recipe(OWN, once=True),
    "rename-library": Recipe(OWN, {"op": "rename"}, {"repo_name": "renamed"}),
    "transfer-library": Recipe(Need.OWN_OR_STAFF, body={"owner": "{friend}"}, once=True),
    "decrypt-library": Recipe(R, body={"password": "{password}"}, path={"repo_id": "{vault}"}),
    "rclone-decrypt": Recipe(R, body={"password": "{password}"}, path={"repo_id": "{vault}"}),
    "v21-set-password": Recipe(R, body={"password": "{password}"}, path={"repo_id": "{vault}"}),
    "set-exist-lib-as-public-lib": Recipe(OWN, {"share_type": "public", "permission": "r"}),
    "remove-public-lib": Recipe(Need.OWN_OR_STAFF, {"share_type": "public"}),
    "fetch-library-download-info": Recipe(R),
    "desktop-repo-tokens": Recipe(SELF, {"repos": "{repo_id}"}),
    # -- File
    "download-file": Recipe(R, NOTE),
    "rclone-download-link": Recipe(R, NOTE),
    "get-file-detail": Recipe(R, NOTE),
    "rclone-file-detail": Recipe(R, NOTE),
    "v21-file-info": Recipe(R, NOTE),
    "get-file-history": Recipe(R, NOTE),
    "v21-file-history": Recipe(R, {"path": "/note.md"}),
    "download-file-revision": Recipe(R, {"p": "/gone.txt", **OLD}),
    "restore-file-from-history": Recipe(W, {"p": "/gone.txt"}, {"operation": "revert", **OLD}),
    "revert-file": Recipe(W, body={"p": "/gone.txt", **OLD}),
    "create-file": Recipe(W, {"p": "/new.txt"}, {"operation": "create"}),
    "api2-file-create": Recipe(W, {"p": "/new.txt"}, {"operation": "create"}),
    "rename-file": Recipe(W, NOTE, {"operation": "rename", "newname": "x.md"}, once=True),
    "rclone-file-rename": Recipe(W, NOTE, {"operation": "rename", "newname": "x.md"}, once=True),
    "move-file": Recipe(W, NOTE, {"operation": "move", **TO_A}, once=True),
    "rclone-file-move": Recipe(W, NOTE, {"operation": "move", **TO_A}, once=True),
    "copy-file": Recipe(R, NOTE, {"operation": "copy", **TO_HOME}),
    "rclone-file-copy": Recipe(R, NOTE, {"operation": "copy", **TO_HOME}),
    "lock-file": Recipe(W, body={**NOTE, "operation": "lock", "expire": "1"}, once=True),
    "unlock-file": Recipe(W, body={**NOTE, "operation": "unlock"}, before="lock-file"),
    "v21-file-lock": Recipe(W, NOTE, {"operation": "lock"}, once=True),
    "delete-file": Recipe(W, NOTE),
    "rclone-delete-file": Recipe(W, NOTE),
    "v21-file-delete": Recipe(W, NOTE),
    "block-download-link": Recipe(R),
    "desktop-smart-link": Recipe(R, {"repo_id": "{repo_id}", "path": "/note.md", "is_dir": "false"}),
    # -- Upload / Update links
    "get-upload-link": Recipe(W, {"p": "/a"}),
    "rclone-upload-link": Recipe(W),
    "get-update-link": Recipe(W, {"p": "/"}),
    "get-upload-blks-link": Recipe(W, {"p": "/a"}),
    "get-update-blks-link": Recipe(W, {"p": "/a"}),
    "upload-blks-post": Recipe(W, {"p": "/"}, {"blklist": "{block_id}"}),
    "desktop-file-uploaded-bytes": Recipe(W, {"parent_dir": "/", "file_name": "x"}),
    "upload-file-1": Recipe(LINK, body={"parent_dir": "/a"}, upload=True, before="get-upload-link"),
    "rclone-upload": Recipe(
        LINK,
        {"ret-json": "1"},
        {"parent_dir": "/", "relative_path": "", "need_idx_progress": "true", "replace": "1"},
        upload=True,
        before="rclone-upload-link",
    ),
    "update-file-1": Recipe(LINK, body={"target_file": "/note.md"}, upload=True, before="get-update-link"),
    # -- Directory
    "list-directory-entries": Recipe(R),
    "rclone-list-v2": Recipe(R, {"p": "/a/b"}),
    "rclone-list-v21": Recipe(R, {"p": "/"}),
    "get-directory-detail": Recipe(R, {"path": "/a"}),
    "rclone-dir-detail": Recipe(R, {"path": "/a"}),
    "create-new-directory": Recipe(W, {"p": "/new"}, {"operation": "mkdir"}),
    "rclone-mkdir": Recipe(W, {"p": "/new"}, {"operation": "mkdir"}),
    "v21-dir-mkdir": Recipe(W, {"p": "/new"}, {"operation": "mkdir"}),
    "rename-directory": Recipe(W, {"p": "/a"}, {"operation": "rename", "newname": "z"}, once=True),
    "rclone-rename-dir": Recipe(W, {"p": "/a"}, {"operation": "rename", "newname": "z"}, once=True),
    "v21-dir-rename": Recipe(W, {"p": "/a"}, {"operation": "rename", "newname": "z"}, once=True),
    "delete-directory": Recipe(W, {"p": "/a"}, once=True),
    "rclone-delete-dir": Recipe(W, {"p": "/a"}, once=True),
    "v21-dir-delete": Recipe(W, {"p": "/a"}, once=True),
    "revert-directory": Recipe(W, body={"p": "/lost", **OLD}),
    "v21-dir-revert": Recipe(W, {"p": "/lost"}, {"operation": "revert", **OLD}),
    "download-directory-get-tast-toke": Recipe(R, {"parent_dir": "/", "dirents": "a"}),
    "v21-zip-task-post": Recipe(R, body={"parent_dir": "/", "dirents": ["a", "note.md"]}),
    "download-directory-query-task-progress": Recipe(
        LINK, {"token": "{kept}"}, before="download-directory-get-tast-toke", keep="zip_token"
    ),
    "v21-cancel-zip": Recipe(LINK, body={"token": "{kept}"}, before="v21-zip-task-post", keep="zip_token"),
    # -- Asynchronously Copy/Move File/Directory
    "asynchronously-copy-move-file-directory-get-task-id": Recipe(R, body=_TASK),
    "asynchronously-copy-move-file-directory-query-progress": Recipe(
        R,
        {"task_id": "{kept}"},
        before="asynchronously-copy-move-file-directory-get-task-id",
        keep="task_id",
    ),
    "asynchronously-copy-move-file-directory-cancel-task": Recipe(
        R,
        body={"task_id": "{kept}"},
        before="asynchronously-copy-move-file-directory-get-task-id",
        keep="task_id",
    ),
    "desktop-async-batch-copy-item": Recipe(R, body=_batch("{home}", "/")),
    "desktop-async-batch-move-item": Recipe(W, body=_batch("{repo_id}", "/a"), once=True),
    # -- Multiple Files / Directories
    "multiple-files-directories-copy": Recipe(R, {"p": "/"}, {"file_names": "note.md:a", **TO_HOME}),
    "multiple-files-directories-move": Recipe(W, {"p": "/"}, {"file_names": "note.md", **TO_A}, once=True),
    "multiple-files-directories-delete": Recipe(W, {"p": "/"}, {"file_names": "note.md:a"}),
    "multiple-files-directories-get-tast-toke": Recipe(R, {"parent_dir": "/", "dirents": ["a", "note.md"]}),
    "multiple-files-directories-query-task-progress": Recipe(
        LINK, {"token": "{kept}"}, before="multiple-files-directories-get-tast-toke", keep="zip_token"
    ),
    "desktop-sync-batch-copy-item": Recipe(R, body=_batch("{home}", "/")),
    "rclone-move-dir": Recipe(W, body=_batch("{repo_id}", "/a"), once=True),
    "desktop-batch-delete": Recipe(
        W, body={"repo_id": "{repo_id}", "parent_dir": "/", "dirents": ["note.md"]}
    ),
    # -- Snapshot Label
    "get-snapshot-label": Recipe(SELF),
    "create-new-snapshot-label": Recipe(W, body=LABELS),
    "update-snapshot-label": Recipe(W, body=LABELS),
    "delete-snapshot-label": Recipe(W, {"repo_id": "{repo_id}", "tag_name": "v1.0"}),
}
