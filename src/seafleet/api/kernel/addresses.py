"""Sets of network addresses, as settings name them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable


class AddressSet:
    """Addresses and networks, such as `192.0.2.7` and `10.0.0.0/8`."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(text, strict=False) for text in texts)

    def __contains__(self, address: str) -> bool:
        if not self._networks:
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:  # a Unix socket's peer has none
            return False
        return any(parsed in network for network in self._networks)
