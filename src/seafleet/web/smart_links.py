"""Where lasting links lead: to the content of a file, or to an archive of a folder.

Only for those who may read it; whoever is not signed in is asked to, and led on.

Source: catalog of client calls, "desktop client", smart link.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import OPTIONAL, ApiRequest, Marker, Reply, ReplyError, route
from seafleet.errors import FileTooLarge, TokenNotFound
from seafleet.web.login import login_address
from seafleet.web.pages import message, redirect
from seafleet.web.surface import NAME

if TYPE_CHECKING:
    from seafleet.formats.fs import Dirent
    from seafleet.library.model import Head


@route(
    "GET",
    "/smart-link/{token}/",
    operation="web-smart-link",
    action=Marker.OWN_ACCOUNT,
    auth=OPTIONAL,
    surface=NAME,
)
def open_link(request: ApiRequest) -> Reply:
    """Lead whoever is signed in on to what a lasting link means."""
    token = request.path_params["token"]
    if request.actor is None:
        return redirect(login_address(f"/smart-link/{token}/".encode()))
    found = request.services.identities.find(token)
    if found is None:
        raise TokenNotFound("link")
    head = request.services.libraries.get(found.library_id)
    request.services.access.require(request.actor, Action.READ, head, found.path)
    entry = request.services.trees.find(head.store_id, head.root_id, found.path)
    if entry is None:
        raise TokenNotFound("link")
    return _archive(request, head, found.path) if entry.is_dir else _content(request, head, found.path, entry)


def _content(request: ApiRequest, head: Head, path: str, entry: Dirent) -> Reply:
    return _led_on(request, head, path, "download", entry.id, f"files/{{}}/{quote(entry.name)}")


def _archive(request: ApiRequest, head: Head, path: str) -> Reply:
    zips, (parent, name) = request.services.transfers.zips, paths.split(path)
    names = [name] if name else [each.name for each in _top(request, head)]
    selection = zips.select(head, parent, names)
    try:
        zips.check(zips.sums(selection))
    except FileTooLarge:
        raise ReplyError(message(400, "This folder is too large for one archive.")) from None
    return _led_on(request, head, path, selection.operation, selection.target, "zip/{}")


def _top(request: ApiRequest, head: Head) -> list[Dirent]:
    found = list(request.services.trees.directory(head.store_id, head.root_id))
    if not found:
        raise ReplyError(message(404, "There is nothing in this library."))
    return found


def _led_on(request: ApiRequest, head: Head, path: str, operation: str, target: str, place: str) -> Reply:
    services, caller = request.services, request.caller
    noted = partial(
        services.audit.write,
        tag="web:file:download",
        actor=caller,
        ip=request.client_ip,
        library_id=head.library_id,
        path=path,
    )
    token = services.access_tokens.issue(
        head.library_id, operation, target, caller, one_time=True, also=noted
    )
    return redirect(f"/seafhttp/{place.format(token)}")
