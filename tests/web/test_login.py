"""Signing in and out in a browser."""

from __future__ import annotations

import base64
import hashlib
import re

import httpx
import pytest

from tests.support.registry import Person, RegistrySite
from tests.web.conftest import LOGIN, Browser

API = "/api2/account/info/"


def test_the_form_can_be_used_with_the_keyboard_alone(browser: Browser) -> None:
    page = browser.get(LOGIN)
    assert page.status_code == 200
    for name in ("username", "password"):
        assert f'<label for="{name}">' in page.text
        assert f'id="{name}" name="{name}"' in page.text
    assert page.text.count("autofocus") == 1
    assert '<button class="first">' in page.text
    assert '<html lang="en">' in page.text
    assert "<script" not in page.text
    assert " onclick" not in page.text


def test_pages_load_nothing_and_are_shown_in_no_frame(browser: Browser) -> None:
    page = browser.get(LOGIN)
    policy = page.headers["Content-Security-Policy"]
    style = re.search(r"<style>(.*?)</style>", page.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["Cache-Control"] == "no-store"
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page.text)


def test_signing_in_leads_on_and_lasts(browser: Browser, ann: Person) -> None:
    answer = browser.sign_in(ann, next="/o/oauth/authorize?a=b%26c")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/o/oauth/authorize?a=b%26c"
    assert ann.email in browser.get(LOGIN).text
    assert "You are signed in" in browser.get(LOGIN).text


def test_whoever_is_signed_in_already_is_led_on(browser: Browser, ann: Person) -> None:
    browser.sign_in(ann)
    assert browser.get(LOGIN, params={"next": "/o/x?y"}).headers["Location"] == "/o/x?y"
    for path in (LOGIN, "//evil.example.org", ""):
        assert "You are signed in" in browser.get(LOGIN, params={"next": path}).text


def test_the_cookie_is_for_this_site_and_not_for_scripts(browser: Browser, ann: Person) -> None:
    answer = browser.sign_in(ann)
    [line] = [line for line in answer.headers.get_list("Set-Cookie") if line.startswith("seafleet=")]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in line.split(";")}
    assert "Secure" not in line


def test_over_https_cookies_are_kept_from_other_hosts(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("https") / "data"
    secure = RegistrySite.start(folder, public_url="https://files.example.org")
    try:
        [line] = secure.http.get(LOGIN).headers.get_list("Set-Cookie")
        assert line.startswith("__Host-seafleet-form=")
        assert line.endswith("; Secure")
    finally:
        secure.stop()


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example.org",
        "/\\evil.example.org",
        "https://evil.example.org/",
        "javascript:alert(1)",
        "evil",
        "",
        "/a b",
        "/a\nb",
    ],
)
def test_signing_in_never_leads_away(browser: Browser, ann: Person, path: str) -> None:
    assert browser.sign_in(ann, next=path).headers["Location"] == LOGIN


def test_a_wrong_password_shows_the_form_again(browser: Browser, ann: Person) -> None:
    for email in (ann.email, "nobody@example.org", '"><script>'):
        answer = browser.sign_in(Person(ann.account, "wrong"), username=email)
        assert answer.status_code == 403
        assert "The name or the password is not right." in answer.text
        assert 'role="alert"' in answer.text
        assert "<script>" not in answer.text
        assert "seafleet=" not in answer.headers.get("Set-Cookie", "")
    assert f'value="{ann.email}"' in browser.sign_in(Person(ann.account, "wrong")).text


def test_an_account_that_is_switched_off_is_told_so(site: RegistrySite, browser: Browser) -> None:
    person = site.person()
    site.server.services.accounts.set_active(person.account, active=False)
    answer = browser.sign_in(person)
    assert answer.status_code == 403
    assert "switched off" in answer.text


def test_many_failures_lock_the_name(site: RegistrySite, browser: Browser) -> None:
    person = site.person()
    for _ in range(20):
        assert browser.sign_in(Person(person.account, "wrong")).status_code == 403
    answer = browser.sign_in(person)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "Try again in" in answer.text


# -- forms of other sites ------------------------------------------------------------------------------------


def test_a_form_that_no_page_of_ours_showed_is_refused(browser: Browser, ann: Person) -> None:
    for form_token in ("", "x", "0" * 40):
        answer = browser.sign_in(ann, form_token=form_token)
        assert answer.status_code == 403
        assert "This form is not" in answer.text
    assert "Sign in" in browser.get(LOGIN).text


def test_a_form_without_its_cookie_is_refused(site: RegistrySite, browser: Browser, ann: Person) -> None:
    form = {"username": ann.email, "password": ann.password, "form_token": browser.form_token(LOGIN)}
    assert site.http.post(LOGIN, data=form).status_code == 403


