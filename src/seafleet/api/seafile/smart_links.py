"""Links that go on leading to a file or folder after it was renamed or moved.

They are for those who may read it anyway: whoever opens one has to sign in.

Source: catalog of client calls, "desktop client", smart link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from seafleet import paths
from seafleet.access import Action
from seafleet.api.kernel import ApiError, ApiRequest, route
from seafleet.api.seafile.journeys import library_named, required
from seafleet.api.seafile.places import entry_here, folder_missing, require

if TYPE_CHECKING:
    from seafleet.library.model import Head

_WORDS: Final = {"true": True, "false": False}


@route("GET", "/api/v2.1/smart-link/", operation="desktop-smart-link", action=Action.READ)
def smart_link(request: ApiRequest) -> dict[str, str]:
    """Return the lasting link of a file or folder, its token, and what it is called now."""
    library_id, text = required(request, "repo_id"), required(request, "path")
    is_dir = _WORDS.get(required(request, "is_dir").lower())
    if is_dir is None:
        raise ApiError(400, "is_dir can only be 'true' or 'false'.")
    head, path = library_named(request, library_id), paths.normalize_folder(text)
    _check_there(request, head, path, is_dir=is_dir)
    require(request, Action.READ, head, path if is_dir else paths.split(path)[0])
    token = request.services.identities.of(head.library_id, path)
    return {
        "smart_link": request.absolute_url(f"/smart-link/{token}/"),
        "smart_link_token": token,
        "name": paths.split(path)[1] or head.name,
    }


def _check_there(request: ApiRequest, head: Head, path: str, *, is_dir: bool) -> None:
    entry = entry_here(request, head, path)
    if entry is None or entry.is_dir is not is_dir:
        raise folder_missing(path) if is_dir else ApiError(404, f"File {path} not found.")
