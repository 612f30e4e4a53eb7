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

from typing import TYPE_CHECKING, Any

from seafleet import paths
from seafleet.api.kernel import Marker, Reply, StreamRequest, stream_route
from seafleet.api.seafhttp.errors import CORS, refuse_upload
from seafleet.api.seafhttp.file_reception import CHUNK_KEPT, FileReception
from seafleet.api.seafhttp.reception import serve
from seafleet.api.seafhttp.surface import NAME
from seafleet.library.edits import AddFiles, Placed, UpdateFile
from seafleet.library.model import EditOutcome

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


# -- uploads -------------------------------------------------------------------------------------------------


class Upload(FileReception):
    """New files."""

    def conclude(self) -> Reply | Future[Any]:
        """Check fields, folder, sizes and names, and submit the edit."""
        names = self.file_names()
        replace = self.replace()
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
        return self.submitted(self.services.libraries.begin_edit(library_id, self.author, edit), path)

    def answer(self, outcome: EditOutcome[tuple[Placed, ...]]) -> Reply:
        """Tell which files there are now."""
        return self.json_answer(outcome.result) if self.wants_json else self.plain_answer(outcome.result)

    def _folder(self) -> tuple[str, str]:
        """Return the folder that exists, and the one below it that is made if it does not."""
        sent = self.path_field("parent_dir")
        if not sent:
            raise refuse_upload(400, "Invalid parent dir.")
        parent = paths.normalize_folder(sent)
        relative_path = self.path_field("relative_path", below=parent)
        if relative_path.startswith("/") or not _is_plain(relative_path):
            raise refuse_upload(400, "Invalid relative path.")
        self.check_parent(parent)
        self.require_write(_below(parent, relative_path))
        return parent, relative_path


def _below(parent: str, relative_path: str) -> str:
    return paths.join(parent, "/".join(paths.components(relative_path)))


def _is_plain(relative_path: str) -> bool:
    return not {".", ".."}.intersection(paths.components(relative_path))


# -- updates -------------------------------------------------------------------------------------------------


class Update(FileReception):
    """New content for a file that exists."""

    def conclude(self) -> Reply | Future[Any]:
        """Check fields, target and size, and submit the edit; with a base commit, the merge."""
        if len(self.file_names()) > 1:
            raise refuse_upload(400, "More files in one request.")
        target, base = self.target(), self.base()
        self.check_received()
        files = self.received([paths.split(target)[1]], target)
        if files is None:
            return CHUNK_KEPT
        edit = UpdateFile(target, files[0], seen=self.seen)
        return self.submitted(self.submit_update(edit, base), target)

    def answer(self, outcome: EditOutcome[Placed]) -> Reply:
        """Tell the new id."""
        placed = (outcome.result,)
        return self.json_answer(placed) if self.browser else self.plain_answer(placed)


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
