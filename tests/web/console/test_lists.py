"""The list: search, filters, order, pages, counts, selection."""

from __future__ import annotations

from typing import Any

import pytest

from seafleet.devices.model import DevicePolicy
from tests.support.registry import ORIGIN, RegistrySite, Tenant
from tests.web.console.conftest import HOME, Console, Page, laptop

NASTY = "<img src=x onerror=alert(1)>\"'&amp;"


@pytest.fixture(scope="module")
def tenant(site: RegistrySite) -> Tenant:
    """The organization whose devices most tests here only look at."""
    return site.tenant()


@pytest.fixture
def empty(site: RegistrySite) -> Tenant:
    """An organization of one test's own."""
    return site.tenant()


@pytest.fixture(scope="module")
def fleet(site: RegistrySite, tenant: Tenant) -> dict[str, int]:
    """One device of each sort, by its name."""
    actions, numbers = site.registry.actions, {}
    for name in ("fine", "lost", "stolen", "disabled", "pending", "expired", "wiped", "exempt"):
        numbers[name] = laptop(site, tenant, name).id
    [group] = site.registry.groups.create(tenant.id, ["Field"], ORIGIN)
    done: tuple[tuple[str, Any], ...] = (
        ("lost", actions.set_status("LOST")),
        ("stolen", actions.set_status("STOLEN")),
        ("disabled", actions.set_status("DISABLED")),
        ("expired", actions.set_status("EXPIRED")),
        ("wiped", actions.wipe()),
        ("exempt", actions.exempt()),
        ("fine", actions.assign_to_group(group.id)),
    )
    for name, action in done:
        site.registry.apply(numbers[name], action, ORIGIN)
    site.set(require_approval=True)
    try:
        numbers["new"] = laptop(site, tenant, "new", platform="mac").id
    finally:
        site.set(require_approval=False)
    numbers["agent"] = site.enrol(tenant, hostname="agent", hwid=f"HW-{tenant.id:08}", model="Cray")[0].id
    numbers["printer"] = site.sighting(tenant)
    numbers["field"] = group.id
    return numbers


MANAGED = ["agent", "disabled", "exempt", "expired", "fine", "lost", "new", "pending", "stolen", "wiped"]


def names(console: Console, tenant: Tenant, **query: Any) -> list[str]:
    """Return the names of the devices that a list shows."""
    page = console.get(HOME, organization=tenant.id, **query)
    assert page.status == 200
    return page.names


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, MANAGED),
        ({"kind": "sighting"}, ["printer"]),
        ({"kind": "all"}, sorted([*MANAGED, "printer"])),
        ({"state": "active"}, ["agent", "exempt", "expired", "fine", "pending", "wiped"]),
        ({"state": "pending"}, ["new"]),
        ({"state": "lost"}, ["lost"]),
        ({"state": "stolen"}, ["stolen"]),
        ({"state": "disabled"}, ["disabled"]),
        ({"state": "blocked"}, ["disabled", "lost", "stolen"]),
        ({"state": "expired"}, ["expired"]),
        ({"state": "wiping"}, ["stolen", "wiped"]),
        ({"state": "exempt"}, ["exempt"]),
        ({"state": "unlicensed"}, []),
        ({"state": "unknown"}, ["printer"]),
        ({"state": "ignored"}, []),
        ({"posture": "unreported"}, MANAGED),
        ({"posture": "compliant"}, []),
        ({"posture": "non_compliant"}, []),
        ({"posture": "warning"}, []),
        ({"platform": "mac"}, ["new"]),
        ({"agent": "persistent"}, ["agent"]),
        ({"q": "EXP"}, ["expired"]),
        ({"q": "cray"}, ["agent"]),
        ({"q": "no such thing"}, []),
        ({"q": "fine", "state": "lost"}, []),
    ],
)
def test_each_filter_shows_what_it_says(
    console: Console, tenant: Tenant, fleet: dict[str, int], query: dict[str, str], expected: list[str]
) -> None:
    assert names(console, tenant, **query) == expected


