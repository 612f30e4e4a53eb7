"""The composed server: first start, mistakes in handlers, threads, start and stop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import pytest

from seafleet import logs
from seafleet.api.seafile import basics
from seafleet.app import Periodic, Server, Threads, create_app
from seafleet.errors import StorageFailure
from seafleet.settings import Settings
from tests.support.asgi import Client
from tests.support.world import FAST


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seafleet.accounts.service.Passwords", lambda: FAST)


def settings_for(folder: Path, **values: Any) -> Settings:
    return Settings.load(data=folder / "data", access_log=False, **values)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Server]:
    server = create_app(settings_for(tmp_path))
    yield server
    server.close()


# -- first start ------------------------------------------------------------------------------------------


def test_the_first_start_makes_a_private_folder_a_secret_and_an_administrator_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = create_app(settings_for(tmp_path))
    first = capsys.readouterr().err
    data = tmp_path / "data"
    assert data.stat().st_mode & 0o777 == 0o700
    assert (data / "secret.key").stat().st_mode & 0o777 == 0o600
    password = first.partition("with the password ")[2].partition("\n")[0]
    with Client(app) as client:
        form = {"username": "admin@example.com", "password": password}
        assert client.post("/api2/auth-token/", form=form).status == 200
    app.close()
    create_app(settings_for(tmp_path)).close()
    assert "password" not in capsys.readouterr().err


def test_a_password_that_is_set_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create_app(settings_for(tmp_path, admin_email="Root@Example.com", admin_password="hunter22")).close()
    told = capsys.readouterr().err
    assert "root@example.com" in told
    assert "hunter22" not in told


def test_a_data_folder_that_cannot_be_made_is_a_storage_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailure, match="cannot make the data folder"):
        create_app(Settings.load(data=tmp_path / "file" / "data"))


def test_a_start_that_fails_half_way_leaves_no_database_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StorageFailure("no")

    create_app(settings_for(tmp_path)).close()
    before = set(threading.enumerate())  # of servers that other tests share
    monkeypatch.setattr("seafleet.library.history.History.__init__", fail)
    with pytest.raises(StorageFailure):
        create_app(settings_for(tmp_path))
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name.startswith(("edits", "db"))]


# -- watching ---------------------------------------------------------------------------------------------


def test_health_and_readiness_answer_in_plain_text(app: Server) -> None:
    with Client(app) as client:
        assert client.get("/healthz").body == b"ok\n"
        ready = client.get("/readyz")
        assert (ready.status, ready.body) == (200, b"ready\n")


def test_a_server_whose_data_folder_is_gone_is_not_ready(app: Server) -> None:
    folder = app.services.settings.data
    folder.rename(folder.with_name("moved"))
    with Client(app) as client:
        answer = client.get("/readyz")
        assert answer.status == 503
        assert client.get("/healthz").status == 200


def test_metrics_count_requests_by_operation_and_show_them_to_this_machine_only(app: Server) -> None:
    with Client(app) as stranger:
        for path in ("/api2/ping/", "/api2/ping/", "/nowhere/else"):
            stranger.get(path)
        assert stranger.get("/metrics").status == 403
    with Client(app, address="127.0.0.1") as local:
        assert local.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status == 403
        page = local.get("/metrics").text
    line = 'seafleet_http_requests_total{method="GET",operation="quick-start-ping",status="200"} 2.0'
    assert line in page
    assert 'operation="unknown",status="404"} 1.0' in page
    assert 'seafleet_http_request_seconds_count{operation="quick-start-ping"} 2.0' in page


def test_a_metrics_token_opens_them_to_other_machines(tmp_path: Path) -> None:
    app = create_app(settings_for(tmp_path, metrics_token="let me see"))
    with Client(app) as client:
        assert client.get("/metrics", headers={"Authorization": "Bearer let me see"}).status == 200
        assert client.get("/metrics", headers={"Authorization": "Bearer no"}).status == 403
    app.close()


# -- mistakes ---------------------------------------------------------------------------------------------


def test_a_mistake_in_a_handler_is_an_internal_error_and_is_logged(
    app: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_settings: object) -> list[str]:
        raise ZeroDivisionError("no")

    logs.configure("info", "json")
    monkeypatch.setattr(basics, "_features", broken)
    with Client(app) as client:
        answer = client.get("/api2/server-info/?token=geheim")
        assert (answer.status, answer.json()) == (500, {"error_msg": "Internal Server Error"})
        assert client.get("/api2/ping/").status == 200
    logged = capsys.readouterr().err
    assert "ZeroDivisionError" in logged
    assert "server-info" in logged
    assert "geheim" not in logged


# -- threads ----------------------------------------------------------------------------------------------


def test_a_pool_runs_no_more_at_once_than_it_has_threads_and_finishes_before_it_closes() -> None:
    pool, running, most = Threads("t", 3), [0], [0]
    lock, gate = threading.Lock(), threading.Barrier(3)

    def work() -> str:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        gate.wait(10)
        with lock:
            running[0] -= 1
        return threading.current_thread().name

    async def many() -> set[str]:
        return set(await asyncio.gather(*(pool.run(work) for _ in range(9))))

    assert asyncio.run(many()) == {"t-0", "t-1", "t-2"}
    assert most == [3]
    pool.close()


def test_an_error_of_the_work_reaches_who_waits() -> None:
    pool = Threads("t", 1)

    async def fail() -> None:
        with pytest.raises(ZeroDivisionError):
            await pool.run(divmod, 1, 0)
        assert await pool.run(divmod, 7, 2) == (3, 1)

    asyncio.run(fail())
    pool.close()


def test_what_a_thread_began_elsewhere_is_awaited_without_the_thread() -> None:
    pool = Threads("t", 1)
    good, bad, cancelled = Future[str](), Future[str](), Future[str]()

    async def follow() -> list[object]:
        begun = [pool.follow(lambda begun: begun, future) for future in (good, bad, cancelled)]
        plain = await pool.follow(str.upper, "the thread is free")
        good.set_result("done")
        bad.set_exception(ValueError("broken"))
        cancelled.cancel()
        return [plain, *await asyncio.gather(*begun, return_exceptions=True)]

    plain, first, second, third = asyncio.run(follow())
    assert (plain, first, str(second)) == ("THE THREAD IS FREE", "done", "broken")
    assert isinstance(third, CancelledError)
    pool.close()


def test_work_goes_on_when_nobody_waits_any_more() -> None:
    pool, started, release, done = Threads("t", 1), threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        release.wait(10)
        done.set()

    async def give_up() -> None:
        waiting = asyncio.ensure_future(pool.run(work))
        await asyncio.to_thread(started.wait, 10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(give_up())
    release.set()
    pool.close()
    assert done.is_set()


def test_background_work_runs_at_once_when_it_is_asked_for() -> None:
    ran, background = threading.Event(), Periodic()
    nudge = background.add("work", 3600, ran.set)
    background.start()
    nudge()
    assert ran.wait(10)
    background.stop()


def test_background_work_that_fails_is_logged_and_done_again(capsys: pytest.CaptureFixture[str]) -> None:
    calls, twice = [0], threading.Event()

    def work() -> None:
        calls[0] += 1
        if calls[0] == 2:
            twice.set()
        raise ZeroDivisionError

    background = Periodic()
    background.add("work", 0.001, work)
    background.start()
    assert twice.wait(10)
    background.stop()


# -- start and stop ---------------------------------------------------------------------------------------


def test_the_server_starts_and_stops_with_its_host(tmp_path: Path) -> None:
    before = set(threading.enumerate())  # of servers that other tests share
    app, told = create_app(settings_for(tmp_path)), []
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        told.append(message["type"])

    asyncio.run(app({"type": "lifespan"}, receive, send))
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name.startswith(("api", "purge"))]


def test_two_servers_may_share_one_data_folder(tmp_path: Path) -> None:
    first, second = create_app(settings_for(tmp_path)), create_app(settings_for(tmp_path))
    admin = first.services.accounts.get_by_email("admin@example.com")
    token = first.services.tokens.issue_plain(admin)
    with Client(second) as client:
        assert client.get("/api2/auth/ping/", token=token).status == 200
    first.close()
    second.close()


def test_the_environment_is_read_by_nobody_but_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "SEAFLEET_ADMIN_EMAIL", "other@example.com")
    app = create_app(settings_for(tmp_path, admin_email="mine@example.com"))
    assert [account.email for account in app.services.accounts.staff()] == ["mine@example.com"]
    app.close()
