"""Pages of long lists: `page` from 1, `per_page`, and numbers among the parameters.

Source: Web API conventions §3; libraries page, "History, trash, retention".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from seafleet.api.kernel import ApiError

if TYPE_CHECKING:
    from seafleet.api.kernel import ApiRequest

MAX_PER_PAGE: Final = 1000
_MAX_DIGITS: Final = 18


def page_and_size(request: ApiRequest, default_size: int) -> tuple[int, int]:
    """Return which page is asked for and how long it is, at most MAX_PER_PAGE.

    If one of the two is no number, both are the default. Raises ApiError (400) for zero and below.
    """
    try:
        page = whole(request.param("page") or "1")
        size = whole(request.param("per_page") or str(default_size))
    except ValueError:
        return 1, default_size
    if page <= 0:
        raise ApiError(400, "page invalid.")
    if size <= 0:
        raise ApiError(400, "per_page invalid.")
    return page, min(size, MAX_PER_PAGE)


def whole(text: str) -> int:
    """Return a whole number. Raises ValueError for anything else, and for more than fits a database."""
    if len(text) > _MAX_DIGITS:
        raise ValueError(text[:_MAX_DIGITS])
    return int(text)
