"""A surface: the manner of one family of clients. How they log in, what errors look like, what they accept.

Each package below `seafleet.api` defines `SURFACE`; the kernel knows them by their names only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from seafleet.api.kernel.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
    a mistake in the program. `api_error` words what handlers and the kernel refuse: wrong verbs, bodies that
    are too large or cannot be parsed. Paths below `prefixes` that nothing serves are refused in this manner;
    a `*` there stands for any one segment.

    A family whose errors come in several formats has `negotiated_error` in the place of `api_error` and
    `internal_error`; it is handed the request's scope as well.
    """

    name: str
    domain_error: Callable[[ApiRequest | StreamRequest, SeafleetError], Reply]
    internal_error: Reply
    authenticate: Authenticator | None = None
    negotiates: bool = False
    api_error: Callable[[ApiError], Reply] = ApiError.reply
    prefixes: tuple[str, ...] = ()
    negotiated_error: Callable[[ApiError, Mapping[str, Any]], Reply] | None = None

    def refusal(self, error: ApiError, scope: Mapping[str, Any]) -> Reply:
        """Return the answer to an error in HTTP terms."""
        if self.negotiated_error is not None:
            return self.negotiated_error(error, scope)
        return self.api_error(error)
