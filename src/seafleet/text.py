"""Text from outside, made fit for the database."""

from __future__ import annotations

from seafleet.errors import InvalidArgument


def storable(text: str, limit: int) -> str:
    """Return at most `limit` characters of `text`, with NUL and lone surrogates replaced: neither can be
    stored.

    For what is only shown (names of devices, addresses, versions); what identifies something is checked
    instead.
    """
    return (
        text[:limit]
        .replace("\x00", "\ufffd")
        .encode("utf-16", "surrogatepass")
        .decode("utf-16", "replace")[:limit]
    )


def is_storable(text: str) -> bool:
    """Tell whether the database can hold `text` as it is."""
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def require_storable(name: str, text: str, limit: int) -> str:
    """Return `text` unchanged. Raises InvalidArgument(name) if it is too long or cannot be stored."""
    if len(text) > limit:
        raise InvalidArgument(name, f"longer than {limit} characters")
    if not is_storable(text):
        raise InvalidArgument(name, "not valid text")
    return text
