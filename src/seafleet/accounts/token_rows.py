"""SQL of API tokens, sync tokens and file server tokens, built once."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import and_, bindparam, case, delete, func, insert, select, update

from seafleet.db.prepared import Prepared, insertion
from seafleet.db.tables import (
    access_token,
    account,
    api_token,
    client_login_token,
    device,
    device_link,
    library,
    share_link,
    sync_token,
    upload_link,
)
from seafleet.devices.rows import STATE_COLUMNS

_ACTOR: Final = (
    account.c.id.label("account_id"),
    account.c.email,
    account.c.is_staff,
    account.c.is_active,
    account.c.role,
    account.c.organization_id,
)

# --- API tokens ---------------------------------------------------------------------------------------------

_IS_PLAIN = api_token.c.device_link_id.is_(None)

RESOLVE: Final = Prepared(
    select(
        api_token.c.id.label("token_id"),
        *_ACTOR,
        case((_IS_PLAIN, api_token.c.last_used_at), else_=device_link.c.last_accessed),
        case((_IS_PLAIN, ""), else_=device_link.c.last_login_ip),
        case((_IS_PLAIN, ""), else_=device_link.c.client_version),
        case((_IS_PLAIN, ""), else_=device_link.c.platform_version),
        *STATE_COLUMNS,
    )
    .select_from(api_token)
    .join(account, account.c.id == api_token.c.account_id)
    .outerjoin(device_link, device_link.c.id == api_token.c.device_link_id)
    .outerjoin(device, device.c.id == device_link.c.device_id)
    .where(api_token.c.token_hash == bindparam("token_hash"))
)
SEEN_FIELDS: Final = slice(7, 11)
"""Where `RESOLVE` has the time, address and versions of the last use."""

IS_ACTIVE: Final = select(account.c.is_active).where(account.c.id == bindparam("account_id"))
PLAIN_TOKEN: Final = select(api_token.c.id, api_token.c.sealed).where(
    api_token.c.account_id == bindparam("account_id"), _IS_PLAIN
)
TOKEN_OF_LINK: Final = select(api_token.c.id, api_token.c.sealed).where(
    api_token.c.device_link_id == bindparam("link_id")
)
INSERT_TOKEN: Final = insert(api_token)
DELETE_TOKEN: Final = delete(api_token).where(api_token.c.id == bindparam("token_id"))
DELETE_PLAIN: Final = delete(api_token).where(api_token.c.account_id == bindparam("account_id"), _IS_PLAIN)
TOUCH_TOKEN: Final = (
    update(api_token).where(api_token.c.id == bindparam("token_id")).values(last_used_at=bindparam("at"))
)

# --- sync tokens ----------------------------------------------------------------------------------------

RESOLVE_SYNC: Final = Prepared(
    select(
        sync_token.c.id.label("token_id"),
        *_ACTOR,
        sync_token.c.library_id,
        sync_token.c.device_link_id,
        sync_token.c.peer_id,
        sync_token.c.peer_name,
        sync_token.c.peer_ip,
        sync_token.c.client_version,
        sync_token.c.synced_at,
        library.c.store_id,
        library.c.is_damaged,
        *STATE_COLUMNS,
    )
    .select_from(sync_token)
    .join(account, account.c.id == sync_token.c.account_id)
    .join(library, library.c.id == sync_token.c.library_id)
    .outerjoin(device_link, device_link.c.id == sync_token.c.device_link_id)
    .outerjoin(device, device.c.id == device_link.c.device_id)
    .where(sync_token.c.token_hash == bindparam("token_hash"))
)
INSERT_SYNC: Final = insert(sync_token)
LIBRARY_EXISTS: Final = select(library.c.id).where(library.c.id == bindparam("library_id"))
LINK_EXISTS: Final = select(device_link.c.id).where(device_link.c.id == bindparam("link_id"))
RECORD_PEER: Final = (
    update(sync_token)
    .where(sync_token.c.id == bindparam("token_id"))
    .values(
        {
            name: bindparam(name)
            for name in ("peer_id", "peer_name", "peer_ip", "client_version", "synced_at", "device_link_id")
        }
    )
)

_SYNC_LIST: Final = (
    select(
        sync_token.c.id,
        sync_token.c.library_id,
        library.c.name,
        account.c.email,
        sync_token.c.device_link_id,
        sync_token.c.peer_id,
        sync_token.c.peer_name,
        sync_token.c.peer_ip,
        sync_token.c.client_version,
        sync_token.c.created_at,
        sync_token.c.synced_at,
    )
    .select_from(sync_token)
    .join(library, library.c.id == sync_token.c.library_id)
    .join(account, account.c.id == sync_token.c.account_id)
    .order_by(func.coalesce(sync_token.c.synced_at, 0).desc(), sync_token.c.id)
)
SYNC_OF_ACCOUNT: Final = _SYNC_LIST.where(sync_token.c.account_id == bindparam("account_id"))
SYNC_OF_LIBRARY: Final = _SYNC_LIST.where(sync_token.c.library_id == bindparam("library_id"))


def delete_sync(**columns: Any) -> Any:
    """Return the deletion of the sync tokens that have all these values."""
    return delete(sync_token).where(and_(*(sync_token.c[name] == value for name, value in columns.items())))


# --- file server tokens ---------------------------------------------------------------------------------

TAKE: Final = Prepared(
    select(
        access_token.c.library_id,
        access_token.c.operation,
        access_token.c.object,
        access_token.c.one_time,
        access_token.c.expires_at,
        access_token.c.account_id.label("for_account_id"),
        access_token.c.account_email,
        access_token.c.device_link_id,
        access_token.c.api_token_id,
        access_token.c.share_link_token,
        access_token.c.upload_link_token,
        *_ACTOR,
        api_token.c.id.label("live_api_token_id"),
        share_link.c.path.label("share_path"),
        share_link.c.is_dir.label("share_is_dir"),
        share_link.c.expires_at.label("share_expires_at"),
        upload_link.c.path.label("upload_path"),
        upload_link.c.expires_at.label("upload_expires_at"),
        *STATE_COLUMNS,
    )
    .select_from(access_token)
    .outerjoin(account, account.c.id == access_token.c.account_id)
    .outerjoin(api_token, api_token.c.id == access_token.c.api_token_id)
    .outerjoin(share_link, share_link.c.token == access_token.c.share_link_token)
    .outerjoin(upload_link, upload_link.c.token == access_token.c.upload_link_token)
    .outerjoin(device_link, device_link.c.id == access_token.c.device_link_id)
    .outerjoin(device, device.c.id == device_link.c.device_id)
    .where(access_token.c.token_hash == bindparam("token_hash"))
)
INSERT_ACCESS: Final = Prepared(insertion(insert(access_token), access_token))
DELETE_ACCESS: Final = delete(access_token).where(access_token.c.token_hash == bindparam("token_hash"))
PURGE_ACCESS: Final = delete(access_token).where(access_token.c.expires_at <= bindparam("now"))

# --- one-time logins ------------------------------------------------------------------------------------

INSERT_TICKET: Final = insert(client_login_token)
TAKE_TICKET: Final = (
    delete(client_login_token)
    .where(client_login_token.c.token_hash == bindparam("token_hash"))
    .returning(client_login_token.c.account_id, client_login_token.c.expires_at)
)
PURGE_TICKETS: Final = delete(client_login_token).where(client_login_token.c.expires_at <= bindparam("now"))
