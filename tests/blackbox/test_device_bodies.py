"""Hostile bodies for every call of the device APIs that reads one: refused as the caller's mistake, in time,
and nothing is done.

Source: device registry §11; Device Magic devices §3; MobileFirst devices §2; MetaAccess devices §2.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
import pytest

from seafleet.api.kernel.routes import Route
from seafleet.api.registry import all_routes
from tests.conformance.site import HWID, Site, copied, make_template

SURFACES: Final = ("devicemagic", "mobilefirst", "metaaccess", "device_registry", "device_agent")
# What these do is all in the address; they read no body.
BODILESS: Final = (
    "agent-ping",
    "device-magic-approve-device",
    "metaaccess-delete-device",
    "metaaccess-one-device-action",
    "registry-make-api-token",
)
FORMS: Final = ("oauth-token",)
LONGEST_SECONDS: Final = 20.0
TOO_LARGE: Final = "more than a mebibyte"

JSON: Final[Mapping[str, bytes]] = {
    "broken": b"{",
    "single quotes": b"{'a': 1}",
    "a comma at the end": b'{"a": 1,}',
    "a key twice": b'{"a": 1, "a": 1}',
    "a key twice inside": b'{"x": {"a": 1, "\\u0061": 2}}',
    "33 levels": b'{"a": ' + b"[" * 32 + b"]" * 32 + b"}",
    "very deep": b"[" * 400_000,
    "very deep objects": b'{"a":' * 100_000,
    "not a number": b'{"a": NaN}',
    "infinity": b'{"a": Infinity}',
    "not UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": "x"}'.encode("utf-16"),
    TOO_LARGE: b'{"a": "' + b"x" * (1 << 20) + b'"}',
    "XML": b"<a/>",
}
_BOMB: Final = (
    '<!DOCTYPE d [<!ENTITY a0 "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))
    + "]><device><owner>&a9;</owner></device>"
)
XML: Final[Mapping[str, bytes]] = {
    "broken": b"<device>",
    "an entity bomb": _BOMB.encode(),
    "an entity bomb in UTF-16": _BOMB.encode("utf-16"),
    "a quadratic bomb": b'<!DOCTYPE d [<!ENTITY a "' + b"a" * 9000 + b'">]><d>' + b"&a;" * 9000 + b"</d>",
    "an entity elsewhere": (
        b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><device><owner>&x;</owner></device>'
    ),
    "a parameter entity": b'<!DOCTYPE d [<!ENTITY % x SYSTEM "http://192.0.2.1/x"> %x;]><device/>',
    "a document type elsewhere": b'<!DOCTYPE d SYSTEM "http://192.0.2.1/d.dtd"><device/>',
    "a document type": b"<!DOCTYPE device><device/>",
    "an unknown entity": b"<device><owner>&nbsp;</owner></device>",
    "33 levels": b"<device>" + b"<a>" * 32 + b"</a>" * 32 + b"</device>",
    "very deep": b"<a>" * 300_000,
    "an attribute twice": b'<device a="1" a="2"/>',
    "more than a mebibyte": b"<device><a>" + b"x" * (1 << 20) + b"</a></device>",
    "not UTF-8": b"<device><owner>\xff</owner></device>",
    "an encoding that nobody has": b'<?xml version="1.0" encoding="x-none"?><device/>',
    "an encoding that is another one": b'<?xml version="1.0" encoding="UTF-16"?><device/>',
    "UTF-7": b'<?xml version="1.0" encoding="UTF-7"?><device/>',
    "a control character": b"<device><owner>\x0b</owner></device>",
    "a character that is none": b"<device><owner>&#0;</owner></device>",
    "JSON": b'{"owner": "A"}',
}


def _takes_body(route: Route) -> bool:
    return route.surface in SURFACES and route.verb in ("POST", "PUT", "PATCH")


ROUTES: Final = [route for route in all_routes() if _takes_body(route)]
READERS: Final = [route for route in ROUTES if route.operation not in (*BODILESS, *FORMS)]
XML_READERS: Final = [
    route for route in READERS if route.surface == "devicemagic" and not route.pattern.endswith(".json")
]


def _name(route: Route) -> str:
    return f"{route.verb} {route.pattern}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with devices, and room for many calls."""
    folder = tmp_path_factory.mktemp("bodies")
    with copied(make_template(folder), tmp_path_factory.mktemp("copy")) as running:
        running.settings(metaaccess_rate_limit=1_000_000)
        yield running


