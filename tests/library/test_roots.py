"""What collection keeps: the history that is kept, sub-libraries and their bases, and labelled commits."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from seafleet import errors
from seafleet.db.tables import snapshot_label
from seafleet.ids import LibraryId, ObjectId
from seafleet.library.history import DAY_SECONDS
from seafleet.library.roots import LiveRoots
from seafleet.store.collect import Collector, CollectReport
from tests.library.site import Site


def collect(site: Site, library: LibraryId) -> CollectReport:
    site.clock.advance(10 * DAY_SECONDS)
    roots = LiveRoots(site.libraries, site.history)
    return Collector(site.objects, roots, rng=site.random, grace_seconds=DAY_SECONDS).collect(library)


def fresh(site: Site) -> Site:
    """Return services without anything in their caches."""
    return Site(site.database, clock=site.clock)


def test_everything_is_kept_while_history_is(each_site: Site) -> None:
    site = each_site
    library = site.library()
    old = site.build(library, {"/a": "old", "/d": None, "/d/b": "2"})
    site.delete(library, "/d")
    site.upload(library, "/a", "new")
    report = collect(site, library)
    assert (report.skipped, report.removed_fs, report.removed_blocks) == (None, 0, 0)
    assert fresh(site).tree(library, old) == {"/a": "old", "/d": None, "/d/b": "2"}


def test_what_history_does_not_keep_is_removed(each_site: Site) -> None:
    site = each_site
    library = site.library()
    old = site.upload(library, "/a", "old")
    site.upload(library, "/a", "new")
    site.libraries.set_history_limit(library, 0)
    report = collect(site, library)
    assert report.skipped is None
    assert report.removed_blocks == 1
    assert fresh(site).tree(library) == {"/a": "new"}
    with pytest.raises(errors.ObjectMissing):
        fresh(site).tree(library, old)


def test_the_last_commit_before_the_limit_is_kept_for_restoring(site: Site) -> None:
    library = site.library()
    old = site.upload(library, "/a", "old")
    site.clock.advance(10 * DAY_SECONDS)
    site.delete(library, "/a")
    site.libraries.set_history_limit(library, 15)
    collect(site, library)
    assert fresh(site).tree(library, old) == {"/a": "old"}


def test_labelled_commits_are_kept(site: Site) -> None:
    library = site.library()
    labelled = site.upload(library, "/a", "labelled")
    site.upload(library, "/a", "new")
    site.libraries.set_history_limit(library, 0)
    roots = LiveRoots(site.libraries, site.history)
    with site.database.read() as connection:
        before = roots.heads(connection, library)
    row = {
        "library_id": library,
        "commit_id": labelled,
        "name": "keep",
        "account_id": site.owner_id,
        "created_at": 0,
    }
    site.database.write(lambda tx: tx.execute(insert(snapshot_label), row).rowcount)
    with site.database.read() as connection:
        assert roots.heads(connection, library) != before
    collect(site, library)
    assert fresh(site).tree(library, labelled) == {"/a": "labelled"}


def test_sub_libraries_are_kept_with_their_bases(site: Site) -> None:
    library = site.library()
    base = site.build(library, {"/d": None, "/d/a": "shared"})
    sub = site.sub_libraries.create(site.head(library), "/d", "sub", site.owner).library_id
    site.upload(sub, "/only-here", "of the sub-library")
    site.delete(library, "/d/a")
    site.libraries.set_history_limit(library, 0)
    collect(site, library)
    again = fresh(site)
    assert again.tree(sub) == {"/a": "shared", "/only-here": "of the sub-library"}
    assert again.tree(library, base) == {"/d": None, "/d/a": "shared"}
    assert again.sub_libraries.run_pending() == 1
    assert again.tree(sub) == {"/only-here": "of the sub-library"}


def test_a_library_that_cannot_be_read_is_left_alone(site: Site) -> None:
    library = site.library()
    site.upload(library, "/a", "old")
    lost = ObjectId.of(b"a commit that nobody has")
    site.database.write(
        lambda tx: (
            tx.connection.exec_driver_sql(
                f"UPDATE library SET head_commit_id = '{lost}' WHERE id = '{library}'"
            ).rowcount
        )
    )
    report = collect(site, library)
    assert report.skipped is not None
    assert report.removed_blocks == 0


def test_the_stores_are_those_of_libraries_that_exist(site: Site) -> None:
    library, deleted = site.library(), site.library()
    site.make_folder(library, "/d")
    sub = site.sub_libraries.create(site.head(library), "/d", "sub", site.owner).library_id
    site.libraries.delete(deleted, site.owner)
    stores = set(LiveRoots(site.libraries, site.history).store_ids())
    assert library in stores
    assert stores.isdisjoint({sub, deleted})
