"""The fixture of the conformance cases: people, organizations and devices, and how to speak to each dialect.

The fixture is made once, through the server's own calls, and its data folder copied for every test; so a test
begins in a fresh world and starts a server of its own within a fraction of a second.

Source: conformance cases, "Fixture".
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support.inprocess import InProcessServer

PASSWORDS: Final = {name: f"pw-{name}" for name in ("mara", "ines", "ops", "watch", "none")}
REGISTRY: Final = "/api/v2.1/admin/device-registry"
AGENT: Final = "/api/v2.1/device-agent"
MFP: Final = "/mfpadmin/management-apis/2.0"
LAPTOP: Final = {
    "platform": "linux",
    "device_id": "a" * 40,
    "device_name": "mara-x13",
    "client_version": "9.0.5",
}
PHONE: Final = {
    "platform": "android",
    "device_id": "3e91b07c55d2aa18",
    "device_name": "Pixel",
    "client_version": "3.0.2",
    "platform_version": "14",
}
WORKSTATION: Final = {
    "platform": "linux",
    "device_id": "b" * 40,
    "device_name": "ines-p1",
    "client_version": "9.0.5",
}
HWID: Final = "K7Q2M4ZT9W1XB5RD"
MACS: Final = ["00:16:3e:aa:01:7f", "00:16:3e:aa:01:80"]
SIGHTED_MAC: Final = "00:16:3e:bb:00:02"
DAY: Final = 86_400


def email(name: str) -> str:
    """Return the address of one of the people."""
    return f"{name}@example.org"


@dataclass
class Facts:
    """What the fixture's making left: tokens and names, as the cases call them."""

    adm: str = ""
    tl: str = ""
    tp: str = ""
    tg: str = ""
    ag: str = ""
    rl: str = ""
    t1: str = ""
    t2: str = ""
    library: str = ""
    client_id: str = ""
    client_secret: str = ""


