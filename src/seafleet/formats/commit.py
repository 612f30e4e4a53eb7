"""Commits: plain JSON text, not compressed.

=====================  ============  ==================  ==============================================
key                    type          present             field of `Commit`
=====================  ============  ==================  ==============================================
commit_id              40 hex        always              commit_id
root_id                40 hex        always              root_id; the zero id when nothing is in it
repo_id                UUID          always              library_id
creator_name           string        normally            creator_name, ASCII letters lower-cased
creator                40 characters always              creator: the device; zero id for the server
description            string        always              description
ctime                  integer       always              ctime, Unix seconds
parent_id              40 hex, null  always              parent_id
second_parent_id       40 hex, null  always              second_parent_id, of merges
repo_name, repo_desc   string        always              library_name, library_description
repo_category          null          always              none: unused
device_name            string        from sync clients   device_name
client_version         string        from sync clients   client_version
encrypted              ``"true"``    encrypted           encryption is not None
enc_version            integer 1..4  encrypted           encryption.enc_version
magic                  hex           without pwd_hash    encryption.magic
key                    96 hex        from version 2      encryption.random_key
salt                   64 hex        from version 3      encryption.salt
pwd_hash, …            strings       instead of magic    encryption.pwd_hash, …_algo, …_params
no_local_history       integer 1     but for Go's        none: says nothing on a server
version                integer       absent means 0      version
conflict               integer 1     some merges         conflict
new_merge              integer 1     merges              new_merge
repaired               integer 1     after a repair      repaired
=====================  ============  ==================  ==============================================

The id is the SHA-1 of root id, creator, creator name and description, each closed by a NUL, and the time as
eight bytes. Library and parents are *not* in it: an id says something only together with its library, and
within a library two changes in one second may meet (`Commit.make` shows the way out).

Source: storage format §3, §4; the order of keys and the spelling as written by the C server and by the
desktop client 8.0.10.
"""

from __future__ import annotations

import dataclasses
import string
from dataclasses import dataclass
from typing import Annotated, Final, TypedDict, Unpack

import msgspec

from seafleet.errors import MalformedObject
from seafleet.formats.jsonform import dumps_as_given, loads
from seafleet.ids import ZERO_ID, LibraryId, ObjectId, looks_like_library_id, looks_like_object_id

VERSION: Final = 1
"""The library format version that is written today."""

_KIND: Final = "commit"
_CREATOR_LENGTH: Final = 40
_MAGIC_LENGTH: Final = 64
_VERSION1_MAGIC_LENGTH: Final = 32
_KEY_LENGTH: Final = 96
_SALT_LENGTH: Final = 64
_LAST_ENC_VERSION: Final = 4
_LOWER_ASCII: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True, slots=True)
class Encryption:
    """What a commit says about the encryption of its library. Every commit of the library repeats it.

    All strings are hexadecimal but the algorithm's name and parameters, which are kept exactly as they
    came: they are what verifies. Either `magic` or the three `pwd_hash` fields are set.
    """

    enc_version: int
    magic: str | None = None
    random_key: str | None = None
    salt: str | None = None
    pwd_hash: str | None = None
    pwd_hash_algo: str | None = None
    pwd_hash_params: str | None = None


