from __future__ import annotations

import pytest

from tests.api.mobilefirst.conftest import BASE, Caller, details, set_state, xml
from tests.support.registry import ORIGIN


def stop(caller: Caller) -> None:
    caller.site.registry.organizations.update(caller.tenant.id, ORIGIN, running=False)


def test_the_list_has_the_runtimes_that_the_caller_may_look_at(caller: Caller) -> None:
    body = caller.call("GET", "/runtimes").json()
    assert body == {
        "productVersion": "8.0",
        "projects": [
            {
                "apiVersion": "2.0",
                "link": f"{caller.site.server.url}{BASE}/runtimes/{caller.tenant.runtime}",
                "name": caller.tenant.runtime,
                "running": True,
                "synchronizationStatus": "ok",
            }
        ],
    }
    root = xml(caller.call("GET", "/runtimes", headers={"Accept": "application/xml"}))
    assert (root.tag, dict(root.attrib)) == ("projectconfiguration", {"productVersion": "8.0"})
    [project] = root.findall("projects/project")
    expected = {"apiVersion", "link", "name", "running", "synchronizationStatus"}
    assert (set(project.attrib), project.get("running")) == (expected, "true")


def test_stopped_runtimes_are_listed_on_request_only(caller: Caller) -> None:
    stop(caller)
    for query in ("", "?mode=running"):
        assert caller.call("GET", f"/runtimes{query}").json()["projects"] == []
    [project] = caller.call("GET", "/runtimes?mode=db").json()["projects"]
    assert (project["name"], project["running"]) == (caller.tenant.runtime, False)
    answer = caller.call("GET", "/runtimes?mode=all")
    assert (answer.status_code, details(answer)) == (400, 'The value of the parameter "mode" is invalid.')


def test_a_runtime_counts_its_devices_and_applications(caller: Caller) -> None:
    person, _, _ = caller.site.laptop(caller.tenant)
    caller.site.login(person, device_id="abcdef0123456789", platform="android")
    _, silent, _ = caller.site.laptop(caller.tenant)
    _, lost, _ = caller.site.laptop(caller.tenant)
    set_state(caller, silent, "EXPIRED")
    set_state(caller, lost, "LOST")
    caller.site.sighting(caller.tenant)
    body = caller.get("?expand=true").json()
    assert body == {
        "name": caller.tenant.runtime,
        "running": True,
        "synchronizationStatus": "ok",
        "productVersion": "8.0",
        "numberOfActiveDevices": 2,
        "numberOfDecommisionedDevices": 1,
        "numberOfApplications": 2,
        "numberOfAdapters": 0,
        "config": {},
        "confidentialClients": [],
    }
    answer = caller.get("", headers={"Accept": "text/xml"})
    root = xml(answer, "text/xml")
    assert (root.tag, root.get("numberOfActiveDevices"), root.get("running")) == ("runtime", "2", "true")
    assert [child.tag for child in root] == ["config", "confidentialClients"]
    assert "secret" not in answer.text.lower()


def test_a_stopped_runtime_answers_no_call_about_devices(caller: Caller) -> None:
    _, device, _ = caller.site.laptop(caller.tenant)
    stop(caller)
    for answer in (
        caller.get("/devices"),
        caller.put(device, "LOST"),
        caller.request(
            "PUT", f"/devices/{device.uid}/applications/seafile-desktop", json={"status": "ENABLED"}
        ),
        caller.request("DELETE", f"/devices/{device.uid}"),
    ):
        expected = f'The runtime "{caller.tenant.runtime}" was not found or is not running.'
        assert (answer.status_code, details(answer)) == (404, expected)
    body = caller.get("").json()
    assert (body["running"], body["numberOfActiveDevices"]) == (False, 1)


@pytest.mark.parametrize("name", ["nope", "MFP", "mfp%20"])
def test_an_unknown_runtime_is_not_found_by_administrators_either(caller: Caller, name: str) -> None:
    admin = caller.site.person(None, "admin", is_staff=True)
    answer = caller.call("GET", f"/runtimes/{name}", auth=admin.basic)
    assert answer.status_code == 404
