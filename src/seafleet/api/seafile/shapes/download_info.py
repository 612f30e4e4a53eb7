"""What a client needs to begin synchronising a library; creating one is answered with the same.

Source: sync protocol §6, "download-info"; libraries page, "Download info".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seafleet.api.seafile.shapes.times import iso, relative_html
from seafleet.display import size_text
from seafleet.formats.commit import Encryption

if TYPE_CHECKING:
    from seafleet.api.kernel import ApiRequest
    from seafleet.library.model import Head

# Left over from a protocol that no living client speaks.
_RELAY: Final = {
    "relay_id": "7b1c07a2fb82c22cdc61ed938f6255976b8c1c3a",
    "relay_addr": "127.0.0.1",
    "relay_port": "80",
}
_NOT_ENCRYPTED: Final = Encryption(0)


def with_sync_token(request: ApiRequest, head: Head) -> dict[str, Any]:
    """Return the library with a fresh sync token of the caller, whose right to read it has been checked."""
    token = request.services.sync_tokens.issue(head.library_id, request.caller)
    return download_info(request, head, token)


def download_info(request: ApiRequest, head: Head, token: str = "") -> dict[str, Any]:
    """Return the library as clients keep it, with this sync token. Times are those of the head commit."""
    services, moment = request.services, head.updated_at
    zone = services.settings.zone
    permission = services.access.permission(request.caller, head)
    return {
        **_RELAY,
        "email": request.caller.email,
        "token": token,
        "repo_id": head.library_id,
        "repo_name": head.name,
        "repo_desc": head.description,
        "repo_size": head.size_bytes,
        "repo_size_formatted": size_text(head.size_bytes),
        "repo_version": head.version,
        "mtime": int(moment.timestamp()),
        "mtime_relative": relative_html(moment, services.clock.now(), zone),
        "last_modified": iso(moment, zone),
        "head_commit_id": head.commit_id,
        "permission": "" if permission is None else permission.wire,
        **_encryption(head.encryption),
    }


def _encryption(encryption: Encryption | None) -> dict[str, Any]:
    """Return the number 1 or nothing for "encrypted", and everything a client derives its keys from."""
    found = encryption or _NOT_ENCRYPTED
    return {
        "encrypted": "" if encryption is None else 1,
        "enc_version": found.enc_version,
        "magic": found.magic or "",
        "random_key": found.random_key or "",
        "salt": found.salt or "",
        "pwd_hash": found.pwd_hash or "",
        "pwd_hash_algo": found.pwd_hash_algo or "",
        "pwd_hash_params": found.pwd_hash_params or "",
    }
