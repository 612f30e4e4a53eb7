"""What the agent reads on macOS."""

from __future__ import annotations

import pytest

import seafleet_agent as agent
from seafleet_agent import Output
from tests.agent.recorded import RecordedMachine

NOW = 1_800_000_000.0

IOREG = """+-o J413AP  <class IOPlatformExpertDevice, id 0x100000227, registered, matched, active, busy 0>
    {
      "IOPlatformSerialNumber" = "C02XXXXXXXXX"
      "IOPlatformUUID" = "1B2C3D4E-0000-1111-2222-333344445555"
      "model" = <"Mac14,2">
    }
"""
HARDWARE_PORTS = """
Hardware Port: Ethernet Adapter (en4)
Device: en4
Ethernet Address: f6:ab:5b:00:00:01

Hardware Port: Wi-Fi
Device: en0
Ethernet Address: 3c:06:30:00:00:02

Hardware Port: Thunderbolt Bridge
Device: bridge0
Ethernet Address: 36:dc:0d:00:00:03

VLAN Configurations
===================
"""
IFCONFIG = """lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384
\tinet 127.0.0.1 netmask 0xff000000
\tinet6 ::1 prefixlen 128
en4: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\tether f6:ab:5b:00:00:01
\tmedia: none
\tstatus: inactive
en0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\toptions=6460<TSO4,TSO6,CHANNEL_IO,PARTIAL_CSUM,ZEROINVERT_CSUM>
\tether 3c:06:30:00:00:02
\tinet6 fe80::1c2d:aaaa:bbbb:cccc%en0 prefixlen 64 secured scopeid 0xe
\tinet 192.0.2.44 netmask 0xffffff00 broadcast 192.0.2.255
\tinet6 2001:db8::44 prefixlen 64 autoconf secured
\tstatus: active
bridge0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\tether 36:dc:0d:00:00:03
"""
UPDATES = """Software Update Tool

Software Update found the following new or updated software:
* Label: macOS Sonoma 14.5-23F79
\tTitle: macOS Sonoma 14.5, Version: 14.5, Size: 1842231KiB, Recommended: YES, Action: restart,
"""
OPTIONAL_UPDATES = UPDATES.replace("Recommended: YES", "Recommended: NO")


def book() -> RecordedMachine:
    """A portable Mac."""
    return RecordedMachine(
        system="mac",
        outputs={
            "ioreg": IOREG,
            "sw_vers -productVersion": "14.5\n",
            "sysctl -n hw.model": "Mac14,2\n",
            "sysctl -n kern.hv_vmm_present": "0\n",
            "pmset -g batt": "Now drawing from 'AC Power'\n -InternalBattery-0 (id=1)\t80%; charging\n",
            "networksetup -listallhardwareports": HARDWARE_PORTS,
            "ifconfig -a": IFCONFIG,
            "ipconfig getpacket en0": "op = BOOTREPLY\nhtype = 1\n",
            "fdesetup status": "FileVault is On.\n",
            "/usr/libexec/ApplicationFirewall/socketfilterfw": "Firewall is enabled. (State = 1)\n",
            "sysadminctl -screenLock status": Output(
                0, "", "2026-05-13 sysadminctl[1:2] screenLock delay is immediate\n"
            ),
            "softwareupdate --list --no-scan": "Software Update Tool\n\nNo new software available.\n",
            "spctl --status": "assessments enabled\n",
        },
    )


def test_the_hardware_id_is_made_from_the_platform_uuid() -> None:
    hwid, made_from = agent.hardware_id(book(), {})
    assert (made_from, len(hwid)) == ("machine", 40)
    assert "1B2C3D4E" not in hwid.upper()


def test_a_portable_mac_is_described() -> None:
    facts = agent.system_facts(book(), {})
    assert facts["platform"] == "mac"
    assert (facts["os_name"], facts["os_version"]) == ("macOS 14.5", "14.5")
    assert (facts["model"], facts["machine_type"]) == ("Mac14,2", "laptop")


@pytest.mark.parametrize(("present", "battery", "kind"), [("1", "", "vm"), ("0", "", "desktop")])
def test_other_macs_are_told_by_battery_and_hypervisor(present: str, battery: str, kind: str) -> None:
    machine = book()
    machine.outputs |= {"sysctl -n kern.hv_vmm_present": present, "pmset -g batt": battery}
    assert agent.system_facts(machine, {})["machine_type"] == kind


def test_adapters_are_the_hardware_ports_without_bridges() -> None:
    assert agent.interfaces(book(), {}) == [
        {"name": "en4", "mac": "f6:ab:5b:00:00:01", "ipv4": "", "ipv6": "", "dhcp": None},
        {
            "name": "en0",
            "mac": "3c:06:30:00:00:02",
            "ipv4": "192.0.2.44",
            "ipv6": "2001:db8::44",
            "dhcp": True,
        },
    ]


def test_an_address_without_an_answer_from_dhcp_is_a_fixed_one() -> None:
    machine = book()
    machine.outputs["ipconfig getpacket en0"] = Output(1, "")
    assert [item["dhcp"] for item in agent.interfaces(machine, {})] == [None, False]


def test_a_well_kept_mac_answers_every_question_with_yes() -> None:
    assert agent.posture(book(), {}, NOW) == {
        "disk_encryption": True,
        "firewall": True,
        "screen_lock": True,
        "os_up_to_date": True,
        "antivirus": True,
    }


def test_a_mac_whose_programs_are_missing_answers_nothing() -> None:
    assert set(agent.posture(RecordedMachine(system="mac"), {}, NOW).values()) == {None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FileVault is On.\n", True),
        ("FileVault is Off.\n", False),
        ("FileVault is On.\nDecryption in progress: Percent completed = 20\n", False),
        ("FileVault is Off.\nEncryption in progress: Percent completed = 32\n", False),
        ("Error: fdesetup: not supported\n", None),
        ("", None),
    ],
)
def test_filevault(text: str, expected: bool | None) -> None:
    assert agent.filevault_on(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Firewall is enabled. (State = 1)\n", True),
        ("Firewall is set to block all non-essential incoming connections. (State = 2)\n", True),
        ("Firewall is disabled. (State = 0)\n", False),
        ("", None),
    ],
)
def test_the_application_firewall(text: str, expected: bool | None) -> None:
    assert agent.mac_firewall_on(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("screenLock delay is immediate", True),
        ("screenLock delay is 300 seconds", True),
        ("screenLock is off", False),
        ("", None),
    ],
)
def test_the_screen_lock(text: str, expected: bool | None) -> None:
    assert agent.mac_locks(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (UPDATES, False),
        (OPTIONAL_UPDATES, True),
        ("Software Update Tool\n\nNo new software available.\n", True),
        ("   iPhoto, 2.0, 34100K [recommended]\n", False),
        ("Can't connect to the Apple Software Update server\n", None),
    ],
)
def test_waiting_updates(text: str, expected: bool | None) -> None:
    assert agent.mac_up_to_date(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"), [("assessments enabled\n", True), ("assessments disabled\n", False), ("", None)]
)
def test_the_systems_own_scanner(text: str, expected: bool | None) -> None:
    assert agent.gatekeeper_on(text) is expected


def test_a_dialog_gets_its_text_as_an_argument_and_never_as_script() -> None:
    hostile = '"; do shell script "rm -rf ~'
    (command,) = agent.mac_dialogs(hostile, asking=True, root=False)
    assert command[-1] == hostile
    assert hostile not in "".join(command[:-1])
