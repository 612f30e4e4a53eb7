"""Version, permission and who asks, room, and what refusals leave behind."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from seafleet.db import tables
from tests.api.sync.conftest import Site
from tests.support.peer import PEER_ID, Peer


def test_the_version_is_an_integer_two(peer: Peer) -> None:
    for path in ("/seafhttp/protocol-version", "/seafhttp/protocol-version/"):
        answer = peer.http.get(peer.url.split("/seafhttp")[0] + path)
        assert (answer.status_code, answer.content) == (200, b'{"version":2}')


# -- permission ----------------------------------------------------------------------------------------------


def test_an_allowed_client_gets_an_empty_answer(peer: Peer) -> None:
    for op in ("download", "upload"):
        answer = peer.check(op)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["Content-Length"] == "0"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "op=delete",
        "op=download&client_id=short",
        f"op=download&client_id={PEER_ID}0",
        "op=download&client_ver=8",
        "op=download&client_ver=8.0",
        "op=download&client_ver=8.0.x",
        f"op=download&client_name=x&client_id={' ' * 40}",
    ],
)
def test_wrong_parameters_are_a_bad_request(peer: Peer, query: str) -> None:
    assert peer.get(f"permission-check/?{query}").status_code == 400


def test_a_client_may_leave_out_who_it_is(site: Site, peer: Peer) -> None:
    assert peer.get("permission-check/?op=download").status_code == 200
    (token,) = site.rows(tables.sync_token)
    assert token.peer_id is None


def test_the_check_notes_which_client_asks(site: Site, peer: Peer) -> None:
    assert peer.check(client_name="Ann's desk ü", client_ver="9.0.20").status_code == 200
    (token,) = site.rows(tables.sync_token)
    assert (token.peer_id, token.peer_name) == (PEER_ID, "Ann's desk ü")
    assert (token.peer_ip, token.client_version) == ("127.0.0.1", "9.0.20")
    assert token.synced_at == pytest.approx(site.server.services.clock.timestamp(), abs=5)


def test_another_name_and_version_are_noted_and_an_absent_version_leaves_the_last(
    site: Site, peer: Peer
) -> None:
    peer.check(client_name="old", client_ver="8.0.10")
    peer.check(client_name="new", client_ver="9.0.1")
    peer.check(client_name="newest")
    (token,) = site.rows(tables.sync_token)
    assert (token.peer_name, token.client_version) == ("newest", "9.0.1")


def test_a_refused_client_is_not_noted(site: Site) -> None:
    reader = site.reader()
    assert reader.check("upload").status_code == 403
    (token,) = site.rows(tables.sync_token)
    assert token.peer_id is None


def test_downloads_and_uploads_are_audited(site: Site, peer: Peer) -> None:
    peer.check("download", client_name="desk")
    peer.check("upload", client_name="desk")
    events = site.rows(tables.audit_event)
    assert [event.tag for event in events] == ["sync:library:download", "sync:library:upload"]
    for event in events:
        assert (event.actor, event.path, event.ip) == (site.owner.email, "/", "127.0.0.1")
        assert json.loads(event.detail) == {"client": "desk"}


def test_a_token_got_without_a_device_belongs_to_the_peer_that_uses_it(site: Site, peer: Peer) -> None:
    assert peer.check().status_code == 200
    (token,) = site.rows(tables.sync_token)
    links = tables.device_link
    with site.server.services.db.read() as connection:
        link = connection.execute(select(links).where(links.c.id == token.device_link_id)).one()
    assert (link.account_id, link.client_device_id) == (site.owner.id, PEER_ID)


# -- quota ---------------------------------------------------------------------------------------------------


def test_room_is_what_the_owner_has_left(site: Site, peer: Peer) -> None:
    site.server.services.accounts.update(site.owner, quota_bytes=1000)
    peer.push({"a": b"x" * 400})
    assert peer.get("quota-check/?delta=599").status_code == 200
    assert peer.get("quota-check/?delta=600").status_code == 443
    assert peer.get("quota-check/?delta=-600").status_code == 200


def test_a_full_owner_can_still_free_room(site: Site, peer: Peer) -> None:
    peer.push({"a": b"x" * 400, "b": b"y" * 400})
    site.server.services.accounts.update(site.owner, quota_bytes=500)
    assert peer.get("quota-check/?delta=1").status_code == 443
    assert peer.get("quota-check/?delta=0").status_code == 200
    peer.push({"a": b"x" * 400})
    assert site.head().size_bytes == 400


def test_without_a_quota_there_is_always_room(peer: Peer) -> None:
    assert peer.get(f"quota-check/?delta={10**15}").status_code == 200


@pytest.mark.parametrize("delta", ["", "x", "1.5", "1e3", "9" * 30])
def test_a_delta_that_is_no_number_is_a_bad_request(peer: Peer, delta: str) -> None:
    answer = peer.get(f"quota-check/?delta={delta}")
    assert (answer.status_code, answer.text) == (400, "Invalid delta parameter.\n")


# -- refusals ------------------------------------------------------------------------------------------------


def test_a_refusal_is_kept_for_administrators_and_counted(site: Site) -> None:
    reader = site.reader()
    reader.check("download", client_name="Bob's desk", client_ver="8.0.10")
    for _ in range(3):
        assert reader.check("upload").status_code == 403
    (error,) = site.rows(tables.device_error)
    assert (error.account_email, error.message, error.count) == (reader.email, "No permission.", 3)
    assert (error.device_name, error.peer_id, error.client_version) == ("Bob's desk", PEER_ID, "8.0.10")
    assert (error.library_name, error.device_ip) == (site.library.name, "127.0.0.1")


def test_refusals_of_different_kinds_are_kept_apart(site: Site) -> None:
    actor, peer = site.on_device()
    site.server.services.accounts.update(site.owner, quota_bytes=10)
    assert peer.get("quota-check/?delta=100").status_code == 443
    site.set_device(actor, admin_state="LOST")
    assert peer.check().status_code == 403
    site.set_device(actor, admin_state="ACTIVE")
    site.set_library(is_damaged=True)
    assert peer.check().status_code == 445
    messages = {error.message for error in site.rows(tables.device_error)}
    assert messages == {"Out of quota.", "This device has been reported lost.", "Library is damaged."}
    assert {error.device_name for error in site.rows(tables.device_error)} == {"desk"}


def test_a_blocked_device_is_seen_all_the_same(site: Site) -> None:
    actor, peer = site.on_device()
    assert actor.device is not None
    site.set_device(actor, admin_state="DISABLED", last_seen=1)
    peer.check()
    devices = tables.device
    with site.server.services.db.read() as connection:
        row = connection.execute(select(devices).where(devices.c.id == actor.device.device_id)).one()
    assert row.last_seen > 1
    assert row.admin_state == "DISABLED"


def test_strangers_leave_nothing_behind(site: Site, peer: Peer) -> None:
    peer.token = "0" * 40
    assert peer.check().status_code == 403
    assert site.rows(tables.device_error) == []
