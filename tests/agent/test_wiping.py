"""What a wipe removes, and above all what it does not.

These rules stand between an order from far away and somebody's files; each has its test here.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import pytest

import seafleet_agent as agent
from seafleet_agent import Eraser, Library, Outcome, Protected, Target
from tests.agent.installation import ELSEWHERE, HERE, Installation, fill, tree
from tests.agent.recorded import RecordedMachine

NOBODY = Protected((), ())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Somebody's home."""
    path = tmp_path.resolve() / "home" / "mara"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def client(home: Path) -> Installation:
    """A client in that home, which does not run."""
    return Installation(home).set_up()


def target(client: Installation, library_id: str, folder: Path | str) -> Target:
    return Target(library_id, str(folder), str(client.data), "mara@example.org", HERE, os.getuid())


def wipe(client: Installation, *targets: Target, **protected: Any) -> list[Outcome]:
    guard = Protected((str(client.home),), (), (str(client.data), str(client.configuration)))
    guard = Protected(**{**vars(guard), **protected})
    machine = RecordedMachine()
    return [Outcome(**value) for value in agent.wipe_targets(machine, targets, guard)]


def why_not(folder: Path | str, protected: Protected = NOBODY) -> str:
    return agent.refusal(str(folder), protected)


# -- what is removed -----------------------------------------------------------------------------------------


def test_a_folder_and_all_that_the_client_stored_of_its_library_goes(client: Installation) -> None:
    folder = client.home / "Seafile" / "notes"
    library_id = client.add(1, folder)
    (outcome,) = wipe(client, target(client, library_id, folder))
    assert (outcome.state, outcome.files, outcome.folders, outcome.size_bytes) == ("removed", 3, 2, 6)
    assert not folder.exists()
    assert client.stored(library_id) == []
    assert client.client().libraries == ()


def test_other_libraries_of_the_same_client_stay_whole(client: Installation) -> None:
    gone, stays = client.home / "Seafile" / "gone", client.home / "Seafile" / "stays"
    first, second = client.add(1, gone), client.add(2, stays, ELSEWHERE)
    before = tree(stays), client.stored(second)
    wipe(client, target(client, first, gone), libraries=(str(stays),))
    assert (tree(stays), client.stored(second)) == before
    assert [library.id for library in client.client().libraries] == [second]


def test_read_only_files_and_folders_go_as_well(client: Installation) -> None:
    folder = client.home / "locked"
    library_id = client.add(1, folder)
    (folder / "a.txt").chmod(0o400)
    (folder / "sub").chmod(0o500)
    (folder / "shut").mkdir(0o000)
    (outcome,) = wipe(client, target(client, library_id, folder))
    assert outcome.state == "removed"
    assert not folder.exists()


def test_files_whose_names_are_no_text_go_as_well(client: Installation) -> None:
    folder = client.home / "odd"
    library_id = client.add(1, folder)
    (folder / os.fsdecode(b"caf\xe9\n")).write_text("x")
    (outcome,) = wipe(client, target(client, library_id, folder))
    assert (outcome.state, outcome.files) == ("removed", 4)
    assert not folder.exists()


