"""Cases 1 to 35: the devices of Seafile's own API."""

from __future__ import annotations

import re
from typing import Any

from tests.conformance.site import LAPTOP, PHONE, Site, email

DEVICES = "/api2/devices/"
ADMIN = "/api/v2.1/admin/devices/"
ERRORS = "/api/v2.1/admin/device-errors/"


def unlink(site: Site, token: str, path: str = DEVICES, **form: str) -> tuple[int, Any]:
    answer = site.request("DELETE", path, token, data=form)
    return answer.status_code, answer.json()


def listed(site: Site, **parameters: str) -> list[dict[str, Any]]:
    answer = site.request("GET", ADMIN, site.facts.adm, params={"shape": "list", **parameters})
    assert answer.status_code == 200
    rows: list[dict[str, Any]] = answer.json()[1]
    return rows


def test_case_001_a_login_from_the_same_device_returns_the_same_token(site: Site) -> None:
    answer = site.login("mara", LAPTOP)
    assert answer.status_code == 200
    assert answer.json() == {"token": site.facts.tl}
    assert len(site.facts.tl) == 40
    int(site.facts.tl, 16)


def test_case_002_a_login_without_device_returns_another_token(site: Site) -> None:
    answer = site.login("mara")
    assert answer.status_code == 200
    assert re.fullmatch(r"[0-9a-f]{40}", answer.json()["token"])
    assert answer.json()["token"] != site.facts.tl


def test_case_003_one_device_field_alone_is_refused(site: Site) -> None:
    answer = site.login("mara", {"platform": "linux"})
    assert (answer.status_code, answer.json()) == (400, {"non_field_errors": ["invalid params"]})


def refused_login(site: Site, changes: dict[str, str]) -> Any:
    """Log in with other device fields, which has to be refused with 400; return the body."""
    answer = site.login("mara", {**LAPTOP, **changes})
    assert answer.status_code == 400
    return answer.json()


def test_case_004_a_desktop_id_of_39_characters_is_refused(site: Site) -> None:
    body = refused_login(site, {"device_id": "a" * 39})
    assert body == {"non_field_errors": ["invalid device id"]}


def test_case_005_an_unknown_platform_is_refused(site: Site) -> None:
    assert refused_login(site, {"platform": "amiga"}) == {"non_field_errors": ["invalid platform"]}


def test_case_006_an_android_id_may_be_in_upper_case(site: Site) -> None:
    answer = site.login("mara", {**PHONE, "device_id": "3E91B07C55D2AA18"})
    assert answer.status_code == 200
    assert site.use(answer.json()["token"]).status_code == 200


def test_case_007_an_ios_id_of_35_characters_is_refused(site: Site) -> None:
    body = refused_login(site, {"platform": "ios", "device_id": "a" * 35})
    assert body == {"non_field_errors": ["invalid device id"]}


def test_case_008_a_wrong_password_makes_no_device(site: Site) -> None:
    before = len(site.devices())
    answer = site.login("mara", {**LAPTOP, "device_id": "c" * 40}, password="wrong")
    assert answer.status_code == 400
    assert answer.json() == {"non_field_errors": ["Unable to login with provided credentials."]}
    assert len(site.devices()) == before


def test_case_009_my_devices_desktops_first_with_what_they_synchronise(site: Site) -> None:
    answer = site.request("GET", DEVICES, site.facts.tl)
    assert answer.status_code == 200
    first, second = answer.json()
    assert (first["platform"], second["platform"]) == ("linux", "android")
    (synced,) = first["synced_repos"]
    assert (synced["repo_id"], synced["repo_name"]) == (site.facts.library, "notes")
    assert isinstance(synced["sync_time"], int)
    assert "synced_repos" not in second


def test_case_010_only_the_own_row_carries_a_live_token(site: Site) -> None:
    own, other = site.request("GET", DEVICES, site.facts.tl).json()
    assert own["key"] == site.facts.tl
    assert other["key"] != site.facts.tp
    assert len(other["key"]) == 40
    assert site.use(other["key"]).status_code == 401
    plain = site.login("mara").json()["token"]
    keys = {row["key"] for row in site.request("GET", DEVICES, plain).json()}
    assert keys.isdisjoint({site.facts.tl, site.facts.tp, plain})


def test_case_011_an_unknown_token_is_told_so(site: Site) -> None:
    answer = site.request("GET", DEVICES, "f" * 40)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid token"})


def test_case_012_administrators_see_a_list_of_two_by_default(site: Site) -> None:
    parameters = {"platform": "desktop", "page": "1", "per_page": "50"}
    answer = site.request("GET", ADMIN, site.facts.adm, params=parameters)
    assert answer.status_code == 200
    page, rows = answer.json()
    assert page == {"has_next_page": False}
    assert [row["platform"] for row in rows] == ["linux", "linux"]
    keys = {
        "last_accessed",
        "last_login_ip",
        "platform",
        "user",
        "client_version",
        "device_name",
        "device_id",
    }
    assert all(keys <= row.keys() for row in rows)


