"""The manner of the file server: a token in the path says who may do what; errors are JSON or text."""

from __future__ import annotations

from typing import Final

from seafleet.api.kernel import Surface
from seafleet.api.seafhttp.errors import INTERNAL_ERROR, reply_to

NAME: Final = "seafhttp"

SURFACE: Final = Surface(name=NAME, domain_error=reply_to, internal_error=INTERNAL_ERROR)
