"""Commits made elsewhere, or on an older head: fast-forwarded, merged, or known already."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from sqlalchemy import select

from seafleet import errors, paths
from seafleet.db.tables import activity
from seafleet.formats.commit import Commit, encode
from seafleet.formats.fs import Dirent
from seafleet.ids import LibraryId, ObjectId
from seafleet.library.editor import TreeEditor
from seafleet.library.edits import UpdateFile
from seafleet.library.model import Author, PushOutcome
from seafleet.library.pushes import Push, UpdateOnBase
from seafleet.store.contract import Kind
from seafleet.store.generation import advance
from tests.library.site import Site, new_file

CLIENT = Author("client@example.org", device_name="laptop", client_version="9.0.5")
DEVICE = "d" * 40


def commit_on(
    site: Site,
    library: LibraryId,
    parent_id: ObjectId,
    files: Mapping[str, str | None],
    text: str = "pushed",
    renames: Mapping[str, str] | None = None,
) -> ObjectId:
    """Store a client's commit on top of another one: it puts files, or for None removes them, and renames."""
    head = site.head(library)
    parent = site.libraries.commits.get(library, parent_id)
    editor = TreeEditor(
        site.trees, head.store_id, parent.root_id, now=site.clock.timestamp(), modifier=CLIENT.email
    )
    for path, content in files.items():
        put(site, editor, path, content)
    for path, name in (renames or {}).items():
        editor.rename(path, name)
    edited = editor.finish()
    site.objects.put(head.store_id, Kind.FS, edited.objects)
    commit = Commit.make(
        library_id=library,
        root_id=edited.root_id,
        creator_name=CLIENT.email,
        description=text,
        ctime=site.clock.timestamp(),
        creator=DEVICE,
        parent_id=parent_id,
        library_name=head.name,
        device_name=CLIENT.device_name,
        client_version=CLIENT.client_version,
    )
    site.objects.put(library, Kind.COMMIT, [(commit.commit_id, encode(commit))])
    return commit.commit_id


def put(site: Site, editor: TreeEditor, path: str, content: str | None) -> None:
    if content is None:
        editor.remove(path)
        return
    parent, name = paths.split(path)
    file = new_file(name, content)
    for kind, object_id, data in file.pending:
        site.objects.put(editor.store_id, kind, [(object_id, data)])
    editor.make_folder_chain(parent)
    mtime = editor.now
    entry = Dirent.file(name, file.file_id, size=file.size, mtime=mtime, modifier=CLIENT.email)
    editor.put(parent, entry, replace=True)


def pushed_file(site: Site, library: LibraryId, parent_id: ObjectId, path: str, content: str) -> ObjectId:
    return commit_on(site, library, parent_id, {path: content}, f"pushed {path}")


def push(site: Site, library: LibraryId, commit_id: ObjectId) -> PushOutcome:
    return site.libraries.run_task(library, Push(CLIENT, library, commit_id))


def test_a_commit_on_the_head_becomes_the_head(each_site: Site) -> None:
    site = each_site
    library = site.library()
    base = site.upload(library, "/a", "x")
    commit_id = commit_on(site, library, base, {"/d/b": "yy", "/a": None})
    outcome = push(site, library, commit_id)
    assert outcome == PushOutcome(commit_id, site.head(library).root_id, merged=False, changed=True)
    assert site.head(library).commit_id == commit_id
    assert site.tree(library) == {"/d": None, "/d/b": "yy"}
    assert site.head(library).last_modifier == CLIENT.email
    site.check(library)
    entry = site.history.entry(library, commit_id)
    assert (entry.device_name, entry.client_version) == ("laptop", "9.0.5")


def test_a_commit_on_an_older_head_is_merged(each_site: Site) -> None:
    site = each_site
    library = site.library()
    base = site.build(library, {"/a": "x", "/b": "x"})
    theirs = commit_on(site, library, base, {"/theirs": "y", "/b": None})
    mine = site.upload(library, "/mine", "z")
    site.clock.advance(5)
    outcome = push(site, library, theirs)
    assert (outcome.merged, outcome.commit_id) == (True, site.head(library).commit_id)
    assert site.tree(library) == {"/a": "x", "/mine": "z", "/theirs": "y"}
    site.check(library)
    commit = site.commit(library)
    assert commit.parent_ids == (mine, theirs)
    assert (commit.new_merge, commit.conflict, commit.creator) == (True, False, "0" * 40)
    assert (commit.creator_name, commit.device_name) == (CLIENT.email, None)
    assert commit.description == "Auto merge by system"
    assert commit.ctime == site.clock.timestamp()


