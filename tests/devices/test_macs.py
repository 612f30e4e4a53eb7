"""MAC addresses in every spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.devices.macs import is_random_mac, is_storable_mac, normal_mac, shown_mac

addresses = st.binary(min_size=6, max_size=6).map(bytes.hex)


@given(addresses)
def test_every_spelling_is_understood(mac: str) -> None:
    pairs = [mac[at : at + 2] for at in range(0, 12, 2)]
    words = [mac[at : at + 4] for at in range(0, 12, 4)]
    for text in (":".join(pairs), "-".join(pairs).upper(), ".".join(words), mac, f"  {mac.upper()} "):
        assert normal_mac(text) == mac
    assert normal_mac(shown_mac(mac)) == mac


@given(st.text())
def test_nothing_else_is(text: str) -> None:
    found = normal_mac(text)
    assert found is None or len(found) == 12


@pytest.mark.parametrize(
    "text",
    ["", "0016:3eaa:017f", "00:16:3e:aa:01", "00:16-3e:aa:01:7f", "0:16:3e:aa:01:7f", "g" * 12, "1" * 13],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert normal_mac(text) is None


@pytest.mark.parametrize(
    ("mac", "storable", "made_up"),
    [
        ("00163eaa017f", True, False),
        ("0" * 12, False, False),
        ("f" * 12, False, True),
        ("01005e000001", False, False),
        ("0216aabbccdd", True, True),
    ],
)
def test_some_addresses_identify_nothing(mac: str, storable: bool, made_up: bool) -> None:
    assert (is_storable_mac(mac), is_random_mac(mac)) == (storable, made_up)
