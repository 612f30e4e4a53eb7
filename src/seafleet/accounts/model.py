"""Accounts and roles as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from seafleet.errors import InvalidArgument

UNLIMITED: Final = -2
"""A quota without end, as the API writes it."""

_is_local_part = re.compile(
    r"[0-9a-z!#$%&*+/=?^_`{|}~\-\w]+(\.[0-9a-z!#$%&*+/=?^_`{|}~\-\w]+)*|\"[^\"\\\x00-\x1f]+\""
).fullmatch
_is_domain = re.compile(
    r"(?=.{1,253}$)[^\W_]([\w-]{0,61}[^\W_])?(\.[^\W_]([\w-]{0,61}[^\W_])?)*\.[^\W_]([\w-]{0,61}[^\W_])"
).fullmatch


def is_email(text: str) -> bool:
    """Tell whether this can be an address: a dot-atom or quoted part, `@`, a dotted domain; at most 255
    characters.

    The last label has at least two characters, and there is no apostrophe. Source: admin API, accounts §2.
    """
    local, separator, domain = text.rpartition("@")
    if not separator or len(text) > 255 or not domain.isprintable():
        return False
    return _is_local_part(local.lower()) is not None and _is_domain(domain) is not None


def normal_email(text: str) -> str:
    """Return the form in which addresses are stored and compared. Raises InvalidArgument("email") if it is
    none.
    """
    email = text.strip().lower()
    if not is_email(email):
        raise InvalidArgument("email", f"not an address: {email[:80]!r}")
    return email


@dataclass(frozen=True, slots=True)
class Account:
    """One person or program that can log in. `created_at_us` is in microseconds, other times in seconds since
    1970.
    """

    id: int
    email: str
    is_staff: bool
    is_active: bool
    role: str
    source: str
    created_at_us: int
    last_login_at: int | None
    quota_bytes: int | None
    nickname: str
    profile_contact_email: str | None
    login_id: str | None
    department: str
    telephone: str
    institution: str
    note: str
    reference_id: str | None
    organization_id: int
    has_password: bool

    @property
    def name(self) -> str:
        """Return the name for people: the nickname, or the address up to the `@`."""
        return self.nickname or self.email.partition("@")[0]

    @property
    def contact_email(self) -> str:
        """Return the address to write to."""
        return self.profile_contact_email or self.email


@dataclass(frozen=True, slots=True)
class Role:
    """What the holders of a role may do beside reaching libraries. Source: Web API conventions §10."""

    can_add_repo: bool = True
    can_add_group: bool = True
    can_view_org: bool = True
    can_use_global_address_book: bool = True
    can_generate_share_link: bool = True
    can_generate_upload_link: bool = True
    can_connect_with_desktop_clients: bool = True
    can_connect_with_android_clients: bool = True
    can_connect_with_ios_clients: bool = True
    quota_bytes: int | None = None

    def may_connect(self, family: str) -> bool:
        """Tell whether a client family (`desktop`, `android`, `ios`) may log in; other families may."""
        return bool(getattr(self, f"can_connect_with_{family}_clients", True))


DEFAULT_ROLE: Final = Role()
GUEST_ROLE: Final = Role(
    can_add_repo=False,
    can_add_group=False,
    can_view_org=False,
    can_use_global_address_book=False,
    can_generate_share_link=False,
    can_generate_upload_link=False,
    can_connect_with_desktop_clients=False,
    can_connect_with_android_clients=False,
    can_connect_with_ios_clients=False,
)


@dataclass(frozen=True, slots=True)
class Roles:
    """All roles by name. An account with a role that nobody defined has the rights of a guest."""

    by_name: Mapping[str, Role] = field(
        default_factory=lambda: {"default": DEFAULT_ROLE, "guest": GUEST_ROLE},
    )

    def of(self, name: str) -> Role:
        """Return the role of this name."""
        return self.by_name.get(name, GUEST_ROLE)

    def __contains__(self, name: object) -> bool:
        return name in self.by_name
