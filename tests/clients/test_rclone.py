"""rclone against a real server: everything that its Seafile backend does.

Source: file server §9.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from tests.clients.rclone import PROGRAM, Rclone, obscure
from tests.support.server import ApiClient, RunningServer

pytestmark = [
    pytest.mark.clients,
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="rclone is not installed (on Debian: apt-get install rclone)"),
]

ODD_NAMES: Final = (
    ".hidden",
    "..two dots",
    " blank before",
    "blank behind ",
    "dot behind.",
    "back\\slash",
    "co:lon",
    'quo"te',
    "apo'strophe",
    "per%cent %41",
    "plus + and & equals =",
    "hash # question ?",
    "semi;colon, comma",
    "line\nbreak",
    "-dash",
    "~tilde",
    "*star [brackets]",
    "ünïcode ☃.txt",
    "名前.txt",
    "fox 🦊.txt",
    unicodedata.normalize("NFD", "décomposé.txt"),
    "long " + "ñ" * 125,
)
GIB: Final = 1 << 30
BLOCK_BYTES: Final = 8 << 20


@pytest.fixture(scope="module")
def ann(sqlite_server: RunningServer) -> ApiClient:
    """Whose account rclone uses."""
    return sqlite_server.user("ann")


@pytest.fixture
def library(ann: ApiClient, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of an empty library; there is one for each test."""
    name = re.sub(r"\W+", "-", request.node.name)
    library_id = ann.create_library(name)
    yield name
    ann.delete(f"/api2/repos/{library_id}/")


@pytest.fixture
def rclone(ann: ApiClient, library: str) -> Rclone:
    """rclone in that library."""
    return Rclone(ann, library)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with files of several sizes, empty ones, and empty folders."""
    return make_tree(tmp_path / "source")


@pytest.fixture
def filled(rclone: Rclone, source: Path) -> Rclone:
    """rclone in a library that has the files of that folder already."""
    account, wanted = rclone.account, library_id(rclone)
    for path, content in contents(source).items():
        if content is not None:
            folder, _, name = path.rpartition("/")
            account.upload(wanted, f"/{name}", content, relative_path=folder)
    return rclone


def make_tree(folder: Path) -> Path:
    """Fill a folder, the same each time."""
    generator = random.Random(20)
    for path, size in (("a.txt", 5), ("empty", 0), ("sub/one", 70_000), ("sub/deep/er/two", 9 << 20)):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(generator.randbytes(size))
    (folder / "sub/nothing/at all").mkdir(parents=True)
    return folder


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return what is below a folder: the bytes of files, None for folders."""
    return {
        unicodedata.normalize("NFC", str(path.relative_to(folder))): None
        if path.is_dir()
        else path.read_bytes()
        for path in folder.rglob("*")
    }


def head_of(account: ApiClient, library: str) -> str:
    (found,) = [each for each in account.json("GET", "/api2/repos/") if each["name"] == library]
    return str(found["head_commit_id"])


# -- there and back --------------------------------------------------------------------------------------


def test_a_tree_goes_there_and_comes_back(rclone: Rclone, source: Path, tmp_path: Path) -> None:
    rclone("copy", source, "X:", "--create-empty-src-dirs")
    rclone("check", "--download", source, "X:")
    rclone("copy", "X:", tmp_path / "back", "--create-empty-src-dirs")
    assert contents(tmp_path / "back") == contents(source)


def test_a_second_copy_transfers_nothing(rclone: Rclone, source: Path) -> None:
    rclone("copy", source, "X:")
    head = head_of(rclone.account, rclone.library)
    done = rclone.try_to("copy", source, "X:", "-v")
    assert "There was nothing to transfer" in done.stderr
    assert head_of(rclone.account, rclone.library) == head


def test_a_changed_file_replaces_the_old_one(filled: Rclone, source: Path) -> None:
    (source / "a.txt").write_bytes(b"another size")
    filled("sync", source, "X:")
    assert filled("cat", "X:a.txt") == "another size"
    assert [name for name in filled.names() if "/" not in name] == ["a.txt", "empty"]


def test_sync_removes_what_is_gone(filled: Rclone, source: Path) -> None:
    (source / "sub/one").unlink()
    filled("sync", source, "X:")
    filled("check", "--download", source, "X:")


def test_move_leaves_nothing_behind(rclone: Rclone, source: Path) -> None:
    wanted = {path: data for path, data in contents(source).items() if data is not None}
    rclone("move", source, "X:")
    assert not [path for path in source.rglob("*") if path.is_file()]
    assert sorted(wanted) == [name for name in rclone.names() if not name.endswith("/")]
    rclone("move", "X:", source)
    assert {path: data for path, data in contents(source).items() if data is not None} == wanted
    assert [name for name in rclone.names() if not name.endswith("/")] == []


def test_part_of_a_file_can_be_read(filled: Rclone, source: Path) -> None:
    for path in ("sub/one", "sub/deep/er/two"):
        cut = filled("cat", f"X:{path}", "--offset", "60000", "--count", "3000")
        assert cut.encode("utf-8", "surrogateescape") == (source / path).read_bytes()[60_000:63_000]


