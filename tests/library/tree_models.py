"""Trees as plain values: written down in tests, kept as directories, read back, drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from seafleet.formats.fs import EXECUTABLE_MODE, FILE_MODE, Directory, Dirent
from seafleet.ids import ZERO_ID, ObjectId
from seafleet.library.source import MemoryTrees


@dataclass(frozen=True)
class File:
    """A file; its content stands for its id."""

    content: str
    mtime: int = 0
    modifier: str | None = "nobody@x"
    mode: int = FILE_MODE


@dataclass(frozen=True)
class Folder:
    """A folder; equal entries stand for equal ids."""

    entries: Mapping[str, Node] = field(default_factory=dict)
    mtime: int = 0


Node = File | Folder
Spec = Mapping[str, object]
"""A folder written down: a string is a file with that content, a mapping a folder."""


def folder(spec: Spec, make_file: Callable[[str], File] = File) -> Folder:
    """Return the folder that is written down."""

    def node(value: object) -> Node:
        if isinstance(value, Mapping):
            return folder(value, make_file)
        assert isinstance(value, str)
        return make_file(value)

    return Folder({name: node(value) for name, value in spec.items()})


def spec_of(tree: Folder) -> Spec:
    """Return a folder written down, without times and authors."""
    return {
        name: spec_of(node) if isinstance(node, Folder) else node.content
        for name, node in tree.entries.items()
    }


def content_id(content: str) -> ObjectId:
    return ObjectId.of(content.encode()) if content else ZERO_ID


def file_entry(name: str, file: File) -> Dirent:
    return Dirent(content_id(file.content), file.mode, file.mtime, name, file.modifier, len(file.content))


class Forest(MemoryTrees):
    """Keeps trees given as values; knows what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[ObjectId] = []
        self._contents = {ZERO_ID: ""}

    def directory(self, dir_id: ObjectId) -> Directory:
        self.reads.append(dir_id)
        return super().directory(dir_id)

    def plant(self, tree: Folder) -> ObjectId:
        """Keep a tree and return its root id."""
        return self.add(Directory(self._entry(name, node) for name, node in tree.entries.items()))

    def plant_spec(self, spec: Spec) -> ObjectId:
        """Keep a tree that is written down and return its root id."""
        return self.plant(folder(spec))

    def _entry(self, name: str, node: Node) -> Dirent:
        if isinstance(node, Folder):
            return Dirent.directory(name, self.plant(node), mtime=node.mtime)
        self._contents[content_id(node.content)] = node.content
        return file_entry(name, node)

    def content(self, file_id: ObjectId) -> str:
        """Return the content of a planted file."""
        return self._contents[file_id]

    def harvest(self, root_id: ObjectId, mtime: int = 0) -> Folder:
        """Return the tree of a root id; fails when a name occurs twice or out of order."""
        directory = super().directory(root_id)
        names = [entry.name for entry in directory]
        assert names == sorted(set(names), key=str.encode, reverse=True)
        return Folder({entry.name: self._node(entry) for entry in directory}, mtime)

    def _node(self, entry: Dirent) -> Node:
        if entry.is_dir:
            return self.harvest(entry.id, entry.mtime)
        return File(self.content(entry.id), entry.mtime, entry.modifier, entry.mode)

    def harvest_spec(self, root_id: ObjectId) -> Spec:
        """Return the tree of a root id written down."""
        return spec_of(self.harvest(root_id))


def paths(tree: Folder, prefix: str = "") -> Iterator[tuple[str, Node]]:
    """Yield everything in a tree as a walk meets it: names descending, a folder before its content."""
    for name in sorted(tree.entries, key=str.encode, reverse=True):
        node = tree.entries[name]
        yield f"{prefix}/{name}", node
        if isinstance(node, Folder):
            yield from paths(node, f"{prefix}/{name}")


def files(tree: Folder) -> dict[str, File]:
    return {path: node for path, node in paths(tree) if isinstance(node, File)}


def folders(tree: Folder) -> dict[str, Folder]:
    return {path: node for path, node in paths(tree) if isinstance(node, Folder)}


# -- at random --------------------------------------------------------------------------------------------

MARK = " (SFConflict ann@x 1970-01-01-00-00-01)"

file_names = st.sampled_from(
    ["a", "b", "a.x", "b.tar.gz", ".h", "d", "ä", f"a{MARK}", f"a{MARK} (1)", f"a{MARK}.x"]
)
# One draw for each file, not one for each of its fields: drawing is what takes the time.
file_nodes = st.sampled_from(
    [
        File(content, mtime, modifier, mode)
        for mode in (FILE_MODE, EXECUTABLE_MODE)
        for modifier in ("ann@x", "bob@x", None)
        for mtime in (0, 1, 2)
        for content in ("", "A", "B", "C")
    ]
)


def _folders_of(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Folder]:
    return st.builds(
        Folder, entries=st.dictionaries(file_names, children, max_size=5), mtime=st.integers(0, 1)
    )


nodes: st.SearchStrategy[Node] = st.recursive(file_nodes, _folders_of, max_leaves=12)
trees: st.SearchStrategy[Folder] = _folders_of(nodes)


@st.composite
def edited(draw: st.DrawFn, tree: Folder, depth: int = 4) -> Folder:
    """Draw what somebody may have made of a tree: entries kept, touched, replaced, removed, added."""
    entries: dict[str, Node] = {}
    for name, node in sorted(tree.entries.items()):
        kept = draw(_edited_node(node, depth))
        if kept is not None:
            entries[name] = kept
    if draw(st.booleans()):
        entries[draw(file_names)] = draw(nodes)
    return replace(tree, entries=entries)


def _edited_node(node: Node, depth: int) -> st.SearchStrategy[Node | None]:
    kept: st.SearchStrategy[Node | None] = st.just(node)
    if isinstance(node, Folder):
        inner = edited(node, depth - 1) if depth else kept
    else:
        inner = file_nodes
    return st.one_of(kept, kept, inner, inner, st.none(), nodes)


@st.composite
def three_trees(draw: st.DrawFn) -> tuple[Folder, Folder, Folder]:
    """Draw a base and what two people made of it."""
    base = draw(trees)
    return base, draw(edited(base)), draw(edited(base))
