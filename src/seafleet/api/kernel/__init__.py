"""What every HTTP surface stands on: routing, requests, replies, errors, streams.

A handler is a plain function that is handed an `ApiRequest`; a streaming endpoint is a coroutine that is
handed a `StreamRequest`.
"""

from __future__ import annotations

from seafleet.api.kernel.errors import ApiError, ReplyError, detail, not_found
from seafleet.api.kernel.parameters import UploadedFile
from seafleet.api.kernel.replies import BINARY, JSON, JSON_UTF8, TEXT, Reply, text_reply
from seafleet.api.kernel.request import ApiRequest
from seafleet.api.kernel.routes import (
    OPTIONAL,
    PUBLIC,
    SESSION,
    TOKEN,
    Auth,
    Marker,
    Route,
    route,
    stream_route,
)
from seafleet.api.kernel.streams import ClientGone, StreamRequest
from seafleet.api.kernel.surfaces import Surface

__all__ = [
    "BINARY",
    "JSON",
    "JSON_UTF8",
    "OPTIONAL",
    "PUBLIC",
    "SESSION",
    "TEXT",
    "TOKEN",
    "ApiError",
    "ApiRequest",
    "Auth",
    "ClientGone",
    "Marker",
    "Reply",
    "ReplyError",
    "Route",
    "StreamRequest",
    "Surface",
    "UploadedFile",
    "detail",
    "not_found",
    "route",
    "stream_route",
    "text_reply",
]
