"""Scale: one folder of 100,000 entries, and a library of 1,000,000 files in 1,000 folders.

The libraries are prepared with the product's own services before the server starts; all files share one
content, so that what is measured is the tree. Medians of several calls each.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from benchmarks.rig import EMAIL, PASSWORD, Target, parse, report, started
from benchmarks.wire import Client

UNITS = {
    "wide: list 100,000 entries": "ms",
    "wide: list 100,000 entries (v2.1)": "ms",
    "wide: upload one more": "ms",
    "wide: rename one": "ms",
    "wide: delete one": "ms",
    "wide: history page": "ms",
    "large: list a folder of 1,000": "ms",
    "large: upload one more": "ms",
    "large: rename one folder": "ms",
    "large: sums over a folder": "ms",
    "large: copy a folder of 1,000": "ms",
    "large: history page": "ms",
    "large: trash page": "ms",
    "large: file history": "ms",
    "peak memory": "MB",
}
_CALLS = 7


def main() -> None:
    """Prepare, run and print."""
    options = parse(__doc__ or "", rounds=1)
    wide, folders = int(100_000 * options.scale), int(1000 * options.scale)
    with contextlib.ExitStack() as stack:
        folder = options.data or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="seafleet-scale-"))
        )
        begun = time.perf_counter()
        wide_id, large_id = prepare(folder / "data", options.database_url, wide, folders)
        print(f"prepared {wide + folders * 1000:,} entries in {time.perf_counter() - begun:.1f} s")
        with started(folder, options.database_url) as target:
            measure(target, wide_id, large_id)
            target.record("peak memory", target.peak_megabytes() or 0)
            report(f"{wide:,} entries in a folder; {folders * 1000:,} files in a library", [target], UNITS)


def prepare(data: Path, database_url: str, wide: int, folders: int) -> tuple[str, str]:
    """Make an account and the two libraries in a fresh data folder; return the libraries' ids."""
    os.environ |= {
        "SEAFLEET_DATA": str(data),
        "SEAFLEET_DATABASE_URL": database_url,
        "SEAFLEET_ADMIN_EMAIL": EMAIL,
        "SEAFLEET_ADMIN_PASSWORD": PASSWORD,
    }
    from seafleet.app import build_services, close_services
    from seafleet.library.edits import AddFiles, MakeFolder, NewFile
    from seafleet.library.model import Author
    from seafleet.settings import Settings
    from seafleet.store.ingest import FileIngest

    services = build_services(Settings.load())
    account = services.accounts.create(EMAIL, PASSWORD, is_staff=True)
    author = Author(EMAIL)
    ids = []
    for name, tops, count in (
        ("wide", [""], wide),
        ("large", [f"/folder-{n:04}" for n in range(folders)], 1000),
    ):
        head = services.libraries.create(account.id, name)
        ingest = FileIngest(services.objects, head.store_id)
        ingest.write(b"the same content everywhere")
        content = ingest.finish()
        for top in tops:
            if top:
                services.libraries.commit_edit(head.library_id, author, MakeFolder(top))
            files = tuple(NewFile.received(f"entry-{n:06}.txt", content) for n in range(count))
            services.libraries.commit_edit(head.library_id, author, AddFiles(top or "/", files, replace=True))
        ids.append(str(head.library_id))
    close_services(services)
    return ids[0], ids[1]


def measure(target: Target, wide_id: str, large_id: str) -> None:
    """Run every measurement against a started server."""
    client = target.client()
    numbers = iter(range(1_000_000))

    def timed(what: str, call: Callable[[], object]) -> None:
        times = []
        for _ in range(_CALLS):
            begun = time.perf_counter()
            call()
            times.append((time.perf_counter() - begun) * 1000)
        target.record(what, statistics.median(times))

    def upload(library_id: str, folder: str) -> None:
        link = client.call("GET", f"/api2/repos/{library_id}/upload-link/?p={quote(folder)}").json()
        client.upload(link[link.index("/seafhttp") :], f"new-{next(numbers)}.txt", b"new", folder)

    def rename(library_id: str, kind: str, path: str) -> None:
        form = {"operation": "rename", "newname": f"renamed-{next(numbers)}"}
        client.call("POST", f"/api/v2.1/repos/{library_id}/{kind}/?p={quote(path)}", form)

    entries = (f"/entry-{n:06}.txt" for n in range(1000))
    tops = (f"/folder-{n:04}" for n in range(10, 1000))
    history = "/api/v2.1/repos/{}/history/?per_page=25"
    timed("wide: list 100,000 entries", lambda: client.call("GET", f"/api2/repos/{wide_id}/dir/?p=/"))
    timed(
        "wide: list 100,000 entries (v2.1)", lambda: client.call("GET", f"/api/v2.1/repos/{wide_id}/dir/?p=/")
    )
    timed("wide: upload one more", lambda: upload(wide_id, "/"))
    timed("wide: rename one", lambda: rename(wide_id, "file", next(entries)))
    timed(
        "wide: delete one",
        lambda: client.call("DELETE", f"/api2/repos/{wide_id}/file/?p={quote(next(entries))}"),
    )
    timed("wide: history page", lambda: client.call("GET", history.format(wide_id)))
    _measure_large(client, large_id, timed, upload, rename, tops)


def _measure_large(
    client: Client,
    large_id: str,
    timed: Callable[[str, Callable[[], object]], None],
    upload: Callable[[str, str], None],
    rename: Callable[[str, str, str], None],
    rest: Iterator[str],
) -> None:
    folder = "/folder-0001"
    timed(
        "large: list a folder of 1,000", lambda: client.call("GET", f"/api2/repos/{large_id}/dir/?p={folder}")
    )
    timed("large: upload one more", lambda: upload(large_id, folder))
    timed("large: rename one folder", lambda: rename(large_id, "dir", next(rest)))
    detail = f"/api/v2.1/repos/{large_id}/dir/detail/?path={folder}"
    timed("large: sums over a folder", lambda: client.call("GET", detail))
    form = {"file_names": "folder-0001", "dst_repo": large_id, "dst_dir": "/folder-0002"}
    timed(
        "large: copy a folder of 1,000",
        lambda: client.call("POST", f"/api2/repos/{large_id}/fileops/copy/", form),
    )
    timed(
        "large: history page", lambda: client.call("GET", f"/api/v2.1/repos/{large_id}/history/?per_page=25")
    )
    timed("large: trash page", lambda: client.call("GET", f"/api/v2.1/repos/{large_id}/trash/?path=/"))
    path = "/folder-0001/entry-000001.txt"
    timed(
        "large: file history",
        lambda: client.call("GET", f"/api/v2.1/repos/{large_id}/file/history/?path={path}"),
    )


if __name__ == "__main__":
    main()
