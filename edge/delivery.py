"""Outbox → publisher → hub, and the hub's acknowledgements and commands back.

One thread does all the work; the publisher's thread only puts what came into the inbox. An event is done when the hub's
own signed acknowledgement names its bytes, and by nothing else. While no hub is present nothing is sent: a broker
acknowledges what nobody is subscribed to. What goes when is told in edge/sending.py.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from edge import config, failpoints, wire
from edge.clock import Clock
from edge.commands import Commands
from edge.errors import DermedgeError, OutboxFullError, SealError, WireError
from edge.identity import Identity
from edge.inbox import CONNECTED, Came, Inbox
from edge.outbox import Outbox
from edge.publish.base import Publisher
from edge.repeats import Repeats
from edge.sealing import verify_signed
from edge.sending import Sending
from edge.state import encode_state

FOREIGN_HUBS_MAX = 16
"""This many other hubs are named in the log; whoever invents more is passed over in silence."""
WAIT_MAX_S = 0.25
CLOGGED_S = 0.02
TROUBLE_S = 1.0
DRAIN_POLL_S = 0.1

_log = logging.getLogger(__name__)


class Delivery:
    """Keeps one outbox empty, as far as broker and hub allow."""

    def __init__(
        self,
        outbox: Outbox,
        publisher: Publisher,
        identity: Identity,
        settings: config.Delivery,
        clock: Clock,
        describe: Callable[[], dict[str, Any]],
    ) -> None:
        """`describe`: further fields of wire.State, asked for on every state."""
        self._outbox = outbox
        self._publisher = publisher
        self._identity = identity
        self._settings = settings
        self._clock = clock
        self._describe = describe
        self._commands = Commands(outbox, identity, clock)
        self._topics = {
            leaf: wire.device_topic(identity.site, identity.device, leaf)
            for leaf in ("event", "ack", "cmd", "rsp", "status", "state")
        }
        self._wake = threading.Condition()
        self._inbox = Inbox()
        self._something_new = False
        self._rewound = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        # From here on the delivery thread's own.
        self._presence: wire.HubPresence | None = None
        self._foreign_hubs: set[str] = set()
        self._repeats = Repeats(_log, clock)
        self._sending = Sending(outbox, publisher, self._topics["event"], settings, clock, self._repeats)
        self._announced = self._is_resumed = False
        self._state_due_ns = 0
        outbox.on_append(self._rouse)
        outbox.on_rewind(self._rewind)

    @property
    def hub_present(self) -> bool:
        """Whether the hub has said that it is here, on this connection."""
        return self._presence is not None and self._publisher.connected

    @property
    def idle(self) -> bool:
        """Whether the hub has acknowledged every event. Raises StoreError."""
        return self._outbox.status().backlog == 0

    def start(self) -> None:
        """Connect, and deliver from now on."""
        self._publisher.start(
            self._identity.device,
            [(wire.HUB_TOPIC, 1), (self._topics["ack"], 0), (self._topics["cmd"], 1)],
            lambda: self._note(CONNECTED),
            lambda topic, payload, _retained: self._note(Came(topic, payload)),
            will=(self._topics["status"], self._status(online=False)),
        )
        self._thread.start()

    def stop(self, drain_s: float) -> bool:
        """Wait up to `drain_s` for the acknowledgement of every event, say goodbye, end; whether all were acknowledged.

        What was not stays in the outbox, for the next start. Raises StoreError, after all has ended.
        """
        self._rouse()
        deadline_ns = self._clock.monotonic_ns() + int(drain_s * 1e9)
        try:
            while not (done := self.idle) and self._clock.monotonic_ns() < deadline_ns and self._thread.is_alive():
                # Not on the condition: it is notified for every message that comes, and each look holds up the append.
                self._thread.join(min(DRAIN_POLL_S, drain_s))
        finally:
            with self._wake:
                self._stopping = True
                self._wake.notify_all()
            if self._thread.is_alive():
                self._thread.join(5.0)
            self._publisher.publish(self._topics["status"], self._status(online=False), qos=1, retain=True)
            self._publisher.stop()
        return done or self.idle

    def _note(self, came: Came) -> None:
        with self._wake:
            self._inbox.put(came)
            self._wake.notify_all()

    def _rouse(self) -> None:
        with self._wake:
            self._something_new = True
            self._wake.notify_all()

    def _rewind(self) -> None:
        """Rows that were acknowledged are so no more, or have other bytes, and the cursors are past them."""
        with self._wake:
            self._rewound = True
            self._wake.notify_all()

    def _run(self) -> None:
        while True:
            wait_s = TROUBLE_S
            try:
                wait_s = self._step()
            except DermedgeError as error:
                _log.error("delivery goes on after: %s", error)
            except Exception:  # noqa: BLE001  (logged; a delivery thread that ended would be a silent device)
                _log.exception("delivery goes on after an error of its own")
            with self._wake:
                if not (self._inbox or self._something_new or self._rewound or self._stopping):
                    self._wake.wait(wait_s)
                if self._stopping:
                    return
                self._something_new = False

    def _step(self) -> float:
        """Everything that can be done now; how many seconds nothing will have to be done for, unless woken."""
        self._read_inbox()
        with self._wake:
            rewound, self._rewound = self._rewound, False
        if rewound:
            self._sending.start_over()
        if not self._publisher.connected:
            return WAIT_MAX_S
        self._announce()
        if self._presence is None:
            return WAIT_MAX_S
        self._resume_commands()
        return WAIT_MAX_S if self._sending.step() else CLOGGED_S

    def _read_inbox(self) -> None:
        while (came := self._inbox.take()) is not None:
            if came.topic == "":
                self._presence = None
                self._announced = self._is_resumed = False
                self._sending.start_over()
            elif came.topic == wire.HUB_TOPIC:
                self._hub_said(came.payload)
            elif came.topic == self._topics["ack"]:
                self._acknowledged(came.payload)
            elif came.topic == self._topics["cmd"]:
                self._commanded(came.payload)

    def _hub_said(self, payload: bytes) -> None:
        """Only an empty payload says that a hub has gone: of what anybody else says there, nothing counts."""
        if not payload:
            self._presence = None
            return
        try:
            presence: wire.HubPresence = wire.decode(payload, wire.HubPresence)
        except WireError as error:
            text = "what came on %s is no hub's presence and is passed over: %s"
            self._repeats.tell(logging.WARNING, "presence", text, wire.HUB_TOPIC, error)
            return
        if presence.hub != self._identity.hub.hub:
            self._foreign_hub_said(presence.hub)
            return
        if presence != self._presence:
            self._sending.start_over()
            self._is_resumed = False
        self._presence = presence

    def _foreign_hub_said(self, hub: str) -> None:
        if hub not in self._foreign_hubs and len(self._foreign_hubs) < FOREIGN_HUBS_MAX:
            self._foreign_hubs.add(hub)
            text = "hub %s is on this broker too and is passed over: this device's is %s; give each hub its own broker"
            _log.warning(text, hub, self._identity.hub.hub)

    def _acknowledged(self, payload: bytes) -> None:
        try:
            signed: wire.Signed = wire.decode(payload, wire.Signed)
            text = verify_signed("acknowledgement", signed, self._identity.hub.signer)
            acknowledgement: wire.Acknowledgement = wire.decode(text, wire.Acknowledgement)
        except (WireError, SealError) as error:
            self._repeats.tell(logging.WARNING, "acknowledgement", "an acknowledgement was refused: %s", error)
            return
        failpoints.hit("delivery.after_acknowledgement")
        if self._outbox.takes(acknowledgement):
            self._outbox.acknowledge(acknowledgement)
            self._sending.acknowledged(acknowledgement.receipts)

    def _commanded(self, payload: bytes) -> None:
        response = self._commands.take(payload)
        if response is not None and not self._publisher.publish(self._topics["rsp"], response, qos=1):
            _log.info("a response waits until the hub sends its command again")

    def _resume_commands(self) -> None:
        """Once a connection and hub: from where it is to go on."""
        if not self._is_resumed:
            self._is_resumed = self._publisher.publish(self._topics["rsp"], self._commands.resume(), qos=1)

    def _announce(self) -> None:
        """Status once a connection, state every so often; both are retained, and a broker forgets."""
        now_ns = self._clock.monotonic_ns()
        if not self._announced:
            if not self._publisher.publish(self._topics["status"], self._status(online=True), qos=1, retain=True):
                return
            self._announced = True
            self._state_due_ns = now_ns
        if now_ns >= self._state_due_ns:
            self._reconcile()
            state = encode_state(self._outbox.status(), self._clock, self._describe)
            if self._publisher.publish(self._topics["state"], state, qos=1, retain=True):
                self._state_due_ns = now_ns + int(self._settings.state_every_s * 1e9)

    def _reconcile(self) -> None:
        try:
            self._outbox.reconcile()
        except OutboxFullError:
            self._repeats.tell(logging.WARNING, "reconcile", "the day's reconciliation waits until the outbox has room")

    def _status(self, *, online: bool) -> bytes:
        return wire.encode(wire.Status(ts=self._clock.now(), online=online))