def test_devices_are_found_by_group_user_and_hardware_id(
    site: RegistrySite, console: Console, tenant: Tenant, fleet: dict[str, int]
) -> None:
    assert names(console, tenant, group=fleet["field"]) == ["fine"]
    email = site.registry.get(fleet["lost"]).emails[0]
    assert names(console, tenant, user=email) == ["lost"]
    assert names(console, tenant, q=f"hw-{tenant.id:08}") == ["agent"]


def test_state_and_access_stand_in_words(console: Console, tenant: Tenant, fleet: dict[str, int]) -> None:
    page = console.get(HOME, organization=tenant.id, kind="all")
    told = dict(
        zip(page.names, zip(page.column("State"), page.column("Access now"), strict=True), strict=True)
    )
    assert told == {
        "agent": ("●Active", "●Allowed"),
        "disabled": ("✕Disabled", "✕Refused"),
        "exempt": ("●Active◐Exempt", "●Allowed"),
        "expired": ("●Active○Not heard of", "●Allowed"),
        "fine": ("●Active", "●Allowed"),
        "lost": ("✕Lost", "✕Refused"),
        "new": ("◐Waits for approval", "✕Refused"),
        "pending": ("●Active", "●Allowed"),
        "printer": ("○Seen on the network", "○No access"),
        "stolen": ("✕Stolen▲Wipe asked for", "✕Refused"),
        "wiped": ("●Active▲Wipe asked for", "✕Refused"),
    }


def test_the_counts_lead_to_what_they_count(console: Console, tenant: Tenant, fleet: dict[str, int]) -> None:
    page = console.get(HOME, organization=tenant.id)
    chips = page.texts("//nav[@class='chips']//a")
    assert chips == [
        "10 All managed",
        "1 Wait for approval",
        "1 Lost",
        "1 Stolen",
        "1 Disabled",
        "0 Not compliant",
        "1 Not heard of",
    ]
    for chip in chips:
        count = int(chip.split()[0])
        assert len(console.follow(page, chip).names) == count
    assert console.follow(page, "1 Lost").texts("//a[@aria-current]") == ["1 Lost"]


def test_the_address_keeps_the_filter(console: Console, tenant: Tenant, fleet: dict[str, int]) -> None:
    query = {"organization": tenant.id, "q": "st", "state": "blocked", "platform": "linux", "limit": 25}
    page = console.get(HOME, **query)
    assert page.names == ["lost", "stolen"]
    reversed_page = console.follow(page, "Device▴")
    assert reversed_page.names == ["stolen", "lost"]
    assert dict(reversed_page.answer.url.params) == {k: str(v) for k, v in query.items()} | {"sort": "-name"}
    form = reversed_page.tree.xpath("//form[@role='search']")[0]
    assert form.fields["q"] == "st"
    assert (form.fields["state"], form.fields["platform"], form.fields["limit"]) == ("blocked", "linux", "25")
    assert (form.fields["sort"], form.fields["organization"]) == ("-name", str(tenant.id))
    assert page.tree.xpath("//details/@open")


@pytest.mark.parametrize(
    ("sort", "first"),
    [("name", "agent"), ("-name", "wiped"), ("status", "agent"), ("-status", "stolen"), ("enrolled", "fine")],
)
def test_lists_can_be_ordered(
    console: Console, tenant: Tenant, fleet: dict[str, int], sort: str, first: str
) -> None:
    found = names(console, tenant, sort=sort)
    if sort == "status":
        assert set(found[:6]) == {"agent", "exempt", "fine", "pending", "wiped", found[5]}
    else:
        assert found[0] == first
    assert sorted(found) == MANAGED


def test_orders_are_told_to_readers_of_the_table(console: Console, tenant: Tenant, fleet: Any) -> None:
    for sort, order in (("name", "ascending"), ("-name", "descending")):
        page = console.get(HOME, organization=tenant.id, sort=sort)
        assert page.tree.xpath("//th[@aria-sort]/@aria-sort") == [order]


