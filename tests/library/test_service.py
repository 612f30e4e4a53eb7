"""Libraries themselves: made, found, renamed, limited, given away, deleted and brought back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from seafleet import errors
from seafleet.db.tables import (
    account,
    activity,
    change_feed,
    commit_index,
    garbage_library,
    library_trash,
    user_share,
)
from seafleet.formats.commit import Encryption
from seafleet.formats.encryption import verify_password
from seafleet.ids import ZERO_ID, LibraryId, ObjectId
from seafleet.library.edits import AddFiles, Delete
from seafleet.library.model import Author, LibraryStatus
from tests.library.site import Site, new_file

VECTORS = json.loads((Path(__file__).parent.parent / "fixtures" / "vectors.json").read_text())


def rows(site: Site, statement: Any) -> list[Any]:
    with site.database.read() as connection:
        return list(connection.execute(statement).all())


def test_a_new_library_is_empty_and_has_one_commit(each_site: Site) -> None:
    site = each_site
    made = site.libraries.create(site.owner_id, "Täst", "what it is for")
    head = site.head(made.library_id)
    assert head == made
    assert (head.root_id, head.size_bytes, head.file_count) == (ZERO_ID, 0, 0)
    assert (head.name, head.description, head.owner_email) == ("Täst", "what it is for", site.owner.email)
    assert (head.store_id, head.encrypted, head.is_sub_library) == (head.library_id, False, False)
    assert head.updated_at == head.created_at == site.clock.now()
    commit = site.commit(made.library_id)
    assert (commit.description, commit.parent_id, commit.root_id) == ("Created library", None, ZERO_ID)
    assert (commit.creator_name, commit.library_name) == (site.owner.email, "Täst")


def test_two_libraries_of_one_second_may_share_the_id_of_their_first_commit(site: Site) -> None:
    first, second = site.library("A"), site.library("B")
    assert site.head(first).commit_id == site.head(second).commit_id
    site.upload(first, "/a", "x")
    assert site.tree(second) == {}


def test_a_library_needs_a_name_and_an_owner(site: Site) -> None:
    for name in ("", "a/b", ".."):
        with pytest.raises(errors.InvalidName):
            site.libraries.create(site.owner_id, name)
    with pytest.raises(errors.AccountNotFound):
        site.libraries.create(1 << 40, "A")
    for description in ("nul\0", "\ud800"):
        with pytest.raises(errors.InvalidArgument):
            site.libraries.create(site.owner_id, "A", description)


def test_the_server_makes_keys_from_a_password(site: Site) -> None:
    head = site.libraries.create(site.owner_id, "Secret", password="test-password")
    assert head.encryption is not None
    assert head.encryption.enc_version == 2
    assert verify_password(head.encryption, head.library_id, "test-password")
    assert site.commit(head.library_id).encryption == head.encryption
    assert site.head(head.library_id) == head
    site.upload(head.library_id, "/a", "x")
    assert site.commit(head.library_id).encryption == head.encryption, "every commit repeats it"


def test_a_client_brings_keys_for_an_id_of_its_own(site: Site) -> None:
    vector = VECTORS["encryption"]["v2"]
    library_id = LibraryId.random(site.random)
    keys = Encryption(2, magic=vector["magic"], random_key=vector["random_key"])
    head = site.libraries.create(site.owner_id, "Theirs", encryption=keys, library_id=library_id)
    assert (head.library_id, head.encryption) == (library_id, keys)
    with pytest.raises(errors.InvalidArgument):
        site.libraries.create(site.owner_id, "Bad", encryption=Encryption(2, magic="ab"))


def test_an_id_is_used_once(site: Site) -> None:
    library_id = site.library()
    with pytest.raises(errors.AlreadyExists):
        site.libraries.create(site.owner_id, "Again", library_id=library_id)
    site.libraries.delete(library_id, site.owner)
    with pytest.raises(errors.AlreadyExists):
        site.libraries.create(site.owner_id, "Again", library_id=library_id)
    site.libraries.bin.purge(library_id)
    with pytest.raises(errors.AlreadyExists):
        site.libraries.create(site.owner_id, "Again", library_id=library_id)


def test_a_rename_is_a_commit_of_the_same_tree(site: Site) -> None:
    library = site.library("Old")
    site.upload(library, "/a", "x")
    before = site.head(library)
    after = site.libraries.rename(library, site.owner, name="New", description="text")
    assert (after.name, after.description, after.root_id) == ("New", "text", before.root_id)
    commit = site.commit(library)
    assert commit.description == "Changed library name or description"
    assert (commit.parent_id, commit.library_name) == (before.commit_id, "New")
    site.upload(library, "/b", "x")
    assert site.commit(library).library_name == "New"
    with pytest.raises(errors.InvalidName):
        site.libraries.rename(library, site.owner, name="a/b")


def test_unknown_and_damaged_libraries_are_told_apart(site: Site) -> None:
    library = site.library()
    for missing in ("no id at all", LibraryId.random(site.random)):
        with pytest.raises(errors.LibraryNotFound):
            site.libraries.get(missing)
        assert site.libraries.find(missing) is None
    site.libraries.set_damaged(library, True)
    with pytest.raises(errors.LibraryDamaged):
        site.libraries.get(library)
    found = site.libraries.find(library)
    assert found is not None
    assert found.is_damaged
    site.libraries.set_damaged(library, False)
    assert not site.libraries.get(library).is_damaged


def test_an_edit_of_a_library_without_a_readable_root_is_refused(site: Site) -> None:
    library = site.library()
    root = ObjectId.of(b"not stored")

    def lose_root(tx: Any) -> None:
        tx.connection.exec_driver_sql(f"UPDATE library SET root_id = '{root}' WHERE id = '{library}'")

    site.database.write(lose_root)
    with pytest.raises(errors.LibraryDamaged):
        site.upload(library, "/a", "x")
    with pytest.raises(errors.LibraryNotFound):
        site.upload(LibraryId.random(site.random), "/a", "x")


def test_lists_are_newest_first_and_searched_without_case(site: Site) -> None:
    names = ["Straße", "photos", "PHOTOS 2"]
    made = []
    for name in names:
        site.clock.advance(1)
        made.append(site.library(name))
    site.clock.advance(1)
    site.upload(made[0], "/a", "x")
    found = site.libraries.owned_by(site.owner_id)
    assert [head.name for head in found] == ["Straße", "PHOTOS 2", "photos"]
    found = site.libraries.owned_by(site.owner_id, name_contains="Photo")
    assert [head.name for head in found] == ["PHOTOS 2", "photos"]
    assert site.libraries.owned_by(site.owner_id, name_contains="STRASSE")
    many = site.libraries.get_many([*made, LibraryId.random(site.random)])
    assert set(many) == set(made)


def test_all_libraries_are_listed_in_pages(site: Site) -> None:
    mark = LibraryId.random(site.random)
    made = []
    for number in range(5):
        site.clock.advance(1_000_000)
        made.append(site.library(f"{number} {mark}"))
    site.make_folder(made[0], "/d")
    site.sub_libraries.create(site.head(made[0]), "/d", f"sub {mark}", site.owner)
    names = [head.name[0] for head in site.libraries.list_all(name_contains=mark.upper())]
    assert names == ["0", "4", "3", "2", "1"]
    page = site.libraries.list_all(name_contains=mark, offset=1, limit=2)
    assert [head.name[0] for head in page] == ["4", "3"]
    assert [head.library_id for head in site.libraries.list_all(limit=1)] == [made[0]]


def test_usage_is_what_an_account_owns_without_sub_libraries(site: Site) -> None:
    first, second = site.library("A"), site.library("B")
    site.build(first, {"/d": None, "/d/a": "12345"})
    site.upload(second, "/b", "123")
    site.sub_libraries.create(site.head(first), "/d", "sub", site.owner)
    assert site.libraries.usage(site.owner_id) == 8
    assert len(site.libraries.owned_by(site.owner_id)) == 2
    assert len(site.libraries.owned_by(site.owner_id, sub_libraries=True)) == 3


def test_a_quota_is_full_when_it_would_be_reached(each_site: Site) -> None:
    site = each_site
    library = site.library()
    site.quotas[site.owner_id] = 10
    site.upload(library, "/a", "x" * 9)
    with pytest.raises(errors.QuotaExceeded) as caught:
        site.upload(library, "/b", "x")
    assert (caught.value.owner, caught.value.quota_bytes) == (site.owner.email, 10)
    assert site.tree(library) == {"/a": "x" * 9}
    site.upload(library, "/a", "x" * 5)
    site.upload(library, "/empty", "")
    site.quotas[site.owner_id] = 1
    site.delete(library, "/empty")
    site.upload(library, "/a", "x" * 4)


def test_a_sub_library_counts_against_the_quota_of_its_owner(site: Site) -> None:
    library = site.library()
    site.build(library, {"/d": None, "/d/a": "12345"})
    sub = site.sub_libraries.create(site.head(library), "/d", "sub", site.owner).library_id
    site.quotas[site.owner_id] = 8
    with pytest.raises(errors.QuotaExceeded):
        site.upload(sub, "/b", "123")
    site.upload(sub, "/b", "12")


def test_settings_of_a_library_can_be_changed(site: Site) -> None:
    library = site.library()
    site.libraries.set_history_limit(library, 7)
    site.libraries.set_status(library, LibraryStatus.READ_ONLY)
    head = site.head(library)
    assert (head.history_limit_days, head.status) == (7, LibraryStatus.READ_ONLY)
    with pytest.raises(errors.LibraryNotFound):
        site.libraries.set_history_limit(LibraryId.random(site.random), 7)


def test_a_library_is_given_away_with_its_sub_libraries(site: Site) -> None:
    library = site.library()
    site.make_folder(library, "/d")
    sub = site.sub_libraries.create(site.head(library), "/d", "sub", site.owner).library_id
    other_id, other = site.account()
    site.libraries.set_owner(library, other_id)
    assert site.head(library).owner_email == site.head(sub).owner_email == other.email
    with pytest.raises(errors.AccountNotFound):
        site.libraries.set_owner(library, 1 << 40)


# --- the bin


def test_a_deleted_library_takes_everything_along_that_refers_to_it(each_site: Site) -> None:
    site = each_site
    library = site.library("Gone")
    site.build(library, {"/d": None, "/d/a": "x"})
    sub = site.sub_libraries.create(site.head(library), "/d", "sub", site.owner).library_id
    friend_id, _ = site.account()
    share = {
        "library_id": library,
        "from_account_id": site.owner_id,
        "to_account_id": friend_id,
        "permission": "r",
        "created_at": 0,
    }
    site.database.write(lambda tx: tx.execute(insert(user_share), share).rowcount)
    site.locks.lock(library, "/d/a", site.owner_id)
    head = site.head(library)
    site.libraries.delete(library, site.owner)
    for gone in (library, sub):
        assert site.libraries.find(gone) is None
    assert not rows(site, select(user_share).where(user_share.c.library_id == library))
    assert not site.locks.of(library)
    assert site.sub_libraries.get(sub) is None
    deleted = site.libraries.bin.get(library)
    assert (deleted.name, deleted.owner_email, deleted.commit_id) == (
        "Gone",
        site.owner.email,
        head.commit_id,
    )
    assert deleted.deleted_at == site.clock.now()
    assert rows(site, select(garbage_library.c.store_id).where(garbage_library.c.library_id == sub)) == [
        (sub,)
    ]
    with pytest.raises(errors.LibraryNotFound):
        site.libraries.delete(library, site.owner)


def test_a_restored_library_is_as_it_was(each_site: Site) -> None:
    site = each_site
    library = site.libraries.create(site.owner_id, "Back", "d", password="pw").library_id
    site.upload(library, "/a", "x")
    site.libraries.set_history_limit(library, 30)
    head = site.head(library)
    site.libraries.delete(library, site.owner)
    assert site.libraries.restore(library) == head
    assert site.tree(library) == {"/a": "x"}
    assert site.texts(library) == ['Added "a".']
    with pytest.raises(errors.LibraryNotFound):
        site.libraries.restore(library)


def test_a_library_can_be_restored_for_somebody_else(site: Site) -> None:
    library = site.library()
    other_id, other = site.account()
    site.libraries.delete(library, site.owner)
    with pytest.raises(errors.AccountNotFound):
        site.libraries.restore(library, 1 << 40)
    assert site.libraries.restore(library, other_id).owner_email == other.email


def test_a_library_whose_owner_is_gone_needs_another_one(site: Site) -> None:
    owner_id, author = site.account()
    library = site.libraries.create(owner_id, "Orphan").library_id
    site.libraries.delete(library, author)
    site.database.write(lambda tx: tx.execute(delete(account).where(account.c.id == owner_id)).rowcount)
    assert site.libraries.bin.get(library).owner_id is None
    with pytest.raises(errors.AccountNotFound):
        site.libraries.restore(library)
    assert site.libraries.restore(library, site.owner_id).owner_id == site.owner_id


def test_the_bin_lists_and_purges(site: Site) -> None:
    old, new = site.library("old"), site.library("new")
    site.libraries.delete(old, site.owner)
    site.clock.advance(100)
    site.libraries.delete(new, site.owner)
    listed = site.libraries.bin.list(site.owner_id)
    assert [deleted.name for deleted in listed] == ["new", "old"]
    assert {deleted.library_id for deleted in site.libraries.bin.list()} >= {old, new}
    assert site.libraries.bin.purge_older(site.clock.now() - timedelta(seconds=50)) >= 1
    assert [deleted.name for deleted in site.libraries.bin.list(site.owner_id)] == ["new"]
    garbage = select(garbage_library.c.store_id).where(garbage_library.c.library_id == old)
    assert rows(site, garbage) == [(old,)]
    assert not rows(site, select(commit_index).where(commit_index.c.library_id == old))
    assert not rows(site, select(library_trash).where(library_trash.c.library_id == old))
    with pytest.raises(errors.LibraryNotFound):
        site.libraries.bin.purge(old)


# --- records


def test_what_happens_is_recorded_with_it(each_site: Site) -> None:
    site = each_site
    library = site.library("Recorded")
    outcome = site.do(library, AddFiles("/", (new_file("a.txt", "x"),)))
    site.do(library, Delete.path("/a.txt"))
    site.libraries.rename(library, Author("other@example.org"), name="Renamed")
    site.libraries.delete(library, site.owner)
    found = rows(site, select(activity).where(activity.c.library_id == library).order_by(activity.c.id))
    assert [(row.op_type, row.obj_type, row.path) for row in found] == [
        ("create", "repo", "/"),
        ("create", "file", "/a.txt"),
        ("delete", "file", "/a.txt"),
        ("rename", "repo", "/"),
        ("delete", "repo", "/"),
    ]
    assert found[1].commit_id == outcome.commit_id
    assert found[3].op_user == "other@example.org"
    assert json.loads(found[1].detail)["repo_name"] == "Recorded"
    assert json.loads(found[1].detail)["size"] == 1


def test_other_workers_learn_of_moved_heads(site: Site) -> None:
    library = site.library()
    commit_id = site.upload(library, "/a", "x")
    feed = select(change_feed).where(change_feed.c.library_id == library).order_by(change_feed.c.id)
    found = rows(site, feed)
    assert [row.kind for row in found] == ["library", "head"]
    assert json.loads(found[1].payload) == {"commit_id": commit_id}


def test_times_are_utc(site: Site) -> None:
    library = site.library()
    site.clock.advance(60)
    site.upload(library, "/a", "x")
    assert site.head(library).updated_at == datetime.fromtimestamp(site.clock.seconds, UTC)
