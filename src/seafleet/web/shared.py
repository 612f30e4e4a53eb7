"""The pages behind share links: a file to download, a folder to look through.

No login. A link with a password asks for it once and then remembers, in a signed cookie of that link, for an
hour. Whatever is shown or handed out is decided anew for the bearer of the link, with the rights that its
maker has at this moment.

Source: share links page; file server §7 (links).
"""

from __future__ import annotations

import hashlib
import hmac
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import PUBLIC, ApiRequest, Marker, Reply, ReplyError, Surface, route
from seafleet.display import ago, size_text
from seafleet.errors import FileTooLarge, SeafleetError
from seafleet.library.ordering import folders_first
from seafleet.links.share_links import bearer_of
from seafleet.secrets import equal
from seafleet.web.pages import HTML, render, style_sheet

if TYPE_CHECKING:
    from datetime import datetime

    from seafleet.api.kernel import StreamRequest
    from seafleet.formats.fs import Dirent
    from seafleet.library.model import Head
    from seafleet.links.share_links import ShareLink

COOKIE_SECONDS: Final = 3600
_STYLE, _STYLE_SOURCE = style_sheet("shared.css")
_HEADERS: Final = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src {_STYLE_SOURCE}; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_BLANK: Final[dict[str, Any]] = {
    "style": _STYLE,
    "title": "",
    "entries": None,
    "message": "",
    "is_error": False,
    "ask_password": False,
    "here": "",
    "owner": "",
    "size": "",
    "crumbs": [],
    "download": "",
    "download_text": "",
}
_GONE: Final = "This link does not exist, or its time is over."


