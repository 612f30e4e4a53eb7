"""Sizes for people. Source: Web API conventions §7."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ("KB", "MB", "GB", "TB", "PB", "EB")
_STEP: Final = 1024.0


def formatted(size_bytes: int) -> str:
    """Return `0 bytes`, `1 byte`, `1.4 KB`, `676.0 MB`, with a no-break space before the unit."""
    if size_bytes < _STEP:
        return f"{size_bytes}\u00a0byte{'' if size_bytes == 1 else 's'}"
    value = float(size_bytes)
    unit = ""
    for unit in _UNITS:  # noqa: B007 - the unit that was reached is what is printed
        value /= _STEP
        if value < _STEP:
            break
    return f"{value:.1f}\u00a0{unit}"
