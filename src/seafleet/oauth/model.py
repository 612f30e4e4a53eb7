"""What OAuth hands out, and to whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seafleet.actor import Actor
from seafleet.devices.clients import OAuthClient


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom an access token stands for: an application, with the rights of the administrator who made it."""

    client_id: str
    name: str
    organization_id: int
    actor: Actor


@dataclass(frozen=True, slots=True)
class Answer:
    """What the token endpoint answers. Source: RFC 6749 §5."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Authorization:
    """An application's wish to act for an administrator, checked: its answer may be sent to
    `redirect_uri`.

    `error_uri` is set when nobody needs to be asked, because the wish cannot be granted.
    """

    client: OAuthClient
    redirect_uri: str
    state: str
    fields: Mapping[str, str]
    error_uri: str | None = None
