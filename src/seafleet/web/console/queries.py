"""What a list shows, as its address says: filters, order, place. What cannot be understood counts as
not said.

Addresses are what administrators keep and send to each other; so they hold words, and lead somewhere even
after a word has gone.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from seafleet.devices.listing import DeviceFilter, Position, Sort
from seafleet.text import is_storable

if TYPE_CHECKING:
    from seafleet.api.kernel import ApiRequest
    from seafleet.web.console.visitors import Visitor

LIMITS: Final = (25, 50, 100, 200)
DEFAULT_LIMIT: Final = 50
MAX_TEXT: Final = 200
_MAX_NUMBER: Final = 1 << 62
_TEXT_KEYS: Final = (Sort.UID, Sort.NAME, Sort.MODEL, Sort.PLATFORM, Sort.STATUS)
_TEXT_TIES: Final = (*_TEXT_KEYS, Sort.LAST_SEEN)

_BLOCKED: Final = ("LOST", "STOLEN", "DISABLED")
STATES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "active": ("Active", {"admin_states": ("ACTIVE",), "approvals": ("approved",)}),
    "pending": ("Waits for approval", {"admin_states": ("ACTIVE",), "approvals": ("pending",)}),
    "lost": ("Lost", {"admin_states": ("LOST",)}),
    "stolen": ("Stolen", {"admin_states": ("STOLEN",)}),
    "disabled": ("Disabled", {"admin_states": ("DISABLED",)}),
    "blocked": ("Lost, stolen or disabled", {"admin_states": _BLOCKED}),
    "expired": ("Not heard of for long", {"statuses": ("EXPIRED",)}),
    "wiping": ("Wipe not finished", {"wiping": True}),
    "exempt": ("Exempt from the policy", {"statuses": ("exempted",)}),
    "unlicensed": ("Out of license", {"statuses": ("out_of_license_usage",)}),
    "unknown": ("Seen on the network only", {"statuses": ("unknown",)}),
    "ignored": ("Seen on the network, ignored", {"statuses": ("ignored",)}),
}
"""The states that can be asked for: what they are called, and what of a filter they are."""

POSTURES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "compliant": ("Compliant", {"postures": ("compliant",)}),
    "non_compliant": ("Not compliant", {"postures": ("non_compliant",)}),
    "warning": ("With warnings", {"severities": ("warning",)}),
    "unreported": ("Not reported", {"postures": ("unreported",)}),
}
KINDS: Final = {"managed": "Managed", "sighting": "Seen on the network", "all": "Both"}
PLATFORMS: Final = {
    "windows": "Windows",
    "mac": "macOS",
    "linux": "Linux",
    "android": "Android",
    "ios": "iOS",
    "other": "Other",
}
AGENTS: Final = {
    "persistent": "Persistent agent",
    "dissolvable": "Dissolvable agent",
    "mobile": "Mobile agent",
}
SORTS: Final = {
    "name": "Name, A first",
    "-name": "Name, Z first",
    "-last_seen": "Heard of last",
    "last_seen": "Not heard of for longest",
    "-enrolled": "Newest",
    "enrolled": "Oldest",
    "status": "State",
    "-status": "State, reversed",
    "platform": "Platform",
    "-platform": "Platform, reversed",
}
_SIGHTED: Final = ("unknown", "ignored")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a list shows. Texts are empty and numbers None where nothing is asked for."""

    text: str = ""
    state: str = ""
    posture: str = ""
    kind: str = "managed"
    platform: str = ""
    agent: str = ""
    user: str = ""
    group: int | None = None
    organization: int | None = None
    sort: str = "name"
    limit: int = DEFAULT_LIMIT
    after: Position | None = field(default=None, compare=False)
    before: Position | None = field(default=None, compare=False)

    @property
    def order(self) -> tuple[Sort, bool]:
        """Return the order, and whether it is reversed."""
        return Sort(self.sort.removeprefix("-")), self.sort.startswith("-")

    @property
    def is_filtered(self) -> bool:
        """Tell whether anything restricts the list, the organization left aside."""
        plain = ListQuery(organization=self.organization, sort=self.sort, limit=self.limit)
        return self != plain

    @property
    def is_refined(self) -> bool:
        """Tell whether one of the rarer filters is in use."""
        plain = replace(self, text="", state="", posture="")
        return plain.is_filtered

    def filter(self) -> DeviceFilter:
        """Return the filter of the registry."""
        parts: dict[str, Any] = {}
        for table, word in ((STATES, self.state), (POSTURES, self.posture)):
            parts |= table[word][1] if word else {}
        kind = "sighting" if self.state in _SIGHTED else self.kind
        return DeviceFilter(
            organization_id=self.organization,
            kind=None if kind == "all" else kind,
            group_ids=() if self.group is None else (self.group,),
            emails=(self.user,) if self.user else (),
            text=self.text,
            wide=True,
            platforms=(self.platform,) if self.platform else (),
            agent_types=(self.agent,) if self.agent else (),
            **parts,
        )

    def address(self, **changes: Any) -> str:
        """Return the query string of this list with some changes, from its first page on."""
        wanted = replace(self, **({"after": None, "before": None} | changes))
        values = {
            "q": wanted.text,
            "state": wanted.state,
            "posture": wanted.posture,
            "kind": "" if wanted.kind == "managed" else wanted.kind,
            "platform": wanted.platform,
            "agent": wanted.agent,
            "user": wanted.user,
            "group": wanted.group or "",
            "organization": wanted.organization or "",
            "sort": "" if wanted.sort == "name" else wanted.sort,
            "limit": "" if wanted.limit == DEFAULT_LIMIT else wanted.limit,
            "after": cursor_of(wanted.sort, wanted.after),
            "before": cursor_of(wanted.sort, wanted.before),
        }
        return "?" + urlencode({name: value for name, value in values.items() if value})


