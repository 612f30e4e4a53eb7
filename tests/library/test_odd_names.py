"""Names that only sync clients make: kept as they are, and edited around."""

from __future__ import annotations

import pytest

from seafleet import errors
from seafleet.formats.compression import compress
from seafleet.formats.fs import Directory, Dirent, encode_directory
from seafleet.ids import LibraryId, ObjectId
from seafleet.library.edits import Delete, Rename
from seafleet.library.moves import Move
from seafleet.store.contract import Kind
from tests.library.site import SetEntry, Site, new_file

ODD = [
    "\u00fc",  # composed
    "u\u0308",  # the same letter, decomposed
    "tab\there",
    "line\nbreak",
    "\x01\x1f\x7f",
    'quote"back\\slash',
    "..",
    ".",
    "trailing dot.",
    "trailing blank ",
    "con",
    "a:b*c?",
    "\U0001f600",
    "\u202eoverride",
    "x" * 255,
    "CASE",
    "case",
]


def put_folder(site: Site, library: LibraryId, name: str, *entries: Dirent) -> None:
    """Put a folder as a client would have made it."""
    for kind, object_id, data in new_file("f", "content").pending:
        site.objects.put(library, kind, [(object_id, data)])
    dir_id, text = encode_directory(Directory(entries))
    site.objects.put(library, Kind.FS, [(dir_id, compress(text))])
    site.do(library, SetEntry("/", Dirent.directory(name, dir_id, mtime=5)))


def client_file(name: str, content: str = "content") -> Dirent:
    file = new_file(name, content)
    return Dirent(file.file_id, 0o100755, 7, name, "client@x", file.size)


@pytest.fixture
def library(site: Site) -> LibraryId:
    made = site.library()
    put_folder(site, made, "odd", *map(client_file, ODD))
    return made


def test_odd_names_stay_when_something_is_added_beside_them(site: Site, library: LibraryId) -> None:
    site.upload(library, "/odd/added", "x")
    found = {path.removeprefix("/odd/") for path in site.tree(library) if path != "/odd"}
    assert found == {*ODD, "added"}
    for name in ODD:
        assert site.entry(library, f"/odd/{name}") == client_file(name)
    site.check(library)


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_odd_names_can_be_moved_renamed_and_deleted(site: Site, library: LibraryId, name: str) -> None:
    placed = site.do(library, Rename(f"/odd/{name}", "plain")).result
    assert placed.path == "/odd/plain"
    site.do(library, Rename("/odd/plain", "again"))
    site.make_folder(library, "/to")
    site.do(library, Move("/odd", ("again",), "/to"))
    site.do(library, Delete.path("/to/again"))
    left = {path.removeprefix("/odd/") for path in site.tree(library)} - {"/odd", "/to"}
    assert left == set(ODD) - {name}
    site.check(library)


def test_letters_that_look_alike_are_different_names(site: Site, library: LibraryId) -> None:
    composed, decomposed, *_ = ODD
    site.upload(library, f"/odd/{composed}", "changed")
    assert site.entry(library, f"/odd/{decomposed}") == client_file(decomposed)
    assert site.entry(library, "/odd/CASE") == client_file("CASE")


def test_two_entries_of_one_name_are_taken_one_after_the_other(site: Site) -> None:
    library = site.library()
    for _, object_id, data in new_file("twin", "other").pending[1:]:
        site.objects.put(library, Kind.FS, [(object_id, data)])
    put_folder(site, library, "old", client_file("twin"), client_file("twin", "other"), client_file("z"))
    before = site.head(library)
    assert before.file_count == 3
    site.delete(library, "/old/twin")
    assert site.entry(library, "/old/twin").id in {client_file("twin", c).id for c in ("content", "other")}
    site.check(library)
    site.delete(library, "/old/twin")
    assert site.tree(library) == {"/old": None, "/old/z": "content"}
    site.check(library)


def test_a_damaged_folder_is_in_nobodys_way_and_can_be_deleted(site: Site) -> None:
    library = site.library()
    inner = Dirent.directory("gone", ObjectId.of(b"nobody has this"), mtime=1)
    site.build(library, {"/kept": "x", "/d": None})
    with pytest.raises(errors.ObjectMissing):
        site.do(library, SetEntry("/", inner))
    dir_id, text = encode_directory(Directory([inner, client_file("f")]))
    site.objects.put(library, Kind.FS, [(dir_id, compress(text))])
    site.trees.remember(library, inner.id, Directory([client_file("g")]))
    site.do(library, SetEntry("/", Dirent.directory("damaged", dir_id, mtime=1)))
    damaged = Site(site.database)
    damaged.upload(library, "/d/new", "y")
    with pytest.raises(errors.ObjectMissing):
        damaged.upload(library, "/damaged/gone/new", "y")
    with pytest.raises(errors.LibraryDamaged):
        damaged.libraries.recount(library)
    damaged.delete(library, "/damaged")
    assert damaged.tree(library) == {"/d": None, "/d/new": "y", "/kept": "x"}
    damaged.libraries.recount(library)
    damaged.check(library)
    damaged.libraries.close()
