"""Names of new records: number aside, a uid, the identifier made of it, and a hardware id.

Source: device registry §2; Device Magic devices §4.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from seafleet.ids import RandomSource

_PREFIXES: Final = {
    "windows": "Windows",
    "linux": "Linux",
    "mac": "Mac",
    "android": "Android",
    "ios": "iPhone",
}
_SERVER_HWID_BYTES: Final = 16


def new_identity(random: RandomSource, platform: str, hwid: str | None = None) -> dict[str, Any]:
    """Return the columns that name a new record; a hardware id is made up unless an agent reported one."""
    uid = str(uuid.UUID(bytes=random.randbytes(16), version=4))
    shown = hwid or random.randbytes(_SERVER_HWID_BYTES).hex()
    return {
        "uid": uid,
        "identifier": identifier_of(platform, uid),
        "hwid": shown,
        "hwid_key": shown.lower(),
        "hwid_source": "server" if hwid is None else "agent",
    }


def identifier_of(platform: str, uid: str) -> str:
    """Return the identifier that Device Magic shows."""
    return f"{_PREFIXES.get(platform, 'Device')}_{uid}"
