"""The agent and its server: enrolment, reports, orders at least once, and every way this can fail."""

from __future__ import annotations

import json
import os
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import seafleet_agent as agent
from seafleet_agent import (
    Agent,
    AgentError,
    DeviceRemoved,
    EnrolmentRefused,
    Loop,
    NotEnrolled,
    People,
    Result,
    StateFile,
    StateUnusable,
    TokenRefused,
    Uninstalled,
    Unreachable,
)
from tests.agent.desk import Desk
from tests.agent.fake_server import CODE, USER_TOKEN, FakeServer
from tests.agent.recorded import RecordedMachine


class FakeDesk(Desk):
    """A desk whose server is the fake one."""

    def __init__(self, server: FakeServer, path: Path) -> None:
        super().__init__(server.url, path)
        self.server = server

    def enrol(self, *words: str, secret: str = CODE) -> None:
        """Enrol with the code that is good."""
        self.url = self.server.url
        super().enrol(*words, secret=secret)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SEAFLEET_TOKEN", "SEAFLEET_ENROL_CODE", "SEAFLEET_AGENT_STATE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running
        assert running.complaints == []


@pytest.fixture
def desk(server: FakeServer, tmp_path: Path) -> FakeDesk:
    found = FakeDesk(server, tmp_path)
    found.enrol()
    return found


# -- enrolment -----------------------------------------------------------------------------------------------


def test_an_enrolment_tells_the_inventory_and_keeps_what_it_is_given(desk: FakeDesk) -> None:
    (told,) = desk.server.enrolments
    assert told["hwid"] == "K7Q2M4ZT9W1XB5RD"
    assert told["agent_type"] == "persistent"
    state = desk.store.load()
    assert state.agent_token == desk.server.device_token
    assert (state.device_id, state.report_interval_seconds, state.poll_interval_seconds) == (12, 3600, 60)


def test_the_state_is_for_the_owners_eyes_alone(desk: FakeDesk) -> None:
    path = Path(desk.store.path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    desk.store.load()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_users_token_serves_in_place_of_a_code(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAFLEET_TOKEN", USER_TOKEN)
    arguments = agent.build_parser().parse_args(["enrol", server.url, "--hwid", "K7Q2M4ZT9W1XB5RD"])
    agent.enrol(arguments, RecordedMachine(), StateFile(str(tmp_path / "s.json")))
    assert len(server.enrolments) == 1


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, {"detail": "Invalid token"}, "not good"),
        (403, {"error_msg": "This device is blocked (LOST).", "device_status": "LOST"}, "blocked (LOST)"),
        (409, {"error_msg": "Another machine reports under this hardware id."}, "machine-id"),
        (400, {"error_msg": "hwid invalid."}, "hwid invalid."),
        (404, None, "no Seafleet"),
        (200, {"id": 12}, "cannot be understood"),
    ],
)
def test_a_refused_enrolment_says_why_and_keeps_nothing(
    server: FakeServer, tmp_path: Path, status: int, body: Any, said: str
) -> None:
    desk = FakeDesk(server, tmp_path)
    server.fail("POST enroll/", status, body)
    with pytest.raises(EnrolmentRefused, match=r".*") as caught:
        desk.enrol()
    assert said in str(caught.value)
    assert caught.value.code == agent.EXIT_ENROLMENT_REFUSED
    assert not os.path.exists(desk.store.path)


@pytest.mark.parametrize("status", [429, 500, 503, 302])
def test_a_server_that_cannot_answer_now_does_not_end_the_hope_to_enrol(
    server: FakeServer, tmp_path: Path, status: int
) -> None:
    server.fail("POST enroll/", status, Location="https://elsewhere.example.org/")
    with pytest.raises(Unreachable):
        FakeDesk(server, tmp_path).enrol()


def test_an_enrolled_machine_enrols_again_only_by_force_and_shows_its_token(desk: FakeDesk) -> None:
    first = desk.server.device_token
    with pytest.raises(AgentError, match="--force"):
        desk.enrol()
    desk.enrol("--force")
    assert desk.server.enrolments[1]["agent_token"] == first
    assert desk.store.load().agent_token == desk.server.device_token != first