def test_case_013_mobile_devices_alone(site: Site) -> None:
    assert [row["platform"] for row in listed(site, platform="mobile")] == ["android"]


def test_a_platform_that_nobody_knows_means_all_of_them(site: Site) -> None:
    assert len(listed(site, platform="amiga")) == 3


def test_case_014_pages_neither_repeat_nor_skip(site: Site) -> None:
    seen = []
    for page in range(1, 10):
        answer = site.request("GET", ADMIN, site.facts.adm, params={"per_page": "1", "page": str(page)})
        info, rows = answer.json()
        seen += [row["device_id"] for row in rows]
        assert info["has_next_page"] is (page < 3)
        if not info["has_next_page"]:
            break
    assert sorted(seen) == sorted([LAPTOP["device_id"], PHONE["device_id"], "b" * 40])


def test_case_015_what_is_no_number_means_the_default(site: Site) -> None:
    assert listed(site, page="x", per_page="y") == listed(site)
    assert listed(site, page="2", per_page="y") == listed(site)


def test_case_016_pages_that_are_too_small_are_the_first(site: Site) -> None:
    everything = listed(site)
    assert listed(site, page="0") == everything
    assert listed(site, page="-1", per_page="50") == everything
    assert listed(site, per_page="-3") == listed(site, per_page="0") == everything


def test_a_page_past_the_end_is_empty(site: Site) -> None:
    assert listed(site, page="99") == []


def test_case_017_applications_and_those_who_ask_get_an_object(site: Site) -> None:
    asked = site.request("GET", ADMIN, site.facts.adm, params={"shape": "object"})
    known = site.request("GET", ADMIN, site.facts.adm, headers={"X-Seafile-Client-Version": "9.0.5"})
    for answer in (asked, known):
        assert answer.status_code == 200
        value = answer.json()
        assert value["page_info"] == {"has_next_page": False, "current_page": 1}
        assert len(value["devices"]) == 3


def test_case_018_users_may_not_see_the_list(site: Site) -> None:
    assert site.request("GET", ADMIN, site.facts.tl).status_code == 403


def test_case_019_unlinking_needs_a_platform(site: Site) -> None:
    answer = unlink(site, site.facts.tp, device_id="a" * 40)
    assert answer == (400, {"error_msg": "platform invalid."})


def test_case_020_unlinking_needs_an_id(site: Site) -> None:
    assert unlink(site, site.facts.tp, platform="linux") == (400, {"error_msg": "device_id invalid."})


def test_case_021_unlinking_kills_token_and_sync_token(site: Site) -> None:
    form = {"platform": "linux", "device_id": "a" * 40}
    assert unlink(site, site.facts.tp, **form) == (200, {"success": True})
    assert site.use(site.facts.tl).status_code == 401
    assert site.sync().status_code == 403
    assert len(site.request("GET", DEVICES, site.facts.tp).json()) == 1


def test_case_022_unlinking_may_be_repeated(site: Site) -> None:
    form = {"platform": "linux", "device_id": "a" * 40}
    for _ in range(2):
        assert unlink(site, site.facts.tp, **form) == (200, {"success": True})
    assert len(site.request("GET", DEVICES, site.facts.tp).json()) == 1


def test_case_023_a_desktop_id_that_is_too_short_cannot_be_unlinked(site: Site) -> None:
    answer = unlink(site, site.facts.tp, platform="linux", device_id="short")
    assert answer == (400, {"error_msg": "device_id invalid."})


def test_a_platform_that_nobody_knows_cannot_be_unlinked(site: Site) -> None:
    answer = unlink(site, site.facts.tp, platform="amiga", device_id="a" * 40)
    assert answer == (400, {"error_msg": "platform invalid."})


def test_what_is_to_be_unlinked_may_be_named_in_the_query(site: Site) -> None:
    form = {"platform": "LINUX", "device_id": "a" * 40}
    answer = site.request("DELETE", DEVICES, site.facts.tp, params=form)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert site.use(site.facts.tl).status_code == 401


def wiped(site: Site) -> None:
    form = {"platform": "linux", "device_id": "a" * 40, "wipe_device": "true"}
    assert unlink(site, site.facts.tp, **form) == (200, {"success": True})


def test_case_024_unlinking_with_wipe_tells_the_device(site: Site) -> None:
    wiped(site)
    assert [row["platform"] for row in site.request("GET", DEVICES, site.facts.tp).json()] == ["android"]
    assert "a" * 40 not in [row["device_id"] for row in listed(site)]
    for path in ("/api2/auth/ping/", "/api2/repos/", "/api2/account/info/"):
        answer = site.request("GET", path, site.facts.tl)
        assert (answer.status_code, answer.json()) == (401, {"detail": "Device set to be remote wiped"})
        assert answer.headers["X-Seafile-Wiped"] == "true"
    assert site.sync().status_code == 403


def test_case_025_a_report_ends_the_wipe(site: Site) -> None:
    wiped(site)
    answer = site.request("POST", "/api2/device-wiped/", data={"token": site.facts.tl})
    assert (answer.status_code, answer.json()) == (200, {})
    after = site.use(site.facts.tl)
    assert after.status_code == 401
    assert "X-Seafile-Wiped" not in after.headers


