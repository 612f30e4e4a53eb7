"""What an operator can set: environment variables `SEAFLEET_*`, then one TOML file, then defaults.

The file is `SEAFLEET_CONFIG`, or `seafleet.toml` in the data folder when it exists. Its keys are the names
below in lower case. An unknown key is an error; so is a value that does not fit. docs/settings.md is
generated from this model.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, NoDecode, SettingsConfigDict, SettingsError

from seafleet.errors import InvalidArgument

if TYPE_CHECKING:
    from pydantic_settings import PydanticBaseSettingsSource

ENV_PREFIX: Final = "SEAFLEET_"
CONFIG_VARIABLE: Final = "SEAFLEET_CONFIG"
DEFAULT_DATA: Final = "seafleet-data"
CONFIG_NAME: Final = "seafleet.toml"
DATABASE_NAME: Final = "seafleet.db"
SECRET_NAME: Final = "secret.key"
TEST_CLOCK_VARIABLE: Final = "DEVICE_REGISTRY_TEST_CLOCK"

UNLIMITED: Final = -2

KIB: Final = 1 << 10
MIB: Final = 1 << 20

_is_version = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+").fullmatch
_is_bind = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]*):[0-9]{1,5}").fullmatch

Names = Annotated[tuple[str, ...], NoDecode]


class RoleSettings(BaseModel):
    """What the holders of a role may do. A member that is left out allows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    can_add_repo: bool = True
    can_add_group: bool = True
    can_view_org: bool = True
    can_use_global_address_book: bool = True
    can_generate_share_link: bool = True
    can_generate_upload_link: bool = True
    can_connect_with_desktop_clients: bool = True
    can_connect_with_android_clients: bool = True
    can_connect_with_ios_clients: bool = True
    quota_bytes: int | None = None