@pytest.mark.parametrize("origin", ["cross-site", "same-site"])
def test_a_form_that_a_browser_says_is_foreign_is_refused(browser: Browser, ann: Person, origin: str) -> None:
    assert browser.sign_in(ann, headers={"Sec-Fetch-Site": origin}).status_code == 403
    assert browser.sign_in(ann, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 302


def test_signing_out_needs_the_sessions_own_form(browser: Browser, ann: Person) -> None:
    early = browser.form_token(LOGIN)
    browser.sign_in(ann)
    assert browser.post("/accounts/logout/", data={"form_token": early}).status_code == 403
    assert "You are signed in" in browser.get(LOGIN).text
    answer = browser.post("/accounts/logout/", data={"form_token": browser.form_token(LOGIN)})
    assert (answer.status_code, answer.headers["Location"]) == (302, LOGIN)
    assert "You are signed in" not in browser.get(LOGIN).text


def test_a_session_that_was_signed_out_is_over(site: RegistrySite, browser: Browser, ann: Person) -> None:
    browser.sign_in(ann)
    cookie = browser.http.cookies["seafleet"]
    browser.post("/accounts/logout/", data={"form_token": browser.form_token(LOGIN)})
    answer = site.http.get(LOGIN, headers={"Cookie": f"seafleet={cookie}"})
    assert "You are signed in" not in answer.text


def test_signing_out_without_a_session_is_fine(browser: Browser) -> None:
    answer = browser.post("/accounts/logout/")
    assert (answer.status_code, answer.headers["Location"]) == (302, LOGIN)


def test_signing_in_again_ends_the_session_before(site: RegistrySite, browser: Browser, ann: Person) -> None:
    form_token = browser.form_token(LOGIN)
    browser.sign_in(ann, form_token=form_token)
    before = browser.http.cookies["seafleet"]
    browser.sign_in(ann, form_token=form_token)
    assert browser.http.cookies["seafleet"] != before
    answer = site.http.get(LOGIN, headers={"Cookie": f"seafleet={before}"})
    assert "You are signed in" not in answer.text


# -- the Web API with a session ------------------------------------------------------------------------------


def renaming(browser: Browser, **headers: str) -> httpx.Response:
    return browser.http.put(API, data={"name": "Ann"}, headers=headers)


def test_the_web_api_takes_the_session(browser: Browser, ann: Person) -> None:
    assert renaming(browser).json() == {"detail": "Authentication credentials were not provided."}
    browser.sign_in(ann)
    answer = renaming(browser, **{"X-CSRFToken": browser.form_token(LOGIN)})
    assert (answer.status_code, answer.json()["name"]) == (200, "Ann")


@pytest.mark.parametrize("sent", [{}, {"X-CSRFToken": ""}, {"X-CSRFToken": "0" * 40}])
def test_changes_need_the_token_of_the_session(browser: Browser, ann: Person, sent: dict[str, str]) -> None:
    browser.sign_in(ann)
    answer = renaming(browser, **sent)
    assert answer.status_code == 403
    assert answer.json()["detail"].startswith("CSRF Failed: ")


def test_changes_from_other_sites_are_refused_whatever_they_send(browser: Browser, ann: Person) -> None:
    browser.sign_in(ann)
    form_token = browser.form_token(LOGIN)
    answer = renaming(browser, **{"X-CSRFToken": form_token, "Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


def test_an_api_token_wins_over_the_session_and_needs_no_proof(
    site: RegistrySite, browser: Browser, ann: Person
) -> None:
    browser.sign_in(ann)
    other = site.login(site.person())
    answer = renaming(browser, Authorization=f"Token {other.token}")
    assert (answer.status_code, answer.json()["email"]) == (200, other.person.email)
    assert renaming(browser, Authorization="Token " + "0" * 40).status_code == 401


def test_calls_for_tokens_only_do_not_take_the_session(browser: Browser, ann: Person) -> None:
    browser.sign_in(ann)
    assert browser.get("/api2/auth/ping/").status_code == 403


def test_a_session_goes_on_when_tokens_without_device_are_refused(
    site: RegistrySite, browser: Browser, ann: Person
) -> None:
    browser.sign_in(ann)
    site.set(allow_unbound_tokens=False)
    try:
        assert renaming(browser, **{"X-CSRFToken": browser.form_token(LOGIN)}).status_code == 200
    finally:
        site.set(allow_unbound_tokens=True)


# -- refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/accounts/nothing/", 404),
        ("DELETE", LOGIN, 405),
        ("GET", "/accounts/logout/", 405),
        ("POST", LOGIN + "?next=%ff", 403),
    ],
)
def test_refusals_are_pages(browser: Browser, method: str, path: str, status: int) -> None:
    answer = browser.http.request(method, path)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<h1>" in answer.text
