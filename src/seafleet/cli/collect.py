"""`seafleet collect`: remove what no library refers to any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seafleet.cli.console import DataOption, JsonOption, open_services, say, say_json, tell

if TYPE_CHECKING:
    from seafleet.store.collect import CollectReport
    from seafleet.store.deleted import RemovalReport


def collect(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Remove content that no library refers to any more: history beyond its limit, purged libraries.

    The server does the same by itself once a day, and may run meanwhile. What was stored or used within the
    last hours is left alone.
    """
    from seafleet.store.deleted import remove_deleted

    with open_services(data) as services:
        removed = list(remove_deleted(services.objects, dry_run=dry_run))
        collected = []
        for report in services.collector.collect_all(dry_run=dry_run):
            collected.append(report)
            if not json:
                say(_line(report))
    if json:
        say_json(
            {"libraries": [_shape(report) for report in collected], "deleted": [_gone(r) for r in removed]}
        )
    freed = sum(r.removed_bytes for r in collected) + sum(r.removed_bytes for r in removed)
    word = "would be freed" if dry_run else "freed"
    tell(f"Stores: {len(collected)}, deleted libraries: {len(removed)}, {freed:,} bytes {word}.")


def _line(report: CollectReport) -> str:
    told = f"{report.store_id}  kept {report.marked}, removed {report.removed_fs + report.removed_blocks}"
    return f"{told}, {report.removed_bytes:,} bytes" + (f"  ({report.skipped})" if report.skipped else "")


def _shape(report: CollectReport) -> dict[str, object]:
    return {
        "store_id": report.store_id,
        "kept": report.marked,
        "removed_fs": report.removed_fs,
        "removed_blocks": report.removed_blocks,
        "removed_bytes": report.removed_bytes,
        "skipped": report.skipped,
    }


def _gone(report: RemovalReport) -> dict[str, object]:
    return {
        "library_id": report.library_id,
        "removed_objects": report.removed_objects,
        "removed_blobs": report.removed_blobs,
        "removed_bytes": report.removed_bytes,
        "skipped": report.skipped,
    }
