"""SQL of accounts, built once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, case, delete, func, insert, or_, select, true, update

from seafleet.accounts.model import Account
from seafleet.db.prepared import Prepared
from seafleet.db.tables import (
    access_token,
    account,
    account_option,
    api_token,
    client_login_token,
    device_link,
    library_unlock,
    login_log,
    oauth_code,
    oauth_grant,
    sync_token,
    web_session,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select

_COLUMNS: Final = (
    account.c.id,
    account.c.email,
    account.c.is_staff,
    account.c.is_active,
    account.c.role,
    account.c.source,
    account.c.created_at_us,
    account.c.last_login_at,
    account.c.quota_bytes,
    account.c.name,
    account.c.contact_email,
    account.c.login_id,
    account.c.department,
    account.c.telephone,
    account.c.institution,
    account.c.note,
    account.c.reference_id,
    account.c.organization_id,
    account.c.password_hash,
)


def to_account(row: Sequence[Any]) -> Account:
    """Return the value of a row of `_COLUMNS`; the hash itself stays behind."""
    fields = (*row[:-1], row[-1] not in (None, "", "!"))
    return Account(*fields)


BY_ID: Final = Prepared(select(*_COLUMNS).where(account.c.id == bindparam("id")))
BY_EMAIL: Final = select(*_COLUMNS).where(account.c.email == bindparam("email"))
ID_BY_LOGIN_ID: Final = select(account.c.id).where(account.c.login_id == bindparam("login_id"))
ID_BY_REFERENCE: Final = select(account.c.id).where(account.c.reference_id == bindparam("reference_id"))

# What somebody may have typed, best first: login id, address, then a contact address if only one account has
# it.
BY_LOGIN: Final = (
    select(*_COLUMNS)
    .where(
        or_(
            account.c.login_id == bindparam("typed"),
            account.c.email == bindparam("lower"),
            account.c.contact_email == bindparam("lower"),
        )
    )
    .order_by(
        case(
            (account.c.login_id == bindparam("typed"), 0),
            (account.c.email == bindparam("lower"), 1),
            else_=2,
        ),
        account.c.id,
    )
    .limit(3)
)


def page(*, source: str | None, needle: str | None, staff_only: bool) -> Select[Any]:
    """Return accounts in creation order; `offset` and `limit` are bound (a limit of -1 is none on SQLite
    only).
    """
    condition: Any = true()
    if source is not None:
        condition = and_(condition, account.c.source == source)
    if staff_only:
        condition = and_(condition, account.c.is_staff.is_(True))
    if needle is not None:
        columns = (account.c.email, account.c.contact_email, func.lower(account.c.name))
        condition = and_(condition, or_(*(c.contains(needle, autoescape=True) for c in columns)))
    return select(*_COLUMNS).where(condition).order_by(account.c.id)


INSERT: Final = insert(account)
COUNT: Final = select(func.count()).select_from(account)
DELETE: Final = delete(account).where(account.c.id == bindparam("account_id"))

REHASH: Final = (
    update(account)
    .where(account.c.id == bindparam("account_id"), account.c.password_hash == bindparam("old"))
    .values(password_hash=bindparam("new"))
)
SET_LAST_LOGIN: Final = (
    update(account).where(account.c.id == bindparam("account_id")).values(last_login_at=bindparam("at"))
)


def set_columns(account_id: int, values: dict[str, Any]) -> Any:
    """Return the update of some columns of one account."""
    return update(account).where(account.c.id == account_id).values(values)


# --- what a new password or deactivation kills --------------------------------------------------------------

# A token that carries a wipe mark opens nothing; it stays, so that the device still learns of the wipe.
_WIPED_LINKS: Final = select(device_link.c.id).where(
    device_link.c.account_id == bindparam("account_id"), device_link.c.wiped_at.is_not(None)
)
KILL_API_TOKENS: Final = delete(api_token).where(
    api_token.c.account_id == bindparam("account_id"),
    or_(api_token.c.device_link_id.is_(None), api_token.c.device_link_id.not_in(_WIPED_LINKS)),
)
KILL_LINKS: Final = delete(device_link).where(
    device_link.c.account_id == bindparam("account_id"), device_link.c.wiped_at.is_(None)
)
KILL_OTHERS: Final = tuple(
    delete(table).where(table.c.account_id == bindparam("account_id"))
    for table in (
        sync_token,
        access_token,
        client_login_token,
        library_unlock,
        web_session,
        oauth_code,
        oauth_grant,
    )
)
KILL_ACCESS_TOKENS: Final = delete(access_token).where(access_token.c.account_id == bindparam("account_id"))

# --- options ------------------------------------------------------------------------------------------------

OPTION: Final = select(account_option.c.value).where(
    account_option.c.account_id == bindparam("account_id"), account_option.c.key == bindparam("key")
)
OPTIONS: Final = select(account_option.c.key, account_option.c.value).where(
    account_option.c.account_id == bindparam("account_id")
)
DELETE_OPTION: Final = delete(account_option).where(
    account_option.c.account_id == bindparam("account_id"), account_option.c.key == bindparam("key")
)

# --- login log ----------------------------------------------------------------------------------------------

LOG_LOGIN: Final = insert(login_log)


def _failures(owner: Any) -> Select[Any]:
    newest_success = (
        select(func.coalesce(func.max(login_log.c.id), 0))
        .where(owner, login_log.c.at > bindparam("since"), login_log.c.success.is_(True))
        .scalar_subquery()
    )
    return (
        select(login_log.c.at)
        .where(
            owner,
            login_log.c.at > bindparam("since"),
            login_log.c.success.is_(False),
            login_log.c.id > newest_success,
        )
        .order_by(login_log.c.id.desc())
        .limit(bindparam("limit"))
    )


# Times of the failures since the last success inside the window, newest first.
FAILURES_OF_ACCOUNT: Final = _failures(login_log.c.account_id == bindparam("account_id"))
FAILURES_OF_NAME: Final = _failures(
    and_(login_log.c.username == bindparam("username"), login_log.c.account_id.is_(None))
)
