"""Making, finding, changing and deleting accounts."""

from __future__ import annotations

import threading

import pytest

from seafleet.accounts.model import UNLIMITED, Account, Role, Roles, is_email
from seafleet.db import tables
from seafleet.errors import AccountNotFound, AlreadyExists, InvalidArgument, TokenNotFound
from tests.support.world import PASSWORD, World


@pytest.mark.parametrize(
    "text",
    [
        "mara@example.org",
        "a.b+c@x-y.example.co",
        '"quoted part"@example.org',
        "üser@exämple.org",
        "1@2.34",
        "a@b.cd",
    ],
)
def test_an_address_has_a_local_part_and_a_dotted_domain(text: str) -> None:
    assert is_email(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mara",
        "@example.org",
        "mara@",
        "mara@localhost",
        "mara@example.o",
        "mara@.org",
        "mara@example..org",
        "ma ra@example.org",
        ".mara@example.org",
        "o'neil@example.org",
        "mara@exam ple.org",
        "mara@example.org\n",
        "mara\x00@example.org",
        "\ud800@example.org",
        "a" * 250 + "@example.org",
    ],
)
def test_other_texts_are_no_addresses(text: str) -> None:
    assert not is_email(text)


def test_addresses_are_stored_in_lower_case_and_found_in_any(world: World) -> None:
    account = world.accounts.create("Mixed.Case@Example.ORG", None)
    assert account.email == "mixed.case@example.org"
    assert world.accounts.get_by_email("MIXED.case@example.org") == account
    assert world.accounts.get(account.id) == account


def test_an_address_is_given_out_once(world: World) -> None:
    account = world.account()
    with pytest.raises(AlreadyExists):
        world.accounts.create(account.email.upper(), PASSWORD)


def test_two_simultaneous_creations_of_one_address_make_one_account(world: World) -> None:
    outcomes: list[str] = []

    def create() -> None:
        try:
            world.accounts.create("race@example.org", None)
            outcomes.append("made")
        except AlreadyExists:
            outcomes.append("refused")

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", "refused", "refused", "refused"]


def test_an_unknown_account_is_not_found(world: World) -> None:
    assert world.accounts.find("nobody@example.org") is None
    with pytest.raises(AccountNotFound):
        world.accounts.get_by_email("nobody@example.org")
    with pytest.raises(AccountNotFound):
        world.accounts.get(10**9)


@pytest.mark.parametrize("address", ["a\x00b@example.org", "\ud800@example.org"])
def test_an_address_that_cannot_be_stored_is_not_found(world: World, address: str) -> None:
    assert world.accounts.find(address) is None


def test_the_name_defaults_to_the_address_up_to_the_at_sign(world: World) -> None:
    account = world.account()
    assert account.name == account.email.partition("@")[0]
    assert account.contact_email == account.email
    named = world.accounts.update(account, name="Mara", contact_email="Mara@Example.net")
    assert (named.name, named.contact_email) == ("Mara", "mara@example.net")


def test_fields_are_changed_one_by_one_and_cleared_by_empty_text(world: World) -> None:
    account = world.account(department="Lab", login_id=f"lab-{world.random.random()}")
    changed = world.accounts.update(account, note="hello")
    assert (changed.department, changed.note, changed.login_id) == ("Lab", "hello", account.login_id)
    assert world.accounts.update(changed, login_id="", department=None).login_id is None


