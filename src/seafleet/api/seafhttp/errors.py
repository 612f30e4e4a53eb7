"""What the file server answers to each error: JSON for uploads, a line of text for downloads.

Clients decide by the status. The texts are the reference's, without the line break that it leaves inside its
JSON.

Source: file server §2 (uploads), §7 (downloads); device registry §7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seafleet import errors
from seafleet.api.kernel import JSON_UTF8, Reply, ReplyError, text_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seafleet.api.kernel.request import RequestBase

CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "x-requested-with, content-type, content-range, content-disposition, "
    "accept, origin, authorization",
    "Access-Control-Max-Age": "86400",
}

NO_TOKEN: Final = "Access token not found"
WRONG_OPERATION: Final = "Operation does not match access token."
LOCKED_LIBRARY: Final = "Repo is encrypted. Please provide password to view it."

_Answer = tuple[int, str]
_Table = dict[type[errors.SeafleetError], "Callable[[Any], _Answer]"]


def _is(status: int, text: str) -> Callable[[Any], _Answer]:
    return lambda error: (status, text)


WRONG_RANGE: Final = "Invalid Seafile-Content-Range"
_ARGUMENTS: Final = {"Content-Range": WRONG_RANGE}

UPLOADS: Final[_Table] = {
    errors.SeafleetError: _is(500, "Internal error"),
    errors.InvalidInput: _is(400, "Bad request."),
    errors.InvalidName: _is(440, "Invalid filename."),
    errors.InvalidPath: _is(400, "Invalid parent dir."),
    errors.InvalidArgument: lambda error: (400, _ARGUMENTS.get(error.name, "Bad request.")),
    errors.HashMismatch: _is(500, "Internal server error"),
    errors.FolderNotFound: _is(400, "Parent dir doesn't exist."),
    errors.FileNotFound: _is(441, "File does not exist."),
    errors.CommitNotFound: _is(400, "Bad request."),
    errors.TokenNotFound: _is(403, f"{NO_TOKEN}."),
    errors.LibraryNotFound: _is(403, f"{NO_TOKEN}."),
    errors.OperationMismatch: _is(403, WRONG_OPERATION),
    errors.Refused: _is(403, "Permission denied."),
    errors.DeviceBlocked: lambda error: (403, error.sentence),
    errors.FileLocked: _is(403, "Permission denied."),
    errors.NameTaken: _is(441, "File already exists."),
    errors.CollectionRan: _is(409, "GC Conflict."),
    errors.FileTooLarge: _is(442, "File size is too large."),
    errors.QuotaExceeded: _is(443, "Out of quota."),
    errors.TooManySameNames: _is(400, "Too many files with same name."),
    errors.BlocksMissing: _is(446, "Block missing."),
    errors.HeadMoved: _is(500, "Internal server error"),
}

DOWNLOADS: Final[_Table] = {
    errors.SeafleetError: _is(500, "Internal server error"),
    errors.InvalidId: _is(400, "Invalid file id"),
    errors.InvalidInput: _is(400, "Invalid URL"),
    errors.MalformedObject: _is(500, "Internal server error"),
    errors.NotFound: _is(404, "File not found"),
    errors.ObjectMissing: _is(500, "Internal server error"),
    errors.LibraryNotFound: _is(400, "Bad repo id"),
    errors.TokenNotFound: _is(403, NO_TOKEN),
    errors.OperationMismatch: _is(403, WRONG_OPERATION),
    errors.Refused: _is(403, "Permission denied"),
    errors.DeviceBlocked: lambda error: (403, error.sentence),
    errors.PasswordRequired: _is(400, LOCKED_LIBRARY),
    errors.LimitExceeded: _is(400, "size is too large"),
}

INTERNAL_ERROR: Final = text_reply("Internal server error\n", 500)


def upload_error(status: int, text: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a refusal of an upload."""
    return Reply({"error": text}, status, {**CORS, **(headers or {})}, JSON_UTF8)


def refuse_upload(status: int, text: str) -> ReplyError:
    """Return the same, to be raised."""
    return ReplyError(upload_error(status, text))


def download_error(status: int, text: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a refusal of a download: one line."""
    return text_reply(f"{text}\n", status, headers)


def refuse_download(status: int, text: str) -> ReplyError:
    """Return the same, to be raised."""
    return ReplyError(download_error(status, text))


def reply_to(request: RequestBase, error: errors.SeafleetError) -> Reply:
    """Return the answer to an error: that of its class, or of the nearest one above that has a row."""
    headers = {"X-Device-Status": error.status} if isinstance(error, errors.DeviceBlocked) else None
    if request.route.verb == "POST":
        return upload_error(*_row(UPLOADS, error), headers)
    return download_error(*_row(DOWNLOADS, error), headers)


def _row(table: _Table, error: errors.SeafleetError) -> _Answer:
    return next(table[kind] for kind in type(error).__mro__ if kind in table)(error)
