"""The lock check finds addresses, pins without hashes and dependencies that were never locked."""

from __future__ import annotations

import pytest

from tools.check_lock import lock_problems, normalized, pins

PINS = ("alpha==1.0 ; python_full_version < '3.12'", "beta-two==2.0")
GOOD = "".join(f"{pin} \\\n    --hash=sha256:00\n" for pin in PINS)


def rules(text: str, names: set[str]) -> list[str]:
    return [problem.rule for problem in lock_problems("lock", text, names)]


def test_a_complete_lock_has_no_problem() -> None:
    assert rules(GOOD, {"alpha", "beta-two"}) == []


def test_a_dependency_that_is_not_pinned_is_found() -> None:
    assert rules(GOOD, {"gamma"}) == ["stale lock"]


@pytest.mark.parametrize(
    "line", ["--index-url x", "-i x", "alpha @ https://example.com/alpha.whl", "--find-links x"]
)
def test_an_address_is_found(line: str) -> None:
    assert rules(GOOD + line + "\n", set()) == ["address in lock"]


def test_a_pin_without_a_hash_is_found() -> None:
    assert rules("alpha==1.0\n" + GOOD, set()) == ["pin without hash"]


def test_versions_that_differ_by_platform_are_all_seen() -> None:
    assert pins("a==1 ; x\n    --hash=h\na==2 ; y\n") == {"a": {"1", "2"}}


def test_names_are_compared_as_lock_files_spell_them() -> None:
    assert normalized("psycopg[binary]>=3.2") == "psycopg"
    assert normalized("Zip_Stream.ng>=1") == "zip-stream-ng"