class _OtherFields(TypedDict, total=False):
    parent_id: ObjectId | None
    second_parent_id: ObjectId | None
    library_name: str
    library_description: str
    device_name: str | None
    client_version: str | None
    encryption: Encryption | None
    conflict: bool
    new_merge: bool
    repaired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One immutable state of a library. `ctime` is in Unix seconds."""

    commit_id: ObjectId
    library_id: LibraryId
    root_id: ObjectId
    creator_name: str | None
    description: str
    ctime: int
    parent_id: ObjectId | None = None
    second_parent_id: ObjectId | None = None
    creator: str = ZERO_ID
    library_name: str = ""
    library_description: str = ""
    device_name: str | None = None
    client_version: str | None = None
    encryption: Encryption | None = None
    version: int = VERSION
    conflict: bool = False
    new_merge: bool = False
    repaired: bool = False

    @classmethod
    def make(
        cls,
        *,
        library_id: LibraryId,
        root_id: ObjectId,
        creator_name: str | None,
        description: str,
        ctime: int,
        creator: str = ZERO_ID,
        **others: Unpack[_OtherFields],
    ) -> Commit:
        """Return a commit with its id computed; `others` are the other fields of the class.

        When the library already holds another commit of that id, go on with `later()` until it is free.
        """
        return cls(
            commit_id=commit_id(root_id, creator, creator_name, description, ctime),
            library_id=library_id,
            root_id=root_id,
            creator_name=creator_name,
            description=description,
            ctime=ctime,
            creator=creator,
            **others,
        )

    def later(self, seconds: int = 1) -> Commit:
        """Return the same commit made that much later, under another id."""
        ctime = self.ctime + seconds
        new_id = commit_id(self.root_id, self.creator, self.creator_name, self.description, ctime)
        return dataclasses.replace(self, commit_id=new_id, ctime=ctime)

    @property
    def parent_ids(self) -> tuple[ObjectId, ...]:
        """The parents: none for the first commit, two for a merge."""
        return tuple(parent for parent in (self.parent_id, self.second_parent_id) if parent)


def commit_id(
    root_id: ObjectId, creator: str, creator_name: str | None, description: str, ctime: int
) -> ObjectId:
    """Return the id of a commit, after the C server's rule. Raises MalformedObject for lone surrogates."""
    return _hashed(root_id, creator, creator_name, description, ctime, end=b"\0")


def _hashed(
    root_id: str, creator: str, creator_name: str | None, description: str, ctime: int, *, end: bytes
) -> ObjectId:
    parts = (
        [root_id, creator, description]
        if creator_name is None
        else [root_id, creator, creator_name, description]
    )
    try:
        data = b"".join(part.encode() + end for part in parts)
    except UnicodeEncodeError:
        raise MalformedObject(_KIND, "a lone surrogate has no UTF-8 form") from None
    return ObjectId.of(data + ctime.to_bytes(8, "big", signed=True))


def encode(commit: Commit) -> bytes:
    """Return the stored text of a commit."""
    keys: dict[str, object] = {
        "commit_id": commit.commit_id,
        "root_id": commit.root_id,
        "repo_id": commit.library_id,
        **_present(creator_name=commit.creator_name),
        "creator": commit.creator,
        "description": commit.description,
        "ctime": commit.ctime,
        "parent_id": commit.parent_id,
        "second_parent_id": commit.second_parent_id,
        "repo_name": commit.library_name,
        "repo_desc": commit.library_description,
        "repo_category": None,
        **_present(device_name=commit.device_name, client_version=commit.client_version),
        **_encryption_keys(commit.encryption),
        "no_local_history": 1,
        **_present(version=commit.version or None),
        **_present(conflict=commit.conflict or None, new_merge=commit.new_merge or None),
        **_present(repaired=commit.repaired or None),
    }
    return dumps_as_given(keys)


def _present(**keys: object) -> dict[str, object]:
    return {key: int(value) if value is True else value for key, value in keys.items() if value is not None}


def _encryption_keys(encryption: Encryption | None) -> dict[str, object]:
    if encryption is None:
        return {}
    return {
        "encrypted": "true",
        "enc_version": encryption.enc_version,
        **_present(
            magic=encryption.magic if encryption.pwd_hash is None else None,
            pwd_hash=encryption.pwd_hash,
            pwd_hash_algo=encryption.pwd_hash_algo,
            pwd_hash_params=encryption.pwd_hash_params,
            key=encryption.random_key,
            salt=encryption.salt,
        ),
    }


_Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _Wire(msgspec.Struct):
    commit_id: str
    root_id: str
    repo_id: str
    creator: str
    ctime: _Integer
    creator_name: str | None = None
    description: str | None = None
    parent_id: str | None = None
    second_parent_id: str | None = None
    repo_name: str | None = None
    repo_desc: str | None = None
    device_name: str | None = None
    client_version: str | None = None
    encrypted: str | None = None
    enc_version: _Integer | None = None
    magic: str | None = None
    key: str | None = None
    salt: str | None = None
    pwd_hash: str | None = None
    pwd_hash_algo: str | None = None
    pwd_hash_params: str | None = None
    version: _Integer | None = None
    conflict: _Integer | None = None
    new_merge: _Integer | None = None
    repaired: _Integer | None = None


