"""Every table, as SQLAlchemy Core sees it. Migrations create them; a test compares the two.

After a change run `python -m tools.freeze_schema`; once a version was released, write a migration instead.

Times are whole Unix seconds in UTC unless a column says otherwise. Addresses are stored in lower case. Paths
are absolute inside their library, `/`-separated, without a final slash except the root. Ids of objects are 40
lower-case hex digits. Lengths of `String` columns are limits that PostgreSQL enforces and SQLite does not.
Audit tables hold addresses as text on purpose: their rows survive the account.
"""

from __future__ import annotations

from seafleet.db.tables.accounts import account, account_option, api_token, client_login_token, login_log
from seafleet.db.tables.columns import metadata
from seafleet.db.tables.devices import (
    device,
    device_alias,
    device_error,
    device_link,
    pushed_generation,
    sync_token,
)
from seafleet.db.tables.events import activity, audit_event, change_feed, schema_version, setting
from seafleet.db.tables.groups import group, group_member, organization
from seafleet.db.tables.libraries import (
    commit_index,
    file_lock,
    garbage_library,
    library,
    library_stamp,
    library_trash,
    sub_library,
    sub_library_pending,
    upload_temp,
)
from seafleet.db.tables.oauth import api_rate, oauth_code, oauth_consent, oauth_grant, oauth_token
from seafleet.db.tables.objects import condemned_blob, object_
from seafleet.db.tables.registry import (
    device_app,
    device_attribute,
    device_command,
    device_event,
    device_group,
    device_group_member,
    device_mac,
    enrolment_code,
    mfp_transaction,
    oauth_client,
    role_grant,
)
from seafleet.db.tables.sharing import (
    file_identity,
    folder_group_permission,
    folder_user_permission,
    group_share,
    public_share,
    share_link,
    snapshot_label,
    starred_item,
    upload_link,
    user_share,
)
from seafleet.db.tables.transient import access_token, library_unlock, throttle_window, transfer_task
from seafleet.db.tables.web import web_session

__all__ = [
    "access_token",
    "account",
    "account_option",
    "activity",
    "api_rate",
    "api_token",
    "audit_event",
    "change_feed",
    "client_login_token",
    "commit_index",
    "condemned_blob",
    "device",
    "device_alias",
    "device_app",
    "device_attribute",
    "device_command",
    "device_error",
    "device_event",
    "device_group",
    "device_group_member",
    "device_link",
    "device_mac",
    "enrolment_code",
    "file_identity",
    "file_lock",
    "folder_group_permission",
    "folder_user_permission",
    "garbage_library",
    "group",
    "group_member",
    "group_share",
    "library",
    "library_stamp",
    "library_trash",
    "library_unlock",
    "login_log",
    "metadata",
    "mfp_transaction",
    "oauth_client",
    "oauth_code",
    "oauth_consent",
    "oauth_grant",
    "oauth_token",
    "object_",
    "organization",
    "public_share",
    "pushed_generation",
    "role_grant",
    "schema_version",
    "setting",
    "share_link",
    "snapshot_label",
    "starred_item",
    "sub_library",
    "sub_library_pending",
    "sync_token",
    "throttle_window",
    "transfer_task",
    "upload_link",
    "upload_temp",
    "user_share",
    "web_session",
]

# Without this SQLite gives the number of the newest row to the next one when that row was deleted. A
# reference that was left behind would then mean somebody else, and readers of the change feed would miss what
# is new.
for _table in metadata.tables.values():
    if _table.autoincrement_column is not None and _table.autoincrement_column.name == "id":
        _table.dialect_options["sqlite"]["autoincrement"] = True
