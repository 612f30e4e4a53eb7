"""Errors in HTTP terms, for handlers. The domain's errors are mapped by each surface's own table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seafleet.api.kernel.replies import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping


class ApiError(Exception):
    """An answer that ends a request: status, text and the key under which the text stands.

    `key` is `error_msg` for what a handler refuses, `detail` for what the framework refuses. `extra` adds
    members to the body.
    """

    def __init__(
        self,
        status: int,
        message: str | list[str],
        key: str = "error_msg",
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message
        self.key = key
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def reply(self) -> Reply:
        """Return the answer that this error is."""
        return Reply({self.key: self.message, **self.extra}, self.status, self.headers)


class ReplyError(Exception):
    """An answer that ends a request and has a body of its own form."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status}")
        self.reply = reply


def detail(status: int, message: str, headers: Mapping[str, str] | None = None) -> ApiError:
    """Return an error in the framework's own form: `{"detail": …}`."""
    return ApiError(status, message, "detail", headers=headers)


def not_found() -> ApiError:
    """Return the answer for a path that nothing serves."""
    return detail(404, "Not found.")


def method_not_allowed(verb: str, allowed: tuple[str, ...]) -> ApiError:
    """Return the answer for a verb that a path does not have."""
    return detail(405, f'Method "{verb[:40]}" not allowed.', {"Allow": ", ".join(allowed)})


def too_large() -> ApiError:
    """Return the answer for a body above the route's limit."""
    return detail(413, "Request body is too large.")
