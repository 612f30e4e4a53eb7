"""The one place that says whether somebody, on some device, may do something to some path of some library.

The order is: device, account, ownership, user share, group shares, public share; for a sub-library the
folders shared at or above it and then its origin; last the folder permissions, which refine shares and never
the owner. The first share that applies decides, even if a later one is stronger.

Source: Web API conventions §10; folder permissions; device registry §7.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from seafleet.accounts.model import Roles
from seafleet.actor import Actor
from seafleet.decision import Decision
from seafleet.errors import AccessDenied, LibraryNotFound
from seafleet.ids import LibraryId
from seafleet.paths import is_inside
from seafleet.sharing.model import FolderRule, Grant, LibraryFacts, Permission, strongest
from seafleet.sharing.queries import load_facts

if TYPE_CHECKING:
    from seafleet.clock import Clock
    from seafleet.db.engine import Database
    from seafleet.devices.service import Devices

CACHE_SECONDS: Final = 3
CACHE_ENTRIES: Final = 4096


class Action(StrEnum):
    """What a route does, as far as permission is concerned."""

    # Without a library.
    PUBLIC = "public"  # anybody
    ACCOUNT = "account"  # anybody who is logged in
    ADMINISTER = "administer"  # administrators
    CREATE_LIBRARY = "create_library"
    CREATE_GROUP = "create_group"
    VIEW_ORGANIZATION = "view_organization"
    USE_ADDRESS_BOOK = "use_address_book"

    # On a path of a library.
    LIST = "list"
    READ = "read"
    WRITE = "write"
    SHARE_LINK = "share_link"  # read, and the role allows share links
    UPLOAD_LINK = "upload_link"  # write, and the role allows upload links
    MANAGE = "manage"  # shares and folder permissions
    OWN = "own"  # delete, rename, transfer, history, links of others


_ROLE_FLAGS: Final = {
    Action.CREATE_LIBRARY: "can_add_repo",
    Action.CREATE_GROUP: "can_add_group",
    Action.VIEW_ORGANIZATION: "can_view_org",
    Action.USE_ADDRESS_BOOK: "can_use_global_address_book",
    Action.SHARE_LINK: "can_generate_share_link",
    Action.UPLOAD_LINK: "can_generate_upload_link",
}
_ON_LIBRARY: Final = frozenset(
    (Action.LIST, Action.READ, Action.WRITE, Action.SHARE_LINK, Action.UPLOAD_LINK, Action.MANAGE, Action.OWN)
)
_WRITING: Final = frozenset((Action.WRITE, Action.UPLOAD_LINK))
_READING: Final = frozenset((Action.LIST, Action.READ))

_NO_SHARE: Final = "You do not have permission to access this library."
_REASONS: Final = {
    Action.WRITE: "You do not have permission to change this.",
    Action.UPLOAD_LINK: "You do not have permission to change this.",
    Action.MANAGE: "Only the owner of the library or an administrator of it may do this.",
    Action.OWN: "Only the owner of the library may do this.",
}


class HasLibraryId(Protocol):
    """Anything that names a library, such as a head."""

    @property
    def library_id(self) -> str:
        """Return the library's id."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody may do at one path, and the rule that says so.

    `permission` is None for no access at all. `manages` goes for the whole library, whatever the path.
    """

    permission: Permission | None
    rule: str
    is_owner: bool = False
    manages: bool = False

    def allows(self, action: Action) -> bool:
        """Tell whether this is enough for an action on a library, the role left aside."""
        if self.permission is None:
            return False
        if action is Action.OWN:
            return self.is_owner
        if action is Action.MANAGE:
            return self.manages
        return self.permission.may_write or action not in _WRITING


# -- the rules -------------------------------------------------------------------------------------------


def evaluate(facts: LibraryFacts, account_id: int, path: str) -> Standing:
    """Return where an account stands at a normal path of a library. The whole of the rules, without I/O."""
    if not facts.account_is_active:
        return Standing(None, "account_disabled")
    if facts.owner_id == account_id:
        rule = "owner" if facts.origin_path is None else "parent_owner"
        return _capped(facts, Standing(Permission.WRITE, rule, is_owner=True, manages=True))
    base, rule = _shared(facts)
    if base is None:
        return Standing(None, rule)
    manages = base is Permission.ADMIN
    refined = _folder_rule(facts.rules, _target(facts, path))
    if refined is None:
        return _capped(facts, Standing(base, rule, manages=manages))
    permission, kind = refined
    if manages and permission.may_write:
        permission = Permission.ADMIN
    return _capped(facts, Standing(permission, f"folder_{kind}_permission", manages=manages))


def _capped(facts: LibraryFacts, standing: Standing) -> Standing:
    """Let nobody, the owner included, write to a library that an administrator made read-only."""
    if not facts.is_read_only or standing.permission is Permission.READ:
        return standing
    return Standing(Permission.READ, "library_read_only", standing.is_owner, standing.manages)


def _shared(facts: LibraryFacts) -> tuple[Permission | None, str]:
    whole = [grant for grant in facts.grants if grant.path is None]
    if facts.origin_path is None:
        return _of_library(whole)
    above = [g for g in facts.grants if g.path is not None and is_inside(facts.origin_path, g.path)]
    for kind in ("user", "group"):
        nearest = _nearest([grant for grant in above if grant.kind == kind])
        if nearest is not None:
            return nearest, f"sub_library_{kind}_share"
    permission, rule = _of_library(whole)
    if permission is not None:
        return permission, f"parent_{rule}"
    nearest = _nearest([grant for grant in above if grant.kind == "public"])
    return nearest, "no_share" if nearest is None else "sub_library_public_share"


def _of_library(grants: list[Grant]) -> tuple[Permission | None, str]:
    for kind in ("user", "group", "public"):
        permission = strongest([grant.permission for grant in grants if grant.kind == kind])
        if permission is not None:
            return permission, f"{kind}_share"
    return None, "no_share"


def _nearest(grants: list[Grant]) -> Permission | None:
    """Return the permission of the deepest folder. A folder share does not carry the right to manage."""
    if not grants:
        return None
    depth = max(len(grant.path or "") for grant in grants)
    found = strongest([grant.permission for grant in grants if len(grant.path or "") == depth])
    return Permission.WRITE if found is Permission.ADMIN else found


def _target(facts: LibraryFacts, path: str) -> str:
    """Return the path that folder rules speak of: in the origin, for a sub-library."""
    if facts.origin_path is None or facts.origin_path == "/":
        return path
    return facts.origin_path if path == "/" else facts.origin_path + path


def _folder_rule(rules: Iterable[FolderRule], target: str) -> tuple[Permission, str] | None:
    """Return what the deepest folder with a rule says: the account's own rule, else the strongest of its
    groups.
    """
    matching = [rule for rule in rules if is_inside(target, rule.path)]
    if not matching:
        return None
    depth = max(len(rule.path) for rule in matching)
    deepest = [rule for rule in matching if len(rule.path) == depth]
    for kind in ("user", "group"):
        permission = strongest([rule.permission for rule in deepest if rule.kind == kind])
        if permission is not None:
            return permission, kind
    return None


# -- the evaluator ---------------------------------------------------------------------------------------


class Access:
    """Answers what actors may do.

    Facts of one account and one library are kept for a few seconds, and only ever used to allow: a refusal is
    always decided on fresh rows. `forget` drops them when a right ends; what device and token the request
    came with is never kept.
    """

    def __init__(
        self, database: Database, clock: Clock, devices: Devices, roles: Roles | None = None
    ) -> None:
        self._database = database
        self._devices = devices
        self._roles = roles or Roles()
        self._cache = _FactsCache(clock)

    def decide(
        self,
        actor: Actor | None,
        action: Action,
        library: HasLibraryId | str | None = None,
        path: str = "/",
        *,
        fresh: bool = False,
    ) -> Decision:
        """Say whether the actor may do this, and by which rule; `path` is absolute and normal, as `paths`
        makes it.

        `fresh` decides on the rows as they are, whatever other processes have changed a moment ago. Raises
        LibraryNotFound for a library that does not exist.
        """
        if action is Action.PUBLIC:
            return Decision(True, "", "public")
        if actor is None:
            return Decision(False, "Authentication credentials were not provided.", "anonymous")
        refusal = self._device_refusal(actor)
        if refusal is not None:
            return refusal
        if actor.is_system:
            return Decision(True, "", "system")
        if action not in _ON_LIBRARY:
            return self._decide_without_library(actor, action)
        assert library is not None, f"{action} needs a library"
        return self._decide_on_library(actor, action, _id_of(library), path, fresh=fresh)

    def require(
        self,
        actor: Actor | None,
        action: Action,
        library: HasLibraryId | str | None = None,
        path: str = "/",
        *,
        fresh: bool = False,
    ) -> None:
        """Raise AccessDenied, with the decision, unless the actor may do this. See `decide`."""
        decision = self.decide(actor, action, library, path, fresh=fresh)
        if not decision.allowed:
            raise AccessDenied(decision)

    def permission(
        self, actor: Actor | None, library: HasLibraryId | str, path: str = "/"
    ) -> Permission | None:
        """Return what the actor may do at a path, None for nothing. Raises LibraryNotFound."""
        return self.standing(actor, library, path).permission

    def standing(self, actor: Actor | None, library: HasLibraryId | str, path: str = "/") -> Standing:
        """Return the actor's permission at a path, its rule, and whether it owns or manages the library."""
        if actor is None:
            return Standing(None, "anonymous")
        if self._device_refusal(actor) is not None:
            return Standing(None, "device")
        if actor.is_system:
            return Standing(Permission.ADMIN, "system", is_owner=True, manages=True)
        library_id = _id_of(library)
        found = self._evaluate(actor, library_id, path, fresh=False)
        if actor.kind != "link":
            return found
        return _bearer_standing(actor, library_id, path, found)

    def permissions_in(
        self, actor: Actor | None, library: HasLibraryId | str
    ) -> Callable[[str], Permission | None]:
        """Return a function that tells the actor's permission at any path of a library: for listings.

        It decides on one reading of the rows. Raises LibraryNotFound.
        """
        whole = self.standing(actor, library)
        if actor is None or actor.account_id is None or actor.kind != "user" or whole.rule == "device":
            return lambda path: self.standing(actor, library, path).permission
        account_id = actor.account_id
        facts = self._facts(account_id, LibraryId(_id_of(library)), fresh=False)
        if not facts.rules:
            return lambda path: whole.permission
        return lambda path: evaluate(facts, account_id, path).permission

    def forget(self, *, account_id: int | None = None, library_id: str | None = None) -> None:
        """Drop what is known of an account, a library, both together, or (without arguments) everything.

        To be called after the commit of whatever changes a share, a group, a folder permission, an owner, or
        an account's activity.
        """
        self._cache.forget(account_id, library_id)

    # -- steps -------------------------------------------------------------------------------------------

    def _device_refusal(self, actor: Actor) -> Decision | None:
        if actor.device is None:
            return None
        found = self._devices.verdict(actor.device)
        if found.allowed:
            return None
        return Decision(False, found.sentence, f"device_{found.status.lower()}")

    def _decide_without_library(self, actor: Actor, action: Action) -> Decision:
        if actor.kind != "user":
            return Decision(False, "Authentication credentials were not provided.", "anonymous")
        if action is Action.ADMINISTER:
            return _staff_only(actor)
        refusal = self._role_refusal(actor, action)
        return Decision(True, "", "account") if refusal is None else refusal

    def _role_refusal(self, actor: Actor, action: Action) -> Decision | None:
        flag = _ROLE_FLAGS.get(action)
        if flag is None or getattr(self._roles.of(actor.role), flag):
            return None
        return Decision(False, "You do not have permission to perform this action.", "role")

    def _decide_on_library(
        self, actor: Actor, action: Action, library_id: str, path: str, *, fresh: bool
    ) -> Decision:
        for refusal in (self._role_refusal(actor, action), _out_of_link(actor, action, library_id, path)):
            if refusal is not None:
                return refusal
        standing = self._evaluate(actor, library_id, path, fresh=fresh)
        if not fresh and not standing.allows(action):
            standing = self._evaluate(actor, library_id, path, fresh=True)
        if standing.allows(action):
            return Decision(True, "", "link" if actor.kind == "link" else standing.rule)
        if standing.permission is None:
            return Decision(False, _NO_SHARE, standing.rule)
        return Decision(False, _REASONS[action], standing.rule)

    def _evaluate(self, actor: Actor, library_id: str, path: str, *, fresh: bool) -> Standing:
        if actor.account_id is None:
            return Standing(None, "anonymous")
        facts = self._facts(actor.account_id, LibraryId(library_id), fresh=fresh)
        return evaluate(facts, actor.account_id, path)

    def _facts(self, account_id: int, library_id: LibraryId, *, fresh: bool) -> LibraryFacts:
        known = None if fresh else self._cache.get(account_id, library_id)
        if known is not None:
            return known
        ticket = self._cache.ticket()
        with self._database.read() as connection:
            facts = load_facts(connection, account_id, library_id)
        if facts is None:
            raise LibraryNotFound(library_id)
        self._cache.put(ticket, account_id, facts)
        return facts


