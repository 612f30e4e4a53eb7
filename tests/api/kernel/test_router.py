"""Which route answers which path."""

from __future__ import annotations

import pytest

from seafleet.api.kernel.router import DuplicateRouteError, Match, NoRoute, Router, WrongVerb

LIBRARY = "7460f7ac-a0ff-4585-8906-bb5a57d2e118"


def routed(*patterns: str) -> Router[str]:
    router: Router[str] = Router()
    for pattern in patterns:
        router.add("GET", pattern, pattern)
    return router


def found(router: Router[str], path: str, verb: str = "GET") -> tuple[str, dict[str, str]]:
    match = router.match(verb, path.encode())
    assert isinstance(match, Match), match
    return match.route, match.params


def test_a_trailing_slash_never_matters() -> None:
    router = routed("/api2/ping/", "/healthz", "/api2/repos/{library_id}/dir/")
    for path in ("/api2/ping", "/api2/ping/", "/healthz", "/healthz/"):
        assert isinstance(router.match("GET", path.encode()), Match)
    assert found(router, f"/api2/repos/{LIBRARY}/dir")[1] == {"library_id": LIBRARY}
    assert found(router, f"/api2/repos/{LIBRARY}/dir/")[1] == {"library_id": LIBRARY}


def test_the_root_is_a_path_of_its_own() -> None:
    assert found(routed("/"), "/") == ("/", {})


def test_placeholders_are_decoded() -> None:
    assert found(routed("/api2/accounts/{email}/"), "/api2/accounts/j%C3%B6rg%40x.org/") == (
        "/api2/accounts/{email}/",
        {"email": "jörg@x.org"},
    )


def test_literal_segments_win_over_placeholders_and_narrow_ones_over_wide_ones() -> None:
    router = routed("/g/{name}/", "/g/all/", "/g/{id:number}/", "/g/{mail:email}/", "/g/{id:object}/")
    assert found(router, "/g/all/")[0] == "/g/all/"
    assert found(router, "/g/12/")[0] == "/g/{id:number}/"
    assert found(router, "/g/a@b/")[0] == "/g/{mail:email}/"
    assert found(router, f"/g/{'0' * 40}/")[0] == "/g/{id:object}/"
    assert found(router, "/g/twelve/")[0] == "/g/{name}/"


def test_a_literal_that_leads_nowhere_does_not_hide_a_placeholder() -> None:
    router = routed("/g/all/members/", "/g/{name}/owner/")
    assert found(router, "/g/all/owner/") == ("/g/{name}/owner/", {"name": "all"})


@pytest.mark.parametrize("word", ["x", LIBRARY[:-1], LIBRARY + "0", LIBRARY.upper()])
def test_what_cannot_be_a_library_id_has_no_route(word: str) -> None:
    assert isinstance(
        routed("/api2/repos/{library_id}/").match("GET", f"/api2/repos/{word}/".encode()), NoRoute
    )


def test_the_rest_of_a_path_keeps_its_slashes() -> None:
    router = routed("/files/{token}/{name:rest}")
    assert found(router, "/files/t/a/b%20c/")[1] == {"token": "t", "name": "a/b c/"}
    assert found(router, "/files/t")[1] == {"token": "t", "name": ""}
    assert found(router, "/files/t/")[1] == {"token": "t", "name": ""}


@pytest.mark.parametrize("path", ["/%ff/", "/a%00b/", "/%C3%28/", "//", "/api2//ping/", "x", ""])
def test_paths_that_are_not_utf8_hold_nul_or_have_empty_segments_have_no_route(path: str) -> None:
    assert isinstance(routed("/{name}/", "/api2/{name}/ping/").match("GET", path.encode()), NoRoute)


def test_head_is_served_by_get_and_other_verbs_name_what_is_allowed() -> None:
    router = routed("/a/")
    router.add("POST", "/a/", "post")
    assert found(router, "/a/", "HEAD")[0] == "/a/"
    wrong = router.match("PATCH", b"/a/")
    assert isinstance(wrong, WrongVerb)
    assert wrong.allowed == ("GET", "HEAD", "OPTIONS", "POST")


def test_one_path_may_name_its_placeholder_differently_for_each_verb() -> None:
    router: Router[str] = Router()
    router.add("GET", "/g/{name}/", "get")
    router.add("PUT", "/g/{title}/", "put")
    assert found(router, "/g/x/") == ("get", {"name": "x"})
    assert found(router, "/g/x/", "PUT") == ("put", {"title": "x"})


@pytest.mark.parametrize("pattern", ["/a/", "/a", "/x/{id}", "/b{c}/", "/{d:colour}/"])
def test_two_routes_of_one_verb_and_path_and_malformed_patterns_are_refused(pattern: str) -> None:
    router = routed("/a/", "/x/{name}/")
    with pytest.raises(DuplicateRouteError):
        router.add("GET", pattern, "again")
