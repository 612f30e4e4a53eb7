"""Sub-libraries: one folder shown as a library, and both sides kept in step whatever happens to either."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seafleet import errors
from seafleet.formats.encryption import verify_password
from seafleet.ids import LibraryId, ObjectId
from seafleet.library.edits import AddFiles, Delete, MakeFolder, MakeFolders, Rename
from seafleet.library.model import Author, HeadChanged
from seafleet.library.moves import Move
from tests.library.site import Site, new_file
from tests.library.test_pushes import commit_on, push

TREE: dict[str, str | None] = {"/d": None, "/d/a": "1", "/d/e": None, "/d/e/b": "2", "/other": "x"}


def make(site: Site, path: str = "/d", name: str = "shared") -> tuple[LibraryId, LibraryId]:
    """Make an origin and the sub-library of one of its folders."""
    origin = site.library("Origin")
    site.build(origin, TREE)
    sub = site.sub_libraries.create(site.head(origin), path, name, site.owner)
    return origin, sub.library_id


def below(site: Site, origin: LibraryId, folder: str) -> dict[str, str | None]:
    inside = folder + "/"
    return {
        path[len(folder) :]: content for path, content in site.tree(origin).items() if path.startswith(inside)
    }


def settle(site: Site) -> None:
    """Run the worker until nothing waits."""
    while site.sub_libraries.run_pending():
        pass


def assert_in_step(site: Site, origin: LibraryId, sub: LibraryId, folder: str = "/d") -> None:
    settle(site)
    assert site.tree(sub) == below(site, origin, folder)
    shown = site.sub_libraries.get(sub)
    assert shown is not None
    assert (shown.path, shown.base_commit_id) == (folder, site.head(origin).commit_id)
    site.check(origin)
    site.check(sub)


# --- making


def test_a_sub_library_shows_a_folder(each_site: Site) -> None:
    site = each_site
    origin, sub = make(site)
    head = site.head(sub)
    assert site.tree(sub) == {"/a": "1", "/e": None, "/e/b": "2"}
    assert (head.name, head.store_id, head.owner_id) == ("shared", origin, site.owner_id)
    assert (head.size_bytes, head.file_count, head.is_sub_library) == (2, 2, True)
    commit = site.commit(sub)
    assert (commit.parent_id, commit.description, commit.root_id) == (None, "shared", head.root_id)
    assert site.sub_libraries.find(origin, "/d") == site.sub_libraries.get(sub)
    assert [each.library_id for each in site.sub_libraries.of_origin(origin)] == [sub]
    assert site.sub_libraries.get(origin) is None


def test_asking_again_returns_the_one_there_is(site: Site) -> None:
    origin, sub = make(site)
    again = site.sub_libraries.create(site.head(origin), "/d", "another name", site.owner)
    assert (again.library_id, again.name) == (sub, "shared")


def test_a_sub_library_of_a_sub_library_is_one_of_the_origin(site: Site) -> None:
    origin, sub = make(site)
    inner = site.sub_libraries.create(site.head(sub), "/e", "inner", site.owner).library_id
    shown = site.sub_libraries.get(inner)
    assert shown is not None
    assert (shown.origin_id, shown.path) == (origin, "/d/e")
    assert site.tree(inner) == {"/b": "2"}


def test_only_folders_below_the_root_can_be_shown(site: Site) -> None:
    origin = site.library()
    site.build(origin, TREE)
    head = site.head(origin)
    with pytest.raises(errors.InvalidPath):
        site.sub_libraries.create(head, "/", "x", site.owner)
    for path in ("/gone", "/other"):
        with pytest.raises(errors.FolderNotFound):
            site.sub_libraries.create(head, path, "x", site.owner)
    with pytest.raises(errors.InvalidName):
        site.sub_libraries.create(head, "/d", "a/b", site.owner)


def test_an_encrypted_folder_is_shown_under_the_same_password(site: Site) -> None:
    origin = site.libraries.create(site.owner_id, "Secret", password="pw")
    site.make_folder(origin.library_id, "/d")
    head = site.head(origin.library_id)
    with pytest.raises(errors.PasswordRequired):
        site.sub_libraries.create(head, "/d", "x", site.owner)
    with pytest.raises(errors.WrongPassword):
        site.sub_libraries.create(head, "/d", "x", site.owner, password="wrong")
    sub = site.sub_libraries.create(head, "/d", "x", site.owner, password="pw")
    assert sub.encryption is not None
    assert origin.encryption is not None
    assert sub.encryption.random_key == origin.encryption.random_key
    assert sub.encryption.magic != origin.encryption.magic
    assert verify_password(sub.encryption, sub.library_id, "pw")


def test_a_head_that_moved_while_it_was_made_is_caught_up_with(site: Site) -> None:
    origin = site.library()
    site.build(origin, TREE)
    old_head = site.head(origin)
    site.upload(origin, "/d/later", "3")
    sub = site.sub_libraries.create(old_head, "/d", "x", site.owner).library_id
    assert "/later" not in site.tree(sub)
    assert_in_step(site, origin, sub)


# --- one side changes


def test_a_change_of_the_origin_reaches_the_sub_library(each_site: Site) -> None:
    site = each_site
    origin, sub = make(site)
    _, friend = site.account()
    site.do(origin, AddFiles("/d/e", (new_file("new", "333"),)), friend)
    heard: list[HeadChanged] = []
    site.libraries.listen(heard.append)
    assert_in_step(site, origin, sub)
    commit = site.commit(sub)
    assert (commit.description, commit.creator_name) == ('Added or modified "new".\n', friend.email)
    assert [change.library_id for change in heard] == [sub]


def test_a_change_of_the_sub_library_reaches_the_origin(each_site: Site) -> None:
    site = each_site
    origin, sub = make(site)
    _, friend = site.account()
    site.do(sub, Delete.path("/e"), friend)
    assert_in_step(site, origin, sub)
    assert site.tree(origin) == {"/d": None, "/d/a": "1", "/other": "x"}
    commit = site.commit(origin)
    assert (commit.description, commit.creator_name) == ('Removed directory "e".\n', friend.email)


def test_changes_elsewhere_in_the_origin_only_advance_the_base(site: Site) -> None:
    origin, sub = make(site)
    before = site.head(sub)
    site.upload(origin, "/other", "y")
    assert_in_step(site, origin, sub)
    assert site.head(sub) == before


def test_siblings_hear_of_each_other_through_the_origin(site: Site) -> None:
    origin, sub = make(site)
    inner = site.sub_libraries.create(site.head(origin), "/d/e", "inner", site.owner).library_id
    site.upload(inner, "/deep", "4")
    assert_in_step(site, origin, sub)
    assert_in_step(site, origin, inner, "/d/e")
    site.delete(sub, "/e/b")
    assert_in_step(site, origin, inner, "/d/e")
    assert site.tree(inner) == {"/deep": "4"}


def test_what_was_changed_before_it_was_locked_is_brought_into_step_all_the_same(site: Site) -> None:
    origin, sub = make(site)
    friend_id, _ = site.account()
    site.upload(sub, "/a", "changed through the sub-library")
    site.locks.lock(origin, "/d/a", friend_id)
    assert_in_step(site, origin, sub)


def test_a_listener_is_told_when_there_is_something_to_do(site: Site) -> None:
    origin, sub = make(site)
    heard: list[HeadChanged] = []
    site.libraries.listen(heard.append)
    site.upload(origin, "/d/x", "1")
    site.upload(sub, "/y", "1")
    site.libraries.rename(origin, site.owner, name="no change of the tree")
    site.upload(site.library(), "/z", "1")
    assert [change.needs_propagation for change in heard] == [True, True, False, False]


# --- both sides change


def test_changes_of_both_sides_are_merged_into_both(each_site: Site) -> None:
    site = each_site
    origin, sub = make(site)
    site.upload(origin, "/d/from-origin", "o")
    site.delete(origin, "/d/a")
    site.upload(sub, "/from-sub", "s")
    assert_in_step(site, origin, sub)
    assert site.tree(sub) == {"/e": None, "/e/b": "2", "/from-origin": "o", "/from-sub": "s"}


def test_a_file_changed_on_both_sides_is_kept_twice(site: Site) -> None:
    origin, sub = make(site)
    site.upload(origin, "/d/a", "of origin")
    site.upload(sub, "/a", "of sub")
    stamp = site.clock.now().strftime("%Y-%m-%d-%H-%M-%S")
    assert_in_step(site, origin, sub)
    conflict = f"/a (SFConflict {site.owner.email} {stamp})"
    tree = site.tree(sub)
    assert (tree["/a"], tree[conflict]) == ("of origin", "of sub")


def test_a_crash_between_the_two_sides_loses_nothing(site: Site) -> None:
    origin, sub = make(site)
    site.upload(origin, "/d/a", "of origin")
    site.upload(sub, "/a", "of sub")
    site.upload(sub, "/new", "of sub")
    site.quotas[site.owner_id] = 10_000

    run_task = site.libraries.run_task
    calls = []

    def fail_second(library_id: LibraryId, task: object) -> object:
        calls.append(library_id)
        if len(calls) == 2:
            raise errors.StorageFailure("power cut")
        return run_task(library_id, task)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site.libraries, "run_task", fail_second)
        assert site.sub_libraries.run_pending() == 0, "what failed stays in the queue"
    assert calls == [sub, origin]
    merged = site.tree(sub)
    assert_in_step(site, origin, sub)
    assert site.tree(sub) == merged, "the same conflict is not put aside twice"


def test_the_same_change_on_both_sides_needs_no_commit(site: Site) -> None:
    origin, sub = make(site)
    site.upload(origin, "/d/a", "same")
    site.clock.advance(-1)
    site.upload(sub, "/a", "same")
    before = site.head(origin).commit_id, site.head(sub).commit_id
    assert_in_step(site, origin, sub)
    assert (site.head(origin).commit_id, site.head(sub).commit_id) == before


# --- the folder moves


def test_a_renamed_folder_is_followed_with_its_name(site: Site) -> None:
    origin, sub = make(site)
    site.do(origin, Rename("/d", "better"))
    assert_in_step(site, origin, sub, "/better")
    assert site.head(sub).name == "better"
    assert site.texts(sub)[0] == "Changed library name or description"


def test_a_folder_moved_with_its_parent_keeps_its_name(site: Site) -> None:
    origin = site.library()
    site.build(origin, {"/p/q": None, "/p/q/f": "1", "/x": None})
    sub = site.sub_libraries.create(site.head(origin), "/p/q", "shared", site.owner).library_id
    site.do(origin, Rename("/p", "r"))
    site.do(origin, Move("/", ("r",), "/x"))
    assert_in_step(site, origin, sub, "/x/r/q")
    assert site.head(sub).name == "shared"


def test_a_folder_is_followed_through_many_commits_and_changes(site: Site) -> None:
    origin, sub = make(site)
    site.upload(sub, "/from-sub", "s")
    site.upload(origin, "/d/one", "1")
    site.do(origin, Rename("/d", "x"))
    site.upload(origin, "/x/two", "2")
    site.do(origin, Rename("/x", "y"))
    site.upload(origin, "/y/three", "3")
    assert_in_step(site, origin, sub, "/y")
    assert set(site.tree(sub)) == {"/a", "/e", "/e/b", "/from-sub", "/one", "/two", "/three"}


def test_a_rename_that_a_client_pushed_is_followed(site: Site) -> None:
    origin, sub = make(site)
    renamed = commit_on(site, origin, site.head(origin).commit_id, {}, renames={"/d": "n"})
    site.upload(origin, "/other", "y")
    assert push(site, origin, renamed).merged
    assert_in_step(site, origin, sub, "/n")
    assert site.tree(sub) == {"/a": "1", "/e": None, "/e/b": "2"}


def test_a_sub_library_of_a_folder_that_is_gone_goes_too(site: Site) -> None:
    origin, sub = make(site)
    site.delete(origin, "/d")
    settle(site)
    assert site.libraries.find(sub) is None
    assert site.sub_libraries.of_origin(origin) == []


def test_a_folder_that_came_back_is_still_shown(site: Site) -> None:
    origin, sub = make(site)
    site.delete(origin, "/d")
    site.do(origin, MakeFolder("/d"))
    assert_in_step(site, origin, sub)
    assert site.tree(sub) == {}


def test_deleting_a_sub_library_leaves_the_folder(site: Site) -> None:
    origin, sub = make(site)
    site.libraries.delete(sub, site.owner)
    assert site.libraries.find(sub) is None
    assert site.tree(origin) == TREE
    assert not any(deleted.library_id == sub for deleted in site.libraries.bin.list())
    site.upload(origin, "/d/a", "2")
    settle(site)


# --- much at once


def test_many_workers_and_writers_end_in_step(each_site: Site) -> None:
    site = each_site
    origin, sub = make(site)

    def write(number: int) -> None:
        library, folder = ((origin, "/d"), (sub, "/"))[number % 2]
        author = Author(f"writer{number}@example.org")
        edit = AddFiles(folder, (new_file(f"{number}.txt", f"{number}"),))
        site.libraries.commit_edit(library, author, edit)
        site.sub_libraries.run_pending()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(18)))
    assert_in_step(site, origin, sub)
    files = {path: content for path, content in site.tree(sub).items() if path.endswith(".txt")}
    assert files == {f"/{number}.txt": f"{number}" for number in range(18)}


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["origin", "sub", "step"]),
        st.sampled_from(["put", "delete", "folder"]),
        st.sampled_from(["/a", "/e", "/e/b", "/n", "/e/n"]),
        st.sampled_from(["x", "yy"]),
    ),
    max_size=12,
)


@pytest.mark.slow
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS)
def test_whatever_both_sides_do_they_end_equal(site: Site, edits: list[tuple[str, str, str, str]]) -> None:
    origin, sub = make(site)
    for side, what, path, content in edits:
        if side == "step":
            site.sub_libraries.run_pending()
            continue
        library, prefix = (origin, "/d") if side == "origin" else (sub, "")
        try:
            change(site, library, prefix + path, what, content)
        except (errors.Conflict, errors.NotFound):
            continue
    assert_in_step(site, origin, sub)
    assert site.tree(origin)["/other"] == "x"


def change(site: Site, library: LibraryId, path: str, what: str, content: str) -> ObjectId:
    if what == "put":
        return site.upload(library, path, content)
    if what == "delete":
        return site.delete(library, path)
    return site.do(library, MakeFolders("/", path)).commit_id