def _id_of(library: HasLibraryId | str) -> str:
    return library if isinstance(library, str) else library.library_id


def _staff_only(actor: Actor) -> Decision:
    if actor.is_staff:
        return Decision(True, "", "staff")
    return Decision(False, "You do not have permission to perform this action.", "not_staff")


def _out_of_link(actor: Actor, action: Action, library_id: str, path: str) -> Decision | None:
    """Refuse what a link does not reach; what it reaches is then bounded by its maker's own access."""
    if actor.kind != "link":
        return None
    link = actor.link
    if link is None or link.library_id != library_id or not _link_covers(actor, path):
        return Decision(False, "This link does not reach there.", "link_scope")
    if (action in _READING and link.may_read) or (action is Action.WRITE and link.may_write):
        return None
    return Decision(False, "This link does not allow that.", "link_scope")


def _link_covers(actor: Actor, path: str) -> bool:
    link = actor.link
    assert link is not None
    return is_inside(path, link.path) if link.is_dir else path == link.path


def _bearer_standing(actor: Actor, library_id: str, path: str, of_maker: Standing) -> Standing:
    """Return what is left of the maker's standing for the bearer of a link."""
    if _out_of_link(actor, Action.WRITE, library_id, path) is None and of_maker.allows(Action.WRITE):
        return Standing(Permission.WRITE, "link")
    if _out_of_link(actor, Action.READ, library_id, path) is None and of_maker.allows(Action.READ):
        return Standing(Permission.READ, "link")
    return Standing(None, "link_scope" if of_maker.permission else of_maker.rule)


