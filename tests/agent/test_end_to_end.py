"""The agent and a real server: what an administrator orders happens on the machine, and he hears of it.

Source: device registry §5, §7, §8.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import seafleet_agent as agent
from seafleet_agent import DeviceRemoved, EnrolmentRefused, TokenRefused, Uninstalled
from tests.agent.desk import Desk
from tests.agent.installation import Installation, tree
from tests.agent.test_linux import laptop
from tests.agent.test_program import PROGRAM
from tests.support.server import ADMIN_EMAIL, ADMIN_PASSWORD, ApiClient, RunningServer, until

NATIVE: Final = "/api/v2.1/admin/device-registry"
MOBILEFIRST: Final = "/mfpadmin/management-apis/2.0/runtimes/mfp/devices"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose registry belongs to these tests alone."""
    running = RunningServer(tmp_path_factory.mktemp("fleet") / "data").start()
    grant = {"user": ADMIN_EMAIL, "role": "mfpoperator", "runtime": "mfp"}
    running.admin.json("POST", f"{NATIVE}/role-grants/", json=grant)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def mara(server: RunningServer) -> ApiClient:
    """A user whose machines these are."""
    return server.user("mara")


class Fleet:
    """What an administrator does with one machine."""

    def __init__(self, server: RunningServer, path: Path) -> None:
        self.admin = server.admin
        self.number = next(_numbers)
        self.client = Installation(path.resolve() / "home").set_up()
        machine = laptop(outputs={})
        for last, name in enumerate(("wlp2s0", "enp1s0")):
            machine.files[f"/sys/class/net/{name}/address"] = f"00:16:3e:00:{self.number:02x}:{last:02x}"
        machine.files["/sys/class/net/wlp2s0/phy80211/macaddress"] = f"00:16:3e:00:{self.number:02x}:99"
        self.client.execute("config.db", "UPDATE Config SET value = ?", f"{self.number:040d}")
        (self.client.data / "id").write_text(f"{self.number + 1000:040d}")
        configuration = str(self.client.configuration)
        hwid = f"TEST-{self.number:06d}"
        self.desk = Desk(server.url, path, hwid=hwid, machine=machine, configuration=configuration)

    def code(self, **options: Any) -> str:
        """Make an enrolment code."""
        return str(self.admin.json("POST", f"{NATIVE}/enrolment-codes/", json=options)["code"])

    def enrol(self) -> Fleet:
        """Enrol the machine and report once."""
        self.desk.enrol(secret=self.code())
        self.desk.round()
        return self

    @property
    def id(self) -> int:
        return self.desk.store.load().device_id

    def device(self, *, removed: bool = False) -> dict[str, Any]:
        """Return what the registry knows."""
        params = {"removed": "true"} if removed else {}
        found: dict[str, Any] = self.admin.json("GET", f"{NATIVE}/devices/{self.id}/", params=params)
        return found

    def order(self, kind: str, **params: str) -> int:
        """Order something of the agent."""
        made = self.admin.json("POST", f"{NATIVE}/devices/{self.id}/commands/", json={"type": kind, **params})
        return int(made["id"])

    def commands(self) -> dict[str, tuple[str, str]]:
        """Return state and detail of the commands by their type."""
        found = self.admin.json("GET", f"{NATIVE}/devices/{self.id}/commands/")["commands"]
        return {command["type"]: (command["state"], command["detail"]) for command in reversed(found)}

    def set_status(self, status: str) -> None:
        """Set the status as MobileFirst's console does."""
        self._mobilefirst("PUT", json={"status": status})

    def remove(self) -> None:
        """Remove the device as MobileFirst's console does."""
        self._mobilefirst("DELETE")

    def _mobilefirst(self, method: str, **options: Any) -> None:
        uid = self.desk.store.load().uid
        path = f"{MOBILEFIRST}/{uid}"
        answer = self.admin.http.request(method, path, auth=(ADMIN_EMAIL, ADMIN_PASSWORD), **options)
        assert answer.status_code == 200, answer.text


@pytest.fixture
def fleet(server: RunningServer, tmp_path: Path) -> Fleet:
    return Fleet(server, tmp_path)


@pytest.fixture
def enrolled(fleet: Fleet) -> Fleet:
    return fleet.enrol()


# -- enrolling and reporting ---------------------------------------------------------------------------------


def test_an_enrolled_machine_is_in_the_registry_with_all_that_it_told(enrolled: Fleet) -> None:
    device = enrolled.device()
    assert device["hwid"] == enrolled.desk.hwid
    assert device["hwid_source"] == "agent"
    assert (device["platform"], device["os_name"], device["machine_type"]) == ("linux", "Fedora 41", "laptop")
    assert device["model"] == "ThinkPad X13 Gen 3"
    assert len(device["macs"]) == 3
    assert device["agent"]["type"] == "persistent"
    assert device["agent"]["version"] == agent.VERSION
    assert device["agent"]["last_report"] is not None
    assert {app["name"]: app["version"] for app in device["apps"]} == {
        "device-agent": agent.VERSION,
        "seafile-desktop": "8.0.10",
    }


