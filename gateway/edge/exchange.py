"""What passes between the gateway and its broker, whatever library carries it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.edge.config import BrokerConfig
from gateway.edge.reasons import FAILURE

_NO_SUBSCRIBERS = 0x10


class End(NamedTuple):
    """Why a connection is no more.

    Attributes:
        reason: The broker's own, by its name in the standard, if it gave one; else `closed` (by the peer, without a
            word), `lost` (by a fault of network or TLS), `silent` or `dropping` (given up by the watchdog), `not_mqtt`,
            `ours`.
        detail: For the log.
    """

    reason: str
    detail: str = ""


class Receipt:
    """What is owed for a QoS 1 message. To be acknowledged once what it said is on disk."""

    __slots__ = ("_acknowledge", "_packet_id")

    def __init__(self, acknowledge: Callable[[int], None], packet_id: int) -> None:
        self._acknowledge = acknowledge
        self._packet_id = packet_id

    def acknowledge(self) -> None:
        """Acknowledge on the connection it came by; without effect when that one has ended."""
        self._acknowledge(self._packet_id)


class Listener(Protocol):
    """Whoever uses a connection. Called in the loop, never awaited."""

    def message(self, topic: str, payload: bytes, receipt: Receipt | None, *, retained: bool) -> None:
        """A message has come; with a receipt if it wants to be acknowledged."""
        ...

    def confirmed(self, token: object, code: int) -> None:
        """The broker has answered for a publication: 0 taken, 16 taken but nobody subscribes, from 128 refused."""
        ...


class Carrier(Protocol):
    """What a connection can do for those who publish."""

    @property
    def is_open(self) -> bool:
        """Whether something sent now may still arrive."""
        ...

    @property
    def capacity(self) -> int:
        """How many more publications the broker will take before it confirms one."""
        ...

    def send(
        self, topic: str, payload: bytes, token: object, *, retain: bool = False, expiry_s: int | None = None
    ) -> None:
        """Publish at QoS 1; the listener hears of its confirmation by `token`. There must be `capacity`."""
        ...

    def pause(self) -> None:
        """Read no more from the socket, so that the broker keeps what comes."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says in our name when we are gone without a word; retained."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Terms:
    """What is agreed with the broker at every attempt.

    Attributes:
        client_id: Names our session there.
        filters: What to subscribe to.
    """

    broker: BrokerConfig
    client_id: str
    filters: tuple[str, ...]
    will: Will


def result_of(code: int) -> str:
    """Return the name of a confirmation's code, as the metrics count it."""
    if code >= FAILURE:
        return "refused"
    return "unheard" if code == _NO_SUBSCRIBERS else "taken"