def test_a_login_id_belongs_to_one_account(world: World) -> None:
    first, second = world.account(login_id="taken"), world.account()
    with pytest.raises(AlreadyExists) as raised:
        world.accounts.update(second, login_id="taken")
    assert raised.value.kind == "login_id"
    assert world.accounts.update(first, login_id="taken").login_id == "taken"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("department", "x" * 513),
        ("note", "\x00"),
        ("name", "\ud800"),
        ("hair", "red"),
        ("login_id", "x" * 226),
    ],
)
def test_a_bad_field_is_named(world: World, name: str, value: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        world.account(**{name: value})
    assert raised.value.name == name


def test_accounts_are_listed_in_creation_order_and_searched_in_any_case(world: World) -> None:
    first = world.account(name="Needle Smith")
    second = world.account(contact_email="needle@example.net")
    world.account(name="needless?")
    found = world.accounts.search("NEEDLE")
    assert [account.id for account in found[:2]] == [first.id, second.id]
    assert len(found) == 3
    assert world.accounts.search("%") == []
    everybody = world.accounts.list(limit=None)
    assert [account.id for account in everybody] == sorted(account.id for account in everybody)
    assert world.accounts.list(start=1, limit=1) == everybody[1:2]
    assert len(everybody) == world.accounts.count()
    assert world.accounts.list(source="ldap") == []


def test_staff_lists_the_administrators_alone(world: World) -> None:
    boss = world.account(is_staff=True)
    other = world.account()
    assert boss in world.accounts.staff()
    assert other not in world.accounts.staff()
    world.accounts.update(boss, is_staff=False)
    assert boss.id not in [account.id for account in world.accounts.staff()]


def test_the_quota_comes_from_the_account_its_role_or_the_site(world: World) -> None:
    roles = Roles({"default": Role(), "small": Role(quota_bytes=10)})
    site = World(world.database, roles=roles)
    site.accounts._site_quota_bytes = 1000
    plain, small = site.account(), site.account(role="small")
    assert site.accounts.quota(plain) == 1000
    assert site.accounts.quota(small) == 10
    own = site.accounts.update(small, quota_bytes=77)
    assert site.accounts.quota(own) == 77
    assert site.accounts.quota(site.accounts.update(own, quota_bytes=0)) == 10
    assert site.accounts.quota(site.accounts.update(own, quota_bytes=UNLIMITED)) == UNLIMITED
    assert world.accounts.quota(world.account()) == UNLIMITED


def test_usage_is_what_the_library_package_says(world: World) -> None:
    account = world.account()
    assert world.accounts.usage(account) == 0
    world.accounts._usage = lambda account_id: account_id * 10
    assert world.accounts.usage(account) == account.id * 10


def test_the_role_is_changed_without_touching_anything_else(world: World) -> None:
    account = world.account(department="Lab")
    changed = world.accounts.update(account, role="guest")
    assert (changed.role, changed.department) == ("guest", "Lab")
    assert world.accounts.update(changed) == changed


def test_roles_know_their_names() -> None:
    assert "guest" in Roles()
    assert "intern" not in Roles()


@pytest.mark.parametrize("text", ["mara", "a b@example.org"])
def test_an_account_needs_an_address(world: World, text: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        world.accounts.create(text, PASSWORD)
    assert raised.value.name == "email"


def test_a_role_that_nobody_defined_has_the_rights_of_a_guest() -> None:
    role = Roles().of("intern")
    assert not role.can_add_repo
    assert not role.may_connect("desktop")
    assert Roles().of("default").may_connect("desktop")


def test_options_are_kept_replaced_and_forgotten(world: World) -> None:
    account = world.account()
    assert world.accounts.option(account.id, "default_repo") is None
    world.accounts.set_option(account.id, "default_repo", "a")
    world.accounts.set_option(account.id, "default_repo", "b")
    world.accounts.set_option(account.id, "server_crypto", "1")
    assert world.accounts.option(account.id, "default_repo") == "b"
    assert world.accounts.options(account.id) == {"default_repo": "b", "server_crypto": "1"}
    world.accounts.set_option(account.id, "default_repo", None)
    assert world.accounts.option(account.id, "default_repo") is None


def test_an_option_needs_a_key_that_fits(world: World) -> None:
    account = world.account()
    for key in ("", "x" * 51, "\x00"):
        with pytest.raises(InvalidArgument):
            world.accounts.set_option(account.id, key, "1")


def _everything(world: World, account: Account) -> tuple[str, str, str, str]:
    """Give an account one token of each kind and return them."""
    plain = world.tokens.issue_plain(account)
    device, actor = world.on_device(account)
    library_id = world.library(account)
    sync = world.sync_tokens.issue(library_id, actor)
    url = world.access_tokens.issue(library_id, "upload", "{}", actor)
    return plain, device, sync, url


@pytest.mark.parametrize("change", ["password", "deactivation"])
def test_a_new_password_and_deactivation_kill_every_token(world: World, change: str) -> None:
    account = world.account()
    plain, device, sync, url = _everything(world, account)
    (library,) = world.rows(tables.library, owner_id=account.id)
    if change == "password":
        world.accounts.set_password(account, "another")
    else:
        world.accounts.set_active(account, False)
    for token in (plain, device):
        with pytest.raises(TokenNotFound):
            world.tokens.resolve(token)
    with pytest.raises(TokenNotFound):
        world.sync_tokens.resolve(sync, library.id)
    with pytest.raises(TokenNotFound):
        world.access_tokens.take(url, "upload")
    assert world.count(tables.device_link, account_id=account.id) == (1 if change == "password" else 0)


def test_activation_brings_no_token_back(world: World) -> None:
    account = world.account()
    token = world.tokens.issue_plain(account)
    world.accounts.set_active(account, False)
    world.accounts.set_active(account, True)
    assert world.accounts.get(account.id).is_active
    with pytest.raises(TokenNotFound):
        world.tokens.resolve(token)


def test_other_accounts_keep_their_tokens(world: World) -> None:
    account, other = world.account(), world.account()
    token = world.tokens.issue_plain(other)
    world.accounts.set_password(account, "another")
    assert world.tokens.resolve(token).actor.account_id == other.id


def test_deleting_an_account_removes_what_is_its_own_and_keeps_what_happened(world: World) -> None:
    account, friend = world.account(), world.account()
    world.accounts.authenticate(account.email, PASSWORD)
    _, actor = world.on_device(account)
    theirs = world.library(friend)
    world.share(theirs, friend, account, "rw")
    world.user_rule(theirs, "/a", account, "r")
    world.share_link(theirs, account, "/")
    world.sync_tokens.issue(theirs, actor)
    world.access_tokens.issue(theirs, "upload", "{}", actor)
    world.accounts.set_option(account.id, "default_repo", theirs)
    group_id = world.group(account, friend)
    assert world.accounts.delete(account)
    for table in (
        tables.account_option,
        tables.api_token,
        tables.sync_token,
        tables.device_link,
        tables.group_member,
        tables.folder_user_permission,
        tables.share_link,
        tables.access_token,
    ):
        assert world.count(table, account_id=account.id) == 0, table.name
    assert world.count(tables.user_share, to_account_id=account.id) == 0
    assert world.count(tables.group_member, group_id=group_id) == 1
    assert world.count(tables.login_log, username=account.email) == 1
    assert world.count(tables.audit_event, actor=account.email) > 0
    assert world.count(tables.library, id=theirs) == 1
    assert not world.accounts.delete(account)


def test_hooks_put_libraries_away_before_the_account_goes(world: World) -> None:
    account = world.account()
    world.library(account)
    seen: list[int] = []

    def put_away(tx: object, leaving: Account) -> None:
        seen.append(leaving.id)
        statement = tables.library.delete().where(tables.library.c.owner_id == leaving.id)
        tx.execute(statement)  # type: ignore[attr-defined]

    world.accounts.on_delete(put_away)
    assert world.accounts.delete(account)
    assert seen == [account.id]


def test_whoever_asked_is_told_of_changes_that_take_rights_away(world: World) -> None:
    account = world.account()
    told: list[int] = []
    world.accounts.on_revoked(told.append)
    world.accounts.update(account, note="x")
    world.accounts.set_password(account, "another")
    world.accounts.set_active(account, False)
    world.accounts.delete(account)
    assert told == [account.id] * 4


def test_a_change_of_an_account_that_is_gone_is_refused(world: World) -> None:
    account = world.account()
    world.accounts.delete(account)
    with pytest.raises(AccountNotFound):
        world.accounts.set_active(account, False)
    with pytest.raises(AccountNotFound):
        world.accounts.update(account, note="x")


def test_changes_are_audited_with_who_made_them(world: World) -> None:
    boss, account = world.account(is_staff=True), world.account()
    world.accounts.set_active(account, False, by=world.actor(boss))
    (event,) = world.rows(tables.audit_event, actor=boss.email)
    assert (event.tag, event.detail) == ("api:account:deactivated", f'{{"email": "{account.email}"}}')
