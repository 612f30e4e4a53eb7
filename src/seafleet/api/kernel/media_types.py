"""Which of several media types a caller likes best.

Source: RFC 9110 §12.4.2, §12.5.1.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_RANKS: Final = 3  # everything, a whole family, one type


@lru_cache(maxsize=512)
def qualities(accept: str, offers: tuple[str, ...]) -> tuple[float, ...]:
    """Return how much an `Accept` header likes each offer, 0 to 1; everything alike without one.

    The narrowest range that fits an offer decides, of equally narrow ones the best. Parameters of media types
    are passed over, and so are ranges that are malformed.
    """
    ranges = [found for part in accept.split(",") if (found := _range(part)) is not None]
    if not ranges:
        return (1.0,) * len(offers) if not accept.strip() else (0.0,) * len(offers)
    return tuple(_quality(ranges, offer) for offer in offers)


def _range(part: str) -> tuple[str, str, float] | None:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    family, slash, kind = name.partition("/")
    if not slash or not family or not kind or (family == "*" and kind != "*"):
        return None
    quality = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                return None
            if not 0 <= quality <= 1:
                return None
    return family, kind, quality


def _quality(ranges: list[tuple[str, str, float]], offer: str) -> float:
    family, _, kind = offer.partition("/")
    best: list[float | None] = [None] * _RANKS
    for wanted_family, wanted_kind, quality in ranges:
        if (wanted_family, wanted_kind) == (family, kind):
            rank = 2
        elif (wanted_family, wanted_kind) == (family, "*"):
            rank = 1
        elif wanted_family == "*":
            rank = 0
        else:
            continue
        best[rank] = max(quality, best[rank] or 0.0)
    return next((quality for quality in reversed(best) if quality is not None), 0.0)


def media_type(content_type: str) -> tuple[str, str]:
    """Return the type of a `Content-Type` header in lower case, and its charset, both empty when absent."""
    name, *parameters = (piece.strip() for piece in content_type.split(";"))
    charset = ""
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
    return name.lower(), charset