def test_a_code_that_is_used_up_lets_nobody_in(fleet: Fleet, server: RunningServer, tmp_path: Path) -> None:
    code = fleet.code()
    fleet.desk.enrol(secret=code)
    other = Fleet(server, tmp_path / "other")
    with pytest.raises(EnrolmentRefused, match="not good"):
        other.desk.enrol(secret=code)


def test_enrolling_again_keeps_the_record_and_ends_the_old_token(enrolled: Fleet) -> None:
    before = enrolled.desk.store.load()
    enrolled.desk.enrol("--force", secret=enrolled.code())
    after = enrolled.desk.store.load()
    assert (after.uid, after.device_id) == (before.uid, before.device_id)
    assert after.agent_token != before.agent_token
    assert (
        agent.connect(before).call("POST", "ping/", authorization=f"Device {before.agent_token}").status
        == 401
    )


def test_a_cloned_disk_is_not_let_in(enrolled: Fleet, server: RunningServer, tmp_path: Path) -> None:
    clone = Fleet(server, tmp_path / "clone")
    clone.desk.hwid = enrolled.desk.hwid
    with pytest.raises(EnrolmentRefused, match="Another machine"):
        clone.desk.enrol(secret=clone.code())


def test_the_agent_finds_the_device_that_a_client_of_this_machine_logged_in_with(
    fleet: Fleet, mara: ApiClient
) -> None:
    login = {
        "username": mara.email,
        "password": mara.password,
        "platform": "linux",
        "device_id": f"{fleet.number:040d}",
        "device_name": "mara-x13",
    }
    assert mara.http.post("/api2/auth-token/", data=login).status_code == 200
    found = fleet.admin.json("GET", f"{NATIVE}/devices/", params={"q": "mara-x13"})["devices"]
    fleet.enrol()
    assert fleet.id in [device["id"] for device in found]
    assert [link["user"] for link in fleet.device()["links"]] == [mara.email]


