"""What each operation of the manual is tried on: a library with a past, and people of every standing."""

from __future__ import annotations

import dataclasses
import itertools
import random
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpx
from sqlalchemy import insert

from seafleet.accounts.model import Account
from seafleet.actor import Actor
from seafleet.db.tables import group, group_member
from seafleet.formats.encryption import new_encryption
from seafleet.ids import LibraryId
from seafleet.library.edits import AddFiles, Delete, MakeFolders
from seafleet.library.model import Author, Edit, Head
from seafleet.sharing.model import Permission
from tests.library.site import new_file
from tests.support.inprocess import InProcessServer

NOWHERE = "00000000-0000-4000-8000-000000000000"
NO_OBJECT = "0" * 39 + "1"
PASSWORD = "open sesame"
CONTENT = "# note"
_numbers = itertools.count(1)


class Caller:
    """An account that sends requests, or nobody."""

    def __init__(self, server: InProcessServer, account: Account | None) -> None:
        self.server = server
        self.account = account
        self.headers = {"Authorization": f"Token {server.api_token(account)}"} if account else {}

    @property
    def email(self) -> str:
        """The address of the account."""
        return self.account.email if self.account else ""

    @cached_property
    def home(self) -> str:
        """The id of a library of the caller's own."""
        assert self.account is not None
        return self.server.library(self.account).library_id

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request to a path or URL."""
        url = path if path.startswith("http") else self.server.url + path
        return self.server.http.request(method, url, headers=self.headers, **options)


@dataclass
class People:
    """One caller of each standing; the shares are made for each library anew."""

    server: InProcessServer
    writer: Caller = field(init=False)
    reader: Caller = field(init=False)
    group_writer: Caller = field(init=False)
    group_reader: Caller = field(init=False)
    stranger: Caller = field(init=False)
    staff: Caller = field(init=False)
    guest: Caller = field(init=False)
    nobody: Caller = field(init=False)
    groups: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        for name in ("writer", "reader", "group_writer", "group_reader", "stranger"):
            setattr(self, name, Caller(self.server, self.server.account()))
        self.staff = Caller(self.server, self.server.account(is_staff=True))
        self.guest = Caller(self.server, self.server.account(role="guest"))
        self.nobody = Caller(self.server, None)
        self.groups = {name: self._group(getattr(self, name)) for name in ("group_writer", "group_reader")}

    def share(self, library: Head, by: Account) -> None:
        """Let everybody but the stranger reach a library."""
        shares, actor = self.server.services.shares, Actor(by.id, by.email)
        for caller, word in ((self.writer, Permission.WRITE), (self.reader, Permission.READ)):
            assert caller.account is not None
            shares.share_with_accounts(library.library_id, [caller.account.id], word, actor)
        for name, word in (("group_writer", Permission.WRITE), ("group_reader", Permission.READ)):
            shares.share_with_group(library.library_id, self.groups[name], word, actor)

    def _group(self, member: Caller) -> int:
        assert member.account is not None
        row = {"name": f"group {next(_numbers)}", "creator_email": "", "created_at_us": 0}
        account_id = member.account.id

        def work(tx: Any) -> int:
            group_id = tx.execute(insert(group), row).inserted_primary_key[0]
            values = {"group_id": group_id, "account_id": account_id, "joined_at": 0}
            tx.execute(insert(group_member), values)
            return int(group_id)

        return self.server.services.db.write(work)


@dataclass
class Scene:
    """A library of `owner`: `/a/b/deep.txt`, `/a/empty/`, `/note.md`; `/gone.txt` and `/lost/` were deleted.

    `old` is the commit that still had them; in `first` the note had other content. The vault is encrypted and
    shared alike.
    """

    server: InProcessServer
    people: People
    owner: Caller
    library: Head
    vault: Head
    first: str
    old: str

    @cached_property
    def made_up(self) -> str:
        """The id of an encrypted library whose keys its client made up: the password opens nothing."""
        assert self.owner.account is not None
        library_id = LibraryId(str(uuid.uuid4()))
        keys = new_encryption(library_id, PASSWORD, random.Random(1))
        wrong = dataclasses.replace(keys, random_key="0" * 96)
        self.server.services.libraries.create(
            self.owner.account.id, "made up", encryption=wrong, library_id=library_id
        )
        return library_id

    @property
    def values(self) -> dict[str, str]:
        """What placeholders in requests stand for, but for the caller's own."""
        found = self.server.entry(self.library, "/note.md")
        head = self.server.head(self.library)
        blocks = self.server.services.trees.file(head.store_id, found.id).block_ids if found else ("",)
        keys = self.vault.encryption
        assert keys is not None
        return {
            "repo_id": self.library.library_id,
            "vault": self.vault.library_id,
            "made_up": self.made_up,
            "first": self.first,
            "old": self.old,
            "owner": self.owner.email,
            "nowhere": NOWHERE,
            "file_id": found.id if found else "",
            "block_id": blocks[0],
            "commit_id": head.commit_id,
            "magic": keys.magic or "",
            "password": PASSWORD,
            "foreign": self.people.stranger.home,
            "friend": self.people.stranger.email,
            "guest": self.people.guest.email,
        }


def make_scene(server: InProcessServer, people: People, *, quota_bytes: int | None = None) -> Scene:
    """Return a library and a vault of a new account, shared with the people."""
    owner = Caller(server, server.account())
    assert owner.account is not None
    library = server.library(owner.account)
    vault = server.library(owner.account, password=PASSWORD)
    server.services.libraries.commit_edit(vault.library_id, Author(owner.email), MakeFolders("/", "a"))
    first, old = _fill(server, library.library_id, Author(owner.email))
    for each in (library, vault):
        people.share(each, owner.account)
    if quota_bytes is not None:
        server.services.accounts.update(owner.account, quota_bytes=quota_bytes)
    return Scene(server, people, owner, library, vault, first, old)


def _fill(server: InProcessServer, library_id: LibraryId, author: Author) -> tuple[str, str]:
    """Give a library content and a past; return its first commit, and that before something was deleted."""
    edits: tuple[Edit[Any], ...] = (
        AddFiles("/", (new_file("note.md", "older"),)),
        MakeFolders("/", "a/b"),
        MakeFolders("/", "a/empty"),
        AddFiles("/a/b", (new_file("deep.txt", "deep"),)),
        AddFiles("/", (new_file("note.md", CONTENT), new_file("gone.txt", "gone")), replace=True),
        AddFiles("/", (new_file("in.txt", "lost"),), relative_path="lost"),
    )
    libraries = server.services.libraries
    commits = [libraries.commit_edit(library_id, author, edit).commit_id for edit in edits]
    libraries.commit_edit(library_id, author, Delete("/", ("gone.txt", "lost")))
    return commits[0], commits[-1]
