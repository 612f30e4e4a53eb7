"""One device: how it stands, who uses it, its history through every API; unlinking a client."""

from __future__ import annotations

import pytest

from seafleet.devices.origin import Origin
from tests.support.registry import ORIGIN, RegistrySite, Tenant
from tests.web.console.conftest import HOME, Console, Page, laptop

DIALECTS = {
    "seafile": "Seafile",
    "devicemagic": "Device Magic",
    "mobilefirst": "MobileFirst",
    "metaaccess": "MetaAccess",
    "native": "Console or native API",
}


def unlink(console: Console, number: int, link: int | str, **form: str) -> Page:
    """Send the form that unlinks a client."""
    token = console.browser.form_token(HOME)
    data = {"form_token": token, "link": str(link), **form}
    return Page(console.browser.post(f"{HOME}{number}/unlink/", data=data, follow_redirects=True))


def test_a_device_says_what_each_api_says(site: RegistrySite, console: Console, tenant: Tenant) -> None:
    device = laptop(site, tenant, "mara-x13")
    page = console.get(f"{HOME}{device.id}/")
    assert page.title == "mara-x13"
    assert (
        page.text("//p[@class='verdict']") == "●Allowed Its clients may sign in, use the API and synchronise."
    )
    assert page.column("State there") == [
        "1 client listed",
        "pending_approval: false",
        "ACTIVE",
        "installed (3)",
    ]
    console.do("lost", device)
    page = console.get(f"{HOME}{device.id}/")
    assert page.text("//p[@class='verdict']") == "✕Refused This device has been reported lost."
    assert page.column("State there") == [
        "1 client listed",
        "pending_approval: false",
        "LOST",
        "quarantined (1)",
    ]


def test_a_sighting_is_known_to_one_api(site: RegistrySite, console: Console, tenant: Tenant) -> None:
    page = console.get(f"{HOME}{site.sighting(tenant)}/")
    assert page.column("State there") == ["not listed", "not listed", "not listed", "unknown (2)"]
    assert page.text("//p[@class='verdict']").startswith("○No access")


def test_identity_holds_every_key(site: RegistrySite, console: Console, tenant: Tenant) -> None:
    device, _ = site.enrol(tenant, hostname="cray", model="T3E", macs=["00:16:3e:0a:0b:0c"])
    site.registry.apply(device.id, site.registry.actions.link_user("mara"), ORIGIN)
    text = console.get(f"{HOME}{device.id}/").text("//*[@aria-labelledby='identity']")
    for part in (
        device.uid,
        device.identifier,
        device.hwid,
        str(device.id),
        "T3E",
        "00:16:3e:0a:0b:0c",
        "mara",
    ):
        assert part in text


def test_a_device_is_found_by_its_uid_as_well(site: RegistrySite, console: Console, tenant: Tenant) -> None:
    device = laptop(site, tenant, "by uid")
    assert console.get(f"{HOME}{device.uid.upper()}/").title == "by uid"


@pytest.mark.parametrize("name", ["0", str(10**17), "1" * 40, "no-such-uid", "%00", "..%2f"])
def test_what_is_not_there_is_told_so(console: Console, name: str) -> None:
    assert console.get(f"{HOME}{name}/").status in (400, 404)


def test_several_clients_stand_each_for_itself(site: RegistrySite, console: Console, tenant: Tenant) -> None:
    person, device, client = site.laptop(tenant)
    second = site.person(tenant)
    other = site.login(second, device_id=client.device_id)
    site.unlink(client, wipe=True)
    page = console.get(f"{HOME}{device.id}/")
    assert page.column("Access now")[0].startswith("✕Refused This device is to be wiped.")
    assert page.column("Access now")[1].startswith("●Allowed")
    assert page.text("//p[@class='verdict']").startswith("▲In part 1 of 2 clients")
    assert page.column("State there")[0] == "1 client listed, 1 hidden until wiped"
    assert site.ask(other.token).status_code == 200
    assert {person.email, second.email} <= set(page.names)


def test_an_agent_and_its_orders_are_shown(site: RegistrySite, console: Console, tenant: Tenant) -> None:
    device, _ = site.enrol(tenant)
    action = site.registry.actions.command("message", {"text": "hello"})
    site.registry.apply(device.id, action, ORIGIN)
    page = console.get(f"{HOME}{device.id}/")
    orders = page.text("//section[@aria-labelledby='agent']//table")
    assert "messagequeued" in orders
    assert "admin@example.com" in orders


def test_what_a_client_synchronises_is_named(site: RegistrySite, console: Console, tenant: Tenant) -> None:
    person, device, client = site.laptop(tenant)
    library = site.server.library(person.account)
    path = f"/api2/repos/{library.library_id}/download-info/"
    token = site.ask(client.token, path).json()["token"]
    checked = f"/seafhttp/repo/{library.library_id}/permission-check/"
    peer = {"op": "download", "client_id": client.device_id, "client_name": "laptop"}
    assert site.http.get(checked, params=peer, headers={"Seafile-Repo-Token": token}).status_code == 200
    [cell] = console.get(f"{HOME}{device.id}/").column("Synchronises")
    assert cell.startswith(library.name)
    losses = console.get(f"{HOME}act/", do="wipe", device=device.id).text("//section[@class='losses']")
    assert f"its copies of {library.name}, and caches" in losses
    link = device.links[0].link_id
    asked = console.get(f"{HOME}{device.id}/unlink/", link=link)
    assert f"Its copies of {library.name}, and caches." in asked.text("//*[@id='wipe-hint']")


