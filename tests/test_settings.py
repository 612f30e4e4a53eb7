"""Where settings come from, and what is told about wrong ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seafleet.errors import InvalidArgument
from seafleet.settings import Settings
from tools import settings_table


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment without our variables, in a folder without a data folder."""
    for name in list(os.environ):
        if name.startswith("SEAFLEET_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_without_anything_the_defaults_serve_this_machine_from_a_folder_here() -> None:
    settings = Settings.load()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.resolved_database_url == f"sqlite:///{Path.cwd()}/seafleet-data/seafleet.db"
    assert settings.trusted_proxies == ()


def test_options_win_over_the_environment_and_that_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write(Path("seafleet-data/seafleet.toml"), 'bind = "0.0.0.0:1"\nworkers = 2\napi_threads = 3\n')
    monkeypatch.setenv("SEAFLEET_BIND", "0.0.0.0:2")
    monkeypatch.setenv("SEAFLEET_WORKERS", "4")
    settings = Settings.load(bind="0.0.0.0:3")
    assert (settings.port, settings.workers, settings.api_threads) == (3, 4, 3)


def test_the_file_lies_in_the_data_folder_or_where_a_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    write(Path("elsewhere/seafleet.toml"), "workers = 2\n")
    write(Path("named.toml"), 'workers = 3\ndata = "from-file"\n')
    monkeypatch.setenv("SEAFLEET_DATA", "elsewhere")
    assert Settings.load().workers == 2
    monkeypatch.delenv("SEAFLEET_DATA")
    monkeypatch.setenv("SEAFLEET_CONFIG", "named.toml")
    assert (Settings.load().workers, Settings.load().data) == (3, Path("from-file"))


def test_lists_are_separated_by_commas_or_toml_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    write(Path("seafleet-data/seafleet.toml"), 'throttle_exempt = ["10.0.0.0/8"]\n')
    monkeypatch.setenv("SEAFLEET_TRUSTED_PROXIES", "127.0.0.1, 192.0.2.0/24")
    settings = Settings.load()
    assert settings.trusted_proxies == ("127.0.0.1", "192.0.2.0/24")
    assert settings.throttle_exempt == ("10.0.0.0/8",)


def test_roles_are_tables_whose_members_allow_unless_they_say_no() -> None:
    write(Path("seafleet-data/seafleet.toml"), "[roles.auditor]\ncan_add_repo = false\nquota_bytes = 5\n")
    role = Settings.load().roles["auditor"]
    assert (role.can_add_repo, role.can_add_group, role.quota_bytes) == (False, True, 5)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("BIND", "8000", "host:port"),
        ("BIND", "127.0.0.1:70000", "host:port"),
        ("WORKERS", "0", "greater than or equal to 1"),
        ("WORKERS", "many", "integer"),
        ("PUBLIC_URL", "files.example.org", "https://host"),
        ("ADVERTISED_VERSION", "7.1", "three numbers"),
        ("ADVERTISED_VERSION", "6.3.4", "at least 7.0.0"),
        ("ADVERTISED_VERSION", "11.0.0", "below 11"),
        ("TIME_ZONE", "Europe/Atlantis", "no such time zone"),
        ("TIME_ZONE", "../etc/passwd", "no such time zone"),
        ("SECRET", "short", "at least 32"),
        ("TRUSTED_PROXIES", "everybody", "everybody"),
        ("RESPONSE_SHAPES", "round", "'auto', 'manual' or 'seahub'"),
        ("SITE_QUOTA_BYTES", "-3", "greater than or equal to -2"),
    ],
)
def test_a_wrong_value_is_told_with_the_name_of_its_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(f"SEAFLEET_{name}", value)
    with pytest.raises(InvalidArgument) as caught:
        Settings.load()
    assert caught.value.name == name.lower()
    assert words in caught.value.reason


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("wrokers = 2\n", "wrokers"),
        ("[roles.x]\ncan_fly = true\n", "roles.x.can_fly"),
        ("workers = \n", "seafleet-data/seafleet.toml"),
    ],
)
def test_a_file_with_an_unknown_key_or_bad_syntax_is_refused(text: str, name: str) -> None:
    write(Path("seafleet-data/seafleet.toml"), text)
    with pytest.raises(InvalidArgument) as caught:
        Settings.load()
    assert caught.value.name == name


def test_a_named_file_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAFLEET_CONFIG", "missing.toml")
    with pytest.raises(InvalidArgument, match=r"missing\.toml"):
        Settings.load()


def test_secrets_show_in_no_representation() -> None:
    settings = Settings.load(
        secret="s" * 32, admin_password="hunter2", database_url="postgresql://u:hunter2@h/d"
    )
    assert "hunter2" not in repr(settings)
    assert "sss" not in repr(settings)


def test_an_ipv6_address_is_written_in_brackets() -> None:
    settings = Settings.load(bind="[::1]:80")
    assert (settings.host, settings.port) == ("::1", 80)


def test_the_registrys_clock_may_be_moved_where_the_environment_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not Settings.load().device_registry_test_clock
    for name in ("DEVICE_REGISTRY_TEST_CLOCK", "SEAFLEET_DEVICE_REGISTRY_TEST_CLOCK"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "1")
            assert Settings.load().device_registry_test_clock


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_page_of_settings_is_current() -> None:
    assert settings_table.TARGET.read_text("utf-8") == settings_table.render(), (
        "run: python -m tools.settings_table"
    )
