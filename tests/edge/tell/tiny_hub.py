"""A hub in miniature: real keys, real acknowledgements, nothing but a dictionary behind it. A double of hub/."""

from __future__ import annotations

import threading
from collections import Counter

from edge import events, wire
from edge.clock import SystemClock
from edge.publish.base import Publisher
from edge.sealing import sha256, sign, unseal, verify
from tests.golden.keys import SITE, Keys


class TinyHub:
    """Counts every arrival by event_id, keeps the body, and acknowledges unless told not to."""

    def __init__(self, publisher: Publisher, keys: Keys) -> None:
        self.publisher = publisher
        self.keys = keys
        self.acknowledging = True
        self.generation = 0
        self.arrivals: Counter[str] = Counter()
        self.bodies: dict[str, bytes] = {}
        self.order: list[str] = []
        self.responses: list[bytes] = []
        self.resumes: list[events.Resume] = []
        self.words: dict[str, list[bytes]] = {}
        self.acknowledgements: list[bytes] = []
        self._announced = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        root = wire.TOPIC_ROOT
        topics = [
            (f"{root}/+/+/{leaf}", 1 if leaf in {"status", "state"} else 0)
            for leaf in ("event", "rsp", "status", "state")
        ]
        self.publisher.start("tiny-hub", topics, self.announce, self._message, will=(wire.HUB_TOPIC, b""))

    def announce(self) -> None:
        """Say that the hub is here; each time anew."""
        self._announced += 1
        presence = wire.HubPresence(ts=SystemClock().now(), hub=self.keys.hub, key_id=f"{self._announced:016x}")
        self.publisher.publish(wire.HUB_TOPIC, wire.encode(presence), qos=1, retain=True)

    def stop(self) -> None:
        self.publisher.publish(wire.HUB_TOPIC, b"", qos=1, retain=True)
        self.publisher.stop()

    def acknowledgement(self, message: bytes, **changes: object) -> bytes:
        """A signed acknowledgement of these bytes."""
        _, header = wire.decode_sealed(message)
        receipt = wire.Receipt(
            event_id=header.event_id, seq=header.seq, message_sha256=sha256(message), outcome="stored"
        )
        fields = {"device": header.device, "epoch": header.epoch, "ts": SystemClock().now(), "receipts": (receipt,)}
        fields["generation"] = self.generation
        return sign("acknowledgement", wire.encode(wire.Acknowledgement(**{**fields, **changes})), self.keys.hub_sign)  # type: ignore[arg-type]

    def _message(self, topic: str, payload: bytes, _retained: bool) -> None:
        leaf = topic.rpartition("/")[2]
        if leaf == "event":
            self._event(payload)
            return
        with self._lock:
            if leaf == "rsp":
                envelope, header = wire.decode_sealed(payload)
                assert isinstance(envelope, wire.Envelope)
                body: events.ResponseBody = wire.decode(
                    unseal(envelope, header, self.keys.hub_seal), events.ResponseBody
                )
                if isinstance(body, events.Resume):
                    self.resumes.append(body)
                else:
                    self.responses.append(payload)
            else:
                self.words.setdefault(leaf, []).append(payload)

    def _event(self, message: bytes) -> None:
        envelope, header = wire.decode_sealed(message)
        assert isinstance(envelope, wire.Envelope)
        verify(envelope, self.keys.device_sign.public_key())
        body = unseal(envelope, header, self.keys.hub_seal)
        with self._lock:
            if header.event_id not in self.arrivals:
                self.order.append(header.event_id)
            self.arrivals[header.event_id] += 1
            assert self.bodies.setdefault(header.event_id, body) == body
        if self.acknowledging:
            signed = self.acknowledgement(message)
            self.acknowledgements.append(signed)
            self.publisher.publish(wire.device_topic(SITE, header.device, "ack"), signed)
