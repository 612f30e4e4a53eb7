"""History: commits newest first, how far back they are kept, and the revisions of a file."""

from __future__ import annotations

import pytest

from seafleet import errors
from seafleet.db.engine import Database
from seafleet.ids import LibraryId, ObjectId
from seafleet.library.edits import Delete, Rename
from seafleet.library.history import DAY_SECONDS, KEEP_ALL, KEEP_HEAD_ONLY
from seafleet.library.moves import Move
from tests.library.site import Site
from tests.library.test_pushes import push, pushed_file


def test_commits_come_newest_first_in_pages(each_site: Site) -> None:
    site = each_site
    library = site.library()
    for number in range(7):
        site.upload(library, f"/{number}", "x")
    head = site.head(library)
    texts = [entry.description for entry in site.history.commits(head)]
    assert texts == [*(f'Added "{number}".' for number in reversed(range(7))), "Created library"]
    pages = [site.history.commits(head, offset=offset, limit=3) for offset in (0, 3, 6)]
    assert [entry.description for page in pages for entry in page] == texts
    assert [len(page) for page in pages] == [3, 3, 2]
    assert site.history.commits(head, offset=50, limit=3) == []


@pytest.mark.slow
def test_many_commits_of_one_second_keep_their_order(site: Site) -> None:
    library = site.library()
    site.upload(library, "/0", "x")
    for number in range(220):
        site.libraries.commit_edit(library, site.owner, Rename(f"/{number}", f"{number + 1}"))
    texts = site.texts(library)
    assert texts == [*(f'Renamed "{number}"' for number in reversed(range(220))), 'Added "0".']


def test_an_entry_says_who_when_and_on_what(site: Site) -> None:
    library = site.library()
    first = site.head(library).commit_id
    commit_id = site.upload(library, "/a", "x")
    entry = site.history.entry(library, commit_id)
    assert (entry.parent_ids, entry.creator_name) == ((first,), site.owner.email)
    assert (entry.ctime, entry.root_id) == (site.clock.timestamp(), site.head(library).root_id)
    with pytest.raises(errors.CommitNotFound):
        site.history.entry(library, ObjectId.of(b"unknown"))
    with pytest.raises(errors.CommitNotFound):
        site.history.entry(site.library(), commit_id)


def test_both_sides_of_a_merge_are_listed_once(site: Site) -> None:
    library = site.library()
    base = site.upload(library, "/a", "x")
    theirs = pushed_file(site, library, base, "/theirs", "y")
    site.upload(library, "/mine", "z")
    site.clock.advance(1)
    assert push(site, library, theirs).merged
    entries = site.history.commits(site.head(library))
    assert len({entry.commit_id for entry in entries}) == len(entries) == 5
    assert [entry.is_quiet_merge for entry in entries] == [True, False, False, False, False]
    assert {entry.description for entry in entries[1:3]} == {'Added "mine".', "pushed /theirs"}
    chain = [entry.commit_id for entry in site.history.heads(library, site.head(library).commit_id)]
    assert theirs not in chain


def test_a_limit_in_days_cuts_history(site: Site) -> None:
    library = site.library()
    for number in range(4):
        site.clock.advance(DAY_SECONDS)
        site.upload(library, f"/{number}", "x")
    site.libraries.set_history_limit(library, 2)
    head = site.head(library)
    assert site.history.truncate_time(head) == site.clock.timestamp() - 2 * DAY_SECONDS
    texts = [entry.description for entry in site.history.commits(head)]
    assert texts == ['Added "3".', 'Added "2".']
    site.clock.advance(10 * DAY_SECONDS)
    assert len(site.history.commits(head)) == 1, "the head is always there"


def test_no_history_is_the_head_alone(site: Site) -> None:
    library = site.library()
    site.upload(library, "/a", "x")
    site.libraries.set_history_limit(library, 0)
    head = site.head(library)
    assert site.history.truncate_time(head) == KEEP_HEAD_ONLY
    assert [entry.commit_id for entry in site.history.commits(head)] == [head.commit_id]


def test_the_site_decides_where_the_library_does_not(sqlite: Database) -> None:
    site = Site(sqlite, history_days=3)
    library = site.library()
    assert site.history.limit_days(site.head(library)) == 3
    site.libraries.set_history_limit(library, -1)
    assert site.history.truncate_time(site.head(library)) == KEEP_ALL
    site.libraries.close()


def test_a_sub_library_is_kept_as_its_origin_is(site: Site) -> None:
    library = site.library()
    site.make_folder(library, "/d")
    sub = site.sub_libraries.create(site.head(library), "/d", "sub", site.owner)
    site.libraries.set_history_limit(library, 5)
    assert site.history.limit_days(site.head(sub.library_id)) == 5