_decoder: Final = msgspec.json.Decoder(_Wire)


def decode(stored: bytes) -> Commit:
    """Return the commit of a stored text. Unknown keys are ignored, a closing NUL is cut off.

    Raises MalformedObject when an id has the wrong form, the creator is not 40 characters long, or the
    fields of an encrypted library are missing or of the wrong length. The id is not compared with the
    content: see `names_itself_rightly`.
    """
    return _commit(_wire(stored))


def names_itself_rightly(stored: bytes) -> bool:
    """Tell whether the text's `commit_id` is its hash, after either rule in use.

    The Go file server leaves the NULs out. Raises MalformedObject as `decode` does.
    """
    wire = _wire(stored)
    _commit(wire)
    hashed = (wire.root_id, wire.creator, wire.creator_name, wire.description or "", wire.ctime)
    return any(wire.commit_id == _hashed(*hashed, end=end) for end in (b"\0", b""))


def _wire(stored: bytes) -> _Wire:
    return loads(_decoder, stored.removesuffix(b"\0"), _KIND)


def _commit(wire: _Wire) -> Commit:
    if len(wire.creator) != _CREATOR_LENGTH:
        raise MalformedObject(_KIND, "creator is not 40 characters long")
    if not looks_like_library_id(wire.repo_id):
        raise MalformedObject(_KIND, "repo_id is not a UUID")
    return Commit(
        commit_id=_object_id("commit_id", wire.commit_id),
        library_id=LibraryId(wire.repo_id),
        root_id=_object_id("root_id", wire.root_id),
        creator_name=None if wire.creator_name is None else wire.creator_name.translate(_LOWER_ASCII),
        creator=wire.creator,
        description=wire.description or "",
        ctime=wire.ctime,
        parent_id=_optional_id("parent_id", wire.parent_id),
        second_parent_id=_optional_id("second_parent_id", wire.second_parent_id),
        library_name=wire.repo_name or "",
        library_description=wire.repo_desc or "",
        device_name=wire.device_name,
        client_version=wire.client_version,
        encryption=_encryption(wire) if wire.encrypted == "true" else None,
        version=wire.version or 0,
        conflict=bool(wire.conflict),
        new_merge=bool(wire.new_merge),
        repaired=bool(wire.repaired),
    )


def _object_id(key: str, text: str) -> ObjectId:
    if not looks_like_object_id(text):
        raise MalformedObject(_KIND, f"{key} is not 40 lower-case hexadecimal digits")
    return ObjectId(text)


def _optional_id(key: str, text: str | None) -> ObjectId | None:
    return None if text is None else _object_id(key, text)


def _encryption(wire: _Wire) -> Encryption:
    enc_version = wire.enc_version or 0
    if not 0 <= enc_version <= _LAST_ENC_VERSION:
        raise MalformedObject(_KIND, f"enc_version {enc_version}")
    if enc_version >= 1:
        length = _MAGIC_LENGTH if enc_version > 1 else _VERSION1_MAGIC_LENGTH
        _check_length("magic or pwd_hash", wire.magic or wire.pwd_hash, length)
    if enc_version >= 2:
        _check_length("key", wire.key, _KEY_LENGTH)
    if enc_version >= 3:
        _check_length("salt", wire.salt, _SALT_LENGTH)
    return Encryption(
        enc_version=enc_version,
        magic=wire.magic or None,
        random_key=wire.key or None,
        salt=wire.salt or None,
        pwd_hash=wire.pwd_hash or None,
        pwd_hash_algo=wire.pwd_hash_algo or None,
        pwd_hash_params=wire.pwd_hash_params or None,
    )


def _check_length(key: str, text: str | None, length: int) -> None:
    if text is None or len(text) != length:
        raise MalformedObject(_KIND, f"{key} is not {length} characters long")
