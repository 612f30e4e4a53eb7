"""Two directories side by side: every difference is found, in order, whatever the names."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from seafleet.formats.fs import Directory, Dirent
from seafleet.library.pairing import named, unequal_names, unequal_pairs
from tests.library.tree_models import File, content_id, file_entry

numbers = st.sets(st.integers(0, 400), max_size=8)


def entry_of(number: int, content: str = "A") -> Dirent:
    name = f"{number:03}"
    return file_entry(name, File(content))


@given(numbers, numbers, st.booleans())
def test_wide_directories_are_paired_by_name(removed: set[int], written: set[int], shared: bool) -> None:
    old = {number: entry_of(number) for number in range(0, 400, 2)}
    new = dict(old) if shared else {number: entry_of(number) for number in old}
    for number in removed:
        new.pop(number, None)
    new.update({number: entry_of(number, "B") for number in written})
    pairs = list(unequal_pairs(Directory(old.values()), Directory(new.values())))
    both = sorted({*old, *new}, reverse=True)
    assert pairs == [(old.get(each), new.get(each)) for each in both if old.get(each) != new.get(each)]


def drawn_entry(drawn: tuple[int, int, bool]) -> Dirent:
    number, content, is_dir = drawn
    if is_dir:
        return Dirent.directory(str(number), content_id(str(content)), mtime=0)
    return file_entry(str(number), File(str(content)))


directories = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()).map(drawn_entry), max_size=150
).map(Directory)


@given(directories, directories)
def test_no_entry_of_an_equal_name_is_passed_over(old: Directory, new: Directory) -> None:
    pairs = list(unequal_pairs(old, new))
    gone = Counter(before for before, _ in pairs if before)
    came = Counter(after for _, after in pairs if after)
    assert Counter(old) - gone + came == Counter(new)
    assert gone <= Counter(old)


@given(directories, directories)
def test_partners_have_one_name_and_kind(old: Directory, new: Directory) -> None:
    for before, after in unequal_pairs(old, new):
        assert before != after
        if before and after:
            assert (before.name, before.is_dir) == (after.name, after.is_dir)


@given(directories, directories)
def test_names_are_told_once_and_descending(old: Directory, new: Directory) -> None:
    names = list(unequal_names(old, new))
    assert names == sorted(set(names), reverse=True)
    assert set(names) == {entry.name for pair in unequal_pairs(old, new) for entry in pair if entry}


@given(directories, st.integers(0, 4).map(str), st.booleans())
def test_the_first_entry_of_a_name_and_kind_is_found(found: Directory, name: str, is_dir: bool) -> None:
    matching = [entry for entry in found if entry.name == name and entry.is_dir is is_dir]
    assert named(found, name, is_dir=is_dir) == (matching[0] if matching else None)


def test_of_one_name_files_come_before_directories() -> None:
    directory = Directory([drawn_entry((1, 0, True)), drawn_entry((1, 1, False))])
    kinds = [after.is_dir for _, after in unequal_pairs(Directory(), directory) if after]
    assert kinds == [False, True]
