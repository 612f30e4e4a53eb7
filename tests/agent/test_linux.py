"""What the agent reads on Linux: identity, hardware, adapters, posture."""

from __future__ import annotations

import json
from typing import Any

import pytest

import seafleet_agent as agent
from seafleet_agent import Output
from tests.agent.recorded import RecordedMachine

NOW = 1_800_000_000.0
MACHINE_ID = "3d1219c7c4c5404aaa1f6d2a48adfda4"

IP_ADDRESSES = json.dumps(
    [
        {"ifname": "lo", "address": "00:00:00:00:00:00", "addr_info": [{"family": "inet", "scope": "host"}]},
        {
            "ifname": "wlp2s0",
            "address": "00:16:3e:aa:01:7f",
            "addr_info": [
                {"family": "inet", "local": "192.0.2.16", "scope": "global", "dynamic": True},
                {"family": "inet6", "local": "2001:db8::aa", "scope": "global", "temporary": True},
                {"family": "inet6", "local": "2001:db8::16", "scope": "global", "dynamic": True},
                {"family": "inet6", "local": "fe80::1", "scope": "link"},
            ],
        },
        {
            "ifname": "enp1s0",
            "address": "00:16:3E:AA:01:80",
            "addr_info": [{"family": "inet", "local": "198.51.100.7", "scope": "global"}],
        },
        {"ifname": "docker0", "address": "02:42:ac:11:00:01", "addr_info": []},
    ]
)


def laptop(**changes: Any) -> RecordedMachine:
    """A ThinkPad with Fedora, one wireless and one wired adapter, and a bridge."""
    dmi = "/sys/class/dmi/id/"
    net = "/sys/class/net/"
    files = {
        "/etc/machine-id": MACHINE_ID + "\n",
        "/etc/os-release": 'NAME="Fedora Linux"\nVERSION_ID=41\nPRETTY_NAME="Fedora Linux 41"\n',
        dmi + "sys_vendor": "LENOVO\n",
        dmi + "product_name": "21BN001XGE\n",
        dmi + "product_version": "ThinkPad X13 Gen 3\n",
        dmi + "chassis_type": "10\n",
        net + "lo/address": "00:00:00:00:00:00\n",
        net + "docker0/address": "02:42:ac:11:00:01\n",
        net + "wlp2s0/address": "00:16:3e:aa:01:7f\n",
        net + "wlp2s0/device/uevent": "",
        net + "wlp2s0/phy80211/macaddress": "00:16:3e:aa:01:99\n",
        net + "enp1s0/address": "00:16:3e:aa:01:80\n",
        net + "enp1s0/device/uevent": "",
        "/proc/cpuinfo": "processor : 0\nflags\t\t: fpu vme\n",
    }
    machine = RecordedMachine(files=files, outputs={"ip -j address": IP_ADDRESSES})
    for name, value in changes.items():
        setattr(machine, name, value)
    return machine


# -- identity ------------------------------------------------------------------------------------------------


def test_the_hardware_id_is_stable_fits_the_protocol_and_does_not_show_the_machine_id() -> None:
    first, second = agent.hardware_id(laptop(), {}), agent.hardware_id(laptop(), {})
    assert first == second
    hwid, made_from = first
    assert made_from == "machine"
    assert len(hwid) == 40
    assert MACHINE_ID[:8] not in hwid


def test_another_installation_has_another_hardware_id() -> None:
    other = laptop()
    other.files["/etc/machine-id"] = "f" * 32
    assert agent.hardware_id(other, {}) != agent.hardware_id(laptop(), {})


@pytest.mark.parametrize("content", ["", "uninitialized\n", "xyz"])
def test_without_a_machine_id_the_burnt_in_address_makes_the_hardware_id(content: str) -> None:
    machine = laptop()
    machine.files["/etc/machine-id"] = content
    assert agent.hardware_id(machine, {})[1] == "adapter"


def test_made_up_addresses_make_no_hardware_id() -> None:
    machine = RecordedMachine(
        files={
            "/sys/class/net/eth0/address": "02:fc:00:00:00:01",
            "/sys/class/net/eth0/device/uevent": "",
        }
    )
    hwid, made_from = agent.hardware_id(machine, {})
    assert made_from == "random"
    assert hwid != agent.hardware_id(machine, {})[0]


# -- system --------------------------------------------------------------------------------------------------


