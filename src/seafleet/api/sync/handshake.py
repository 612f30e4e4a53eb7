"""What a client asks before it moves anything: version, permission, room, and the right to hear of changes.

Source: sync protocol §3, §4.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from seafleet.access import Action
from seafleet.api.kernel import PUBLIC, ApiRequest, Marker, Reply, ReplyError, route
from seafleet.api.sync.admission import admit, existing, identify, noting_refusals
from seafleet.api.sync.surface import NAME, refusal
from seafleet.errors import LibraryDamaged, QuotaExceeded

if TYPE_CHECKING:
    from seafleet.accounts.sync_tokens import SyncGrant
    from seafleet.db.engine import Transaction
    from seafleet.library.model import Head

VERSION: Final = 2
"""From 2 on clients ask for the heads of all libraries at once."""

_ACTIONS: Final = {"download": Action.READ, "upload": Action.WRITE}
_TAGS: Final = {Action.READ: "sync:library:download", Action.WRITE: "sync:library:upload"}
_CLIENT_ID_LENGTH: Final = 40
_is_client_version = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+").fullmatch
_is_integer = re.compile(r"[+-]?[0-9]{1,18}").fullmatch


@route(
    "GET",
    "/seafhttp/protocol-version",
    operation="sync-protocol-version",
    action=Marker.ANYONE,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def protocol_version(_request: ApiRequest) -> dict[str, int]:
    """Tell the version of the protocol."""
    return {"version": VERSION}


@route(
    "GET",
    "/seafhttp/repo/{library_id}/permission-check/",
    operation="sync-permission-check",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def check_permission(request: ApiRequest) -> Reply:
    """Tell whether the client may go on to download or upload, and note which client it is."""
    action = _action(request)
    head = existing(request)
    with noting_refusals(request):
        if head.is_damaged:
            raise LibraryDamaged(head.library_id, "it was found to be damaged")
        grant = identify(request)
        request.services.access.require(grant.actor, action, head, fresh=True)
        _note_peer(request, grant)
    _note_transfer(request, grant, head, _TAGS[action])
    return Reply()


def _action(request: ApiRequest) -> Action:
    """Return what is to be done. Raises ReplyError (400) for parameters that are not right."""
    client_id, version = request.query("client_id"), request.query("client_ver")
    action = _ACTIONS.get(request.query("op") or "")
    if action is None:
        raise ReplyError(refusal(400, "Invalid op parameter."))
    if client_id is not None and len(client_id) != _CLIENT_ID_LENGTH:
        raise ReplyError(refusal(400, "Invalid client_id parameter."))
    if version is not None and _is_client_version(version) is None:
        raise ReplyError(refusal(400, "Invalid client_ver parameter."))
    return action


def _note_peer(request: ApiRequest, grant: SyncGrant) -> None:
    client_id, name = request.query("client_id"), request.query("client_name")
    if client_id and name:
        version = request.query("client_ver")
        request.services.sync_tokens.record_peer(grant, client_id, name, request.client_ip, version)


def _note_transfer(request: ApiRequest, grant: SyncGrant, head: Head, tag: str) -> None:
    """Write into the records that a client is about to take or send content."""
    services, name = request.services, request.query("client_name", "")

    def work(tx: Transaction) -> None:
        services.audit.write(
            tx,
            tag,
            grant.actor,
            ip=request.client_ip,
            library_id=head.library_id,
            path="/",
            detail={"client": name},
        )

    services.db.write(work)


@route(
    "GET",
    "/seafhttp/repo/{library_id}/quota-check/",
    operation="sync-quota-check",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def check_quota(request: ApiRequest) -> Reply:
    """Tell whether the owner has room for so many bytes more. Freeing room is always possible."""
    delta = request.query("delta") or ""
    if _is_integer(delta) is None:
        raise ReplyError(refusal(400, "Invalid delta parameter."))
    with noting_refusals(request):
        head = admit(request, Action.READ).head
        accounts = request.services.accounts
        owner = accounts.get(head.owner_id)
        quota = accounts.quota(owner)
        if quota >= 0 and int(delta) > 0 and accounts.usage(owner) + int(delta) >= quota:
            raise QuotaExceeded(owner.email, quota)
    return Reply()


@route(
    "GET",
    "/seafhttp/repo/{library_id}/jwt-token",
    operation="sync-jwt-token",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle=None,
    surface=NAME,
)
def subscription_token(request: ApiRequest) -> dict[str, str]:
    """Return what a client shows to be told of changes of this library."""
    admission = admit(request, Action.READ)
    actor, subscriptions = admission.actor, request.services.sync.subscriptions
    token = subscriptions.issue(admission.head.library_id, actor.email, actor.device_link_id)
    return {"jwt_token": token}
