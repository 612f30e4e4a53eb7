"""Who is told of every request that has been answered: metrics and the access log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seafleet.api.kernel.routes import Route


class Observer(Protocol):
    """Keeps the books. Called on the event loop, so it must be quick."""

    def request_done(
        self, scope: Mapping[str, Any], route: Route, status: int, size_bytes: int, seconds: float
    ) -> None:
        """Note one answered request. Status 0: the caller left before an answer began."""
        ...