class Site:
    """A running server with the fixture in it."""

    def __init__(self, server: InProcessServer, facts: Facts) -> None:
        self.server = server
        self.facts = facts

    # -- requests ----------------------------------------------------------------------------------------

    def request(self, method: str, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        """Send a request, with a Seafile token if one is given."""
        headers = {} if token is None else {"Authorization": f"Token {token}"}
        headers |= options.pop("headers", {})
        return self.server.request(method, path, headers=headers, **options)

    def admin(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request to the registry's own API as administrator."""
        return self.request(method, REGISTRY + path, self.facts.adm, **options)

    def settings(self, **values: Any) -> None:
        """Change settings of the registry."""
        answer = self.admin("PUT", "/settings/", json=values)
        assert answer.status_code == 200, answer.text

    def move_clock(self, seconds: int) -> None:
        """Set how far the registry's clock is ahead, which runs the daily task."""
        self.settings(clock_offset_seconds=seconds)

    def agent(self, method: str, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        """Send a request as an agent: G's, if no token is given."""
        token = self.facts.ag if token is None else token
        headers = {"Authorization": f"Device {token}"} | options.pop("headers", {})
        return self.server.request(method, AGENT + path, headers=headers, **options)

    # -- devices -----------------------------------------------------------------------------------------

    def device(self, query: str) -> dict[str, Any]:
        """Return the one device that a search finds."""
        found: list[dict[str, Any]] = self.devices(q=query)
        assert len(found) == 1, [each["display_name"] for each in found]
        return found[0]

    def devices(self, **parameters: Any) -> list[dict[str, Any]]:
        """Return devices as the registry's own API lists them."""
        found: list[dict[str, Any]] = self.admin("GET", "/devices/", params=parameters).json()["devices"]
        return found

    @property
    def laptop(self) -> dict[str, Any]:
        """L as it is now."""
        return self.device("mara-x13")

    @property
    def phone(self) -> dict[str, Any]:
        """P as it is now."""
        return self.device("Pixel")

    @property
    def workstation(self) -> dict[str, Any]:
        """G as it is now."""
        return self.device(HWID)

    @property
    def sighting(self) -> dict[str, Any]:
        """N as it is now."""
        return self.device(SIGHTED_MAC)

    def events(self, **parameters: Any) -> list[dict[str, Any]]:
        """Return entries of the log, newest first."""
        found: list[dict[str, Any]] = self.admin("GET", "/events/", params=parameters).json()["events"]
        return found

    # -- what clients do ---------------------------------------------------------------------------------

    def login(self, name: str, device: dict[str, str] | None = None, password: str = "") -> httpx.Response:
        """Log somebody in, from a device or from none."""
        form = {"username": email(name), "password": password or PASSWORDS[name], **(device or {})}
        return self.request("POST", "/api2/auth-token/", data=form)

    def use(self, token: str) -> httpx.Response:
        """Make a small call with an API token."""
        return self.request("GET", "/api2/auth/ping/", token)

    def sync(self, token: str | None = None, op: str = "download", client: str = "a" * 40) -> httpx.Response:
        """Ask, as a sync client does, whether it may go on: L's on its library, if no token is given."""
        parameters = {"op": op, "client_id": client, "client_name": "mara-x13", "client_ver": "9.0.5"}
        return self.server.request(
            "GET",
            f"/seafhttp/repo/{self.facts.library}/permission-check/",
            headers={"Seafile-Repo-Token": self.facts.rl if token is None else token},
            params=parameters,
        )

    def sync_token(self, token: str) -> str:
        """Obtain a sync token for the library of the fixture."""
        path = f"/api2/repos/{self.facts.library}/download-info/"
        return str(self.request("GET", path, token).json()["token"])

    def enrolment_code(self, **values: Any) -> str:
        """Make a code that lets agents in."""
        answer = self.admin("POST", "/enrolment-codes/", json={"max_uses": 1, **values})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["code"])

    def enrol(self, code: str | None = None, **values: Any) -> httpx.Response:
        """Enrol an agent with a code, a fresh one if none is given."""
        code = self.enrolment_code() if code is None else code
        body = {"hwid": "0123456789ABCDEF", "platform": "linux", "hostname": "newcomer", **values}
        headers = {"Authorization": f"Enrol {code}"}
        return self.server.request("POST", AGENT + "/enroll/", headers=headers, json=body)

    # -- dialects ----------------------------------------------------------------------------------------

    def basic(self, method: str, path: str, user: str, password: str = "x", **options: Any) -> httpx.Response:
        """Send a request with a name and a password."""
        return self.server.request(method, path, auth=(user, password), **options)

    def mfp(self, method: str, path: str, user: str = "ops", **options: Any) -> httpx.Response:
        """Send a request in MobileFirst's dialect."""
        return self.basic(method, MFP + path, email(user), PASSWORDS[user], **options)

    def set_status(self, device: dict[str, Any], status: str) -> None:
        """Set a status as MobileFirst's operator does."""
        answer = self.mfp("PUT", f"/runtimes/mfp/devices/{device['uid']}", json={"status": status})
        assert answer.status_code == 200, answer.text

    def mfp_status(self, device: dict[str, Any]) -> str | None:
        """Return what MobileFirst calls a device; None if it does not list it."""
        items = self.mfp("GET", "/runtimes/mfp/devices").json()["items"]
        return next((item["status"] for item in items if item["id"] == device["uid"]), None)

    def magic(self, method: str, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        """Send a request in Device Magic's dialect, organization 1."""
        user = self.facts.t1 if token is None else token
        return self.basic(method, f"/api/v2/organizations/1{path}", user, **options)

    def oauth_token(self) -> str:
        """Obtain a token of the MetaAccess dialect."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.facts.client_id,
            "client_secret": self.facts.client_secret,
        }
        answer = self.server.request("POST", "/o/oauth/token", data=form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def act(self, types: str, *, token: str | None = None, **body: Any) -> httpx.Response:
        """Send an action in the MetaAccess dialect."""
        parameters = {"access_token": self.oauth_token() if token is None else token}
        return self.server.request(
            "POST", "/o/api/v3/devices/action", params=parameters, json={"types": types, **body}
        )

    def metaaccess_status(self, hwid: str) -> str:
        """Return MetaAccess' word for a device."""
        answer = self.server.request(
            "POST",
            "/o/api/v3/devices/detail",
            params={"access_token": self.oauth_token()},
            json={"ids": [hwid]},
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()[0]["status"])


# -- making it -----------------------------------------------------------------------------------------------


@contextmanager
def running(data: Path, facts: Facts) -> Iterator[Site]:
    """Serve a data folder while the `with` block lasts."""
    with InProcessServer(data, device_registry_test_clock=True, throttle_exempt=("127.0.0.0/8",)) as server:
        yield Site(server, facts)


def make_template(folder: Path) -> Path:
    """Make the fixture in a folder; return the folder to be copied."""
    with running(folder / "data", Facts()) as site:
        _make_people(site)
        _make_organizations(site)
        _make_devices(site)
        (folder / "facts.json").write_text(json.dumps(asdict(site.facts)))
    return folder


@contextmanager
def copied(template: Path, folder: Path) -> Iterator[Site]:
    """Serve a copy of the fixture."""
    shutil.copytree(template / "data", folder / "data")
    facts = Facts(**json.loads((template / "facts.json").read_text()))
    with running(folder / "data", facts) as site:
        yield site


def _make_people(site: Site) -> None:
    accounts = site.server.services.accounts
    admin = accounts.create("root@example.org", None, is_staff=True)
    site.facts.adm = site.server.api_token(admin)
    for name, password in PASSWORDS.items():
        accounts.create(email(name), password)


def _make_organizations(site: Site) -> None:
    facts = site.facts
    second = _made(site.admin("POST", "/organizations/", json={"name": "Lab", "runtime": "lab"}))
    facts.t1 = _made(site.admin("POST", "/organizations/1/api-token/"))["token"]
    facts.t2 = _made(site.admin("POST", f"/organizations/{second['id']}/api-token/"))["token"]
    for user, role in (("ops", "mfpoperator"), ("watch", "mfpmonitor")):
        grant = {"user": email(user), "role": role, "runtime": "mfp"}
        _made(site.admin("POST", "/role-grants/", json=grant))
    client = _made(
        site.admin(
            "POST",
            "/oauth-clients/",
            json={"name": "NAC", "organization_id": 1, "redirect_uris": ["https://nac.example.org/back"]},
        )
    )
    facts.client_id, facts.client_secret = client["client_id"], client["client_secret"]
    origin = _origin()
    site.server.services.registry.groups.create(1, ["Default", "Sales", "Field"], origin)
    code = site.enrolment_code(organization_id=second["id"])
    _made(site.enrol(code, hwid="LAB0000000000001", hostname="lab-1"))


def _origin() -> Any:
    from seafleet.devices.origin import Origin

    return Origin("task", "fixture", "system")


def _make_devices(site: Site) -> None:
    facts = site.facts
    facts.tl = str(site.login("mara", LAPTOP).json()["token"])
    made = site.request("POST", "/api2/repos/", facts.tl, data={"name": "notes"})
    facts.library = str(made.json()["repo_id"])
    facts.rl = site.sync_token(facts.tl)
    assert site.sync().status_code == 200
    facts.tp = str(site.login("mara", PHONE).json()["token"])
    enrolled = _made(
        site.enrol(hwid=HWID, macs=MACS, hostname="ines-p1", client_ids=["b" * 40], machine_type="laptop")
    )
    facts.ag = enrolled["agent_token"]
    facts.tg = str(site.login("ines", WORKSTATION).json()["token"])
    seen = {"organization_id": 1, "mac": SIGHTED_MAC, "ip": "192.0.2.77", "hostname": "printer"}
    _made(site.admin("POST", "/observations/", json=seen))


def _made(answer: httpx.Response) -> Any:
    assert answer.status_code == 201, answer.text
    return answer.json()
