"""MAC addresses: how they are written, kept, and which of them identify nothing.

Source: device registry §3; MetaAccess devices §3.
"""

from __future__ import annotations

import re
from typing import Final

_GROUPED: Final = re.compile(
    r"[0-9a-f]{2}(:[0-9a-f]{2}){5}|[0-9a-f]{2}(-[0-9a-f]{2}){5}|[0-9a-f]{4}(\.[0-9a-f]{4}){2}|[0-9a-f]{12}"
)
_SEPARATORS: Final = str.maketrans("", "", ":-.")
_NULL: Final = "0" * 12


def normal_mac(text: str) -> str | None:
    """Return the 12 lower-case hex digits of `aa:bb:cc:dd:ee:ff`, `AA-BB-…`, `aabb.ccdd.eeff` or
    `aabbccddeeff`; None for what has none of these forms.
    """
    text = text.strip().lower()
    return text.translate(_SEPARATORS) if _GROUPED.fullmatch(text) else None


def is_storable_mac(mac: str) -> bool:
    """Tell whether a normalised address belongs to one interface: not null, broadcast or multicast."""
    return mac != _NULL and int(mac[:2], 16) & 1 == 0


def is_random_mac(mac: str) -> bool:
    """Tell whether a normalised address was made up by the device: it identifies nobody."""
    return int(mac[:2], 16) & 2 != 0


def shown_mac(mac: str) -> str:
    """Return a normalised address with colons."""
    return ":".join(mac[at : at + 2] for at in range(0, 12, 2))