# -- history -------------------------------------------------------------------------------------------------


def test_the_history_tells_what_came_through_each_api(
    site: RegistrySite, console: Console, tenant: Tenant
) -> None:
    device = laptop(site, tenant)
    actions = site.registry.actions
    steps = {
        "seafile": actions.set_status("DISABLED"),
        "devicemagic": actions.remove(),
        "mobilefirst": actions.set_status("LOST"),
        "metaaccess": actions.exempt(None, "lab"),
        "native": actions.set_status("ACTIVE"),
    }
    for dialect in ("mobilefirst", "metaaccess", "native", "seafile", "devicemagic"):
        origin = Origin("user", f"{dialect}@example.org", dialect, "192.0.2.7")
        site.registry.apply(device.id, steps[dialect], origin)
    page = console.get(f"{HOME}{device.id}/")
    told = list(zip(page.column("Through"), page.texts("//table[@class='history']//td[2]"), strict=True))
    assert told[:5] == [
        ("Device Magic", "Removed"),
        ("Seafile", "State set"),
        ("Console or native API", "State set"),
        ("MetaAccess", "Exempted"),
        ("MobileFirst", "State set"),
    ]
    assert "admin state: ACTIVE →became LOST" in page.column("What changed")[4]
    assert page.column("Who")[4] == "mobilefirst@example.org 192.0.2.7"
    for dialect, name in DIALECTS.items():
        shown = console.get(f"{HOME}{device.id}/", through=dialect)
        assert set(shown.column("Through")) == {name}
        assert shown.texts("//a[@aria-current]") == [name]
    assert console.get(f"{HOME}{device.id}/", through="nonsense").column("Through") == page.column("Through")


@pytest.mark.slow
def test_a_long_history_comes_page_by_page(site: RegistrySite, console: Console, tenant: Tenant) -> None:
    device = laptop(site, tenant)
    actions = site.registry.actions
    for number in range(60):
        status = "LOST" if number % 2 else "DISABLED"
        site.registry.apply(device.id, actions.set_status(status), ORIGIN)
    page = console.get(f"{HOME}{device.id}/", through="native")
    counts = [len(page.column("When"))]
    while "Older" in page.texts("//nav//a"):
        page = console.follow(page, "Older")
        counts.append(len(page.column("When")))
        assert set(page.column("Through")) == {"Console or native API"}
    assert counts == [25, 25, 10]
    assert len(console.follow(page, "Newest").column("When")) == 25
    page = console.get(f"{HOME}{device.id}/", before=1)
    assert "Nothing more is in the log." in page.answer.text


def test_the_history_of_what_is_merged_leads_to_its_heir(
    site: RegistrySite, console: Console, tenant: Tenant
) -> None:
    one, two = laptop(site, tenant), laptop(site, tenant)
    site.registry.merge(one.id, two.id, ORIGIN)
    answer = console.browser.get(f"{HOME}{one.id}/")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{HOME}{two.id}/")
    assert "Took over another record" in console.get(f"{HOME}{two.id}/").answer.text


# -- unlinking -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wipe", "headers"), [("no", {}), ("yes", {"X-Seafile-Wiped": "true"})])
def test_a_client_is_unlinked_with_or_without_a_wipe(
    site: RegistrySite, console: Console, tenant: Tenant, wipe: str, headers: dict[str, str]
) -> None:
    person, device, client = site.laptop(tenant)
    page = console.get(f"{HOME}{device.id}/")
    asked = Page(console.browser.get(page.tree.xpath("//a[starts-with(@aria-label, 'Unlink')]/@href")[0]))
    assert asked.title == f"Unlink {person.email} from {device.display_name}?"
    shown = unlink(console, device.id, device.links[0].link_id, wipe=wipe)
    assert shown.title == device.display_name
    assert shown.text("//*[@role='status']") == f"{person.email} was unlinked."
    answer = site.ask(client.token)
    assert answer.status_code == 401
    assert {name: answer.headers.get(name) for name in headers} == headers
    event = site.events(device_id=device.id, action="unlinked")[0]
    assert (event.actor_name, event.dialect) == (console.person.email, "seafile")


def test_only_clients_of_the_device_are_unlinked(
    site: RegistrySite, console: Console, tenant: Tenant
) -> None:
    one, two = laptop(site, tenant), laptop(site, tenant)
    for link in (two.links[0].link_id, "", "x", "-1"):
        page = unlink(console, one.id, link)
        assert (page.status, page.title) == (404, "No such client")
    assert len(site.registry.get(two.id).links) == 1
