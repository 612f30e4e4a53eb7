"""Who is let in, whom he sees, what he may do; and that only forms of the console are taken."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.registry import Person, RegistrySite, Tenant
from tests.web.conftest import LOGIN, Browser
from tests.web.console.conftest import ACT, HOME, Console, Page, laptop, open_console

PAGES = (HOME, f"{HOME}?state=lost&q=a+b", f"{HOME}1/", ACT, f"{HOME}done/", f"{HOME}1/unlink/?link=1")
FORMS = (ACT, f"{HOME}1/unlink/")


def someone(site: RegistrySite, browsers: list[Browser], role: str, *tenants: Tenant) -> Console:
    """Open the console for somebody with a role in some runtimes."""
    person = site.person()
    for tenant in tenants:
        site.grant(person, role, tenant.runtime)
    return open_console(site, browsers, person)


@pytest.mark.parametrize("path", PAGES)
def test_nobody_is_led_to_the_login_and_back(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 302
    to = urlsplit(answer.headers["Location"])
    assert (to.path, parse_qs(to.query)["next"]) == (LOGIN, [path])


@pytest.mark.parametrize("path", FORMS)
def test_a_form_of_nobody_leads_to_the_login(browser: Browser, path: str) -> None:
    to = urlsplit(browser.post(path, data={"do": "lost", "device": "1"}).headers["Location"])
    assert (to.path, parse_qs(to.query)["next"]) == (LOGIN, [HOME])


def test_the_login_leads_back_to_the_console(browser: Browser, root: Person) -> None:
    assert browser.sign_in(root, next=HOME).headers["Location"] == HOME
    assert Page(browser.get(HOME)).title == "Devices"


@pytest.mark.parametrize("path", PAGES)
def test_whoever_is_no_administrator_is_told_so(browser: Browser, ann: Person, path: str) -> None:
    browser.sign_in(ann)
    page = Page(browser.get(path))
    assert (page.status, page.title) == (403, "Only administrators can look at devices")
    assert ann.email in page.answer.text


@pytest.mark.parametrize("path", FORMS)
def test_forms_of_others_than_administrators_are_refused(
    site: RegistrySite, browser: Browser, ann: Person, tenant: Tenant, path: str
) -> None:
    device = laptop(site, tenant)
    browser.sign_in(ann)
    form = {"form_token": browser.form_token(LOGIN), "do": "lost", "device": str(device.id)}
    assert browser.post(path, data=form).status_code == 403
    assert site.registry.get(device.id).admin_state == "ACTIVE"


def test_the_address_may_be_typed_without_its_last_stroke(console: Console) -> None:
    assert console.get("/devices").title == "Devices"


def test_one_can_leave(console: Console) -> None:
    token = console.browser.form_token(HOME)
    console.browser.post("/accounts/logout/", data={"form_token": token})
    assert console.browser.get(HOME).status_code == 302


def test_whoever_lost_the_role_is_out_at_once(site: RegistrySite, browsers: list[Browser]) -> None:
    person = site.person(is_staff=True)
    console = open_console(site, browsers, person)
    assert console.get().status == 200
    site.server.services.accounts.update(person.account, is_staff=False)
    assert console.get().status == 403


# -- roles ---------------------------------------------------------------------------------------------------


def test_a_monitor_sees_his_organization_and_can_do_nothing(
    site: RegistrySite, browsers: list[Browser], tenant: Tenant
) -> None:
    own, other = laptop(site, tenant, "own"), laptop(site, site.tenant(), "other")
    console = someone(site, browsers, "mfpmonitor", tenant)
    page = console.get()
    assert (page.names, page.buttons) == (["own"], [])
    assert page.tree.xpath("//input[@type='checkbox']") == []
    assert console.get(f"{HOME}{own.id}/").buttons == []
    assert console.get(f"{HOME}{other.id}/").status == 404
    for deed in ("approve", "lost", "wipe", "group"):
        assert console.get(ACT, do=deed, device=own.id).status == 403
        assert console.send(deed, own, confirm="wipe", group="1").status_code == 403
    assert site.registry.get(own.id).row_version == own.row_version


@pytest.mark.parametrize("role", ["mfpoperator", "mfpdeployer", "mfpadmin"])
def test_an_operator_may_do_what_the_api_of_his_role_lets_him(
    site: RegistrySite, browsers: list[Browser], tenant: Tenant, role: str
) -> None:
    device = laptop(site, tenant)
    console = someone(site, browsers, role, tenant)
    assert console.get().buttons == ["approve", "activate", "lost", "stolen", "disable", "remove"]
    assert console.do("lost", device).column("Result") == ["✓Done"]
    assert site.registry.get(device.id).admin_state == "LOST"
    for deed, form in (("wipe", {"confirm": "wipe"}), ("exempt", {}), ("group", {"group": "1"})):
        assert console.send(deed, device, **form).status_code == 403
    link = device.links[0].link_id
    assert console.get(f"{HOME}{device.id}/unlink/", link=link).status == 403
    token = console.browser.form_token(HOME)
    path = f"{HOME}{device.id}/unlink/"
    assert console.browser.post(path, data={"form_token": token, "link": link}).status_code == 403
    assert len(site.registry.get(device.id).links) == 1


def test_nobody_reaches_devices_of_organizations_that_are_not_his(
    site: RegistrySite, browsers: list[Browser], tenant: Tenant
) -> None:
    own, other = laptop(site, tenant), laptop(site, site.tenant())
    console = someone(site, browsers, "mfpoperator", tenant)
    known = console.get(ACT, do="lost", device=10**9)
    foreign = console.get(ACT, do="lost", device=other.id)
    assert (foreign.status, foreign.answer.text) == (known.status, known.answer.text)
    assert console.send("lost", own, other).status_code == 404
    assert [site.registry.get(each.id).admin_state for each in (own, other)] == ["ACTIVE", "ACTIVE"]
    assert console.get(organization=other.organization_id).names == [own.display_name]


def test_one_role_in_two_organizations_shows_both_one_at_a_time(
    site: RegistrySite, browsers: list[Browser], tenant: Tenant
) -> None:
    second = site.tenant()
    laptop(site, tenant, "in the first"), laptop(site, second, "in the second")
    console = someone(site, browsers, "mfpmonitor", tenant, second)
    page = console.get()
    assert page.names == ["in the first"]
    assert page.texts("//select[@id='organization']/option") == [tenant.runtime, second.runtime]
    assert console.get(organization=second.id).names == ["in the second"]


def test_a_role_in_a_runtime_that_is_stopped_shows_nothing(
    site: RegistrySite, browsers: list[Browser], root: Person
) -> None:
    stopped = site.tenant(running=False)
    laptop(site, stopped, "behind a stopped runtime")
    assert someone(site, browsers, "mfpadmin", stopped).get().status == 403
    page = open_console(site, browsers, root).get(organization=stopped.id)
    assert page.names == ["behind a stopped runtime"]


# -- forms of other sites ------------------------------------------------------------------------------------


def test_looking_at_an_address_does_nothing(site: RegistrySite, console: Console, tenant: Tenant) -> None:
    device = laptop(site, tenant)
    before = len(site.events(device_id=device.id))
    for deed in ("approve", "lost", "stolen", "disable", "exempt", "wipe", "remove", "group"):
        assert console.get(ACT, do=deed, device=device.id, confirm="wipe").status == 200
    console.get(f"{HOME}{device.id}/unlink/", link=device.links[0].link_id)
    assert site.registry.get(device.id).row_version == device.row_version
    assert len(site.events(device_id=device.id)) == before


def test_only_forms_of_this_session_are_taken(
    site: RegistrySite, browsers: list[Browser], console: Console, root: Person, tenant: Tenant
) -> None:
    device = laptop(site, tenant)
    other = open_console(site, browsers, root)
    for token in ("", "x", "0" * 40, other.browser.form_token(HOME)):
        assert console.send("lost", device, form_token=token).status_code == 403
    data = {"form_token": console.browser.form_token(HOME), "do": "lost", "device": str(device.id)}
    for origin in ("cross-site", "same-site"):
        answer = console.browser.post(ACT, data=data, headers={"Sec-Fetch-Site": origin})
        assert answer.status_code == 403
    path, link = f"{HOME}{device.id}/unlink/", device.links[0].link_id
    assert console.browser.post(path, data={"link": link}).status_code == 403
    assert site.registry.get(device.id).row_version == device.row_version


@pytest.mark.parametrize(("method", "path"), [("POST", HOME), ("DELETE", HOME + "1/"), ("PUT", ACT)])
def test_other_verbs_are_refused_with_a_page(console: Console, method: str, path: str) -> None:
    answer = console.browser.http.request(method, path)
    assert (answer.status_code, Page(answer).title) == (405, "This page cannot be used like that")


def test_unknown_addresses_are_refused_with_a_page(console: Console) -> None:
    assert console.get(f"{HOME}1/nothing/").title == "There is no such page"


# -- what pages carry ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*PAGES, ACT + "?do=lost&device=1"])
def test_pages_load_from_here_only_and_are_shown_in_no_frame(console: Console, path: str) -> None:
    page = console.get(path)
    policy = page.answer.headers["Content-Security-Policy"].split("; ")
    assert policy == [
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
    assert page.answer.headers["Cache-Control"] == "no-store"
    assert page.answer.headers["X-Frame-Options"] == "DENY"
    assert page.tree.xpath("//style | //script[not(@src)] | //@style | //*[@onclick]") == []
    for address in page.tree.xpath("//link/@href | //script/@src | //img/@src"):
        assert address.startswith("/devices/")


def test_what_pages_load_is_kept_by_browsers_until_it_changes(console: Console) -> None:
    page = console.get()
    for address in page.tree.xpath("//link/@href | //script/@src"):
        answer = console.browser.get(str(address))
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Type"].split(";")[0] in ("text/css", "text/javascript")
