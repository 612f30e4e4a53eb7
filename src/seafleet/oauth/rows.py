"""SQL of OAuth, built once."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, exists, insert, not_, select, update

from seafleet.db.engine import upsert
from seafleet.db.tables import account, oauth_client, oauth_code, oauth_consent, oauth_grant, oauth_token

_code, _token, _grant, _consent = oauth_code.c, oauth_token.c, oauth_grant.c, oauth_consent.c
_maker = account.alias("maker")
_giver = account.alias("giver")
_HASHED: Final[Any] = bindparam("hashed")
_NOW: Final[Any] = bindparam("now")

# -- consents ------------------------------------------------------------------------------------------------

CONSENTED: Final = select(_consent.granted_at).where(
    _consent.client_id == bindparam("client"), _consent.account_id == bindparam("account")
)
CONSENT: Final = (
    upsert(oauth_consent)
    .values({name: bindparam(name) for name in ("client_id", "account_id", "granted_at")})
    .on_conflict_do_nothing()
)

# -- codes ---------------------------------------------------------------------------------------------------

INSERT_CODE: Final = insert(oauth_code)
CODE: Final = select(oauth_code).where(_code.code_hash == _HASHED)
USE_CODE: Final = (
    update(oauth_code).where(_code.code_hash == _HASHED, _code.used_at.is_(None)).values(used_at=_NOW)
)
TELL_GRANT: Final = update(oauth_code).where(_code.code_hash == _HASHED).values(grant_id=bindparam("family"))

# -- tokens --------------------------------------------------------------------------------------------------

INSERT_GRANT: Final = insert(oauth_grant)
REVOKE: Final = delete(oauth_grant).where(_grant.id == bindparam("family"))
INSERT_TOKEN: Final = insert(oauth_token)
REFRESH_TOKEN: Final = (
    select(_token.token_hash, _token.grant_id, _token.expires_at, _token.used_at, _grant.account_id)
    .join(oauth_grant, _grant.id == _token.grant_id)
    .where(_token.token_hash == _HASHED, _token.kind == "refresh", _grant.client_id == bindparam("client"))
)
USE_TOKEN: Final = (
    update(oauth_token).where(_token.token_hash == _HASHED, _token.used_at.is_(None)).values(used_at=_NOW)
)
IS_ADMINISTRATOR: Final = select(account.c.id).where(
    account.c.id == bindparam("account"), account.c.is_active.is_(True), account.c.is_staff.is_(True)
)

# Whoever consented has to be an administrator still, and so has the maker of the application.
CALLER: Final = (
    select(
        oauth_client.c.client_id,
        oauth_client.c.name,
        oauth_client.c.organization_id,
        _token.expires_at,
        _grant.account_id.label("giver_id"),
        and_(_giver.c.is_active, _giver.c.is_staff).label("giver_may"),
        and_(_maker.c.is_active, _maker.c.is_staff).label("maker_may"),
        _maker.c.id.label("account_id"),
        _maker.c.email,
        _maker.c.role,
    )
    .select_from(oauth_token)
    .join(oauth_grant, _grant.id == _token.grant_id)
    .join(oauth_client, oauth_client.c.id == _grant.client_id)
    .join(_maker, _maker.c.id == oauth_client.c.account_id)
    .outerjoin(_giver, _giver.c.id == _grant.account_id)
    .where(_token.token_hash == _HASHED, _token.kind == "access")
)

# -- what time takes away ------------------------------------------------------------------------------------

PURGE: Final = (
    delete(oauth_code).where(_code.expires_at <= _NOW),
    delete(oauth_token).where(_token.expires_at <= _NOW),
    delete(oauth_grant).where(not_(exists().where(_token.grant_id == _grant.id))),
)
