from __future__ import annotations

import base64
import gzip
import time
from typing import Any

import pytest

from seafleet.accounts import Throttle
from tests.api.devicemagic.conftest import Caller, texts, xml
from tests.support.registry import ORIGIN

DENIED = {"error": "HTTP Basic: Access denied."}
BOMB = (
    '<!DOCTYPE d [<!ENTITY a0 "ha">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    + "]><device><owner>&a11;</owner></device>"
)


@pytest.fixture
def number(caller: Caller) -> int:
    """A laptop."""
    return caller.site.laptop(caller.tenant)[1].id


# -- callers -------------------------------------------------------------------------------------------------


def test_the_token_is_the_name_and_the_password_is_anything(caller: Caller) -> None:
    for password in ("x", "", "anything: at all", "ü"):
        assert caller.get("/devices", auth=(caller.tenant.token, password)).status_code == 200


def test_whoever_shows_no_good_token_is_refused_alike(caller: Caller, number: int) -> None:
    token = caller.tenant.token
    person, _, client = caller.site.laptop(caller.tenant)
    encoded = base64.b64encode(token.encode()).decode()
    headers = [
        {},
        {"Authorization": ""},
        {"Authorization": f"Token {token}"},
        {"Authorization": f"Bearer {token}"},
        {"Authorization": f"Token {client.token}"},
        {"Authorization": f"Basic {token}"},
        {"Authorization": f"Basic {encoded}"},
        {"Authorization": "Basic ???"},
    ]
    for path in ("/devices", f"/devices/{number}", "/groups"):
        for sent in headers:
            answer = caller.get(f"{path}?token={token}&api_token={token}", headers=sent, auth=None)
            assert (answer.status_code, answer.json()) == (401, DENIED), sent
            assert answer.headers["www-authenticate"] == 'Basic realm="Device Magic API"'
        for pair in (
            ("x", token),
            (token.upper(), "x"),
            (token + " ", "x"),
            person.basic,
            (client.token, "x"),
        ):
            assert caller.get(path, auth=pair).status_code == 401


def test_refusals_follow_the_format(caller: Caller) -> None:
    answer = caller.get("/devices.xml", auth=None)
    assert (answer.status_code, texts(xml(answer), "error")) == (401, [DENIED["error"]])
    other = Caller(caller.site, caller.site.tenant())
    answer = other.get("/devices", auth=(caller.tenant.token, "x"), headers={"Accept": "application/xml"})
    assert (answer.status_code, texts(xml(answer), "error")) == (403, ["Forbidden"])


def test_other_organizations_answer_alike_be_there_any_or_not(caller: Caller) -> None:
    other = caller.site.tenant()
    _, foreign, _ = caller.site.laptop(other)
    for organization in (other.id, 999_999, "x", f"0{caller.tenant.id}", f"{caller.tenant.id}.json", "²"):
        for method, path in (
            ("GET", "/devices"),
            ("GET", f"/devices/{foreign.id}"),
            ("PUT", f"/devices/{foreign.id}"),
            ("DELETE", f"/devices/{foreign.id}"),
            ("POST", f"/devices/{foreign.id}/approve"),
            ("GET", "/groups"),
            ("DELETE", "/groups/1"),
        ):
            there = f"/api/v2/organizations/{organization}{path}"
            answer = caller.site.request(method, there, auth=(caller.tenant.token, "x"))
            assert (answer.status_code, answer.json()) == (403, {"error": "Forbidden"})


def test_a_new_token_stops_the_old_one_at_once(caller: Caller) -> None:
    organizations = caller.site.registry.organizations
    old, caller.tenant.token = caller.tenant.token, organizations.make_token(caller.tenant.id, ORIGIN)
    assert caller.get("/devices").status_code == 200
    assert caller.get("/devices", auth=(old, "x")).status_code == 401
    organizations.delete_token(caller.tenant.id, ORIGIN)
    assert caller.get("/devices").status_code == 401