def query_of(request: ApiRequest, visitor: Visitor) -> ListQuery:
    """Return what the address of a list asks for, as far as the visitor sees it."""
    sort = _one_of(request, "sort", SORTS, "name")
    order = Sort(sort.removeprefix("-"))
    limit = _number(request, "limit")
    return ListQuery(
        text=_text(request, "q"),
        state=_one_of(request, "state", STATES),
        posture=_one_of(request, "posture", POSTURES),
        kind=_one_of(request, "kind", KINDS, "managed"),
        platform=_one_of(request, "platform", PLATFORMS),
        agent=_one_of(request, "agent", AGENTS),
        user=_text(request, "user"),
        group=_number(request, "group"),
        organization=_organization(request, visitor),
        sort=sort,
        limit=limit if limit in LIMITS else DEFAULT_LIMIT,
        after=position_of(sort, order, request.query("after")),
        before=position_of(sort, order, request.query("before")),
    )


def _organization(request: ApiRequest, visitor: Visitor) -> int | None:
    """Return the organization to show: the one that is asked for, else the only one, else, for those who do
    not see all, the first.
    """
    wanted = _number(request, "organization")
    if wanted is not None and visitor.sees(wanted):
        return wanted
    if visitor.deeds is not None:
        return visitor.organizations[0].id
    return visitor.only_organization


def _text(request: ApiRequest, name: str) -> str:
    text = (request.query(name) or "").strip()[:MAX_TEXT]
    return text if is_storable(text) else ""


def _one_of(request: ApiRequest, name: str, words: dict[str, Any], default: str = "") -> str:
    word = request.query(name) or ""
    return word if word in words else default


def _number(request: ApiRequest, name: str) -> int | None:
    text = request.query(name) or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None


# -- places --------------------------------------------------------------------------------------------------


def cursor_of(sort: str, position: Position | None) -> str:
    """Return a place in an order as text, empty for none."""
    if position is None:
        return ""
    text = json.dumps([sort, position.key, position.tie], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def position_of(sort: str, order: Sort, cursor: str | None) -> Position | None:
    """Return the place that a cursor of this order holds; None for what is no such cursor."""
    if not cursor:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        known, key, tie = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, TypeError, RecursionError):
        return None
    fits = known == sort and _fits(key, order in _TEXT_KEYS) and _fits(tie, order in _TEXT_TIES)
    return Position(key, tie) if fits else None


def _fits(value: object, is_text: bool) -> bool:
    if is_text:
        return isinstance(value, str) and is_storable(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_NUMBER
