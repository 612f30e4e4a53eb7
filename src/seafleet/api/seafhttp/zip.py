"""Archives of folders and files, made while they are sent.

Source: file server §7, "GET /zip/<tok>".
"""

from __future__ import annotations

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import Marker, Reply, StreamRequest, stream_route
from seafleet.api.seafhttp.media import disposition
from seafleet.api.seafhttp.streaming import Streamed, respond
from seafleet.api.seafhttp.surface import NAME
from seafleet.transfers.zip import FOLDER, SEVERAL
from seafleet.transfers.zip_tasks import ZipWatch

_ZIP = "application/zip"


@stream_route("GET", "/seafhttp/zip/{token}", operation="file-server-zip", action=Marker.BEARER, surface=NAME)
async def download_zip(request: StreamRequest) -> None:
    """Send the archive that a token was made for."""
    packing = _Packing(request)
    try:
        await respond(request, await request.run_api(packing.begin))
    finally:
        await request.run_api(packing.end)


class _Packing:
    """The sending of one archive, and the row that tells others of it."""

    def __init__(self, request: StreamRequest) -> None:
        self._request = request
        self._watch: ZipWatch | None = None
        self._files = 0

    def begin(self) -> Reply | Streamed:
        """Check the token and open the archive."""
        request, services = self._request, self._request.services
        token = request.path_params["token"]
        grant = services.access_tokens.take(token, FOLDER, SEVERAL)
        head = services.libraries.get(grant.library_id)
        scope = grant.actor.link.path if grant.actor.link is not None else paths.ROOT
        services.access.require(grant.actor, Action.READ, head, scope)
        zips = services.transfers.zips
        selection = zips.of_token(head, grant.operation, grant.object)
        zips.check(zips.sums(selection))
        cipher = services.transfers.keys.cipher(head, grant.actor)
        self._watch = services.transfers.zip_tasks.begin(token)
        reader = zips.reader(selection, cipher, self._note)
        headers = {
            "Content-Type": _ZIP,
            "Content-Length": str(reader.total_bytes),
            "Content-Disposition": disposition(selection.name),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Access-Control-Allow-Origin": "*",
        }
        if request.method == "HEAD":
            return Streamed(200, headers)
        return Streamed(200, headers, reader.read(), reader)

    def end(self) -> None:
        """Note how it ended."""
        if self._watch is not None:
            self._watch.end(self._files, complete=self._request.finished)

    def _note(self, files: int) -> None:
        self._files = files
        if self._watch is not None:
            self._watch.note(files)
