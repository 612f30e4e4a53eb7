"""Who asks: the sync token, the library it opens, and whether its account may do this on its device.

Nothing of this is kept from one request to the next, so that whatever is revoked is so at the next request.

Source: sync protocol §1, "Authorisation order of the reference"; device registry §7.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seafleet.api.kernel import ReplyError, not_found
from seafleet.api.sync.surface import refusal
from seafleet.errors import InvalidId, LibraryDamaged, LibraryNotFound, SeafleetError, TokenNotFound
from seafleet.ids import LibraryId
from seafleet.sync.refusals import REPORTED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seafleet.access import Action
    from seafleet.accounts.sync_tokens import SyncGrant
    from seafleet.actor import Actor
    from seafleet.api.kernel.request import Headers, RequestBase
    from seafleet.library.model import Head


@dataclass(frozen=True, slots=True)
class Admission:
    """Who asks, and the library as it is."""

    grant: SyncGrant
    head: Head

    @property
    def actor(self) -> Actor:
        """Return who acts."""
        return self.grant.actor


def token_of(headers: Headers) -> str:
    """Return the sync token that was sent, in its own header or in `Authorization`.

    Raises ReplyError (400) when there is none.
    """
    token = headers.get("seafile-repo-token")
    if token:
        return token
    _, _, token = headers.get("authorization").partition(" ")
    if not token:
        raise ReplyError(refusal(400, "no token"))
    return token.strip()


def library_id_of(request: RequestBase) -> LibraryId:
    """Return the library id in the path. Raises ApiError (404) for what is none."""
    try:
        return LibraryId.parse(request.path_params["library_id"])
    except InvalidId:
        raise not_found() from None


def existing(request: RequestBase) -> Head:
    """Return the library in the path, damaged or not. Raises LibraryNotFound: the client drops it then."""
    library_id = library_id_of(request)
    head = request.services.libraries.find(library_id)
    if head is None:
        raise LibraryNotFound(library_id)
    return head


def identify(request: RequestBase) -> SyncGrant:
    """Return whom the token in the request stands for.

    Raises ReplyError (400) without a token, TokenNotFound, DeviceBlocked, AccountDisabled.
    """
    return request.services.sync_tokens.resolve(
        token_of(request.headers), library_id_of(request), request.client_ip
    )


def admit(request: RequestBase, action: Action) -> Admission:
    """Check token, library and permission, in this order.

    Raises as `identify` does, then LibraryNotFound, LibraryDamaged, AccessDenied.
    """
    grant = identify(request)
    head = existing(request)
    if head.is_damaged:
        raise LibraryDamaged(head.library_id, "it was found to be damaged")
    request.services.access.require(grant.actor, action, head, fresh=True)
    request.scope["account"] = grant.actor.email
    return Admission(grant, head)


def store_on_loop(request: RequestBase, action: Action) -> LibraryId | None:
    """Do the same on the event loop itself, where that takes no longer than handing it to a thread.

    Return where the library's objects lie; None when there is anything to refuse, or with a database that
    answers over the network: then ask `admit`.
    """
    services = request.services
    if services.db.dialect != "sqlite":
        return None
    token = request.headers.get("seafile-repo-token")
    grant = services.sync_tokens.glance(token, request.path_params["library_id"])
    if grant is None or grant.is_damaged:
        return None
    try:
        decision = services.access.decide(grant.actor, action, grant.library_id, fresh=True)
    except LibraryNotFound:  # deleted at this moment
        return None
    request.scope["account"] = grant.actor.email
    return grant.store_id if decision.allowed else None


@contextmanager
def noting_refusals(request: RequestBase) -> Iterator[None]:
    """Have administrators see what is refused inside the `with` block; the error flies on."""
    try:
        yield
    except REPORTED as error:
        note_refusal(request, error)
        raise


def note_refusal(request: RequestBase, error: SeafleetError) -> None:
    """Note a refusal of whom the request's token stands for; strangers are not worth a note."""
    services, library_id = request.services, library_id_of(request)
    try:
        grant = services.sync_tokens.identify(token_of(request.headers), library_id)
    except (TokenNotFound, ReplyError):
        return
    head = services.libraries.find(library_id)
    services.sync.refusals.note(grant, "" if head is None else head.name, error, request.client_ip)
