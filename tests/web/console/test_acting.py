"""What is done to devices, what is said about it before, and what is told of it afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from seafleet.devices.record import Device
from seafleet.web.console.deeds import DEEDS, Choices, access_after
from seafleet.web.console.standing import access_of
from tests.support.registry import ORIGIN, Person, RegistrySite, Tenant
from tests.web.conftest import Browser
from tests.web.console.conftest import ACT, HOME, Console, Page, laptop, open_console

DONE = "✓Done"
ALREADY = "○Was so already"
CONFIRMED = {"confirm": "wipe"}


def now(site: RegistrySite, device: Device) -> Device:
    """Return a device as it is."""
    found: Device = site.registry.removed(device.id)
    return found


def apply(site: RegistrySite, device: Device, *actions: Any) -> Device:
    """Do something to a device from behind."""
    for action in actions:
        site.registry.apply(device.id, action, ORIGIN)
    return now(site, device)


# -- each deed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deed", "form", "check"),
    [
        ("lost", {}, lambda device: device.admin_state == "LOST"),
        ("stolen", {}, lambda device: (device.admin_state, device.wipe.state) == ("STOLEN", "requested")),
        ("disable", {}, lambda device: device.admin_state == "DISABLED"),
        ("exempt", {"reason": "lab"}, lambda device: device.exemption.reason == "lab"),
        ("wipe", CONFIRMED, lambda device: device.links[0].wiped_at is not None),
        ("remove", {}, lambda device: device.is_removed),
    ],
)
def test_each_deed_does_what_it_says_once(
    site: RegistrySite, console: Console, tenant: Tenant, deed: str, form: dict[str, str], check: Any
) -> None:
    one, two = laptop(site, tenant), laptop(site, tenant)
    page = console.do(deed, one, two, **form)
    assert page.status == 200
    assert page.column("Result") == [DONE, DONE]
    assert page.text("//*[@role='status']") == f"{DEEDS[deed].done}: 2."
    assert check(now(site, one))
    assert check(now(site, two))


def test_a_waiting_device_is_approved(site: RegistrySite, console: Console, tenant: Tenant) -> None:
    site.set(require_approval=True)
    try:
        device = laptop(site, tenant)
    finally:
        site.set(require_approval=False)
    assert console.get(ACT, do="approve", device=device.id).column("Access now") == ["✕Refused"]
    page = console.do("approve", device)
    assert (page.column("Result"), page.column("State")) == ([DONE], ["●Active"])
    assert page.column("Access now")[0].startswith("●Allowed")


def test_a_lost_device_is_let_in_again(site: RegistrySite, console: Console, tenant: Tenant) -> None:
    _, device, client = site.laptop(tenant)
    console.do("lost", device)
    assert site.ask(client.token).status_code == 403
    assert console.do("activate", device).column("Result") == [DONE]
    assert site.ask(client.token).status_code == 200


def test_a_wiped_client_is_told_so_at_its_next_request(
    site: RegistrySite, console: Console, tenant: Tenant
) -> None:
    _, device, client = site.laptop(tenant)
    console.do("wipe", device, **CONFIRMED)
    answer = site.ask(client.token)
    assert (answer.status_code, answer.headers["X-Seafile-Wiped"]) == (401, "true")


def test_an_exemption_ends_with_its_day(site: RegistrySite, console: Console, tenant: Tenant) -> None:
    device = laptop(site, tenant)
    day = (datetime.now(UTC) + timedelta(days=3)).date()
    console.do("exempt", device, until=day.isoformat(), reason=" a trip ")
    exemption = now(site, device).exemption
    assert exemption is not None
    assert exemption.until == datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    assert (exemption.reason, exemption.by) == ("a trip", console.person.email)
    assert console.do("unexempt", device).column("Result") == [DONE]
    assert now(site, device).exemption is None


@pytest.mark.parametrize("until", ["2001-01-01", "tomorrow", "9999-12-31x", "2027-02-30", "99999-01-01"])
def test_an_exemption_ends_on_a_day_to_come(
    site: RegistrySite, console: Console, tenant: Tenant, until: str
) -> None:
    device = laptop(site, tenant)
    page = Page(console.send("exempt", device, until=until, reason="kept"))
    assert page.status == 400
    assert page.tree.xpath("//input[@id='until'][@aria-invalid='true']")
    assert "Nothing was done yet" in page.text("//*[@role='alert']")
    assert page.tree.xpath("//input[@id='reason']/@value") == ["kept"]
    assert now(site, device).exemption is None


def test_a_reason_has_its_length(site: RegistrySite, console: Console, tenant: Tenant) -> None:
    device = laptop(site, tenant)
    assert console.send("exempt", device, reason="x" * 256).status_code == 400
    assert console.send("exempt", device, reason="x" * 255).status_code == 303


def test_a_group_becomes_the_first_one(site: RegistrySite, console: Console, tenant: Tenant) -> None:
    one, two = laptop(site, tenant), laptop(site, tenant)
    [group] = site.registry.groups.create(tenant.id, ["Field"], ORIGIN)
    page = console.get(ACT, do="group", device=[one.id, two.id])
    assert page.texts("//select[@id='group']/option") == ["Choose …", "Default", "Field"]
    assert console.do("group", one, two, group=str(group.id)).column("Result") == [DONE, DONE]
    assert [each.name for each in now(site, one).groups] == ["Field"]
    assert console.do("group", one, group=str(group.id)).column("Result") == [ALREADY]


def test_a_group_has_to_be_chosen_and_to_be_there(
    site: RegistrySite, console: Console, tenant: Tenant
) -> None:
    device = laptop(site, tenant)
    [foreign] = site.registry.groups.create(site.tenant().id, ["Theirs"], ORIGIN)
    for group in ("", "x", "-1"):
        page = Page(console.send("group", device, group=group))
        assert (page.status, page.text("//*[@id='group-problem']")) == (400, "Choose a group.")
    page = console.do("group", device, group=str(foreign.id))
    assert page.column("Result") == ["✕Failed its organization has no such group"]


def test_groups_are_of_one_organization(site: RegistrySite, console: Console, tenant: Tenant) -> None:
    page = console.get(ACT, do="group", device=[laptop(site, tenant).id, laptop(site, site.tenant()).id])
    assert (page.status, page.title) == (400, "Several organizations")


def test_sightings_are_ignored_and_taken_up_again(
    site: RegistrySite, console: Console, tenant: Tenant
) -> None:
    number = site.sighting(tenant)
    assert console.get(f"{HOME}{number}/").buttons == ["group", "remove", "ignore"]
    assert console.do("ignore", number).column("State") == ["○Ignored"]
    assert console.do("ignore", number).column("Result") == ["▲Does not apply not an unknown device"]
    assert console.do("unignore", number).column("Result") == [DONE]


# -- many ----------------------------------------------------------------------------------------------------


def test_each_device_has_a_result_of_its_own(site: RegistrySite, console: Console, tenant: Tenant) -> None:
    fine, lost, seen = laptop(site, tenant, "a fine"), laptop(site, tenant, "b lost"), site.sighting(tenant)
    apply(site, lost, site.registry.actions.set_status("LOST"))
    page = console.do("lost", fine, lost, seen)
    assert page.names[:2] == ["a fine", "b lost"]
    only_seen = "▲Does not apply the device was only seen on the network"
    assert page.column("Result") == [DONE, ALREADY, only_seen]
    assert page.text("//*[@role='status']") == "Marked as lost: 1. Was so already: 1. Does not apply: 1."
    assert site.registry.get(seen).admin_state == "ACTIVE"


def test_nothing_is_wiped_without_the_word(site: RegistrySite, console: Console, tenant: Tenant) -> None:
    device = laptop(site, tenant)
    for word in ("", "yes", "wipe it"):
        page = Page(console.send("wipe", device, confirm=word))
        assert (page.status, page.text("//*[@id='confirm-problem']")) == (
            400,
            "Type the word “wipe” to confirm.",
        )
    assert now(site, device).links[0].wiped_at is None
    assert console.send("wipe", device, confirm=" WIPE ").status_code == 303


def test_what_cannot_hear_of_a_wipe_is_told_apart(
    site: RegistrySite, console: Console, tenant: Tenant
) -> None:
    device, _ = site.enrol(tenant)
    number = site.sighting(tenant)
    page = console.do("wipe", device, number, **CONFIRMED)
    assert page.column("Result")[0] == DONE
    assert page.column("Result")[1].startswith("▲Does not apply")
    assert now(site, device).pending == ("wipe",)


def test_the_page_before_a_wipe_names_what_is_removed(
    site: RegistrySite, console: Console, tenant: Tenant
) -> None:
    person, device, _ = site.laptop(tenant)
    agent, _ = site.enrol(tenant)
    page = console.get(ACT, do="wipe", device=[device.id, agent.id, site.sighting(tenant)])
    losses = page.text("//section[@class='losses']")
    assert f"seafile-desktop of {person.email}: caches; no synchronised library is known" in losses
    assert "the agent removes this server’s synchronised folders" in losses
    assert "nothing: no client is signed in there" in losses


def test_what_somebody_changed_meanwhile_is_left_alone(
    site: RegistrySite, console: Console, tenant: Tenant
) -> None:
    one, two = laptop(site, tenant), laptop(site, tenant)
    shown = [f"{each.id}:{each.row_version}" for each in (one, two)]
    apply(site, one, site.registry.actions.set_status("LOST"))
    page = console.do("remove", *shown)
    assert page.column("Result") == ["✕Failed somebody changed it meanwhile", DONE]
    assert not now(site, one).is_removed


def test_a_block_does_not_wait_for_a_second_look(
    site: RegistrySite, console: Console, tenant: Tenant
) -> None:
    device = laptop(site, tenant)
    apply(site, device, site.registry.actions.exempt())
    assert console.do("lost", f"{device.id}:{device.row_version}").column("Result") == [DONE]


def test_the_page_before_a_deed_carries_the_version_that_it_shows(
    site: RegistrySite, console: Console, tenant: Tenant
) -> None:
    device = laptop(site, tenant)
    page = console.get(ACT, do="remove", device=device.id)
    shown = str(page.tree.xpath("//input[@name='device']/@value")[0])
    assert shown == f"{device.id}:{device.row_version}"
    apply(site, device, site.registry.actions.exempt())
    assert console.do("remove", shown).column("Result") == ["✕Failed somebody changed it meanwhile"]


def test_the_deed_is_told_under_the_name_of_who_did_it(
    site: RegistrySite, console: Console, tenant: Tenant
) -> None:
    device = laptop(site, tenant)
    console.do("lost", device)
    event = site.events(device_id=device.id, action="status_set")[0]
    assert (event.actor_name, event.dialect, event.address) == (console.person.email, "native", "127.0.0.1")
    assert event.request_id


@pytest.mark.slow
def test_two_hundred_devices_at_once_and_no_more(
    site: RegistrySite, console: Console, tenant: Tenant
) -> None:
    person = site.person(tenant)
    for number in range(200):
        site.login(person, device_name=f"d{number:03}")
    page = console.get(HOME, organization=tenant.id, limit=200)
    marked = [str(value) for value in page.tree.xpath("//input[@name='device']/@value")]
    assert len(marked) == 200
    answer = console.send("disable", *marked)
    assert len(answer.headers["Location"]) < 4000
    report = Page(console.browser.get(answer.headers["Location"]))
    assert report.column("Result") == [DONE] * 200
    one_more = Page(console.send("disable", *marked, str(10**9)))
    assert (one_more.status, one_more.title) == (400, "Too many devices")


@pytest.mark.parametrize(
    ("query", "status", "title"),
    [
        ({"do": "lost"}, 400, "Nothing is selected"),
        ({"do": "lost", "device": ["x", "", "1" * 30]}, 400, "Nothing is selected"),
        ({"do": "explode", "device": "1"}, 400, "Nothing to do"),
        ({}, 400, "Nothing to do"),
        ({"do": "lost", "device": str(10**9)}, 404, "No such device"),
    ],
)
def test_what_cannot_be_done_is_told(
    console: Console, query: dict[str, Any], status: int, title: str
) -> None:
    page = console.get(ACT, **query)
    assert (page.status, page.title) == (status, title)
    assert page.link("All devices") == HOME
    listed = f"{HOME}?q=where+one+was"
    assert console.get(ACT, **query, back=listed).link("Back to where you were") == listed
    form = {"device": query.get("device", [])}
    answer = console.browser.post(
        ACT, data={"form_token": console.browser.form_token(HOME), "do": query.get("do", ""), **form}
    )
    assert (answer.status_code, Page(answer).title) == (status, title)


# -- the report ----------------------------------------------------------------------------------------------


def test_loading_the_report_again_repeats_nothing(
    site: RegistrySite, console: Console, tenant: Tenant
) -> None:
    device = laptop(site, tenant)
    address = console.send("exempt", device).headers["Location"]
    version = now(site, device).row_version
    for _ in range(2):
        assert Page(console.browser.get(address)).column("Result") == [DONE]
    assert now(site, device).row_version == version


def test_reports_are_of_the_session_that_made_them(
    site: RegistrySite, console: Console, browsers: list[Browser], root: Person, tenant: Tenant
) -> None:
    address = console.send("lost", laptop(site, tenant)).headers["Location"]
    other = open_console(site, browsers, root)
    assert Page(other.browser.get(address)).title == "No such report"
    for wrong in (
        address[:-1],
        address + "A",
        address + "ü",
        address.partition("=")[0] + "=",
        f"{HOME}done/",
    ):
        assert Page(console.browser.get(wrong)).title == "No such report"


@pytest.mark.parametrize(
    ("back", "expected"),
    [
        (f"{HOME}?q=a+b&state=lost", f"{HOME}?q=a+b&state=lost"),
        ("//evil.example.org/devices/", HOME),
        ("https://evil.example.org/", HOME),
        ("/accounts/logout/", HOME),
        ("javascript:alert(1)", HOME),
        (f"{HOME}\\..\n", HOME),
        ("", HOME),
    ],
)
def test_the_way_back_leads_to_the_console(
    site: RegistrySite, console: Console, tenant: Tenant, back: str, expected: str
) -> None:
    device = laptop(site, tenant)
    assert console.get(ACT, do="lost", device=device.id, back=back).link("Cancel") == expected
    assert console.do("lost", device, back=back).link("Back to where you were") == expected


def test_the_report_of_a_removed_device_still_shows_it(
    site: RegistrySite, console: Console, tenant: Tenant
) -> None:
    device = laptop(site, tenant, "to be removed")
    page = console.do("remove", device)
    assert (page.names, page.column("State")) == (["to be removed"], ["○Removed"])
    detail = console.follow(page, "to be removed")
    assert (detail.title, detail.buttons) == ("to be removed", [])


# -- what is said before is what holds afterwards ------------------------------------------------------------


STARTS = (
    "fine",
    "LOST",
    "STOLEN",
    "DISABLED",
    "EXPIRED",
    "pending",
    "pending LOST",
    "wiped",
    "exempt",
    "agent",
)


def start(site: RegistrySite, tenant: Tenant, name: str) -> Device:
    """Return a device in a state."""
    actions = site.registry.actions
    if name == "agent":
        return site.enrol(tenant)[0]
    site.set(require_approval="pending" in name)
    device = laptop(site, tenant)
    site.set(require_approval=False)
    for word in name.split():
        if word in ("LOST", "STOLEN", "DISABLED", "EXPIRED"):
            apply(site, device, actions.set_status(word))
    apply(site, device, *({"wiped": [actions.wipe()], "exempt": [actions.exempt()]}.get(name, [])))
    return now(site, device)


@pytest.mark.slow
@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("settings", ["lenient", "strict"])
def test_access_is_foretold_as_it_comes(site: RegistrySite, tenant: Tenant, name: str, settings: str) -> None:
    strict = settings == "strict"
    registry = site.registry
    site.set(
        posture_mode="enforce" if strict else "off",
        posture_unreported="block" if strict else "allow",
        wipe_on_status=["LOST", "STOLEN"] if strict else [],
    )
    try:
        for deed in DEEDS.values():
            device = start(site, tenant, name)
            policy, at = registry.settings.policy, registry.now()
            choices = Choices(group=registry.groups.names(tenant.id)[0].id)
            foretold = access_after(deed, device, policy, at, choices)
            registry.apply_to_each([device.id], deed.make(registry.actions, choices), ORIGIN)
            found = access_of(now(site, device), policy, registry.now())
            if deed.name == "remove":
                assert (foretold.word, found.word) == ("Refused", "No access")
            else:
                assert (deed.name, foretold) == (deed.name, found)
    finally:
        site.set(posture_mode="off", posture_unreported="allow", wipe_on_status=["STOLEN"])