def test_history_before_the_trash_was_emptied_may_be_gone(site: Site) -> None:
    library = site.library()
    site.upload(library, "/a", "x")
    site.upload(library, "/b", "x")
    site.trash.empty(site.head(library), site.owner)
    site.upload(library, "/c", "x")
    texts = [entry.description for entry in site.history.commits(site.head(library))]
    assert texts == ['Added "c".', 'Added "b".']


# --- files


def revisions(site: Site, library: LibraryId, path: str, **more: bool) -> list[tuple[str, str, str | None]]:
    head = site.head(library)
    page = site.history.revisions(head, path, **more)  # type: ignore[arg-type]
    assert page.next_commit_id is None
    return [
        (revision.path, site.content(head.store_id, revision.entry), revision.renamed_from)
        for revision in page.revisions
    ]


def test_a_file_has_a_revision_for_each_content(site: Site) -> None:
    library = site.library()
    site.build(library, {"/d": None, "/d/a": "1", "/other": "x"})
    site.upload(library, "/d/a", "2")
    site.upload(library, "/other", "y")
    site.upload(library, "/d/a", "3")
    assert revisions(site, library, "/d/a") == [("/d/a", "3", None), ("/d/a", "2", None), ("/d/a", "1", None)]
    page = site.history.revisions(site.head(library), "/d/a")
    assert [revision.commit.description for revision in page.revisions] == ['Added "a".'] * 3


def test_revisions_follow_renames_and_moves_of_folders(site: Site) -> None:
    library = site.library()
    site.build(library, {"/p/q": None, "/p/q/a": "1"})
    site.do(library, Rename("/p/q/a", "b"))
    site.upload(library, "/p/q/b", "2")
    site.make_folder(library, "/x")
    site.do(library, Move("/p", ("q",), "/x"))
    site.upload(library, "/x/q/b", "3")
    assert revisions(site, library, "/x/q/b") == [
        ("/x/q/b", "3", None),
        ("/x/q/b", "2", "/p/q/b"),
        ("/p/q/b", "2", None),
        ("/p/q/b", "1", "/p/q/a"),
        ("/p/q/a", "1", None),
    ]
    assert revisions(site, library, "/x/q/b", follow_renames=False) == [
        ("/x/q/b", "3", None),
        ("/x/q/b", "2", None),
    ]


def test_a_file_made_again_has_no_earlier_revisions(site: Site) -> None:
    library = site.library()
    site.upload(library, "/a", "1")
    site.delete(library, "/a")
    site.upload(library, "/a", "2")
    assert revisions(site, library, "/a") == [("/a", "2", None)]


def test_revisions_come_in_pages(site: Site) -> None:
    library = site.library()
    for number in range(7):
        site.upload(library, "/a", f"{number}")
    site.do(library, Rename("/a", "b"))
    head = site.head(library)
    found: list[str] = []
    start, path = None, "/b"
    while True:
        page = site.history.revisions(head, path, start=start, limit=3)
        found += [site.content(head.store_id, revision.entry) for revision in page.revisions]
        if page.next_commit_id is None:
            break
        assert len(page.revisions) == 3
        start, path = page.next_commit_id, page.next_path or ""
    assert found == ["6", *(f"{number}" for number in reversed(range(7)))]
    few = site.history.revisions(head, "/b", scan=2)
    assert few.next_commit_id is not None


def test_revisions_end_where_history_does(site: Site) -> None:
    library = site.library()
    for number in range(4):
        site.clock.advance(DAY_SECONDS)
        site.upload(library, "/a", f"{number}")
    site.libraries.set_history_limit(library, 2)
    assert [content for _, content, _ in revisions(site, library, "/a")] == ["3", "2"]
    site.libraries.set_history_limit(library, 0)
    assert [content for _, content, _ in revisions(site, library, "/a")] == ["3"]


def test_only_files_have_revisions(site: Site) -> None:
    library = site.library()
    site.make_folder(library, "/d")
    for path in ("/gone", "/d", "/"):
        with pytest.raises(errors.FileNotFound):
            site.history.revisions(site.head(library), path)


def test_a_file_or_folder_can_be_looked_up_as_it_was(site: Site) -> None:
    library = site.library()
    old = site.build(library, {"/d": None, "/d/a": "1"})
    site.upload(library, "/d/a", "2")
    site.do(library, Delete.path("/d"))
    head = site.head(library)
    assert site.content(head.store_id, site.history.file_at(head, old, "/d/a")) == "1"
    assert site.history.folder_at(head, old, "/d").is_dir
    with pytest.raises(errors.FileNotFound):
        site.history.file_at(head, old, "/d")
    with pytest.raises(errors.FolderNotFound):
        site.history.folder_at(head, head.commit_id, "/d")
    with pytest.raises(errors.CommitNotFound):
        site.history.file_at(head, ObjectId.of(b"unknown"), "/d/a")
