"""The six orders: what each does, and how it says what became of it."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import seafleet_agent as agent
from seafleet_agent import Order, Orders, Outcome, Output, People, Result, State, StateFile
from tests.agent.installation import CLI_ID, DAEMON_ID, ELSEWHERE, HERE, Installation, tree
from tests.agent.recorded import RecordedMachine
from tests.agent.test_linux import laptop

# The agent has one thread; what runs tests has more, and newer versions of Python warn of a fork then.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


class Answering(People):
    """Somebody, or nobody (None), in front of the machine."""

    def __init__(self, answer: str | None) -> None:
        super().__init__(RecordedMachine())
        self.answer = answer
        self.shown: list[str] = []

    def ask(self, question: str) -> str | None:
        self.shown.append(question)
        return self.answer

    def tell(self, text: str) -> bool:
        self.shown.append(text)
        return self.answer is not None


@pytest.fixture
def client(tmp_path: Path) -> Installation:
    return Installation(tmp_path.resolve() / "mara").set_up()


@pytest.fixture
def store(client: Installation, tmp_path: Path) -> StateFile:
    """The state of an agent that is enrolled with `HERE` and looks at that client alone."""
    found = StateFile(str(tmp_path / "state" / "state.json"))
    state = State(HERE, "secret", "K7Q2M4ZT9W1XB5RD", "option", 12)
    state.seafile_configurations = [str(client.configuration)]
    found.save(state)
    return found


def carry_out(store: StateFile, kind: str, people: People | None = None, **params: Any) -> Result:
    orders = Orders(RecordedMachine(), store, people or Answering(None), lambda: "")
    return orders.carry_out(Order(7, kind, params, ""))


# -- wipe ----------------------------------------------------------------------------------------------------


def test_a_wipe_of_everything_removes_this_servers_libraries_and_no_others(
    client: Installation, store: StateFile
) -> None:
    ours, theirs = client.home / "ours", client.home / "theirs"
    first, second = client.add(1, ours), client.add(2, theirs, ELSEWHERE)
    status, detail = carry_out(store, "wipe", libraries="all")
    assert status == "done"
    assert detail == f"Removed: {ours} (library {first}): 3 files, 2 folders, 6 bytes."
    assert not ours.exists()
    assert tree(theirs) == ["a.txt", "b.txt", "sub", "sub/c.txt"]
    assert [library.id for library in client.client().libraries] == [second]
    assert store.load().unfinished == []


def test_a_wipe_of_named_libraries_leaves_the_others_of_the_same_server(
    client: Installation, store: StateFile
) -> None:
    one, two = client.add(1, client.home / "one"), client.add(2, client.home / "two")
    assert carry_out(store, "wipe", libraries=[one, "unknown"]).status == "done"
    assert [library.id for library in client.client().libraries] == [two]
    assert (client.home / "two" / "a.txt").exists()


def test_a_wipe_for_one_user_leaves_the_libraries_of_others(client: Installation, store: StateFile) -> None:
    client.add(1, client.home / "hers", email="mara@example.org")
    client.add(2, client.home / "his", email="ben@example.org")
    assert carry_out(store, "wipe", libraries="all", email="mara@example.org").status == "done"
    assert not (client.home / "hers").exists()
    assert (client.home / "his" / "a.txt").exists()


def test_nothing_to_wipe_is_done(store: StateFile) -> None:
    expected = Result("done", "No client on this machine has a library of this server.")
    assert carry_out(store, "wipe", libraries="all") == expected
    assert carry_out(store, "wipe", libraries=[]) == expected


@pytest.mark.parametrize("params", [{}, {"libraries": None}, {"libraries": "some"}, {"libraries": [1]}])
def test_an_order_that_does_not_say_what_to_wipe_wipes_nothing(
    client: Installation, store: StateFile, params: dict[str, Any]
) -> None:
    client.add(1, client.home / "notes")
    assert carry_out(store, "wipe", **params) == Result("failed", "the order does not say which libraries")
    assert (client.home / "notes" / "a.txt").exists()


def test_a_wipe_that_was_cut_short_is_finished_although_the_client_has_forgotten(
    client: Installation, store: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = client.home / "notes"
    library_id = client.add(1, folder)

    def power_cut(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(agent, "_wipe", power_cut)
        with pytest.raises(KeyboardInterrupt):
            carry_out(store, "wipe", libraries="all")
    assert client.client().libraries == ()
    assert (folder / "a.txt").exists()
    assert carry_out(store, "wipe", libraries=[library_id]).status == "done"
    assert not folder.exists()
    assert store.load().unfinished == []


def test_what_could_not_be_removed_is_tried_again_by_the_next_wipe(
    client: Installation, store: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = client.home / "notes"
    client.add(1, folder)
    with monkeypatch.context() as patch:
        patch.setattr(agent, "mount_points", lambda: frozenset([str(folder / "sub")]))
        status, detail = carry_out(store, "wipe", libraries="all")
    assert status == "failed"
    assert "something is mounted there" in detail
    assert len(store.load().unfinished) == 1
    assert carry_out(store, "wipe", libraries="all").status == "done"
    assert not folder.exists()


def test_an_unfinished_folder_that_now_belongs_to_another_server_stays(
    client: Installation, store: StateFile
) -> None:
    folder = client.home / "notes"
    client.add(2, folder, ELSEWHERE)
    old = agent.Target(client.library_id(1), str(folder), str(client.data), "", HERE, os.getuid())
    with store.change() as state:
        state.unfinished = [vars(old)]
    status, detail = carry_out(store, "wipe", libraries="all")
    assert (status, "lies in a folder of another library" in detail) == ("failed", True)
    assert (folder / "a.txt").exists()


def test_a_full_disk_is_no_reason_not_to_make_room(
    client: Installation, store: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.add(1, client.home / "notes")

    def full(_store: StateFile, _state: State) -> None:
        raise agent.StateUnusable("no space left")

    monkeypatch.setattr(StateFile, "save", full)
    assert carry_out(store, "wipe", libraries="all").status == "done"
    assert not (client.home / "notes").exists()


def test_the_agents_own_state_inside_of_a_library_stays(client: Installation, tmp_path: Path) -> None:
    folder = client.home / "notes"
    client.add(1, folder)
    store = StateFile(str(folder / "agent" / "state.json"))
    state = State(HERE, "secret", "K7Q2M4ZT9W1XB5RD", "option", 12)
    state.seafile_configurations = [str(client.configuration)]
    store.save(state)
    status, detail = carry_out(store, "wipe", libraries="all")
    assert status == "done"
    assert f"Kept inside: {folder / 'agent'}" in detail
    assert store.load().device_id == 12
    assert not (folder / "a.txt").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may act for others")
def test_as_root_the_clients_of_other_accounts_are_wiped_with_their_rights(
    short_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = short_path / "nobody"
    theirs, ours = Installation(home).set_up(), home / "ours"
    library_id = theirs.add(1, ours)
    theirs.add(2, home / "theirs", ELSEWHERE)
    short_path.chmod(0o755)
    for path in [home, *home.rglob("*")]:
        os.lchown(path, 65534, 65534)
    entry = pwd.struct_passwd(("nobody", "x", 65534, 65534, "", str(home), "/bin/false"))
    monkeypatch.setattr(pwd, "getpwall", lambda: [entry])
    monkeypatch.setenv("HOME", str(tmp_path))
    machine = RecordedMachine(is_root=True)
    store = StateFile(str(tmp_path / "state.json"))
    store.save(State(HERE, "secret", "K7Q2M4ZT9W1XB5RD", "option", 12))
    report = agent.report_of(machine, store.load(), 0.0)
    assert report["users"] == ["nobody"]
    assert report["client_ids"] == sorted((CLI_ID, DAEMON_ID))
    orders = Orders(machine, store, Answering(None), lambda: "")
    status, detail = orders.carry_out(Order(7, "wipe", {"libraries": "all"}, ""))
    assert (status, library_id in detail) == ("done", True)
    assert not ours.exists()
    assert (home / "theirs" / "a.txt").exists()
    assert (theirs.data / "repo.db").stat().st_uid == 65534


def test_nobody_saves_a_folder_of_another_account_by_claiming_to_sync_it(
    client: Installation, store: StateFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = client.home / "notes"
    client.add(1, folder)
    claimant = Installation(tmp_path.resolve() / "ines").set_up()
    claimant.add(2, folder, ELSEWHERE, files=False)
    own = agent.own_account()
    found = agent.Found(
        [(own, [client.client()]), (own._replace(uid=own.uid + 1), [claimant.client()])], problems=[]
    )
    monkeypatch.setattr(agent, "find_clients", lambda _machine, _configurations: found)
    assert carry_out(store, "wipe", libraries="all").status == "done"
    assert not folder.exists()


def test_an_account_that_cannot_be_looked_into_makes_the_wipe_fail(
    store: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_places: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(agent, "read_clients", refuse)
    status, detail = carry_out(store, "wipe", libraries="all")
    assert status == "failed"
    assert "cannot be seen: disk I/O error" in detail


def test_the_summary_names_failures_first_and_stops_where_an_answer_ends() -> None:
    fine = [Outcome(f"id-{n}", f"/home/mara/{'x' * 60}{n}", "removed") for n in range(50)]
    bad = Outcome("id", "/home/mara/bad", "refused", "a home, or has one inside")
    status, detail = agent.summary([*fine, bad], [])
    assert status == "failed"
    assert detail.startswith("Refused: /home/mara/bad (library id): a home, or has one inside. Removed: ")
    assert len(detail) <= agent.MAX_DETAIL_CHARACTERS
    assert detail.endswith("more; the agent's log names them.")


def test_a_single_sentence_that_is_too_long_is_cut() -> None:
    detail = agent.summary([Outcome("id", "/" + "x" * 4000, "removed")], []).detail
    assert detail.startswith("Removed: /xxx")
    assert len(detail) <= agent.MAX_DETAIL_CHARACTERS


# -- people --------------------------------------------------------------------------------------------------


def test_an_answer_to_who_are_you_becomes_owner_and_address(store: StateFile) -> None:
    status, detail = carry_out(store, "re_identify", Answering("Mara Lind <mara@example.org>"))
    assert status == "done"
    said = json.loads(detail)
    assert (said["owner"], said["email"]) == ("Mara Lind", "mara@example.org")
    assert said["account"]


@pytest.mark.parametrize(
    ("answer", "owner", "address"),
    [
        ("Mara Lind", "Mara Lind", None),
        ("mara@example.org", "mara@example.org", "mara@example.org"),
        ("Mara, mara@example.org", "Mara", "mara@example.org"),
        ("mara@example.org (Mara Lind)", "(Mara Lind)", "mara@example.org"),
    ],
)
def test_names_and_addresses_are_told_apart(answer: str, owner: str, address: str | None) -> None:
    said = agent.parse_identity(answer)
    assert (said["owner"], said.get("email")) == (owner, address)


def test_a_long_answer_in_any_script_stays_json_within_the_limit(store: StateFile) -> None:
    detail = carry_out(store, "re_identify", Answering("\U0001f98a名" * 500)).detail
    assert len(detail) <= agent.MAX_DETAIL_CHARACTERS
    assert json.loads(detail)["owner"].startswith("\U0001f98a名")


@pytest.mark.parametrize(("answer", "status"), [(None, "unsupported"), ("", "failed")])
def test_without_somebody_to_ask_there_is_no_identity(
    store: StateFile, answer: str | None, status: str
) -> None:
    assert carry_out(store, "re_identify", Answering(answer)).status == status


def test_a_message_is_shown_as_text_whatever_is_in_it(store: StateFile) -> None:
    people = Answering("")
    assert carry_out(store, "message", people, text="back\x1b[2J at\n five").status == "done"
    assert people.shown == ["back [2J at  five"]


def test_a_message_that_nobody_can_see_is_not_done(store: StateFile) -> None:
    assert carry_out(store, "message", Answering(None), text="hello").status == "unsupported"
    assert carry_out(store, "message", Answering(""), text=" ").status == "failed"
    assert carry_out(store, "message", Answering("")).status == "failed"


def test_without_terminal_and_desktop_nobody_is_there() -> None:
    people = People(RecordedMachine())
    assert people.ask("who?") is None
    assert people.tell("hello") is False


def test_a_dialog_on_a_mac_answers_or_is_dismissed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: f"/usr/bin/{name}")
    machine = RecordedMachine(system="mac", outputs={"osascript": "Mara Lind\n"})
    assert People(machine).ask("who?") == "Mara Lind"
    machine.outputs["osascript"] = Output(1, "", "User canceled.")
    assert People(machine).ask("who?") == ""


# -- the rest ------------------------------------------------------------------------------------------------


def test_an_order_from_the_future_is_unsupported(store: StateFile) -> None:
    assert carry_out(store, "self_destruct").status == "unsupported"


def test_what_goes_wrong_on_the_machine_is_a_result(
    store: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_machine: Any, _path: str) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(agent, "remove_service", broken)
    status, detail = carry_out(store, "uninstall_agent")
    assert (status, "Permission denied" in detail) == ("failed", True)


def test_a_report_that_was_refused_is_a_failed_order(store: StateFile) -> None:
    orders = Orders(RecordedMachine(), store, Answering(None), lambda: "macs invalid.")
    assert orders.carry_out(Order(7, "report_now", {}, "")) == Result("failed", "macs invalid.")


# -- DHCP ----------------------------------------------------------------------------------------------------

LEASED = json.dumps(
    [
        {
            "ifname": "wlp2s0",
            "address": "00:16:3e:aa:01:7f",
            "addr_info": [{"family": "inet", "local": "192.0.2.16", "scope": "global", "dynamic": True}],
        }
    ]
)


def on_linux() -> RecordedMachine:
    """A laptop with a lease on its wireless adapter."""
    machine = laptop()
    machine.outputs = {"ip -j": LEASED}
    return machine


def test_network_manager_is_asked_by_the_id_of_its_connection() -> None:
    machine = on_linux()
    machine.outputs["nmcli -g"] = "100 (connected)\n1b2c3d4e-uuid\n"
    machine.outputs["nmcli --wait"] = "Connection successfully activated\n"
    assert agent.renew_leases(machine) == Result("done", "new leases asked for: 1")
    assert machine.ran[-1] == "nmcli --wait 30 connection up 1b2c3d4e-uuid ifname wlp2s0"


def test_networkd_is_asked_where_it_manages_the_adapter() -> None:
    machine = on_linux()
    machine.outputs["networkctl --no-pager"] = "  2 wlp2s0 wlan routable configured\n"
    machine.outputs["networkctl renew"] = Output(1, "", "Failed to renew: Access denied\nmore")
    assert agent.renew_leases(machine) == Result("failed", "Failed to renew: Access denied")


def test_networkd_is_left_alone_where_it_does_not() -> None:
    machine = on_linux()
    machine.files |= {"/proc/5/comm": "dhclient\n", "/proc/5/cmdline": "dhclient\0-4\0wlp2s0\0"}
    machine.outputs["networkctl --no-pager"] = "  2 wlp2s0 wlan routable unmanaged\n"
    machine.outputs |= {"dhclient -r": "", "dhclient -1": ""}
    assert agent.renew_leases(machine).status == "done"
    assert machine.ran[-2:] == ["dhclient -r wlp2s0", "dhclient -1 wlp2s0"]


def test_dhcpcd_is_asked_where_it_runs() -> None:
    machine = on_linux()
    machine.files["/run/dhcpcd/wlp2s0.pid"] = "7"
    machine.outputs["dhcpcd --rebind"] = ""
    assert agent.renew_leases(machine).status == "done"


def test_without_a_dhcp_client_or_a_lease_there_is_nothing_to_renew() -> None:
    assert agent.renew_leases(on_linux()).status == "unsupported"
    fixed = on_linux()
    fixed.outputs["ip -j"] = LEASED.replace("true", "false")
    assert agent.renew_leases(fixed) == Result("unsupported", "no network adapter has its address from DHCP")


def test_macs_and_windows_renew_in_their_own_way() -> None:
    mac = RecordedMachine(
        system="mac",
        outputs={
            "networksetup": "Hardware Port: Wi-Fi\nDevice: en0\n",
            "ifconfig": "en0: flags=1<UP>\n\tether 3c:06:30:00:00:02\n\tinet 192.0.2.4 netmask 0xff\n",
            "ipconfig getpacket": "op = BOOTREPLY\n",
            "ipconfig set": "",
        },
    )
    assert agent.renew_leases(mac).status == "done"
    assert mac.ran[-1] == "ipconfig set en0 DHCP"
    windows = RecordedMachine(
        system="windows", outputs={"ipconfig /renew": Output(1, "requires elevation\n")}
    )
    assert agent.renew_leases(windows) == Result("failed", "requires elevation")
