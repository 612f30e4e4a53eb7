"""The manner of the Web API: tokens or the browser's session, JSON errors, negotiated JSON."""

from __future__ import annotations

from typing import Final

from seafleet.api.kernel import Surface
from seafleet.api.kernel.auth import authenticate
from seafleet.api.seafile.errors import INTERNAL_ERROR, reply_to

SURFACE: Final = Surface(
    name="seafile",
    domain_error=reply_to,
    internal_error=INTERNAL_ERROR,
    authenticate=authenticate,
    negotiates=True,
)
