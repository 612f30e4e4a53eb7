"""`seafleet verify`: is everything there that libraries refer to, and is it what it says?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from seafleet.cli.console import DataOption, ExitCode, JsonOption, open_services, say, say_json, tell
from seafleet.ids import LibraryId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seafleet.api.services import Services
    from seafleet.library.model import Head
    from seafleet.store.verify import LibraryReport


def verify(
    library_ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of libraries; all of them when none is named.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Look whether blocks are there, without reading them.")
    ] = False,
    json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Read what the heads of libraries refer to, and report what is missing or damaged. Nothing is changed.

    The server may run meanwhile. Exit code 5 means that damage was found.
    """
    from seafleet.store.verify import Verifier

    with open_services(data) as services:
        verifier = Verifier(services.objects, read_blocks=not quick)
        heads = list(_heads(services, library_ids or []))
        reports = [verifier.verify(head.library_id, head.store_id, head.commit_id) for head in heads]
    if json:
        say_json([_shape(report) for report in reports])
    else:
        for head, report in zip(heads, reports, strict=True):
            _tell(head, report)
    damaged = sum(not report.is_good for report in reports)
    tell(f"Libraries verified: {len(reports)}, damaged: {damaged}.")
    raise typer.Exit(ExitCode.DAMAGED if damaged else ExitCode.DONE)


def _heads(services: Services, library_ids: list[str]) -> Iterator[Head]:
    if library_ids:
        yield from (services.libraries.get(LibraryId.parse(text)) for text in library_ids)
        return
    for account in services.accounts.list(limit=None):
        yield from services.libraries.owned_by(account.id)


def _shape(report: LibraryReport) -> dict[str, Any]:
    return {
        "library_id": report.library_id,
        "good": report.is_good,
        "folders": report.folders,
        "files": report.files,
        "read_bytes": report.read_bytes,
        "findings": [
            {
                "problem": str(finding.problem),
                "path": finding.path,
                "object_id": str(finding.object_id),
                "detail": finding.detail,
            }
            for finding in report.findings
        ],
    }


def _tell(head: Head, report: LibraryReport) -> None:
    verdict = "good" if report.is_good else f"{len(report.findings)} problems"
    say(f"{report.library_id}  {verdict}  {report.folders} folders, {report.files} files  {head.name}")
    for finding in report.findings:
        say(f"  {finding.problem}: {finding.path or '(commit)'} ({finding.object_id})")
