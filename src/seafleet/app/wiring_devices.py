"""The device registry's part of the wiring: see `wiring`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seafleet.access import Access
    from seafleet.activity.audit import Audit
    from seafleet.clock import Clock
    from seafleet.db.engine import Database
    from seafleet.devices.registry import Registry
    from seafleet.devices.service import Devices
    from seafleet.devices.settings import SettingsStore
    from seafleet.ids import RandomSource
    from seafleet.oauth.rates import Rates
    from seafleet.oauth.service import OAuth
    from seafleet.settings import Settings


class DeviceWiring(ABC):
    """Makes the services of the device registry out of those that the whole of the server has."""

    settings: Settings
    random: RandomSource

    @property
    @abstractmethod
    def db(self) -> Database:
        """The database."""

    @property
    @abstractmethod
    def clock(self) -> Clock:
        """The machine's clock."""

    @property
    @abstractmethod
    def audit(self) -> Audit:
        """The audit log."""

    @property
    @abstractmethod
    def access(self) -> Access:
        """The one evaluator."""

    @cached_property
    def registry_settings(self) -> SettingsStore:
        """The device registry's settings; the server's own until an administrator sets others."""
        from seafleet.devices.settings import RegistrySettings, SettingsStore

        settings = self.settings
        defaults = RegistrySettings(
            require_approval=settings.device_require_approval,
            allow_unbound_tokens=settings.device_allow_unbound_tokens,
            device_errors_enabled=settings.feature_device_errors,
        )
        test_clock = settings.device_registry_test_clock
        return SettingsStore(self.db, self.clock, defaults, test_clock=test_clock)

    @cached_property
    def registry_clock(self) -> Clock:
        """The device registry's clock, which tests may move."""
        from seafleet.devices.settings import RegistryClock

        return RegistryClock(self.clock, self.registry_settings)

    @cached_property
    def registry(self) -> Registry:
        """The device registry."""
        from seafleet.devices.registry import Registry

        registry = Registry(self.db, self.registry_clock, self.registry_settings, self.random, self.devices)
        registry.on_revoked(lambda account_id: self.access.forget(account_id=account_id))
        return registry

    @cached_property
    def devices(self) -> Devices:
        """Logins and contacts of devices, and the verdict on them."""
        from seafleet.devices.service import Devices

        return Devices(self.registry_clock, self.random, lambda: self.registry_settings.policy)

    @cached_property
    def oauth(self) -> OAuth:
        """Codes and tokens of applications; their time is the registry's."""
        from seafleet.oauth.service import OAuth
        from seafleet.oauth.tokens import TokenStore

        settings = self.registry_settings
        store = TokenStore(
            self.db,
            self.registry_clock,
            self.random,
            self.audit,
            lambda: settings.current.oauth_access_token_seconds,
        )
        return OAuth(self.registry.oauth_clients, store)

    @cached_property
    def rates(self) -> Rates:
        """How often applications call."""
        from seafleet.oauth.rates import Rates

        return Rates(self.db, self.registry_clock)
