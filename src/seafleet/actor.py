"""Who acts: an account, on a device or not, the bearer of a link, or the server itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from seafleet.devices.model import DeviceState
from seafleet.ids import LibraryId

ActorKind = Literal["user", "link", "system"]


@dataclass(frozen=True, slots=True)
class LinkScope:
    """What the bearer of a share or upload link may reach: one path of one library, and for what."""

    kind: Literal["share", "upload"]
    token: str
    library_id: LibraryId
    path: str
    is_dir: bool
    may_read: bool
    may_write: bool


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. Built anew for each request from the rows as they are, never kept longer.

    For the bearer of a link, `account_id` and `email` name the account that made the link, whose own access
    bounds what the link gives; `link` says how far the link reaches. `token_id` is the API token that was
    presented, None for browser sessions. `device` is None where nothing ties the request to a device.
    """

    account_id: int | None
    email: str
    is_staff: bool = False
    role: str = "default"
    device: DeviceState | None = None
    token_id: int | None = None
    device_link_id: int | None = None
    kind: ActorKind = "user"
    link: LinkScope | None = None
    organization_id: int = 1

    @property
    def is_system(self) -> bool:
        """Tell whether the server acts by itself: jobs and the command line."""
        return self.kind == "system"

    @property
    def device_name(self) -> str:
        """Return the name of the device for logs and commits, empty without one."""
        return self.device.device_name if self.device else ""


SYSTEM: Final = Actor(account_id=None, email="", is_staff=True, kind="system")
"""The server itself."""
