"""A blob store that is damaged on purpose: blobs with a flipped bit, cut short, failing or gone."""

from __future__ import annotations

from enum import Enum

from seafleet.errors import StorageFailure
from seafleet.ids import ObjectId
from seafleet.store.contract import BlobStat
from seafleet.store.memory import MemoryBlobs


class Fault(Enum):
    FLIP = "flip"
    TRUNCATE = "truncate"
    FAIL = "fail"
    DISAPPEAR = "disappear"


class FaultyBlobs(MemoryBlobs):
    """Reads and sizes of the blobs in `faults` are wrong in the given way."""

    faults: dict[ObjectId, Fault]

    def break_blob(self, object_id: ObjectId, fault: Fault) -> None:
        self.faults = {**getattr(self, "faults", {}), object_id: fault}

    def stat(self, store_id: str, object_id: ObjectId) -> BlobStat | None:
        found = super().stat(store_id, object_id)
        fault = getattr(self, "faults", {}).get(object_id)
        if found is None or fault is Fault.DISAPPEAR:
            return None
        size_bytes = found.size_bytes // 2 if fault is Fault.TRUNCATE else found.size_bytes
        return BlobStat(object_id, size_bytes, found.touched_at)

    def read(self, store_id: str, object_id: ObjectId, offset: int, length: int | None) -> bytes | None:
        fault = getattr(self, "faults", {}).get(object_id)
        whole = super().read(store_id, object_id, 0, None)
        if whole is None or fault is Fault.DISAPPEAR:
            return None
        if fault is Fault.FAIL:
            raise StorageFailure("cannot read a block: Input/output error")
        if fault is Fault.FLIP:
            whole = bytes([whole[0] ^ 1]) + whole[1:]
        if fault is Fault.TRUNCATE:
            whole = whole[: len(whole) // 2]
        return whole[offset : None if length is None else offset + length]
