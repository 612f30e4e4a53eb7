"""How far an upload is, for pages that are older than events on uploads.

Source: file server §4.
"""

from __future__ import annotations

import re

from seafleet.api.kernel import PUBLIC, ApiRequest, Marker, Reply, route
from seafleet.api.kernel.replies import encode_json
from seafleet.api.seafhttp.errors import refuse_upload
from seafleet.api.seafhttp.surface import NAME

_is_callback = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.]{0,99}").fullmatch
_SCRIPT = "application/javascript; charset=utf-8"


@route(
    "GET",
    "/seafhttp/upload_progress",
    operation="file-server-upload-progress",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def upload_progress(request: ApiRequest) -> Reply:
    """Call the page's function with the bytes that have come and are to come; -1 for an unknown upload."""
    callback = request.query("callback") or ""
    if _is_callback(callback) is None:
        raise refuse_upload(400, "Bad request.")
    found = request.services.transfers.progress.of(request.query("X-Progress-ID") or "")
    uploaded, length = found or (-1, -1)
    body = encode_json({"uploaded": uploaded, "length": length}).decode()
    return Reply(
        f"{callback}({body});".encode(), headers={"X-Content-Type-Options": "nosniff"}, media_type=_SCRIPT
    )


@route(
    "GET",
    "/seafhttp/idx_progress",
    operation="file-server-index-progress",
    action=Marker.ANYONE,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def index_progress(_request: ApiRequest) -> Reply:
    """Know of no indexing in the background: content is indexed while it arrives."""
    raise refuse_upload(404, "Failed to get index progress")
