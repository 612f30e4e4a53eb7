"""What the agent reads on Windows: one answer of PowerShell, and older programs where it is silent."""

from __future__ import annotations

import json
from typing import Any

import pytest

import seafleet_agent as agent
from tests.agent.recorded import RecordedMachine

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z

PROBE: dict[str, Any] = {
    "guid": "0F1E2D3C-aaaa-bbbb-cccc-001122334455",
    "manufacturer": "Dell Inc.",
    "model": "Latitude 7440",
    "os": "Microsoft Windows 11 Pro",
    "version": "10.0.22631",
    "product_type": 1,
    "chassis": [10],
    "adapters": [
        {
            "name": "Intel(R) Wi-Fi 6E AX211 160MHz",
            "mac": "00:16:3E:AA:01:7F",
            "addresses": ["192.0.2.16", "fe80::aaaa:bbbb:cccc:dddd", "2001:db8::16"],
            "dhcp": True,
        },
        {"name": "Intel(R) Ethernet", "mac": "00:16:3E:AA:01:80", "addresses": [], "dhcp": True},
    ],
    "bitlocker": 1,
    "firewall": [
        {"name": "Domain", "enabled": 1},
        {"name": "Private", "enabled": 1},
        {"name": "Public", "enabled": 1},
    ],
    "scanners": {"name": "Windows Defender", "state": 397568},
    "defender": True,
    "inactivity": None,
    "saver": "1",
    "saver_secure": "1",
    "interactive": True,
    "updates": 0,
    "searched": "2027-01-14T20:11:00Z",
}

MANAGE_BDE = """BitLocker Drive Encryption: Configuration Tool version 10.0.22621
Volume C: [Windows]
[OS Volume]
    Size:                 475.83 GB
    Conversion Status:    Fully Encrypted
    Protection Status:    Protection On
"""
NETSH = """
Domain Profile Settings:
----------------------------------------------------------------------
State                                 ON

Private Profile Settings:
----------------------------------------------------------------------
State                                 OFF
Ok.
"""


def windows(probe: Any = None, **outputs: str) -> RecordedMachine:
    answer = json.dumps(PROBE if probe is None else probe)
    named = {name.replace("_", "-"): text for name, text in outputs.items()}
    return RecordedMachine(system="windows", outputs={"powershell": answer, **named})


def posture(**changes: Any) -> dict[str, bool | None]:
    return agent.windows_posture(RecordedMachine(system="windows"), PROBE | changes, NOW)


def test_one_call_of_powershell_tells_everything() -> None:
    machine = windows()
    probe = agent.windows_probe(machine)
    assert agent.posture(machine, probe, NOW) == {
        "disk_encryption": True,
        "firewall": True,
        "screen_lock": True,
        "os_up_to_date": True,
        "antivirus": True,
    }
    assert len(machine.ran) == 1


@pytest.mark.parametrize("answer", ["", "The term is not recognized", "[1]", "null"])
def test_a_powershell_that_says_nothing_useful_leaves_everything_unknown(answer: str) -> None:
    machine = RecordedMachine(system="windows", outputs={"powershell": answer})
    probe = agent.windows_probe(machine)
    assert probe == {}
    assert set(agent.posture(machine, probe, NOW).values()) == {None}
    assert agent.interfaces(machine, probe) == []


def test_powershell_is_not_called_elsewhere() -> None:
    machine = RecordedMachine(system="linux", outputs={"powershell": json.dumps(PROBE)})
    assert agent.windows_probe(machine) == {}
    assert machine.ran == []


def test_a_portable_machine_is_described() -> None:
    facts = agent.system_facts(windows(), PROBE)
    assert facts["platform"] == "windows"
    assert (facts["os_name"], facts["os_version"]) == ("Windows 11 Pro", "10.0.22631")
    assert (facts["model"], facts["machine_type"]) == ("Latitude 7440", "laptop")


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"chassis": 3}, "desktop"),
        ({"chassis": [3], "product_type": 3}, "server"),
        ({"manufacturer": "VMware, Inc.", "model": "VMware Virtual Platform"}, "vm"),
        ({"manufacturer": "Microsoft Corporation", "model": "Virtual Machine"}, "vm"),
        ({"chassis": None}, "other"),
    ],
)
def test_the_kind_of_machine(changes: dict[str, Any], kind: str) -> None:
    assert agent.system_facts(windows(), PROBE | changes)["machine_type"] == kind


