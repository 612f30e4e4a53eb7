"""Libraries made by the reference server: taken over from its data folder, read, and edited on top of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from seafleet import errors
from seafleet.db.engine import Database
from seafleet.formats.ciphers import BlockCipher
from seafleet.formats.fs import Dirent
from seafleet.ids import LibraryId, ObjectId
from seafleet.library.adoption import Origin, adopt
from seafleet.library.edits import MakeFolders, Rename
from seafleet.library.model import Head
from seafleet.store.contract import Kind
from seafleet.store.seafile_folder import SeafileFolder
from tests.library.site import Site, new_file

FOLDER = Path(__file__).parent.parent / "fixtures" / "seafile-objects"
PLAIN, ENCRYPTED, SUB = json.loads((FOLDER / "manifest.json").read_text())["libraries"]
Fixture = dict[str, Any]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    database = Database.open(str(tmp_path / "own.db"))
    opened = Site(database, layers=(SeafileFolder(FOLDER),))
    opened.clock.seconds = PLAIN["commits_newest_first"][0]["ctime"] + 1000
    yield opened
    opened.libraries.close()
    database.close()


def take(site: Site, fixture: Fixture) -> Head:
    origin = None
    if fixture["origin_repo_id"]:
        base = ObjectId(PLAIN["head_commit_id"])
        origin = Origin(LibraryId(fixture["origin_repo_id"]), fixture["origin_path"], base)
    return adopt(
        site.libraries,
        LibraryId(fixture["repo_id"]),
        ObjectId(fixture["head_commit_id"]),
        site.owner_id,
        origin=origin,
    )


def digest(site: Site, head: Head, entry: Dirent, cipher: BlockCipher | None = None) -> dict[str, object]:
    file = site.trees.file(head.store_id, entry.id)
    blocks = [site.objects.get(head.store_id, Kind.BLOCK, block) for block in file.block_ids]
    content = b"".join(blocks if cipher is None else map(cipher.decrypt, blocks))
    return {"sha1": hashlib.sha1(content).hexdigest(), "size": len(content)}


def files(site: Site, head: Head, cipher: BlockCipher | None = None) -> dict[str, object]:
    return {
        path: digest(site, head, entry, cipher)
        for path, entry in site.trees.walk(head.store_id, head.root_id)
        if not entry.is_dir
    }


def test_every_file_and_the_sums_of_a_plain_library_are_right(site: Site) -> None:
    head = take(site, PLAIN)
    assert files(site, head) == PLAIN["paths"]
    assert (head.root_id, head.name) == (PLAIN["root_id"], PLAIN["name"])
    assert head.size_bytes == sum(file["size"] for file in PLAIN["paths"].values())
    assert head.file_count == len(PLAIN["paths"])
    assert site.libraries.get(head.library_id) == head


def test_an_encrypted_library_opens_with_its_password(site: Site) -> None:
    head = take(site, ENCRYPTED)
    with pytest.raises(errors.PasswordRequired):
        site.passwords.cipher(head, site.owner_id)
    with pytest.raises(errors.WrongPassword):
        site.passwords.set(head, site.owner_id, "wrong")
    site.passwords.set(head, site.owner_id, ENCRYPTED["password"])
    assert files(site, head, site.passwords.cipher(head, site.owner_id)) == ENCRYPTED["paths"]


def test_history_is_that_of_the_reference_server(site: Site) -> None:
    head = take(site, PLAIN)
    expected = [(each["commit_id"], each["description"]) for each in PLAIN["commits_newest_first"]]
    found = [(entry.commit_id, entry.description) for entry in site.history.commits(head)]
    assert found[-1] == expected[-1]
    assert sorted(found) == sorted(expected)
    parents = {each["commit_id"]: each["parent_id"] for each in PLAIN["commits_newest_first"]}
    chain = [entry.commit_id for entry in site.history.heads(head.library_id, head.commit_id)]
    assert all(parents[newer] == older for newer, older in pairwise(chain))
    assert len(chain) == len(expected)


def test_an_adopted_library_is_edited_on_top_of_what_it_was(site: Site) -> None:
    head = take(site, PLAIN)
    library = head.library_id
    site.do(library, MakeFolders("/docs", "new/one"))
    site.upload(library, "/docs/new/one/f.txt", "hello")
    site.do(library, Rename("/docs/nested", "renamed"))
    site.delete(library, "/big9.bin")
    after = site.head(library)
    site.check(library)
    found = files(site, after)
    assert found.pop("/docs/new/one/f.txt") == {"sha1": hashlib.sha1(b"hello").hexdigest(), "size": 5}
    expected = {
        path.replace("/docs/nested/", "/docs/renamed/"): file
        for path, file in PLAIN["paths"].items()
        if path != "/big9.bin"
    }
    assert found == expected
    chain = list(site.history.heads(library, after.commit_id))
    assert chain[4].commit_id == head.commit_id
    with pytest.raises(errors.ObjectMissing):
        Site(site.database).objects.get(library, Kind.FS, head.root_id)  # nothing old was copied


def test_an_adopted_sub_library_stays_in_step_with_its_origin(site: Site) -> None:
    origin = take(site, PLAIN)
    sub = take(site, SUB)
    assert (sub.store_id, sub.is_sub_library) == (origin.library_id, True)
    assert files(site, sub) == SUB["paths"]
    site.upload(sub.library_id, "/nested/from-sub", "sub")
    site.upload(origin.library_id, "/docs/from-origin", "origin")
    assert site.sub_libraries.run_pending() == 1
    both = [path for path in files(site, site.head(sub.library_id)) if "from-" in path]
    assert both == ["/from-origin", "/from-sub.txt", "/nested/from-sub"]
    assert set(files(site, site.head(origin.library_id))) >= {f"/docs{path}" for path in both}


def test_what_cannot_be_adopted_is_refused(site: Site) -> None:
    library = LibraryId(PLAIN["repo_id"])
    with pytest.raises(errors.LibraryDamaged):
        adopt(site.libraries, library, ObjectId.of(b"no such commit"), site.owner_id)
    head = ObjectId(PLAIN["head_commit_id"])
    with pytest.raises(errors.AccountNotFound):
        adopt(site.libraries, library, head, 1 << 40)
    take(site, PLAIN)
    with pytest.raises(errors.AlreadyExists):
        take(site, PLAIN)


def test_a_library_whose_tree_has_holes_is_damaged(site: Site) -> None:
    broken = Site(site.database, layers=(_Holes(FOLDER),))
    with pytest.raises(errors.LibraryDamaged):
        take(broken, PLAIN)
    broken.libraries.close()


class _Holes(SeafileFolder):
    """The folder without one directory."""

    def read(
        self, store_id: str, kind: Kind, object_id: ObjectId, offset: int = 0, length: int | None = None
    ) -> bytes | None:
        if object_id == PLAIN["root_id"]:
            return None
        return super().read(store_id, kind, object_id, offset, length)


def test_uploads_of_known_content_are_not_stored_twice_under_other_names(site: Site) -> None:
    head = take(site, PLAIN)
    file = new_file("again.txt", "hello")
    site.upload(head.library_id, "/a", "hello")
    site.upload(head.library_id, "/b", "hello")
    assert site.entry(head.library_id, "/a").id == site.entry(head.library_id, "/b").id == file.file_id