def test_a_token_is_never_shown_to_another_server(desk: FakeDesk, tmp_path: Path) -> None:
    with FakeServer() as other:
        desk.server, own = other, desk.server
        desk.enrol("--force")
        assert "agent_token" not in other.enrolments[0]
        desk.server = own


def test_what_a_wipe_began_outlives_a_new_enrolment(desk: FakeDesk) -> None:
    with desk.store.change() as state:
        state.unfinished = [{"library": "x"}]
    desk.enrol("--force")
    assert desk.store.load().unfinished == [{"library": "x"}]


def test_the_intervals_of_a_server_are_taken_within_reason() -> None:
    assert [agent._interval(value, 60) for value in (0, 120, 10**9, "5", None, True)] == [
        5,
        120,
        86_400,
        60,
        60,
        60,
    ]


def test_a_code_comes_from_a_file_or_the_environment_but_not_from_thin_air(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def credential(*words: str) -> str:
        return agent.credential(agent.build_parser().parse_args(["enrol", server.url, *words]))

    with pytest.raises(AgentError, match="code is needed"):
        credential()
    monkeypatch.setenv("SEAFLEET_ENROL_CODE", "from-environment")
    assert credential() == "Enrol from-environment"
    (tmp_path / "code").write_text("from-file\n")
    assert credential("--code-file", str(tmp_path / "code")) == "Enrol from-file"
    (tmp_path / "token").write_text(USER_TOKEN)
    assert credential("--token-file", str(tmp_path / "token")) == f"Token {USER_TOKEN}"
    (tmp_path / "code").write_text("two words\n")
    with pytest.raises(AgentError, match="code is needed"):
        credential("--code-file", str(tmp_path / "code"))


# -- reports -------------------------------------------------------------------------------------------------


def test_the_first_round_reports_and_the_next_one_not_before_it_is_time(desk: FakeDesk) -> None:
    desk.round()
    desk.now += 3599
    desk.round()
    assert len(desk.server.reports) == 1
    desk.now += 1
    desk.round()
    assert len(desk.server.reports) == 2


def test_a_clock_that_was_set_back_does_not_silence_the_agent(desk: FakeDesk) -> None:
    desk.round()
    desk.now -= 86_400 * 365
    desk.round()
    assert len(desk.server.reports) == 2


def test_what_the_server_thinks_is_kept_for_the_status(desk: FakeDesk) -> None:
    desk.round()
    standing = agent.standing(desk.store.load().last_answer)
    assert standing == "ACTIVE, access allowed, posture compliant (The firewall is off)"


def test_a_report_that_is_not_taken_does_not_keep_orders_away(desk: FakeDesk) -> None:
    desk.server.fail("PUT report/", 400, {"error_msg": "macs invalid."})
    number = desk.server.order("report_now")
    desk.round()
    assert desk.server.results == [(number, {"status": "done", "detail": "reported"})]


def test_the_pause_is_what_is_left_of_the_servers_interval(desk: FakeDesk) -> None:
    assert 55 < desk.round() <= 60


# -- orders --------------------------------------------------------------------------------------------------


def carried_out(desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have every order succeed, and return the list in which each is noted."""
    seen: list[str] = []

    def carry_out(_orders: agent.Orders, order: agent.Order) -> Result:
        seen.append(order.type)
        return Result("done", f"did {order.type}")

    monkeypatch.setattr(agent.Orders, "carry_out", carry_out)
    return seen


def test_an_order_is_carried_out_once_and_its_result_delivered(
    desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = carried_out(desk, monkeypatch)
    number = desk.server.order("message", text="hello")
    assert desk.round() == agent.FIRST_PAUSE_SECONDS
    desk.round()
    assert seen == ["message"]
    assert desk.server.results == [(number, {"status": "done", "detail": "did message"})]
    assert desk.store.load().results == {}


@pytest.mark.parametrize("status", [0, 429, 500, 502, 503])
def test_a_result_that_was_not_taken_is_delivered_later_without_doing_it_again(
    desk: FakeDesk, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    seen = carried_out(desk, monkeypatch)
    desk.server.order("message", text="hello")
    desk.server.fail("POST commands/", status)
    with pytest.raises(Unreachable):
        desk.round()
    assert desk.server.results == []
    desk.round()
    assert seen == ["message"]
    assert len(desk.server.results) == 1


def test_a_result_survives_the_end_of_the_process(desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = carried_out(desk, monkeypatch)
    desk.server.order("message", text="hello")
    desk.server.fail("POST commands/", 503)
    with pytest.raises(Unreachable):
        desk.round()
    restarted = Agent(desk.machine, desk.store, People(desk.machine), clock=lambda: desk.now)
    restarted.round(wait_seconds=0)
    assert (seen, len(desk.server.results)) == (["message"], 1)


def test_an_answer_that_got_lost_on_its_way_back_does_no_harm(
    desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = carried_out(desk, monkeypatch)
    number = desk.server.order("message", text="hello")
    desk.round()
    lost = {
        "id": number,
        "type": "message",
        "params": {"text": "hello"},
        "created_at": "2026-05-13T08:00:00Z",
    }
    desk.server.commands.append(lost)
    desk.server.results.clear()
    desk.round()
    assert seen == ["message"]
    assert desk.server.results == [(number, {"status": "done", "detail": "did message"})]


def test_another_order_with_the_same_number_is_another_order(
    desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = carried_out(desk, monkeypatch)
    desk.server.order("message", text="hello")
    desk.round()
    desk.server.results.clear()  # the server was restored from a backup, and counts from there
    desk.server.order("dhcp_renew")
    desk.round()
    assert seen == ["message", "dhcp_renew"]


@pytest.mark.parametrize("status", [400, 404])
def test_a_result_that_the_server_will_never_take_is_put_aside(
    desk: FakeDesk, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    carried_out(desk, monkeypatch)
    desk.server.order("message", text="hello")
    desk.server.fail("POST commands/", status)
    desk.round()
    assert desk.store.load().results == {}


def test_a_wipe_comes_first_and_the_agents_own_end_last(
    desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = carried_out(desk, monkeypatch)
    for kind in ("uninstall_agent", "message", "dhcp_renew", "wipe"):
        desk.server.order(kind)
    with pytest.raises(Uninstalled):
        desk.round()
    assert seen == ["wipe", "message", "dhcp_renew", "uninstall_agent"]
    assert len(desk.server.results) == 4


def test_orders_that_make_no_sense_are_passed_over() -> None:
    odd = [
        1,
        None,
        {},
        {"id": "7", "type": "wipe"},
        {"id": True, "type": "wipe"},
        {"id": 8},
        {"id": 9, "type": "x"},
    ]
    assert [order.id for order in agent.parse_orders(odd)] == [9]
    assert agent.parse_orders([{"id": 9, "type": "wipe", "params": "all"}]) == []
    assert agent.parse_orders({"error": "x"}) == []


def test_answered_orders_are_remembered_but_not_for_ever(
    desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "KEPT_ANSWERS", 9)
    for number in range(14):
        desk.agent._was_delivered(f"{number} message", {"id": number})
    assert next(iter(desk.store.load().answered)) == "5 message"


# -- the end -------------------------------------------------------------------------------------------------


def test_the_order_to_uninstall_ends_the_agent_once_its_result_is_delivered(desk: FakeDesk) -> None:
    number = desk.server.order("uninstall_agent")
    desk.server.fail("POST commands/", 503)
    with pytest.raises(Unreachable):
        desk.round()
    assert os.path.exists(desk.store.path)
    with pytest.raises(Uninstalled) as caught:
        desk.round()
    assert caught.value.code == agent.EXIT_OK
    assert [known for known, _ in desk.server.results] == [number]
    assert os.listdir(os.path.dirname(desk.store.path)) == []
    with pytest.raises(NotEnrolled):
        desk.round()


def test_a_removed_device_still_wipes_and_uninstalls(desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = carried_out(desk, monkeypatch)
    desk.server.removed = True
    desk.server.order("uninstall_agent")
    desk.server.order("wipe", libraries="all")
    with pytest.raises(Uninstalled):
        desk.round()
    assert seen == ["wipe", "uninstall_agent"]
    assert desk.server.requests.count("PUT report/") == 1


def test_a_removed_device_with_nothing_left_to_do_ends(desk: FakeDesk) -> None:
    desk.server.removed = True
    with pytest.raises(DeviceRemoved):
        desk.round()
    with pytest.raises(DeviceRemoved) as caught:
        desk.round()
    assert caught.value.code == agent.EXIT_REFUSED
    assert desk.server.requests.count("PUT report/") == 1  # it does not report where nobody listens


def test_a_device_that_was_removed_while_it_worked_hands_over_its_results(
    desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried_out(desk, monkeypatch)
    desk.server.order("wipe", libraries="all")
    desk.server.fail("POST commands/", 503)
    with pytest.raises(Unreachable):
        desk.round()
    desk.server.removed = True
    with pytest.raises(DeviceRemoved):
        desk.round()
    assert len(desk.server.results) == 1


def test_an_unknown_token_is_told_from_a_server_that_is_away(desk: FakeDesk) -> None:
    desk.server.known = False
    with pytest.raises(TokenRefused) as caught:
        desk.round()
    assert caught.value.code == agent.EXIT_REFUSED


# -- the loop ------------------------------------------------------------------------------------------------


def steps(desk: FakeDesk, count: int, chance: float = 1.0) -> list[float]:
    loop = Loop(desk.agent, chance=lambda: chance)
    return [loop.step() for _ in range(count)]


def test_pauses_double_with_each_failure_and_begin_anew_after_a_success(desk: FakeDesk) -> None:
    for _ in range(3):
        desk.server.fail("PUT report/", 500)
    pauses = steps(desk, 4)
    assert pauses[:3] == [5.0, 10.0, 20.0]
    assert pauses[3] == pytest.approx(66, abs=3)


def test_a_pause_is_never_longer_than_ten_minutes_nor_shorter_than_half() -> None:
    assert agent.pause_after(1, 0.0) == 2.5
    assert agent.pause_after(8, 1.0) == 600.0
    assert agent.pause_after(10_000, 0.0) == 300.0


@pytest.mark.parametrize("status", [429, 503])
def test_the_server_says_when_to_come_again(desk: FakeDesk, status: int) -> None:
    desk.server.fail("PUT report/", status, Retry_After="900")
    assert steps(desk, 1) == [900.0]


def test_the_server_may_say_it_with_a_date() -> None:
    now = 784_111_777.0
    assert agent.retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now) == pytest.approx(60)
    assert agent.retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now) == 0.0
    assert agent.retry_after("99999999", now) == 86_400.0
    assert [agent.retry_after(text, now) for text in (None, "", "soon", "-5", "1.5")] == [None] * 5


def test_an_unknown_token_makes_the_agent_ask_seldom_but_not_give_up(desk: FakeDesk) -> None:
    desk.server.known = False
    assert steps(desk, 2) == [600.0, 600.0]
    desk.server.known = True
    assert steps(desk, 1)[0] < 70


def test_whoever_enrols_again_need_not_restart_the_agent(desk: FakeDesk) -> None:
    desk.server.device_token = "revoked"
    assert steps(desk, 1) == [600.0]
    desk.enrol("--force")
    assert steps(desk, 1)[0] < 70


def test_a_server_that_restarts_is_waited_for(desk: FakeDesk) -> None:
    desk.server.fail("PUT report/", 0)
    assert steps(desk, 2)[0] == 5.0
    assert len(desk.server.reports) == 1


def test_the_loop_sleeps_between_rounds_until_it_is_stopped(desk: FakeDesk) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise agent.Stopped

    desk.server.fail("PUT report/", 500)
    with pytest.raises(agent.Stopped):
        Loop(desk.agent, sleep=sleep, chance=lambda: 1.0).run()
    assert slept == [5.0, pytest.approx(66, abs=3)]


# -- the line ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_line", ["PUT report/", "GET commands/"])
def test_a_redirect_is_not_followed_and_so_takes_no_token_along(desk: FakeDesk, request_line: str) -> None:
    with FakeServer() as other:
        desk.server.fail(request_line, 302, None, Location=other.url + "/api/v2.1/device-agent/commands/")
        with pytest.raises(Unreachable, match="enrol with that address"):
            desk.round()
        assert other.requests == []


@pytest.mark.parametrize(
    "url",
    ["files.example.org", "ftp://files.example.org", "https://", "https://u:p@x.org", "https://x.org/?a=b"],
)
def test_only_addresses_of_servers_are_taken(url: str) -> None:
    with pytest.raises(AgentError, match="not the address"):
        agent.check_url(url, allow_plain_http=True)


def test_without_tls_a_token_leaves_the_machine_only_if_that_is_wanted() -> None:
    assert agent.check_url("http://localhost:8000/", allow_plain_http=False) == "http://localhost:8000"
    with pytest.raises(AgentError, match="TLS"):
        agent.check_url("http://files.example.org", allow_plain_http=False)
    assert agent.check_url("http://files.example.org", allow_plain_http=True) == "http://files.example.org"


def test_certificates_and_host_names_are_checked() -> None:
    context = agent.trusted("")
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    with pytest.raises(AgentError, match="no file of certificates"):
        agent.trusted("/nonexistent/ca.pem")


@pytest.mark.parametrize("body", [b"<html>gateway</html>", b"", b"[1]", b'{"commands": '])
def test_answers_that_are_no_json_are_borne(desk: FakeDesk, body: bytes) -> None:
    answer = agent.Answer(502, agent.from_json(body.decode()))
    assert answer.sentence == "the server answered 502"


def test_a_hostile_sentence_reaches_the_terminal_without_its_control_characters() -> None:
    answer = agent.Answer(400, {"error_msg": "\x1b[2Jgone\x07\u202e\ud800" + "x" * 1000})
    assert "\x1b" not in answer.sentence
    assert len(answer.sentence) == 300
    json.dumps(answer.sentence).encode("ascii")


# -- the state -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"server": 1, "agent_token": 2}', "null"])
def test_a_damaged_state_is_told_from_a_missing_one(tmp_path: Path, text: str) -> None:
    store = StateFile(str(tmp_path / "state.json"))
    with pytest.raises(NotEnrolled):
        store.load()
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(StateUnusable):
        store.load()


def test_a_state_of_a_newer_agent_is_read(desk: FakeDesk) -> None:
    path = Path(desk.store.path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"of the future": 1}))
    assert desk.store.load().device_id == 12


def test_a_state_that_cannot_be_written_leaves_the_old_one(
    desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    before = Path(desk.store.path).read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateUnusable, match="No space left"), desk.store.change() as state:
        state.removed = True
    assert Path(desk.store.path).read_bytes() == before
    assert sorted(os.listdir(Path(desk.store.path).parent)) == ["state.json", "state.json.lock"]


def test_two_agents_do_not_share_a_state(desk: FakeDesk) -> None:
    with (
        desk.store.locked("running", wait=False),
        pytest.raises(StateUnusable, match="another agent"),
        StateFile(desk.store.path).locked("running", wait=False),
    ):
        pass
    with desk.store.locked("running", wait=False):
        pass


def test_a_state_from_another_machine_is_not_used(desk: FakeDesk) -> None:
    machine = RecordedMachine(files={"/etc/machine-id": "a" * 32})
    with desk.store.change() as state:
        state.hwid, state.hwid_from = agent.hardware_id(machine, {})
    agent.check_machine(machine, desk.store.load())
    machine.files["/etc/machine-id"] = "b" * 32
    with pytest.raises(StateUnusable, match="another machine"):
        agent.check_machine(machine, desk.store.load())
    machine.files.clear()
    agent.check_machine(machine, desk.store.load())  # what cannot be told is no reason to stop