def test_two_contents_of_one_file_are_both_kept(site: Site) -> None:
    library = site.library()
    base = site.upload(library, "/a.txt", "old")
    theirs = commit_on(site, library, base, {"/a.txt": "theirs"})
    stamp = site.clock.now().strftime("%Y-%m-%d-%H-%M-%S")
    site.upload(library, "/a.txt", "mine")
    push(site, library, theirs)
    conflict = f"/a (SFConflict client@example.org {stamp}).txt"
    assert site.tree(library) == {"/a.txt": "mine", conflict: "theirs"}
    commit = site.commit(library)
    assert commit.conflict
    assert commit.description == f'Added or modified "{conflict[1:]}".\n'
    site.check(library)


def test_a_push_repeated_changes_nothing(site: Site) -> None:
    library = site.library()
    base = site.upload(library, "/a", "old")
    theirs = commit_on(site, library, base, {"/a": "theirs"})
    site.upload(library, "/a", "mine")
    push(site, library, theirs)
    after = site.head(library)
    again = push(site, library, theirs)
    assert (again.changed, again.merged, again.commit_id) == (False, False, after.commit_id)
    assert push(site, library, base).changed is False
    assert site.head(library) == after


def test_commits_in_between_come_along(site: Site) -> None:
    library = site.library()
    base = site.upload(library, "/a", "x")
    first = commit_on(site, library, base, {"/1": "1"}, "first")
    second = commit_on(site, library, first, {"/2": "2"}, "second")
    outcome = push(site, library, second)
    assert (outcome.merged, outcome.commit_id) == (False, second)
    assert site.texts(library)[:2] == ["second", "first"]


def test_what_several_commits_changed_is_merged_from_where_they_left_the_history(site: Site) -> None:
    library = site.library()
    base = site.upload(library, "/a", "x")
    first = commit_on(site, library, base, {"/1": "1"}, "first")
    second = commit_on(site, library, first, {"/2": "2"}, "second")
    site.upload(library, "/mine", "z")
    assert push(site, library, second).merged
    assert site.tree(library) == {"/a": "x", "/1": "1", "/2": "2", "/mine": "z"}
    assert not push(site, library, first).changed


def test_a_commit_needs_its_parents(site: Site) -> None:
    library = site.library()
    with pytest.raises(errors.CommitNotFound):
        push(site, library, ObjectId.of(b"unknown"))
    root = site.head(library).root_id
    orphan = Commit.make(
        library_id=library,
        root_id=root,
        creator_name="x",
        description="",
        ctime=1,
        parent_id=ObjectId.of(b"unknown"),
    )
    rootless = Commit.make(library_id=library, root_id=root, creator_name="y", description="", ctime=1)
    for commit in (orphan, rootless):
        site.objects.put(library, Kind.COMMIT, [(commit.commit_id, encode(commit))])
        with pytest.raises(errors.CommitNotFound):
            push(site, library, commit.commit_id)


def test_a_push_may_not_touch_what_others_have_locked(site: Site) -> None:
    library = site.library()
    base = site.build(library, {"/a": "x", "/d": None, "/d/b": "x"})
    site.locks.lock(library, "/a", site.owner_id)
    site.locks.lock(library, "/d/b", site.owner_id)
    for change in ({"/a": "changed"}, {"/a": None}, {"/d": None}):
        with pytest.raises(errors.FileLocked):
            push(site, library, commit_on(site, library, base, change))
    assert push(site, library, commit_on(site, library, base, {"/c": "free"})).changed


def test_a_push_beyond_the_quota_is_refused(site: Site) -> None:
    library = site.library()
    base = site.upload(library, "/a", "x")
    site.quotas[site.owner_id] = 10
    with pytest.raises(errors.QuotaExceeded):
        push(site, library, commit_on(site, library, base, {"/b": "x" * 20}))
    assert site.head(library).commit_id == base


def test_a_push_after_a_collection_has_to_start_again(site: Site) -> None:
    library = site.library()
    base = site.upload(library, "/a", "x")
    seen = site.objects.generation(library)
    commit_id = commit_on(site, library, base, {"/b": "x"})
    later = site.clock.timestamp() + 10_000
    site.database.write(lambda tx: advance(tx, library, later, site.random))
    with pytest.raises(errors.CollectionRan):
        site.libraries.run_task(library, Push(CLIENT, library, commit_id, seen))
    assert site.libraries.run_task(library, Push(CLIENT, library, commit_id)).changed


@pytest.mark.parametrize("ctime", [-1, 1 << 62])
def test_commits_with_impossible_times_and_endless_names_are_taken_as_they_are(
    each_site: Site, ctime: int
) -> None:
    site = each_site
    library = site.library()
    head = site.head(library)
    commit = Commit.make(
        library_id=library,
        root_id=head.root_id,
        creator_name="x" * 1000,
        description="y" * 5000,
        ctime=ctime,
        parent_id=head.commit_id,
        device_name="z" * 1000,
        client_version="9" * 1000,
    )
    site.objects.put(library, Kind.COMMIT, [(commit.commit_id, encode(commit))])
    assert push(site, library, commit.commit_id).changed
    after = site.head(library)
    assert (after.commit_id, len(after.last_modifier)) == (commit.commit_id, 255)
    assert site.history.entry(library, commit.commit_id).ctime == ctime
    assert site.upload(library, "/a", "x") == site.head(library).commit_id