def test_the_hardware_id_is_made_from_the_machine_guid() -> None:
    hwid, made_from = agent.hardware_id(windows(), PROBE)
    assert (made_from, len(hwid)) == ("machine", 40)
    assert agent.hardware_id(windows(), PROBE | {"guid": PROBE["guid"].lower()})[0] == hwid


def test_adapters_have_their_address_and_whether_it_was_leased() -> None:
    assert agent.interfaces(windows(), PROBE) == [
        {
            "name": "Intel(R) Wi-Fi 6E AX211 160MHz",
            "mac": "00:16:3e:aa:01:7f",
            "ipv4": "192.0.2.16",
            "ipv6": "2001:db8::16",
            "dhcp": True,
        },
        {"name": "Intel(R) Ethernet", "mac": "00:16:3e:aa:01:80", "ipv4": "", "ipv6": "", "dhcp": None},
    ]


def test_a_single_adapter_that_powershell_does_not_put_in_a_list_is_found() -> None:
    assert len(agent.parse_adapters(PROBE["adapters"][0])) == 1
    assert agent.parse_adapters({"name": "odd", "mac": "no address", "addresses": None}) == []
    assert agent.parse_adapters(None) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, True),
        (2, False),
        (3, False),
        (5, False),
        (6, True),
        (8, False),
        (0, None),
        (None, None),
        ("1", None),
    ],
)
def test_bitlocker(value: Any, expected: bool | None) -> None:
    assert agent.bitlocker_on(value) is expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [([1, 1, 1], True), ([1, 0, 1], False), ([1, None], None), ([2], None), ([], None)],
)
def test_the_firewall_is_on_when_every_profile_is(states: list[Any], expected: bool | None) -> None:
    assert posture(firewall=[{"enabled": state} for state in states])["firewall"] is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"inactivity": 900, "saver": None, "interactive": False}, True),
        ({"inactivity": 0, "saver": "1", "saver_secure": "0"}, False),
        ({"saver": None, "saver_secure": None}, False),
        ({"interactive": False}, None),
    ],
)
def test_the_screen_locks_by_policy_or_by_a_secure_saver(
    changes: dict[str, Any], expected: bool | None
) -> None:
    assert posture(**changes)["screen_lock"] is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"updates": 3}, False),
        ({"searched": "2026-12-01T00:00:00Z"}, None),
        ({"searched": None}, None),
        ({"updates": None}, None),
        ({"searched": "yesterday"}, None),
    ],
)
def test_updates_count_when_they_were_looked_for_lately(
    changes: dict[str, Any], expected: bool | None
) -> None:
    assert posture(**changes)["os_up_to_date"] is expected


@pytest.mark.parametrize(
    ("scanners", "defender", "expected"),
    [
        ([{"state": 393472}, {"state": 266240}], None, True),  # Defender off, another one on
        ([{"state": 397584}], None, False),  # on, with signatures of long ago
        ([{"state": 393472}], True, False),
        (None, True, True),  # a server has no security center
        (None, False, False),
        (None, None, None),
    ],
)
def test_scanners(scanners: Any, defender: bool | None, expected: bool | None) -> None:
    assert posture(scanners=scanners, defender=defender)["antivirus"] is expected


def test_older_programs_are_asked_where_powershell_is_silent() -> None:
    machine = windows({}, manage_bde=MANAGE_BDE, netsh=NETSH)
    found = agent.windows_posture(machine, agent.windows_probe(machine), NOW)
    assert (found["disk_encryption"], found["firewall"]) == (True, False)


@pytest.mark.parametrize("text", ["", "Schutzstatus: Der Schutz ist aktiviert.\n"])
def test_an_answer_in_another_language_is_not_guessed_at(text: str) -> None:
    assert agent.manage_bde_on(text) is None
    assert agent.netsh_on("Status EIN\n" if text else "") is None


def test_a_dialog_quotes_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSIONNAME", "Console")
    (command,) = agent.windows_dialogs("it's '; Remove-Item C:\\", asking=True)
    assert "'it''s ''; Remove-Item C:\\'" in command[-1]


@pytest.mark.parametrize("name", ["", "Services"])
def test_a_service_has_no_desktop_to_ask_on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSIONNAME", name)
    assert agent.windows_dialogs("hello", asking=True) == []
