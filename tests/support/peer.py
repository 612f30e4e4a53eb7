"""A sync client of straw: speaks the sync protocol for one library, one request at a time."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from seafleet.formats.commit import Commit, encode
from seafleet.formats.compression import compress, decompress
from seafleet.formats.frames import decode_frames, encode_frames
from seafleet.formats.fs import Directory, Dirent, FileObject, decode_fs, encode_directory, encode_file
from seafleet.ids import ZERO_ID, LibraryId, ObjectId

PEER_ID: Final = "f46c1e0cc64f89bb028c84e5169fde54efac2107"
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
"""What clients call every body that they post, whatever it is."""

Files = Mapping[str, Any]
"""Names and contents: bytes for a file, another such mapping for a folder."""

_ctimes = itertools.count(1_795_000_000)


@dataclass
class Tree:
    """A tree as a client makes it: the id of its root, its objects in stored form, its blocks."""

    root_id: ObjectId = ZERO_ID
    objects: dict[ObjectId, bytes] = field(default_factory=dict)
    blocks: dict[ObjectId, bytes] = field(default_factory=dict)


def make_tree(files: Files, *, mtime: int = 1_700_000_000, modifier: str = "ann@example.com") -> Tree:
    """Return the tree of these files, each of one block."""
    tree = Tree()
    tree.root_id = _make_folder(tree, files, mtime, modifier)
    return tree


def _make_folder(tree: Tree, files: Files, mtime: int, modifier: str) -> ObjectId:
    entries = []
    for name, content in files.items():
        if isinstance(content, bytes):
            file_id = _make_file(tree, content)
            entries.append(Dirent(file_id, 0o100644, mtime, name, modifier, len(content)))
        else:
            entries.append(Dirent(_make_folder(tree, content, mtime, modifier), 0o40000, mtime, name))
    if not entries:
        return ZERO_ID
    return _add(tree, *encode_directory(Directory(entries)))


def _make_file(tree: Tree, content: bytes) -> ObjectId:
    if not content:
        return ZERO_ID
    block_id = ObjectId.of(content)
    tree.blocks[block_id] = content
    return _add(tree, *encode_file(FileObject((block_id,), len(content))))


def _add(tree: Tree, object_id: ObjectId, text: bytes) -> ObjectId:
    tree.objects[object_id] = compress(text)
    return object_id


class Peer:
    """One client's view of one library."""

    def __init__(
        self,
        url: str,
        library_id: str,
        token: str,
        *,
        email: str = "ann@example.com",
        peer_id: str = PEER_ID,
        http: httpx.Client | None = None,
    ) -> None:
        self.library_id = LibraryId(library_id)
        self.token = token
        self.email = email
        self.peer_id = peer_id
        self.url = f"{url}/seafhttp/repo/{library_id}"
        self.http = http or httpx.Client(timeout=120)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request below the library's address, with the sync token."""
        headers = {"Seafile-Repo-Token": self.token, **options.pop("headers", {})}
        return self.http.request(method, f"{self.url}/{path}", headers=headers, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def put(self, path: str, content: bytes = b"", **options: Any) -> httpx.Response:
        return self.request("PUT", path, content=content, **options)

    def post(self, path: str, body: object, **options: Any) -> httpx.Response:
        """Send a POST as clients do: JSON or bytes, announced as a form."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, content=content, headers=FORM, **options)

    # -- reading ---------------------------------------------------------------------------------------------

    def check(self, op: str = "download", **parameters: str) -> httpx.Response:
        """Ask for permission."""
        told = {"op": op, "client_id": self.peer_id, "client_name": "straw", **parameters}
        return self.get("permission-check/", params=told)

    def head(self) -> ObjectId:
        """Return the head's id."""
        answer = self.get("commit/HEAD")
        assert answer.status_code == 200, answer.text
        return ObjectId(answer.json()["head_commit_id"])

    def commit(self, commit_id: str) -> dict[str, Any]:
        """Return a commit as it is stored."""
        answer = self.get(f"commit/{commit_id}")
        assert answer.status_code == 200, answer.text
        value: dict[str, Any] = json.loads(answer.content)
        return value

    def listing(self, server_head: str, client_head: str | None = None, **more: str) -> list[str]:
        """Return which objects a client lacks."""
        told = {"server-head": server_head, **({"client-head": client_head} if client_head else {}), **more}
        answer = self.get("fs-id-list/", params=told)
        assert answer.status_code == 200, answer.text
        ids: list[str] = answer.json()
        return ids

    def objects(self, ids: Iterable[str]) -> dict[ObjectId, bytes]:
        """Return objects in stored form, asking again for what did not fit."""
        wanted, found = dict.fromkeys(ids), dict[ObjectId, bytes]()
        while rest := [object_id for object_id in wanted if object_id not in found][:100]:
            answer = self.post("pack-fs/", rest)
            assert answer.status_code == 200, answer.text
            found.update(decode_frames(answer.content))
        return found

    def clone(self) -> dict[str, Any]:
        """Return the library's files, as a client that has nothing yet downloads them."""
        head = self.head()
        root_id = self.commit(head)["root_id"]
        objects = {name: decode_fs(data) for name, data in self.objects(self.listing(head)).items()}
        return self._folder(objects, ObjectId(root_id))

    def _folder(self, objects: Mapping[ObjectId, object], folder_id: ObjectId) -> dict[str, Any]:
        if folder_id == ZERO_ID:
            return {}
        folder = objects[folder_id]
        assert isinstance(folder, Directory)
        return {
            e.name: self._folder(objects, e.id) if e.is_dir else self._file(objects, e.id) for e in folder
        }

    def _file(self, objects: Mapping[ObjectId, object], file_id: ObjectId) -> bytes:
        if file_id == ZERO_ID:
            return b""
        file = objects[file_id]
        assert isinstance(file, FileObject)
        return b"".join(self.block(block_id) for block_id in file.block_ids)

    def block(self, block_id: str) -> bytes:
        """Return a block."""
        answer = self.get(f"block/{block_id}")
        assert answer.status_code == 200, answer.text
        assert hashlib.sha1(answer.content).hexdigest() == block_id
        return answer.content

    # -- writing ---------------------------------------------------------------------------------------------

    def make_commit(self, tree: Tree, base: str | None, text: str = "Added\n", **more: Any) -> Commit:
        """Return a commit of a tree on top of another, of a second that no other commit has."""
        return Commit.make(
            library_id=self.library_id,
            root_id=tree.root_id,
            creator_name=self.email,
            description=text,
            ctime=next(_ctimes),
            creator=self.peer_id,
            parent_id=None if base is None else ObjectId(base),
            device_name="straw",
            client_version="8.0.10",
            **more,
        )

    def put_commit(self, commit: Commit) -> httpx.Response:
        """Store a commit."""
        return self.put(f"commit/{commit.commit_id}", encode(commit))

    def put_head(self, commit_id: str) -> httpx.Response:
        """Ask for the head to move."""
        return self.put(f"commit/HEAD/?head={commit_id}")

    def send_tree(self, tree: Tree) -> None:
        """Store what the server lacks of a tree."""
        missing = self.post("check-fs/", list(tree.objects)).json()
        if missing:
            frames = encode_frames((ObjectId(name), tree.objects[ObjectId(name)]) for name in missing)
            answer = self.post("recv-fs/", frames)
            assert answer.status_code == 200, answer.text
        for name in self.post("check-blocks/", list(tree.blocks)).json():
            answer = self.put(f"block/{name}", tree.blocks[ObjectId(name)])
            assert answer.status_code == 200, answer.text

    def begin(self, files: Files | Tree, base: str | None = None, **more: Any) -> Commit:
        """Do everything of a push but the last step; `base` is the present head unless given."""
        tree = files if isinstance(files, Tree) else make_tree(files, modifier=self.email)
        commit = self.make_commit(tree, base or self.head(), **more)
        answer = self.put_commit(commit)
        assert answer.status_code == 200, answer.text
        self.send_tree(tree)
        return commit

    def push(self, files: Files | Tree, base: str | None = None, **more: Any) -> Commit:
        """Push a tree, and return its commit."""
        commit = self.begin(files, base, **more)
        answer = self.put_head(commit.commit_id)
        assert answer.status_code == 200, answer.text
        return commit


def text_of(stored: bytes) -> Any:
    """Return the JSON value of a stored fs object."""
    return json.loads(decompress(stored))
