"""The one table of what the Web API answers to each error of the domain.

Handlers let errors fly; where a call's manual has a text of its own, the handler catches that one error.

Source: Web API conventions §2 and §5, Seafile devices §2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seafleet import errors
from seafleet.api.kernel import Reply
from seafleet.api.kernel.auth import no_credentials
from seafleet.api.kernel.errors import detail
from seafleet.devices import errors as device_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seafleet.api.kernel.request import RequestBase

INTERNAL_ERROR: Final = Reply({"error_msg": "Internal Server Error"}, 500)

_FRAMEWORK_RULES: Final = frozenset(("not_staff", "role"))
"""Rules of decisions that the reference takes before its views run, and words differently."""


def error_msg(status: int, text: str) -> Reply:
    """Return an error as views word it."""
    return Reply({"error_msg": text}, status)


def non_field_error(text: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an error as the login form words it; always status 400."""
    return Reply({"non_field_errors": [text]}, 400, headers or {})


def throttled(seconds: int) -> Reply:
    """Return the refusal of a caller that asks too often."""
    text = f"Request was throttled. Expected available in {seconds} second{'' if seconds == 1 else 's'}."
    return detail(429, text, {"Retry-After": str(seconds)}).reply()


def device_blocked(status: str, sentence: str) -> Reply:
    """Return the refusal of a suspended device. Source: device registry §7."""
    body = {"error_msg": sentence, "device_status": status}
    return Reply(body, 403, {"X-Device-Status": status})


def device_wiped(status: str) -> Reply:
    """Return the answer that makes a Seafile application remove what it holds of this server."""
    headers = {"X-Seafile-Wiped": "true", "X-Device-Status": status}
    return detail(401, "Device set to be remote wiped", headers).reply()


def _access_denied(error: errors.AccessDenied) -> Reply:
    rule = error.decision.rule
    if rule == "anonymous":
        return no_credentials().reply()
    if rule.startswith("device_"):
        return device_blocked(rule.removeprefix("device_").upper(), error.decision.reason)
    if rule in _FRAMEWORK_RULES:
        return detail(403, "You do not have permission to perform this action.").reply()
    return error_msg(403, "Permission denied.")


TABLE: Final[Mapping[type[errors.SeafleetError], Callable[[Any], Reply]]] = {
    errors.SeafleetError: lambda e: INTERNAL_ERROR,
    errors.InvalidInput: lambda e: error_msg(400, "Bad request."),
    errors.InvalidId: lambda e: error_msg(400, f"{e.kind} invalid."),
    errors.InvalidName: lambda e: error_msg(400, "name invalid."),
    errors.InvalidPath: lambda e: error_msg(400, "path invalid."),
    errors.InvalidArgument: lambda e: error_msg(400, f"{e.name} invalid."),
    device_errors.InvalidFields: lambda e: error_msg(400, f"{next(iter(e.problems))} invalid."),
    errors.MalformedObject: lambda e: error_msg(400, "Bad request."),
    errors.HashMismatch: lambda e: error_msg(400, "Bad request."),
    errors.NotFound: lambda e: error_msg(404, f"{e.noun.capitalize()} {e.what} not found."),
    errors.AccountNotFound: lambda e: error_msg(404, f"User {e.what} not found."),
    errors.LibraryNotFound: lambda e: error_msg(404, f"Library {e.what} not found."),
    errors.FolderNotFound: lambda e: error_msg(404, f"Folder {e.what} not found."),
    errors.FileNotFound: lambda e: error_msg(404, f"File {e.what} not found."),
    errors.CommitNotFound: lambda e: error_msg(404, f"Commit {e.what} not found."),
    errors.ObjectMissing: lambda e: INTERNAL_ERROR,
    errors.OperationMismatch: lambda e: error_msg(403, "Permission denied."),
    device_errors.DeviceNotFound: lambda e: error_msg(404, f"Device {e.what} not found."),
    device_errors.DeviceAppNotFound: lambda e: error_msg(404, f"Application {e.what} not found."),
    device_errors.DeviceGroupNotFound: lambda e: error_msg(404, f"Group {e.what} not found."),
    device_errors.CommandNotFound: lambda e: error_msg(404, f"Command {e.what} not found."),
    errors.OrganizationNotFound: lambda e: error_msg(404, f"Organization {e.what} not found."),
    errors.TokenNotFound: lambda e: error_msg(404, "Token not found."),
    errors.Refused: lambda e: error_msg(403, "Permission denied."),
    errors.AccessDenied: _access_denied,
    errors.BadCredentials: lambda e: non_field_error("Unable to login with provided credentials."),
    errors.AccountDisabled: lambda e: non_field_error("User account is disabled."),
    errors.LoginLocked: lambda e: throttled(e.retry_after_seconds),
    errors.ClientForbidden: lambda e: non_field_error(f"Not allowed to connect to {e.family} client."),
    errors.DeviceBlocked: lambda e: device_blocked(e.status, e.sentence),
    device_errors.DeviceRemoved: lambda e: Reply({"error_msg": "Device removed.", "wipe": e.wipe}, 410),
    errors.DeviceWiped: lambda e: device_wiped(e.status),
    errors.Throttled: lambda e: throttled(e.retry_after_seconds),
    errors.Conflict: lambda e: error_msg(409, f"{e}."),
    errors.NameTaken: lambda e: error_msg(400, "The name is already taken."),
    errors.NameUnchanged: lambda e: error_msg(409, "The new name is the same to the old"),
    errors.AlreadyExists: lambda e: error_msg(400, f"{e.kind.capitalize()} {e.value} already exists."),
    errors.HeadMoved: lambda e: error_msg(520, "Library is changing too fast, please try again."),
    errors.CollectionRan: lambda e: error_msg(520, "Library was cleaned up meanwhile, please try again."),
    errors.FileLocked: lambda e: error_msg(403, "File is locked"),
    device_errors.DeviceChanged: lambda e: error_msg(412, f"The device has version {e.row_version} now."),
    device_errors.DeviceCloned: lambda e: error_msg(409, "Another machine reports under this hardware id."),
    device_errors.NotApplicable: lambda e: error_msg(409, f"{e.reason[:1].upper()}{e.reason[1:]}."),
    device_errors.StillInUse: lambda e: error_msg(409, f"This {e.noun} cannot be deleted: {e.reason}."),
    errors.LimitExceeded: lambda e: error_msg(400, f"{e}."),
    errors.QuotaExceeded: lambda e: error_msg(443, "Out of quota."),
    errors.FileTooLarge: lambda e: error_msg(442, "File size is too large."),
    errors.TooManySameNames: lambda e: error_msg(400, "Too many files with same name."),
    errors.BlocksMissing: lambda e: error_msg(446, "Block missing."),
    errors.PasswordRequired: lambda e: error_msg(440, "Library password is needed."),
    errors.WrongPassword: lambda e: error_msg(400, "Incorrect password"),
    errors.LibraryDamaged: lambda e: INTERNAL_ERROR,
    errors.StorageFailure: lambda e: INTERNAL_ERROR,
}


def reply_to(_request: RequestBase, error: errors.SeafleetError) -> Reply:
    """Return the answer to an error: that of its class, or of the nearest one above that has a row."""
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)(error)
