"""Accounts, one-time links, sessions, and the limit on failed sign-ins."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

import dermedge
from edge.errors import UsageError
from hub import accounts, attempts, database, passwords, schema_accounts, sessions, tables
from hub.attempts import PER_NAME, TooManyAttemptsError
from hub.passwords import WeakPasswordError
from hub.sessions import SignInError
from hub.settings import Pages, Sessions, Settings

AT = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
PASSWORD = "correct horse battery staple"
LIMITS = Sessions(idle_minutes=30, absolute_hours=12)


@pytest.fixture
def engine(hub: Path) -> Iterator[sa.Engine]:
    made = database.open_database(hub)
    yield made
    made.dispose()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same function with less memory and one pass, so that the tests need not wait for it."""
    hasher = passwords.argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", hasher)
    monkeypatch.setattr(passwords, "_nobodys", lambda: hasher.hash("nobody's"))


def added(engine: sa.Engine, name: str = "li", role: accounts.Role = "reviewer", at: datetime = AT) -> str:
    with engine.begin() as connection:
        return accounts.add(connection, name, role, at)


def signed_up(engine: sa.Engine, name: str = "li", role: accounts.Role = "reviewer", at: datetime = AT) -> str:
    return sessions.use_link(engine, added(engine, name, role, at), PASSWORD, at)


def found(engine: sa.Engine, token: str, at: datetime = AT) -> sessions.Session | None:
    return sessions.find(engine, token, LIMITS, at)


def test_a_link_sets_the_password_once_and_signs_in(engine: sa.Engine) -> None:
    link = added(engine)
    session = found(engine, sessions.use_link(engine, link, PASSWORD, AT))
    assert session is not None
    assert (session.account, session.role) == ("li", "reviewer")
    with pytest.raises(SignInError):
        sessions.use_link(engine, link, PASSWORD, AT)
    assert found(engine, sessions.sign_in(engine, "li", PASSWORD, AT)) is not None


def test_a_link_lives_a_day_and_a_new_one_takes_its_place(engine: sa.Engine) -> None:
    first = added(engine)
    with pytest.raises(SignInError):
        sessions.use_link(engine, first, PASSWORD, AT + timedelta(hours=24))
    with engine.begin() as connection:
        second = accounts.link(connection, "li", AT)
    with pytest.raises(SignInError):
        sessions.use_link(engine, first, PASSWORD, AT)
    sessions.use_link(engine, second, PASSWORD, AT + timedelta(hours=23, minutes=59))


@pytest.mark.parametrize("password", ["", "short", "fourteen chars", "a" * 40, "li" * 10, "x1!" * 400])
def test_a_weak_password_is_refused_and_the_link_holds(engine: sa.Engine, password: str) -> None:
    link = added(engine)
    with pytest.raises(WeakPasswordError):
        sessions.use_link(engine, link, password, AT)
    sessions.use_link(engine, link, PASSWORD, AT)


def test_a_password_written_by_another_keyboard_is_the_same(engine: sa.Engine) -> None:
    sessions.use_link(engine, added(engine), "schöne grüße aus wien", AT)
    sessions.sign_in(engine, "li", "scho\u0308ne gru\u0308ße aus wien", AT)


@pytest.mark.parametrize(
    ("name", "password"), [("li", "another password"), ("li", "\ud800"), ("nobody", PASSWORD), ("new", PASSWORD)]
)
def test_what_does_not_fit_is_refused_alike(engine: sa.Engine, name: str, password: str) -> None:
    signed_up(engine)
    added(engine, "new")  # has no password yet
    with pytest.raises(SignInError, match=r"an account's name and its password"):
        sessions.sign_in(engine, name, password, AT)


def test_a_session_ends_idle_and_after_its_time_altogether(engine: sa.Engine) -> None:
    token, at = signed_up(engine), AT
    assert found(engine, token, AT + timedelta(minutes=30)) is None
    while at <= AT + timedelta(hours=11, minutes=40):
        session = found(engine, token, at)
        assert session is not None, at
        sessions.note_seen(engine, token, session, at)
        at += timedelta(minutes=20)
    assert found(engine, token, AT + timedelta(hours=11, minutes=59)) is not None
    assert found(engine, token, AT + timedelta(hours=12)) is None
    with engine.begin() as connection:
        sessions.forget_ended(connection, LIMITS, AT + timedelta(hours=12))
        assert connection.execute(sa.select(schema_accounts.account_sessions)).all() == []


def test_signing_out_disabling_and_another_role_end_sessions_at_the_hub(engine: sa.Engine) -> None:
    token = signed_up(engine)
    sessions.sign_out(engine, token, AT)
    assert found(engine, token) is None
    token = sessions.sign_in(engine, "li", PASSWORD, AT)
    with engine.begin() as connection:
        accounts.set_role(connection, "li", "viewer", AT)
    assert found(engine, token) is None
    token = sessions.sign_in(engine, "li", PASSWORD, AT)
    with engine.begin() as connection:
        accounts.disable(connection, "li", AT)
    assert found(engine, token) is None
    with pytest.raises(SignInError):
        sessions.sign_in(engine, "li", PASSWORD, AT)
    with engine.begin() as connection:
        accounts.enable(connection, "li", AT)
    assert found(engine, token) is None
    sessions.sign_in(engine, "li", PASSWORD, AT)


def test_a_new_password_ends_sessions_under_the_old_one(engine: sa.Engine) -> None:
    token = signed_up(engine)
    with engine.begin() as connection:
        link = accounts.link(connection, "li", AT)
    sessions.use_link(engine, link, "another long password", AT)
    assert found(engine, token) is None
    with pytest.raises(SignInError):
        sessions.sign_in(engine, "li", PASSWORD, AT)