# -- formats -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        ("/devices", None, "json"),
        ("/devices", "*/*", "json"),
        ("/devices", "application/json", "json"),
        ("/devices", "application/xml", "xml"),
        ("/devices", "text/xml", "xml"),
        ("/devices", "application/json;q=0.5, text/xml;q=0.6", "xml"),
        ("/devices", "text/html, application/xml;q=0.9, */*;q=0.8", "xml"),
        ("/devices", "application/*", "json"),
        ("/devices", "*/*, application/json;q=0", "xml"),
        ("/devices.json", "application/xml", "json"),
        ("/devices.xml", "application/json", "xml"),
        ("/devices.xml", "text/csv", "xml"),
        ("/groups", "text/xml", "xml"),
    ],
)
def test_the_suffix_decides_and_then_accept(caller: Caller, path: str, accept: str | None, kind: str) -> None:
    headers = {} if accept is None else {"Accept": accept}
    answer = caller.get(path, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"application/{kind}; charset=utf-8"


@pytest.mark.parametrize("path", ["/devices", "/devices/1", "/groups"])
@pytest.mark.parametrize("accept", ["text/csv", "text/html", "application/json;q=0, image/png"])
def test_other_representations_are_not_acceptable(caller: Caller, path: str, accept: str) -> None:
    answer = caller.get(path, headers={"Accept": accept})
    assert (answer.status_code, answer.json()) == (406, {"error": "Not Acceptable"})


def test_without_a_wish_the_answer_has_the_form_of_the_body(caller: Caller, number: int) -> None:
    for kind in ("application/xml", "text/xml; charset=utf-8"):
        answer = caller.put(f"/devices/{number}", content="<device/>", headers={"Content-Type": kind})
        assert (answer.status_code, xml(answer).tag) == (202, "device")
    headers = {"Content-Type": "application/xml", "Accept": "application/json"}
    assert caller.put(f"/devices/{number}", content="<device/>", headers=headers).json()["id"] == number


# -- bodies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="broken"),
        pytest.param(b"{'owner': 'A'}", id="single quotes"),
        pytest.param(b'{"owner": "A",}', id="comma at the end"),
        pytest.param(b'{"owner": "A", "owner": "B"}', id="a key twice"),
        pytest.param(
            b'{"device": {"custom_attributes": {"a": "1", "\\u0061": "2"}}}', id="a key twice inside"
        ),
        pytest.param(b'{"a": ' + b"[" * 32 + b"]" * 32 + b"}", id="33 levels"),
        pytest.param(b"[" * 500_000, id="very deep"),
        pytest.param(b'{"owner": NaN}', id="not a number"),
        pytest.param('{"owner": "Ä"}'.encode("latin-1"), id="not UTF-8"),
        pytest.param('{"owner": "A"}'.encode("utf-16"), id="UTF-16"),
    ],
)
def test_what_is_no_json_is_malformed(caller: Caller, number: int, content: bytes) -> None:
    before = caller.json(f"/devices/{number}")
    for headers in ({"Content-Type": "application/json"}, {"Content-Type": ""}):
        answer = caller.put(f"/devices/{number}", content=content, headers=headers)
        if headers["Content-Type"] or not content.startswith(b"\xff"):
            assert (answer.status_code, answer.json()) == (400, {"error": "Malformed JSON"})
    assert caller.json(f"/devices/{number}") == before


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<device>", id="broken"),
        pytest.param(BOMB.encode(), id="an entity bomb"),
        pytest.param(
            b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><device><owner>&x;</owner></device>',
            id="an entity elsewhere",
        ),
        pytest.param(
            b'<!DOCTYPE d SYSTEM "http://192.0.2.1/d.dtd"><device/>', id="a document type elsewhere"
        ),
        pytest.param(b"<!DOCTYPE device><device/>", id="a document type"),
        pytest.param(b"<device><owner>&nbsp;</owner></device>", id="an unknown entity"),
        pytest.param(b"<device>" + b"<a>" * 32 + b"</a>" * 32 + b"</device>", id="33 levels"),
        pytest.param(b"<a>" * 300_000, id="very deep"),
        pytest.param(b"<device>" + b"<a/>" * 100_000 + b"</device>", id="many elements"),
        pytest.param("<device><owner>Ä</owner></device>".encode("latin-1"), id="not UTF-8"),
        pytest.param(b'<?xml version="1.0" encoding="UTF-7"?><device/>', id="UTF-7"),
        pytest.param(b"<device><owner>\x0b</owner></device>", id="a control character"),
        pytest.param(b'{"owner": "A"}', id="JSON"),
    ],
)
def test_what_is_no_plain_xml_is_malformed(caller: Caller, number: int, content: bytes) -> None:
    before = caller.json(f"/devices/{number}")
    started = time.monotonic()
    answer = caller.put_xml(f"/devices/{number}", content)
    assert (answer.status_code, texts(xml(answer), "error")) == (400, ["Malformed XML"])
    assert caller.put_xml(f"/devices/{number}.json", content).json() == {"error": "Malformed XML"}
    assert time.monotonic() - started < 10
    assert caller.json(f"/devices/{number}") == before


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("<device><owner>Änne</owner></device>".encode(), "application/xml"),
        ("<device><owner>Änne</owner></device>".encode("latin-1"), "text/xml; charset=ISO-8859-1"),
        (
            '<?xml version="1.0" encoding="ISO-8859-1"?><device><owner>Änne</owner></device>'.encode(
                "latin-1"
            ),
            "",
        ),
        ("<device><owner>Änne</owner></device>".encode("utf-16"), ""),
        (b" \n<device><owner>&#196;nne</owner></device>", ""),
        (b"\xef\xbb\xbf" + '{"owner": "Änne"}'.encode(), ""),
        (b'\n {"device": {"owner": "\\u00c4nne"}}', ""),
    ],
)
def test_encodings_and_bodies_without_a_type_are_understood(
    caller: Caller, number: int, content: bytes, kind: str
) -> None:
    answer = caller.put(f"/devices/{number}.json", content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json().get("owner")) == (202, "Änne")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json"]
)
def test_other_types_of_bodies_are_not_supported(caller: Caller, number: int, kind: str) -> None:
    answer = caller.put(f"/devices/{number}", content=b"owner=A", headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()) == (415, {"error": "Unsupported Media Type"})
    assert caller.request("POST", "/groups", content=b"x", headers={"Content-Type": kind}).status_code == 415