MANY = [f"device {number:02}" for number in range(60)]

# -- pages ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many(site: RegistrySite) -> Tenant:
    """An organization with more devices than a page holds."""
    tenant = site.tenant()
    person = site.person(tenant)
    for name in MANY:
        site.login(person, device_name=name)
    return tenant


@pytest.mark.slow
@pytest.mark.parametrize("sort", ["name", "-name", "platform", "-last_seen"])
def test_pages_lead_through_all_and_back(console: Console, many: Tenant, sort: str) -> None:
    page = console.get(HOME, organization=many.id, limit=25, sort=sort)
    seen: list[list[str]] = [page.names]
    assert "60 devices, 25 on this page." in page.text("//*[@role='status']")
    assert "Previous page" not in page.answer.text
    for _ in range(2):
        page = console.follow(page, "Next page")
        seen.append(page.names)
    assert [len(each) for each in seen] == [25, 25, 10]
    every = [name for names_on_page in seen for name in names_on_page]
    assert sorted(every) == MANY
    if "name" in sort:
        assert every == sorted(MANY, reverse=sort == "-name")
    assert "Next page" not in page.answer.text
    for expected in reversed(seen[:-1]):
        page = console.follow(page, "Previous page")
        assert page.names == expected
    assert "Previous page" not in page.answer.text
    assert console.follow(page, "Next page").names == seen[1]
    assert console.follow(console.follow(page, "Next page"), "First page").names == seen[0]


def test_what_comes_and_goes_neither_repeats_nor_hides_others(
    site: RegistrySite, console: Console, empty: Tenant
) -> None:
    person = site.person(empty)
    for number in range(27):
        site.login(person, device_name=f"device {number:02}")
    page = console.get(HOME, organization=empty.id, limit=25)
    site.login(person, device_name="a new one")
    assert console.follow(page, "Next page").names == ["device 25", "device 26"]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "W10",
        "WyJuYW1lIiwxLDJd",
        "WyItbmFtZSIsImEiLCJiIl0",
        "e30",
        "bnVsbA",
        "\xff",
        "WyJuYW1lIiwiXHUwMDAwIiwiYiJd",
    ],
)
def test_a_place_that_is_none_is_the_beginning(
    console: Console, tenant: Tenant, fleet: dict[str, int], cursor: str
) -> None:
    assert names(console, tenant, after=cursor) == MANAGED
    assert names(console, tenant, before=cursor) == MANAGED


@pytest.mark.parametrize(
    "query",
    [
        {"state": "nonsense", "posture": "x", "kind": "y", "sort": "z", "limit": "7", "platform": "q"},
        {"group": "x", "limit": "9" * 30, "agent": "'"},
        {"q": "   "},
    ],
)
def test_what_cannot_be_understood_counts_as_not_said(
    console: Console, tenant: Tenant, fleet: dict[str, int], query: dict[str, str]
) -> None:
    assert names(console, tenant, **query) == MANAGED


def test_an_organization_that_is_not_there_counts_as_not_said(console: Console) -> None:
    assert console.get(HOME, organization=10**9).tree.xpath("//option[@selected]/text()").count("All") == 0
    assert console.get(HOME, organization="x").status == 200


@pytest.mark.parametrize("text", ["%", "_", "\\", "'", "a" * 500, "🐙"])
def test_any_text_can_be_sought(console: Console, tenant: Tenant, text: str) -> None:
    assert console.get(HOME, organization=tenant.id, q=text).status == 200


# -- selection, escaping, nothing ----------------------------------------------------------------------------


def test_all_of_a_page_can_be_selected_without_a_script(
    console: Console, tenant: Tenant, fleet: dict[str, int]
) -> None:
    page = console.get(HOME, organization=tenant.id, state="blocked")
    assert page.tree.xpath("//input[@name='device'][@checked]") == []
    selected = console.follow(page, "Select all on this page")
    assert len(selected.tree.xpath("//input[@name='device'][@checked]")) == 3
    assert console.follow(selected, "Select none").tree.xpath("//input[@name='device'][@checked]") == []


