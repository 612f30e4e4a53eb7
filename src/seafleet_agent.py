#!/usr/bin/env python3
"""Seafleet's agent: tells a Seafleet server which machine this is, and does what the server orders.

    python3 seafleet_agent.py enrol https://files.example.org    asks for the enrolment code
    python3 seafleet_agent.py report --print                     shows what is told, and tells nothing
    python3 seafleet_agent.py run                                reports and obeys until it is stopped

One file, standard library only, Python 3.8 or newer, on Linux, macOS and Windows: copy it and run it.
It carries out six orders and no others; each has a method below the heading "orders". What a wipe may touch
is written below the heading "wiping".

Source: device registry §8, "Agent protocol".
"""

from __future__ import annotations

import argparse
import calendar
import contextlib
import email.utils
import functools
import getpass
import hashlib
import hmac
import http.client
import json
import logging
import os
import platform
import plistlib
import random
import re
import select
import shutil
import signal
import socket
import sqlite3
import ssl
import stat
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.sax.saxutils import escape

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl
    import pwd
    import resource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import FrameType

VERSION = "0.1.0"
PROGRAM = "seafleet-agent"
BASE_PATH = "/api/v2.1/device-agent/"

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
EXIT_NOT_ENROLLED = 3
EXIT_REFUSED = 4
EXIT_UNREACHABLE = 5
EXIT_ENROLMENT_REFUSED = 6
EXIT_STATE = 7
EXIT_INTERRUPTED = 130

EXIT_CODES = f"""exit codes:
  {EXIT_OK}  done
  {EXIT_FAILED}  something went wrong on this machine
  {EXIT_USAGE}  the command line is wrong
  {EXIT_NOT_ENROLLED}  this machine is not enrolled
  {EXIT_REFUSED}  the server knows this agent no longer: removed, retired, or enrolled anew elsewhere
  {EXIT_UNREACHABLE}  the server could not be reached, or could not answer now; try again later
  {EXIT_ENROLMENT_REFUSED}  the server refused the enrolment: code used up, machine blocked, or a cloned disk
  {EXIT_STATE}  the state file cannot be used: damaged, of another machine, or in use by another agent"""

POLL_WAIT_SECONDS = 25
REQUEST_SECONDS = 30.0
MAX_ANSWER_BYTES = 1 << 20
MAX_DETAIL_CHARACTERS = 1000
COMMAND_SECONDS = 10.0
ASK_SECONDS = 120.0
WIPE_SECONDS = 3600.0
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 600.0
REFUSED_PAUSE_SECONDS = 600.0
FRESH_SECONDS = 7 * 86_400
KEPT_ANSWERS = 100

# What may go wrong on a machine that is not ours. A bug in this program is none of these and ends it.
TROUBLE = (OSError, ValueError, KeyError, TypeError, sqlite3.Error, subprocess.SubprocessError)

log = logging.getLogger(PROGRAM)


class AgentError(Exception):
    """Ends a command with a sentence for people and an exit code for scripts."""

    code = EXIT_FAILED


class NotEnrolled(AgentError):
    """There is no state file: this machine is not enrolled."""

    code = EXIT_NOT_ENROLLED


class StateUnusable(AgentError):
    """The state file is damaged, belongs to another machine, or is in use."""

    code = EXIT_STATE


class EnrolmentRefused(AgentError):
    """The server does not let this machine in."""

    code = EXIT_ENROLMENT_REFUSED


class TokenRefused(AgentError):
    """The server does not know the agent's token."""

    code = EXIT_REFUSED


class DeviceRemoved(AgentError):
    """The server has removed this device, and has nothing left for it to do."""

    code = EXIT_REFUSED


class Uninstalled(AgentError):
    """The agent has carried out the order to remove itself."""

    code = EXIT_OK


class Unreachable(AgentError):
    """The server gave no usable answer now; `retry_seconds` is when it asked to be called again."""

    code = EXIT_UNREACHABLE

    def __init__(self, text: str, retry_seconds: float | None = None) -> None:
        super().__init__(text)
        self.retry_seconds = retry_seconds


class Stopped(BaseException):
    """The operating system asked the agent to end."""


class Stopper:
    """Hears the system's wish that the agent ends: while it waits at once, else after what it is doing."""

    def __init__(self) -> None:
        self._wanted = False
        self._waiting = False

    def listen(self) -> None:
        """Take signals from now on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark code that may be broken off. Raises Stopped."""
        self._waiting = True
        try:
            if self._wanted:
                raise Stopped
            yield
        finally:
            self._waiting = False

    def sleep(self, seconds: float) -> None:
        """Sleep. Raises Stopped."""
        with self.waiting():
            time.sleep(seconds)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        self._wanted = True
        if self._waiting:
            raise Stopped
        log.info("the agent ends after what it is doing")


# -- the machine: programs and files -------------------------------------------------------------------------


class Output(NamedTuple):
    """What a program printed, and its exit code."""

    code: int
    text: str
    errors: str = ""


class Machine:
    """The way to the programs and files of this machine; tests hand in one with recorded answers."""

    system = {"linux": "linux", "darwin": "mac", "win32": "windows"}.get(sys.platform, "other")
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0

    def run(
        self, *command: str, seconds: float = COMMAND_SECONDS, environment: Mapping[str, str] | None = None
    ) -> Output | None:
        """Run a program without input and in English; None when it is missing or does not end in time."""
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={
                    **os.environ,
                    "LC_ALL": "C",
                    "LANGUAGE": "C",
                    "PATH": self.search_path(),
                    **(environment or {}),
                },
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError:
            return None
        try:
            out, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            log.debug("%s did not end within %g s", command[0], seconds)
            _kill(process)
            return None
        return Output(process.returncode, _decode(out), _decode(errors))

    def read(self, path: str) -> str | None:
        """Return a small text file, None when it cannot be read."""
        try:
            with open(path, "rb") as file:
                return _decode(file.read(MAX_ANSWER_BYTES))
        except OSError:
            return None

    def names(self, path: str) -> list[str]:
        """Return the sorted names in a folder, none when it cannot be read."""
        try:
            return sorted(os.listdir(path))
        except OSError:
            return []

    def changed_at(self, path: str) -> float | None:
        """Return when a file was last written, in Unix seconds; None when it cannot be told."""
        try:
            return os.stat(path).st_mtime
        except OSError:
            return None

    def search_path(self) -> str:
        """Return where programs are looked for: as root only in folders that belong to the system."""
        usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        own = os.environ.get("PATH", "")
        if self.system == "windows":
            return own
        return usual if self.is_root else f"{own}:{usual}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a program with everything that it started, and wait until it has ended."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=5)


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def clean(text: object, limit: int) -> str:
    """Return text that every JSON parser and terminal bears: no control characters, no broken Unicode."""
    plain = str(text).encode("utf-8", "replace").decode("utf-8")
    return "".join(char if char.isprintable() else " " for char in plain).strip()[:limit]