# -- inside the server -----------------------------------------------------------------------------------


def test_files_and_folders_move_inside_the_server(filled: Rclone, source: Path) -> None:
    one = (source / "sub/one").read_bytes()
    steps = [
        ("X:a.txt", "X:b.txt"),  # another name
        ("X:b.txt", "X:sub/a.txt"),  # another folder
        ("X:sub/a.txt", "X:new/c.txt"),  # another folder and name, made on the way
        ("X:sub/deep", "X:sub/deeper"),  # a folder's other name
        ("X:sub/deeper", "X:elsewhere"),  # another place
        ("X:elsewhere", "X:new/below/again"),  # another place and name, made on the way
    ]
    for old, new in steps:
        told = filled.try_to("moveto", old, new, "-v")
        assert told.returncode == 0, told.stderr
        assert "Transferred:   \t          0 B" in told.stderr or "server-side" in told.stderr
    files = ["empty", "new/below/again/er/two", "new/c.txt", "sub/one"]
    folders = ["new/", "new/below/", "new/below/again/", "new/below/again/er/", "sub/"]
    assert filled.names() == sorted(files + folders)
    assert filled.account.download(library_id(filled), "/sub/one") == one


def test_copies_are_made_inside_the_server(filled: Rclone) -> None:
    filled("copyto", "X:a.txt", "X:copy of a.txt")
    filled("copy", "X:sub", "X:copy of sub")
    assert filled("cat", "X:copy of a.txt") == filled("cat", "X:a.txt")
    assert [name for name in filled.names("X:copy of sub") if not name.endswith("/")] == [
        "deep/er/two",
        "one",
    ]


def test_files_move_between_libraries(ann: ApiClient, library: str, source: Path) -> None:
    other_id = ann.create_library(f"other than {library}")
    rclone = Rclone(ann)
    rclone("copy", source, f"X:{library}")
    rclone("moveto", f"X:{library}/a.txt", f"X:other than {library}/moved.txt")
    rclone("move", f"X:{library}/sub", f"X:other than {library}/sub")
    assert sorted(ann.names(other_id)) == ["moved.txt", "sub"]
    assert ann.download(other_id, "/moved.txt") == (source / "a.txt").read_bytes()
    assert ann.download(other_id, "/sub/deep/er/two") == (source / "sub/deep/er/two").read_bytes()


def library_id(rclone: Rclone) -> str:
    found = rclone.account.json("GET", "/api2/repos/")
    return next(str(each["id"]) for each in found if each["name"] == rclone.library)


# -- folders and lists -----------------------------------------------------------------------------------


def test_folders_are_made_and_removed(rclone: Rclone) -> None:
    rclone("mkdir", "X:a/b/c")
    rclone("mkdir", "X:a/b/c")  # once more is no error
    assert rclone.names() == ["a/", "a/b/", "a/b/c/"]
    assert rclone.try_to("rmdir", "X:a").returncode != 0  # not empty
    rclone("rmdir", "X:a/b/c")
    assert rclone.names() == ["a/", "a/b/"]
    rclone("rmdirs", "X:a")
    assert rclone.names() == []


def test_purge_removes_a_folder_with_all_it_holds(filled: Rclone) -> None:
    filled("purge", "X:sub")
    assert filled.names() == ["a.txt", "empty"]


def test_files_are_deleted_one_by_one(filled: Rclone) -> None:
    filled("deletefile", "X:a.txt")
    filled("delete", "X:sub")
    assert [name for name in filled.names() if not name.endswith("/")] == ["empty"]


def test_lists_tell_size_kind_and_time(filled: Rclone) -> None:
    entries = {entry["Path"]: entry for entry in filled.entries()}
    assert entries["sub/one"]["Size"] == 70_000
    assert entries["empty"]["Size"] == 0
    assert entries["sub"]["IsDir"]
    assert all(re.match(r"20\d\d-\d\d-\d\dT", entry["ModTime"]) for entry in entries.values())


def test_about_tells_what_is_used(filled: Rclone) -> None:
    used = re.search(r"^Used: +(.+)$", filled("about", "X:"), re.MULTILINE)
    assert used is not None
    assert used[1] != "0 B"


def test_the_trash_is_emptied(filled: Rclone) -> None:
    filled("purge", "X:sub")
    filled("cleanup", "X:")
    assert filled.names() == ["a.txt", "empty"]


def test_a_link_leads_to_the_file(filled: Rclone, source: Path) -> None:
    link = filled("link", "X:a.txt").strip()
    assert link.startswith(filled.account.server.url)
    assert filled("link", "X:a.txt").strip() == link  # the same one again
    answer = filled.account.http.get(f"{link}?dl=1", follow_redirects=True)
    assert answer.status_code == 200
    assert answer.content == (source / "a.txt").read_bytes()


# -- names -----------------------------------------------------------------------------------------------