class Sender:
    """Whoever may make all the calls."""

    def __init__(self, site: Site) -> None:
        self.site = site
        laptop = site.laptop
        order = {"type": "report_now"}
        made = site.admin("POST", f"/devices/{site.workstation['id']}/commands/", json=order)
        self.places: dict[str, Any] = {
            "organization_id": 1,
            "device_id": laptop["id"],
            "device": laptop["uid"],
            "runtime": "mfp",
            "context_root": "mfpadmin",
            "application": "seafile-desktop",
            "group_id": site.magic("GET", "/groups.json").json()["groups"][0]["id"],
            "value": HWID,
            "command_id": made.json()["id"],
            "email": "mara@example.org",
        }
        self.access_token = site.oauth_token()
        self.code = site.enrolment_code(max_uses=0)

    def send(self, route: Route, content: bytes, kind: str) -> httpx.Response:
        """Send a body to a route."""
        path = re.sub(r"\{(\w+)(:\w+)?\}", lambda found: str(self.places[found[1]]), route.pattern)
        headers = {"Content-Type": kind}
        options: dict[str, Any] = {}
        if route.surface == "devicemagic":
            options["auth"] = (self.site.facts.t1, "x")
        elif route.surface == "mobilefirst":
            options["auth"] = ("ops@example.org", "pw-ops")
        elif route.surface == "metaaccess":
            options["params"] = {"access_token": self.access_token}
        elif route.operation == "agent-enrol":
            headers["Authorization"] = f"Enrol {self.code}"
        elif route.surface == "device_agent":
            headers["Authorization"] = f"Device {self.site.facts.ag}"
        else:
            headers["Authorization"] = f"Token {self.site.facts.adm}"
        return self.site.server.request(route.verb, path, content=content, headers=headers, **options)


@pytest.fixture(scope="module")
def sender(site: Site) -> Sender:
    return Sender(site)


def world(site: Site) -> Any:
    """Return everything that a call might have changed."""
    registry = site.server.services.registry
    groups = [(group.id, group.name, group.device_ids) for group in registry.groups.all(1)]
    events = [event["id"] for event in site.events(limit=1)]
    return site.devices(limit=500), groups, events, registry.settings.current


def test_every_call_that_reads_a_body_is_here() -> None:
    assert len(READERS) > 40
    assert {route.surface for route in READERS} == set(SURFACES)
    assert {route.operation for route in XML_READERS} == {
        "device-magic-update-device",
        "device-magic-create-groups",
        "device-magic-update-group",
    }


@pytest.mark.parametrize("route", READERS, ids=_name)
def test_hostile_json_is_refused_and_nothing_is_done(site: Site, sender: Sender, route: Route) -> None:
    before, started = world(site), time.monotonic()
    for name, content in JSON.items():
        answer = sender.send(route, content, "application/json")
        refusals = (400, 413) if name == TOO_LARGE else (400,)
        assert answer.status_code in refusals, (name, answer.status_code, answer.text[:200])
    assert time.monotonic() - started < LONGEST_SECONDS
    assert world(site) == before


@pytest.mark.parametrize("route", XML_READERS, ids=_name)
def test_hostile_xml_is_refused_and_nothing_is_done(site: Site, sender: Sender, route: Route) -> None:
    before, started = world(site), time.monotonic()
    for name, content in XML.items():
        for kind in ("application/xml", "text/xml"):
            answer = sender.send(route, content, kind)
            assert answer.status_code == 400, (name, kind, answer.status_code, answer.text[:200])
            assert b"root:" not in answer.content
    assert time.monotonic() - started < LONGEST_SECONDS
    assert world(site) == before


@pytest.mark.parametrize("route", [one for one in READERS if one.surface != "devicemagic"], ids=_name)
def test_xml_is_taken_by_device_magic_alone(site: Site, sender: Sender, route: Route) -> None:
    before = world(site)
    answer = sender.send(route, _BOMB.encode(), "application/xml")
    assert answer.status_code in (400, 415)
    assert world(site) == before


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.operation in (*BODILESS, *FORMS)], ids=_name
)
def test_calls_that_read_no_such_body_are_not_brought_down(sender: Sender, route: Route) -> None:
    for content in (JSON["very deep"], JSON[TOO_LARGE], XML["an entity bomb"]):
        for kind in ("application/json", "application/xml", "application/x-www-form-urlencoded"):
            assert sender.send(route, content, kind).status_code < 500
