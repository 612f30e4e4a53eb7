"""Uploads of new files, and of new content for existing ones.

=========================  =====================================  ====================
request                    answer                                 who asks
=========================  =====================================  ====================
POST /upload-api/<token>   ids joined by TAB; JSON on `ret-json`  Web API, rclone, desktop
POST /upload-aj/<token>    JSON                                   browsers
POST /update-api/<token>   the new id                             Web API, desktop
POST /update-aj/<token>    JSON                                   browsers
=========================  =====================================  ====================

All files of one request come in one commit. Fields may stand before or after the files.

Source: file server §2 to §6; Web API manual, "Upload File", "Update file".
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import msgspec
from multipart import parse_options_header

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import JSON_UTF8, TEXT, Marker, Reply, StreamRequest, stream_route
from seafleet.api.kernel.parameters import parse_query
from seafleet.api.seafhttp.errors import CORS, refuse_upload
from seafleet.api.seafhttp.reception import Reception, serve
from seafleet.api.seafhttp.surface import NAME
from seafleet.errors import FileNotFound, InvalidId, PasswordRequired
from seafleet.ids import ObjectId
from seafleet.library.edits import AddFiles, NewFile, Placed, UpdateFile
from seafleet.library.model import Author, EditOutcome
from seafleet.library.pushes import UpdateOnBase
from seafleet.transfers.receiving import ChunkReceiver, Counter, FilesReceiver, Receiver, file_name
from seafleet.transfers.resumable import Place, Stretch

if TYPE_CHECKING:
    from concurrent.futures import Future


# -- routes --------------------------------------------------------------------------------------------------


@stream_route(
    "POST",
    "/seafhttp/upload-api/{token}",
    operation=("upload-file-1", "rclone-upload"),
    action=Marker.BEARER,
    surface=NAME,
)
async def upload(request: StreamRequest) -> None:
    """Add files to a folder."""
    await serve(Upload(request, "upload-api"))


@stream_route(
    "POST",
    "/seafhttp/upload-aj/{token}",
    operation="upload-from-browser",
    action=Marker.BEARER,
    surface=NAME,
)
async def upload_from_browser(request: StreamRequest) -> None:
    """Add files to a folder; the answer is JSON."""
    await serve(Upload(request, "upload-aj", browser=True))


@stream_route(
    "POST",
    "/seafhttp/update-api/{token}",
    operation="update-file-1",
    action=Marker.BEARER,
    surface=NAME,
)
async def update(request: StreamRequest) -> None:
    """Replace the content of a file."""
    await serve(Update(request, "update-api"))


@stream_route(
    "POST",
    "/seafhttp/update-aj/{token}",
    operation="update-from-browser",
    action=Marker.BEARER,
    surface=NAME,
)
async def update_from_browser(request: StreamRequest) -> None:
    """Replace the content of a file; the answer is JSON."""
    await serve(Update(request, "update-aj", browser=True))


# -- what all of them have in common -------------------------------------------------------------------------


class FileReception(Reception):
    """A request that brings files which are to be seen in the library, or a chunk of one.

    `stretch` says which bytes a chunk has; it is None when files come whole.
    """

    def __init__(self, request: StreamRequest, operation: str, *, browser: bool = False) -> None:
        super().__init__(request, operation)
        self.browser = browser
        self.stretch: Stretch | None = None

    # before the body

    def check_announced(self) -> None:
        """Check the range, then quota and size."""
        header = self.request.headers.get("content-range")
        if header:
            self.stretch = Stretch.parse(header)
            if _disposed_name(self.request) is None:
                raise refuse_upload(400, "Bad request.")
            self.services.transfers.limits.check(self.head, self.stretch.total)
        else:
            super().check_announced()

    def open_receiver(self) -> Receiver:
        """Return what stores the files; without the key of an encrypted library they are only counted."""
        try:
            self._cipher = self.services.transfers.keys.cipher(self.head, self.grant.actor)
        except PasswordRequired:
            return Counter()
        if self.stretch is not None:
            return ChunkReceiver(self.services.transfers.resumable)
        return self._new_receiver()

    def _new_receiver(self) -> FilesReceiver:
        return FilesReceiver(self.services.objects, self.head.store_id, self._cipher)

    # what the form says

    @property
    def author(self) -> Author:
        """Who the commit is by."""
        return Author(self.grant.actor.email, ip=self.request.client_ip)

    @property
    def wants_json(self) -> bool:
        """Whether names and sizes are asked for besides the ids."""
        return self.browser or b"ret-json" in self.request.query_string or "ret-json" in self.fields

    def path_field(self, name: str) -> str | None:
        """Return a field that holds a path, in composed form and with slashes the right way round."""
        value = self.fields.get(name)
        return None if value is None else unicodedata.normalize("NFC", value.replace("\\", "/"))

    def file_names(self) -> list[str]:
        """Return the names that the files are to have. Refuses a request without files."""
        sent = list(self.receiver.names)
        if not sent:
            raise refuse_upload(400, "No file uploaded.")
        if self.stretch is not None:
            if len(sent) > 1:
                raise refuse_upload(400, "More files in one request.")
            sent = [_disposed_name(self.request) or ""]
        return [file_name(name) for name in sent]

    def require_write(self, folder: str) -> None:
        """Raise AccessDenied unless the account may write there now, whatever it could when it asked."""
        self.services.access.require(self.grant.actor, Action.WRITE, self.head, folder)

    def check_received(self) -> None:
        """Check size and quota against what really came; of a chunk the whole file was checked before."""
        if self.stretch is None:
            limits, sizes = self.services.transfers.limits, self.receiver.sizes
            limits.check_sizes(sizes)
            limits.check_quota(self.head, sum(sizes))

    # what becomes of it

    def received(self, names: list[str], path: str) -> tuple[NewFile, ...] | None:
        """Make what came durable. Returns the files; None for a chunk of the file at `path` but the last.

        Refuses content of a library whose password is not set.
        """
        receiver = self.receiver
        if isinstance(receiver, ChunkReceiver):
            finished = self._chunk_received(receiver, path)
        elif isinstance(receiver, FilesReceiver):
            finished = receiver
        else:
            raise refuse_upload(500, "Internal error")
        if finished is None:
            return None
        mtime = modification_time(self.fields.get("last_modify", ""))
        files = zip(names, finished.finish(), strict=True)
        return tuple(NewFile.received(name, file, mtime) for name, file in files)

    def _chunk_received(self, receiver: ChunkReceiver, path: str) -> FilesReceiver | None:
        stretch, chunk = self.stretch, receiver.chunk
        assert stretch is not None, "a chunk comes with its range"
        assert chunk is not None, "a file has begun"
        uploads, place = self.services.transfers.resumable, self._place(path)
        if not stretch.is_last:
            uploads.add(place, stretch, chunk)
            return None
        self.receiver = finished = self._new_receiver()
        try:
            finished.begin(path)
            for piece in uploads.content(place, stretch, chunk):
                finished.write(piece)
        finally:
            chunk.discard()
        return finished

    def _place(self, path: str) -> Place:
        return Place(self.head.library_id, path, self.grant.actor.email)

    def submitted(self, future: Future[Any], path: str) -> Future[Any]:
        """Have the chunks forgotten once their file is in the library."""
        if self.stretch is not None:
            place, uploads = self._place(path), self.services.transfers.resumable
            future.add_done_callback(lambda done: uploads.forget(place) if done.exception() is None else None)
        return future

    # what is answered

    def json_answer(self, placed: tuple[Placed, ...]) -> Reply:
        """Return the names that the files really have, their ids and sizes, in the order of the parts."""
        body = [{"name": each.entry.name, "id": each.entry.id, "size": each.entry.size} for each in placed]
        as_text = self.browser and "application/json" not in self.request.headers.get("accept")
        return Reply(body, headers=CORS, media_type=TEXT if as_text else JSON_UTF8)

    def plain_answer(self, placed: tuple[Placed, ...]) -> Reply:
        """Return the ids, bare: the desktop client stores the body as it is."""
        return Reply("\t".join(each.entry.id for each in placed).encode(), headers=CORS, media_type=JSON_UTF8)


CHUNK_KEPT: Final = Reply({"success": True}, headers=CORS, media_type=JSON_UTF8)


def _disposed_name(request: StreamRequest) -> str | None:
    """Return the file name in the `Content-Disposition` header, which is percent-encoded."""
    _, options = parse_options_header(request.headers.get("content-disposition"))
    name = options.get("filename")
    try:
        return None if name is None else unquote(name, errors="strict")
    except UnicodeDecodeError:
        return None


def modification_time(text: str) -> int | None:
    """Return the Unix seconds of an RFC 3339 time; None for anything else, as if it had not been sent."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    return seconds if seconds >= 0 else None


