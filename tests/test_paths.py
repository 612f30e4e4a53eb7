"""Names and paths: normal forms, refusals, numbered names."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet import paths
from seafleet.errors import InvalidName, InvalidPath

names = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/"), min_size=1, max_size=60
)


@pytest.mark.parametrize("text", ["a/b", "/a/b", "//a//b/", "/a/b///"])
def test_every_spelling_of_a_folder_has_one_normal_form(text: str) -> None:
    assert paths.normalize_folder(text) == "/a/b"
    assert paths.normalize_file(text) == "/a/b"


@pytest.mark.parametrize("text", ["", "/", "///"])
def test_nothing_but_slashes_is_the_root(text: str) -> None:
    assert paths.normalize_folder(text) == "/"


def test_a_backslash_is_an_ordinary_character() -> None:
    assert paths.normalize_file("/a\\b") == "/a\\b"
    assert paths.split("/a\\b") == ("/", "a\\b")


@given(st.lists(names, min_size=1, max_size=5))
def test_split_and_join_are_inverse(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    assert paths.join(*paths.split(path)) == path


def test_the_root_has_no_name() -> None:
    assert paths.split("/") == ("/", "")
    assert paths.join("/", "") == "/"
    assert paths.join("/", "a/b") == "/a/b"


def test_inside_means_the_folder_and_everything_below() -> None:
    assert paths.is_inside("/a", "/a")
    assert paths.is_inside("/a/b", "/a")
    assert paths.is_inside("/anything", "/")
    assert not paths.is_inside("/ab", "/a")
    assert not paths.is_inside("/", "/a")


def test_the_parents_of_a_path_end_at_the_root() -> None:
    assert paths.with_parents("/a/b") == ["/a/b", "/a", "/"]
    assert paths.with_parents("/") == ["/"]


def test_rebase_moves_a_path_along_with_its_folder() -> None:
    assert paths.rebase("/a", "/a", "/x/y") == "/x/y"
    assert paths.rebase("/a/b/c", "/a", "/x") == "/x/b/c"
    assert paths.rebase("/a/b", "/a", "/") == "/b"
    assert paths.rebase("/a/b", "/", "/x") == "/x/a/b"


@pytest.mark.parametrize(
    "name", ["a", ".a", "a.", "a b", "\\", "c:", "...", "ä" * 127, "x" * 255, "\u200b", "😀"]
)
def test_odd_names_are_valid(name: str) -> None:
    paths.validate_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\0b", "\n", "\x7f", "\x85", "\ud800", "x" * 256, "ä" * 128]
)
def test_names_that_must_not_exist_are_refused(name: str) -> None:
    with pytest.raises(InvalidName) as caught:
        paths.validate_name(name)
    str(caught.value).encode()  # fit for a log


@pytest.mark.parametrize("path", ["/", "/a/b", "/.a/..b/...", "/" + "x" * 4095])
def test_ordinary_paths_are_valid(path: str) -> None:
    paths.validate_path(path)


@pytest.mark.parametrize("path", ["/..", "/a/./b", "/a/..", "/" + "x" * 4096, "/\udcff"])
def test_paths_of_the_wrong_form_are_refused(path: str) -> None:
    with pytest.raises(InvalidPath):
        paths.validate_path(path)


def test_the_hash_of_a_path_depends_on_the_library() -> None:
    assert paths.path_hash("a", "/x") != paths.path_hash("b", "/x")
    assert len(paths.path_hash("a", "/\udcff")) == 64


@pytest.mark.parametrize(
    ("name", "web", "upload"),
    [
        ("a.txt", "a (1).txt", "a (1).txt"),
        ("b.tar.gz", "b.tar (1).gz", "b.tar (1).gz"),
        ("README", "README (1)", "README (1)"),
        (".hid", ".hid (1)", " (1).hid"),
        ("a (1).txt", "a (1) (1).txt", "a (1) (1).txt"),
        ("end.", "end (1).", "end (1)."),
        (".a.b", ".a (1).b", ".a (1).b"),
    ],
)
def test_the_number_goes_before_the_last_extension(name: str, web: str, upload: str) -> None:
    assert next(paths.numbered_names(name)) == web
    assert next(paths.numbered_names_upload(name)) == upload


def test_numbers_count_up_from_one_to_a_thousand() -> None:
    found = list(paths.numbered_names("v1.2"))
    assert found[:2] == ["v1 (1).2", "v1 (2).2"]
    assert len(found) == 1000


@given(stem=names, extension=names, long=st.integers(0, 255))
def test_a_numbered_name_is_never_longer_than_a_name_may_be(stem: str, extension: str, long: int) -> None:
    name = (stem * long).encode()[:long].decode(errors="ignore") + "." + extension
    for numbered in islice(paths.numbered_names_upload(name), 12):
        assert len(numbered.encode()) <= 255


def test_numbered_names_agree_with_the_recorded_ones() -> None:
    vectors = json.loads((Path(__file__).parent / "fixtures" / "vectors.json").read_text())["unique_name"]
    for vector in vectors:
        free = (
            name for name in paths.numbered_names_upload(vector["wanted"]) if name not in vector["existing"]
        )
        assert next(free) == vector["result"]