def page(status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> Reply:
    """Return a page made of what is given."""
    body = render("shared.html", **{**_BLANK, **values})
    return Reply(body, status, {**_HEADERS, **(headers or {})}, HTML)


def _refusal(_request: ApiRequest | StreamRequest, _error: SeafleetError) -> Reply:
    return page(404, title="Not found", message=_GONE, is_error=True)


SURFACE: Final = Surface(
    name="shared",
    domain_error=_refusal,
    internal_error=Reply(b"Something went wrong. Please try again.", 500, {}, "text/plain; charset=utf-8"),
)


@route(
    "GET", "/f/{token}/", operation="shared-file-page", action=Marker.BEARER, auth=PUBLIC, surface="shared"
)
def shared_file(request: ApiRequest) -> Reply:
    """Show a shared file; with `dl=1` send on to its content."""
    link, head = _opened(request, is_dir=False)
    entry = _entry(request, head, link, link.path)
    if request.query("dl") == "1":
        return _content(request, head, link, entry, link.path)
    request.services.share_links.note_view(link.token)
    return page(
        title=entry.name,
        owner=request.services.names.one(link.email).name,
        size=size_text(entry.size or 0),
        download=_here(request, "?dl=1") if link.may_download else "",
        download_text="Download",
        message="" if link.may_download else "This file may be looked at, but not be downloaded.",
    )


@route(
    "GET", "/d/{token}/", operation="shared-folder-page", action=Marker.BEARER, auth=PUBLIC, surface="shared"
)
def shared_folder(request: ApiRequest) -> Reply:
    """Show a shared folder, or one below it; with `dl=1` send on to a file, or to an archive."""
    link, head = _opened(request, is_dir=True)
    below = "/" + "/".join(paths.components(request.query("p") or "/"))
    path = paths.join(link.path, below.strip("/"))
    entry = _entry(request, head, link, path)
    if request.query("dl") == "1":
        fetch = _archive if entry.is_dir else _content
        return fetch(request, head, link, entry, path)
    if not entry.is_dir:
        raise ReplyError(page(404, title="Not found", message=_GONE, is_error=True))
    request.services.share_links.note_view(link.token)
    folder = request.services.trees.directory(head.store_id, entry.id)
    return page(
        title=entry.name or head.name,
        owner=request.services.names.one(link.email).name,
        crumbs=_crumbs(request, link, below),
        download=_below(request, below, "&dl=1") if link.may_download and len(folder) else "",
        download_text="Download as ZIP",
        entries=[_row(request, link, below, each) for each in folders_first(folder)],
    )


@route(
    "POST",
    "/f/{token}/",
    operation="shared-link-password",
    action=Marker.BEARER,
    auth=PUBLIC,
    surface="shared",
    throttle="anon",
    pool="auth",
)
@route(
    "POST",
    "/d/{token}/",
    operation="shared-link-password",
    action=Marker.BEARER,
    auth=PUBLIC,
    surface="shared",
    throttle="anon",
    pool="auth",
)
def give_password(request: ApiRequest) -> Reply:
    """Take the password of a link, remember that it was right, and show what the link opens."""
    links = request.services.share_links
    link = links.open(request.path_params["token"])
    if link.has_password and not links.verify(link, request.form("password") or ""):
        raise ReplyError(_ask(request, "That is not the password of this link."))
    now = request.services.clock.timestamp()
    cookie = f"{_cookie_name(link)}={_signed(request, link, now + COOKIE_SECONDS)}"
    secure = "; Secure" if request.base_url().startswith("https:") else ""
    path = f"/{'d' if link.is_dir else 'f'}/{link.token}/"
    attributes = f"; Path={path}; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Lax{secure}"
    return Reply(b"", 303, {**_HEADERS, "Location": path, "Set-Cookie": cookie + attributes}, HTML)


# -- who may see what ------------------------------------------------------------------------------------


def _opened(request: ApiRequest, *, is_dir: bool) -> tuple[ShareLink, Head]:
    """Return a link and its library. Raises ReplyError to ask for the password, and what is mapped to 404."""
    link = request.services.share_links.open(request.path_params["token"])
    if link.is_dir is not is_dir:
        raise ReplyError(page(404, title="Not found", message=_GONE, is_error=True))
    if link.has_password and not _remembered(request, link):
        raise ReplyError(_ask(request))
    return link, request.services.libraries.get(link.library_id)


def _entry(request: ApiRequest, head: Head, link: ShareLink, path: str) -> Dirent:
    request.services.access.require(bearer_of(link), Action.READ, head, path)
    entry = request.services.trees.find(head.store_id, head.root_id, path)
    if entry is None:
        raise ReplyError(page(404, title="Not found", message=_GONE, is_error=True))
    return entry


def _ask(request: ApiRequest, problem: str = "") -> Reply:
    return page(
        403 if problem else 200,
        title="Password required",
        ask_password=True,
        here=_here(request),
        message=problem,
        is_error=bool(problem),
    )


def _cookie_name(link: ShareLink) -> str:
    return f"link-{link.token[:20]}"


def _signed(request: ApiRequest, link: ShareLink, until: int) -> str:
    """Return what only this server can make: that the password, as it is now, was given for this link."""
    key = request.services.secret.signing_key("share-link")
    text = f"{link.token} {link.password_hash} {until}"
    return f"{until}.{hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"


def _remembered(request: ApiRequest, link: ShareLink) -> bool:
    name = _cookie_name(link)
    for part in request.headers.get("cookie").split(";"):
        key, _, value = part.strip().partition("=")
        until = value.partition(".")[0]
        if key == name and until.isascii() and until.isdecimal() and len(until) < len("10000000000"):
            alive = int(until) > request.services.clock.timestamp()
            return alive and equal(value, _signed(request, link, int(until)))
    return False


# -- what is handed out ----------------------------------------------------------------------------------


def _content(request: ApiRequest, head: Head, link: ShareLink, entry: Dirent, path: str) -> Reply:
    return _sent_on(request, head, link, "download-link", entry.id, path, f"files/{{}}/{quote(entry.name)}")


def _archive(request: ApiRequest, head: Head, link: ShareLink, entry: Dirent, path: str) -> Reply:
    parent, name = paths.split(path)
    if not name:
        names = [each.name for each in request.services.trees.directory(head.store_id, entry.id)]
        selection = request.services.transfers.zips.select(head, paths.ROOT, names)
    else:
        selection = request.services.transfers.zips.select(head, parent, [name])
    try:
        request.services.transfers.zips.check(request.services.transfers.zips.sums(selection))
    except FileTooLarge:
        text = "This folder is too large for one archive: download its files one by one."
        raise ReplyError(page(400, title=entry.name or head.name, message=text, is_error=True)) from None
    return _sent_on(request, head, link, selection.operation, selection.target, path, "zip/{}")


def _sent_on(
    request: ApiRequest, head: Head, link: ShareLink, operation: str, target: str, path: str, place: str
) -> Reply:
    """Return the way to some content, noted for the audit and counted as a view."""
    if not link.may_download:
        raise ReplyError(page(403, title="Not allowed", message="This may not be downloaded.", is_error=True))
    services = request.services
    noted = partial(
        services.audit.write,
        tag="web:share_link:download",
        actor=link.email,
        ip=request.client_ip,
        library_id=head.library_id,
        path=path,
    )
    bearer = bearer_of(link)
    token = services.access_tokens.issue(
        head.library_id, operation, target, bearer, one_time=True, also=noted
    )
    services.share_links.note_view(link.token)
    return Reply(b"", 302, {**_HEADERS, "Location": f"/seafhttp/{place.format(token)}"}, HTML)


# -- how it looks ----------------------------------------------------------------------------------------


def _here(request: ApiRequest, query: str = "") -> str:
    kind = "d" if request.route.pattern.startswith("/d/") else "f"
    return f"/{kind}/{request.path_params['token']}/{query}"


def _below(request: ApiRequest, below: str, query: str = "") -> str:
    return _here(request, f"?p={quote(below)}{query}")


def _crumbs(request: ApiRequest, link: ShareLink, below: str) -> list[tuple[str, str]]:
    names = paths.components(below)
    first = paths.split(link.path)[1] or link.library_name
    crumbs = [(first, _here(request))]
    for count, name in enumerate(names, 1):
        crumbs.append((name, _below(request, "/" + "/".join(names[:count]))))
    return crumbs if names else []


def _row(request: ApiRequest, link: ShareLink, below: str, entry: Dirent) -> dict[str, str]:
    path = paths.join(below, entry.name)
    if entry.is_dir:
        return {
            "name": f"{entry.name}/",
            "url": _below(request, path),
            "size": "",
            "changed": _ago(request, entry),
        }
    url = _below(request, path, "&dl=1") if link.may_download else ""
    return {
        "name": entry.name,
        "url": url,
        "size": size_text(entry.size or 0),
        "changed": _ago(request, entry),
    }


def _ago(request: ApiRequest, entry: Dirent) -> str:
    now: datetime = request.services.clock.now()
    try:
        return ago(now.fromtimestamp(entry.mtime, now.tzinfo), now)
    except (OverflowError, OSError, ValueError):  # a time that a client made up
        return ""