# -- uploads -------------------------------------------------------------------------------------------------


class _UploadTarget(msgspec.Struct):
    parent_dir: str = "/"


class Upload(FileReception):
    """New files."""

    def conclude(self) -> Reply | Future[Any]:
        """Check fields, folder, sizes and names, and submit the edit."""
        names = self.file_names()
        replace = self._replace()
        parent, relative_path = self._folder()
        self.check_received()
        for name in names:
            paths.validate_name(name)
        path = paths.join(_below(parent, relative_path), names[0])
        files = self.received(names, path)
        if files is None:
            return CHUNK_KEPT
        edit = AddFiles(parent, files, replace, relative_path, seen=self.seen)
        library_id = self.head.library_id
        return self.submitted(self.services.libraries.submit_edit(library_id, self.author, edit), path)

    def answer(self, outcome: EditOutcome[tuple[Placed, ...]]) -> Reply:
        """Tell which files there are now."""
        return self.json_answer(outcome.result) if self.wants_json else self.plain_answer(outcome.result)

    def _replace(self) -> bool:
        value = self.fields.get("replace", "0")
        if value not in ("0", "1"):
            raise refuse_upload(400, "Invalid argument replace.")
        return value == "1"

    def _folder(self) -> tuple[str, str]:
        """Return the folder that exists, and the one below it that is made if it does not."""
        sent = self.path_field("parent_dir")
        if not sent:
            raise refuse_upload(400, "Invalid parent dir.")
        parent = paths.normalize_folder(sent)
        relative_path = self.path_field("relative_path") or ""
        if relative_path.startswith("/") or not _is_plain(relative_path):
            raise refuse_upload(400, "Invalid relative path.")
        self._check_parent(parent)
        self.require_write(_below(parent, relative_path))
        return parent, relative_path

    def _check_parent(self, parent: str) -> None:
        entry = self.services.trees.find(self.head.store_id, self.head.root_id, parent)
        if entry is None or not entry.is_dir:
            raise refuse_upload(400, "Parent dir doesn't exist.")
        if not paths.is_inside(parent, bound_folder(self.grant.object)):
            raise refuse_upload(403, "Permission denied.")