class _FactsCache:
    """The least recently used facts go first; none lives longer than `CACHE_SECONDS` and one second more."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[int, str], tuple[int, LibraryFacts]] = OrderedDict()
        self._generation = 0

    def get(self, account_id: int, library_id: str) -> LibraryFacts | None:
        with self._lock:
            found = self._entries.get((account_id, library_id))
            if found is None or not 0 <= self._clock.timestamp() - found[0] <= CACHE_SECONDS:
                return None
            self._entries.move_to_end((account_id, library_id))
            return found[1]

    def ticket(self) -> int:
        """Return what `put` wants to see again: what was read before a `forget` must not come back."""
        with self._lock:
            return self._generation

    def put(self, ticket: int, account_id: int, facts: LibraryFacts) -> None:
        with self._lock:
            if ticket != self._generation:
                return
            self._entries[account_id, facts.library_id] = (self._clock.timestamp(), facts)
            self._entries.move_to_end((account_id, facts.library_id))
            if len(self._entries) > CACHE_ENTRIES:
                self._entries.popitem(last=False)

    def forget(self, account_id: int | None, library_id: str | None) -> None:
        with self._lock:
            self._generation += 1
            for key in [key for key in self._entries if _matches(key, account_id, library_id)]:
                del self._entries[key]


def _matches(key: tuple[int, str], account_id: int | None, library_id: str | None) -> bool:
    return account_id in (None, key[0]) and library_id in (None, key[1])