def test_what_devices_say_of_themselves_is_shown_as_text(
    site: RegistrySite, console: Console, empty: Tenant
) -> None:
    device = laptop(site, empty, NASTY[:40], platform_version=NASTY[:16])
    for path in (HOME, f"{HOME}{device.id}/", f"{HOME}act/?do=wipe&device={device.id}"):
        page = console.get(path) if "?" in path else console.get(path, organization=empty.id, q=NASTY[:4])
        assert page.tree.xpath("//img | //*[@onerror]") == []
        assert NASTY[:20] in page.tree.text_content()
    page = console.get(HOME, organization=empty.id, q=NASTY)
    assert page.tree.xpath("//input[@id='q']/@value") == [NASTY]


def test_every_control_has_a_name(console: Console, tenant: Tenant, fleet: dict[str, int]) -> None:
    for path in (
        f"{HOME}?organization={tenant.id}",
        f"{HOME}act/?do=exempt&device={fleet['fine']}",
        f"{HOME}act/?do=group&device={fleet['fine']}",
        f"{HOME}act/?do=wipe&device={fleet['fine']}",
        f"{HOME}{fleet['fine']}/",
    ):
        page = console.get(path)
        for control in page.tree.xpath("//input[not(@type='hidden')] | //select"):
            labels = page.tree.xpath(f"//label[@for='{control.get('id')}']")
            assert control.get("aria-label") or (labels and labels[0].text_content().strip()), path
        for control in page.tree.xpath("//a | //button"):
            assert control.get("aria-label") or control.text_content().strip(), path
        ids = page.tree.xpath("//@id")
        assert len(ids) == len(set(ids))
        for names_of in page.tree.xpath("//@aria-describedby | //@aria-labelledby"):
            assert set(names_of.split()) <= set(ids), path
        assert len(page.tree.xpath("//main//h1")) == 1
        assert page.tree.xpath("//body/*[1][self::a][@href='#content']")
        assert page.tree.xpath("//html/@lang") == ["en"]


def test_an_empty_list_says_so(console: Console, empty: Tenant) -> None:
    page = console.get(HOME, organization=empty.id)
    assert "There are no devices yet." in page.answer.text
    assert page.buttons == []
    page = console.get(HOME, organization=empty.id, q="x")
    assert page.text("//*[@role='status']") == "No device matches."


def test_lists_hold_no_more_than_they_say(console: Console, tenant: Tenant) -> None:
    page: Page = console.get(HOME, organization=tenant.id)
    assert page.texts("//select[@id='limit']/option") == ["25", "50", "100", "200"]


def test_in_warning_mode_access_is_allowed_with_a_warning(
    site: RegistrySite, console: Console, empty: Tenant
) -> None:
    assert DevicePolicy().posture_mode == "off"
    policy = [{"code": "disk_encryption", "severity": "critical"}]
    device, token = site.enrol(empty, hostname="weak")
    site.registry.organizations.update(empty.id, ORIGIN, posture_policy=policy)
    report = {"platform": "linux", "hostname": "weak", "posture": {"disk_encryption": False}}
    headers = {"Authorization": f"Device {token}"}
    answer = site.http.put("/api/v2.1/device-agent/report/", json=report, headers=headers)
    assert answer.status_code == 200
    try:
        for mode, access in (("off", "●Allowed"), ("warn", "▲Allowed"), ("enforce", "✕Refused")):
            site.set(posture_mode=mode)
            page = console.get(HOME, organization=empty.id)
            assert page.column("Access now") == [access]
            assert page.column("State") == ["●Active▲Not compliant"]
        assert "The disk is not encrypted" in console.get(f"{HOME}{device.id}/").answer.text
    finally:
        site.set(posture_mode="off")
