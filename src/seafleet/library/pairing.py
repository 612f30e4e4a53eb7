"""Two directories side by side, name by name: what diff and merge have in common.

Both lists stand in descending byte order of their names. Within one name files come before directories: a
name may be a file in one directory and a directory in the other. If one directory holds several entries of a
name and kind, the first is paired with the first of the other directory, the second with the second, and so
on: none is passed over.

Source: merging §2, §5.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import groupby, zip_longest
from typing import Final

from seafleet.formats.fs import Directory, Dirent

Pair = tuple[Dirent | None, Dirent | None]
"""An entry of the old directory and its counterpart in the new one, of the same kind; one may be missing."""

_CHUNK: Final = 64


def unequal_pairs(old: Directory, new: Directory) -> Iterator[Pair]:
    """Yield the pairs that differ in any field, in the order of the directories.

    Equal stretches are passed over 64 entries at a time, so that one change in a folder of 100,000 files is
    found in about a millisecond when most entries are the same objects, in a few otherwise.
    """
    olds, news = old.entries, new.entries
    i = j = 0
    while i < len(olds) or j < len(news):
        chunk = olds[i : i + _CHUNK]
        if chunk == news[j : j + _CHUNK]:
            i += len(chunk)
            j += len(chunk)
            continue
        for _ in range(_CHUNK):
            i_end, j_end = _ends_of_name(olds, i, news, j)
            yield from _unequal(olds[i:i_end], news[j:j_end])
            i, j = i_end, j_end


def unequal_names(old: Directory, new: Directory) -> Iterator[str]:
    """Yield the names whose entries differ in any field, descending, each once."""
    for name, _ in groupby(unequal_pairs(old, new), key=_name):
        yield name


def named(directory: Directory, name: str, *, is_dir: bool) -> Dirent | None:
    """Return the first entry of exactly this name and kind, or None."""
    entries = directory.entries
    start = bisect_left(entries, True, key=lambda entry: entry.name <= name)
    namesakes = entries[start : _end_of_name(entries, start, name)]
    return next((entry for entry in namesakes if entry.is_dir is is_dir), None)


def _name(pair: Pair) -> str:
    entry = pair[0] or pair[1]
    assert entry is not None
    return entry.name


def _ends_of_name(olds: Sequence[Dirent], i: int, news: Sequence[Dirent], j: int) -> tuple[int, int]:
    """Return where in both lists the entries end that have the greatest name from `i` and `j` on."""
    if i == len(olds) and j == len(news):
        return i, j
    if i == len(olds):
        name = news[j].name
    elif j == len(news):
        name = olds[i].name
    else:
        name = max(olds[i].name, news[j].name)
    return _end_of_name(olds, i, name), _end_of_name(news, j, name)


def _end_of_name(entries: Sequence[Dirent], start: int, name: str) -> int:
    while start < len(entries) and entries[start].name == name:
        start += 1
    return start


def _unequal(olds: Sequence[Dirent], news: Sequence[Dirent]) -> Iterator[Pair]:
    """Yield the differing pairs of one name: files, then directories."""
    if not olds and len(news) == 1:  # the commonest by far, and there may be 100,000
        yield None, news[0]
    elif not news and len(olds) == 1:
        yield olds[0], None
    elif olds != news:
        yield from _unequal_of_kind(olds, news, is_dir=False)
        yield from _unequal_of_kind(olds, news, is_dir=True)


def _unequal_of_kind(olds: Sequence[Dirent], news: Sequence[Dirent], *, is_dir: bool) -> Iterator[Pair]:
    old_kind = (entry for entry in olds if entry.is_dir is is_dir)
    new_kind = (entry for entry in news if entry.is_dir is is_dir)
    return (pair for pair in zip_longest(old_kind, new_kind) if pair[0] != pair[1])