def test_a_tree_that_claims_to_be_endless_is_refused(site: Site) -> None:
    library = site.library()
    base = site.upload(library, "/a", "x")
    huge = commit_on(site, library, base, {"/b": "y"})
    root = site.libraries.commits.get(library, huge).root_id
    editor = TreeEditor(site.trees, library, root, now=1)
    entry = editor.get("/b")
    assert entry is not None
    editor.put("/", entry.replace(size=1 << 61), replace=True)
    edited = editor.finish()
    site.objects.put(library, Kind.FS, edited.objects)
    commit = Commit.make(
        library_id=library,
        root_id=edited.root_id,
        creator_name="x",
        description="",
        ctime=1,
        parent_id=base,
    )
    site.objects.put(library, Kind.COMMIT, [(commit.commit_id, encode(commit))])
    with pytest.raises(errors.MalformedObject):
        push(site, library, commit.commit_id)


def test_a_push_is_recorded_file_by_file(site: Site) -> None:
    library = site.library()
    base = site.build(library, {"/old": "x", "/gone": "y", "/a": "z"})
    commit_id = commit_on(
        site, library, base, {"/gone": None, "/a": "zz", "/n": "1", "/old": None, "/new": "x"}
    )
    push(site, library, commit_id)
    with site.database.read() as connection:
        found = connection.execute(select(activity).where(activity.c.commit_id == commit_id)).all()
    assert {(row.op_type, row.path) for row in found} == {
        ("delete", "/gone"),
        ("edit", "/a"),
        ("create", "/n"),
        ("move", "/new"),
    }


# --- updates that name their base


def update(library: LibraryId, content: str, base: ObjectId, path: str = "/a.txt") -> UpdateOnBase:
    return UpdateOnBase(CLIENT, library, UpdateFile(path, new_file("", content)), base)


def test_an_update_on_the_head_is_an_ordinary_one(site: Site) -> None:
    library = site.library()
    base = site.upload(library, "/a.txt", "old")
    outcome = site.libraries.run_task(library, update(library, "new", base))
    assert outcome.changed
    assert site.texts(library)[0] == 'Modified "a.txt"'
    assert not site.commit(library).new_merge
    again = site.libraries.run_task(library, update(library, "new", outcome.commit_id))
    assert not again.changed


def test_an_update_on_an_older_commit_is_merged(site: Site) -> None:
    library = site.library()
    base = site.upload(library, "/a.txt", "old")
    mine = site.upload(library, "/other", "z")
    outcome = site.libraries.run_task(library, update(library, "new", base))
    assert outcome.changed
    assert site.tree(library) == {"/a.txt": "new", "/other": "z"}
    commit = site.commit(library)
    assert commit.parent_id == mine
    assert commit.second_parent_id is not None
    own = site.libraries.commits.get(library, commit.second_parent_id)
    assert (own.description, own.parent_id) == ('Modified "a.txt"', base)
    assert site.history.entry(library, own.commit_id).description == 'Modified "a.txt"'
    site.check(library)


def test_an_update_of_what_changed_meanwhile_gets_a_conflict_name(site: Site) -> None:
    library = site.library()
    base = site.upload(library, "/a.txt", "old")
    site.upload(library, "/a.txt", "mine")
    site.libraries.run_task(library, update(library, "theirs", base))
    stamp = site.clock.now().strftime("%Y-%m-%d-%H-%M-%S")
    conflict = f"/a (SFConflict client@example.org {stamp}).txt"
    assert site.tree(library) == {"/a.txt": "mine", conflict: "theirs"}
    assert site.commit(library).conflict


def test_an_update_of_a_deleted_file_brings_it_back(site: Site) -> None:
    library = site.library()
    base = site.build(library, {"/d": None, "/d/a": "old", "/d/b": "old"})
    site.delete(library, "/d")
    site.libraries.run_task(library, update(library, "new", base, "/d/a"))
    assert site.tree(library) == {"/d": None, "/d/a": "new"}


def test_an_update_needs_its_base_and_the_file_in_it(site: Site) -> None:
    library = site.library()
    base = site.head(library).commit_id
    site.upload(library, "/a.txt", "old")
    with pytest.raises(errors.FileNotFound):
        site.libraries.run_task(library, update(library, "new", base))
    with pytest.raises(errors.CommitNotFound):
        site.libraries.run_task(library, update(library, "new", ObjectId.of(b"unknown")))
