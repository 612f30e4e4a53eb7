"""From a request to its answer: callers, throttles, verbs, bodies, errors."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from seafleet.api.kernel import (
    OPTIONAL,
    PUBLIC,
    SESSION,
    TOKEN,
    ApiError,
    ApiRequest,
    Marker,
    Reply,
    Surface,
    route,
)
from seafleet.api.kernel.application import Application
from seafleet.api.kernel.routes import routes_of
from seafleet.api.services import Services
from seafleet.db.engine import WouldBlock
from seafleet.errors import AccountDisabled, DeviceBlocked, DeviceWiped, LibraryNotFound, QuotaExceeded
from tests.api.kernel.conftest import STAFF_TOKEN, Straw
from tests.api.kernel.conftest import TOKEN as ANNS
from tests.support.asgi import Client

Serve = Callable[..., Client]


@route("GET", "/open/", operation="open", action=Marker.ANYONE, auth=PUBLIC, throttle="ping")
def open_to_all(_request: ApiRequest) -> str:
    """Answer anybody."""
    return "pong"


@route("GET", "/mine/", operation="mine", action=Marker.OWN_ACCOUNT, auth=TOKEN)
def mine(request: ApiRequest) -> dict[str, str]:
    return {"email": request.caller.email}


@route("GET", "/maybe/", operation="maybe", action=Marker.ANYONE, auth=OPTIONAL, throttle="anon")
def maybe(request: ApiRequest) -> str:
    return request.actor.email if request.actor else "nobody"


@route("GET", "/staff/", operation="staff", action=Marker.STAFF, auth=TOKEN)
def staff(_request: ApiRequest) -> str:
    return "welcome"


@route(
    "POST", "/echo/", operation="echo", action=Marker.ANYONE, auth=PUBLIC, throttle=None, body_limit_bytes=100
)
@route("DELETE", "/echo/", operation="echo", action=Marker.ANYONE, auth=PUBLIC, throttle=None)
def echo(request: ApiRequest) -> dict[str, Any]:
    return {"p": request.param("p"), "all": request.params("p"), "query": request.query("p")}


@route("POST", "/deaf/", operation="deaf", action=Marker.ANYONE, auth=PUBLIC, throttle=None)
def deaf(_request: ApiRequest) -> str:
    return "heard nothing"


# -- callers ----------------------------------------------------------------------------------------------


def test_a_token_opens_by_either_scheme_word_in_any_case(serve: Serve) -> None:
    client = serve(mine)
    for word in ("Token", "token", "TOKEN", "Bearer", "bearer"):
        answer = client.get("/mine/", headers={"Authorization": f"{word} {ANNS}"})
        assert (answer.status, answer.json()) == (200, {"email": "ann@example.com"})


@pytest.mark.parametrize(
    ("authorization", "status", "text"),
    [
        (None, 403, "Authentication credentials were not provided."),
        ("", 403, "Authentication credentials were not provided."),
        ("Basic YTpi", 403, "Authentication credentials were not provided."),
        ("Token", 401, "Invalid token header. No credentials provided."),
        ("Token a b", 401, "Invalid token header. Token string should not contain spaces."),
        ("Token " + "c" * 40, 401, "Invalid token"),
        ("Token nonsense", 401, "Invalid token"),
        ("Token \xff\x00", 401, "Invalid token"),
    ],
)
def test_every_way_of_having_no_token_has_its_answer(
    serve: Serve, authorization: str | None, status: int, text: str
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = serve(mine).get("/mine/", headers=headers)
    assert (answer.status, answer.json()) == (status, {"detail": text})
    assert "www-authenticate" not in answer.headers


def test_a_disabled_owner_is_nobody(serve: Serve, straw: Straw) -> None:
    straw.tokens.failure = AccountDisabled("ann@example.com")
    client = serve(mine, maybe)
    assert client.get("/mine/", token=ANNS).status == 403
    assert client.get("/maybe/", token=ANNS).json() == "nobody"


def test_a_device_that_is_to_be_wiped_is_told_so(serve: Serve, straw: Straw) -> None:
    straw.tokens.failure = DeviceWiped("STOLEN")
    answer = serve(mine).get("/mine/", token=ANNS)
    assert (answer.status, answer.json()) == (401, {"detail": "Device set to be remote wiped"})
    assert answer.headers["x-seafile-wiped"] == "true"


def test_a_blocked_device_learns_its_state_and_keeps_its_login(serve: Serve, straw: Straw) -> None:
    straw.tokens.failure = DeviceBlocked("LOST", "This device has been reported lost.")
    answer = serve(mine).get("/mine/", token=ANNS)
    assert answer.status == 403
    assert answer.json() == {"error_msg": "This device has been reported lost.", "device_status": "LOST"}
    assert answer.headers["x-device-status"] == "LOST"


def test_an_admitted_device_is_warned_in_a_header(serve: Serve, straw: Straw) -> None:
    straw.tokens.status = "NON_COMPLIANT"
    answer = serve(mine).get("/mine/", token=ANNS)
    assert (answer.status, answer.headers["x-device-status"]) == (200, "NON_COMPLIANT")


def test_routes_for_suspended_devices_let_them_in(serve: Serve, straw: Straw) -> None:
    @route("POST", "/out/", operation="out", action=Marker.OWN_ACCOUNT, auth=TOKEN, allow_suspended=True)
    def log_out(_request: ApiRequest) -> str:
        return "bye"

    straw.tokens.failure = DeviceBlocked("LOST", "This device has been reported lost.")
    assert serve(log_out).post("/out/", token=ANNS).json() == "bye"


def test_the_use_of_a_token_is_noted_with_address_and_versions(serve: Serve, straw: Straw) -> None:
    headers = {"X-Seafile-Client-Version": "9.0.5", "X-Seafile-Platform-Version": "12"}
    serve(mine).get("/mine/", token=ANNS, headers=headers)
    assert straw.tokens.touched == [("192.0.2.7", "9.0.5", "12")]


def test_a_public_route_does_not_even_look_at_a_bad_token(serve: Serve) -> None:
    assert serve(open_to_all).get("/open/", headers={"Authorization": "Token nonsense"}).json() == "pong"


def test_administrators_only_means_a_refusal_before_anything_is_looked_at(serve: Serve) -> None:
    client = serve(staff)
    assert client.get("/staff/", token=STAFF_TOKEN).json() == "welcome"
    answer = client.get("/staff/", token=ANNS)
    assert answer.status == 403
    assert answer.json() == {"detail": "You do not have permission to perform this action."}


# -- throttles --------------------------------------------------------------------------------------------


def test_callers_are_counted_by_account_and_strangers_by_address(serve: Serve, straw: Straw) -> None:
    client = serve(mine, open_to_all, maybe)
    client.get("/mine/", token=ANNS)
    client.get("/open/")
    client.get("/maybe/")
    client.get("/maybe/", token=ANNS)
    assert straw.throttle.addresses == {"192.0.2.7"}
    assert straw.throttle.hits == [("user", 7), ("ping", "192.0.2.7"), ("anon", "192.0.2.7")]


def test_a_refused_token_is_not_counted(serve: Serve, straw: Straw) -> None:
    serve(mine).get("/mine/")
    assert straw.throttle.hits == []


@pytest.mark.parametrize(("seconds", "words"), [(39, "39 seconds."), (1, "1 second.")])
def test_who_asks_too_often_learns_when_to_come_back(
    serve: Serve, straw: Straw, seconds: int, words: str
) -> None:
    straw.throttle.refuse_seconds = seconds
    answer = serve(open_to_all).get("/open/")
    assert answer.status == 429
    assert answer.json() == {"detail": f"Request was throttled. Expected available in {words}"}
    assert answer.headers["retry-after"] == str(seconds)


# -- verbs and paths --------------------------------------------------------------------------------------


def test_an_unknown_path_is_not_found(serve: Serve) -> None:
    answer = serve(open_to_all).get("/nowhere/")
    assert (answer.status, answer.json()) == (404, {"detail": "Not found."})


def test_a_wrong_verb_names_the_right_ones(serve: Serve) -> None:
    answer = serve(open_to_all).request("PATCH", "/open/")
    assert (answer.status, answer.json()) == (405, {"detail": 'Method "PATCH" not allowed.'})
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


def test_a_handler_may_serve_several_operations_of_one_path(serve: Serve) -> None:
    @route("PUT", "/file/", operation="lock", action=Marker.ANYONE, auth=PUBLIC, throttle=None)
    @route("PUT", "/file/", operation="unlock", action=Marker.ANYONE, auth=PUBLIC, throttle=None)
    def change(request: ApiRequest) -> str:
        return request.route.operation

    assert serve(change).put("/file/").json() == "lock"


def test_options_describes_what_is_there(serve: Serve) -> None:
    answer = serve(open_to_all).request("OPTIONS", "/open/")
    assert answer.status == 200
    assert answer.json() == {
        "name": "Open",
        "description": "Answer anybody.",
        "renders": ["application/json"],
        "parses": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
    }


def test_head_answers_with_the_length_that_get_would_have(serve: Serve) -> None:
    answer = serve(open_to_all).request("HEAD", "/open/")
    assert (answer.status, answer.headers["content-length"]) == (200, "6")


def test_every_answer_carries_an_id_of_its_own(serve: Serve) -> None:
    client = serve(open_to_all)
    ids = {client.get(path).headers["x-request-id"] for path in ("/open/", "/open/", "/nowhere/")}
    assert len(ids) == 3


# -- negotiation ------------------------------------------------------------------------------------------


def test_accept_may_ask_for_indented_json(serve: Serve) -> None:
    answer = serve(mine).get("/mine/", token=ANNS, headers={"Accept": "application/json; indent=4"})
    assert answer.body == b'{\n    "email": "ann@example.com"\n}'
    assert answer.headers["content-type"] == "application/json"


def test_a_form_that_we_do_not_have_is_refused_before_the_token_is_looked_at(serve: Serve) -> None:
    client = serve(mine)
    answer = client.get("/mine/", headers={"Accept": "application/xml"})
    assert answer.status == 406
    assert answer.json() == {"detail": "Could not satisfy the request Accept header."}
    assert client.get("/mine/?format=xml", token=ANNS).json() == {"detail": "Not found."}
    assert client.get("/mine/?format=json", token=ANNS, headers={"Accept": "application/xml"}).status == 200


# -- parameters and bodies --------------------------------------------------------------------------------


def test_parameters_are_read_where_the_verb_carries_them_and_else_in_the_other_place(serve: Serve) -> None:
    client = serve(echo)
    assert client.post("/echo/?p=q", form={"p": "b"}).json() == {"p": "b", "all": ["b"], "query": "q"}
    assert client.post("/echo/?p=q").json() == {"p": "q", "all": ["q"], "query": "q"}
    assert client.delete("/echo/?p=q", form={"p": "b"}).json()["p"] == "q"
    assert client.delete("/echo/", form={"p": ["a", "b"]}).json() == {
        "p": "b",
        "all": ["a", "b"],
        "query": None,
    }


def test_a_body_is_parsed_only_when_it_is_looked_at(serve: Serve) -> None:
    client = serve(echo, deaf)
    broken = {"headers": {"Content-Type": "application/json"}, "body": b"{"}
    assert client.post("/deaf/", **broken).json() == "heard nothing"
    answer = client.post("/echo/", **broken)
    assert answer.status == 400
    assert answer.json()["detail"].startswith("JSON parse error - ")


@pytest.mark.parametrize("body", [b"p=" + b"x" * 99, [b"p=" + b"x" * 60, b"x" * 60, b"x"]])
def test_a_body_above_the_limit_is_refused_announced_or_not(serve: Serve, body: Any) -> None:
    answer = serve(echo).post(
        "/echo/", body=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert (answer.status, answer.json()) == (413, {"detail": "Request body is too large."})
    assert answer.headers["connection"] == "close"
    assert answer.complete


def test_a_caller_that_hangs_up_within_its_body_gets_no_answer(serve: Serve) -> None:
    assert serve(echo).post("/echo/", body=[b"p=1"], disconnect=True).status == 0


def test_a_body_in_pieces_is_put_together(serve: Serve) -> None:
    answer = serve(echo).post(
        "/echo/", body=[b"p=", b"a%2", b"Fb"], headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.json()["p"] == "a/b"


# -- errors and URLs --------------------------------------------------------------------------------------


def test_errors_become_the_answers_of_the_surface(serve: Serve) -> None:
    failures = {
        "library": LibraryNotFound("7460f7ac"),
        "quota": QuotaExceeded("ann@example.com", 10),
        "api": ApiError(441, "no magic", extra={"why": 1}, headers={"X-Why": "magic"}),
    }

    @route("GET", "/fail/{how}/", operation="fail", action=Marker.ANYONE, auth=PUBLIC, throttle=None)
    def fail(request: ApiRequest) -> None:
        raise failures[request.path_params["how"]]

    client = serve(fail)
    library, quota, api = (client.get(f"/fail/{how}/") for how in failures)
    assert (library.status, library.json()) == (404, {"error_msg": "Library 7460f7ac not found."})
    assert (quota.status, quota.json()) == (443, {"error_msg": "Out of quota."})
    assert (api.status, api.json()) == (441, {"error_msg": "no magic", "why": 1})
    assert api.headers["x-why"] == "magic"


def test_a_mistake_in_a_handler_is_left_to_the_composition_root(serve: Serve) -> None:
    @route("GET", "/wrong/", operation="wrong", action=Marker.ANYONE, auth=SESSION)
    def wrong(_request: ApiRequest) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        serve(wrong).get("/wrong/", token=ANNS)


def test_absolute_urls_follow_the_host_header_unless_it_is_odd_or_the_address_is_set(
    serve: Serve, straw: Straw
) -> None:
    @route("GET", "/where/", operation="where", action=Marker.ANYONE, auth=PUBLIC, throttle=None)
    def where(request: ApiRequest) -> Reply:
        return Reply("here", 201, {"Location": request.absolute_url("/f/Käse brot.txt")})

    client = serve(where)
    path = "/f/K%C3%A4se%20brot.txt"
    assert client.get("/where/").headers["location"] == f"http://files.example.com{path}"
    odd = client.get("/where/", headers={"Host": "evil/?x=\\"})
    assert odd.headers["location"] == f"http://127.0.0.1:8000{path}"
    straw.settings.public_url = "https://cloud.example.org/base"
    assert client.get("/where/").headers["location"] == f"https://cloud.example.org/base{path}"


@pytest.mark.parametrize(
    ("shapes", "headers", "expected"),
    [
        ("auto", {}, False),
        ("auto", {"X-Seafile-Client-Version": "9.0"}, True),
        ("manual", {"X-Seafile-Client-Version": "9.0"}, False),
        ("seahub", {}, True),
    ],
)
def test_seafile_applications_get_the_reference_servers_shapes(
    serve: Serve, straw: Straw, shapes: str, headers: dict[str, str], expected: bool
) -> None:
    @route("GET", "/shape/", operation="shape", action=Marker.ANYONE, auth=PUBLIC, throttle=None)
    def shape(request: ApiRequest) -> bool:
        return request.wants_reference_shape

    straw.settings.response_shapes = shapes
    assert serve(shape).get("/shape/", headers=headers).json() is expected


# -- surfaces with errors of their own --------------------------------------------------------------------


@route("GET", "/own/{thing}/", operation="own", action=Marker.ANYONE, auth=PUBLIC, surface="own")
def own(_request: ApiRequest) -> str:
    raise ApiError(418, "short and stout")


@route(
    "POST", "/own/", operation="own", action=Marker.ANYONE, auth=PUBLIC, surface="own", body_limit_bytes=10
)
def own_post(_request: ApiRequest) -> str:
    return "taken"


def _own_error(error: ApiError, scope: Any) -> Reply:
    return Reply({"own": error.status, "path": scope["path"]}, error.status, error.headers)


OWN = Surface(
    "own",
    domain_error=lambda _request, _error: Reply(None, 500),
    internal_error=Reply(None, 500),
    negotiated_error=_own_error,
    prefixes=("/own/", "/*/own/"),
)


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "/own/pot", 418),
        ("PUT", "/own/pot", 405),
        ("GET", "/own/a/b", 404),
        ("GET", "/any/own/", 404),
    ],
)
def test_a_surface_words_what_the_kernel_refuses_below_its_prefixes(
    straw: Straw, verb: str, path: str, status: int
) -> None:
    application = Application(cast(Services, straw), [*routes_of(own), *routes_of(own_post)], {"own": OWN})
    with Client(application) as client:
        answer = client.request(verb, path)
        assert (answer.status, answer.json()) == (status, {"own": status, "path": path})
        assert client.get("/elsewhere/").json() == {"detail": "Not found."}
        assert client.get("/any/thing/own/").json() == {"detail": "Not found."}


def test_a_surface_words_bodies_that_are_too_large_and_mistakes(straw: Straw) -> None:
    application = Application(cast(Services, straw), routes_of(own_post), {"own": OWN})
    with Client(application) as client:
        answer = client.post("/own/", body=b"x" * 11)
        assert (answer.status, answer.json()["own"]) == (413, 413)
    scope = {"method": "POST", "raw_path": b"/own/", "path": "/own/"}
    assert json.loads(application.internal_error(scope).body) == {"own": 500, "path": "/own/"}


# -- where handlers run -----------------------------------------------------------------------------------


@route("GET", "/quick/", operation="quick", action=Marker.OWN_ACCOUNT, auth=TOKEN, pool="loop")
def quick(_request: ApiRequest) -> str:
    return threading.current_thread().name


def test_a_quick_handler_runs_on_the_event_loop_where_reads_do_not_wait(serve: Serve) -> None:
    assert serve(quick).get("/quick/", token=ANNS).json() == threading.current_thread().name


def test_a_quick_handler_runs_in_a_thread_where_reads_go_over_a_network(serve: Serve, straw: Straw) -> None:
    straw.db.dialect = "postgresql"
    assert serve(quick).get("/quick/", token=ANNS).json() == "api-0"


def test_a_quick_handler_that_would_wait_for_the_disk_starts_again_in_a_thread(
    serve: Serve, straw: Straw, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touch(_session: object, *_seen: str) -> None:
        if threading.current_thread() is threading.main_thread():
            raise WouldBlock
        touched.append(1)

    touched: list[int] = []
    monkeypatch.setattr(straw.tokens, "touch", touch)
    assert serve(quick).get("/quick/", token=ANNS).json() == "api-0"
    assert (touched, straw.throttle.hits) == ([1], [("user", 7)])
