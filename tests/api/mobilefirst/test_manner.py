"""Who may call, below which root, in which media type and language."""

from __future__ import annotations

from dataclasses import replace
from string import Formatter
from typing import Any

import httpx
import pytest

from seafleet.accounts import Throttle
from seafleet.accounts.login import LoginLimits
from seafleet.api.mobilefirst.messages import _CATALOG, LANGUAGES, language_of, message
from seafleet.devices.clients import ROLES
from tests.api.mobilefirst.conftest import BASE, Caller, details, xml
from tests.support.registry import PASSWORD


def reads(caller: Caller) -> list[httpx.Response]:
    """Send every call that only looks."""
    transactions = caller.get("/transactions")
    return [
        caller.get("/devices"),
        caller.get(""),
        transactions,
        caller.call("GET", "/runtimes"),
        caller.call("GET", "/audit"),
    ]


def writes(caller: Caller, uid: str) -> list[httpx.Response]:
    """Send every call that changes something, the last one removes the device."""
    return [
        caller.request("PUT", f"/devices/{uid}", json={"status": "LOST"}),
        caller.request("PUT", f"/devices/{uid}/applications/seafile-desktop", json={"status": "ENABLED"}),
        caller.request("DELETE", f"/devices/{uid}"),
    ]


@pytest.mark.parametrize("role", ROLES)
def test_every_role_may_look_and_all_but_the_monitor_may_change(caller: Caller, role: str) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    other = caller.with_role(role)
    assert {answer.status_code for answer in reads(other)} == {200}
    expected = 403 if role == "mfpmonitor" else 200
    assert {answer.status_code for answer in writes(other, device.uid)} == {expected}
    if role == "mfpmonitor":
        assert details(writes(other, device.uid)[0]) == "The user is not authorized to call this service."
        assert caller.status(device) == "ACTIVE"


