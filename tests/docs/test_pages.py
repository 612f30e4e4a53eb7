"""The pages hold together: links lead somewhere, decisions are listed, change notes are well formed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tools.source import ROOT, tracked_files

if TYPE_CHECKING:
    from pathlib import Path

LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
PAGES = [path for path in tracked_files() if path.suffix == ".md" and "fixtures" not in path.parts]
FRAGMENT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.(added|changed|fixed|removed|security)\.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    targets = LINK.findall(page.read_text("utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_decision_is_numbered_without_gaps_and_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    names = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert LINK.findall((folder / "README.md").read_text("utf-8")) == names


def test_every_decision_says_what_why_at_which_cost_and_what_would_reopen_it() -> None:
    wanted = ["What was to be decided", "Decision", "What it costs", "What would make us think again"]
    for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md"):
        headings = re.findall(r"^## (.*)$", path.read_text("utf-8"), re.MULTILINE)
        assert [heading for heading in wanted if heading not in headings] == [], path.name


def test_every_change_note_is_named_by_subject_and_kind_and_says_something() -> None:
    notes = [path for path in (ROOT / "changelog" / "unreleased").iterdir() if path.name != "README.md"]
    assert [path.name for path in notes if not FRAGMENT.fullmatch(path.name)] == []
    assert [path.name for path in notes if not path.read_text("utf-8").strip()] == []
