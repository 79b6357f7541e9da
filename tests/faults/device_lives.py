"""What a device's tell wing does in one life, from start to end or to a kill."""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from edge import config, events, identity, referrals, wire
from edge.clock import SystemClock, uuid7
from edge.commands import Commands, _Done
from edge.delivery import Delivery
from edge.device_secret import DeviceSecret
from edge.ledger import Ledger
from edge.outbox import Outbox, open_database
from edge.publish.mqtt import MqttPublisher
from tests.faults import people
from tests.golden import messages

DRAIN_S = 60.0
PRIORITIES: tuple[wire.Priority, ...] = ("urgent", "live", "live", "backlog")


def pause(seconds: float) -> None:
    """As time.sleep, which libfaketime 0.9.10 breaks where it leaves the monotonic clock alone."""
    threading.Event().wait(seconds)


def work(folder: str, port: int, seed: int, appends: int, linger_s: float) -> int:
    """Append, deliver and obey; `linger_s` longer than the last append takes, or until everything is acknowledged."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        outbox, _ = _open(stack, Path(folder), port)
        for _ in range(appends):
            outbox.append_many([_body(chance) for _ in range(chance.randint(1, 2))], chance.choice(PRIORITIES))
            pause(chance.uniform(0.0, 0.004))
        deadline = time.monotonic() + linger_s
        while time.monotonic() < deadline:
            pause(0.01)
    return 0


def work_slowly(folder: str, port: int, seed: int, appends: int, rate_hz: float) -> int:
    """Append at this rate, and go on until everything is acknowledged; 1 where that does not come."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        outbox, _ = _open(stack, Path(folder), port)
        begun = time.monotonic()
        for number in range(appends):
            pause(max(0.0, begun + number / rate_hz - time.monotonic()))
            outbox.append(_body(chance), chance.choice(PRIORITIES))
    return drain(folder, port, 0)


def drain(folder: str, port: int, commands: int) -> int:
    """Live until everything is acknowledged and this many commands are done; 1 where that does not come."""
    with ExitStack() as stack:
        outbox, _ = _open(stack, Path(folder), port)
        deadline = time.monotonic() + DRAIN_S
        done = False
        while not done and time.monotonic() < deadline:
            pause(0.05)
            with outbox.opened() as database:
                obeyed: int = database.execute("SELECT count(*) FROM commands").get
            done = outbox.status().backlog == 0 and obeyed >= commands
        pause(0.3)  # the last answer is on its way
    return 0 if done else 1


def drain_idly(folder: str, port: int, commands: int) -> int:
    """A fault on purpose: it says of every command that it was applied, and does nothing."""
    Commands._do = _do_nothing  # type: ignore[method-assign]
    return drain(folder, port, commands)


def drain_twice(folder: str, port: int, commands: int) -> int:
    """A fault on purpose: it keeps each reply a second time, under an id of its own."""
    real = referrals.take

    def take(connection: Any, secret: DeviceSecret, command_id: str, *arguments: Any) -> bool:
        real(connection, secret, f"{command_id} again", *arguments)
        return real(connection, secret, command_id, *arguments)

    referrals.take = take
    return drain(folder, port, commands)


def _do_nothing(*_: object) -> _Done:
    return _Done("applied")


def _body(chance: random.Random) -> events.EventBody:
    """What stands alone, and what is about somebody: a finding, or a referral."""
    seen = people.encounter(chance.choice(people.PARTICIPANTS))
    now = SystemClock().now()
    match chance.randrange(4):
        case 0:
            return messages.EVENTS[0]
        case 1:
            return messages.EVENTS[-1]
        case 2:
            return events.ReferralRequest(at=now, encounter=seen, referral_id=uuid7(now), finding_ids=(), tier="person")
    return msgspec.structs.replace(messages.EVENTS[3], at=now, encounter=seen, finding_id=uuid7(now))


def _open(stack: ExitStack, folder: Path, port: int) -> tuple[Outbox, Delivery]:
    logging.basicConfig(level=logging.CRITICAL)
    clock, who = SystemClock(), identity.load(folder / "device")
    ledger = Ledger(folder / "device" / "ledger.jsonl")
    stack.callback(ledger.close)
    outbox = Outbox(open_database(folder / "device" / "outbox.db"), who, clock, config.Outbox(), ledger)
    stack.callback(outbox.close)
    settings = config.Delivery(resend_after_s=0.5)
    publisher = MqttPublisher(config.Broker(port=port))
    delivery = Delivery(outbox, publisher, who, settings, clock, lambda: {"app": "chaos"})
    delivery.start()
    stack.callback(delivery.stop, 0)
    return outbox, delivery


LIVES = {
    "work": work,
    "work_slowly": work_slowly,
    "drain": drain,
    "drain_idly": drain_idly,
    "drain_twice": drain_twice,
}