def first_line(text: str) -> str:
    """Return the first line that is not empty."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def from_json(text: str | None) -> Any:
    """Return what JSON says, None when it is not JSON."""
    try:
        return json.loads(text or "")
    except ValueError:
        return None


def rows_of(value: Any) -> list[dict[str, Any]]:
    """Return the objects in a value: PowerShell writes a list of one as the one, and of none as null."""
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


# -- which machine this is -----------------------------------------------------------------------------------


def hardware_id(machine: Machine, probe: Mapping[str, Any]) -> tuple[str, str]:
    """Return an id that stays the same as long as the installation does, and what it was made from.

    Made from the operating system's own id, hashed, so that this id is of no use elsewhere; without one from
    the network adapters; else it is random, and stays only as long as the state file.
    """
    secret = system_id(machine, probe)
    if secret:
        return _hashed(secret), "machine"
    macs = sorted(item["mac"] for item in interfaces(machine, probe) if _is_burnt_in(item["mac"]))
    if macs:
        return _hashed(macs[0]), "adapter"
    return uuid.uuid4().hex, "random"


def _hashed(secret: str) -> str:
    return hmac.new(secret.encode(), b"seafleet-agent hardware id", hashlib.sha256).hexdigest()[:40]


def _is_burnt_in(mac: str) -> bool:
    return int(mac[:2], 16) & 3 == 0 and mac != "00:00:00:00:00:00"


def system_id(machine: Machine, probe: Mapping[str, Any]) -> str:
    """Return what the operating system calls this installation, empty when it has no name for it."""
    if machine.system == "linux":
        found = machine.read("/etc/machine-id") or machine.read("/var/lib/dbus/machine-id") or ""
        return found.strip() if re.fullmatch(r"[0-9a-f]{32}", found.strip()) else ""
    if machine.system == "mac":
        out = machine.run("ioreg", "-rd1", "-c", "IOPlatformExpertDevice")
        match = re.search(r'"IOPlatformUUID"\s*=\s*"([0-9A-Fa-f-]{36})"', out.text if out else "")
        return match[1].lower() if match else ""
    return str(probe.get("guid") or "").lower()


def system_facts(machine: Machine, probe: Mapping[str, Any]) -> dict[str, str]:
    """Return name, system, model and kind of the machine."""
    kind = {"linux": _linux_facts, "mac": _mac_facts, "windows": _windows_facts}.get(machine.system)
    facts = {
        "hostname": socket.gethostname(),
        "platform": machine.system,
        "architecture": platform.machine(),
        "machine_type": "other",
    }
    if kind is not None:
        facts.update(kind(machine, probe))
    return {name: clean(text, 100) for name, text in facts.items()}


def parse_os_release(text: str) -> dict[str, str]:
    """Return the variables of /etc/os-release."""
    found = re.findall(r"""^([A-Z_]+)=(["']?)(.*?)\2\s*$""", text, re.MULTILINE)
    return {name: value for name, _, value in found}


def _linux_facts(machine: Machine, _probe: Mapping[str, Any]) -> dict[str, str]:
    release = parse_os_release(machine.read("/etc/os-release") or machine.read("/usr/lib/os-release") or "")
    version = release.get("VERSION_ID", "")
    name = re.sub(r"\s+Linux$|\s+GNU/Linux$", "", release.get("NAME", "Linux")) or "Linux"
    return {
        "os_name": f"{name} {version}".strip(),
        "os_version": version or release.get("BUILD_ID", ""),
        "model": _linux_model(machine),
        "machine_type": _linux_machine_type(machine),
    }


def _linux_model(machine: Machine) -> str:
    dmi = "/sys/class/dmi/id/"
    product, version, vendor = (
        (machine.read(dmi + name) or "").strip() for name in ("product_name", "product_version", "sys_vendor")
    )
    if vendor.upper() == "LENOVO" and version:
        return version  # the product name is an order number there
    return product or (machine.read("/proc/device-tree/model") or "").strip("\0\n ")


# Source: SMBIOS specification, "System Enclosure or Chassis Types".
_LAPTOPS = frozenset((8, 9, 10, 14, 31, 32))
_DESKTOPS = frozenset((3, 4, 5, 6, 7, 13, 15, 16, 24, 35, 36))
_SERVERS = frozenset((17, 23, 25, 28, 29))
_VIRTUAL = re.compile(
    r"qemu|kvm|vmware|virtualbox|innotek|xen|bochs|parallels|virtual machine|amazon ec2", re.I
)


def machine_type(chassis: int, makers: str, *, virtual: bool = False) -> str:
    """Return the kind of machine from its chassis type and from who made it."""
    if virtual or _VIRTUAL.search(makers):
        return "vm"
    for kinds, word in ((_LAPTOPS, "laptop"), (_DESKTOPS, "desktop"), (_SERVERS, "server")):
        if chassis in kinds:
            return word
    return {11: "phone", 30: "tablet"}.get(chassis, "other")


def _linux_machine_type(machine: Machine) -> str:
    dmi = "/sys/class/dmi/id/"
    chassis = (machine.read(dmi + "chassis_type") or "").strip()
    makers = " ".join((machine.read(dmi + name) or "").strip() for name in ("sys_vendor", "product_name"))
    out = machine.run("systemd-detect-virt", "--vm")
    if out is not None and out.text.strip():
        virtual = out.text.strip() != "none"
    else:
        virtual = bool(re.search(r"^flags\s*:.*\bhypervisor\b", machine.read("/proc/cpuinfo") or "", re.M))
    return machine_type(int(chassis) if chassis.isdigit() else 0, makers, virtual=virtual)


def _mac_facts(machine: Machine, _probe: Mapping[str, Any]) -> dict[str, str]:
    version = _printed(machine, "sw_vers", "-productVersion")
    model = _printed(machine, "sysctl", "-n", "hw.model")
    virtual = _printed(machine, "sysctl", "-n", "kern.hv_vmm_present") == "1"
    battery = "InternalBattery" in _printed_all(machine, "pmset", "-g", "batt")
    kind = "vm" if virtual else "laptop" if battery or "Book" in model else "desktop"
    return {
        "os_name": f"macOS {version}".strip(),
        "os_version": version,
        "model": model,
        "machine_type": kind,
    }


def _windows_facts(_machine: Machine, probe: Mapping[str, Any]) -> dict[str, str]:
    chassis = probe.get("chassis")
    kinds = chassis if isinstance(chassis, list) else [chassis]
    makers = f"{probe.get('manufacturer') or ''} {probe.get('model') or ''}"
    kind = machine_type(next((k for k in kinds if isinstance(k, int)), 0), makers)
    if kind in ("desktop", "other") and probe.get("product_type") in (2, 3):
        kind = "server"
    return {
        "os_name": re.sub(r"^Microsoft ", "", str(probe.get("os") or "Windows")),
        "os_version": str(probe.get("version") or platform.version()),
        "model": str(probe.get("model") or ""),
        "machine_type": kind,
    }


def _printed_all(machine: Machine, *command: str, seconds: float = COMMAND_SECONDS) -> str:
    out = machine.run(*command, seconds=seconds)
    return "" if out is None else f"{out.text}\n{out.errors}".strip()


def _printed(machine: Machine, *command: str) -> str:
    out = machine.run(*command)
    return first_line(out.text) if out is not None and out.code == 0 else ""


# -- network interfaces --------------------------------------------------------------------------------------


def interfaces(machine: Machine, probe: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the adapters that are hardware: name, mac, ipv4, ipv6, and dhcp (None: not known)."""
    if machine.system == "linux":
        return _linux_interfaces(machine)
    if machine.system == "mac":
        return _mac_interfaces(machine)
    return parse_adapters(probe.get("adapters"))


def _linux_interfaces(machine: Machine) -> list[dict[str, Any]]:
    net = "/sys/class/net"
    real = [name for name in machine.names(net) if machine.names(f"{net}/{name}/device")]
    out = machine.run("ip", "-j", "address")
    known = {item["name"]: item for item in parse_ip_addresses(out.text if out else "")}
    found = []
    for name in real:
        mac = (machine.read(f"{net}/{name}/address") or "").strip().lower()
        empty = {"name": name, "mac": mac, "ipv4": "", "ipv6": "", "dhcp": None}
        item = known.get(name, empty)
        if _is_mac(item["mac"]):
            found.append(item)
    return found


def _is_mac(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", text) is not None


def parse_ip_addresses(text: str) -> list[dict[str, Any]]:
    """Return the adapters that `ip -j address` tells of. An address that expires was leased."""
    found = []
    for item in rows_of(from_json(text)):
        addresses = [a for a in rows_of(item.get("addr_info")) if a.get("scope") == "global"]
        ipv4 = [a for a in addresses if a.get("family") == "inet"]
        ipv6 = [a for a in addresses if a.get("family") == "inet6" and not a.get("temporary")]
        found.append(
            {
                "name": str(item.get("ifname", "")),
                "mac": str(item.get("address", "")).lower(),
                "ipv4": str(ipv4[0].get("local", "")) if ipv4 else "",
                "ipv6": str(ipv6[0].get("local", "")) if ipv6 else "",
                "dhcp": any(a.get("dynamic") is True for a in ipv4) if ipv4 else None,
            }
        )
    return found


def _mac_interfaces(machine: Machine) -> list[dict[str, Any]]:
    ports = parse_hardware_ports(_printed_all(machine, "networksetup", "-listallhardwareports"))
    found = []
    for item in parse_ifconfig(_printed_all(machine, "ifconfig", "-a")):
        if item["name"] in ports:
            if item["ipv4"]:
                packet = machine.run("ipconfig", "getpacket", item["name"])
                item["dhcp"] = None if packet is None else "BOOTREPLY" in packet.text
            found.append(item)
    return found


def parse_hardware_ports(text: str) -> dict[str, str]:
    """Return the devices that `networksetup -listallhardwareports` lists, and what each is."""
    return {
        device: port
        for port, device in re.findall(r"^Hardware Port: (.*)\nDevice: (\S+)$", text, re.MULTILINE)
        if "Bridge" not in port
    }


def parse_ifconfig(text: str) -> list[dict[str, Any]]:
    """Return the adapters with an address of their own that macOS' `ifconfig -a` tells of."""
    found = []
    for name, body in re.findall(r"^(\S+?): flags=(.*(?:\n[ \t].*)*)", text, re.MULTILINE):
        mac = re.search(r"^\s+ether ([0-9a-f:]{17})", body, re.MULTILINE)
        ipv4 = re.search(r"^\s+inet (\d+\.\d+\.\d+\.\d+)", body, re.MULTILINE)
        six = re.findall(r"^\s+inet6 ([0-9a-f:]+)(\S*) prefixlen.*$", body, re.MULTILINE)
        ipv6 = [address for address, scope in six if not scope and not address.startswith("fe80")]
        if mac:
            found.append(
                {
                    "name": name,
                    "mac": mac[1],
                    "ipv4": ipv4[1] if ipv4 else "",
                    "ipv6": ipv6[0] if ipv6 else "",
                    "dhcp": None,
                }
            )
    return found


def parse_adapters(value: Any) -> list[dict[str, Any]]:
    """Return the adapters that Windows tells of."""
    found = []
    for item in rows_of(value):
        mac = str(item.get("mac") or "").replace("-", ":").lower()
        given = item.get("addresses")
        addresses = [str(a) for a in (given if isinstance(given, list) else [given]) if a]
        ipv6 = [a for a in addresses if ":" in a and not a.lower().startswith("fe80")]
        dhcp = item.get("dhcp")
        if _is_mac(mac):
            found.append(
                {
                    "name": clean(item.get("name") or "", 100),
                    "mac": mac,
                    "ipv4": next((a for a in addresses if "." in a), ""),
                    "ipv6": ipv6[0] if ipv6 else "",
                    "dhcp": dhcp if isinstance(dhcp, bool) and addresses else None,
                }
            )
    return found


# -- posture -------------------------------------------------------------------------------------------------
#
# Each question is answered true, false, or None for "cannot be known here, or not by this account".


def posture(machine: Machine, probe: Mapping[str, Any], now: float) -> dict[str, bool | None]:
    """Return what is known of the security of this machine."""
    if machine.system == "linux":
        return _linux_posture(machine, now)
    if machine.system == "mac":
        return _mac_posture(machine)
    if machine.system == "windows":
        return windows_posture(machine, probe, now)
    questions = ("disk_encryption", "firewall", "screen_lock", "os_up_to_date", "antivirus")
    return dict.fromkeys(questions)


def _linux_posture(machine: Machine, now: float) -> dict[str, bool | None]:
    out = machine.run("lsblk", "-J", "-o", "NAME,TYPE,FSTYPE,MOUNTPOINT")
    return {
        "disk_encryption": disks_encrypted(out.text if out else ""),
        "firewall": _linux_firewall(machine),
        "screen_lock": _linux_screen_lock(machine),
        "os_up_to_date": _linux_up_to_date(machine, now),
        "antivirus": _linux_antivirus(machine),
    }


def disks_encrypted(lsblk: str) -> bool | None:
    """Tell from `lsblk -J` whether `/`, and `/home` where it is a disk of its own, lie on encrypted devices.

    None when the root file system lies on no block device listed there: in containers, on ZFS, on a network.
    """
    on: dict[str, bool] = {}

    def walk(devices: Any, encrypted: bool) -> None:
        for item in rows_of(devices):
            inside = encrypted or item.get("type") == "crypt"
            mounted = item.get("mountpoint") or item.get("mountpoints")
            for point in mounted if isinstance(mounted, list) else [mounted]:
                if point in ("/", "/home"):
                    on[point] = inside
            walk(item.get("children"), inside)

    found = from_json(lsblk)
    walk(found.get("blockdevices") if isinstance(found, dict) else None, False)
    return all(on.values()) if "/" in on else None


def _linux_firewall(machine: Machine) -> bool | None:
    """Tell whether something filters what comes in. Only root can see that nothing does."""
    if ufw_enabled(machine.read("/etc/ufw/ufw.conf") or ""):
        return True
    state = machine.run("firewall-cmd", "--state")
    if state is not None and state.text.strip() == "running":
        return True
    rules = machine.run("nft", "list", "ruleset")
    if rules is not None and rules.code == 0:
        return nft_filters(rules.text)
    return None


def ufw_enabled(configuration: str) -> bool:
    """Tell whether ufw.conf switches the firewall on."""
    return re.search(r"^\s*ENABLED\s*=\s*[\"']?yes", configuration, re.MULTILINE | re.I) is not None


# A rule without conditions that refuses: whatever was not let in before it stays out.
_NFT_REFUSES = re.compile(
    r"^\s*(?:counter packets \d+ bytes \d+ )?(?:drop|reject(?: with .*)?)\s*(?:comment .*)?$", re.M
)


def nft_filters(ruleset: str) -> bool:
    """Tell whether a ruleset keeps out what it does not let in."""
    chains = re.findall(r"^\s*chain [^{]*\{(.*?)^\s*\}", ruleset, re.MULTILINE | re.DOTALL)
    for chain in (chain for chain in chains if "hook input" in chain):
        if "policy drop" in chain or _NFT_REFUSES.search(chain):
            return True
        if re.search(r"\b(jump|goto)\b", chain) and any(map(_NFT_REFUSES.search, chains)):
            return True
    return False


def _linux_screen_lock(machine: Machine) -> bool | None:
    """Tell whether the desktop of the person in front of the machine locks itself; None without a desktop."""
    session = desktop_session(machine)
    if session is None:
        return None
    desktop = session.environment.get("XDG_CURRENT_DESKTOP", "").upper()

    def ask() -> bool | None:
        if "KDE" in desktop:
            home = os.path.expanduser("~")
            return kde_locks(machine.read(f"{home}/.config/kscreenlockerrc") or "")
        answers = []
        for schema, key in (("screensaver", "lock-enabled"), ("session", "idle-delay")):
            command = ("gsettings", "get", f"org.gnome.desktop.{schema}", key)
            out = machine.run(*command, environment=session.environment)
            answers.append(out.text if out is not None and out.code == 0 else "")
        return gnome_locks(*answers)

    if not any(word in desktop for word in ("GNOME", "UNITY", "KDE")):
        return None
    return bool_or_none(in_account(session.account, ask, 30.0))


def bool_or_none(value: Any) -> bool | None:
    """Return a truth value, None for everything else."""
    return value if isinstance(value, bool) else None


def gnome_locks(lock_enabled: str, idle_delay: str) -> bool | None:
    """Tell from two settings of GNOME whether the screen locks itself; a delay of 0 means never."""
    delay = re.fullmatch(r"(?:uint32 )?(\d+)", idle_delay.strip())
    if lock_enabled.strip() not in ("true", "false") or delay is None:
        return None
    return lock_enabled.strip() == "true" and int(delay[1]) > 0


def kde_locks(configuration: str) -> bool:
    """Tell from kscreenlockerrc whether Plasma locks the screen, as it does unless told otherwise."""
    daemon = re.search(r"^\[Daemon\]\n((?:(?!\[).*\n?)*)", configuration, re.MULTILINE)
    said = daemon[1] if daemon else ""
    return not re.search(r"^(Autolock\s*=\s*false|Timeout\s*=\s*0)\s*$", said, re.MULTILINE | re.I)


def _linux_up_to_date(machine: Machine, now: float) -> bool | None:
    """Tell whether no security update waits, by the package lists that are there; None when these are old."""
    if machine.read("/run/reboot-required") is not None:
        return False
    if machine.names("/var/lib/apt/lists"):
        if not _is_fresh(machine, ("/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists"), now):
            return None
        out = machine.run("apt-get", "-s", "-o", "Debug::NoLocking=1", "dist-upgrade", seconds=60)
        return None if out is None or out.code != 0 else apt_security_updates(out.text) == 0
    if not _is_fresh(machine, ("/var/cache/libdnf5", "/var/cache/dnf"), now):
        return None
    out = machine.run("dnf", "-q", "-C", "check-update", "--security", seconds=60)
    return None if out is None else {0: True, 100: False}.get(out.code)


def _is_fresh(machine: Machine, paths: Iterable[str], now: float) -> bool:
    times = [at for path in paths if (at := machine.changed_at(path)) is not None]
    return bool(times) and now - max(times) < FRESH_SECONDS


def apt_security_updates(simulation: str) -> int:
    """Count the security updates in what `apt-get -s dist-upgrade` would install."""
    return len(re.findall(r"^Inst \S+ (?:\[[^]]*\] )?\([^)]*[Ss]ecurity[^)]*\)", simulation, re.MULTILINE))


# Scanners that run in the background, by the name of their process (cut to 15 characters by the kernel).
_SCANNERS = re.compile(
    r"clamd|clamonacc|wdavdaemon|falcon-sensor|s1-agent|sentinelone-age|savd|sophos_threat_d|esets_daemon"
    r"|oaeventd|eea|kesl|avserver|bdservicehost|bdsecd|ds_agent|mfetpd|isecespd|cbagentd|xagt|cylancesvc"
    r"|fsavd|fsma|drweb-configd|cortex-xdr|traps_pmd|pmd"
)


def _linux_antivirus(machine: Machine) -> bool | None:
    """Tell whether a scanner that this program knows runs; None when other processes cannot be seen."""
    if machine.read("/proc/1/comm") is None:
        return None
    numbers = (pid for pid in machine.names("/proc") if pid.isdigit())
    names = ((machine.read(f"/proc/{pid}/comm") or "").strip() for pid in numbers)
    return any(map(_SCANNERS.fullmatch, names))


def _mac_posture(machine: Machine) -> dict[str, bool | None]:
    firewall = "/usr/libexec/ApplicationFirewall/socketfilterfw"
    return {
        "disk_encryption": filevault_on(_printed_all(machine, "fdesetup", "status")),
        "firewall": mac_firewall_on(_printed_all(machine, firewall, "--getglobalstate")),
        "screen_lock": mac_locks(_printed_all(machine, "sysadminctl", "-screenLock", "status")),
        "os_up_to_date": mac_up_to_date(
            _printed_all(machine, "softwareupdate", "--list", "--no-scan", seconds=60)
        ),
        "antivirus": gatekeeper_on(_printed_all(machine, "spctl", "--status")),
    }


def filevault_on(text: str) -> bool | None:
    """Tell from `fdesetup status` whether the disk is encrypted; being encrypted is not yet."""
    if "FileVault is Off" in text or "Encryption in progress" in text or "Decryption in progress" in text:
        return False
    return True if "FileVault is On" in text else None


def mac_firewall_on(text: str) -> bool | None:
    """Tell from `socketfilterfw --getglobalstate` whether the firewall is on."""
    match = re.search(r"State = (\d)", text)
    return None if match is None else match[1] != "0"


def mac_locks(text: str) -> bool | None:
    """Tell from `sysadminctl -screenLock status` whether the screen asks for the password."""
    if "screenLock is off" in text:
        return False
    return True if re.search(r"screenLock delay is (immediate|\d)", text) else None


def mac_up_to_date(text: str) -> bool | None:
    """Tell from `softwareupdate --list --no-scan` whether no recommended update waits."""
    if re.search(r"Recommended: YES|\[recommended\]", text):
        return False
    if "No new software available" in text:
        return True
    return True if "* Label:" in text else None


def gatekeeper_on(text: str) -> bool | None:
    """Tell from `spctl --status` whether macOS checks what is run; its own scanner goes with that."""
    if "assessments enabled" in text:
        return True
    return False if "assessments disabled" in text else None


# One call of PowerShell answers everything; what fails is null. Numbers and truth values do not depend on the
# language of the system, unlike what the older tools print.
WINDOWS_PROBE = r"""
$ErrorActionPreference = 'SilentlyContinue'; $ProgressPreference = 'SilentlyContinue'
[Console]::OutputEncoding = [Text.Encoding]::UTF8
$r = @{}
$r.guid = (Get-ItemProperty 'HKLM:\SOFTWARE\Microsoft\Cryptography').MachineGuid
$c = Get-CimInstance Win32_ComputerSystem; $r.manufacturer = $c.Manufacturer; $r.model = $c.Model
$o = Get-CimInstance Win32_OperatingSystem
$r.os = $o.Caption; $r.version = $o.Version; $r.product_type = [int]$o.ProductType
$r.chassis = @((Get-CimInstance Win32_SystemEnclosure).ChassisTypes | ForEach-Object { [int]$_ })
$physical = @(Get-CimInstance Win32_NetworkAdapter | Where-Object { $_.PhysicalAdapter } |
  ForEach-Object { $_.Index })
$r.adapters = @(Get-CimInstance Win32_NetworkAdapterConfiguration |
  Where-Object { $_.MACAddress -and ($physical -contains $_.Index) } | ForEach-Object {
  @{ name = $_.Description; mac = $_.MACAddress; addresses = @($_.IPAddress); dhcp = [bool]$_.DHCPEnabled } })
$s = New-Object -ComObject Shell.Application
$r.bitlocker = $s.NameSpace($env:SystemDrive).Self.ExtendedProperty('System.Volume.BitLockerProtection')
$r.firewall = @(Get-NetFirewallProfile -PolicyStore ActiveStore | ForEach-Object {
  @{ name = $_.Name; enabled = [int]$_.Enabled } })
$r.scanners = @(Get-CimInstance -Namespace root/SecurityCenter2 -ClassName AntiVirusProduct | ForEach-Object {
  @{ name = $_.displayName; state = [int]$_.productState } })
$d = Get-MpComputerStatus
if ($d) { $r.defender = [bool]($d.AntivirusEnabled -and $d.RealTimeProtectionEnabled) }
$p = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System'
$r.inactivity = (Get-ItemProperty $p).InactivityTimeoutSecs
$k = Get-ItemProperty 'HKCU:\Control Panel\Desktop'
$r.saver = $k.ScreenSaveActive; $r.saver_secure = $k.ScreenSaverIsSecure
$r.interactive = [Environment]::UserInteractive
$u = (New-Object -ComObject Microsoft.Update.Session).CreateUpdateSearcher(); $u.Online = $false
$w = $u.Search("IsInstalled=0 and IsHidden=0 and Type='Software'")
if ($w) { $r.updates = @($w.Updates | Where-Object { $_.AutoSelectOnWebSites }).Count }
$l = (New-Object -ComObject Microsoft.Update.AutoUpdate).Results.LastSearchSuccessDate
if ($l) { $r.searched = [DateTime]::SpecifyKind($l, 'Utc').ToString('yyyy-MM-ddTHH:mm:ssZ') }
$r | ConvertTo-Json -Depth 4 -Compress
"""


def windows_probe(machine: Machine) -> dict[str, Any]:
    """Return what PowerShell says of this machine; nothing on other systems."""
    if machine.system != "windows":
        return {}
    command = ("powershell", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-Command")
    out = machine.run(*command, WINDOWS_PROBE, seconds=120)
    found = from_json(out.text if out else "")
    return found if isinstance(found, dict) else {}


def windows_posture(machine: Machine, probe: Mapping[str, Any], now: float) -> dict[str, bool | None]:
    """Return the posture of a Windows machine: from PowerShell, else from what the older tools print."""
    encrypted = bitlocker_on(probe.get("bitlocker"))
    if encrypted is None:
        encrypted = manage_bde_on(_printed_all(machine, "manage-bde", "-status", "C:"))
    firewall = profiles_on(probe.get("firewall"))
    if firewall is None:
        firewall = netsh_on(_printed_all(machine, "netsh", "advfirewall", "show", "allprofiles", "state"))
    return {
        "disk_encryption": encrypted,
        "firewall": firewall,
        "screen_lock": windows_locks(probe),
        "os_up_to_date": windows_up_to_date(probe, now),
        "antivirus": windows_scanner_on(probe),
    }


def bitlocker_on(value: Any) -> bool | None:
    """Tell from the protection state of the system volume whether BitLocker protects it: 1 on, 6 locked.

    2 is off, 3 and 4 on the way, 5 suspended, 8 waits to be activated; others are not known to us.
    """
    return {1: True, 2: False, 3: False, 4: False, 5: False, 6: True, 8: False}.get(value)


def manage_bde_on(text: str) -> bool | None:
    """Tell from an English `manage-bde -status` whether the volume is protected."""
    match = re.search(r"Protection Status:\s*Protection (On|Off)", text)
    return None if match is None else match[1] == "On"


def profiles_on(value: Any) -> bool | None:
    """Tell whether the firewall is on in every profile (0 off, 1 on)."""
    states = [item.get("enabled") for item in rows_of(value)]
    if not states or not all(state in (0, 1) for state in states):
        return None
    return all(state == 1 for state in states)


def netsh_on(text: str) -> bool | None:
    """Tell from an English `netsh advfirewall show allprofiles state` whether every profile is on."""
    states = re.findall(r"^State\s+(ON|OFF)\s*$", text, re.MULTILINE)
    return all(state == "ON" for state in states) if states else None


def windows_locks(probe: Mapping[str, Any]) -> bool | None:
    """Tell whether the machine's policy or the user's screen saver locks the screen."""
    inactivity = probe.get("inactivity")
    if isinstance(inactivity, int) and inactivity > 0:
        return True
    if not probe.get("interactive"):
        return None  # the settings that were read are those of a service, not of the person
    return str(probe.get("saver")) == "1" and str(probe.get("saver_secure")) == "1"


def windows_up_to_date(probe: Mapping[str, Any], now: float) -> bool | None:
    """Tell whether no important update waits, by the last search; None when that was long ago."""
    updates, searched = probe.get("updates"), str(probe.get("searched") or "")
    if not isinstance(updates, int):
        return None
    try:
        at = calendar.timegm(time.strptime(searched, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return None
    return updates == 0 if now - at < FRESH_SECONDS else None


def windows_scanner_on(probe: Mapping[str, Any]) -> bool | None:
    """Tell whether a virus scanner runs (bits 12 to 15 are 1) with new signatures (bits 4 to 7 are 0)."""
    states = [item.get("state") for item in rows_of(probe.get("scanners"))]
    known = [state for state in states if isinstance(state, int)]
    if known:
        return any(state & 0xF000 == 0x1000 and state & 0xF0 == 0 for state in known)
    return bool_or_none(probe.get("defender"))


# -- the people of this machine ------------------------------------------------------------------------------


class Account(NamedTuple):
    """Somebody who may have a Seafile client here."""

    uid: int
    gid: int
    name: str
    home: str


class Session(NamedTuple):
    """A desktop that somebody sits at, and the variables that lead programs to it."""

    account: Account
    environment: dict[str, str]


def own_account() -> Account:
    """Return the account that this program runs under."""
    uid = os.geteuid() if hasattr(os, "geteuid") else 0
    gid = os.getegid() if hasattr(os, "getegid") else 0
    return Account(uid, gid, getpass.getuser(), os.path.expanduser("~"))


def local_accounts(machine: Machine) -> list[Account]:
    """Return the accounts whose Seafile clients are looked after: as root everybody's, else one's own."""
    own = own_account()
    if sys.platform == "win32" or not machine.is_root:
        return [own]
    known = {entry.pw_uid: entry for entry in pwd.getpwall()}
    for base in ("/home", "/Users"):  # accounts of a directory service are in no list, but have homes
        for name in machine.names(base):
            with contextlib.suppress(OSError, KeyError):
                uid = os.lstat(os.path.join(base, name)).st_uid
                known.setdefault(uid, pwd.getpwuid(uid))
    people = [
        Account(entry.pw_uid, entry.pw_gid, entry.pw_name, entry.pw_dir)
        for entry in known.values()
        if entry.pw_uid != own.uid and entry.pw_uid >= 500 and os.path.isdir(entry.pw_dir)
    ]
    return [own, *sorted(people)]


def in_account(account: Account, work: Callable[[], Any], seconds: float) -> Any:
    """Return what `work` returns, which JSON must be able to hold, done with the rights of an account.

    Whoever could set a trap in his own folders gains nothing by it: root never acts there with root's rights.
    Raises OSError with what went wrong over there, TimeoutError when it took too long.
    """
    if sys.platform == "win32" or account.uid == os.geteuid():
        return work()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _become(account, work, writing)
    os.close(writing)
    try:
        data = _read_all(reading, time.monotonic() + seconds)
    except TimeoutError:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(reading)
        os.waitpid(child, 0)
    answer = from_json(_decode(data))
    if not isinstance(answer, dict) or "value" not in answer:
        said = answer.get("error") if isinstance(answer, dict) else None
        raise OSError(said or f"nothing came back from the work for {account.name}")
    return answer["value"]


def _become(account: Account, work: Callable[[], Any], writing: int) -> None:
    """Do the work in this forked process and end it, whatever happens."""
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.initgroups(account.name, account.gid)
        os.setgid(account.gid)
        os.setuid(account.uid)
        os.environ.update(HOME=account.home, USER=account.name, LOGNAME=account.name)
        os.chdir("/")
        try:
            answer = {"value": work()}
        except TROUBLE as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        data = json.dumps(answer).encode()
        while data:
            data = data[os.write(writing, data) :]
        code = 0
    finally:
        os._exit(code)


def _read_all(handle: int, deadline: float) -> bytes:
    parts: list[bytes] = []
    while True:
        ready, _, _ = select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError("it took too long")
        data = os.read(handle, 65536)
        if not data:
            return b"".join(parts)
        parts.append(data)


_SESSION_VARIABLES = (
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_RUNTIME_DIR",
    "XDG_CURRENT_DESKTOP",
)


def parse_environment(text: str) -> dict[str, str]:
    """Return the variables of a process that lead to a desktop on this machine's own screen, none if none."""
    variables = dict(part.partition("=")[::2] for part in text.split("\0") if "=" in part)
    if "SSH_CONNECTION" in variables or not ("WAYLAND_DISPLAY" in variables or "DISPLAY" in variables):
        return {}
    return {name: variables[name] for name in _SESSION_VARIABLES if name in variables}


def desktop_session(machine: Machine) -> Session | None:
    """Return the desktop of the person in front of this Linux machine, None when there is none to be seen."""
    if machine.system != "linux":
        return None
    accounts = {account.uid: account for account in local_accounts(machine)}
    for pid in machine.names("/proc"):
        if not pid.isdigit():
            continue
        with contextlib.suppress(OSError):
            uid = os.stat(f"/proc/{pid}").st_uid
            found = parse_environment(machine.read(f"/proc/{pid}/environ") or "") if uid in accounts else {}
            if "DBUS_SESSION_BUS_ADDRESS" in found and "XDG_CURRENT_DESKTOP" in found:
                return Session(accounts[uid], found)
    return None


class People:
    """Asks and tells whoever sits in front of the machine: at the terminal, or on the desktop."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def ask(self, question: str) -> str | None:
        """Return the answer, empty when none was given in time; None when there is nobody to ask."""
        if has_terminal():
            return ask_at_terminal(question, ASK_SECONDS)
        return self._dialog(f"{PROGRAM}: {question}", asking=True)

    def tell(self, text: str) -> bool:
        """Show a message; False when there is nowhere to show it."""
        if has_terminal():
            sys.stderr.write(f"\n{PROGRAM}: message from your administrator: {text}\n")
            return True
        return self._dialog(text, asking=False) is not None

    def _dialog(self, text: str, *, asking: bool) -> str | None:
        machine = self._machine
        if machine.system == "windows":
            return self._first(windows_dialogs(text, asking=asking))
        if machine.system == "mac":
            return self._first(mac_dialogs(text, asking=asking, root=machine.is_root))
        session = desktop_session(machine)
        if session is None:
            return None

        def show() -> str | None:
            return self._first(linux_dialogs(text, asking=asking), session.environment)

        answer = in_account(session.account, show, ASK_SECONDS + 30)
        return answer if isinstance(answer, str) else None

    def _first(
        self, dialogs: Iterable[Sequence[str]], environment: Mapping[str, str] | None = None
    ) -> str | None:
        """Return what the first program that there is printed; an empty answer when it was dismissed."""
        for command in dialogs:
            if shutil.which(command[0], path=self._machine.search_path()) is None:
                continue
            out = self._machine.run(*command, seconds=ASK_SECONDS, environment=environment)
            return clean(out.text, 500) if out is not None and out.code == 0 else ""
        return None


def has_terminal() -> bool:
    """Tell whether somebody started this program at a terminal."""
    return bool(sys.stdin and sys.stdin.isatty() and sys.stderr.isatty())


def ask_at_terminal(question: str, seconds: float) -> str:
    """Return a line typed at the terminal, empty when none came in time."""
    sys.stderr.write(f"\n{question} ")
    sys.stderr.flush()
    if os.name == "posix" and not select.select([sys.stdin], [], [], seconds)[0]:
        sys.stderr.write("\n")
        return ""
    return clean(sys.stdin.readline(), 500)


def linux_dialogs(text: str, *, asking: bool) -> list[tuple[str, ...]]:
    """Return programs that show a dialog on a Linux desktop, the best first."""
    title = "Message from your administrator"
    if asking:
        return [
            ("zenity", "--entry", f"--title={title}", f"--text={text}", f"--timeout={int(ASK_SECONDS)}"),
            ("kdialog", "--title", title, "--inputbox", text),
        ]
    return [
        ("notify-send", "--urgency=critical", f"--app-name={PROGRAM}", title, text),
        ("zenity", "--info", "--no-markup", f"--title={title}", f"--text={text}"),
        ("kdialog", "--title", title, "--msgbox", text),
    ]


def mac_dialogs(text: str, *, asking: bool, root: bool) -> list[tuple[str, ...]]:
    """Return programs that show a dialog on a Mac. The text is an argument, never part of the script."""
    field_text = ' default answer ""' if asking else ""
    show = f'display dialog (item 1 of argv){field_text} buttons {{"OK"}} default button 1'
    wanted = "text returned of answer" if asking else '""'
    script = (
        "on run argv",
        f"set answer to ({show} giving up after {int(ASK_SECONDS)})",
        f"return {wanted}",
        "end run",
    )
    command = ("osascript", *(part for line in script for part in ("-e", line)), text)
    if not root:
        return [command]
    with contextlib.suppress(OSError):
        uid = os.stat("/dev/console").st_uid
        if uid:
            return [("launchctl", "asuser", str(uid), *command)]
    return []


def windows_dialogs(text: str, *, asking: bool) -> list[tuple[str, ...]]:
    """Return programs that show a dialog in a Windows session; none in a service, which has no desktop."""
    if os.environ.get("SESSIONNAME", "") in ("", "Services"):
        return []
    quoted = text.replace("'", "''")
    if not asking:
        return [("msg", "*", f"/TIME:{int(ASK_SECONDS)}", text)]
    show = f"[Microsoft.VisualBasic.Interaction]::InputBox('{quoted}', 'Message from your administrator')"
    return [("powershell", "-NoProfile", "-Command", f"Add-Type -AssemblyName Microsoft.VisualBasic; {show}")]


# -- Seafile clients -----------------------------------------------------------------------------------------
#
# What was seen of the clients of generations 8 and 9: a configuration folder holds `seafile.ini`, which names
# the data folder. There, `config.db` has the daemon's client id, `id` the one that seaf-cli logs in with,
# `repo.db` the libraries with their folder and server, `clone.db` those that are being fetched for the first
# time. The daemon listens on `seafile.sock`: four bytes of length, least first, then JSON.

_LIBRARY_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CLIENT_ID = re.compile(r"[0-9a-z]{40}")
_DATABASES = ("repo.db", "branch.db", "clone.db", "filelocks.db")
_STORES = tuple(
    f"{store}/{kind}" for store in ("storage", "deleted_store") for kind in ("commits", "fs", "blocks")
)


@dataclass(frozen=True)
class Library:
    """A library that a client keeps in step, or fetches for the first time."""

    id: str
    server: str
    email: str
    folder: str


@dataclass(frozen=True)
class Client:
    """An installation of the sync client that has been set up."""

    configuration: str
    data: str
    ids: tuple[str, ...]
    version: str
    libraries: tuple[Library, ...]


def client_of(value: Mapping[str, Any]) -> Client:
    """Return the client that `asdict` took apart."""
    libraries = tuple(Library(**item) for item in value["libraries"])
    return Client(**{**value, "ids": tuple(value["ids"]), "libraries": libraries})


def usual_configurations(home: str) -> list[str]:
    """Return where the clients of all systems keep their configuration unless told otherwise."""
    return [os.path.join(home, ".ccnet"), os.path.join(home, "ccnet")]


def read_clients(configurations: Iterable[str]) -> list[dict[str, Any]]:
    """Return the clients that are set up in these configuration folders, as `asdict` writes them."""
    found = []
    for configuration in configurations:
        try:
            with open(os.path.join(configuration, "seafile.ini"), encoding="utf-8") as file:
                data = os.path.normpath(file.read(8192).strip())
        except (OSError, ValueError):
            continue
        if os.path.isabs(data) and os.path.isdir(data):
            client = Client(
                configuration,
                data,
                tuple(sorted(_client_ids(data))),
                _client_version(configuration),
                tuple(sorted(_libraries(data), key=lambda library: library.id)),
            )
            found.append(asdict(client))
    return found


def _client_ids(data: str) -> Iterator[str]:
    rows = query(os.path.join(data, "config.db"), "SELECT value FROM Config WHERE key = 'client_id'")
    texts = [str(value) for (value,) in rows]
    with contextlib.suppress(OSError, ValueError), open(os.path.join(data, "id"), encoding="ascii") as file:
        texts.append(file.read(100).strip())
    return iter({text for text in texts if _CLIENT_ID.fullmatch(text)})


def _client_version(configuration: str) -> str:
    """Return the version that the daemon last wrote to its log, empty when it is not there."""
    try:
        with open(os.path.join(configuration, "logs", "seafile.log"), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - (1 << 20)))
            found = re.findall(rb"starting seafile client ([0-9.]{1,20})", file.read(1 << 20))
    except OSError:
        return ""
    return found[-1].decode() if found else ""


def _libraries(data: str) -> Iterator[Library]:
    properties: dict[str, dict[str, str]] = {}
    wanted = "SELECT repo_id, key, value FROM RepoProperty WHERE key IN ('worktree', 'server-url', 'email')"
    for library_id, key, value in query(os.path.join(data, "repo.db"), wanted):
        properties.setdefault(str(library_id), {})[str(key)] = str(value or "")
    wanted = """SELECT t.repo_id, t.worktree_parent, t.email, m.more_info FROM CloneTasks t
        LEFT JOIN CloneTasksMoreInfo m ON m.repo_id = t.repo_id"""
    for library_id, folder, email_address, more in query(os.path.join(data, "clone.db"), wanted):
        told = from_json(more)
        server = told.get("server_url") if isinstance(told, dict) else ""
        row = {"worktree": folder, "email": email_address, "server-url": server}
        properties.setdefault(str(library_id), {key: str(value or "") for key, value in row.items()})
    for library_id, row in properties.items():
        folder, server = row.get("worktree", ""), row.get("server-url", "")
        if folder and _LIBRARY_ID.fullmatch(library_id):
            yield Library(library_id, server, row.get("email", ""), os.path.normpath(folder))


# What the client itself calls its errors, as far as it was seen.
_SYNC_ERRORS = {10: "Permission denied on server"}


def sync_errors(data: str, library_ids: Sequence[str], since: float) -> list[dict[str, str]]:
    """Return what went wrong with libraries since a time, as a report tells it."""
    statement = "SELECT repo_id, path, err_id, timestamp FROM FileSyncError ORDER BY id DESC LIMIT 500"
    found = []
    for library_id, path, number, at in query(os.path.join(data, "repo.db"), statement):
        if library_id in library_ids and isinstance(at, int) and at > since:
            text = _SYNC_ERRORS.get(number, f"Sync error {number}")
            message = clean(f"{text}: {path}" if path else text, 255)
            found.append({"repo_id": str(library_id), "message": message})
    return found[:50]


def query(path: str, statement: str) -> list[tuple[Any, ...]]:
    """Return rows of a database that is only read; none when it cannot be."""
    if not os.path.isfile(path):
        return []
    place = urllib.parse.quote(path)
    try:
        with contextlib.closing(sqlite3.connect(f"file:{place}?mode=ro", uri=True, timeout=10)) as database:
            return list(database.execute(statement))
    except sqlite3.Error as error:
        log.warning("%s cannot be read: %s", path, error)
        return []


class Daemon:
    """The sync client's daemon, spoken to through its socket. Raises OSError when it does not answer."""

    def __init__(self, data: str) -> None:
        self._socket = os.path.join(data, "seafile.sock")

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function and return its value; None when the daemon does not know it."""
        request = {"service": "seafile-rpcserver", "request": json.dumps([function, *arguments])}
        data = json.dumps(request).encode()
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as line:
            line.settimeout(15)
            line.connect(self._socket)
            line.sendall(struct.pack("<I", len(data)) + data)
            (length,) = struct.unpack("<I", self._receive(line, 4))
            answer = from_json(_decode(self._receive(line, length)))
        return answer.get("ret") if isinstance(answer, dict) else None

    @staticmethod
    def _receive(line: socket.socket, length: int) -> bytes:
        parts = []
        while length:
            part = line.recv(min(length, 65536))
            if not part:
                raise ConnectionError("the sync client hung up")
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def is_busy_with(self, library_id: str) -> bool:
        """Tell whether a library is kept in step or being fetched."""
        listed = rows_of(self.call("seafile_get_repo_list", -1, -1))
        tasks = rows_of(self.call("seafile_get_clone_tasks"))
        over = ("done", "canceled", "error")
        return any(item.get("id") == library_id for item in listed) or any(
            task.get("repo-id") == library_id and task.get("state") not in over for task in tasks
        )

    def let_go(self, library_id: str) -> None:
        """Ask the daemon to forget a library, and to stop fetching it."""
        self.call("seafile_destroy_repo", library_id)
        self.call("seafile_cancel_clone_task", library_id)


def daemon_processes(machine: Machine, data: str) -> list[int]:
    """Return the process ids of the daemons that work on a data folder."""
    if machine.system == "windows":
        script = (
            "Get-CimInstance Win32_Process -Filter \"Name='seaf-daemon.exe' OR Name='seafile-applet.exe'\""
        )
        out = machine.run(
            "powershell",
            "-NoProfile",
            "-Command",
            f"@({script} | % {{ [int]$_.ProcessId }}) | ConvertTo-Json",
        )
        found = from_json(out.text if out else "")
        return [pid for pid in (found if isinstance(found, list) else [found]) if isinstance(pid, int)]
    if machine.system == "linux":
        lines = ((pid, machine.read(f"/proc/{pid}/cmdline") or "") for pid in machine.names("/proc"))
        return [int(pid) for pid, line in lines if pid.isdigit() and is_daemon(line.split("\0"), data)]
    out = machine.run("ps", "-axww", "-o", "pid=,command=")
    numbered = (line.split(None, 1) for line in (out.text if out else "").splitlines())
    return [int(pair[0]) for pair in numbered if len(pair) > 1 and is_daemon(pair[1].split(), data)]


def is_daemon(arguments: Sequence[str], data: str) -> bool:
    """Tell whether a command line is that of a daemon that works on a data folder."""
    program = os.path.basename(arguments[0]) if arguments else ""
    return program == "seaf-daemon" and any(
        flag == "-d" and os.path.normpath(value) == data for flag, value in zip(arguments, arguments[1:])
    )


def forget_libraries(data: str, library_ids: Iterable[str]) -> None:
    """Strike libraries from the databases of a client whose daemon does not run, so that it never goes on."""
    for name in _DATABASES:
        path = os.path.join(data, name)
        if not os.path.isfile(path):
            continue
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as database, database:
            database.execute("PRAGMA secure_delete = ON")
            for (table,) in list(database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")):
                columns = {row[1] for row in database.execute(f'PRAGMA table_info("{table}")')}
                if "repo_id" in columns:
                    statement = f'DELETE FROM "{table}" WHERE repo_id = ?'  # noqa: S608 - its own table
                    database.executemany(statement, [(library_id,) for library_id in library_ids])


# -- wiping --------------------------------------------------------------------------------------------------
#
# Removed are the folders in which a client of this machine keeps libraries of this server, and what the
# client itself stores of these libraries. Everything else stays, and these rules decide it:
#
#   1. A folder comes from the client's own database, where its library has this server's address. One that
#      such a look has found is noted in the state file until it is gone, since the client then forgets it.
#   2. Never /, a folder of the system, a home, or a folder that has a home inside.
#   3. Never a folder that another library (of another server, or not to be wiped) has as its own or lies in.
#      Folders of other libraries and the client's own that lie inside stay, with the way to them.
#   4. No symbolic link is followed: not inside, not at the end, and on the way only those that root made.
#   5. Nothing beyond a mount point.
#   6. The client is told to let go of the library first, so that nothing of this counts as an edit.
#
# Root does all this with the rights of the account whose client it is.

# Themselves never; what lies below may be removed, but not below those of the second list.
_SYSTEM_FOLDERS = re.compile(
    r"/(bin|boot|cores|dev|etc|home|lib|lib32|lib64|libx32|lost\+found|media|mnt|opt|proc|root|run|sbin|snap|srv"
    r"|sys|tmp|usr|var|var/home|var/lib|var/tmp|private|private/tmp|private/var"
    r"|Applications|Library|Network|System|Users|Volumes)"
)
_SYSTEM_TREES = (
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/proc",
    "/sbin",
    "/sys",
    "/usr",
    "/System",
)


@dataclass(frozen=True)
class Target:
    """A library to be wiped from this machine, and the account whose client has it."""

    library: str
    folder: str
    data: str
    email: str
    server: str
    uid: int


@dataclass
class Outcome:
    """What became of a target: `removed`, `absent` (was gone already), `refused` or `failed`, and why.

    `kept` lies inside and belongs to others, `left` could not be removed.
    """

    library: str
    folder: str
    state: str
    reason: str = ""
    files: int = 0
    folders: int = 0
    size_bytes: int = 0
    kept: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Tell whether nothing of it is left to remove."""
        return self.state in ("removed", "absent")


@dataclass(frozen=True)
class Protected:
    """What no wipe may touch: homes as such, and what is kept in whole, be it inside of a target."""

    homes: tuple[str, ...]
    libraries: tuple[str, ...]
    other: tuple[str, ...] = ()


def place(url: str) -> tuple[str, int | None] | None:
    """Return host and port of an address, the port None where it is the usual one; None for no address."""
    try:
        parts = urllib.parse.urlsplit(url.strip() if "//" in url else f"//{url.strip()}")
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return parts.hostname.rstrip("."), None if port in (None, 80, 443) else port


def is_of(library: Library, servers: Iterable[str], wanted: Sequence[str] | None, email_address: str) -> bool:
    """Tell whether a library is of this server, among the wanted (None: all), of that user (empty: any)."""
    here = place(library.server) if library.server else None
    if here is None or here not in {place(server) for server in servers}:
        return False
    if wanted is not None and library.id not in wanted:
        return False
    return not email_address or library.email.lower() == email_address.lower()


def refusal(folder: str, protected: Protected) -> str:
    """Return why a folder may not be removed, empty when it may. Raises FileNotFoundError when it is gone."""
    if not os.path.isabs(folder) or "\0" in folder or os.path.normpath(folder) != folder:
        return "not a plain absolute path"
    link = _first_link(folder)
    if link:
        return f"{link} is a symbolic link"
    real = os.path.realpath(folder)
    if not os.path.isdir(real):
        return "not a folder"
    if _is_of_system(real) or _is_of_system(folder):
        return "a folder of the system"
    if any(_covers(real, home) for home in protected.homes):
        return "a home, or has one inside"
    if any(_covers(other, real) for other in protected.libraries):
        return "lies in a folder of another library"
    if any(_covers(other, real) for other in protected.other):
        return "belongs to the sync client or to this program"
    return ""


def _first_link(folder: str) -> str:
    """Return the first symbolic link on the way to a folder that root did not make, and any at its end."""
    path = os.path.splitdrive(folder)[0] + os.sep
    parts = [part for part in folder[len(path) :].split(os.sep) if part]
    for number, part in enumerate(parts, 1):
        above, path = path, os.path.join(path, part)
        if is_link(os.lstat(path)) and (number == len(parts) or not _made_by_root(above, path)):
            return path
    return ""


def is_link(status: os.stat_result) -> bool:
    """Tell whether something leads elsewhere: a symbolic link, or on Windows a reparse point."""
    reparse = getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0x400)
    return stat.S_ISLNK(status.st_mode) or bool(getattr(status, "st_file_attributes", 0) & reparse)


def _made_by_root(folder: str, link: str) -> bool:
    above = os.lstat(folder)
    return os.name == "posix" and os.lstat(link).st_uid == above.st_uid == 0 and not above.st_mode & 0o022


def _is_of_system(path: str) -> bool:
    drive, rest = os.path.splitdrive(path)
    if not rest.strip(os.sep):
        return True
    if drive:
        names = ("SystemRoot", "ProgramFiles", "ProgramFiles(x86)", "ProgramW6432", "ProgramData")
        trees = [os.environ[name] for name in names if os.environ.get(name)]
        return any(_covers(tree, path) for tree in trees) or _key(rest) == _key(os.sep + "Users")
    return _SYSTEM_FOLDERS.fullmatch(path) is not None or any(_covers(tree, path) for tree in _SYSTEM_TREES)


def _key(path: str) -> str:
    """Return a path as it is compared: the usual file systems of macOS and Windows do not tell case apart."""
    return path if sys.platform == "linux" else os.path.normcase(path).casefold()


def _covers(folder: str, path: str) -> bool:
    """Tell whether a path is a folder or lies in it, by name or because it is the same place."""
    above, below = (os.path.join(_key(os.path.realpath(name)), "") for name in (folder, path))
    if below.startswith(above):
        return True
    wanted, real = _stat_or_none(folder), os.path.realpath(path)
    while wanted is not None:
        found = _stat_or_none(real)
        if found is not None and os.path.samestat(found, wanted):
            return True
        if os.path.dirname(real) == real:
            break
        real = os.path.dirname(real)
    return False


class Eraser:
    """Removes folders with all that is in them; what lies in `keep` and beyond mount points stays."""

    def __init__(self, keep: Iterable[str], outcome: Outcome) -> None:
        self._keep = {_identity(status) for status in map(_stat_or_none, keep) if status is not None}
        self._mounts = mount_points()
        self._outcome = outcome

    def remove(self, folder: str) -> bool:
        """Remove a folder, or a file, unless it is a link; return whether nothing of it is left."""
        real = os.path.join(os.path.realpath(os.path.dirname(folder)), os.path.basename(folder))
        if os.open not in os.supports_dir_fd:
            return self._remove_by_path(real, os.lstat(real).st_dev)
        above = open_folder(os.path.dirname(real))
        try:
            return self._remove_at(above, os.path.basename(real), real)
        finally:
            os.close(above)

    def _remove_at(self, above: int, name: str, path: str) -> bool:
        """Remove an entry of an open folder. Only opened folders are gone into, so no link can lead away."""
        allow_many_files()
        device = os.stat(name, dir_fd=above, follow_symlinks=False).st_dev
        top = _Level(above, "", os.path.dirname(path), [name])
        levels = [top]
        while levels:
            level = levels[-1]
            if level.names:
                entry = level.names.pop()
                entered = self._take(level, entry, device)
                if entered is not None:
                    levels.append(entered)
            else:
                levels.pop()
                if level is not top:
                    os.close(level.handle)
                    self._close_level(level, levels[-1])
        return not top.incomplete

    def _take(self, level: _Level, name: str, device: int) -> _Level | None:
        """Remove an entry, or return it as the next level if it is a folder."""
        path = os.path.join(level.path, name)
        try:
            status = os.stat(name, dir_fd=level.handle, follow_symlinks=False)
            if not self._may_remove(path, status, device):
                level.incomplete = True
            elif stat.S_ISDIR(status.st_mode):
                return self._enter(level, name, path)
            else:
                os.unlink(name, dir_fd=level.handle)
                self._count(status)
        except FileNotFoundError:
            pass
        except OSError as error:
            self._leave(path, error, level)
        return None

    def _may_remove(self, path: str, status: os.stat_result, device: int) -> bool:
        if _identity(status) in self._keep:
            self._outcome.kept.append(path)
        elif status.st_dev != device or path in self._mounts:
            self._outcome.left.append(f"{path}: something is mounted there")
        else:
            return True
        return False

    def _enter(self, level: _Level, name: str, path: str) -> _Level:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        try:
            handle = os.open(name, flags, dir_fd=level.handle)
        except PermissionError:
            os.chmod(name, 0o700, dir_fd=level.handle)
            handle = os.open(name, flags, dir_fd=level.handle)
        if os.fstat(handle).st_mode & 0o700 != 0o700:
            with contextlib.suppress(OSError):
                os.fchmod(handle, 0o700)
        return _Level(handle, name, path, os.listdir(handle))

    def _close_level(self, level: _Level, above: _Level) -> None:
        if level.incomplete:
            above.incomplete = True
            return
        try:
            os.rmdir(level.name, dir_fd=above.handle)
            self._outcome.folders += 1
        except FileNotFoundError:
            pass
        except OSError as error:
            self._leave(level.path, error, above)

    def _leave(self, path: str, error: OSError, level: _Level) -> None:
        level.incomplete = True
        self._outcome.left.append(f"{path}: {error.strerror or error}")

    def _count(self, status: os.stat_result) -> None:
        self._outcome.files += 1
        self._outcome.size_bytes += status.st_size if stat.S_ISREG(status.st_mode) else 0

    def _remove_by_path(self, path: str, device: int) -> bool:
        """Remove an entry where folders cannot be held open (Windows); links are removed, not followed."""
        try:
            status = os.lstat(path)
            if not self._may_remove(path, status, device):
                return False
            if stat.S_ISDIR(status.st_mode) and not is_link(status):
                return self._empty_by_path(path, device)
            if os.name == "nt" and not is_link(status):
                os.chmod(path, stat.S_IWRITE)
            (os.rmdir if stat.S_ISDIR(status.st_mode) else os.unlink)(path)
            self._count(status)
        except FileNotFoundError:
            pass
        except OSError as error:
            self._outcome.left.append(f"{path}: {error.strerror or error}")
            return False
        return True

    def _empty_by_path(self, path: str, device: int) -> bool:
        emptied = True
        for name in os.listdir(path):
            emptied &= self._remove_by_path(os.path.join(path, name), device)
        if emptied:
            os.rmdir(path)
            self._outcome.folders += 1
        return emptied


@dataclass
class _Level:
    """A folder that is being emptied: open, what is left of its names, and whether something stays."""

    handle: int
    name: str
    path: str
    names: list[str]
    incomplete: bool = False


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def allow_many_files() -> None:
    """Let this process have as many open files as it may: emptying a folder needs one for each level."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError, ValueError):
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def _stat_or_none(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def open_folder(path: str) -> int:
    """Open a folder step by step from the root, so that no step can be a symbolic link."""
    handle = os.open(os.sep, os.O_RDONLY | os.O_DIRECTORY)
    for part in path.split(os.sep):
        if part:
            try:
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            finally:
                os.close(handle)
            handle = inner
    return handle


def mount_points() -> frozenset[str]:
    """Return where Linux has something mounted; other systems show mounts by their device number."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            return parse_mounts(file.read())
    except OSError:
        return frozenset()


def parse_mounts(text: str) -> frozenset[str]:
    """Return the mount points of /proc/self/mountinfo, where blanks and the like are octal numbers."""
    points = (line.split(" ")[4] for line in text.splitlines() if line.count(" ") > 4)
    return frozenset(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point) for point in points)


def wipe_targets(machine: Machine, targets: Sequence[Target], protected: Protected) -> list[dict[str, Any]]:
    """Wipe libraries of one account; return an outcome for each, as `asdict` writes it."""
    outcomes: list[Outcome] = []
    for data in sorted({target.data for target in targets}):
        examined = [(target, examine(target, protected)) for target in targets if target.data == data]
        outcomes.extend(outcome for _, outcome in examined)
        allowed = [pair for pair in examined if pair[1].state != "refused"]
        if allowed:
            problem = stop_syncing(machine, data, [target.library for target, _ in allowed])
            for target, outcome in allowed:
                if problem:
                    outcome.state, outcome.reason = "failed", problem
                else:
                    _wipe(target, outcome, protected)
            if not any(_libraries(data)):
                _erase_fragments(data, protected)
    return [asdict(outcome) for outcome in outcomes]


def examine(target: Target, protected: Protected) -> Outcome:
    """Return an outcome that says whether a target is there and may be removed; `failed` until it is."""
    outcome = Outcome(target.library, target.folder, "failed")
    try:
        outcome.reason = refusal(target.folder, protected)
    except (FileNotFoundError, NotADirectoryError):
        outcome.state = "absent"
    except OSError as error:
        outcome.reason = str(error)
    if outcome.reason:
        outcome.state = "refused"
    return outcome


def stop_syncing(machine: Machine, data: str, library_ids: Sequence[str], seconds: float = 60.0) -> str:
    """Have a client let go of libraries, for good; return what stands in the way, empty when it has.

    A daemon that answers is asked; one that does not is ended, and its databases forget the libraries.
    """
    if not os.path.isdir(data):
        return ""
    daemon = Daemon(data)
    try:
        if _ask_to_let_go(daemon, library_ids, time.monotonic() + seconds):
            return ""
        log.warning("the sync client goes on with libraries that it was told to let go of; it is ended")
    except (OSError, AttributeError, struct.error):
        log.info("no sync client answers in %s", data)
    try:
        if not end_processes(machine, data):
            return "the sync client goes on"
        forget_libraries(data, library_ids)
    except (OSError, sqlite3.Error) as error:
        return f"the sync client could not be made to let go: {error}"
    return ""


def _ask_to_let_go(daemon: Daemon, library_ids: Sequence[str], deadline: float) -> bool:
    busy = list(library_ids)
    while busy:
        for library_id in busy:
            daemon.let_go(library_id)
        busy = [library_id for library_id in busy if daemon.is_busy_with(library_id)]
        if busy and time.monotonic() > deadline:
            return False
        if busy:
            time.sleep(0.2)
    return True


def end_processes(machine: Machine, data: str) -> bool:
    """End the daemons that work on a data folder; return whether none is left."""
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        for _ in range(50):
            pids = daemon_processes(machine, data)
            if not pids:
                return True
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(0.2)
    return False


def _wipe(target: Target, outcome: Outcome, protected: Protected) -> None:
    """Remove the folder of a library that nobody keeps in step any more, and what its client stored of it."""
    keep = [*protected.libraries, *protected.other]
    was_there = outcome.state != "absent"
    if was_there:
        for _ in range(5):  # what the client was writing at that moment comes to an end
            outcome.kept, outcome.left = [], []
            if _erase(target.folder, keep, outcome) or outcome.left or outcome.kept:
                break
    unseen = Outcome(target.library, target.data, "")
    for store in (*_STORES, "index"):
        _erase(os.path.join(target.data, store, target.library), keep, unseen)
    outcome.left += unseen.left
    if outcome.left:
        outcome.state, outcome.reason = "failed", "not everything could be removed"
    elif was_there:
        outcome.state = "removed"


def _erase_fragments(data: str, protected: Protected) -> None:
    """Remove the pieces of blocks that a client with no library left has lying about."""
    folder = os.path.join(data, "tmpfiles")
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            _erase(os.path.join(folder, name), protected.libraries, Outcome("", "", ""))


def _erase(path: str, keep: Iterable[str], outcome: Outcome) -> bool:
    """Remove a file or folder; return whether it is gone. A link in its place is left alone."""
    try:
        if is_link(os.lstat(path)):
            outcome.left.append(f"{path}: a symbolic link")
            return False
        return Eraser(keep, outcome).remove(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as error:
        outcome.left.append(f"{path}: {error.strerror or error}")
        return False


# -- the state file ------------------------------------------------------------------------------------------


@dataclass
class State:
    """What the agent remembers: who it is for the server, and what it still owes it.

    `results` are answers to orders that the server has not taken yet, by the key of the order; `answered` are
    those that it has. `unfinished` are targets of a wipe that are not gone. Times are in Unix seconds.
    """

    server: str
    agent_token: str
    hwid: str
    hwid_from: str
    device_id: int
    uid: str = ""
    identifier: str = ""
    organization_id: int = 0
    agent_type: str = "persistent"
    ca_file: str = ""
    allow_plain_http: bool = False
    server_names: list[str] = field(default_factory=list)
    seafile_configurations: list[str] = field(default_factory=list)
    report_interval_seconds: int = 3600
    poll_interval_seconds: int = 60
    reported_at: float = 0.0
    last_answer: dict[str, Any] = field(default_factory=dict)
    removed: bool = False
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    answered: dict[str, dict[str, Any]] = field(default_factory=dict)
    unfinished: list[dict[str, Any]] = field(default_factory=list)


def default_state_path(machine: Machine) -> str:
    """Return where the state is kept: as root for the machine, else for the account."""
    home = os.path.expanduser("~")
    if machine.system == "windows":
        return os.path.join(os.environ.get("LOCALAPPDATA", home), "SeafleetAgent", "state.json")
    if machine.system == "mac":
        base = "/Library/Application Support" if machine.is_root else f"{home}/Library/Application Support"
        return f"{base}/{PROGRAM}/state.json"
    base = "/var/lib" if machine.is_root else os.environ.get("XDG_STATE_HOME") or f"{home}/.local/state"
    return f"{base}/{PROGRAM}/state.json"


class StateFile:
    """The state on disk, readable by its owner alone; replaced whole, so that a power cut does not hurt."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)

    def load(self) -> State:
        """Return the state. Raises NotEnrolled, StateUnusable."""
        try:
            with open(self.path, encoding="utf-8") as file:
                self._shut(file.fileno())
                found = json.load(file)
        except FileNotFoundError:
            raise NotEnrolled(f"this machine is not enrolled ({self.path} is missing)") from None
        except (OSError, ValueError) as error:
            raise StateUnusable(f"{self.path} cannot be read: {error}") from None
        return parse_state(found, self.path)

    def save(self, state: State) -> None:
        """Replace the state. Raises StateUnusable when the disk does not take it."""
        folder = os.path.dirname(self.path)
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".state-", dir=folder)  # mode 0600
            try:
                with open(handle, "w", encoding="utf-8") as file:
                    json.dump(asdict(state), file, indent=1)  # in order: the oldest answers go first
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, self.path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name)
                raise
        except OSError as error:
            raise StateUnusable(f"{self.path} cannot be written: {error}") from None

    @contextlib.contextmanager
    def change(self) -> Iterator[State]:
        """Give the state to be changed, and save it; two processes never do so at once."""
        with self.locked("lock"):
            state = self.load()
            yield state
            self.save(state)

    @contextlib.contextmanager
    def locked(self, name: str, *, wait: bool = True) -> Iterator[None]:
        """Hold a lock beside the state. Raises StateUnusable if another has it and `wait` is false."""
        try:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            handle = os.open(f"{self.path}.{name}", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StateUnusable(f"{self.path} cannot be locked: {error}") from None
        try:
            _lock(handle, wait=wait)
            yield
        except BlockingIOError:
            raise StateUnusable(f"another agent uses {self.path}") from None
        finally:
            os.close(handle)

    def remove(self) -> None:
        """Forget everything."""
        for suffix in ("", ".lock", ".running"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path + suffix)

    @staticmethod
    def _shut(handle: int) -> None:
        if os.name == "posix" and os.fstat(handle).st_mode & 0o077:
            log.warning("the state file was open to others; it is closed to them now")
            os.fchmod(handle, 0o600)


def _lock(handle: int, *, wait: bool) -> None:
    if sys.platform == "win32":
        try:
            msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError:
            raise BlockingIOError from None
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def parse_state(found: Any, path: str) -> State:
    """Return the state that JSON holds; what a newer agent wrote beside it is passed over."""
    try:
        known = {item.name: found[item.name] for item in fields(State) if item.name in found}
        state = State(**known)
        for name in ("server", "agent_token", "hwid", "hwid_from"):
            if not isinstance(known[name], str):
                raise TypeError(name)
    except (TypeError, KeyError) as error:
        raise StateUnusable(f"{path} is damaged ({error}); enrol again with --force") from None
    return state


# -- talking to the server -----------------------------------------------------------------------------------


class Answer(NamedTuple):
    """What the server said: status, JSON body (None if it is none), and when to come again."""

    status: int
    body: Any
    retry_seconds: float | None = None
    location: str = ""

    @property
    def sentence(self) -> str:
        """Return what the server says is wrong, for people."""
        said = self.body.get("error_msg") or self.body.get("detail") if isinstance(self.body, dict) else None
        return clean(said or f"the server answered {self.status}", 300)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Lets no redirect carry the agent's token to another host."""

    def redirect_request(self, *_arguments: Any, **_named: Any) -> None:
        """Take the redirect itself as the answer."""


class Server:
    """The agent protocol of one server. TLS certificates are checked, always."""

    def __init__(self, url: str, *, ca_file: str = "", allow_plain_http: bool = False) -> None:
        self.url = check_url(url, allow_plain_http=allow_plain_http)
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if self.url.startswith("https:"):
            handlers.append(urllib.request.HTTPSHandler(context=trusted(ca_file)))
        self._opener = urllib.request.build_opener(*handlers)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        authorization: str = "",
        seconds: float = REQUEST_SECONDS,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and return the answer, whatever its status. Raises Unreachable without one."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + BASE_PATH + path, data=data, method=method)
        request.add_header("User-Agent", f"{PROGRAM}/{VERSION}")
        request.add_header("Accept", "application/json")
        if data is not None:
            request.add_header("Content-Type", "application/json")
        for name, value in {"Authorization": authorization, **(headers or {})}.items():
            if value:
                request.add_unredirected_header(name, value)
        try:
            return self._answer(request, seconds)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise Unreachable(f"{self.url} cannot be reached: {clean(reason, 200)}") from None

    def _answer(self, request: urllib.request.Request, seconds: float) -> Answer:
        try:
            response = self._opener.open(request, timeout=seconds)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            text = response.read(MAX_ANSWER_BYTES)
            headers = response.headers
        waits = retry_after(headers.get("Retry-After"), time.time())
        return Answer(response.status, from_json(_decode(text)), waits, headers.get("Location") or "")


def check_url(url: str, *, allow_plain_http: bool) -> str:
    """Return a server's address without a slash at its end. Raises AgentError for one that will not do."""
    parts = urllib.parse.urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or place(url) is None or parts.query or parts.username:
        raise AgentError(
            f"{clean(url, 200)} is not the address of a server, such as https://files.example.org"
        )
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme == "http" and not (local or allow_plain_http):
        raise AgentError(
            "without TLS everybody on the way can read the agent's token: use https://, or --allow-plain-http"
        )
    return url.strip().rstrip("/")


def trusted(ca_file: str) -> ssl.SSLContext:
    """Return what decides which servers are believed: the system's authorities, or those in a file."""
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise AgentError(f"{ca_file} is no file of certificates: {error}") from None
    system_file = "/etc/ssl/cert.pem"  # Python from python.org knows no authorities on a Mac
    if not ca_file and sys.platform == "darwin" and not context.cert_store_stats()["x509_ca"]:
        with contextlib.suppress(OSError):
            context.load_verify_locations(system_file)
    return context


def retry_after(value: str | None, now: float) -> float | None:
    """Return in how many seconds a server wants to be called again: seconds or a date, at most a day."""
    if not value:
        return None
    try:
        seconds = float(value) if value.strip().isdigit() else _until(value, now)
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), 86_400.0)


def _until(value: str, now: float) -> float:
    return email.utils.parsedate_to_datetime(value).timestamp() - now


@functools.lru_cache(maxsize=4)
def server_at(url: str, ca_file: str, allow_plain_http: bool) -> Server:
    """Return a server; reading the authorities to believe takes a while, so it is done once."""
    return Server(url, ca_file=ca_file, allow_plain_http=allow_plain_http)


def connect(state: State) -> Server:
    """Return the server that the agent is enrolled with."""
    return server_at(state.server, state.ca_file, state.allow_plain_http)


# -- what is reported ----------------------------------------------------------------------------------------


class Found(NamedTuple):
    """The Seafile clients of this machine by account, and the accounts that could not be looked into."""

    clients: list[tuple[Account, list[Client]]]
    problems: list[str]

    def all(self) -> list[Client]:
        """Return the clients without their accounts."""
        return [client for _, clients in self.clients for client in clients]


def find_clients(machine: Machine, configurations: Sequence[str]) -> Found:
    """Look for Seafile clients: in these configuration folders, or without any in everybody's usual ones."""
    found = Found([], [])
    for account in [own_account()] if configurations else local_accounts(machine):
        places = list(configurations) or usual_configurations(account.home)
        if not any(os.path.lexists(path) for path in places):
            continue
        try:
            values = in_account(account, functools.partial(read_clients, places), 60.0)
            found.clients.append((account, [client_of(value) for value in values]))
        except TROUBLE as error:
            found.problems.append(f"the clients of {account.name} cannot be seen: {clean(error, 200)}")
            log.warning("%s", found.problems[-1])
    return found


def identity_facts(machine: Machine, probe: Mapping[str, Any], found: Found) -> dict[str, Any]:
    """Return what an enrolment and a report have in common, all but the hardware id."""
    adapters = interfaces(machine, probe)
    burnt_in = [
        (machine.read(f"/sys/class/net/{item['name']}/phy80211/macaddress") or "").strip()
        for item in adapters
    ]
    macs = [item["mac"] for item in adapters] + [mac for mac in burnt_in if _is_mac(mac)]
    return {
        **system_facts(machine, probe),
        "macs": list(dict.fromkeys(macs)),
        "agent_version": VERSION,
        "client_ids": sorted({number for client in found.all() for number in client.ids}),
    }


def report_of(machine: Machine, state: State, now: float) -> dict[str, Any]:
    """Return everything that a report tells of this machine."""
    probe = windows_probe(machine)
    found = find_clients(machine, state.seafile_configurations)
    servers = [state.server, *state.server_names]
    versions = sorted((client.version for client in found.all()), key=numbers_of)
    apps = [{"name": "device-agent", "version": VERSION}]
    if versions:
        apps.append({"name": "seafile-desktop", "version": versions[-1]})
    return {
        **identity_facts(machine, probe, found),
        "hwid": state.hwid,
        "agent_type": state.agent_type,
        "interfaces": interfaces(machine, probe),
        "apps": apps,
        "posture": posture(machine, probe, now),
        "users": [account.name for account, clients in found.clients if clients][:20],
        "errors": _errors_of(found, servers, state.reported_at),
    }


def numbers_of(version: str) -> list[int]:
    """Return the numbers of a version, by which it is compared."""
    return [int(number) for number in re.findall(r"\d+", version)]


def _errors_of(found: Found, servers: Sequence[str], since: float) -> list[dict[str, str]]:
    errors: list[dict[str, str]] = []
    for account, clients in found.clients:
        for client in clients:
            ids = [library.id for library in client.libraries if is_of(library, servers, None, "")]
            with contextlib.suppress(*TROUBLE):
                errors += in_account(account, functools.partial(sync_errors, client.data, ids, since), 60.0)
    return errors[:50]


# -- orders --------------------------------------------------------------------------------------------------


class Order(NamedTuple):
    """What the server wants done. `key` tells it from every other, also after the server was restored."""

    id: int
    type: str
    params: dict[str, Any]
    created_at: str

    @property
    def key(self) -> str:
        """Return the name under which its result is kept."""
        return f"{self.id} {self.type} {self.created_at}"


class Result(NamedTuple):
    """What became of an order: `done`, `failed` or `unsupported`, and a sentence."""

    status: str
    detail: str


def parse_orders(value: Any) -> list[Order]:
    """Return orders in the sequence in which they are carried out: a wipe first, the agent's own end last."""
    orders = [
        Order(item["id"], item["type"], item.get("params") or {}, str(item.get("created_at") or ""))
        for item in rows_of(value)
        if type(item.get("id")) is int
        and isinstance(item.get("type"), str)
        and isinstance(item.get("params"), (dict, type(None)))
    ]
    rank = {"wipe": 0, "uninstall_agent": 2}
    return sorted(orders, key=lambda order: rank.get(order.type, 1))


class Orders:
    """Carries out what the server may order: each method takes the parameters and returns a result."""

    def __init__(self, machine: Machine, store: StateFile, people: People, report: Callable[[], str]) -> None:
        self._machine = machine
        self._store = store
        self._people = people
        self._report = report

    def carry_out(self, order: Order) -> Result:
        """Carry out an order; what goes wrong on this machine is a result as well."""
        verbs: dict[str, Callable[[dict[str, Any]], Result]] = {
            "dhcp_renew": self.dhcp_renew,
            "re_identify": self.re_identify,
            "wipe": self.wipe,
            "uninstall_agent": self.uninstall_agent,
            "report_now": self.report_now,
            "message": self.message,
        }
        verb = verbs.get(order.type)
        if verb is None:
            return Result("unsupported", f"agent {VERSION} does not know this order")
        try:
            return verb(order.params)
        except TROUBLE as error:
            log.exception("order %s failed", order.key)
            return Result("failed", f"{type(error).__name__}: {error}")

    def dhcp_renew(self, _params: dict[str, Any]) -> Result:
        """Ask for new leases on every adapter that has one."""
        return renew_leases(self._machine)

    def re_identify(self, _params: dict[str, Any]) -> Result:
        """Ask who uses the machine, on the terminal or desktop."""
        answer = self._people.ask("Who uses this computer? Please enter your name and e-mail address:")
        if answer is None:
            return Result("unsupported", "nobody can be asked: there is no terminal and no desktop")
        if not answer:
            return Result("failed", "there was no answer")
        return Result("done", json.dumps(parse_identity(answer[:200]), ensure_ascii=False))

    def message(self, params: dict[str, Any]) -> Result:
        """Show a text to whoever sits in front of the machine."""
        text = clean(params.get("text") or "", MAX_DETAIL_CHARACTERS)
        if not text:
            return Result("failed", "the message is empty")
        if self._people.tell(text):
            return Result("done", "the message was shown")
        return Result("unsupported", "there is no terminal and no desktop to show it on")

    def report_now(self, _params: dict[str, Any]) -> Result:
        """Report at once."""
        problem = self._report()
        return Result("failed", problem) if problem else Result("done", "reported")

    def uninstall_agent(self, _params: dict[str, Any]) -> Result:
        """Take the agent out of what the system starts; its state goes once the server has the result."""
        return Result(
            "done",
            remove_service(self._machine, self._store.path) or "no service was set up; the state was removed",
        )

    def wipe(self, params: dict[str, Any]) -> Result:
        """Remove this server's libraries from this machine: those that are named, or `all`."""
        wanted = params.get("libraries")
        if wanted != "all" and not (isinstance(wanted, list) and all(isinstance(one, str) for one in wanted)):
            return Result("failed", "the order does not say which libraries")
        chosen = None if wanted == "all" else wanted
        email_address = params.get("email") if isinstance(params.get("email"), str) else ""
        return Wipe(self._machine, self._store).carry_out(chosen, email_address or "")


def parse_identity(answer: str) -> dict[str, str]:
    """Return who somebody says he is: owner, e-mail address if there is one, and the account he uses."""
    address = re.search(r"[^\s<>,;]+@[^\s<>,;]+", answer)
    name = re.sub(r"[\s<>,;]*[^\s<>,;]+@[^\s<>,;]+[\s<>,;]*", " ", answer).strip()
    said = {"owner": name or answer.strip(), "account": own_account().name}
    return {**said, "email": address[0]} if address else said


def renew_leases(machine: Machine) -> Result:
    """Have the system's DHCP client ask again, on every adapter that may have a lease."""
    if machine.system == "windows":
        return _renewed([machine.run("ipconfig", "/renew", seconds=120)])
    adapters = [item for item in interfaces(machine, {}) if item["dhcp"] is not False and item["ipv4"]]
    if not adapters:
        return Result("unsupported", "no network adapter has its address from DHCP")
    renew = _renew_on_mac if machine.system == "mac" else _renew_on_linux
    outputs = [out for item in adapters for out in renew(machine, item["name"])]
    return _renewed(outputs)


def _renewed(outputs: Sequence[Output | None]) -> Result:
    ran = [out for out in outputs if out is not None]
    if not ran:
        return Result("unsupported", "no DHCP client was found that can be asked")
    failed = [first_line(out.errors or out.text) for out in ran if out.code != 0]
    return (
        Result("failed", "; ".join(failed)) if failed else Result("done", f"new leases asked for: {len(ran)}")
    )


def _renew_on_mac(machine: Machine, adapter: str) -> list[Output | None]:
    return [machine.run("ipconfig", "set", adapter, "DHCP", seconds=30)]


def _renew_on_linux(machine: Machine, adapter: str) -> list[Output | None]:
    """Ask the program that manages an adapter: NetworkManager, networkd, dhcpcd or dhclient."""
    shown = machine.run("nmcli", "-g", "GENERAL.STATE,GENERAL.CON-UUID", "device", "show", adapter)
    lines = shown.text.split() if shown is not None and shown.code == 0 else []
    if lines[:1] == ["100"] and len(lines) > 1:
        return [
            machine.run("nmcli", "--wait", "30", "connection", "up", lines[-1], "ifname", adapter, seconds=40)
        ]
    managed = machine.run("networkctl", "--no-pager", "--no-legend", "list", adapter)
    if managed is not None and re.search(r"\bconfigured\b", managed.text):
        return [machine.run("networkctl", "renew", adapter, seconds=30)]
    if {f"{adapter}.pid", "pid"} & set(machine.names("/run/dhcpcd")):
        return [machine.run("dhcpcd", "--rebind", adapter, seconds=30)]
    running = any(
        (machine.read(f"/proc/{pid}/comm") or "").strip() == "dhclient"
        and adapter in (machine.read(f"/proc/{pid}/cmdline") or "").split("\0")
        for pid in machine.names("/proc")
        if pid.isdigit()
    )
    if running:
        machine.run("dhclient", "-r", adapter, seconds=30)
        return [machine.run("dhclient", "-1", adapter, seconds=60)]
    return []


class Wipe:
    """The order to wipe: finds what it means, has each account's part done, and says what became of it."""

    def __init__(self, machine: Machine, store: StateFile) -> None:
        self._machine = machine
        self._store = store

    def carry_out(self, wanted: Sequence[str] | None, email_address: str) -> Result:
        """Remove the wanted libraries of this server (None: all), of one user or of any (empty)."""
        state = self._store.load()
        found = find_clients(self._machine, state.seafile_configurations)
        targets = self._targets(state, found, wanted, email_address)
        self._note([asdict(target) for target in targets], [])
        protected = self._protected(found, targets)
        outcomes: dict[Target, Outcome] = {}
        for uid in sorted({target.uid for target in targets}):
            outcomes.update(self._part(uid, [t for t in targets if t.uid == uid], protected))
        over = [asdict(target) for target, outcome in outcomes.items() if outcome.is_over]
        self._note([], over)
        for outcome in outcomes.values():
            log.info("wipe: %s", json.dumps(asdict(outcome), sort_keys=True))
        return summary(list(outcomes.values()), found.problems)

    def _note(self, begun: Sequence[dict[str, Any]], over: Sequence[dict[str, Any]]) -> None:
        """Note what is to be removed, and strike what is gone. A full disk is no reason not to make room."""
        try:
            with self._store.change() as state:
                new = [item for item in begun if item not in state.unfinished]
                state.unfinished = [item for item in [*state.unfinished, *new] if item not in over]
        except StateUnusable as error:
            log.warning("%s", error)

    def _targets(
        self, state: State, found: Found, wanted: Sequence[str] | None, email_address: str
    ) -> list[Target]:
        """Return what clients have registered, and what an earlier wipe has begun and not finished."""
        seen = [
            (Library(library.id, library.server, library.email, library.folder), client.data, account.uid)
            for account, clients in found.clients
            for client in clients
            for library in client.libraries
        ]
        for item in state.unfinished:
            with contextlib.suppress(*TROUBLE):
                t = Target(**item)
                seen.append((Library(t.library, t.server, t.email, t.folder), t.data, t.uid))
        servers = [state.server, *state.server_names]
        targets = [
            Target(library.id, library.folder, data, library.email, library.server, uid)
            for library, data, uid in seen
            if is_of(library, servers, wanted, email_address)
        ]
        return list(dict.fromkeys(targets))

    def _protected(self, found: Found, targets: Sequence[Target]) -> Protected:
        chosen = {(target.data, target.library) for target in targets}
        others = [
            library.folder
            for account, clients in found.clients
            for client in clients
            for library in client.libraries
            if (client.data, library.id) not in chosen and _belongs_to(account, library.folder)
        ]
        own = [os.path.abspath(__file__), os.path.dirname(self._store.path)]
        clients = [path for client in found.all() for path in (client.configuration, client.data)]
        homes = [account.home for account in local_accounts(self._machine)]
        return Protected(tuple(homes), tuple(others), (*clients, *own))

    def _part(self, uid: int, targets: Sequence[Target], protected: Protected) -> dict[Target, Outcome]:
        """Have the targets of one account removed with its rights."""
        account = next((one for one in local_accounts(self._machine) if one.uid == uid), None)
        reason = "the account is gone"
        if account is not None:
            try:
                work = functools.partial(wipe_targets, self._machine, targets, protected)
                values = [Outcome(**value) for value in in_account(account, work, WIPE_SECONDS)]
                by_name = {(value.library, value.folder): value for value in values}
                return {target: by_name[target.library, target.folder] for target in targets}
            except TROUBLE as error:
                reason = f"{type(error).__name__}: {error}"
        return {target: Outcome(target.library, target.folder, "failed", reason) for target in targets}


def _belongs_to(account: Account, folder: str) -> bool:
    """Tell whether a folder is an account's own: nobody protects what is another's by claiming to sync it."""
    status = _stat_or_none(folder)
    return status is None or os.name != "posix" or status.st_uid == account.uid


def summary(outcomes: Sequence[Outcome], problems: Sequence[str]) -> Result:
    """Return the result of a wipe: what was removed, what stays and why, as much as an answer holds."""
    said = [_sentence(outcome) for outcome in sorted(outcomes, key=lambda o: (o.is_over, o.folder))]
    said = [f"Not looked into: {problem}" for problem in problems] + said
    if not said:
        return Result("done", "No client on this machine has a library of this server.")
    failed = bool(problems) or not all(outcome.is_over for outcome in outcomes)
    text, room = "", MAX_DETAIL_CHARACTERS - 60
    for number, sentence in enumerate(said):
        if len(text) + len(sentence) > room:
            text = text or sentence[:room]
            text += f" And {len(said) - number} more; the agent's log names them."
            break
        text = f"{text} {sentence}".strip()
    return Result("failed" if failed else "done", text)


def _sentence(outcome: Outcome) -> str:
    name = f"{outcome.folder} (library {outcome.library})"
    if outcome.state == "absent":
        return f"Gone already: {name}."
    if outcome.state == "refused":
        return f"Refused: {name}: {outcome.reason}."
    size = f"{outcome.files} files, {outcome.folders} folders, {outcome.size_bytes} bytes"
    kept = f" Kept inside: {', '.join(outcome.kept[:3])}." if outcome.kept else ""
    if outcome.state == "removed":
        return f"Removed: {name}: {size}.{kept}"
    left = f" ({'; '.join(outcome.left[:3])})" if outcome.left else ""
    return f"Failed: {name}: {outcome.reason}{left}; removed were {size}.{kept}"


# -- the agent -----------------------------------------------------------------------------------------------


class Agent:
    """Reports, fetches orders, carries them out, and sees to it that the server gets every result."""

    def __init__(
        self,
        machine: Machine,
        store: StateFile,
        people: People,
        *,
        connect_to: Callable[[State], Server] = connect,
        clock: Callable[[], float] = time.time,
        waiting: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self._waiting = waiting
        self._machine = machine
        self._store = store
        self._connect = connect_to
        self._clock = clock
        self._orders = Orders(machine, store, people, self.report)

    def round(self, wait_seconds: int = POLL_WAIT_SECONDS) -> float:
        """Do what is due: deliver results, report, fetch orders and carry them out.

        Returns in how many seconds the next round is due. Raises NotEnrolled, TokenRefused, DeviceRemoved,
        Uninstalled, Unreachable.
        """
        began = time.monotonic()
        self.deliver()
        state = self._store.load()
        if not state.removed and not 0 <= self._clock() - state.reported_at < state.report_interval_seconds:
            self.report()
        orders = self._fetch(wait_seconds)
        for order in orders:
            self._take(order)
            self.deliver()
        if orders:
            return min(FIRST_PAUSE_SECONDS, state.poll_interval_seconds)
        return max(1.0, state.poll_interval_seconds - (time.monotonic() - began))

    def report(self) -> str:
        """Tell the server about this machine; return what is wrong with the report, empty if nothing."""
        state = self._store.load()
        if state.removed:
            return "the device was removed"
        now = self._clock()
        told = report_of(self._machine, state, now)
        answer = self._call(state, "PUT", "report/", told)
        with self._store.change() as changed:
            changed.reported_at = now
            if answer.status == 410:
                changed.removed = True
            elif answer.status == 200 and isinstance(answer.body, dict):
                changed.last_answer = answer.body
        if answer.status == 200:
            log.info("reported: %s", standing(answer.body))
            return ""
        log.error("the report was not taken: %s", answer.sentence)
        return answer.sentence

    def deliver(self) -> None:
        """Hand over the results that the server has not taken yet."""
        state = self._store.load()
        for key, result in state.results.items():
            body = {"status": result["status"], "detail": result["detail"]}
            answer = self._call(state, "POST", f"commands/{result['id']}/result/", body)
            if answer.status not in (200, 400, 404, 410):
                raise Unreachable(answer.sentence, answer.retry_seconds)
            if answer.status != 200:
                log.warning("the result of order %s was not taken: %s", key, answer.sentence)
            self._was_delivered(key, result)
            if result["type"] == "uninstall_agent" and result["status"] == "done":
                self._store.remove()
                raise Uninstalled("the agent was removed from this machine, as the server ordered")

    def _was_delivered(self, key: str, result: dict[str, Any]) -> None:
        with self._store.change() as changed:
            changed.results.pop(key, None)
            changed.answered[key] = result
            for old in list(changed.answered)[:-KEPT_ANSWERS]:
                del changed.answered[old]

    def _fetch(self, wait_seconds: int) -> list[Order]:
        state = self._store.load()
        path = f"commands/?wait={wait_seconds}"
        with self._waiting():
            answer = self._call(state, "GET", path, seconds=REQUEST_SECONDS + wait_seconds)
        if answer.status == 410:
            raise DeviceRemoved("the server has removed this device, and has nothing left for it to do")
        if answer.status != 200:
            raise Unreachable(answer.sentence, answer.retry_seconds)
        return parse_orders(answer.body)

    def _take(self, order: Order) -> None:
        """Carry out an order unless that was done before, and keep the result until the server has it."""
        result = self._store.load().answered.get(order.key)
        if result is None:
            log.info("order %d: %s", order.id, clean(order.type, 40))
            status, text = self._orders.carry_out(order)
            log.log(logging.INFO if status == "done" else logging.WARNING, "order %d: %s", order.id, status)
            result = {"id": order.id, "type": order.type, "status": status, "detail": text}
            result["detail"] = clean(text, MAX_DETAIL_CHARACTERS)
        with self._store.change() as changed:
            changed.results[order.key] = result

    def _call(
        self, state: State, method: str, path: str, body: Any = None, *, seconds: float = REQUEST_SECONDS
    ) -> Answer:
        """Call the server as this agent. Raises TokenRefused, Unreachable for what another try may mend."""
        token = f"Device {state.agent_token}"
        answer = self._connect(state).call(method, path, body, authorization=token, seconds=seconds)
        return checked(answer)


def checked(answer: Answer) -> Answer:
    """Return an answer that means something. Raises TokenRefused, and Unreachable for what may pass."""
    if answer.status == 401:
        raise TokenRefused("the server does not know this agent any more; enrol again")
    if 300 <= answer.status < 400:
        raise Unreachable(
            f"the server sends the agent to {clean(answer.location, 200)}; enrol with that address"
        )
    if answer.status in (403, 408, 425, 429) or answer.status >= 500:
        raise Unreachable(answer.sentence, answer.retry_seconds)
    return answer


def standing(answer: Any) -> str:
    """Return in one line what the server thinks of this machine."""
    if not isinstance(answer, dict) or not answer:
        return "nothing was reported yet"
    issues = "; ".join(clean(issue.get("text", ""), 100) for issue in rows_of(answer.get("issues")))
    line = f"{answer.get('status')}, access {answer.get('access')}, posture {answer.get('posture')}"
    return clean(f"{line} ({issues})" if issues else line, 500)


def pause_after(failures: int, chance: float) -> float:
    """Return how long to wait after so many failures in a row: twice as long each time, half by chance."""
    longest: float = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 20))
    return longest * (0.5 + chance / 2)


class Loop:
    """Runs rounds until it is stopped, and waits between them as the server and its own failures say."""

    def __init__(
        self,
        agent: Agent,
        *,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._agent = agent
        self._sleep = sleep
        self._chance = chance
        self._failures = 0

    def run(self) -> None:
        """Run for ever. Raises NotEnrolled, DeviceRemoved, Uninstalled, StateUnusable, Stopped."""
        while True:
            self._sleep(self.step())

    def step(self) -> float:
        """Run a round and return the pause after it, which a little chance keeps from falling together."""
        try:
            pause = self._agent.round()
        except Unreachable as error:
            self._failures += 1
            pause = max(pause_after(self._failures, self._chance()), error.retry_seconds or 0.0)
            log.warning("%s; next try in %d s", error, pause)
            return pause
        except TokenRefused as error:
            # A proxy may say 401 for a while; and whoever enrols again need not restart the service.
            pause = REFUSED_PAUSE_SECONDS * (0.5 + self._chance() / 2)
            log.error("%s; next try in %d s", error, pause)
            return pause
        self._failures = 0
        return pause * (0.9 + self._chance() / 5)


# -- being started by the system -----------------------------------------------------------------------------

_UNIT = f"{PROGRAM}.service"
_LABEL = "org.seafleet.agent"
_TASK = "SeafleetAgent"


def start_command(state_path: str) -> list[str]:
    """Return the command that a service manager runs."""
    return [sys.executable, os.path.abspath(__file__), "--state", state_path, "run"]


def systemd_unit(command: Sequence[str], *, root: bool) -> str:
    """Return a unit for systemd: of the system as root, else of the user."""
    quoted = " ".join(
        '"' + part.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"' for part in command
    )
    hardening = "NoNewPrivileges=yes\nProtectSystem=yes\nProtectKernelTunables=yes\n" if root else ""
    return f"""[Unit]
Description=Seafleet agent
Documentation=man:systemd.service(5)
Wants=network-online.target
After=network-online.target

[Service]
ExecStart={quoted}
Restart=on-failure
RestartSec=30
# {EXIT_NOT_ENROLLED}: not enrolled, {EXIT_REFUSED}: removed by the server. Starting again would not help.
RestartPreventExitStatus={EXIT_NOT_ENROLLED} {EXIT_REFUSED}
UMask=0077
{hardening}
[Install]
WantedBy={"multi-user.target" if root else "default.target"}
"""


def launchd_plist(command: Sequence[str], log_path: str) -> str:
    """Return a job for launchd."""
    job = {
        "Label": _LABEL,
        "ProgramArguments": list(command),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 300,
        "ProcessType": "Background",
        "StandardErrorPath": log_path,
        "Umask": 0o077,
    }
    return plistlib.dumps(job).decode()


def windows_task(command: Sequence[str]) -> str:
    """Return a task for Windows that runs the agent while its user is logged on."""
    program = command[0].replace("python.exe", "pythonw.exe")
    arguments = subprocess.list2cmdline(command[1:])
    return f"""<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.3" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>Seafleet agent</Description></RegistrationInfo>
  <Triggers><LogonTrigger><Enabled>true</Enabled></LogonTrigger></Triggers>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT5M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions>
    <Exec><Command>{escape(program)}</Command><Arguments>{escape(arguments)}</Arguments></Exec>
  </Actions>
</Task>
"""


class Service(NamedTuple):
    """How the system is told to start the agent: a file, what it holds, and the commands around it."""

    path: str
    text: str
    after_writing: tuple[tuple[str, ...], ...]
    before_removing: tuple[tuple[str, ...], ...]
    after_removing: tuple[tuple[str, ...], ...] = ()


def service_for(machine: Machine, state_path: str) -> Service:
    """Return the service of this system and account."""
    command, home = start_command(state_path), os.path.expanduser("~")
    if machine.system == "windows":
        path = os.path.join(os.path.dirname(state_path), f"{_TASK}.xml")
        create = (
            ("schtasks", "/Create", "/F", "/TN", _TASK, "/XML", path),
            ("schtasks", "/Run", "/TN", _TASK),
        )
        return Service(path, windows_task(command), create, (("schtasks", "/Delete", "/F", "/TN", _TASK),))
    if machine.system == "mac":
        base, domain = (
            ("/Library/LaunchDaemons", "system")
            if machine.is_root
            else (f"{home}/Library/LaunchAgents", f"gui/{own_account().uid}")
        )
        path, log_path = f"{base}/{_LABEL}.plist", os.path.join(os.path.dirname(state_path), "agent.log")
        # No command before removing: it would end this very process before its result is delivered.
        return Service(
            path, launchd_plist(command, log_path), (("launchctl", "bootstrap", domain, path),), ()
        )
    base = "/etc/systemd/system" if machine.is_root else f"{home}/.config/systemd/user"
    control = ("systemctl",) if machine.is_root else ("systemctl", "--user")
    return Service(
        f"{base}/{_UNIT}",
        systemd_unit(command, root=machine.is_root),
        ((*control, "daemon-reload"), (*control, "enable", "--now", _UNIT)),
        ((*control, "disable", _UNIT),),
        ((*control, "daemon-reload"),),
    )


def install_service(machine: Machine, state_path: str) -> str:
    """Have the system start the agent from now on; return what was written. Raises AgentError."""
    service = service_for(machine, state_path)
    try:
        os.makedirs(os.path.dirname(service.path), exist_ok=True)
        with open(service.path, "w", encoding="utf-16" if machine.system == "windows" else "utf-8") as file:
            file.write(service.text)
    except OSError as error:
        raise AgentError(f"{service.path} cannot be written: {error}") from None
    for command in service.after_writing:
        out = machine.run(*command, seconds=60)
        if out is None or out.code != 0:
            said = "it is not there" if out is None else first_line(out.errors or out.text)
            raise AgentError(f"{service.path} was written, but {' '.join(command)} failed: {said}")
    return service.path


def remove_service(machine: Machine, state_path: str) -> str:
    """Have the system no longer start the agent; return what was removed, empty if there was nothing.

    A running agent is not ended: it may be the one that does this. Raises OSError.
    """
    service = service_for(machine, state_path)
    if not os.path.exists(service.path):
        return ""
    for command in service.before_removing:
        machine.run(*command, seconds=60)
    os.unlink(service.path)
    for command in service.after_removing:
        machine.run(*command, seconds=60)
    return f"removed {service.path}"


# -- command line --------------------------------------------------------------------------------------------

DESCRIPTION = f"""\
Tells a Seafleet server which machine this is and how it is secured, and does what the server orders:
renew the DHCP lease, ask the user who he is, show a message, report, remove this server's synced
libraries, remove itself. It never removes anything else, opens no port, and needs no rights beyond
those of the account it runs under; as root it looks after the Seafile clients of all accounts.

To begin:
  {PROGRAM} enrol https://files.example.org     with the code that your administrator gave you
  {PROGRAM} report --print                      what would be told, without telling it
  {PROGRAM} install                             have the system start it, now and at every start
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the command line."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=DESCRIPTION, epilog=EXIT_CODES, formatter_class=plain
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {VERSION}")
    parser.add_argument("--verbose", "-v", action="store_true", help="tell more; never tokens or codes")
    parser.add_argument(
        "--state",
        metavar="FILE",
        default=os.environ.get("SEAFLEET_AGENT_STATE", ""),
        help="where the agent keeps its token (default: a folder of the system as root, else of the account)",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_enrol(
        commands.add_parser("enrol", help="make this machine known to a server", formatter_class=plain)
    )
    run = commands.add_parser("run", help="report and carry out orders until stopped")
    run.add_argument("--once", action="store_true", help="do what is due now, and end")
    status = commands.add_parser("status", help="show what this machine is for the server")
    status.add_argument("--json", action="store_true", help="print JSON, for scripts")
    status.add_argument("--offline", action="store_true", help="do not ask the server")
    report = commands.add_parser("report", help="report once")
    report.add_argument(
        "--print", dest="dry", action="store_true", help="print the report instead of sending it"
    )
    retire = commands.add_parser(
        "retire", help="take the agent off the server; the device itself stays there"
    )
    retire.add_argument(
        "--force", action="store_true", help="forget the enrolment even if the server is away"
    )
    install = commands.add_parser("install", help="have the system start the agent")
    install.add_argument(
        "--print", dest="dry", action="store_true", help="print the definition, change nothing"
    )
    commands.add_parser("uninstall", help="have the system no longer start the agent")
    return parser


def _add_enrol(parser: argparse.ArgumentParser) -> None:
    parser.description = """\
The code comes from --code, --code-file, the variable SEAFLEET_ENROL_CODE, or is asked for. With --token-file
or SEAFLEET_TOKEN the API token of a user takes its place, and the device becomes that user's."""
    parser.add_argument("server", help="address, such as https://files.example.org")
    parser.add_argument("--code", help="the code; others on this machine may see it in the list of processes")
    parser.add_argument("--code-file", metavar="FILE", help="file that holds the code; - is standard input")
    parser.add_argument("--token-file", metavar="FILE", help="file that holds a user's API token")
    parser.add_argument(
        "--ca-file", metavar="FILE", default="", help="authorities to believe, for a private one"
    )
    parser.add_argument("--allow-plain-http", action="store_true", help="send the token without TLS")
    parser.add_argument("--hwid", help="hardware id to use instead of the computed one")
    parser.add_argument("--type", choices=("persistent", "dissolvable"), default="persistent")
    parser.add_argument(
        "--server-name",
        action="append",
        default=[],
        metavar="URL",
        help="another address under which clients on this machine know the same server; may be repeated",
    )
    parser.add_argument(
        "--seafile-config",
        action="append",
        default=[],
        metavar="FOLDER",
        help="look only at the Seafile client with this configuration (seaf-cli -c); may be repeated",
    )
    parser.add_argument("--force", action="store_true", help="enrol again although this machine is enrolled")


def enrol(arguments: argparse.Namespace, machine: Machine, store: StateFile) -> None:
    """Enrol this machine and keep what the server gives it. Raises AgentError."""
    old = _known_state(store, force=arguments.force)
    server = Server(arguments.server, ca_file=arguments.ca_file, allow_plain_http=arguments.allow_plain_http)
    authorization = credential(arguments)
    probe = windows_probe(machine)
    hwid, hwid_from = (arguments.hwid, "option") if arguments.hwid else hardware_id(machine, probe)
    if old is not None and hwid_from == old.hwid_from == "random":
        hwid = old.hwid
    if not re.fullmatch(r"[A-Za-z0-9._:-]{8,128}", hwid):
        raise AgentError("--hwid takes 8 to 128 of A-Z a-z 0-9 . _ : -")
    configurations = [os.path.abspath(path) for path in arguments.seafile_config]
    found = find_clients(machine, configurations)
    told = {**identity_facts(machine, probe, found), "hwid": hwid, "agent_type": arguments.type}
    if old is not None and place(old.server) == place(arguments.server):
        told["agent_token"] = old.agent_token
    answer = server.call("POST", "enroll/", told, authorization=authorization)
    given = _accepted(answer)
    state = State(
        server=server.url,
        agent_token=given["agent_token"],
        hwid=hwid,
        hwid_from=hwid_from,
        device_id=given["id"],
        uid=str(given.get("uid", "")),
        identifier=str(given.get("identifier", "")),
        organization_id=given.get("organization_id") or 0,
        agent_type=arguments.type,
        ca_file=os.path.abspath(arguments.ca_file) if arguments.ca_file else "",
        allow_plain_http=arguments.allow_plain_http,
        server_names=arguments.server_name,
        seafile_configurations=configurations,
        report_interval_seconds=_interval(given.get("report_interval"), 3600),
        poll_interval_seconds=_interval(given.get("poll_interval"), 60),
        unfinished=[] if old is None else old.unfinished,
    )
    with store.locked("lock"):
        store.save(state)
    waits = "; an administrator has to approve it" if given.get("approval") == "pending" else ""
    print(f"enrolled as device {state.device_id} ({state.identifier}){waits}")


def _known_state(store: StateFile, *, force: bool) -> State | None:
    try:
        old = store.load()
    except NotEnrolled:
        return None
    except StateUnusable:
        if force:
            return None
        raise
    if not force:
        raise AgentError(f"this machine is enrolled with {old.server}; --force enrols it again")
    return old


def credential(arguments: argparse.Namespace) -> str:
    """Return the Authorization of an enrolment: a code, or a user's token. Raises AgentError without one."""
    token = os.environ.get("SEAFLEET_TOKEN", "")
    if arguments.token_file:
        token = _secret_in(arguments.token_file)
    code = arguments.code or ""
    if arguments.code_file:
        code = _secret_in(arguments.code_file)
    if not (code or arguments.token_file):
        code = os.environ.get("SEAFLEET_ENROL_CODE", "")
    if not code and not token and has_terminal():
        code = getpass.getpass("Enrolment code: ").strip()
    secret = code or token
    if not secret or not re.fullmatch(r"[\x21-\x7e]{1,500}", secret):
        raise AgentError("an enrolment code is needed: --code-file FILE, or SEAFLEET_ENROL_CODE")
    return f"Enrol {secret}" if code else f"Token {secret}"


def _secret_in(path: str) -> str:
    try:
        if path == "-":
            return sys.stdin.readline().strip()
        with open(path, encoding="utf-8") as file:
            return file.read(1000).strip()
    except (OSError, ValueError) as error:
        raise AgentError(f"{path} cannot be read: {error}") from None


def _accepted(answer: Answer) -> dict[str, Any]:
    """Return what a server gives to a machine that it lets in. Raises EnrolmentRefused, Unreachable."""
    reasons = {
        400: "the server does not take what this machine says of itself",
        401: "the code or token is not good: unknown, over, or used up",
        404: "there is no Seafleet at this address",
        409: "another machine reports under this hardware id; a cloned disk needs an id of its own "
        "(on Linux: remove /etc/machine-id and run systemd-machine-id-setup)",
    }
    body = answer.body
    if answer.status in (200, 201) and isinstance(body, dict):
        if isinstance(body.get("agent_token"), str) and type(body.get("id")) is int:
            return body
        raise EnrolmentRefused("the server's answer cannot be understood")
    if answer.status in (400, 401, 403, 404, 409, 415):
        reason = reasons.get(answer.status, answer.sentence)
        raise EnrolmentRefused(reason if reason == answer.sentence else f"{reason} ({answer.sentence})")
    checked(answer)
    raise Unreachable(answer.sentence)


def _interval(value: Any, usual: int) -> int:
    return min(max(value, 5), 86_400) if type(value) is int else usual


def check_machine(machine: Machine, state: State) -> None:
    """Raise StateUnusable when the state was made on another machine: a cloned or restored disk."""
    if state.hwid_from != "machine":
        return
    current, made_from = hardware_id(machine, windows_probe(machine))
    if made_from == "machine" and current != state.hwid:
        raise StateUnusable("the state file was made on another machine; enrol this one with --force")


def run(arguments: argparse.Namespace, machine: Machine, store: StateFile) -> None:
    """Report and carry out orders, once or for ever. Raises AgentError, Stopped."""
    check_machine(machine, store.load())
    with store.locked("running", wait=False):
        stopper = Stopper()
        stopper.listen()
        agent = Agent(machine, store, People(machine), waiting=stopper.waiting)
        if arguments.once:
            agent.round(wait_seconds=0)
            return
        log.info("agent %s runs for %s", VERSION, store.load().server)
        Loop(agent, sleep=stopper.sleep).run()


def show_status(arguments: argparse.Namespace, _machine: Machine, store: StateFile) -> None:
    """Print what this machine is for the server. Raises AgentError when the server does not know it."""
    state = store.load()
    problem: AgentError | None = None
    waiting: Any = None
    if not arguments.offline:
        try:
            token = f"Device {state.agent_token}"
            answer = checked(connect(state).call("POST", "ping/", authorization=token))
            if answer.status == 410:
                raise DeviceRemoved("the server has removed this device")
            waiting = answer.body.get("commands") if isinstance(answer.body, dict) else None
        except AgentError as error:
            problem = error
    reported = (
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(state.reported_at)) if state.reported_at else "never"
    )
    shown = {
        "server": state.server,
        "device": state.device_id,
        "identifier": state.identifier,
        "hardware id": state.hwid,
        "agent": f"{VERSION} ({state.agent_type})",
        "last report": reported,
        "standing": standing(state.last_answer),
        "orders waiting": waiting,
        "results to deliver": len(state.results),
        "folders still to wipe": len(state.unfinished),
        "server says": str(problem) if problem else "not asked" if arguments.offline else "fine",
    }
    if arguments.json:
        print(json.dumps({name.replace(" ", "_"): value for name, value in shown.items()}, indent=2))
    else:
        for name, value in shown.items():
            print(f"{name + ':':23}{'unknown' if value is None else value}")
    if problem:
        raise problem


def report_once(arguments: argparse.Namespace, machine: Machine, store: StateFile) -> None:
    """Report, or print what a report would tell. Raises AgentError."""
    if arguments.dry:
        try:
            state = store.load()
        except NotEnrolled:
            hwid, made_from = hardware_id(machine, windows_probe(machine))
            state = State("", "", hwid, made_from, 0)
        print(json.dumps(report_of(machine, state, time.time()), indent=2, sort_keys=True))
        return
    check_machine(machine, store.load())
    problem = Agent(machine, store, People(machine)).report()
    if problem:
        raise AgentError(f"the report was not taken: {problem}")
    print(standing(store.load().last_answer))


def retire(arguments: argparse.Namespace, _machine: Machine, store: StateFile) -> None:
    """Take the agent off the server and forget the enrolment. Raises AgentError."""
    state = store.load()
    try:
        token = f"Device {state.agent_token}"
        answer = checked(connect(state).call("DELETE", "self/", authorization=token))
        if answer.status not in (204, 410):
            raise AgentError(answer.sentence)
    except TokenRefused:
        log.info("the server knew the agent no longer")
    except Unreachable as error:
        if not arguments.force:
            raise
        log.warning("%s; the server still lists this agent", error)
    store.remove()
    print("retired: this machine is not enrolled any more")


def install(arguments: argparse.Namespace, machine: Machine, store: StateFile) -> None:
    """Have the system start the agent, or print how. Raises AgentError."""
    if arguments.dry:
        service = service_for(machine, store.path)
        print(service.text, end="")
        sys.stderr.write(f"# goes to {service.path}, then:\n")
        for command in service.after_writing:
            sys.stderr.write(f"#   {subprocess.list2cmdline(command)}\n")
        return
    store.load()
    print(f"installed {install_service(machine, store.path)}")


def uninstall(_arguments: argparse.Namespace, machine: Machine, store: StateFile) -> None:
    """Have the system no longer start the agent. Raises AgentError."""
    try:
        print(remove_service(machine, store.path) or "no service was set up")
    except OSError as error:
        raise AgentError(str(error)) from None


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = build_parser().parse_args(words)
    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.INFO,
        format=f"{PROGRAM}: %(levelname)s: %(message)s",
        stream=sys.stderr,
    )
    machine = Machine()
    store = StateFile(arguments.state or default_state_path(machine))
    commands: dict[str, Callable[[argparse.Namespace, Machine, StateFile], None]] = {
        "enrol": enrol,
        "run": run,
        "status": show_status,
        "report": report_once,
        "retire": retire,
        "install": install,
        "uninstall": uninstall,
    }
    try:
        commands[arguments.command](arguments, machine, store)
    except Stopped:
        log.info("stopped")
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except AgentError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return error.code
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