def test_guessing_slows_down_and_nobody_is_locked_out(engine: sa.Engine) -> None:
    signed_up(engine)
    for _ in range(PER_NAME.at_once):
        with pytest.raises(SignInError):
            sessions.sign_in(engine, "li", "guess", AT)
    with pytest.raises(TooManyAttemptsError) as refused:
        sessions.sign_in(engine, "li", PASSWORD, AT)
    assert refused.value.at == AT + PER_NAME.each
    # Another person is not held up, and asking too early costs nothing.
    signed_up(engine, "wang")
    sessions.sign_in(engine, "wang", PASSWORD, AT)
    sessions.sign_in(engine, "li", PASSWORD, AT + PER_NAME.each)
    # It paid all: five more may fail.
    for _ in range(PER_NAME.at_once):
        with pytest.raises(SignInError):
            sessions.sign_in(engine, "li", "guess", AT + PER_NAME.each)


def test_many_names_are_limited_together_also_by_a_hub_that_starts_again(hub: Path, engine: sa.Engine) -> None:
    for number in range(attempts.IN_TOTAL.at_once):
        with pytest.raises(SignInError):
            sessions.sign_in(engine, f"name-{number}", "guess", AT)
    again = database.open_database(hub)
    with pytest.raises(TooManyAttemptsError):
        sessions.sign_in(again, "one-more", "guess", AT)
    again.dispose()
    later = AT + timedelta(minutes=10)
    with pytest.raises(SignInError):
        sessions.sign_in(engine, "one-more", "guess", later)
    with engine.connect() as connection:
        left = connection.execute(sa.select(schema_accounts.sign_in_debts)).all()
    assert len(left) == 2, "what is paid is forgotten"


def test_successes_use_up_nothing(engine: sa.Engine) -> None:
    signed_up(engine)
    for _ in range(attempts.IN_TOTAL.at_once + 1):
        sessions.sign_in(engine, "li", PASSWORD, AT)


def test_no_secret_stands_in_the_database(engine: sa.Engine) -> None:
    link = added(engine)
    secrets = [link, sessions.use_link(engine, link, PASSWORD, AT), PASSWORD]
    with engine.begin() as connection:
        secrets.append(accounts.link(connection, "li", AT))
    with engine.connect() as connection:
        for table in tables.metadata.sorted_tables:
            rows = repr(connection.execute(sa.select(table)).all())
            assert not [secret for secret in secrets if secret in rows], table.name


def test_the_hash_is_argon2id_as_rfc_9106_recommends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert passwords.hashed(PASSWORD, "li").startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_a_hash_of_other_parameters_is_made_again_at_the_next_sign_in(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_up(engine)
    hasher = passwords.argon2.PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", hasher)
    sessions.sign_in(engine, "li", PASSWORD, AT)
    with engine.connect() as connection:
        stored = connection.execute(sa.select(schema_accounts.accounts.c.password_hash)).scalar_one()
    assert "t=2" in stored


def test_a_form_has_to_bring_back_what_its_session_gave(engine: sa.Engine) -> None:
    session = found(engine, signed_up(engine))
    assert session is not None
    assert sessions.csrf_fits(session, session.csrf)
    other = found(engine, sessions.sign_in(engine, "li", PASSWORD, AT))
    assert other is not None
    assert not sessions.csrf_fits(session, other.csrf)
    assert not sessions.csrf_fits(session, "")
    assert not sessions.csrf_fits(session, "ü")


def test_each_role_may_what_those_before_it_may() -> None:
    table = {role: [needed for needed in accounts.ROLES if accounts.may(role, needed)] for role in accounts.ROLES}
    assert table == {
        "viewer": ["viewer"],
        "reviewer": ["viewer", "reviewer"],
        "admin": ["viewer", "reviewer", "admin"],
    }


@pytest.mark.parametrize("name", ["", "Li", "li wang", "a" * 33, "console", "li\n", "李"])
def test_a_name_that_is_none_is_refused(engine: sa.Engine, name: str) -> None:
    with pytest.raises(UsageError, match="expected a name"):
        added(engine, name)


def test_by_the_command(hub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--dir", str(hub)]
    (hub / "hub.toml").write_text('[pages]\norigin = "https://hub.example"\n')
    assert dermedge.main(["hub", "account", "list", *where]) == 0
    assert capsys.readouterr().out == ""
    assert dermedge.main(["hub", "account", "add", "li", "--role", "admin", *where]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("https://hub.example/link#")
    assert "li, once, within 24 hours" in printed.err
    assert dermedge.main(["hub", "account", "add", "li", "--role", "admin", *where]) == 64
    assert dermedge.main(["hub", "account", "link", "wang", *where]) == 64
    assert dermedge.main(["hub", "account", "role", "li", "--role", "viewer", *where]) == 0
    assert dermedge.main(["hub", "account", "disable", "li", *where]) == 0
    assert dermedge.main(["hub", "account", "link", "li", *where]) == 64
    assert dermedge.main(["hub", "account", "enable", "li", *where]) == 0
    assert dermedge.main(["hub", "account", "link", "li", *where]) == 0
    capsys.readouterr()
    assert dermedge.main(["hub", "account", "list", *where]) == 0
    assert capsys.readouterr().out.split("\t")[:3] == ["li", "viewer", "no password yet"]
    assert dermedge.main(["hub", "audit", *where]) == 0
    actions = [line.split(",")[3] for line in capsys.readouterr().out.splitlines()[1:]]
    assert actions == [
        "account.add",
        "account.link",
        "account.role",
        "account.disable",
        "account.enable",
        "account.link",
    ]


def test_the_link_names_the_page_of_this_hub() -> None:
    settings = Settings(pages=Pages(origin="https://hub.example"))
    assert accounts.link_url(settings, "abc") == "https://hub.example/link#abc"