def test_a_laptop_is_described_with_system_model_and_kind() -> None:
    facts = agent.system_facts(laptop(), {})
    assert facts["platform"] == "linux"
    assert facts["os_name"] == "Fedora 41"
    assert facts["os_version"] == "41"
    assert facts["model"] == "ThinkPad X13 Gen 3"
    assert facts["machine_type"] == "laptop"


def test_a_virtual_machine_is_told_by_what_the_system_detects_before_its_chassis() -> None:
    machine = laptop(outputs={"systemd-detect-virt": Output(0, "kvm\n")})
    assert agent.system_facts(machine, {})["machine_type"] == "vm"


def test_a_virtual_machine_without_systemd_is_told_by_its_processor() -> None:
    machine = laptop()
    machine.files["/proc/cpuinfo"] = "flags\t\t: fpu hypervisor lahf_lm\n"
    assert agent.system_facts(machine, {})["machine_type"] == "vm"


def test_a_bare_machine_says_none_when_asked_for_its_hypervisor() -> None:
    machine = laptop(outputs={"systemd-detect-virt": Output(1, "none\n")})
    assert agent.system_facts(machine, {})["machine_type"] == "laptop"


@pytest.mark.parametrize(
    ("chassis", "makers", "kind"),
    [
        (3, "Dell Inc.", "desktop"),
        (9, "Dell Inc.", "laptop"),
        (23, "Supermicro", "server"),
        (30, "Microsoft Corporation Surface", "tablet"),
        (11, "PINE64", "phone"),
        (1, "QEMU Standard PC", "vm"),
        (3, "Microsoft Corporation Virtual Machine", "vm"),
        (0, "", "other"),
    ],
)
def test_the_kind_of_machine_follows_from_chassis_and_maker(chassis: int, makers: str, kind: str) -> None:
    assert agent.machine_type(chassis, makers) == kind


def test_a_system_without_a_version_is_still_named() -> None:
    machine = RecordedMachine(files={"/etc/os-release": "NAME='Arch Linux'\nID=arch\nBUILD_ID=rolling\n"})
    facts = agent.system_facts(machine, {})
    assert (facts["os_name"], facts["os_version"]) == ("Arch", "rolling")


def test_a_machine_that_tells_nothing_is_described_without_failing() -> None:
    facts = agent.system_facts(RecordedMachine(), {})
    assert (facts["model"], facts["machine_type"], facts["os_name"]) == ("", "other", "Linux")


# -- adapters ------------------------------------------------------------------------------------------------


def test_adapters_are_the_ones_that_are_hardware_with_address_and_lease() -> None:
    assert agent.interfaces(laptop(), {}) == [
        {
            "name": "enp1s0",
            "mac": "00:16:3e:aa:01:80",
            "ipv4": "198.51.100.7",
            "ipv6": "",
            "dhcp": False,
        },
        {
            "name": "wlp2s0",
            "mac": "00:16:3e:aa:01:7f",
            "ipv4": "192.0.2.16",
            "ipv6": "2001:db8::16",
            "dhcp": True,
        },
    ]


@pytest.mark.parametrize(
    "output", [Output(1, "", "Option -j unknown"), Output(0, "not json"), Output(0, "{}")]
)
def test_without_a_modern_ip_program_adapters_are_told_without_addresses(output: Output) -> None:
    machine = laptop(outputs={"ip": output})
    found = agent.interfaces(machine, {})
    assert [(item["mac"], item["ipv4"], item["dhcp"]) for item in found] == [
        ("00:16:3e:aa:01:80", "", None),
        ("00:16:3e:aa:01:7f", "", None),
    ]


def test_a_wireless_adapter_that_hides_behind_a_made_up_address_tells_both() -> None:
    facts = agent.identity_facts(laptop(), {}, agent.Found([], []))
    assert facts["macs"] == ["00:16:3e:aa:01:80", "00:16:3e:aa:01:7f", "00:16:3e:aa:01:99"]


# -- disk encryption -----------------------------------------------------------------------------------------


def disk(name: str, kind: str, mounted: str | None, *children: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "type": kind, "mountpoint": mounted, "children": list(children)}


def lsblk(*devices: dict[str, Any]) -> str:
    return json.dumps({"blockdevices": list(devices)})


def test_a_root_file_system_inside_an_encrypted_device_is_encrypted() -> None:
    crypt = disk("luks", "crypt", None, disk("vg-root", "lvm", "/"), disk("vg-home", "lvm", "/home"))
    assert (
        agent.disks_encrypted(lsblk(disk("sda", "disk", None, disk("sda1", "part", "/boot"), crypt))) is True
    )


