"""A consent that is withdrawn: erased at both ends, for ever, and whichever way its events come later."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

import dermedge
from edge import events, wire
from edge.encounter import Encounter
from edge.pseudonym import make, normal
from hub import backup, registry, schema, withdrawal
from hub.reconcile import reconcile
from tests.faults.pair import Pair
from tests.golden import messages
from tests.hub.sender import encounter, finding, now, person
from tests.patience import wait_until


def someone() -> tuple[str, list[events.EventBody]]:
    """A participant, and all events of this person."""
    bodies = person(finding(), finding())
    participant = bodies[0].encounter.participant  # type: ignore[union-attr]
    assert participant is not None
    consent = events.Consent(
        at=now(),
        encounter=bodies[0].encounter,
        scope=("screening",),
        consent_form="form-a",  # type: ignore[union-attr]
    )
    return participant, [bodies[0], consent, *bodies[1:]]


def about(pair: Pair) -> set[str]:
    return {row["participant"] for row in pair.rows(schema.events)} - {None}


def test_it_is_erased_at_the_hub_and_at_the_device_and_never_taken_again(pair: Pair) -> None:
    leaving, theirs = someone()
    staying, others = someone()
    pair.start_hub()
    pair.start_device()
    pair.outbox.append_many([*theirs, *others])
    pair.drained()
    pair.stop_hub()
    pair.outbox.append_many([finding(theirs[1].encounter)])  # type: ignore[union-attr]
    with pair.engine() as engine:
        assert withdrawal.withdraw(pair.hub, engine, leaving.lower().replace("0", "o"), now()) == 5
    assert about(pair) == {staying}
    assert {row["encounter_id"] for row in pair.rows(schema.findings)} == {others[0].encounter.encounter_id}  # type: ignore[union-attr]
    assert len(pair.rows(schema.encounters)) == 1
    consent = theirs[1].encounter.consent  # type: ignore[union-attr]
    assert consent is not None
    for path in pair.hub.glob("hub.db*"):
        assert consent.encode() not in path.read_bytes(), "not even in what SQLite has freed"
    pair.start_hub()
    wait_until(lambda: pair.outbox.status().withdrawn == 6, "the device to erase it too")
    pair.drained()
    pair.outbox.append_many(theirs)
    pair.drained()
    assert about(pair) == {staying}
    assert len(pair.rows(schema.events)) == 5 + 5 + 1 + 5
    with pair.engine() as engine:
        (report,) = reconcile(engine)
        assert report.whole
        assert report.voids == {"consent_withdrawn": 11}
        (row,) = withdrawal.listed(engine)
        assert (row.participant, row.erased, row.told, row.waiting) == (leaving, 5, 1, [])


def test_a_device_that_is_registered_after_a_withdrawal_hears_of_it(pair: Pair) -> None:
    leaving, theirs = someone()
    with pair.engine() as engine:
        with engine.begin() as connection:
            connection.execute(sa.delete(schema.devices))
        withdrawal.withdraw(pair.hub, engine, leaving, now())
        registry.add(engine, registry.read_device_keys(pair.folder / "device" / "device.json"), pair.clock)
    pair.start_hub()
    pair.start_device()
    wait_until(lambda: [row["outcome"] for row in pair.rows(schema.commands)] == ["applied"], "the device to know")
    pair.outbox.append_many(theirs)
    assert pair.outbox.status().withdrawn == len(theirs)
    pair.stop_device()
    pair.start_device()
    pair.drained()
    assert len(pair.rows(schema.commands)) == 1, "it is told once"


def test_a_backup_that_is_put_back_forgets_again(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    leaving, theirs = someone()
    pair.start_hub()
    pair.start_device()
    pair.outbox.append_many(theirs)
    pair.drained()
    backup.backup(pair.hub, pair.folder / "backup.db")
    assert dermedge.main(["hub", "withdraw", leaving, "--dir", str(pair.hub)]) == 0
    assert "5 events erased here" in capsys.readouterr().out
    wait_until(lambda: pair.outbox.status().withdrawn == 5, "the device")
    pair.stop_hub()
    assert dermedge.main(["hub", "restore", str(pair.folder / "backup.db"), "--dir", str(pair.hub)]) == 0
    assert "5 events of participants who have withdrawn" in capsys.readouterr().out
    assert about(pair) == set()
    assert pair.rows(schema.findings) == []
    assert dermedge.main(["hub", "withdrawn", "--dir", str(pair.hub)]) == 0
    assert "waiting for cam-1" in capsys.readouterr().out
    pair.start_hub()
    wait_until(lambda: all(row["answered_at"] for row in pair.rows(schema.commands)), "the device to hear of it again")


def test_a_database_that_was_put_back_by_hand_forgets_when_the_hub_starts(pair: Pair) -> None:
    leaving, theirs = someone()
    pair.start_hub()
    pair.start_device()
    pair.outbox.append_many(theirs)
    pair.drained()
    pair.stop_hub()
    kept = {path: path.read_bytes() for path in pair.hub.glob("hub.db*")}
    with pair.engine() as engine:
        withdrawal.withdraw(pair.hub, engine, leaving, now())
    for path in pair.hub.glob("hub.db*"):
        path.unlink()
    for path, data in kept.items():
        path.write_bytes(data)
    assert about(pair) == {leaving}
    pair.start_hub()
    wait_until(lambda: about(pair) == set(), "it to be erased")


def test_a_mistyped_participant_is_told_and_erases_nothing(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    leaving, _ = someone()
    wrong = leaving[:-1] + ("0" if leaving[-1] != "0" else "1")
    assert dermedge.main(["hub", "withdraw", wrong, "--dir", str(pair.hub)]) == 64
    assert "check symbol" in capsys.readouterr().err
    assert not (pair.hub / withdrawal.FILE).exists()


def test_a_list_whose_last_line_was_torn_is_read_and_goes_on(pair: Pair) -> None:
    first, second = someone()[0], someone()[0]
    with pair.engine() as engine:
        withdrawal.withdraw(pair.hub, engine, first, now())
        with (pair.hub / withdrawal.FILE).open("ab") as file:
            file.write(b'{"participant":"7K3')
        withdrawal.withdraw(pair.hub, engine, second, now())
    assert [line.participant for line in withdrawal.read(pair.hub)] == [first, second]


# ---- the schema

FORBIDDEN = {"name", "first_name", "last_name", "family_name", "full_name", "phone", "telephone", "mobile", "email"}
FORBIDDEN |= {"address", "national_id", "identity_number", "id_number", "id_card", "passport", "birth", "birthday"}
FORBIDDEN |= {
    "birth_date",
    "date_of_birth",
    "insurance",
    "village_address",
    "patient",
    "patient_name",
    "gps",
    "location",
}
PROPER_NAMES = {("Model", "name"), ("Offer", "name"), ("UpdateResult", "name")}
"""Of things."""


def structs() -> list[type[msgspec.Struct]]:
    found = {
        each
        for module in (wire, events)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, msgspec.Struct)
    }
    return sorted(found, key=lambda each: each.__name__)


def test_no_message_has_a_field_for_a_name_a_phone_number_or_a_national_id() -> None:
    fields = {(each.__name__, field) for each in structs() for field in each.__struct_fields__}
    assert len(fields) > 100
    assert {each for each in fields if each[1] in FORBIDDEN} == PROPER_NAMES


FREE_TEXT = {
    ("State", "problem"), ("State", "model"), ("State", "app"), ("Offer", "name"), ("Offer", "version"),
    ("Model", "name"), ("Model", "version"), ("UpdateResult", "name"), ("UpdateResult", "version"),
    ("UpdateResult", "detail"), ("SecurityLog", "line"), ("ReferralReply", "place"), ("ReferralReply", "note"),
    ("ReferralOpened", "place"), ("ReferralOpened", "note"), ("PictureRequest", "note"),
    ("CommandApplied", "detail"), ("Signed", "payload"),
}  # fmt: skip
"""Written by programs, but for the hub's answer to a referral, which goes to the device sealed."""


