"""The simulated disk loses what it may lose, and keeps what it must."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.durability.disk import Disk, PowerCut

SEEDS = range(400)


def disk_with(path: str, data: bytes) -> Disk:
    disk = Disk()
    descriptor = disk.open(path, create=True)
    disk.pwrite(descriptor, data, 0)
    disk.fsync(descriptor)
    disk.close(descriptor)
    disk.fsync_folder("/")
    return disk


def outcomes(disk: Disk, path: str) -> Counter[bytes | None]:
    found: Counter[bytes | None] = Counter()
    for seed in SEEDS:
        after = disk.crash(random.Random(seed))
        found[after.read(path) if after.exists(path) else None] += 1
    return found


def test_synced_data_under_a_synced_name_survives() -> None:
    assert set(outcomes(disk_with("/a", b"x" * 2000), "/a")) == {b"x" * 2000}


def test_synced_data_under_a_name_that_is_not_synced_may_be_lost() -> None:
    disk = Disk()
    disk.fsync(disk.open("/a", create=True))
    assert set(outcomes(disk, "/a")) == {None, b""}


def test_an_unsynced_overwrite_may_be_lost_done_or_torn() -> None:
    disk = disk_with("/a", b"old!" * 256)
    disk.pwrite(disk.open("/a"), b"new!" * 256, 0)
    found = outcomes(disk, "/a")
    assert {b"old!" * 256, b"new!" * 256, b"new!" * 128 + b"old!" * 128} <= set(found)


def test_bytes_beside_an_unsynced_write_keep_their_value() -> None:
    disk = disk_with("/a", b"." * 1024)
    disk.pwrite(disk.open("/a"), b"!" * 100, 300)
    for data in outcomes(disk, "/a"):
        assert data is not None
        assert (data[:300], data[400:]) == (b"." * 300, b"." * 624)


def test_writes_arrive_in_any_order() -> None:
    disk = disk_with("/a", bytes(1024))
    descriptor = disk.open("/a")
    disk.pwrite(descriptor, b"1" * 512, 0)
    disk.pwrite(descriptor, b"2" * 512, 512)
    assert bytes(512) + b"2" * 512 in outcomes(disk, "/a")


def test_a_file_may_have_grown_without_its_data() -> None:
    disk = disk_with("/a", b"")
    disk.pwrite(disk.open("/a"), b"1" * 512, 0)
    assert {b"", bytes(512), b"1" * 512} <= set(outcomes(disk, "/a"))


def test_a_truncation_that_was_not_synced_may_be_lost() -> None:
    disk = disk_with("/a", b"1" * 512)
    disk.ftruncate(disk.open("/a"), 10)
    assert set(outcomes(disk, "/a")) == {b"1" * 512, b"1" * 10}


def test_a_rename_happens_as_a_whole_or_not_at_all() -> None:
    disk = disk_with("/a", b"a")
    disk.rename("/a", "/b")
    names = Counter(tuple(disk.crash(random.Random(seed)).listdir("/")) for seed in SEEDS)
    assert set(names) == {("a",), ("b",)}


def test_a_rename_across_folders_is_safe_when_both_are_synced() -> None:
    disk = disk_with("/a", b"a")
    disk.mkdir("/folder")
    disk.fsync_folder("/")
    disk.rename("/a", "/folder/a")
    disk.fsync_folder("/folder")
    assert None in outcomes(disk, "/folder/a")
    disk.fsync_folder("/")
    assert set(outcomes(disk, "/folder/a")) == {b"a"}


def test_a_later_change_that_is_safe_is_not_undone_by_an_earlier_one() -> None:
    disk = disk_with("/a", b"a")
    disk.mkdir("/folder")
    disk.fsync_folder("/")
    disk.rename("/a", "/folder/b")
    disk.unlink("/folder/b")
    disk.fsync_folder("/folder")
    assert set(outcomes(disk, "/folder/b")) == {None}


def test_a_file_below_an_unsynced_folder_is_lost_with_it() -> None:
    disk = Disk()
    disk.makedirs("/x/y")
    disk.fsync(disk.open("/x/y/f", create=True))
    disk.fsync_folder("/x/y")
    disk.fsync_folder("/x")
    assert set(outcomes(disk, "/x/y/f")) == {None, b""}
    disk.fsync_folder("/")
    assert set(outcomes(disk, "/x/y/f")) == {b""}


def test_the_power_goes_during_the_named_operation() -> None:
    disk = disk_with("/a", b"old")
    disk.cut_at(2)
    descriptor = disk.open("/a")
    disk.pwrite(descriptor, b"new", 0)
    with pytest.raises(PowerCut):
        disk.fsync(descriptor)
    with pytest.raises(PowerCut):
        disk.read("/a")
    assert {b"old", b"new"} <= set(outcomes(disk, "/a"))


def test_the_operation_during_which_the_power_goes_may_have_happened() -> None:
    disk = disk_with("/a", b"a")
    disk.cut_at(1)
    with pytest.raises(PowerCut):
        disk.rename("/a", "/b")
    assert set(outcomes(disk, "/b")) == {None, b"a"}


def test_a_full_disk_refuses_to_grow_a_file_and_still_overwrites() -> None:
    disk = disk_with("/a", b"12345")
    disk.limit_bytes = 5
    descriptor = disk.open("/a")
    with pytest.raises(OSError, match="no space left"):
        disk.pwrite(descriptor, b"6", 5)
    disk.pwrite(descriptor, b"54321", 0)
    assert disk.read("/a") == b"54321"


def test_the_same_seed_crashes_in_the_same_way() -> None:
    disk = disk_with("/a", bytes(8192))
    descriptor = disk.open("/a")
    for number in range(16):
        disk.pwrite(descriptor, bytes([number]) * 512, number * 512)
    assert disk.crash(random.Random(7)).read("/a") == disk.crash(random.Random(7)).read("/a")


def test_what_a_failed_sync_was_to_save_is_lost_even_if_the_next_one_succeeds() -> None:
    disk = disk_with("/a", b"old")
    descriptor = disk.open("/a")
    disk.pwrite(descriptor, b"new", 0)
    disk.fault = lambda operation, path: OSError("broken")
    with pytest.raises(OSError, match="broken"):
        disk.fsync(descriptor)
    disk.fault = None
    disk.fsync(descriptor)
    assert disk.read("/a") == b"new"
    assert set(outcomes(disk, "/a")) == {b"old"}
    disk.pwrite(descriptor, b"new", 0)
    disk.fsync(descriptor)
    assert set(outcomes(disk, "/a")) == {b"new"}