def test_a_plain_home_beside_an_encrypted_root_is_not_encrypted() -> None:
    root = disk("sda1", "part", None, disk("luks", "crypt", "/"))
    assert (
        agent.disks_encrypted(lsblk(root, disk("sdb", "disk", None, disk("sdb1", "part", "/home")))) is False
    )


def test_a_plain_root_is_not_encrypted() -> None:
    assert agent.disks_encrypted(lsblk(disk("vda", "disk", "/"))) is False


def test_newer_programs_that_list_several_mount_points_are_understood() -> None:
    device = {"name": "luks", "type": "crypt", "mountpoints": [None, "/home", "/"]}
    assert agent.disks_encrypted(lsblk({"name": "sda", "type": "disk", "children": [device]})) is True


@pytest.mark.parametrize("text", ["", "lsblk: error", "[]", "{}", '{"blockdevices": null}', lsblk()])
def test_a_root_on_no_block_device_is_not_known_to_be_encrypted(text: str) -> None:
    assert agent.disks_encrypted(text) is None


# -- firewall ------------------------------------------------------------------------------------------------

NFT_DROPS = """table inet filter {
\tchain input {
\t\ttype filter hook input priority filter; policy drop;
\t\ttcp dport { 22, 443 } accept
\t}
}
"""
NFT_ACCEPTS = """table ip filter {
\tchain INPUT {
\t\ttype filter hook input priority filter; policy accept;
\t}
\tchain FORWARD {
\t\ttype filter hook forward priority filter; policy drop;
\t}
}
"""
NFT_BANS = """table inet f2b {
\tchain input {
\t\ttype filter hook input priority filter - 1; policy accept;
\t\tip saddr 192.0.2.1 reject with icmp port-unreachable
\t}
}
"""
NFT_JUMPS = """table inet firewalld {
\tchain filter_INPUT {
\t\ttype filter hook input priority filter + 10; policy accept;
\t\tct state { established, related } accept
\t\tjump filter_INPUT_ZONES
\t}
\tchain filter_INPUT_ZONES {
\t\tcounter packets 12 bytes 900 reject with icmpx admin-prohibited
\t}
}
"""


@pytest.mark.parametrize(
    ("rules", "filters"),
    [(NFT_DROPS, True), (NFT_JUMPS, True), (NFT_ACCEPTS, False), (NFT_BANS, False), ("", False)],
)
def test_rules_filter_when_what_they_do_not_let_in_stays_out(rules: str, filters: bool) -> None:
    assert agent.nft_filters(rules) is filters


@pytest.mark.parametrize(
    ("text", "on"), [("# x\nENABLED=yes\nLOGLEVEL=low\n", True), ("ENABLED=no\n", False), ("", False)]
)
def test_ufw_is_on_when_its_configuration_says_so(text: str, on: bool) -> None:
    assert agent.ufw_enabled(text) is on


def firewall(machine: RecordedMachine) -> bool | None:
    return agent.posture(machine, {}, NOW)["firewall"]


def test_any_of_the_usual_firewalls_will_do() -> None:
    assert firewall(RecordedMachine(files={"/etc/ufw/ufw.conf": "ENABLED=yes\n"})) is True
    assert firewall(RecordedMachine(outputs={"firewall-cmd --state": "running\n"})) is True
    assert firewall(RecordedMachine(outputs={"nft list ruleset": NFT_DROPS})) is True


def test_only_who_may_read_the_rules_can_say_that_there_are_none() -> None:
    refused = Output(1, "", "Operation not permitted (you must be root)")
    assert firewall(RecordedMachine(outputs={"nft list ruleset": refused})) is None
    assert firewall(RecordedMachine(outputs={"nft list ruleset": ""}, is_root=True)) is False


# -- updates -------------------------------------------------------------------------------------------------

SIMULATION = """NOTE: This is only a simulation!
Inst libc6 [2.36-9] (2.36-9+deb12u9 Debian:12.8/stable [amd64])
Inst zip [3.0-13] (3.0-13+deb12u1 Debian-Security:12/oldstable-security [amd64]) []
Inst openssl (3.0.15 Ubuntu:24.04/noble-updates, Ubuntu:24.04/noble-security [amd64])
Conf zip (3.0-13+deb12u1 Debian-Security:12/oldstable-security [amd64])
"""


def apt(simulation: str | Output, age_days: float = 1) -> RecordedMachine:
    return RecordedMachine(
        files={"/var/lib/apt/lists/example_InRelease": ""},
        times={"/var/lib/apt/lists": NOW - age_days * 86_400},
        outputs={"apt-get -s": simulation},
    )


