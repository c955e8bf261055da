"""A client that knows nothing of the gateway but topics and JSON: paho, a library the gateway was not written with."""

import json
import queue
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties

PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Message:
    """What came."""

    topic: str
    payload: bytes
    retained: bool
    properties: Properties | None

    @property
    def body(self) -> dict[str, Any]:
        """The payload as a JSON object."""
        parsed: dict[str, Any] = json.loads(self.payload)
        return parsed


class Stranger:
    """Connected as long as its block lasts. What it subscribes to is kept until it is asked for."""

    def __init__(self, host: str, port: int, *filters: str) -> None:
        self._host = host
        self._port = port
        self._filters = filters
        self._came: queue.Queue[Message] = queue.Queue()
        self._subscribed: queue.Queue[None] = queue.Queue()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._subscribed.put(None)
        self._client.on_message = self._received

    def __enter__(self) -> Self:
        self._client.connect(self._host, self._port)
        self._client.loop_start()
        if self._filters:
            self.await_subscription()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        # It leaves the sockets open by which it woke its thread.
        self._client.reinitialise()

    def await_subscription(self) -> None:
        """Wait until the broker has confirmed a subscription: at the start, or after it was restarted."""
        self._subscribed.get(timeout=PATIENCE_S)

    def say(self, topic: str, body: Mapping[str, object] | bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Publish; at QoS 1 return once the broker has it."""
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._client.publish(topic, payload, qos=qos, retain=retain).wait_for_publish(PATIENCE_S)

    def flood(self, topic: str, payload: bytes, *, qos: int) -> None:
        """Publish and do not wait for anything."""
        self._client.publish(topic, payload, qos=qos)

    def expect(self, topic: str, matches: Callable[[Message], bool] = lambda _: True) -> Message:
        """Return the next message on a topic that matches; what does not is dropped.

        Raises:
            AssertionError: None came in good time.
        """
        while True:
            try:
                message = self._came.get(timeout=PATIENCE_S)
            except queue.Empty:
                raise AssertionError(f"nothing came on {topic}") from None
            if message.topic == topic and matches(message):
                return message

    def heard(self) -> list[Message]:
        """Return what has come and was not asked for yet, without waiting."""
        messages = []
        while not self._came.empty():
            messages.append(self._came.get())
        return messages

    def _connected(self, client: paho.Client, *_: object) -> None:
        if self._filters:
            client.subscribe([(topic, 1) for topic in self._filters])

    def _received(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        self._came.put(Message(message.topic, bytes(message.payload), message.retain, message.properties))