def test_a_user_enrols_his_own_machine_with_his_token(fleet: Fleet, mara: ApiClient, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(mara.token)
    line = ["enrol", fleet.desk.url, "--hwid", fleet.desk.hwid, "--token-file", str(tmp_path / "token")]
    arguments = agent.build_parser().parse_args([*line, "--seafile-config", fleet.desk.configuration])
    agent.enrol(arguments, fleet.desk.machine, fleet.desk.store)
    assert [link["user"] for link in fleet.device()["links"]] == [mara.email]


def test_a_posture_that_breaks_the_policy_is_judged_at_once(enrolled: Fleet) -> None:
    policy = [{"code": "firewall", "severity": "critical", "platforms": ["linux"]}]
    enrolled.admin.json(
        "PUT", f"{NATIVE}/settings/", json={"posture_policy": policy, "posture_mode": "enforce"}
    )
    try:
        enrolled.desk.machine.is_root = True
        enrolled.desk.machine.outputs["nft list ruleset"] = ""
        enrolled.desk.now += 3600
        enrolled.desk.round()
        said = agent.standing(enrolled.desk.store.load().last_answer)
        assert said == "ACTIVE, access refused, posture non_compliant (The firewall is off)"
        enrolled.desk.machine.files["/etc/ufw/ufw.conf"] = "ENABLED=yes\n"
        enrolled.desk.now += 3600
        enrolled.desk.round()
        assert enrolled.device()["posture"]["state"] == "compliant"
    finally:
        enrolled.admin.json("PUT", f"{NATIVE}/settings/", json={"posture_policy": [], "posture_mode": "off"})


# -- orders --------------------------------------------------------------------------------------------------


def test_every_order_comes_back_with_its_result(enrolled: Fleet) -> None:
    enrolled.desk.answer = "Mara Lind <mara@example.org>"
    enrolled.order("message", text="Please call 4711.")
    enrolled.order("re_identify")
    enrolled.order("dhcp_renew")
    enrolled.order("report_now")
    enrolled.desk.round()
    found = enrolled.commands()
    assert enrolled.desk.shown == ["Please call 4711."]
    assert found["message"] == ("done", "the message was shown")
    assert found["re_identify"][0] == "done"
    assert found["dhcp_renew"][0] == "unsupported"
    assert found["report_now"] == ("done", "reported")
    device = enrolled.device()
    assert device["owner"] == "Mara Lind"
    assert device["custom_attributes"]["identity.email"] == "mara@example.org"


def synced(fleet: Fleet, user: ApiClient, name: str) -> tuple[str, Path]:
    """Have the machine's client keep a new library of a user in step; return its id and folder."""
    library_id = user.create_library(name)
    folder = fleet.client.home / name
    fleet.client.add(fleet.number, folder, server=fleet.desk.url, email=user.email)
    for database, table in (("repo.db", "Repo"), ("repo.db", "RepoProperty"), ("branch.db", "Branch")):
        statement = f"UPDATE {table} SET repo_id = ?"
        fleet.client.execute(database, statement, library_id)
    return library_id, folder


def test_a_stolen_machine_loses_this_servers_libraries_at_its_next_contact(
    enrolled: Fleet, mara: ApiClient
) -> None:
    _, folder = synced(enrolled, mara, "secret plans")
    private = enrolled.client.home / "private"
    private.mkdir()
    (private / "diary.txt").write_text("mine")
    enrolled.order("message", text="held back")
    enrolled.set_status("STOLEN")
    assert enrolled.device()["wipe"]["state"] == "requested"
    enrolled.desk.round()
    state, detail = enrolled.commands()["wipe"]
    assert state == "done"
    assert f"Removed: {folder}" in detail
    assert not folder.exists()
    assert tree(private) == ["diary.txt"]
    assert enrolled.device()["wipe"]["state"] == "done"
    assert enrolled.commands()["message"][0] == "queued"
    assert enrolled.desk.shown == []


def test_a_wipe_that_cannot_be_finished_is_told_as_failed(
    enrolled: Fleet, mara: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, folder = synced(enrolled, mara, "stuck")
    monkeypatch.setattr(agent, "mount_points", lambda: frozenset([str(folder / "sub")]))
    enrolled.order("wipe")
    enrolled.desk.round()
    assert enrolled.commands()["wipe"][0] == "failed"


def test_a_lost_machine_is_told_nothing_until_it_is_found(enrolled: Fleet) -> None:
    enrolled.desk.answer = ""
    enrolled.set_status("LOST")
    enrolled.order("message", text="where are you?")
    enrolled.desk.round()
    assert enrolled.desk.shown == []
    enrolled.set_status("ACTIVE")
    enrolled.desk.round()
    assert enrolled.desk.shown == ["where are you?"]


def test_a_blocked_machine_enrols_again_only_with_its_own_token(enrolled: Fleet) -> None:
    enrolled.set_status("DISABLED")
    own = enrolled.desk.store.load()
    enrolled.desk.enrol("--force", secret=enrolled.code())
    assert enrolled.desk.store.load().device_id == own.device_id
    enrolled.desk.store.remove()
    with pytest.raises(EnrolmentRefused, match=r"blocked \(DISABLED\)"):
        enrolled.desk.enrol(secret=enrolled.code())


def test_a_removed_machine_is_wiped_uninstalls_its_agent_and_then_nobody_knows_it(
    enrolled: Fleet, mara: ApiClient
) -> None:
    _, folder = synced(enrolled, mara, "notes")
    enrolled.set_status("STOLEN")
    enrolled.remove()
    before = enrolled.desk.store.load()
    enrolled.desk.now += 3600  # a report is due, and answered with 410
    with pytest.raises(Uninstalled):
        enrolled.desk.round()
    assert not folder.exists()
    enrolled.desk.store.save(before)
    with pytest.raises((DeviceRemoved, TokenRefused)):
        enrolled.desk.round()


def test_the_order_to_uninstall_leaves_the_device_in_the_registry(enrolled: Fleet) -> None:
    number = enrolled.id
    enrolled.order("uninstall_agent")
    with pytest.raises(Uninstalled):
        enrolled.desk.round()
    assert not os.path.exists(enrolled.desk.store.path)
    assert enrolled.admin.json("GET", f"{NATIVE}/devices/{number}/")["agent"] is None


def test_a_retired_agent_is_gone_and_its_device_stays(enrolled: Fleet) -> None:
    before = enrolled.desk.store.load()
    arguments = agent.build_parser().parse_args(["retire"])
    agent.retire(arguments, enrolled.desk.machine, enrolled.desk.store)
    device = enrolled.admin.json("GET", f"{NATIVE}/devices/{before.device_id}/")
    assert device["agent"] is None
    enrolled.desk.store.save(before)
    with pytest.raises(TokenRefused):
        enrolled.desk.round()


# -- real processes ------------------------------------------------------------------------------------------


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), *words], capture_output=True, text=True, timeout=150, check=False
    )