def body_of(size: int, opening: bytes, closing: bytes) -> bytes:
    return opening + b"x" * (size - len(opening) - len(closing)) + closing


@pytest.mark.parametrize(
    ("suffix", "kind", "frame"),
    [
        (".json", "application/json", (b'{"anything": "', b'"}')),
        (".xml", "application/xml", (b"<device><anything>", b"</anything></device>")),
    ],
)
def test_bodies_hold_a_mebibyte_and_no_more(
    caller: Caller, number: int, suffix: str, kind: str, frame: tuple[bytes, bytes]
) -> None:
    headers = {"Content-Type": kind}
    path = f"/devices/{number}{suffix}"
    assert caller.put(path, content=body_of(1 << 20, *frame), headers=headers).status_code == 202
    answer = caller.put(path, content=body_of((1 << 20) + 1, *frame), headers=headers)
    text = "Request body is too large"
    found: Any = answer.json()["error"] if suffix == ".json" else xml(answer).findtext("error")
    assert (answer.status_code, found) == (400, text)
    chunks = (b" " * 65_536 for _ in range(17))
    assert caller.put(path, content=chunks, headers=headers).status_code == 400


def test_compressed_bodies_are_not_unpacked(caller: Caller, number: int) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = caller.put(f"/devices/{number}", content=gzip.compress(b'{"owner": "A"}'), headers=headers)
    assert (answer.status_code, answer.json()) == (400, {"error": "Malformed JSON"})


def test_an_unknown_device_is_told_before_the_body_is_read(caller: Caller) -> None:
    answer = caller.put("/devices/99999", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 404


def test_a_query_that_cannot_be_read_is_refused(caller: Caller) -> None:
    for path in ("/devices", "/groups"):
        answer = caller.get(f"{path}?items=%ff")
        assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_callers_who_come_too_often_are_told_to_wait(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    services = caller.site.server.services
    monkeypatch.setattr(services, "throttle", Throttle(services.clock, limits={"user": 2, "anon": 1}))
    assert [caller.get("/devices").status_code for _ in range(3)] == [200, 200, 429]
    answer = caller.get("/groups.xml")
    assert (answer.status_code, texts(xml(answer), "error")) == (429, ["Too Many Requests"])
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert [caller.get("/groups", auth=("x", "x")).status_code for _ in range(2)] == [401, 429]