@pytest.mark.slow
def test_folders_deeper_than_any_call_stack_and_set_of_open_files_go_as_well(client: Installation) -> None:
    folder = client.home / "deep"
    library_id = client.add(1, folder)
    handle = os.open(folder, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("d", dir_fd=handle)
        inner = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(handle)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        (outcome,) = wipe(client, target(client, library_id, folder))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (outcome.state, outcome.left) == ("removed", [])
    assert not folder.exists()


def test_a_library_that_is_just_being_fetched_goes(client: Installation) -> None:
    folder = client.home / "Seafile" / "new"
    library_id = client.begin(1, folder)
    (library,) = client.client().libraries
    assert (library.id, library.server, library.folder) == (library_id, HERE, str(folder))
    (outcome,) = wipe(client, target(client, library_id, folder))
    assert outcome.state == "removed"
    assert client.stored(library_id) == []


def test_a_folder_that_is_gone_already_is_told_so_and_its_traces_go(client: Installation) -> None:
    folder = client.home / "Seafile" / "notes"
    library_id = client.add(1, folder, files=False)
    (outcome,) = wipe(client, target(client, library_id, folder))
    assert outcome.state == "absent"
    assert client.stored(library_id) == []


def test_pieces_of_blocks_go_with_the_last_library_and_not_before(client: Installation) -> None:
    first, second = client.home / "one", client.home / "two"
    one, two = client.add(1, first), client.add(2, second)
    piece = client.data / "tmpfiles" / "064c3d89.0UDJZ3"
    piece.parent.mkdir()
    piece.write_bytes(b"piece")
    wipe(client, target(client, one, first))
    assert piece.exists()
    wipe(client, target(client, two, second))
    assert not piece.exists()


# -- symbolic links ------------------------------------------------------------------------------------------


def test_links_inside_are_removed_and_what_they_lead_to_stays(client: Installation) -> None:
    folder, outside = client.home / "notes", client.home / "private"
    library_id = client.add(1, folder)
    fill(outside)
    (folder / "to folder").symlink_to(outside)
    (folder / "to file").symlink_to(outside / "a.txt")
    (folder / "sub" / "up").symlink_to("../..")
    (folder / "dangling").symlink_to("/nonexistent/x")
    before = tree(outside)
    (outcome,) = wipe(client, target(client, library_id, folder))
    assert outcome.state == "removed"
    assert not folder.exists()
    assert tree(outside) == before


def test_hard_links_outside_keep_their_content(client: Installation) -> None:
    folder = client.home / "notes"
    library_id = client.add(1, folder)
    os.link(folder / "a.txt", client.home / "copy.txt")
    wipe(client, target(client, library_id, folder))
    assert (client.home / "copy.txt").read_text() == "a"


def test_a_folder_that_is_a_link_is_refused_and_nothing_is_touched(client: Installation) -> None:
    real, link = client.home / "real", client.home / "link"
    fill(real)
    link.symlink_to(real)
    library_id = client.add(1, link, files=False)
    stored = client.stored(library_id)
    (outcome,) = wipe(client, target(client, library_id, link))
    assert (outcome.state, outcome.reason) == ("refused", f"{link} is a symbolic link")
    assert tree(real) == ["a.txt", "b.txt", "sub", "sub/c.txt"]
    assert client.stored(library_id) == stored


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make links of another account")
def test_a_link_on_the_way_is_refused_unless_root_made_it_where_only_root_can(tmp_path: Path) -> None:
    base = tmp_path.resolve()
    fill(base / "real" / "notes")
    (base / "link").symlink_to(base / "real")
    assert why_not(base / "link" / "notes") == ""
    os.lchown(base / "link", 65534, 65534)
    assert why_not(base / "link" / "notes") == f"{base / 'link'} is a symbolic link"
    os.lchown(base / "link", 0, 0)
    base.chmod(0o777)
    assert why_not(base / "link" / "notes") == f"{base / 'link'} is a symbolic link"


def test_a_folder_swapped_for_a_link_after_the_look_is_not_followed(
    client: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, outside = client.home / "notes", client.home / "private"
    library_id = client.add(1, folder)
    fill(outside)
    look = agent.examine

    def examine_then_swap(one: Target, protected: Protected) -> Outcome:
        outcome = look(one, protected)
        folder.rename(client.home / "moved")
        folder.symlink_to(outside)
        return outcome

    monkeypatch.setattr(agent, "examine", examine_then_swap)
    (outcome,) = wipe(client, target(client, library_id, folder))
    assert outcome.state == "failed"
    assert tree(outside) == ["a.txt", "b.txt", "sub", "sub/c.txt"]


def test_a_folder_inside_swapped_for_a_link_after_the_look_is_not_entered(
    client: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, outside = client.home / "notes", client.home / "private"
    library_id = client.add(1, folder)
    fill(outside)
    enter = Eraser._enter

    def swap_then_enter(eraser: Eraser, level: Any, name: str, path: str) -> Any:
        if name == "sub":
            (folder / "sub").rename(client.home / "moved")
            (folder / "sub").symlink_to(outside)
        return enter(eraser, level, name, path)

    monkeypatch.setattr(Eraser, "_enter", swap_then_enter)
    (outcome,) = wipe(client, target(client, library_id, folder))
    assert (outcome.state, len(outcome.left)) == ("failed", 1)
    assert tree(outside) == ["a.txt", "b.txt", "sub", "sub/c.txt"]


def test_a_way_that_contains_a_link_is_never_opened(tmp_path: Path) -> None:
    real = tmp_path.resolve() / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    os.close(agent.open_folder(str(real)))
    with pytest.raises(OSError, match="link"):
        agent.open_folder(str(tmp_path.resolve() / "link"))


# -- places that are never removed ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "folder", ["/", "/home", "/etc", "/usr/share", "/var", "/tmp", "/proc/self", "/root"]
)
def test_folders_of_the_system_are_refused(folder: str) -> None:
    assert why_not(folder) in ("a folder of the system", f"{folder} is a symbolic link")


@pytest.mark.parametrize(
    "folder", ["", ".", "notes", "../x", "/home/../etc", "/home//mara", "/home/mara/", "/a\0b"]
)
def test_a_way_that_is_not_plain_is_refused(folder: str) -> None:
    assert why_not(folder) == "not a plain absolute path"


def test_a_home_and_what_holds_one_are_refused(home: Path) -> None:
    protected = Protected((str(home),), ())
    assert why_not(home, protected) == "a home, or has one inside"
    assert why_not(home.parent, protected) == "a home, or has one inside"
    (home / "notes").mkdir()
    assert why_not(home / "notes", protected) == ""


def test_a_home_that_is_named_by_a_link_is_still_a_home(home: Path) -> None:
    (home.parent / "alias").symlink_to(home)
    assert why_not(home, Protected((str(home.parent / "alias"),), ())) == "a home, or has one inside"


def test_a_file_is_no_folder(home: Path) -> None:
    (home / "file").write_text("x")
    assert why_not(home / "file") == "not a folder"


def test_what_belongs_to_the_client_or_the_agent_is_refused(client: Installation) -> None:
    inside = client.data / "storage" / "blocks"
    inside.mkdir(parents=True)
    protected = Protected((), (), (str(client.data),))
    for folder in (client.data, inside):
        assert why_not(folder, protected) == "belongs to the sync client or to this program"


# -- libraries of others -------------------------------------------------------------------------------------


def test_a_library_of_another_server_inside_stays_with_the_way_to_it(client: Installation) -> None:
    folder = client.home / "notes"
    inner = folder / "sub" / "others"
    library_id = client.add(1, folder)
    client.add(2, inner, ELSEWHERE)
    (outcome,) = wipe(client, target(client, library_id, folder), libraries=(str(inner),))
    assert (outcome.state, outcome.kept) == ("removed", [str(inner)])
    assert tree(folder) == [
        "sub",
        "sub/others",
        "sub/others/a.txt",
        "sub/others/b.txt",
        "sub/others/sub",
        "sub/others/sub/c.txt",
    ]


def test_a_folder_inside_a_library_of_another_server_is_refused(client: Installation) -> None:
    outer = client.home / "others"
    folder = outer / "notes"
    library_id = client.add(1, folder)
    (outcome,) = wipe(client, target(client, library_id, folder), libraries=(str(outer),))
    assert (outcome.state, outcome.reason) == ("refused", "lies in a folder of another library")
    assert (folder / "a.txt").exists()


def test_a_folder_that_two_servers_share_is_refused(client: Installation) -> None:
    folder = client.home / "both"
    library_id = client.add(1, folder)
    (outcome,) = wipe(client, target(client, library_id, folder), libraries=(str(folder),))
    assert outcome.state == "refused"
    assert (folder / "a.txt").exists()


def test_the_clients_own_data_inside_stays(home: Path) -> None:
    client = Installation(home).set_up()
    folder = home / "Seafile"
    library_id = client.add(1, folder)
    (outcome,) = wipe(client, target(client, library_id, folder))
    assert (outcome.state, outcome.kept) == ("removed", [str(client.data)])
    assert (client.data / "repo.db").exists()
    assert not (folder / "a.txt").exists()


def test_of_nested_libraries_of_this_server_both_go(client: Installation) -> None:
    outer = client.home / "outer"
    inner = outer / "sub" / "inner"
    one, two = client.add(1, outer), client.add(2, inner)
    outcomes = wipe(client, target(client, one, outer), target(client, two, inner))
    assert [outcome.is_over for outcome in outcomes] == [True, True]
    assert not outer.exists()


def test_what_is_mounted_inside_stays_and_the_wipe_says_so(
    client: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = client.home / "notes"
    library_id = client.add(1, folder)
    monkeypatch.setattr(agent, "mount_points", lambda: frozenset([str(folder / "sub")]))
    (outcome,) = wipe(client, target(client, library_id, folder))
    assert outcome.state == "failed"
    assert outcome.left == [f"{folder / 'sub'}: something is mounted there"]
    assert tree(folder) == ["sub", "sub/c.txt"]


def test_another_file_system_inside_stays(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = Outcome("", str(home), "")
    eraser = Eraser([], outcome)
    (home / "x").mkdir()
    status = os.stat(home / "x")
    assert not eraser._may_remove(str(home / "x"), status, status.st_dev + 1)
    assert outcome.left == [f"{home / 'x'}: something is mounted there"]


def test_mount_points_are_read_with_their_odd_characters() -> None:
    text = (
        "22 28 0:21 / /sys rw,nosuid - sysfs sysfs rw\n"
        "99 28 8:17 / /home/mara/my\\040notes rw - ext4 /dev/sdb1 rw\n"
        "short line\n"
    )
    assert agent.parse_mounts(text) == {"/sys", "/home/mara/my notes"}


# -- whose library it is -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "ours"),
    [
        ("https://files.example.org", True),
        ("https://files.example.org/", True),
        ("http://FILES.example.org", True),
        ("https://files.example.org:443", True),
        ("https://files.example.org.:443/x", True),
        ("https://files.example.org:8443", False),
        ("https://files.example.org.evil.net", False),
        ("https://evil.net/files.example.org", False),
        ("https://files.example.org@evil.net", False),
        ("https://example.org", False),
        ("https://files.example.org:x", False),
        ("", False),
    ],
)
def test_a_library_is_of_this_server_by_host_and_port(server: str, ours: bool) -> None:
    library = Library("id", server, "mara@example.org", "/x")
    assert agent.is_of(library, [HERE], None, "") is ours


def test_only_the_wanted_libraries_of_the_wanted_user_count() -> None:
    library = Library("id-1", HERE, "Mara@example.org", "/x")
    assert agent.is_of(library, [HERE], ["id-1"], "mara@example.org")
    assert not agent.is_of(library, [HERE], ["id-2"], "")
    assert not agent.is_of(library, [HERE], [], "")
    assert not agent.is_of(library, [HERE], None, "ines@example.org")


def test_a_server_is_known_by_its_other_names_as_well() -> None:
    library = Library("id", "http://10.0.0.5:8000", "mara@example.org", "/x")
    assert not agent.is_of(library, [HERE], None, "")
    assert agent.is_of(library, [HERE, "http://10.0.0.5:8000/"], None, "")


# -- where folders cannot be held open -----------------------------------------------------------------------


def erase_by_path(folder: Path, keep: list[str]) -> tuple[bool, Outcome]:
    """Remove a folder as on Windows, where links are recognised instead of refused by the system."""
    outcome = Outcome("", str(folder), "")
    done = Eraser(keep, outcome)._remove_by_path(str(folder), os.lstat(folder).st_dev)
    return done, outcome


def test_by_path_links_are_removed_and_not_followed(home: Path) -> None:
    folder, outside = home / "notes", home / "private"
    fill(folder)
    fill(outside)
    (folder / "to folder").symlink_to(outside)
    done, outcome = erase_by_path(folder, [])
    assert (done, outcome.files, outcome.folders) == (True, 4, 2)
    assert tree(outside) == ["a.txt", "b.txt", "sub", "sub/c.txt"]


def test_by_path_what_is_to_be_kept_stays_with_the_way_to_it(home: Path) -> None:
    folder = home / "notes"
    fill(folder)
    done, outcome = erase_by_path(folder, [str(folder / "sub")])
    assert (done, outcome.kept) == (False, [str(folder / "sub")])
    assert tree(folder) == ["sub", "sub/c.txt"]


def test_a_reparse_point_of_windows_counts_as_a_link() -> None:
    class Junction:
        st_mode = 0o040777
        st_file_attributes = 0x410

    assert agent.is_link(Junction())  # type: ignore[arg-type]