class MetaAccess:
    """An application that an administrator let in, for the organization of the server itself."""

    def __init__(self, admin: ApiClient) -> None:
        self.http = admin.http
        wanted = {"name": "NAC", "organization_id": 1, "redirect_uris": []}
        made = admin.json("POST", f"{NATIVE}/oauth-clients/", json=wanted)
        form = {"client_id": made["client_id"], "client_secret": made["client_secret"]}
        answer = self.http.post("/o/oauth/token", data={"grant_type": "client_credentials", **form})
        self.token = answer.json()["access_token"]

    def _call(self, path: str, **body: Any) -> Any:
        answer = self.http.post(f"/o/api/v3/{path}", params={"access_token": self.token}, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def act(self, action: str, hwid: str) -> int:
        """Take an action on a device; return what MetaAccess says of it."""
        return int(self._call("devices/action", types=action, ids=[hwid])[hwid])

    def status_of(self, hwid: str) -> str:
        """Return the word for a device."""
        return str(self._call("devices/detail", ids=[hwid])[0]["status"])


@pytest.fixture
def strict(fleet: Fleet) -> Iterator[None]:
    """A policy that no agent of today meets, and that is enforced while the test runs."""
    policy = [{"code": "min_agent_version", "severity": "critical", "value": "999"}]
    path, fine = f"{NATIVE}/settings/", {"posture_policy": [], "posture_mode": "off"}
    fleet.admin.json("PUT", path, json={"posture_policy": policy, "posture_mode": "enforce"})
    yield
    fleet.admin.json("PUT", path, json=fine)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("strict")
def test_a_running_agent_is_exempted_through_metaaccess_and_does_what_is_ordered_there(
    fleet: Fleet, mara: ApiClient, tmp_path: Path
) -> None:
    (tmp_path / "code").write_text(fleet.code())
    state, hwid = str(tmp_path / "agent" / "state.json"), fleet.desk.hwid
    words = ["--code-file", str(tmp_path / "code"), "--hwid", hwid]
    place = ["--seafile-config", fleet.desk.configuration]
    done = run("--state", state, "enrol", fleet.desk.url, *words, *place)
    assert done.returncode == 0, done.stderr
    path = f"{NATIVE}/devices/{json.loads(Path(state).read_text())['device_id']}/"
    token = mara.http.post(
        "/api2/auth-token/",
        data={
            "username": mara.email,
            "password": mara.password,
            "platform": "linux",
            "device_id": f"{fleet.number:040d}",
            "device_name": "mara-x13",
        },
    ).json()["token"]

    def uses_it() -> int:
        headers = {"Authorization": f"Token {token}"}
        return mara.http.get("/api2/repos/", headers=headers).status_code

    def answered() -> bool:
        found = fleet.admin.json("GET", f"{path}commands/")["commands"]
        return any(
            one["type"] == "dhcp_renew" and one["state"] not in ("queued", "delivered") for one in found
        )

    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), "--state", state, "run"], stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: fleet.admin.json("GET", path)["posture"]["state"] == "non_compliant", 120)
        assert uses_it() == 403
        application = MetaAccess(fleet.admin)
        assert application.status_of(hwid) == "non_compliant"
        assert application.act("exempt", hwid) == 1
        assert (application.status_of(hwid), uses_it()) == ("exempted", 200)
        assert application.act("dhcprenew", hwid) == 1
        until(answered, 120)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_running_agent_obeys_within_seconds_survives_the_servers_restart_and_ends_on_sigterm(
    own_server: RunningServer, tmp_path: Path
) -> None:
    admin = own_server.admin
    state = str(tmp_path / "agent" / "state.json")
    (tmp_path / "code").write_text(str(admin.json("POST", f"{NATIVE}/enrolment-codes/", json={})["code"]))
    words = [
        "enrol",
        own_server.url,
        "--code-file",
        str(tmp_path / "code"),
        "--seafile-config",
        "/nonexistent",
    ]
    done = run("--state", state, *words)
    assert done.returncode == 0, done.stderr
    number = json.loads(Path(state).read_text())["device_id"]
    path = f"{NATIVE}/devices/{number}/"

    def answered(kind: str) -> bool:
        found = own_server.admin.json("GET", f"{path}commands/")["commands"]
        return any(command["type"] == kind and command["state"] != "queued" for command in found)

    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), "--state", state, "run"], stdout=log, stderr=log
        )
    try:
        until(lambda: admin.json("GET", path)["agent"]["last_report"], 120)
        admin.json("POST", f"{path}commands/", json={"type": "dhcp_renew"})
        until(lambda: answered("dhcp_renew"), 60)
        own_server.kill()
        until(lambda: "cannot be reached" in (tmp_path / "log").read_text(), 120)
        own_server.start()
        admin.json("POST", f"{path}commands/", json={"type": "message", "text": "hello"})
        until(lambda: answered("message"), 120)
        second = run("--state", state, "run")
        assert second.returncode == agent.EXIT_STATE
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert json.loads(Path(state).read_text())["agent_token"] not in (tmp_path / "log").read_text()