class Settings(BaseSettings):
    """Every setting of the server. Values are checked once, at the start, and never change while it runs."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="forbid", frozen=True, env_ignore_empty=True, validate_default=True
    )

    # -- where things are --------------------------------------------------------------------------------

    data: Path = Field(
        Path(DEFAULT_DATA),
        description="Folder that holds everything: database, blocks, secret. Made with mode 0700 when "
        "missing.",
    )
    bind: str = Field(
        "127.0.0.1:8000",
        description="Address and port to listen on, such as `0.0.0.0:8000` or `[::1]:8000`. Port 0 takes a "
        "free one.",
    )
    public_url: str = Field(
        "",
        description="URL under which clients reach the server, such as `https://files.example.org`. "
        "Empty: taken from each request's `Host` header.",
    )
    database_url: str = Field(
        "",
        repr=False,
        description="Database, such as `postgresql://user:password@host/name`. "
        "Empty: the file `seafleet.db` in the data folder.",
    )
    seafile_data: Path | None = Field(
        None,
        description="An existing Seafile data folder, the one that contains `storage/`. "
        "It is read where our own store has no object, and never written.",
    )

    # -- first start -------------------------------------------------------------------------------------

    admin_email: str = Field(
        "admin@example.com",
        description="Address of the administrator that is made when there is no account at all.",
    )
    admin_password: SecretStr = Field(
        SecretStr(""),
        description="Password of that administrator. Empty: one is made up and printed once.",
    )
    secret: SecretStr = Field(
        SecretStr(""),
        description="The server's secret, at least 32 characters. Tokens and library keys are sealed under "
        "it: "
        "all workers of one database need the same. Empty: the file `secret.key` in the data folder.",
    )

    # -- process -----------------------------------------------------------------------------------------

    workers: int = Field(1, ge=1, le=64, description="Number of server processes that share the port.")
    api_threads: int = Field(
        4,
        ge=1,
        le=128,
        description="Threads of each process for API calls. More help only while they wait for PostgreSQL.",
    )
    io_threads: int = Field(
        6, ge=1, le=128, description="Threads of each process that hash and move file content."
    )
    auth_threads: int = Field(
        2,
        ge=1,
        le=32,
        description="Threads of each process that check passwords; each takes 64 MiB while it works.",
    )
    trusted_proxies: Names = Field(
        (),
        description="Addresses or networks of reverse proxies whose `X-Forwarded-For` and "
        "`X-Forwarded-Proto` are "
        "believed, separated by commas. Nobody is believed by default.",
    )
    shutdown_seconds: int = Field(
        30, ge=0, le=3600, description="Seconds that running requests get to finish after SIGTERM."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged."
    )
    log_format: Literal["auto", "text", "json"] = Field(
        "auto", description="Form of log lines; `auto` means text on a terminal and JSON elsewhere."
    )
    access_log: bool = Field(True, description="Whether each request is logged. Tokens in paths are masked.")
    metrics_token: SecretStr = Field(
        SecretStr(""),
        description="Bearer token that opens `/metrics` to other machines. Empty: only this machine sees it.",
    )

    # -- limits ------------------------------------------------------------------------------------------

    site_quota_bytes: int = Field(
        UNLIMITED,
        ge=UNLIMITED,
        description="Bytes that the libraries of one account may take unless the account or its role says "
        "otherwise; "
        "-2 means no limit.",
    )
    max_upload_bytes: int = Field(
        0, ge=0, description="Size in bytes of the largest file that is taken; 0 means any."
    )
    max_zip_bytes: int = Field(
        100 * MIB, ge=0, description="Bytes of content that one zip download may hold; 0 means any."
    )
    sync_max_files: int = Field(
        0,
        ge=0,
        description="Files up to which a library is listed to sync clients; larger ones they call too large. "
        "0 means any number.",
    )
    inline_block_bytes: int = Field(
        64 * KIB,
        ge=0,
        le=8 * MIB,
        description="Blocks up to this many bytes are kept in the database, larger ones as files.",
    )
    web_token_expire_seconds: int = Field(
        3600, ge=60, description="Seconds that an upload or download address stays good."
    )
    keep_history_days: int = Field(
        -1,
        ge=-1,
        description="Days of history that libraries keep unless they say otherwise; -1 means all, 0 none.",
    )
    throttle_ping_per_minute: int = Field(3000, ge=1, description="Pings per minute and address.")
    throttle_anon_per_minute: int = Field(
        60, ge=1, description="Logins and other calls without login per minute and address."
    )
    throttle_user_per_minute: int = Field(3000, ge=1, description="API calls per minute and account.")
    throttle_exempt: Names = Field((), description="Addresses that are never throttled, separated by commas.")
    login_max_failures: int = Field(
        20, ge=1, description="Wrong passwords for one name within ten minutes that lock the name out."
    )

    # -- what clients see --------------------------------------------------------------------------------

    advertised_version: str = Field(
        "7.1.5", description="Version told to Seafile clients: three numbers, at least 7.0.0 and below 11."
    )
    response_shapes: Literal["auto", "manual", "seahub"] = Field(
        "auto",
        description="Which JSON is answered where the manual and Seafile's own server differ in kind. "
        "`auto`: Seafile's "
        "applications get the server's, everybody else the manual's.",
    )
    time_zone: str = Field("UTC", description="Zone of the times in answers, such as `Europe/Berlin`.")
    encrypted_libraries: bool = Field(True, description="Whether encrypted libraries may be made.")
    encrypted_library_version: Literal[2, 3, 4] = Field(
        2, description="Encryption version of new encrypted libraries; clients are told it."
    )
    default_library_template: str = Field(
        "",
        description="Id of a library whose content new default libraries begin with; none when it is empty.",
    )
    allow_public_libraries: bool = Field(
        True, description="Whether others than administrators may share libraries with everybody."
    )
    collect_every_hours: int = Field(
        24,
        ge=0,
        description="Hours between two collections of content that nothing refers to any more; "
        "0 leaves it to `seafleet collect`.",
    )
    keep_deleted_days: int = Field(
        30,
        ge=-1,
        description="Days for which a deleted library can be restored before its content is removed; "
        "-1 means for ever.",
    )
    allow_history_limits: bool = Field(
        True, description="Whether owners may set for how long their libraries keep history."
    )
    feature_audit: bool = Field(True, description="Whether administrators may read the audit logs.")
    feature_device_errors: bool = Field(
        True, description="Whether administrators may read devices' sync errors."
    )
    feature_admin_view_library: bool = Field(
        True, description="Whether administrators may list the folders of other people's libraries."
    )
    feature_multi_tenancy: bool = Field(True, description="Whether there may be more than one organization.")

    # -- accounts and devices ----------------------------------------------------------------------------

    roles: dict[str, RoleSettings] = Field(
        default_factory=dict,
        description="Roles beside the built-in `default` (everything) and `guest` (nothing), or in their "
        "stead. "
        "A TOML table for each role, a JSON object in the environment.",
    )
    device_require_approval: bool = Field(
        False,
        description="Whether a new device waits for an administrator, until the device registry says "
        "otherwise.",
    )
    device_allow_unbound_tokens: bool = Field(
        True,
        description="Whether API tokens that name no device are good, until the device registry says "
        "otherwise.",
    )
    device_registry_test_clock: bool = Field(
        default_factory=lambda: os.environ.get(TEST_CLOCK_VARIABLE) == "1",
        description="Whether administrators may move the device registry's clock; for tests only. "
        "`DEVICE_REGISTRY_TEST_CLOCK=1` in the environment means the same.",
    )

    @property
    def host(self) -> str:
        """The address part of `bind`."""
        return self.bind.rpartition(":")[0].strip("[]") or "0.0.0.0"

    @property
    def port(self) -> int:
        """The port part of `bind`."""
        return int(self.bind.rpartition(":")[2])

    @property
    def resolved_database_url(self) -> str:
        """The database that is used, the one in the data folder unless another is set."""
        return self.database_url or f"sqlite:///{self.data.absolute() / DATABASE_NAME}"

    @property
    def secret_path(self) -> Path:
        """Where the server's secret is kept unless it is set."""
        return self.data / SECRET_NAME

    @property
    def zone(self) -> ZoneInfo:
        """The zone of times in answers."""
        return ZoneInfo(self.time_zone)

    @field_validator("trusted_proxies", "throttle_exempt", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, re.split(r"[,\s]+", value))) if isinstance(value, str) else value

    @field_validator("trusted_proxies", "throttle_exempt")
    @classmethod
    def _check_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ipaddress.ip_network(text, strict=False)
        return value

    @field_validator("bind")
    @classmethod
    def _check_bind(cls, value: str) -> str:
        if not _is_bind(value) or int(value.rpartition(":")[2]) > 65535:
            raise ValueError("write it as host:port, such as 127.0.0.1:8000")
        return value

    @field_validator("public_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value):
            raise ValueError("write it as https://host or https://host/path")
        return value.rstrip("/")

    @field_validator("advertised_version")
    @classmethod
    def _check_version(cls, value: str) -> str:
        if not _is_version(value) or not 7 <= int(value.partition(".")[0]) < 11:
            raise ValueError("three numbers, at least 7.0.0 and below 11, such as 7.1.5")
        return value

    @field_validator("time_zone")
    @classmethod
    def _check_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, OSError, ValueError):
            raise ValueError("no such time zone; names are like Europe/Berlin or UTC") from None
        return value

    @field_validator("secret")
    @classmethod
    def _check_secret(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < 32:
            raise ValueError("at least 32 characters")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read from what the program says, then the environment, then the file."""
        assert isinstance(init_settings, InitSettingsSource)
        data = init_settings.init_kwargs.get("data") or os.environ.get(f"{ENV_PREFIX}DATA") or DEFAULT_DATA
        file_settings = InitSettingsSource(settings_cls, init_kwargs=_read_file(Path(data)))
        return init_settings, env_settings, file_settings

    @classmethod
    def load(cls, **values: Any) -> Self:
        """Return the settings of this process; `values` win over the environment, and that over the file.

        Raises InvalidArgument naming the setting, in words for the operator.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise _told(error) from None
        except SettingsError as error:
            raise InvalidArgument(ENV_PREFIX + "*", str(error)) from None


def _read_file(data: Path) -> dict[str, Any]:
    named = os.environ.get(CONFIG_VARIABLE)
    path = Path(named) if named else data / CONFIG_NAME
    if not named and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidArgument(CONFIG_VARIABLE, f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument(str(path), f"not valid TOML: {error}") from None


def _told(error: ValidationError) -> InvalidArgument:
    first = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return InvalidArgument(name, "no such setting; docs/settings.md lists all of them")
    return InvalidArgument(name, str(first["msg"]).removeprefix("Value error, "))
