"""A surface: the manner of one family of clients. How they log in, what errors look like, what they accept.

Each package below `seafleet.api` defines `SURFACE`; the kernel knows them by their names only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from seafleet.actor import Actor
    from seafleet.api.kernel.replies import Reply
    from seafleet.api.kernel.request import ApiRequest
    from seafleet.api.kernel.streams import StreamRequest
    from seafleet.errors import SeafleetError


class Authenticator(Protocol):
    """Finds out who calls."""

    def __call__(self, request: ApiRequest) -> Actor | None:
        """Return the caller, None for nobody. Raises ApiError, ReplyError or a domain error to refuse."""
        ...


@dataclass(frozen=True, slots=True)
class Surface:
    """What the kernel asks of a family of clients.

    `domain_error` maps the domain's errors to answers; `authenticate` is called unless a route is PUBLIC;
    `negotiates` says whether `Accept` and `?format=` are looked at; `internal_error` is what a client sees of
    a mistake in the program.
    """

    name: str
    domain_error: Callable[[ApiRequest | StreamRequest, SeafleetError], Reply]
    internal_error: Reply
    authenticate: Authenticator | None = None
    negotiates: bool = False
