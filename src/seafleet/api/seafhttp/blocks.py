"""Files that are sent as blocks, and put together afterwards.

Source: file server §6, "Block uploads"; transfers page, "Block-wise".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seafleet import paths
from seafleet.api.kernel import JSON_UTF8, Marker, Reply, StreamRequest, stream_route
from seafleet.api.seafhttp.errors import CORS, refuse_upload
from seafleet.api.seafhttp.file_reception import FileReception, modification_time
from seafleet.api.seafhttp.reception import Reception, serve
from seafleet.api.seafhttp.surface import NAME
from seafleet.library.edits import UPLOAD_NUMBERING, CreateFile, NewFile, Placed, UpdateFile
from seafleet.library.model import EditOutcome
from seafleet.transfers.blocks import MAX_LIST_BYTES, BlocksReceiver, file_of_blocks, parse_block_list
from seafleet.transfers.receiving import Counter, Receiver, file_name

if TYPE_CHECKING:
    from concurrent.futures import Future


@stream_route(
    "POST",
    "/seafhttp/upload-raw-blks-api/{token}",
    operation="upload-raw-blocks",
    action=Marker.BEARER,
    surface=NAME,
)
async def upload_raw_blocks(request: StreamRequest) -> None:
    """Store blocks, each in a part that is named by its id."""
    await serve(RawBlocks(request, "upload-raw-blks-api"))


@stream_route(
    "POST",
    "/seafhttp/upload-blks-api/{token}",
    operation="upload-from-blocks",
    action=Marker.BEARER,
    surface=NAME,
)
async def upload_from_blocks(request: StreamRequest) -> None:
    """Make a file of blocks that are stored."""
    await serve(NewFromBlocks(request, "upload-blks-api"))


@stream_route(
    "POST",
    "/seafhttp/update-blks-api/{token}",
    operation="update-from-blocks",
    action=Marker.BEARER,
    surface=NAME,
)
async def update_from_blocks(request: StreamRequest) -> None:
    """Replace the content of a file by blocks that are stored."""
    await serve(UpdateFromBlocks(request, "update-blks-api"))


class RawBlocks(Reception):
    """Blocks as they are to be stored: those of an encrypted library are encrypted already."""

    def open_receiver(self) -> Receiver:
        """Return what verifies and stores blocks."""
        return BlocksReceiver(self.services.objects, self.head.store_id)

    def conclude(self) -> Reply:
        """Tell that all of them are stored."""
        if not self.receiver.names:
            raise refuse_upload(400, "No file uploaded.")
        return Reply("OK", headers=CORS, media_type=JSON_UTF8)


class BlockCommit(FileReception):
    """A request without content, which says what the blocks add up to."""

    max_field_bytes = MAX_LIST_BYTES

    def open_receiver(self) -> Receiver:
        """Return what passes over content: none belongs here."""
        return Counter()

    def check_announced(self) -> None:
        """Check whether there is any room; how much is needed stands in the form."""
        if b"commitonly" not in self.request.query_string:
            raise refuse_upload(400, "Only commit supported.")
        self.room = self.services.transfers.limits.room(self.head)
        self.room.check(0)

    def file(self, name: str) -> NewFile:
        """Return the file that the form describes. Refuses what is missing, too large or wrong."""
        listed, size = self.fields.get("blockids"), self.fields.get("file_size", "")
        if not listed:
            raise refuse_upload(400, "No blockids.")
        if not (size.isascii() and size.isdecimal() and len(size) < 19):
            raise refuse_upload(400, "Bad request.")
        mtime = modification_time(self.fields.get("last_modify", ""))
        blocks = parse_block_list(listed)
        file = file_of_blocks(self.services.objects, self.head, name, blocks, int(size), mtime)
        self.services.transfers.limits.check_sizes((file.size,))
        self.room.check(file.size)
        return file


class NewFromBlocks(BlockCommit):
    """A new file."""

    def conclude(self) -> Reply | Future[Any]:
        """Check form, folder, blocks, size and name, and submit the edit."""
        sent, name = self.path_field("parent_dir"), self.fields.get("file_name")
        if not sent or name is None:
            raise refuse_upload(400, "No parent dir or file name.")
        replace, parent, name = self.replace(), paths.normalize_folder(sent), file_name(name)
        self.check_parent(parent)
        self.require_write(parent)
        file = self.file(name)
        paths.validate_name(name)
        edit = CreateFile(parent, file, replace, UPLOAD_NUMBERING, self.seen)
        return self.services.libraries.begin_edit(self.head.library_id, self.author, edit)

    def answer(self, outcome: EditOutcome[Placed]) -> Reply:
        """Tell the id of the file, in quotes or as a member."""
        file_id = outcome.result.entry.id
        return Reply({"id": file_id} if self.wants_json else file_id, headers=CORS, media_type=JSON_UTF8)


class UpdateFromBlocks(BlockCommit):
    """New content for a file that exists."""

    def conclude(self) -> Reply | Future[Any]:
        """Check form, target, blocks and size, and submit the edit."""
        target, base = self.target(), self.base()
        return self.submit_update(UpdateFile(target, self.file(paths.split(target)[1]), seen=self.seen), base)

    def answer(self, outcome: EditOutcome[Placed]) -> Reply:
        """Tell the new id, bare."""
        return self.plain_answer((outcome.result,))


_PREFLIGHT = "file-server-preflight"


@stream_route(
    "OPTIONS",
    "/seafhttp/upload-raw-blks-api/{token}",
    operation=_PREFLIGHT,
    action=Marker.ANYONE,
    surface=NAME,
)
@stream_route(
    "OPTIONS", "/seafhttp/upload-blks-api/{token}", operation=_PREFLIGHT, action=Marker.ANYONE, surface=NAME
)
@stream_route(
    "OPTIONS", "/seafhttp/update-blks-api/{token}", operation=_PREFLIGHT, action=Marker.ANYONE, surface=NAME
)
async def preflight_blocks(request: StreamRequest) -> None:
    """Allow scripts of any page to send blocks."""
    await request.reply(Reply(b"", headers=CORS))
