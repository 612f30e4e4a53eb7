"""Hypothesis strategies for what a library's tree is made of."""

from __future__ import annotations

from hypothesis import strategies as st

from seafleet.formats.fs import Directory, Dirent, FileObject
from seafleet.ids import ObjectId

int64 = st.integers(-(2**63), 2**63 - 1)
sizes = st.integers(0, 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1)
object_ids = st.binary(max_size=8).map(ObjectId.of)
files = st.builds(
    Dirent.file, names, object_ids, size=sizes, mtime=int64, modifier=texts, executable=st.booleans()
)
directories = st.builds(Dirent.directory, names, object_ids, mtime=int64)
entries = files | directories
trees = st.lists(entries, unique_by=lambda entry: entry.name).map(Directory)
file_objects = st.builds(FileObject, st.lists(object_ids, min_size=1).map(tuple), sizes)