def _below(parent: str, relative_path: str) -> str:
    return paths.join(parent, "/".join(paths.components(relative_path)))


def _is_plain(relative_path: str) -> bool:
    return not {".", ".."}.intersection(paths.components(relative_path))


def bound_folder(token_object: str) -> str:
    """Return the folder that an upload token is good for, with all below it."""
    try:
        target = msgspec.json.decode(token_object, type=_UploadTarget)
    except msgspec.MsgspecError:
        raise refuse_upload(403, "Permission denied.") from None
    return paths.normalize_folder(target.parent_dir)


# -- updates -------------------------------------------------------------------------------------------------


class Update(FileReception):
    """New content for a file that exists."""

    def conclude(self) -> Reply | Future[Any]:
        """Check fields, target and size, and submit the edit; with a base commit, the merge."""
        if len(self.file_names()) > 1:
            raise refuse_upload(400, "More files in one request.")
        target, base = self._target(), self._base()
        self.check_received()
        files = self.received([paths.split(target)[1]], target)
        if files is None:
            return CHUNK_KEPT
        edit = UpdateFile(target, files[0], seen=self.seen)
        return self.submitted(self._submit(edit, base), target)

    def _submit(self, edit: UpdateFile, base: ObjectId | None) -> Future[Any]:
        libraries, library_id = self.services.libraries, self.head.library_id
        if base is None:
            return libraries.submit_edit(library_id, self.author, edit)
        return libraries.submit_task(library_id, UpdateOnBase(self.author, library_id, edit, base))

    def answer(self, outcome: EditOutcome[Placed]) -> Reply:
        """Tell the new id."""
        placed = (outcome.result,)
        return self.json_answer(placed) if self.browser else self.plain_answer(placed)

    def _target(self) -> str:
        sent = self.path_field("target_file")
        if not sent:
            raise refuse_upload(400, "No target file.")
        target = paths.normalize_file(sent)
        self.require_write(paths.split(target)[0])
        entry = self.services.trees.find(self.head.store_id, self.head.root_id, target)
        if entry is None or entry.is_dir:
            raise FileNotFound(target)
        return target

    def _base(self) -> ObjectId | None:
        values = parse_query(self.request.query_string).get("head")
        if not values or not values[-1]:
            return None
        try:
            return ObjectId.parse(values[-1])
        except InvalidId:
            raise refuse_upload(400, "Bad request.") from None


# -- before browsers upload ----------------------------------------------------------------------------------

_PREFLIGHT = "file-server-preflight"


@stream_route(
    "OPTIONS", "/seafhttp/upload-api/{token}", operation=_PREFLIGHT, action=Marker.ANYONE, surface=NAME
)
@stream_route(
    "OPTIONS", "/seafhttp/upload-aj/{token}", operation=_PREFLIGHT, action=Marker.ANYONE, surface=NAME
)
@stream_route(
    "OPTIONS", "/seafhttp/update-api/{token}", operation=_PREFLIGHT, action=Marker.ANYONE, surface=NAME
)
@stream_route(
    "OPTIONS", "/seafhttp/update-aj/{token}", operation=_PREFLIGHT, action=Marker.ANYONE, surface=NAME
)
async def preflight(request: StreamRequest) -> None:
    """Allow scripts of any page to upload: the token in the path is what counts."""
    await request.reply(Reply(b"", headers=CORS))
