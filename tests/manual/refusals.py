"""How each documented error of an operation is brought about; where it cannot be, why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.manual.recipes import RECIPES, Need
from tests.manual.scene import NO_OBJECT, NOWHERE
from tests.support.catalog import BAD_TOKEN, NO_CREDENTIALS, Operation

LONG = "n" * 256
THROTTLED = 429


@dataclass(frozen=True)
class Refusal:
    """An operation's recipe, changed so that it is refused.

    `by` is who calls; "full" is somebody who may write here and has no room left. `locked`: somebody else
    holds the lock on `/note.md`. `full`: the owner's quota is used up. `strict`: on a site that forbids what
    can be forbidden, and takes and packs a few bytes only.
    """

    by: str = "owner"
    locked: bool = False
    full: bool = False
    strict: bool = False
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    before: str = ""
    """The recipe to follow first in place of the usual one; "-" for none."""


def _r(
    query: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
    path: Mapping[str, str] | None = None,
    **options: Any,
) -> Refusal:
    parts = {"query": query, "body": body, "path": path}
    return Refusal(parts={name: values for name, values in parts.items() if values}, **options)


def text_of(body: Any) -> str:
    """Return what an error says, whatever its form: one key of the tables below."""
    for key in ("error_msg", "error", "err"):
        if isinstance(body, dict) and key in body:
            return str(body[key]).removesuffix("\\n")
    return str(body)


def documented(what: Operation) -> list[tuple[int, str]]:
    """Return status and text of the errors that are the operation's own, not the framework's."""
    shared = (NO_CREDENTIALS, BAD_TOKEN)
    own = [(s, b) for s, b in what.errors if (s, b) not in shared and s != THROTTLED]
    return [(status, text_of(body)) for status, body in own]


# -- why some are never given ------------------------------------------------------------------------------

_CORE = "the core of the reference fails so; here only storage can fail, which is a 500 of its own"
_OLD = "of other versions of the reference; the pages decide for another answer"
_OTHER_VERB = "belongs to another operation of this address, where it is tried"

NEVER: dict[str | tuple[str, str], str] = {
    "Internal Server Error": "for failures of storage: tests/blackbox/test_operations",
    "Internal error": "for failures of storage; without a library's password: test_encrypted",
    "Failed to set library history limit.": _CORE,
    "Unable to rename library": "when the head never stands still: tests/library/test_combiner",
    "Bad arguments": "no arguments of this call are bad; a missing password is 440",
    "Repo is not encrypted": _OLD,
    "Failed to share library to public.": _CORE,
    "Failed to get file id by path.": _CORE,
    "Failed to get file id.": _CORE,
    "Failed to delete file.": _CORE,
    "Failed to list dir.": _CORE,
    "Failed to rename folder.": _CORE,
    "Failed to copy file.": _CORE,
    "Failed to move file.": _CORE,
    "Failed to create file.": _CORE,
    "Cancel failed": "a task that is unknown or has ended is canceled already: 200",
    "File or directory not found.": "missing names are 400, names that do not exist are passed over",
    "Too many files with same name.": "after a thousand numbers: tests/library/test_edits",
    ("update-file-1", "Parent dir doesn't exist."): "the target does not exist then, which comes first: 441",
    ("update-file-1", "Invalid filename."): "a target that has no valid name does not exist: 441",
    ("rclone-list-v2", "Library password is needed."): "names are listed without the password",
    ("get-file-detail", "Library not found."): _OLD,
    ("rclone-file-detail", "File {path} not found."): "the manual's words for this call: File not found.",
    ("rclone-file-copy", "File is locked"): _OTHER_VERB,
    ("v21-file-lock", "file lock feature only supported in professional edition."): "locks are there",
    ("v21-dir-mkdir", "newname invalid."): _OTHER_VERB,
    ("v21-dir-mkdir", "commit_id invalid."): _OTHER_VERB,
    ("v21-dir-rename", "commit_id invalid."): _OTHER_VERB,
    ("v21-dir-revert", "newname invalid."): _OTHER_VERB,
    ("v21-dir-revert", "name invalid."): _OTHER_VERB,
    ("block-download-link", "Out of quota."): "a download needs no room",
    ("desktop-sync-batch-copy-item", "{'lib_need_decrypt': True}"): _OTHER_VERB,
    "Can't move folder {name}, please check its permission.": "folder permissions: tests/access",
    "Can't delete folder {name}, please check its permission.": "folder permissions: tests/access",
    ("rclone-file-rename", "Folder {path} not found."): _OTHER_VERB,
}


# -- how the others come about -----------------------------------------------------------------------------

_NO_P = _r({"p": None})
_FLY = _r(body={"operation": "fly"})
_TO_HOME = {"dst_repo": "{home}", "dst_dir": "/"}
_GONE = _r({"p": "/no"})
_LOCKED = _r(locked=True)
_TO_NOWHERE = _r(body={"dst_dir": "/no"})
_TO_NO_FOLDER = _r(body={"dst_parent_dir": "/no"})
_ENCRYPTED = {"repo_id": "{nowhere}", "magic": "0" * 64, "random_key": "0" * 96, "enc_version": "2"}
_V21_WORDS = "operation can only be 'create', 'rename', 'move', 'copy' or 'revert'."
_REUSE = (
    "If you want to reuse file server access token for download file, you should set 'reuse' argument as '1'."
)
_DIR_WORDS = "operation can only be 'mkdir', 'rename' or 'revert'."
_TASK = "asynchronously-copy-move-file-directory-get-task-id"
_TAG_WORDS = "Tag can only contain letters, numbers, dot, hyphen or underscore."

# By what the error says: the same for every operation that documents it.
BY_TEXT: dict[str, Refusal] = {
    "Path is missing or invalid.": _r({"p": "x"}),
    "Path is missing.": _NO_P,
    "Path is invalid.": _r({"p": "/"}),
    "page invalid.": _r({"page": "0"}),
    "per_page invalid.": _r({"per_page": "0"}),
    "show_days invalid.": _r({"show_days": "x"}),
    "Folder {path} not found.": _GONE,
    "Folder {parent} not found.": _r({"p": "/no/x"}),
    "File {path} not found.": _GONE,
    "File not found": _GONE,
    "File not found.": _GONE,
    "file {path} not found.": _r(body={"p": "/no"}),
    "folder {path} not found.": _r(body={"p": "/no"}),
    "library {repo_id} not found.": _r(path={"repo_id": NOWHERE}),
    "path invalid.": _r(body={"p": ""}),
    "name invalid.": _r({"p": "/.."}),
    "Library name is required.": _r(body={"name": ""}),
    "NOT allow to create encrypted library.": _r(body={"passwd": "x"}, strict=True, by="staff"),
    "password invalid.": _r(path={"repo_id": "{vault}"}, body={"password": ""}),
    "Wrong password": _r(body={"password": "wrong"}),
    "Incorrect password": _r(body={"password": "wrong"}),
    "Share type can only be personal or group or public.": _r({"share_type": "x"}),
    "File name invalid.": _r(body={"newname": "x/y"}),
    "Folder name invalid.": _r({"p": f"/{LONG}"}, {"newname": ".."}),
    "File is locked": _LOCKED,
    "File {name} is locked.": _LOCKED,
    "Missing arguments.": _r(body={"dst_dir": None}),
    "Missing argument.": _r(body={"file_names": ""}),
    "The destination directory is the same as the source.": _r(
        body={"dst_repo": "{repo_id}", "dst_dir": "//"}
    ),
    "from invalid.": _r({"from": "mail"}),
    "If you want to get recursive dir entries, you should set 'recursive' argument as '1'.": _r(
        {"recursive": "2"}
    ),
    "'t'(type) should be 'f' or 'd'.": _r({"t": "x"}),
    "with_thumbnail invalid.": _r({"with_thumbnail": "x"}),
    "with_parents invalid.": _r({"with_parents": "x"}),
    "Operation not supported.": _FLY,
    "Operation can only be rename, create or move.": _FLY,
    "Operation can only be lock or unlock": _FLY,
    _V21_WORDS: _FLY,
    _DIR_WORDS: _FLY,
    "operation can only be 'move' or 'copy'.": _FLY,
    "operation can only be 'lock', 'unlock' or 'refresh-lock'.": _FLY,
    "operation can only be 'file' or 'dir'.": _r(body={"dirent_type": "link"}),
    "Can not operate root dir.": _r({"p": "/"}),
    "Can not delete root path.": _r({"p": "/"}),
    "New name is missing": _r(body={"newname": None}),
    "New name is too long": _r(body={"newname": LONG}),
    "New name is mandatory.": _r(body={"newname": ""}),
    "The new name is the same to the old": _r(body={"newname": "note.md"}),
    "Library {repo_id} is not encrypted.": _r(path={"repo_id": "{repo_id}"}),
    "{'lib_need_decrypt': True}": _r(body={"dst_repo_id": "{vault}", "dst_parent_dir": "/"}),
    "Repo can not be empty": _r(body={"repo_id": ""}),
    "repo_id can not be empty": _r({"repo_id": ""}),
    "Commit {commit_id} not found": _r(body={"commit_id": NO_OBJECT}),
    "Tag can not be empty": _r(body={"tag_names": None}),
    "tag_name can not be empty": _r({"tag_name": ""}),
    _TAG_WORDS: _r({"tag_name": "a b"}, {"tag_names": "v1,,v2"}),
    'Unable to download directory "{name}": size is too large.': _r({"dirents": "a"}, strict=True),
    "Total size exceeds limit.": _r({"dirents": ["a", "note.md"]}, strict=True),
    "Access token not found.": _r(before="-", path={"token": NOWHERE}),
    "No file uploaded.": _r(body={"files": []}),
    "File size is too large.": _r(strict=True),
    "Invalid parent dir.": _r(body={"parent_dir": None}),
    "Invalid relative path.": _r(body={"relative_path": "/x"}),
    "Invalid argument replace.": _r(body={"replace": "2"}),
    "Parent dir doesn't exist.": _r(body={"parent_dir": "/no"}),
    "Invalid filename.": _r(body={"files": [".."]}),
    "Wrong boundary in url": _r(body={"files": "raw"}),
    "No target file.": _r(body={"target_file": None}),
    "File does not exist.": _r(body={"target_file": "/no"}),
}

# By operation and text, where the same words come about in another way.
BY_BOTH: dict[tuple[str, str], Refusal] = {
    ("get-library-history", "Library is encrypted, but password is not set in server."): _r(
        path={"repo_id": "{vault}"}
    ),
    ("get-library-trash", "Folder {path} not found."): _r({"path": "/no"}),
    ("create-library", "name invalid."): _r(body={"name": "a/b"}),
    ("create-library", "Repo id must be a valid uuid"): _r(body={**_ENCRYPTED, "repo_id": "x"}),
    ("create-library", "Invalid enc_version param."): _r(body={**_ENCRYPTED, "enc_version": "two"}),
    ("create-library", "You must provide magic, random_key and enc_version."): _r(
        body={**_ENCRYPTED, "magic": "x"}
    ),
    ("create-library", "Failed to create library."): _r(body={**_ENCRYPTED, "repo_id": "{repo_id}"}),
    ("check/create-sub-library", "password invalid."): _r(path={"repo_id": "{vault}"}),
    ("check/create-sub-library", "Wrong password"): _r({"password": "wrong"}, path={"repo_id": "{vault}"}),
    ("check/create-sub-library", "name invalid."): _r({"name": "a/b"}),
    ("rename-library", "name invalid."): _r(body={"repo_name": None}),
    ("transfer-library", "User {owner} not found."): _r(body={"owner": "no@example.com"}),
    ("transfer-library", "Transfer failed: role of {owner} is {role}, can not add library."): _r(
        body={"owner": "{guest}"}
    ),
    ("transfer-library", "Library can not be transferred to owner."): _r(body={"owner": "{owner}"}),
    ("decrypt-library", "Library password is needed."): _r(body={"password": ""}),
    ("decrypt-library", "Internal server error"): _r(path={"repo_id": "{made_up}"}),
    ("decrypt-library", "Library password magic is needed."): _r({"op": "checkpassword"}),
    ("decrypt-library", "SearpcError:{message}"): _r({"op": "checkpassword", "magic": "0" * 64}),
    ("v21-set-password", "Decrypt library error"): _r(path={"repo_id": "{made_up}"}),
    ("v21-set-password", "password invalid."): _r(body={"password": ""}),
    ("create-public-lib", "Invalid permission"): _r(body={"permission": "x"}),
    ("create-public-lib", "You do not have permission to create library."): _r(by="guest"),
    ("create-library", "You do not have permission to create library."): _r(by="guest"),
    ("create-default-lib", "You do not have permission to create library."): _r(by="guest"),
    ("set-exist-lib-as-public-lib", "Permission need to be rw or r."): _r({"permission": "admin"}),
    ("set-exist-lib-as-public-lib", "Failed to share library to public: permission denied."): _r(strict=True),
    ("remove-public-lib", "Share type is required."): _r({"share_type": ""}),
    ("remove-public-lib", "User is required."): _r({"share_type": "personal"}),
    ("remove-public-lib", "User is not valid"): _r({"share_type": "personal", "user": "x"}),
    ("remove-public-lib", "Group ID is required."): _r({"share_type": "group"}),
    ("remove-public-lib", "Group ID is not valid."): _r({"share_type": "group", "group_id": "x"}),
    (
        "download-file",
        _REUSE,
    ): _r({"reuse": "2"}),
    ("download-file-revision", "Revision not found."): _r({"commit_id": NO_OBJECT}),
    ("v21-file-history", "File {path} not found."): _r({"path": "/no"}),
    ("v21-file-history", "path invalid."): _r({"path": ""}),
    ("create-file", "Folder {path} not found."): _r({"p": "/no/x"}),
    ("api2-file-create", "File name invalid."): _r({"p": "/.."}),
    ("rename-file", "Failed to rename file: {reason}"): _GONE,
    ("lock-file", "Path is missing or invalid."): _r(body={"p": "/no"}),
    ("lock-file", "File is already locked"): _LOCKED,
    ("unlock-file", "Path is missing or invalid."): _r(body={"p": "/no"}, before="-"),
    ("unlock-file", "File is not locked"): _r(before="-"),
    ("unlock-file", "You can not unlock this file"): _r(locked=True, before="-"),
    ("unlock-file", "Operation can only be lock or unlock"): _r(body={"operation": "fly"}, before="-"),
    ("unlock-file", "Library not found."): _r(path={"repo_id": NOWHERE}, before="-"),
    ("unlock-file", "Permission denied."): _r(by="stranger", before="-"),
    ("v21-file-lock", "File is not locked."): _r(body={"operation": "unlock"}),
    ("v21-file-lock", "You can not unlock this file."): _r(body={"operation": "unlock"}, locked=True),
    ("v21-file-lock", "You can not refresh this file's lock."): _r(
        body={"operation": "refresh-lock"}, locked=True
    ),
    ("move-file", "SearpcError:{message}"): _r(body={"dst_repo": "{vault}", "dst_dir": "/"}),
    ("copy-file", "SearpcError:{message}"): _r(body={"dst_repo": "{vault}", "dst_dir": "/"}),
    ("restore-file-from-history", "File is locked"): _r(
        {"p": "/note.md"}, {"commit_id": "{first}"}, locked=True
    ),
    ("multiple-files-directories-copy", "file_names invalid."): _r(body={"file_names": "note.md:no"}),
    ("multiple-files-directories-move", "file_names invalid."): _r(body={"file_names": "note.md:no"}),
    ("rclone-clean-trash", "keep_days invalid."): _r(body={"keep_days": "x"}),
    ("rclone-file-copy", "Folder {path} not found."): _TO_NOWHERE,
    ("rclone-file-move", "Folder {path} not found."): _TO_NOWHERE,
    ("multiple-files-directories-move", "Out of quota."): _r(body=_TO_HOME, by="full"),
    ("upload-file-1", "Operation does not match access token."): _r(before="get-update-link"),
    ("update-file-1", "Operation does not match access token."): _r(before="get-upload-link"),
    ("upload-file-1", "Permission denied."): _r(body={"parent_dir": "/"}),
    ("get-directory-detail", "Folder {path} not found."): _r({"path": "no"}),
    ("rclone-dir-detail", "Folder {path} not found."): _r({"path": "/no"}),
    ("get-directory-detail", "path invalid."): _r({"path": "/"}),
    ("create-new-directory", "Failed to make directory."): _r(
        {"p": "/note.md/x"}, {"create_parents": "true"}
    ),
    ("rename-directory", "Folder name invalid."): _r(body={"newname": ".."}),
    ("v21-dir-mkdir", "Folder {path} not found."): _r({"p": "/no/x"}),
    ("v21-dir-rename", "name invalid."): _r(body={"newname": ".."}),
    ("v21-dir-revert", "Folder {path} not found."): _r({"p": "/never"}),
    (_TASK, "Invalid destination path"): _r(body={"dst_repo_id": "{repo_id}", "operation": "move"}),
    (_TASK, "Destination path is too long."): _r(body={"dst_parent_dir": "/" + "x" * 4096}),
    (_TASK, "File {path} not found."): _r(body={"src_dirent_name": "no"}),
    (_TASK, "Folder {path} not found."): _r(body={"dst_parent_dir": "/no"}),
    (_TASK, "Can not move directory {src} to its subdirectory {dst}"): _r(
        body={
            "src_dirent_name": "a", "dirent_type": "dir", "dst_repo_id": "{repo_id}",
            "dst_parent_dir": "/a/b", "operation": "move",
        }
    ),
    (_TASK, "File is locked"): _r(body={"operation": "move"}, locked=True),
    ("asynchronously-copy-move-file-directory-query-progress", "Error"): _r({"task_id": NOWHERE}, before="-"),
    ("desktop-smart-link", "is_dir can only be 'true' or 'false'."): _r({"is_dir": "x"}),
    ("desktop-smart-link", "Folder {path} not found."): _r({"is_dir": "true"}),
    ("desktop-smart-link", "File {path} not found."): _r({"path": "/a"}),
    ("desktop-repo-tokens", "You must specify libaries ids"): _r({"repos": ""}),
    ("desktop-repo-tokens", "Libraries ids are invalid"): _r({"repos": "x"}),
    ("desktop-commit-changes", "Library does not exist"): _r(path={"repo_id": NOWHERE}),
    ("desktop-commit-changes", "Invalid argument"): _r({"commit_id": "x"}),
    ("desktop-batch-delete", "Folder {path} not found."): _r(body={"parent_dir": "/no"}),
    **{
        (name, "Folder {path} not found."): _TO_NO_FOLDER
        for name in (
            "rclone-move-dir", "desktop-sync-batch-copy-item", "desktop-async-batch-copy-item",
            "desktop-async-batch-move-item",
        )
    },
    ("desktop-file-uploaded-bytes", "Folder {path} not found."): _r({"parent_dir": "/no"}),
    **{
        (name, "Folder {path} not found."): _r({"parent_dir": "/no"})
        for name in ("download-directory-get-tast-toke", "multiple-files-directories-get-tast-toke")
    },
    ("v21-zip-task-post", "Folder {path} not found."): _r(body={"parent_dir": "/no"}),
}  # fmt: skip

_library_is_missing = re.compile(r"Library( \{repo_id\})? not found\.?").fullmatch
_parameter_is_wrong = re.compile(r"(\w+) invalid\.").fullmatch


def refusal_of(what: Operation, status: int, text: str) -> Refusal | None:
    """Return how an error is brought about; None if there is no way that is known."""
    known = BY_BOTH.get((what.id, text)) or _of_parameter(what, text) or BY_TEXT.get(text)
    if known is not None:
        return known
    if _library_is_missing(text):
        return _without_library(what)
    if text == "Out of quota.":
        return Refusal(full=True)
    if status == 403 and (text == "Permission denied." or text.startswith("You do not have permission to")):
        return _of_stranger(text)
    return None


def _of_parameter(what: Operation, text: str) -> Refusal | None:
    """Return the call without the parameter that the text names."""
    match, recipe = _parameter_is_wrong(text), RECIPES[what.id]
    for part in ("query", "body"):
        if match is not None and match[1] in getattr(recipe, part):
            return Refusal(parts={part: {match[1]: ""}}, before="-" if recipe.need is Need.LINK else "")
    return None


def _without_library(what: Operation) -> Refusal:
    recipe = RECIPES[what.id]
    if "{repo_id}" in what.path:
        return _r(path={"repo_id": NOWHERE})
    for part in ("query", "body"):
        for name in ("repo_id", "src_repo_id"):
            if name in getattr(recipe, part):
                return Refusal(parts={part: {name: NOWHERE}})
    raise LookupError(what.id)


def _of_stranger(text: str) -> Refusal:
    if "destination" in text:  # a library that the caller has nothing to do with
        return _r(body={"dst_repo": "{foreign}", "dst_dir": "/"})
    return Refusal(by="stranger")