def up_to_date(machine: RecordedMachine) -> bool | None:
    return agent.posture(machine, {}, NOW)["os_up_to_date"]


def test_security_updates_are_counted_and_others_are_not() -> None:
    assert agent.apt_security_updates(SIMULATION) == 2


def test_a_machine_with_waiting_security_updates_is_not_up_to_date() -> None:
    assert up_to_date(apt(SIMULATION)) is False
    assert up_to_date(apt("Inst libc6 [2.36-9] (2.36-10 Debian:12.8/stable [amd64])\n")) is True


def test_old_package_lists_prove_nothing() -> None:
    assert up_to_date(apt("", age_days=8)) is None
    assert up_to_date(apt(Output(100, "", "E: Unmet dependencies"))) is None


def test_a_machine_that_waits_for_its_restart_is_not_up_to_date() -> None:
    machine = apt("")
    machine.files["/run/reboot-required"] = "*** System restart required ***\n"
    assert up_to_date(machine) is False


@pytest.mark.parametrize(("code", "expected"), [(0, True), (100, False), (1, None)])
def test_dnf_says_with_its_exit_code_whether_updates_wait(code: int, expected: bool | None) -> None:
    machine = RecordedMachine(
        times={"/var/cache/dnf": NOW - 3600}, outputs={"dnf -q -C check-update --security": Output(code, "")}
    )
    assert up_to_date(machine) is expected


# -- scanners and screens ------------------------------------------------------------------------------------


def test_a_known_scanner_among_the_processes_counts() -> None:
    processes = {"/proc/1/comm": "systemd\n", "/proc/77/comm": "clamd\n", "/proc/self/comm": "python3\n"}
    assert agent.posture(RecordedMachine(files=processes), {}, NOW)["antivirus"] is True
    del processes["/proc/77/comm"]
    assert agent.posture(RecordedMachine(files=processes), {}, NOW)["antivirus"] is False


def test_a_process_whose_name_only_begins_like_a_scanner_does_not_count() -> None:
    processes = {"/proc/1/comm": "systemd\n", "/proc/77/comm": "pmdaproc\n"}
    assert agent.posture(RecordedMachine(files=processes), {}, NOW)["antivirus"] is False


def test_whoever_cannot_see_other_processes_does_not_know_of_scanners() -> None:
    machine = RecordedMachine(files={"/proc/900/comm": "python3\n"})
    assert agent.posture(machine, {}, NOW)["antivirus"] is None


@pytest.mark.parametrize(
    ("enabled", "delay", "expected"),
    [
        ("true\n", "uint32 300\n", True),
        ("true\n", "uint32 0\n", False),
        ("false\n", "uint32 300\n", False),
        ("", "uint32 300\n", None),
        ("No such schema\n", "", None),
    ],
)
def test_gnome_locks_when_both_settings_say_so(enabled: str, delay: str, expected: bool | None) -> None:
    assert agent.gnome_locks(enabled, delay) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("[Daemon]\nAutolock=false\nTimeout=10\n", False),
        ("[Daemon]\nTimeout=0\n", False),
        ("[Greeter]\nAutolock=false\n[Daemon]\nTimeout=10\n", True),
    ],
)
def test_plasma_locks_unless_told_otherwise(text: str, expected: bool) -> None:
    assert agent.kde_locks(text) is expected


def test_a_machine_without_a_desktop_has_no_screen_to_lock() -> None:
    assert agent.posture(RecordedMachine(), {}, NOW)["screen_lock"] is None


def test_a_machine_that_tells_nothing_has_an_unknown_posture() -> None:
    assert set(agent.posture(RecordedMachine(), {}, NOW).values()) == {None}
    assert set(agent.posture(RecordedMachine(system="other"), {}, NOW).values()) == {None}


# -- desktops ------------------------------------------------------------------------------------------------


def test_a_process_of_a_desktop_leads_to_it() -> None:
    text = "HOME=/home/mara\0WAYLAND_DISPLAY=wayland-0\0DBUS_SESSION_BUS_ADDRESS=unix:path=/run/x\0SECRET=y\0"
    found = agent.parse_environment(text)
    assert found == {"WAYLAND_DISPLAY": "wayland-0", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/x"}


@pytest.mark.parametrize(
    "text", ["", "HOME=/root\0", "DISPLAY=localhost:10.0\0SSH_CONNECTION=192.0.2.1 1 2 3\0"]
)
def test_a_process_without_a_screen_of_this_machine_does_not(text: str) -> None:
    assert agent.parse_environment(text) == {}
