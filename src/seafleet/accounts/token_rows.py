"""SQL of API tokens, sync tokens and file server tokens, built once."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, case, delete, insert, select, update

from seafleet.db.tables import account, api_token, device, device_link
from seafleet.devices.rows import STATE_COLUMNS, TOUCH_LINK

__all__ = ["TOUCH_LINK"]

_DEVICE = device_link.outerjoin(device, device.c.id == device_link.c.device_id)

# --- API tokens ---------------------------------------------------------------------------------------------

_IS_PLAIN = api_token.c.device_link_id.is_(None)

RESOLVE: Final = (
    select(
        api_token.c.id.label("token_id"),
        account.c.id.label("account_id"),
        account.c.email,
        account.c.is_staff,
        account.c.is_active,
        account.c.role,
        account.c.organization_id,
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