def test_case_026_a_report_with_a_token_that_is_not_marked(site: Site) -> None:
    answer = site.request("POST", "/api2/device-wiped/", data={"token": site.facts.tp})
    assert (answer.status_code, answer.json()) == (400, {"error_msg": "invalid device token"})


def test_case_027_a_report_with_a_wrong_token(site: Site) -> None:
    unknown = "f" * 40
    for token, status, text in (
        ("abc", 400, "token invalid."),
        ("", 400, "token invalid."),
        (unknown, 404, f"token {unknown} not found."),
    ):
        answer = site.request("POST", "/api2/device-wiped/", data={"token": token})
        assert (answer.status_code, answer.json()) == (status, {"error_msg": text})


def test_case_028_a_fresh_login_cancels_a_wipe(site: Site) -> None:
    wiped(site)
    answer = site.login("mara", LAPTOP)
    assert answer.status_code == 200
    token = answer.json()["token"]
    assert token != site.facts.tl
    assert site.use(token).status_code == 200
    assert len(site.request("GET", DEVICES, token).json()) == 2


def test_case_029_administrators_have_to_name_the_user(site: Site) -> None:
    form = {"platform": "linux", "device_id": "a" * 40}
    assert unlink(site, site.facts.adm, ADMIN, **form) == (400, {"error_msg": "user invalid."})


def test_case_030_administrators_unlink_one_users_device(site: Site) -> None:
    form = {"platform": "android", "device_id": PHONE["device_id"], "user": "MARA@example.org"}
    assert unlink(site, site.facts.adm, ADMIN, **form) == (200, {"success": True})
    assert site.use(site.facts.tp).status_code == 401
    assert site.use(site.facts.tg).status_code == 200
    for user in ("nobody@example.org", email("ines")):
        assert unlink(site, site.facts.adm, ADMIN, **{**form, "user": user}) == (200, {"success": True})


def test_case_031_logging_out_ends_token_and_sync_token(site: Site) -> None:
    answer = site.request("POST", "/api2/logout-device/", site.facts.tl)
    assert (answer.status_code, answer.json()) == (200, {})
    assert site.use(site.facts.tl).status_code == 401
    assert site.sync().status_code == 403


def refused_sync(site: Site) -> None:
    """Have Mara's laptop ask about a library of Ines' that she may not read, with a sync token that is good
    otherwise: over HTTP there is none, for tokens die with the access.
    """
    services = site.server.services
    ines = services.accounts.get_by_email(email("ines"))
    head = services.libraries.create(ines.id, "hers")
    token = site.server.services.sync_tokens.issue(
        head.library_id, services.tokens.resolve(site.facts.tl).actor
    )
    answer = site.server.request(
        "GET",
        f"/seafhttp/repo/{head.library_id}/permission-check/",
        headers={"Seafile-Repo-Token": token},
        params={"op": "upload", "client_id": "a" * 40, "client_name": "mara-x13", "client_ver": "9.0.5"},
    )
    assert answer.status_code == 403


def test_case_032_refused_syncing_is_told_to_administrators(site: Site) -> None:
    refused_sync(site)
    answer = site.request("GET", ERRORS, site.facts.adm)
    (error,) = answer.json()
    assert (error["email"], error["device_name"]) == (email("mara"), "mara-x13")
    assert (error["error_msg"], error["repo_name"]) == ("No permission.", "hers")
    assert len(error["repo_id"]) == 36
    assert error["error_time"].endswith("+00:00")


def test_case_033_errors_in_pages_come_in_an_object(site: Site) -> None:
    refused_sync(site)
    answer = site.request("GET", ERRORS, site.facts.adm, params={"page": "1", "per_page": "10"}).json()
    assert answer["page_info"] == {"has_next_page": False, "current_page": 1}
    assert len(answer["device_errors"]) == 1


def test_case_034_errors_can_be_cleared(site: Site) -> None:
    refused_sync(site)
    answer = site.request("DELETE", ERRORS, site.facts.adm)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert site.request("GET", ERRORS, site.facts.adm).json() == []


def test_case_035_errors_can_be_switched_off(site: Site) -> None:
    site.settings(device_errors_enabled=False)
    answer = site.request("GET", ERRORS, site.facts.adm)
    assert (answer.status_code, answer.json()) == (403, {"error_msg": "Feature disabled."})


def test_the_devices_of_an_organization_are_those_of_its_users(site: Site) -> None:
    moved = site.admin("PATCH", f"/users/{email('ines')}/", json={"organization_id": 2})
    assert moved.status_code == 200
    path = "/api/v2.1/org/{}/admin/devices/"
    _, rows = site.request("GET", path.format(2), site.facts.adm).json()
    assert [row["user"] for row in rows] == [email("ines")]
    missing = site.request("GET", path.format(99), site.facts.adm)
    assert (missing.status_code, missing.json()) == (404, {"error_msg": "Organization 99 not found."})