def test_administrators_may_do_everything(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    admin = replace(caller, person=caller.site.person(None, "admin", is_staff=True))
    assert {answer.status_code for answer in [*reads(admin), *writes(admin, device.uid)]} == {200}


def test_a_role_everywhere_is_one_in_each_runtime(caller: Caller) -> None:
    person = caller.site.person(caller.tenant)
    caller.site.grant(person, "mfpdeployer", "*")
    here, there = (Caller(caller.site, tenant, person) for tenant in (caller.tenant, caller.site.tenant()))
    assert [each.get("/devices").status_code for each in (here, there)] == [200, 200]
    names = [project["name"] for project in here.call("GET", "/runtimes").json()["projects"]]
    assert {here.tenant.runtime, there.tenant.runtime, "mfp"} <= set(names)


def test_who_has_no_role_learns_nothing(caller: Caller) -> None:
    nobody = caller.with_role()
    organization = replace(caller.tenant.organization, runtime="nope")
    nowhere = replace(nobody, tenant=replace(caller.tenant, organization=organization))
    answers = [*reads(nobody), *writes(nobody, "x"), nowhere.get("/devices"), *writes(nowhere, "x")]
    assert {answer.status_code for answer in answers} == {403}


def test_runtimes_of_others_are_as_those_that_do_not_exist(caller: Caller) -> None:
    other = caller.site.tenant()
    _, device, _ = caller.site.laptop(other)
    for name in (other.runtime, "nope", "*", "a b", "ü", "%2A"):
        for path in ("", "/devices", "/transactions", "/transactions/1"):
            answer = caller.call("GET", f"/runtimes/{name}{path}")
            assert answer.status_code == 404
            assert details(answer).endswith("was not found or is not running.")
        answer = caller.call("PUT", f"/runtimes/{name}/devices/{device.uid}", json={"status": "LOST"})
        assert answer.status_code == 404
    names = [project["name"] for project in caller.call("GET", "/runtimes?mode=db").json()["projects"]]
    assert names == [caller.tenant.runtime]


def test_a_monitor_here_is_refused_even_if_he_operates_elsewhere(caller: Caller) -> None:
    monitor = caller.with_role("mfpmonitor")
    elsewhere = caller.site.tenant()
    caller.site.grant(monitor.person, "mfpoperator", elsewhere.runtime)
    assert {answer.status_code for answer in writes(monitor, "x")} == {403}
    assert monitor.get("/devices").status_code == 200


def test_whoever_shows_no_good_password_is_refused_alike(caller: Caller) -> None:
    person = caller.person
    off = caller.with_role("mfpoperator").person
    assert caller.get("/devices", auth=off.basic).status_code == 200
    caller.site.server.services.accounts.set_active(off.account, False)
    for auth in (None, (person.email, "wrong"), ("nobody@example.org", PASSWORD), ("", ""), off.basic):
        for method, path in (("GET", "/devices"), ("PUT", "/devices/x"), ("GET", "")):
            answer = caller.request(method, path, auth=auth, json={})
            assert (answer.status_code, details(answer)) == (
                401,
                "The user name or the password is missing or wrong.",
            )
            assert answer.headers["www-authenticate"] == 'Basic realm="MobileFirst administration"'
        assert caller.call("GET", "/audit", auth=auth).status_code == 401
    token = caller.site.login(person).token
    for header in (f"Token {token}", f"Basic {token}", f"Bearer {token}"):
        answer = caller.get("/devices", auth=None, headers={"Authorization": header})
        assert answer.status_code == 401
    assert caller.get("/devices", auth=(caller.tenant.token, "x")).status_code == 401


def test_login_ids_and_addresses_in_any_case_name_the_caller(caller: Caller) -> None:
    person = caller.site.person(caller.tenant, "Ines", login_id="ines-login")
    caller.site.grant(person, "mfpmonitor", caller.tenant.runtime)
    for name in (person.email, person.email.upper(), "ines-login"):
        assert caller.get("/devices", auth=(name, PASSWORD)).status_code == 200


def test_guessing_is_slowed_down(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    services = caller.site.server.services
    monkeypatch.setattr(services.accounts._login, "_limits", LoginLimits(max_failures=2))
    person = caller.with_role("mfpmonitor").person
    assert [caller.get("/devices", auth=(person.email, "wrong")).status_code for _ in range(2)] == [401, 401]
    answer = caller.get("/devices", auth=(person.email, "wrong"))
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 600
    assert details(answer) == "There were too many requests. Try again later."
    monkeypatch.setattr(services, "throttle", Throttle(services.clock, limits={"anon": 1, "user": 1}))
    names = [("a@example.org", "x"), ("b@example.org", "x")]
    assert [caller.get("/devices", auth=auth).status_code for auth in names] == [401, 429]
    assert [caller.get("/devices").status_code for _ in range(2)] == [200, 429]


# -- roots ---------------------------------------------------------------------------------------------------


def test_the_context_root_is_a_setting_and_may_be_left_out(caller: Caller) -> None:
    def statuses() -> list[int]:
        roots = ("/mfpadmin/management-apis/2.0", "/worklight-1/management-apis/2.0", "/management-apis/2.0")
        return [replace(caller, base=root).get("/devices").status_code for root in roots]

    assert statuses() == [200, 404, 200]
    caller.site.set(mobilefirst_context_root="worklight-1")
    try:
        assert statuses() == [404, 200, 200]
        assert (
            replace(caller, base="/mfpadmin/management-apis/2.0").get("/devices", auth=None).status_code
            == 404
        )
        project = caller.site.request(
            "GET", "/worklight-1/management-apis/2.0/runtimes", auth=caller.person.basic
        )
        link = project.json()["projects"][0]["link"]
        assert link.startswith(f"{caller.site.server.url}/worklight-1/management-apis/2.0/runtimes/")
        assert caller.site.request("GET", link, auth=caller.person.basic).status_code == 200
    finally:
        caller.site.set(mobilefirst_context_root="mfpadmin")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/runtimes/mfp/devices", {"GET", "HEAD"}),
        ("GET", "/runtimes/mfp/devices/x", {"PUT", "DELETE"}),
        ("DELETE", "/runtimes/mfp/devices/x/applications/y", {"PUT"}),
        ("DELETE", "/runtimes/mfp", {"GET", "HEAD"}),
        ("PATCH", "/audit", {"GET", "HEAD"}),
    ],
)
def test_other_verbs_are_refused_with_those_that_there_are(
    caller: Caller, method: str, path: str, allowed: set[str]
) -> None:
    answer = caller.call(method, path + "?locale=de")
    assert (answer.status_code, details(answer)) == (405, "Diese Methode ist hier nicht zulässig.")
    assert set(answer.headers["allow"].split(", ")) - {"OPTIONS"} == allowed


