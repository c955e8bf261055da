"""Messages as no unit should send them: recorded ones with something broken, and JSON of any shape; from a seed."""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

MAX_BYTES = 300 * 1024
"""The largest; a gateway takes 256 KiB."""

CHANNELS = ("telemetry", "identity", "outcomes", "consents", "facts", "status")
UNITS = ("car-1", "till-1", "nobody", "car 1", "Über", "-", "x" * 65, "$car", "a" * 2_000, "\u202ecar", "car-1%2F")
DEVICE_TOPICS = ("owntracks/anna/phone", "owntracks/anna/phone/event", "owntracks/anna/phone/beacon")
SCANNED = "home/Car/BTtoMQTT/"
"""Followed by an address, or by whatever stands there."""
_ADDRESSES = ("C0FFEE123456", "80EACA108A78", "", "x" * 300, "Über", "$SYS", "%s", "\u202e", "null")
_ODD_UNITS = 0.1
_DEVICES = 0.3
_ODD: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, -(2**64), 10**400, 0.1, -0.0, 1e308, float("nan")),
    *(float("inf"), "", "\0", "\ud800", "\u202e", "x" * 70, "x" * 10_000, "NaN", "126", "../..", "' OR 1=1 --", "💥"),
    *([], {}, [[]], {"": ""}, {"a": {"a": {"a": {}}}}, [None] * 500),
)
_PIECES = (
    b"\xff",
    b"\xed\xa0\x80",
    b"\0",
    b"NaN",
    b"Infinity",
    b"1e999",
    b"[",
    b"{",
    b'"',
    b",",
    b"//",
    b"\\u0000",
    b"\r\n",
)


class Malformer:
    """Makes malformed messages of good ones.

    Args:
        good: Payloads as units send them.
    """

    def __init__(self, good: Sequence[Mapping[str, Any]], seed: int) -> None:
        self._good = [dict(payload) for payload in good]
        self._draw = random.Random(seed)  # noqa: S311 -- no secret
        self._ways: Sequence[Callable[[], bytes]] = (
            self._oddly_valued,
            self._oddly_valued,
            self._with_bytes_changed,
            self._with_bytes_changed,
            self._cut_off,
            self._spliced,
            self._anything,
        )

    def messages(self, count: int) -> Iterator[tuple[str, bytes]]:
        """Return so many topics and payloads; one in two hundred is huge."""
        for number in range(count):
            payload = self._huge() if number % 200 == 0 else self._draw.choice(self._ways)()
            yield self.topic(), payload

    def topic(self) -> str:
        """Return a topic of a unit, now and then of a strange one, or of a device."""
        if self._draw.random() < _DEVICES:
            return self._draw.choice((*DEVICE_TOPICS, *(SCANNED + address for address in _ADDRESSES)))
        unit = self._draw.choice(UNITS) if self._draw.random() < _ODD_UNITS else "car-1"
        return f"wayside/v1/{unit}/{self._draw.choice(CHANNELS)}"

    def _recorded(self) -> dict[str, Any]:
        return dict(self._draw.choice(self._good))

    def _oddly_valued(self) -> bytes:
        """Return a message with one or two fields, however deep, that hold something odd, or are gone."""
        payload = json.loads(json.dumps(self._recorded()))
        for _ in range(self._draw.randint(1, 2)):
            place = payload
            while (inner := [value for value in place.values() if isinstance(value, dict) and value]) and (
                self._draw.random() < 0.6
            ):
                place = self._draw.choice(inner)
            name = self._draw.choice([*place, "x"])
            if self._draw.random() < 0.15:
                place.pop(name, None)
            else:
                place[name] = deepcopy(self._draw.choice(_ODD))
        return _encoded(payload)

    def _with_bytes_changed(self) -> bytes:
        payload = bytearray(_encoded(self._recorded()))
        for _ in range(self._draw.randint(1, 6)):
            at = self._draw.randrange(len(payload))
            if self._draw.random() < 0.5:
                payload[at] = self._draw.randrange(256)
            else:
                payload[at:at] = self._draw.choice(_PIECES)
        return bytes(payload)

    def _cut_off(self) -> bytes:
        payload = _encoded(self._recorded())
        return payload[: self._draw.randrange(len(payload))]

    def _spliced(self) -> bytes:
        one, other = _encoded(self._recorded()), _encoded(self._recorded())
        return one[: self._draw.randrange(len(one))] + other[self._draw.randrange(len(other)) :]

    def _anything(self) -> bytes:
        return self._draw.randbytes(self._draw.randrange(200))

    def _huge(self) -> bytes:
        """Return a payload about as large as may be, or larger: deep, wide, long or padded."""
        size = self._draw.randrange(200 * 1024, MAX_BYTES)
        return self._draw.choice(
            (
                b"[" * size,
                b'{"a":' * (size // 5),
                b'{"ts_ms":1,"signals":{%s}}' % b",".join(b'"S%d":1' % number for number in range(size // 12)),
                b'{"id":"%s"}' % (b"x" * size),
                _encoded(self._recorded()) + b" " * size,
                b"9" * size,
            )
        )


def _encoded(payload: object) -> bytes:
    return json.dumps(payload).encode("utf-8", "surrogatepass")
