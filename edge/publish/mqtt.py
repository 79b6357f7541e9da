"""MQTT 5 through paho. What paho does not do is done here.

paho queues in memory without bound, sends a stale QoS 1 queue again after a reconnect, and lets an exception in a
callback end its network thread. So: nothing is handed to it without a connection, no more than PENDING_BYTES_MAX of
QoS 0 waits in it, its queue is dropped before every connection, and no callback lets an exception through. It also
leaves both Maximum Packet Sizes of MQTT 5 to its user: ours is told to the broker, and the broker's is kept.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from paho.mqtt.client import MQTT_ERR_SUCCESS, Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge import wire
from edge.clock import SystemClock
from edge.config import Broker
from edge.errors import ConfigError
from edge.publish.base import OnConnected, OnMessage, check_size
from edge.repeats import Repeats

RECONNECT_MIN_S = 0.2
RECONNECT_MAX_S = 5.0
CONNECT_TIMEOUT_S = 3.0
STOP_S = 3.0
PENDING_BYTES_MAX = 1024 * 1024
"""A slow link must not fill the memory with messages that are sent again and again; beyond this, publish says False."""
PACKET_OVERHEAD_BYTES = 16
"""Of a PUBLISH beside topic and payload: 5 of fixed header, 2 of topic length, 2 of packet id, 1 of properties."""

_log = logging.getLogger(__name__)


class MqttPublisher:
    """A client of a real broker; the contract is told at edge.publish.base.Publisher."""

    def __init__(self, settings: Broker) -> None:
        self._settings = settings
        self._address = f"{settings.host}:{settings.port}"
        self._client: Client | None = None
        self._subscriptions: Sequence[tuple[str, int]] = ()
        self._subscribed: dict[int, Sequence[tuple[str, int]]] = {}
        self._lock = threading.Lock()
        self._pending: deque[tuple[MQTTMessageInfo, int]] = deque()
        self._pending_bytes = 0
        self._connected = False
        self._connection_problem = "not started"
        self._refusal = ""
        self._packet_bytes_max = wire.PACKET_BYTES_MAX
        self._is_told_lost = False
        self._repeats = Repeats(_log, SystemClock())

    def start(
        self,
        client_id: str,
        subscriptions: Sequence[tuple[str, int]],
        on_connected: OnConnected,
        on_message: OnMessage,
        will: tuple[str, bytes] | None = None,
    ) -> None:
        try:
            self._settings.host.encode("idna")
        except UnicodeError as error:
            raise ConfigError(f"expected broker.host as a name or an address, got {self._settings.host!r}") from error
        self._subscriptions = list(subscriptions)
        self._on_connected, self._on_message = on_connected, on_message
        self._connection_problem = f"connecting to the broker at {self._address}"
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5)
        client.suppress_exceptions = True  # each callback logs its own; paho must never end its thread for one
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.reconnect_delay_set(RECONNECT_MIN_S, RECONNECT_MAX_S)  # type: ignore[arg-type]  # fractions work
        if will is not None:
            client.will_set(will[0], will[1], qos=1, retain=True)
        client.on_pre_connect = lambda *_: self._drop_stale(client)
        client.on_socket_open = self._socket_opened
        client.on_connect = self._connection_answered
        client.on_connect_fail = lambda *_: self._unreachable()
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribe_answered
        client.on_publish = self._publish_answered
        client.on_message = self._message_came
        self._client = client
        wanted = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        wanted.MaximumPacketSize = wire.PACKET_BYTES_MAX
        client.connect_async(
            self._settings.host,
            self._settings.port,
            keepalive=self._settings.keepalive_s,
            clean_start=True,
            properties=wanted,
        )
        client.loop_start()

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        check_size(topic, payload)
        client = self._client
        if client is None or not self._connected:
            return False
        if len(payload) > (takes_bytes := self.payload_bytes_max(topic)):
            self._refusal = (
                f"the broker at {self._address} takes at most {takes_bytes} bytes for {topic}, a message has "
                f"{len(payload)}: raise its maximum packet size to {wire.PACKET_BYTES_MAX}"
            )
            self._repeats.tell(logging.ERROR, "size", "%s", self._refusal)
            return False
        if qos > 0:
            return client.publish(topic, payload, qos=qos, retain=retain).rc == MQTT_ERR_SUCCESS
        with self._lock:
            self._forget_sent()
            if self._pending and self._pending_bytes + len(payload) > PENDING_BYTES_MAX:
                return False
            info = client.publish(topic, payload, qos=0, retain=retain)
            if info.rc != MQTT_ERR_SUCCESS:
                return False
            self._pending.append((info, len(payload)))
            self._pending_bytes += len(payload)
            return True

    def payload_bytes_max(self, topic: str) -> int:
        room = self._packet_bytes_max - PACKET_OVERHEAD_BYTES - len(topic.encode())
        return max(0, min(wire.MESSAGE_BYTES_MAX, room))

    @property
    def connected(self) -> bool:
        return self._connected

    @property
    def problem(self) -> str:
        return self._connection_problem or self._refusal

    def stop(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        client.disconnect()
        # loop_stop joins paho's thread without a limit, and a dead link can hold that for minutes.
        ending = threading.Thread(target=client.loop_stop, name="mqtt-stop", daemon=True)
        ending.start()
        ending.join(STOP_S)
        if ending.is_alive():
            _log.warning("the connection to %s did not end within %g s", self._address, STOP_S)
        self._lost("stopped")

    def _forget_sent(self) -> None:
        """With the lock held: what paho has written to the socket no longer counts."""
        while self._pending:
            info, size = self._pending[0]
            try:
                if not info.is_published():
                    return
            except RuntimeError:
                _log.debug("a message was lost with its connection")
            self._pending.popleft()
            self._pending_bytes -= size

    def _lost(self, problem: str) -> None:
        with self._lock:
            self._connected = False
            self._connection_problem = problem
            self._pending.clear()
            self._pending_bytes = 0

    # What follows comes on paho's network thread; _publish_answered with paho's own lock held, so it takes none.

    def _drop_stale(self, client: Client) -> None:
        self._lost(self._connection_problem)
        client.drop_out_messages()

    def _socket_opened(self, _client: Client, _userdata: Any, sock: Any) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (OSError, AttributeError):
            _log.debug("no TCP_NODELAY on this socket", exc_info=True)

    def _unreachable(self) -> None:
        self._lost(f"no broker answers at {self._address}")
        self._tell_lost("unreachable")

    def _tell_lost(self, kind: str) -> None:
        """The first try of many that fail, and `_connection_answered` tells the end of it."""
        if not self._is_told_lost:
            self._is_told_lost = True
            self._repeats.tell(logging.WARNING, kind, "%s; trying again for ever", self._connection_problem)

    def _connection_answered(
        self, client: Client, _userdata: Any, _flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._lost(f"the broker at {self._address} refused the connection: {reason}")
            self._repeats.tell(logging.WARNING, "refused", "%s", self._connection_problem)
            self._is_told_lost = True
            return
        if self._is_told_lost:
            self._is_told_lost = False
            self._repeats.tell(logging.WARNING, "back", "connected to the broker at %s", self._address)
        # Absent: no limit beside the protocol's own.
        self._packet_bytes_max = int(getattr(properties, "MaximumPacketSize", wire.PACKET_BYTES_MAX))
        with self._lock:
            self._connected, self._connection_problem, self._refusal = True, "", ""
        self._subscribed.clear()
        if self._subscriptions:
            result, mid = client.subscribe(list(self._subscriptions))
            if result == MQTT_ERR_SUCCESS and mid is not None:
                self._subscribed[mid] = self._subscriptions
        # After the subscriptions: who is told here that we are here must already reach us.
        self._guarded(self._on_connected)

    def _disconnected(self, _client: Client, _userdata: Any, flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if not self._connected:
            return  # its refusal was told, and says more
        by_broker = " by the broker" if flags.is_disconnect_packet_from_server else ""
        self._lost(f"the connection to the broker at {self._address} was ended{by_broker}: {reason}")
        self._tell_lost("ended")

    def _subscribe_answered(
        self, _client: Client, _userdata: Any, mid: int, reasons: Sequence[ReasonCode], _properties: Any
    ) -> None:
        for (topic, _), reason in zip(self._subscribed.pop(mid, ()), reasons, strict=False):
            if reason.is_failure:
                self._refusal = f"the broker at {self._address} refused the subscription to {topic}: {reason}"
                self._repeats.tell(logging.ERROR, f"subscription {topic}", "%s", self._refusal)

    def _publish_answered(
        self, _client: Client, _userdata: Any, _mid: int, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._refusal = f"the broker at {self._address} refused a message: {reason}"
            self._repeats.tell(logging.ERROR, "message", "%s", self._refusal)

    def _message_came(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self._repeats.tell(logging.WARNING, "topic", "a message came with a topic that is not UTF-8")
            return
        if len(message.payload) > wire.MESSAGE_BYTES_MAX:
            text = "a message of %d bytes on %s was dropped: ours have at most %d"
            self._repeats.tell(logging.WARNING, "too large", text, len(message.payload), topic, wire.MESSAGE_BYTES_MAX)
            return
        self._guarded(lambda: self._on_message(topic, bytes(message.payload), bool(message.retain)))

    def _guarded(self, callback: OnConnected) -> None:
        try:
            callback()
        except Exception:  # noqa: BLE001  (logged; whatever it is, the network thread goes on)
            _log.exception("a callback of the publisher failed")
