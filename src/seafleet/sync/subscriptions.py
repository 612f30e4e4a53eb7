"""The right to hear of one library's changes for three days: a signed token that needs no table.

It is a JSON Web Token, HS256, as the notification protocol has it. Only what this server signed, in exactly
the form in which it signs, is taken back.

Source: sync protocol §4, "jwt-token"; §7.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import msgspec

from seafleet.clock import Clock
from seafleet.errors import TokenNotFound
from seafleet.ids import LibraryId
from seafleet.secrets import ServerSecret, equal

LIFETIME_SECONDS: Final = 72 * 3600
_PURPOSE: Final = "subscription"


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


_HEADER: Final = _encoded(b'{"alg":"HS256","typ":"JWT"}')


class _Claims(msgspec.Struct):
    exp: int
    repo_id: str
    username: str
    device: int | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a token gives: news of a library until a time, in Unix seconds, as long as the device link that
    asked for it is admitted; None for a client without one.
    """

    library_id: LibraryId
    email: str
    expires_at: int
    link_id: int | None = None


class Subscriptions:
    """Signs and reads tokens."""

    def __init__(self, secret: ServerSecret, clock: Clock) -> None:
        self._key = secret.signing_key(_PURPOSE)
        self._clock = clock

    def issue(self, library_id: LibraryId, email: str, link_id: int | None = None) -> str:
        """Return a token; the caller has checked that the account may read the library."""
        claims: dict[str, str | int] = {
            "exp": self._clock.timestamp() + LIFETIME_SECONDS,
            "repo_id": str(library_id),
            "username": email,
        }
        if link_id is not None:
            claims["device"] = link_id
        signed = f"{_HEADER}.{_encoded(msgspec.json.encode(claims))}"
        return f"{signed}.{self._signature(signed)}"

    def read(self, token: str) -> Subscription:
        """Return what a token gives. Raises TokenNotFound for one that is not ours or has run out."""
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        if header != _HEADER or not equal(signature, self._signature(signed)):
            raise TokenNotFound("subscription")
        try:
            claims = msgspec.json.decode(urlsafe_b64decode(payload + "=="), type=_Claims)
        except (msgspec.DecodeError, binascii.Error) as error:
            raise TokenNotFound("subscription") from error
        if claims.exp <= self._clock.timestamp():
            raise TokenNotFound("subscription")
        return Subscription(LibraryId(claims.repo_id), claims.username, claims.exp, claims.device)

    def _signature(self, signed: str) -> str:
        return _encoded(hmac.new(self._key, signed.encode("utf-8", "surrogatepass"), sha256).digest())
