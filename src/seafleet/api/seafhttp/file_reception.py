"""What requests have in common that bring files, or new content, into a library.

Source: file server §2, §5.
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
from seafleet.api.kernel import JSON_UTF8, TEXT, Reply, StreamRequest
from seafleet.api.kernel.parameters import parse_query
from seafleet.api.seafhttp.errors import CORS, refuse_upload
from seafleet.api.seafhttp.reception import Reception
from seafleet.errors import FileNotFound, InvalidId, PasswordRequired
from seafleet.ids import ObjectId
from seafleet.library.edits import NewFile, Placed, UpdateFile
from seafleet.library.model import Author
from seafleet.library.pushes import UpdateOnBase
from seafleet.transfers.receiving import ChunkReceiver, Counter, FilesReceiver, Receiver, file_name
from seafleet.transfers.resumable import Place, Stretch

if TYPE_CHECKING:
    from concurrent.futures import Future

    from seafleet.formats.fs import Dirent

CHUNK_KEPT: Final = Reply({"success": True}, headers=CORS, media_type=JSON_UTF8)


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
            self.room = self.services.transfers.limits.check(self.head, self.stretch.total)
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
        actor = self.grant.actor
        return Author(actor.email, ip=self.request.client_ip, by_link=actor.kind == "link")

    @property
    def wants_json(self) -> bool:
        """Whether names and sizes are asked for besides the ids."""
        return self.browser or b"ret-json" in self.request.query_string or "ret-json" in self.fields

    def path_field(self, name: str, below: str = paths.ROOT) -> str:
        """Return a field that holds a path, with slashes the right way round; empty when it was not sent.

        In composed form, but for its first names if something of just these names exists in the folder
        `below`: sync clients keep names as they are.
        """
        sent = self.fields.get(name, "").replace("\\", "/")
        composed = unicodedata.normalize("NFC", sent)
        if composed == sent:
            return sent
        names = sent.split("/")
        known = self._known(below, names)
        return "/".join([*names[:known], *composed.split("/")[known:]])

    def _known(self, below: str, names: list[str]) -> int:
        """Return how many of the names, from the first on, lead to something that exists."""
        entry = self.find(below)
        for count, name in enumerate(names):
            if not name:
                continue
            if entry is None or not entry.is_dir:
                return count
            entry = self.services.trees.directory(self.head.store_id, entry.id).get(name)
            if entry is None:
                return count
        return len(names)

    def find(self, path: str) -> Dirent | None:
        """Return what was at a path when the request came."""
        return self.services.trees.find(self.head.store_id, self.head.root_id, path)

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

    def replace(self) -> bool:
        """Tell whether a file of the same name is to be replaced."""
        value = self.fields.get("replace", "0")
        if value not in ("0", "1"):
            raise refuse_upload(400, "Invalid argument replace.")
        return value == "1"

    def check_parent(self, parent: str) -> None:
        """Check that the folder exists and that the token is good for it."""
        entry = self.find(parent)
        if entry is None or not entry.is_dir:
            raise refuse_upload(400, "Parent dir doesn't exist.")
        if not paths.is_inside(parent, bound_folder(self.grant.object)):
            raise refuse_upload(403, "Permission denied.")

    def target(self) -> str:
        """Return the path of the file that is to be changed, which exists and may be. Raises FileNotFound."""
        sent = self.path_field("target_file")
        if not sent:
            raise refuse_upload(400, "No target file.")
        target = paths.normalize_file(sent)
        self.require_write(paths.split(target)[0])
        entry = self.find(target)
        if entry is None or entry.is_dir:
            raise FileNotFound(target)
        return target

    def base(self) -> ObjectId | None:
        """Return the commit that an update started from, if it says so."""
        values = parse_query(self.request.query_string).get("head")
        if not values or not values[-1]:
            return None
        try:
            return ObjectId.parse(values[-1])
        except InvalidId:
            raise refuse_upload(400, "Bad request.") from None

    def submit_update(self, edit: UpdateFile, base: ObjectId | None) -> Future[Any]:
        """Have new content put in, merged when the library has moved on from its base."""
        libraries, library_id = self.services.libraries, self.head.library_id
        if base is None:
            return libraries.begin_edit(library_id, self.author, edit)
        return libraries.submit_task(library_id, UpdateOnBase(self.author, library_id, edit, base))

    def check_received(self) -> None:
        """Check size and quota against what really came; of a chunk the whole file was checked before."""
        if self.stretch is None:
            self.services.transfers.limits.check_sizes(self.receiver.sizes)
            self.room.check(sum(self.receiver.sizes))

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
        """Have the chunks forgotten once their file is in the library, which the last of them waits for."""
        if self.stretch is not None and future.exception() is None:
            self.services.transfers.resumable.forget(self._place(path))
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


class _UploadTarget(msgspec.Struct):
    parent_dir: str = "/"


def bound_folder(token_object: str) -> str:
    """Return the folder that an upload token is good for, with all below it."""
    try:
        target = msgspec.json.decode(token_object, type=_UploadTarget)
    except msgspec.MsgspecError:
        raise refuse_upload(403, "Permission denied.") from None
    return paths.normalize_folder(target.parent_dir)
