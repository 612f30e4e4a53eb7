"""Every error that the domain raises, with fields instead of prose.

Surfaces translate them to a status and a body, each in one table of its own::

    SeafleetError
    ├── InvalidInput              the caller sent something that can never be right
    │   ├── InvalidId             an id of the wrong form
    │   ├── InvalidName           a file or folder name that must not exist
    │   ├── InvalidPath           a path of the wrong form, too long, or the root where it may not be
    │   ├── InvalidArgument       another argument: `name` says which
    │   └── MalformedObject       bytes that do not decode to what they claim to be
    │       └── HashMismatch      bytes that do not hash to their name
    ├── NotFound
    │   ├── AccountNotFound
    │   ├── LibraryNotFound
    │   ├── FolderNotFound
    │   ├── FileNotFound
    │   ├── CommitNotFound
    │   ├── ObjectMissing         an object that the store does not hold
    │   ├── OrganizationNotFound
    │   └── TokenNotFound         an unknown, expired or spent token
    ├── Refused
    │   ├── AccessDenied          the access evaluator said no: `decision` says why
    │   ├── BadCredentials        wrong name or password
    │   ├── AccountDisabled
    │   ├── LoginLocked           too many failed logins of one account: `retry_after_seconds`
    │   ├── ClientForbidden       the role may not use this family of clients
    │   ├── DeviceBlocked         `status` word and sentence: lost, disabled, waiting for approval, …
    │   ├── OperationMismatch     a file server token that was made for something else
    │   ├── DeviceWiped           the device is to remove what it holds of this server
    │   └── Throttled             too many requests: `retry_after_seconds`
    ├── Conflict
    │   ├── NameTaken             the name exists, and may not be replaced
    │   ├── NameUnchanged         renamed to the name that it has
    │   ├── AlreadyExists         an id or address that is in use
    │   ├── HeadMoved             the library changed too often while an edit was tried
    │   ├── CollectionRan         objects may have been collected since they were promised
    │   └── FileLocked            somebody else holds the lock on a file
    ├── LimitExceeded
    │   ├── QuotaExceeded
    │   ├── FileTooLarge
    │   ├── TooManySameNames
    │   └── BlocksMissing         a file names blocks that the store does not hold
    ├── PasswordRequired          the library is encrypted and its password is not set
    ├── WrongPassword
    ├── LibraryDamaged            a head or root that cannot be read
    └── StorageFailure            disk full, database or object storage out of reach: try again later
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from seafleet.decision import Decision


class SeafleetError(Exception):
    """The root of the tree. `code` is stable, for scripts and logs; the message is a sentence for people."""

    code: ClassVar[str] = "error"


class InvalidInput(SeafleetError):
    """The caller sent something that can never be right."""

    code = "invalid_input"


class InvalidId(InvalidInput):
    """An id of the wrong form."""

    code = "invalid_id"

    def __init__(self, kind: str, value: object) -> None:
        super().__init__(f"not a valid {kind}: {str(value)[:80]!r}")
        self.kind = kind
        self.value = value


class InvalidName(InvalidInput):
    """A file, folder or library name that must not exist."""

    code = "invalid_name"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"invalid name {name[:80]!r}: {reason}")
        self.name = name
        self.reason = reason


class InvalidPath(InvalidInput):
    """A path of the wrong form, too long, or the root where the root may not be."""

    code = "invalid_path"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"invalid path {path[:200]!r}: {reason}")
        self.path = path
        self.reason = reason


class InvalidArgument(InvalidInput):
    """Another argument that is missing or wrong."""

    code = "invalid_argument"

    def __init__(self, name: str, reason: str = "invalid") -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class MalformedObject(InvalidInput):
    """Bytes that are not what they claim to be (`kind`: commit, directory, file, frame, block, …)."""

    code = "malformed_object"

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"malformed {kind}: {reason}")
        self.kind = kind
        self.reason = reason


class HashMismatch(MalformedObject):
    """Bytes that do not hash to the id under which they came."""

    code = "hash_mismatch"

    def __init__(self, kind: str, expected: str, found: str) -> None:
        super().__init__(kind, f"named {expected} but hashes to {found}")
        self.expected = expected
        self.found = found


class NotFound(SeafleetError):
    """What was asked for does not exist, or not for this caller."""

    code = "not_found"
    noun: ClassVar[str] = "object"

    def __init__(self, what: object) -> None:
        super().__init__(f"{self.noun} {str(what)[:200]} not found")
        self.what = what


class AccountNotFound(NotFound):
    """No account of this address."""

    code = "account_not_found"
    noun = "account"


class LibraryNotFound(NotFound):
    """No library of this id."""

    code = "library_not_found"
    noun = "library"


class FolderNotFound(NotFound):
    """No folder at this path."""

    code = "folder_not_found"
    noun = "folder"


class FileNotFound(NotFound):
    """No file at this path."""

    code = "file_not_found"
    noun = "file"


class CommitNotFound(NotFound):
    """No commit of this id in this library."""

    code = "commit_not_found"
    noun = "commit"


class ObjectMissing(NotFound):
    """An object that the store does not hold."""

    code = "object_missing"

    def __init__(self, kind: str, object_id: str) -> None:
        super().__init__(f"{kind} {object_id}")
        self.kind = kind
        self.object_id = object_id


class OrganizationNotFound(NotFound):
    """No organization of this number or runtime."""

    code = "organization_not_found"
    noun = "organization"


class TokenNotFound(NotFound):
    """An unknown, expired or spent token. The token itself is never part of the message."""

    code = "token_not_found"
    noun = "token"

    def __init__(self, kind: str) -> None:
        super().__init__(f"({kind})")
        self.kind = kind


class Refused(SeafleetError):
    """The caller may not do this."""

    code = "refused"


class AccessDenied(Refused):
    """The access evaluator said no. `decision` holds the reason and the rule that decided."""

    code = "access_denied"

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.reason)
        self.decision = decision


class BadCredentials(Refused):
    """Wrong name or wrong password; which of the two is never told."""

    code = "bad_credentials"

    def __init__(self) -> None:
        super().__init__("unable to log in with these credentials")


class AccountDisabled(Refused):
    """The password was right, but the account is switched off."""

    code = "account_disabled"

    def __init__(self, email: str) -> None:
        super().__init__("this account is disabled")
        self.email = email


class LoginLocked(Refused):
    """Too many failed logins for this name; right or wrong passwords are not looked at for a while."""

    code = "login_locked"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"too many failed logins, try again in {retry_after_seconds} seconds")
        self.retry_after_seconds = retry_after_seconds


class ClientForbidden(Refused):
    """The account's role may not use this family of clients (`desktop`, `android` or `ios`)."""

    code = "client_forbidden"

    def __init__(self, family: str) -> None:
        super().__init__(f"not allowed to connect to {family} client")
        self.family = family


