"""Debian's Chromium, without a window, driven as a person drives it: by keys, and by looking."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

_SECONDS = 60
_MOST_STOPS = 120
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en",
)
_FOCUS = """
const style = getComputedStyle(document.activeElement);
return [style.outlineStyle, parseFloat(style.outlineWidth)];
"""
# Text against what lies behind it, as WCAG reckons contrast; elements that are not shown are left out.
_CONTRASTS = """
const channel = (c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const parts = (text) => text.match(/[0-9.]+/g).map(Number);
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const found = parts(getComputedStyle(at).backgroundColor);
    if (found.length < 4 || found[3] > 0) return found;
  }
  return canvas;
};
const blank = document.body.appendChild(document.createElement("i"));
blank.style.backgroundColor = "Canvas";
const canvas = parts(getComputedStyle(blank).backgroundColor);
blank.remove();
const weak = [];
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!own || !element.checkVisibility() || element.closest(".unseen, option")) continue;
  const [one, two] = [light(parts(getComputedStyle(element).color)), light(ground(element))];
  const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
  const told = `${element.tagName}.${element.className}: ${element.textContent.trim()}`;
  if (ratio < 4.5) weak.push(`${ratio.toFixed(2)} ${told}`);
}
return weak;
"""


def start(folder: Path) -> Window:
    """Start the browser with a new profile; skips the test, aloud, where it is not installed."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("chromium and chromium-driver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in (*_ARGUMENTS, f"--user-data-dir={folder}"):
        options.add_argument(argument)
    return Window(webdriver.Chrome(options, Service(driver)))


@dataclass
class Window:
    """A window of the browser."""

    driver: webdriver.Chrome

    def close(self) -> None:
        """End the browser."""
        self.driver.quit()

    # -- looking -----------------------------------------------------------------------------------------

    def text(self, css: str) -> str:
        """The text of an element as it is shown."""
        return self.driver.find_element(By.CSS_SELECTOR, css).text

    def texts(self, css: str) -> list[str]:
        """The text of each element as it is shown."""
        return [each.text for each in self.all(css)]

    def all(self, css: str) -> list[WebElement]:
        """Every element of a kind."""
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something is so."""
        WebDriverWait(self.driver, _SECONDS).until(
            lambda _: condition(), f"{what}: {self.driver.current_url} {self.driver.title}"
        )

    def wait_for_title(self, part: str) -> None:
        """Wait until a page is loaded whose title has this part."""
        ready = "return document.readyState === 'complete'"
        self.wait_for(
            lambda: part in self.driver.title and self.driver.execute_script(ready), f"title {part}"
        )

    def resize(self, width: int, height: int = 900) -> None:
        """Give the page this many CSS pixels, whatever the window's own least size is."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, scheme: str) -> None:
        """Prefer `light` or `dark` pages."""
        wanted = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)

    def allow_scripts(self, *, allowed: bool) -> None:
        """Have pages run their scripts or not."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not allowed})

    def is_too_wide(self) -> bool:
        """Tell whether the page has to be scrolled sideways."""
        return bool(self._run("return document.documentElement.scrollWidth > innerWidth"))

    def weak_contrasts(self) -> list[str]:
        """Name the texts that stand out too little from what is behind them."""
        found: list[str] = self._run(_CONTRASTS)
        return found

    def nameless(self) -> list[str]:
        """Name the controls that have no name for those who do not see them."""
        controls = "a, button, input:not([type=hidden]), select, summary, table, nav, form[role]"
        return [
            str(each.get_attribute("outerHTML"))[:200]
            for each in self.all(controls)
            if each.is_displayed() and not each.accessible_name.strip()
        ]

    def complaints(self) -> list[str]:
        """What the browser said about scripts and forbidden content since this was last asked."""
        entries: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [str(entry["message"]) for entry in entries if entry["source"] != "network"]

    def _run(self, script: str) -> Any:
        return self.driver.execute_script(script)

    # -- keys --------------------------------------------------------------------------------------------

    @property
    def focused(self) -> WebElement:
        """The element that keys go to."""
        return self.driver.switch_to.active_element

    def wait_for_focus(self, element_id: str) -> None:
        """Wait until the element of an id has the focus."""
        self.wait_for(lambda: self.focused.get_attribute("id") == element_id, f"focus on {element_id}")

    def press(self, *keys: str) -> None:
        """Press keys, one after another."""
        self.focused.send_keys(*keys)

    def tab_to(self, name: str) -> WebElement:
        """Press Tab until the control of this name has the focus, which must be seen at each stop."""
        passed = []
        for _ in range(_MOST_STOPS):
            self.press(Keys.TAB)
            here = self.focused
            passed.append(here.accessible_name)
            style, width = self._run(_FOCUS)
            assert style != "none", f"the focus is not seen on {passed[-1]}"
            assert width >= 2
            if passed[-1] == name:
                return here
        raise AssertionError(f"Tab does not lead to {name}, but to {passed}")
