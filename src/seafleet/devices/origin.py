"""Who caused a change of the registry, through which API, from where: what the audit log says of it.

Source: device registry §10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

OriginKind = Literal["user", "oauth_client", "api_token", "agent", "device", "task"]
Dialect = Literal["seafile", "devicemagic", "mobilefirst", "metaaccess", "agent", "native", "system"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who caused a change. `name` is an address, the name of an application or token, or a device's uid."""

    kind: OriginKind
    name: str
    dialect: Dialect
    address: str = ""
    request_id: str = ""


DAILY_TASK: Final = Origin("task", "daily", "system")
"""The registry itself, as time passes."""
