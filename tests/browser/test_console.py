"""The console in a real browser: by the keyboard alone, narrow, in light and dark, without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from seafleet.devices.record import Device
from tests.support.chromium import Window
from tests.support.registry import ORIGIN, Person, RegistrySite, Tenant

pytestmark = [pytest.mark.clients, pytest.mark.slow]

HOME = "/devices/"
NASTY = "<script>document.title='x'</script>"


@dataclass
class Desk:
    """An administrator who is signed in, and the devices of an organization of his own."""

    window: Window
    site: RegistrySite
    root: Person
    tenant: Tenant

    def open(self, path: str, title: str) -> None:
        """Open a page and wait for it."""
        self.window.driver.get(self.site.server.url + path)
        self.window.wait_for_title(title)

    def sign_in(self) -> None:
        """Sign in by the keyboard, if need be, and come to the list."""
        self.window.driver.get(self.site.server.url + HOME)
        self.window.wait_for(lambda: self.window.driver.title, "a page")
        if "Sign in" in self.window.driver.title:
            self.window.wait_for_focus("username")
            self.window.press(self.root.email, Keys.TAB)
            self.window.press(self.root.password, Keys.ENTER)
        self.window.wait_for_title("Devices")

    def laptop(self, name: str) -> Device:
        """Have somebody log in on a new laptop."""
        _, device, _ = self.site.laptop(self.tenant, device_name=name)
        return device


@pytest.fixture(scope="module")
def root(site: RegistrySite) -> Person:
    """An administrator."""
    return site.person(name="root", is_staff=True)


@pytest.fixture
def desk(window: Window, site: RegistrySite, root: Person) -> Iterator[Desk]:
    """A window of ordinary size in which an administrator is signed in."""
    window.resize(1280)
    window.prefer("light")
    opened = Desk(window, site, root, site.tenant())
    opened.sign_in()
    window.complaints()
    yield opened
    assert window.complaints() == []


def pages(desk: Desk) -> list[tuple[str, str]]:
    """Return one address of each kind, with a part of its title."""
    lost, agent = desk.laptop("a lost one"), desk.site.enrol(desk.tenant, hostname="agent")[0]
    desk.laptop("W" * 40)
    [group] = desk.site.registry.groups.create(desk.tenant.id, ["G" * 60], ORIGIN)
    desk.site.registry.apply(lost.id, desk.site.registry.actions.assign_to_group(group.id), ORIGIN)
    second = desk.site.person(desk.tenant, "somebody-with-a-rather-long-name-of-his-own")
    desk.site.login(second, device_id=lost.links[0].client_device_id)
    desk.site.registry.apply(lost.id, desk.site.registry.actions.set_status("LOST"), ORIGIN)
    desk.site.sighting(desk.tenant)
    both = f"device={lost.id}&device={agent.id}"
    return [
        (f"{HOME}?organization={desk.tenant.id}&kind=all", "Devices"),
        (f"{HOME}?organization={desk.tenant.id}&q=nothing", "Devices"),
        (f"{HOME}{lost.id}/", "a lost one"),
        (f"{HOME}{agent.id}/", "agent"),
        (f"{HOME}act/?do=wipe&{both}", "Wipe"),
        (f"{HOME}act/?do=exempt&{both}", "Exempt"),
        (f"{HOME}act/?do=group&{both}", "Assign"),
        (f"{HOME}{lost.id}/unlink/?link={lost.links[0].link_id}", "Unlink"),
        (f"{HOME}act/?do=lost", "Nothing is selected"),
    ]


def test_devices_are_found_marked_lost_and_looked_at_by_the_keyboard_alone(desk: Desk) -> None:
    window = desk.window
    for name in ("left at home", "keyboard one", "keyboard two"):
        desk.laptop(name)

    window.tab_to("Skip to the content")
    assert window.focused.rect["y"] >= 0
    window.press(Keys.ENTER)
    window.wait_for_focus("content")

    window.tab_to("Search")
    window.press("keyboard", Keys.ENTER)
    window.wait_for(lambda: "q=keyboard" in window.driver.current_url, "the search")
    window.wait_for_title("Devices")
    assert window.text("#found") == "2 devices match."

    for name in ("keyboard one", "keyboard two"):
        window.tab_to(f"Select {name}")
        window.press(Keys.SPACE)
    assert window.text("#selection") == "With 2 selected devices:"
    window.tab_to("Mark lost")
    window.press(Keys.ENTER)

    window.wait_for_title("Mark as lost")
    assert window.text("h1") == "Mark as lost: 2 devices?"
    assert "Every token of the device is refused" in window.text(".effect")
    window.tab_to("Mark lost: 2 devices")
    window.press(Keys.SPACE)

    window.wait_for_title("Marked as lost: 2.")
    assert window.text("[role=status]") == "Marked as lost: 2."
    window.tab_to("keyboard one")
    window.press(Keys.ENTER)

    window.wait_for_title("keyboard one")
    assert "This device has been reported lost." in window.text(".verdict")
    first = window.all(".history tbody tr")[0].text
    assert "State set" in first
    assert "Console or native API" in first
    assert desk.root.email in first
    assert "ACTIVE" in first
    assert "LOST" in first


def test_the_way_back_keeps_the_search(desk: Desk) -> None:
    window, device = desk.window, desk.laptop("the way back")
    desk.open(f"{HOME}?organization={desk.tenant.id}&q=way", "Devices")
    window.tab_to("Select the way back")
    window.press(Keys.SPACE)
    window.tab_to("Exempt")
    window.press(Keys.ENTER)
    window.wait_for_title("Exempt")
    window.tab_to("Reason")
    window.press("a trial", Keys.ENTER)
    window.wait_for_title("Exempted: 1.")
    window.tab_to("Back to where you were")
    window.press(Keys.ENTER)
    window.wait_for(lambda: "q=way" in window.driver.current_url, "the list")
    exemption = desk.site.registry.get(device.id).exemption
    assert exemption is not None
    assert exemption.reason == "a trial"


def test_a_wipe_has_to_be_typed_and_says_what_is_wrong(desk: Desk) -> None:
    window, device = desk.window, desk.laptop("to be wiped")
    desk.open(f"{HOME}{device.id}/", "to be wiped")
    window.tab_to("Wipe …")
    window.press(Keys.ENTER)
    window.wait_for_title("Wipe")
    window.tab_to("Type the word “wipe” to confirm")
    window.press("never", Keys.ENTER)
    window.wait_for_title("Error: Wipe")
    assert "Nothing was done yet" in window.text("[role=alert]")
    window.tab_to("Type the word “wipe” to confirm.")
    window.press(Keys.ENTER)
    window.wait_for_focus("confirm")
    assert window.focused.get_attribute("aria-invalid") == "true"
    window.press("wipe", Keys.ENTER)
    window.wait_for_title("Wipe asked for: 1.")
    assert desk.site.registry.get(device.id).links[0].wiped_at is not None


def test_every_control_has_a_name_that_is_spoken(desk: Desk) -> None:
    for path, title in pages(desk):
        desk.open(path, title)
        assert desk.window.nameless() == [], path


@pytest.mark.parametrize("width", [320, 640, 900, 1060, 1160, 1280])
def test_nothing_has_to_be_scrolled_sideways(desk: Desk, width: int) -> None:
    """320 pixels are a window of 1280 at four times the size."""
    desk.window.resize(width)
    for path, title in pages(desk):
        desk.open(path, title)
        assert not desk.window.is_too_wide(), path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(desk: Desk, scheme: str) -> None:
    desk.window.prefer(scheme)
    for path, title in pages(desk):
        desk.open(path, title)
        assert desk.window.weak_contrasts() == [], path


def test_everything_works_without_scripts(desk: Desk) -> None:
    window = desk.window
    devices = [desk.laptop(f"plain {number}") for number in range(3)]
    window.allow_scripts(allowed=False)
    try:
        window.driver.get(f"{desk.site.server.url}{HOME}?organization={desk.tenant.id}")
        assert not window.all("#all")[0].is_displayed()
        window.driver.find_element(By.LINK_TEXT, "Select all on this page").click()
        window.wait_for(lambda: "select=all" in window.driver.current_url, "the selection")
        window.driver.find_element(By.CSS_SELECTOR, "button[value=disable]").click()
        window.wait_for(lambda: "/act/" in window.driver.current_url, "the question")
        window.driver.find_element(By.CSS_SELECTOR, ".answers button").click()
        window.wait_for(lambda: "/done/" in window.driver.current_url, "the report")
    finally:
        window.allow_scripts(allowed=True)
    found = [desk.site.registry.get(device.id).admin_state for device in devices]
    assert found == ["DISABLED"] * 3


def test_the_script_marks_a_whole_page(desk: Desk) -> None:
    window = desk.window
    for number in range(3):
        desk.laptop(f"one of three {number}")
    desk.open(f"{HOME}?organization={desk.tenant.id}", "Devices")
    window.tab_to("Select all on this page")  # the link, which works without the script
    window.tab_to("Select all on this page")
    window.press(Keys.SPACE)
    assert window.text("#selection") == "With 3 selected devices:"
    window.tab_to("Select one of three 1")
    window.press(Keys.SPACE)
    assert window.text("#selection") == "With 2 selected devices:"
    assert window.driver.find_element(By.ID, "all").get_property("indeterminate") is True


def test_what_a_device_says_of_itself_is_never_run(desk: Desk) -> None:
    window, device = desk.window, desk.laptop(NASTY)
    assert device.display_name == NASTY
    desk.open(f"{HOME}?organization={desk.tenant.id}", "Devices")
    assert window.texts("td.name") == [NASTY]
    desk.open(f"{HOME}{device.id}/", "document.title")
    assert window.text("h1") == NASTY