class DeviceBlocked(Refused):
    """The device that asks is suspended. `status` is the word for machines, `sentence` the one for people."""

    code = "device_blocked"

    def __init__(self, status: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class OperationMismatch(Refused):
    """A file server token that was made for another operation than the one it came with."""

    code = "operation_mismatch"

    def __init__(self, made_for: str) -> None:
        super().__init__("operation does not match access token")
        self.made_for = made_for


class DeviceWiped(Refused):
    """The device is to remove what it holds of this server; it learns so whatever it asks."""

    code = "device_wiped"

    def __init__(self, status: str) -> None:
        super().__init__("device set to be remote wiped")
        self.status = status


class Throttled(Refused):
    """Too many requests; the next one may come in `retry_after_seconds`."""

    code = "throttled"

    def __init__(self, scope: str, retry_after_seconds: int) -> None:
        super().__init__(f"request was throttled, expected available in {retry_after_seconds} seconds")
        self.scope = scope
        self.retry_after_seconds = retry_after_seconds


class Conflict(SeafleetError):
    """The request is right in itself but does not fit the present state."""

    code = "conflict"


class NameTaken(Conflict):
    """The name exists and may not be replaced."""

    code = "name_taken"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path[:200]} exists already")
        self.path = path


class NameUnchanged(Conflict):
    """Renamed to the name that it has already."""

    code = "name_unchanged"

    def __init__(self, name: str) -> None:
        super().__init__(f"the name is {name[:80]!r} already")
        self.name = name


class AlreadyExists(Conflict):
    """An id or address that is in use."""

    code = "already_exists"

    def __init__(self, kind: str, value: str) -> None:
        super().__init__(f"{kind} {value[:80]} exists already")
        self.kind = kind
        self.value = value


class HeadMoved(Conflict):
    """The library changed again and again while an edit was tried."""

    code = "head_moved"

    def __init__(self, library_id: str) -> None:
        super().__init__(f"library {library_id} is changing too fast, try again")
        self.library_id = library_id


class CollectionRan(Conflict):
    """Objects that were promised before may have been collected meanwhile: send them again."""

    code = "collection_ran"

    def __init__(self, library_id: str) -> None:
        super().__init__(f"unused objects of library {library_id} were removed meanwhile, start again")
        self.library_id = library_id


class FileLocked(Conflict):
    """Somebody else holds the lock on this file."""

    code = "file_locked"

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(f"{path[:200]} is locked by {holder}")
        self.path = path
        self.holder = holder


class LimitExceeded(SeafleetError):
    """A limit of size or number was met."""

    code = "limit_exceeded"


class QuotaExceeded(LimitExceeded):
    """The owner of the library has no room for this."""

    code = "quota_exceeded"

    def __init__(self, owner: str, quota_bytes: int) -> None:
        super().__init__(f"out of quota ({quota_bytes} bytes)")
        self.owner = owner
        self.quota_bytes = quota_bytes


class FileTooLarge(LimitExceeded):
    """A file or request above the configured size."""

    code = "file_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"larger than {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class TooManySameNames(LimitExceeded):
    """No free numbered name was found for a taken one."""

    code = "too_many_same_names"

    def __init__(self, name: str) -> None:
        super().__init__(f"too many entries are named like {name[:80]!r}")
        self.name = name


class BlocksMissing(LimitExceeded):
    """Files name blocks that the store does not hold."""

    code = "blocks_missing"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"blocks are missing of: {', '.join(names)[:200]}")
        self.names = tuple(names)


class PasswordRequired(SeafleetError):
    """The library is encrypted and its password is not set for this account."""

    code = "password_required"

    def __init__(self, library_id: str) -> None:
        super().__init__(f"library {library_id} is encrypted, its password is needed")
        self.library_id = library_id


class WrongPassword(SeafleetError):
    """Not the password of this library."""

    code = "wrong_password"

    def __init__(self, library_id: str) -> None:
        super().__init__(f"wrong password for library {library_id}")
        self.library_id = library_id


class LibraryDamaged(SeafleetError):
    """The head commit or the root directory of a library cannot be read."""

    code = "library_damaged"

    def __init__(self, library_id: str, reason: str) -> None:
        super().__init__(f"library {library_id} is damaged: {reason}")
        self.library_id = library_id
        self.reason = reason


class StorageFailure(SeafleetError):
    """Disk full, database or object storage out of reach: nothing was acknowledged, try again later."""

    code = "storage_failure"