def test_free_text_is_where_only_programs_and_the_hub_write() -> None:
    """Every other text field has a pattern that a person's name or a phone number with a space or plus cannot have."""
    found = set()
    for each in structs():
        for field in msgspec.structs.fields(each):
            if takes_any_text(field.type):
                found.add((each.__name__, field.name))
    assert found == FREE_TEXT


def takes_any_text(kind: object) -> bool:
    for text in ("张伟", "Anna Berg", "+86 138 0013 8000"):
        try:
            msgspec.convert(text, kind)
        except (msgspec.ValidationError, TypeError):
            return False
    return True


@pytest.mark.parametrize("text", ["张伟", "Anna", "13800138000", "11010519491231002X", "anna@example.org"])
def test_nothing_of_a_person_passes_for_a_pseudonym(text: str) -> None:
    fields = msgspec.to_builtins(encounter()) | {"participant": text}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields, Encounter)


def test_one_wrong_symbol_or_two_swapped_are_found() -> None:
    good = messages.ENCOUNTER.participant
    assert good is not None
    for place in range(len(good)):
        for symbol in "0123456789ABCDEFGHJKMNPQRSTVWXYZ":
            if symbol != good[place]:
                assert normal(good[:place] + symbol + good[place + 1 :]) is None
    for place in range(len(good) - 1):
        swapped = good[:place] + good[place + 1] + good[place] + good[place + 2 :]
        assert swapped == good or normal(swapped) is None
    assert normal(make(lambda count: b"\x5a" * count)) is not None


def test_an_event_about_a_person_needs_the_consent_s_reference(tmp_path: Path) -> None:
    del tmp_path
    without = msgspec.to_builtins(messages.ANONYMOUS)
    for body in messages.EVENTS:
        fields = msgspec.to_builtins(body)
        if fields["type"] in {
            "finding",
            "picture_part",
            "picture_degraded",
            "referral_request",
            "referral_state",
            "consent",
        }:
            with pytest.raises(msgspec.ValidationError, match="consent"):
                msgspec.convert(fields | {"encounter": without}, events.EventBody)