def test_what_is_not_served_is_not_found_in_this_manner(caller: Caller) -> None:
    for path in ("/runtimes/mfp/applications", "/runtimes/mfp/adapters", "/push", "/keystore", "/farm"):
        answer = caller.call("GET", path, headers={"Accept": "text/xml"})
        assert answer.status_code == 404
        assert xml(answer, "text/xml").tag == "error-result"
    assert caller.site.request("GET", "/management-apis/1.0/x").json()["productVersion"] == "8.0"


# -- media types ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/xml", "application/xml"),
        ("text/xml", "text/xml"),
        ("text/*", "text/xml"),
        ("application/json;q=0.2, text/xml;q=0.4, application/xml;q=0.3", "text/xml"),
        ("text/html, application/xml;q=0.9, */*;q=0.8", "application/xml"),
    ],
)
def test_accept_decides_the_media_type(caller: Caller, accept: str | None, kind: str) -> None:
    headers = {} if accept is None else {"Accept": accept}
    for path in ("/devices", "", "/transactions", "/devices?pageSize=0"):
        answer = caller.get(path, headers=headers)
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
        assert answer.headers["content-language"] == "en"


@pytest.mark.parametrize("accept", ["text/html", "text/csv", "application/json;q=0"])
def test_other_media_types_are_not_acceptable(caller: Caller, accept: str) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    for answer in (
        caller.get("/devices", headers={"Accept": accept}),
        caller.put(device, "LOST", headers={"Accept": accept}),
    ):
        assert answer.status_code == 406
        assert "application/json, application/xml and text/xml" in details(answer)
    assert caller.status(device) == "ACTIVE"


def test_errors_in_xml_have_their_documented_form(caller: Caller) -> None:
    answer = caller.get("/devices?pageSize=0&locale=fr", headers={"Accept": "application/xml"})
    root = xml(answer)
    assert (root.tag, dict(root.attrib)) == ("error-result", {"ok": "false", "productVersion": "8.0"})
    [error] = root.findall("errors/error")
    assert error.get("details") == 'La valeur du paramètre "pageSize" n\'est pas valide.'


# -- languages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("de_DE", "de"),
        ("de-DE", "de"),
        ("de", "de"),
        ("DE", "de"),
        ("fr_FR", "fr"),
        ("es-419", "es"),
        ("en_US", "en"),
        ("de_DE_1996", "de"),
        ("xx_YY", "en"),
        ("", "en"),
        ("deutsch", "en"),
        ("de/../x", "en"),
        ("\u00e4", "en"),
    ],
)
def test_the_locale_chooses_the_language_of_errors(caller: Caller, locale: str, language: str) -> None:
    answer = caller.call("GET", "/runtimes/nope/devices", params={"locale": locale})
    assert (answer.status_code, answer.headers["content-language"]) == (404, language)
    assert details(answer) == message("runtime_not_found", language, {"runtime": "nope"})
    assert language_of(locale) == language


def test_names_and_words_are_never_translated(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    answer = caller.put(device, "LOST", params={"locale": "de"})
    assert answer.json()["transaction"]["status"] == "SUCCESS"
    assert answer.headers["content-language"] == "de"


@pytest.mark.parametrize("key", sorted(_CATALOG))
def test_every_message_exists_in_every_language_with_the_same_places(key: str) -> None:
    texts = _CATALOG[key]
    assert len(texts) == len(LANGUAGES) == len(set(texts))
    places = [sorted(str(name) for _, name, _, _ in Formatter().parse(text) if name) for text in texts]
    assert places == [places[0]] * len(LANGUAGES)


def test_braces_in_what_is_filled_in_stay(caller: Caller) -> None:
    answer = caller.request("DELETE", "/devices/{runtime}%7B0%7D")
    assert details(answer) == 'The device "{runtime}{0}" was not found.'


def test_a_query_that_cannot_be_read_is_refused(caller: Caller) -> None:
    for path in ("/runtimes?mode=%ff", "/audit?fromDate=%ff"):
        answer = caller.call("GET", path)
        assert (answer.status_code, details(answer)) == (400, "The query of the address is malformed.")


def test_a_mistake_of_the_program_is_told_in_this_manner(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(caller.site.registry.listing, "page", fail)
    answer = caller.get("/devices?locale=es", headers={"Accept": "text/xml"})
    assert answer.status_code == 500
    [error] = xml(answer, "text/xml").findall("errors/error")
    assert error.get("details") == "Se ha producido un error interno."
    assert BASE in caller.root