def test_odd_names_come_back_as_they_were(rclone: Rclone, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for number, name in enumerate(ODD_NAMES):
        write(source / "files" / name, b"content %d" % number)
    write(source.joinpath("folders", *ODD_NAMES) / "file", b"far down")
    rclone("copy", source, "X:", "--fast-list")
    names = rclone.names("X:files")
    rclone("copy", "X:", tmp_path / "back", "--fast-list")
    assert contents(tmp_path / "back") == contents(source)
    again = rclone.try_to("copy", source, "X:", "-v", "--fast-list").stderr
    assert "There was nothing to transfer" in again
    rclone("moveto", "X:files", "X:to % there?")
    assert rclone.names("X:to % there?") == names
    rclone("moveto", "X:to % there?/per%cent %41", "X:to % there?/more & more ☃")
    rclone("deletefile", "X:to % there?/more & more ☃")
    rclone("purge", "X:to % there?")
    assert rclone("lsf", "X:") == "folders/\n"


def test_files_come_into_the_folder_whose_name_is_in_another_unicode_form(
    rclone: Rclone, tmp_path: Path
) -> None:
    name = unicodedata.normalize("NFD", "décomposé")
    rclone("mkdir", f"X:{name}")
    write(tmp_path / "source" / name / "file", b"content")
    rclone("copy", tmp_path / "source", "X:")
    assert rclone.names() == [f"{name}/", f"{name}/file"]


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


# -- many and large --------------------------------------------------------------------------------------


def test_many_small_files_arrive_from_many_at_once(rclone: Rclone, tmp_path: Path) -> None:
    """Twenty at once, because each rclone asks for ten things a second at most."""
    generator = random.Random(500)
    files = {f"{number % 20}/{number}": generator.randbytes(number * 7) for number in range(500)}
    for path, content in files.items():
        write(tmp_path / path, content)
    with ThreadPoolExecutor(20) as pool:
        jobs = [pool.submit(rclone, "copy", tmp_path / str(part), f"X:{part}") for part in range(20)]
    assert [job.result() for job in jobs] == [""] * 20
    found = library_id(rclone)
    names = [name for name in rclone.names() if not name.endswith("/")]
    assert {name: rclone.account.download(found, f"/{name}") for name in names} == files


def test_a_huge_file_passes_without_filling_memory(
    sqlite_server: RunningServer, rclone: Rclone, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with (source / "huge").open("wb") as file:  # holes, and blocks of sixteen kinds
        for number in range(GIB // BLOCK_BYTES):
            file.seek(number * BLOCK_BYTES + number)
            file.write(b"%16d" % (number % 16))
        file.truncate(GIB)
    before = peak_bytes(sqlite_server)
    rclone("copy", source, "X:")
    rclone("check", "--download", source, "X:")
    assert peak_bytes(sqlite_server) - before < 96 << 20
    assert [entry["Size"] for entry in rclone.entries()] == [GIB]


def peak_bytes(server: RunningServer) -> int:
    """Return the most memory that the server ever had."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


# -- other ways in ---------------------------------------------------------------------------------------


def test_logs_in_makes_a_library_and_removes_it(ann: ApiClient, source: Path) -> None:
    rclone = Rclone(ann, with_password=True, options={"create_library": "true"})
    rclone("copy", source, "X:made by rclone")
    assert "made by rclone/" in rclone("lsf", "X:").splitlines()
    rclone("check", "--download", source, "X:made by rclone")
    rclone("purge", "X:made by rclone")
    assert "made by rclone/" not in rclone("lsf", "X:").splitlines()


def test_a_wrong_password_is_told(sqlite_server: RunningServer, ann: ApiClient) -> None:
    stranger = ApiClient(sqlite_server, ann.email, "wrong", token="")
    done = Rclone(stranger, with_password=True).try_to("lsd", "X:")
    assert done.returncode != 0
    assert "panic" not in done.stderr


def test_an_encrypted_library_needs_its_key(ann: ApiClient, source: Path, tmp_path: Path) -> None:
    ann.create_library("under a key", passwd="open sesame")  # rclone itself makes open ones only
    rclone = Rclone(ann, "under a key", options={"library_key": obscure("open sesame")})
    rclone("copy", source, "X:", "--create-empty-src-dirs")
    rclone("check", "--download", source, "X:")
    rclone("copy", "X:", tmp_path / "back", "--create-empty-src-dirs")
    assert contents(tmp_path / "back") == contents(source)
    told = Rclone(ann, "under a key", options={"library_key": obscure("wrong")}).try_to("lsf", "X:")
    assert told.returncode != 0
    assert "incorrect password" in told.stderr


def test_rclone_works_on_postgresql(postgresql_backed_server: RunningServer, source: Path) -> None:
    rclone = Rclone(
        postgresql_backed_server.user("ann"), with_password=True, options={"create_library": "true"}
    )
    rclone("copy", source, "X:library", "--create-empty-src-dirs")
    rclone("check", "--download", source, "X:library")
    rclone("moveto", "X:library/sub", "X:library/other/sub")
    rclone("purge", "X:library/other/sub/deep")
    assert rclone.names("X:library") == ["a.txt", "empty", "other/", "other/sub/", *moved()]


def moved() -> list[str]:
    return ["other/sub/nothing/", "other/sub/nothing/at all/", "other/sub/one"]
