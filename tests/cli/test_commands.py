"""What the commands do, print and exit with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import delete

from seafleet import __version__, errors
from seafleet.api.services import Services
from seafleet.app import build_services, close_services
from seafleet.cli.console import MEANINGS, ExitCode, code_of, show
from seafleet.db import tables
from seafleet.settings import Settings
from tests.cli.conftest import Run
from tools import cli_page

ADMIN = "admin@example.com"
ANN = "ann@example.com"


def open_data(data: Path) -> Services:
    return build_services(Settings.load(data=data))


# -- help, version, mistakes ------------------------------------------------------------------------------


def test_help_names_every_command_and_the_exit_codes(run: Run) -> None:
    done = run("--help")
    assert done.code == 0
    for word in ("serve", "user", "library", "verify", "version", "Exit codes"):
        assert word in done.out


def test_version_says_what_is_installed(run: Run) -> None:
    done = run("version")
    assert done.out.startswith(f"seafleet {__version__} (Python 3.")


@pytest.mark.parametrize("arguments", [["fly"], ["user", "add"], ["serve", "--speed", "9"]])
def test_a_wrong_command_line_is_a_usage_error(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert "Usage:" in done.err


def test_without_a_data_folder_a_command_says_how_to_get_one_and_makes_none(run: Run, folder: Path) -> None:
    done = run("user", "list")
    assert done.code == ExitCode.NOT_FOUND
    assert "seafleet serve" in done.err
    assert not folder.exists()


def test_a_wrong_setting_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAFLEET_WORKERS", "many")
    done = run("user", "list")
    assert done.code == ExitCode.SETTINGS
    assert done.err.startswith("seafleet: workers: ")


def test_a_database_that_cannot_be_opened_is_unavailable(run: Run, data: Path) -> None:
    (data / "seafleet.db").write_bytes(b"this is no database" * 100)
    done = run("user", "list")
    assert done.code == ExitCode.UNAVAILABLE
    assert done.err.startswith("seafleet: ")
    assert "Traceback" not in done.err


# -- accounts ---------------------------------------------------------------------------------------------


def test_a_user_is_added_listed_and_may_log_in(run: Run, data: Path) -> None:
    added = run("user", "add", "Ann@Example.com", "--name", "Ann", "--password-stdin", stdin="s3cret pass\n")
    assert (added.code, added.out) == (0, f"{ANN}\n")
    listed = json.loads(run("user", "list", "--json").out)
    assert [row["email"] for row in listed] == [ADMIN, ANN]
    assert listed[1] == {
        "email": ANN,
        "name": "Ann",
        "active": True,
        "admin": False,
        "role": "default",
        "usage_bytes": 0,
        "quota_bytes": -2,
    }
    services = open_data(data)
    assert services.accounts.authenticate(ANN, "s3cret pass").email == ANN
    close_services(services)


def test_a_made_up_password_is_the_only_thing_on_stdout(run: Run, data: Path) -> None:
    password = run("user", "add", ANN, "--generate", "--admin").out.strip()
    services = open_data(data)
    assert services.accounts.authenticate(ANN, password).is_staff
    close_services(services)


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "words"),
    [
        (["user", "add", ADMIN, "--generate"], "", ExitCode.CONFLICT, "exists already"),
        (["user", "add", "nonsense", "--generate"], "", ExitCode.SETTINGS, "not an address"),
        (["user", "add", ANN, "--password-stdin"], "\n", ExitCode.SETTINGS, "empty"),
        (["user", "add", ANN], "", ExitCode.USAGE, "--password-stdin"),
        (["user", "passwd", ANN, "--password-stdin"], "x\n", ExitCode.NOT_FOUND, "not found"),
        (["user", "disable", ANN], "", ExitCode.NOT_FOUND, "not found"),
        (["user", "disable", ADMIN], "", ExitCode.CONFLICT, "last active administrator"),
        (["library", "list", "--owner", ANN], "", ExitCode.NOT_FOUND, "not found"),
        (["library", "show", "7460"], "", ExitCode.SETTINGS, "not a valid library id"),
        (["library", "show", "0" * 8 + "-0000" * 3 + "-" + "0" * 12], "", ExitCode.NOT_FOUND, "not found"),
    ],
)
@pytest.mark.usefixtures("data")
def test_every_failure_is_a_sentence_and_a_code(
    run: Run, arguments: list[str], stdin: str, code: ExitCode, words: str
) -> None:
    done = run(*arguments, stdin=stdin)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("seafleet: ")
    assert words in done.err


def test_a_new_password_ends_every_token(run: Run, data: Path) -> None:
    services = open_data(data)
    token = services.tokens.issue_plain(services.accounts.get_by_email(ADMIN))
    close_services(services)
    assert run("user", "passwd", ADMIN, "--password-stdin", stdin="new pass\n").code == 0
    services = open_data(data)
    with pytest.raises(errors.TokenNotFound):
        services.tokens.resolve(token)
    assert services.accounts.authenticate(ADMIN, "new pass").email == ADMIN
    close_services(services)


@pytest.mark.usefixtures("data")
def test_an_account_is_switched_off_and_on(run: Run) -> None:
    run("user", "add", ANN, "--generate")
    assert run("user", "disable", ANN).code == 0
    assert "no      " in run("user", "list", "--search", "ann").out
    assert run("user", "disable", ANN, "--undo").code == 0
    assert json.loads(run("user", "list", "--search", "ann", "--json").out)[0]["active"] is True


@pytest.mark.usefixtures("data")
def test_nothing_found_is_told_beside_an_empty_result(run: Run) -> None:
    done = run("user", "list", "--search", "nobody at all")
    assert (done.code, done.out) == (0, "")
    assert "no such account" in done.err
    assert json.loads(run("library", "list", "--json").out) == []


# -- libraries --------------------------------------------------------------------------------------------


def test_libraries_are_listed_and_shown(run: Run, data: Path) -> None:
    services = open_data(data)
    admin = services.accounts.get_by_email(ADMIN)
    head = services.libraries.create(admin.id, "Plans\u202e")
    close_services(services)
    (row,) = json.loads(run("library", "list", "--json").out)
    assert (row["id"], row["owner"], row["files"]) == (head.library_id, ADMIN, 0)
    shown = json.loads(run("library", "show", str(head.library_id), "--json").out)
    assert shown["head_commit"] == head.commit_id
    table = run("library", "list", "--owner", ADMIN).out
    assert "Plans?" in table
    assert head.commit_id in run("library", "show", str(head.library_id)).out


def test_good_libraries_verify_as_good(run: Run, data: Path) -> None:
    services = open_data(data)
    head = services.libraries.create(services.accounts.get_by_email(ADMIN).id, "Plans")
    close_services(services)
    done = run("verify")
    assert done.code == ExitCode.DONE
    assert done.out.startswith(f"{head.library_id}  good  ")
    assert "Libraries verified: 1, damaged: 0." in done.err


def test_damage_is_told_with_path_and_exit_code(run: Run, data: Path) -> None:
    services = open_data(data)
    head = services.libraries.create(services.accounts.get_by_email(ADMIN).id, "Plans")
    statement = delete(tables.object_).where(tables.object_.c.object_id == head.commit_id)
    services.db.write(lambda tx: tx.execute(statement).rowcount)
    close_services(services)
    done = run("verify", str(head.library_id), "--json")
    assert done.code == ExitCode.DAMAGED
    (report,) = json.loads(done.out)
    assert report["good"] is False
    assert report["findings"][0]["object_id"] == head.commit_id
    assert "commit missing" in run("verify", "--quick").out


# -- codes and page ---------------------------------------------------------------------------------------


def test_every_exit_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ExitCode)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.AccountNotFound("a"), ExitCode.NOT_FOUND),
        (errors.AlreadyExists("account", "a"), ExitCode.CONFLICT),
        (errors.InvalidArgument("email"), ExitCode.SETTINGS),
        (errors.StorageFailure("disk full"), ExitCode.UNAVAILABLE),
        (errors.LibraryDamaged("a", "root"), ExitCode.DAMAGED),
        (errors.BadCredentials(), ExitCode.FAILED),
    ],
)
def test_errors_become_exit_codes(error: errors.SeafleetError, code: ExitCode) -> None:
    assert code_of(error) is code


def test_a_table_is_as_wide_as_its_cells(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": "a", "admin": True}, {"name": "longer", "admin": False}]
    show(rows, as_json=False, nothing="")
    assert capsys.readouterr().out == "name    admin\na       yes\nlonger  no\n"


def test_the_page_of_commands_is_current() -> None:
    assert cli_page.TARGET.read_text("utf-8") == cli_page.render(), "run: python -m tools.cli_page"


@pytest.mark.usefixtures("data")
def test_collect_tells_what_it_would_free(run: Run) -> None:
    done = run("collect", "--dry-run")
    assert (done.code, done.out) == (0, "")
    assert "0 bytes would be freed" in done.err
    assert json.loads(run("collect", "--json").out) == {"libraries": [], "deleted": []}
