"""What came is bounded in messages and in bytes, and a new connection is never forgotten."""

from __future__ import annotations

from edge.inbox import CONNECTED, Came, Inbox


def taken(inbox: Inbox) -> list[Came]:
    came = []
    while (each := inbox.take()) is not None:
        came.append(each)
    return came


def test_in_its_order() -> None:
    inbox = Inbox()
    assert not inbox
    messages = [CONNECTED, Came("a", b"1"), Came("b", b"2")]
    for each in messages:
        inbox.put(each)
    assert inbox
    assert taken(inbox) == messages
    assert not inbox


def test_the_oldest_goes_where_messages_or_bytes_are_too_many() -> None:
    inbox = Inbox(messages_max=3, bytes_max=100)
    for number in range(5):
        inbox.put(Came("a", bytes([number])))
    assert [each.payload[0] for each in taken(inbox)] == [2, 3, 4]
    for number in range(3):
        inbox.put(Came("a", bytes([number]) * 40))
    assert [each.payload[0] for each in taken(inbox)] == [1, 2]
    inbox.put(Came("a", bytes(100)))
    assert len(taken(inbox)) == 1, "what was taken no longer counts"


def test_a_new_connection_outlives_a_flood() -> None:
    inbox = Inbox(messages_max=3, bytes_max=100)
    inbox.put(CONNECTED)
    for _ in range(10):
        inbox.put(Came("a", bytes(90)))
    assert inbox
    assert taken(inbox) == [CONNECTED, Came("a", bytes(90))]
