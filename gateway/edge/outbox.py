"""What is to be published, from the commit until the broker has confirmed it.

Offers and withdrawals are owed by the ledger; here stands only what this connection is about to carry, and it is
bounded. What does not fit stays in the ledger and is asked for again when there is room. Dead letters are courtesies:
what does not fit is dropped, and counted.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from gateway.core.effects import OfferWithdrawn
from gateway.core.units import SECOND_MS, Instant
from gateway.edge.clock import Clock
from gateway.edge.exchange import Carrier, result_of
from gateway.edge.observe import Metrics
from gateway.edge.reasons import Packet, name_of
from gateway.edge.store.rows import Owed, OwedOffer
from gateway.edge.summary import Summary
from gateway.wire.topics import Channel, topic_of
from gateway.wire.write import encode_withdrawal

LIMIT = 1_000
DEAD_LETTER_LIMIT = 50


class Kind(StrEnum):
    """What is published."""

    OFFER = "offer"
    WITHDRAWAL = "withdrawal"
    STATUS = "status"
    DEAD_LETTER = "dead_letter"


class Publication(NamedTuple):
    """A message on its way out.

    Attributes:
        id: With its kind, names it: what is put twice is sent once.
        expires: After it nobody wants it any more; None means never.
    """

    kind: Kind
    id: str
    topic: str
    payload: bytes
    expires: Instant | None = None
    retain: bool = False


class Outbox:
    """Sends what it is given as fast as the broker takes it.

    Args:
        confirmed: Told of each publication the broker has taken.
        room: Told when everything is sent after something had not fitted.
    """

    def __init__(
        self, clock: Clock, metrics: Metrics, confirmed: Callable[[Publication], None], room: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._metrics = metrics
        self._confirmed = confirmed
        self._room = room
        self._connection: Carrier | None = None
        self._waiting: dict[tuple[Kind, str], Publication] = {}
        self._in_flight: dict[tuple[Kind, str], Publication] = {}
        self._dead_letters = 0
        self._overflowed = False
        self._refusals = Summary("publications_refused")

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    def attach(self, connection: Carrier) -> None:
        """Send by this connection from now on."""
        self.detach()
        self._connection = connection

    def detach(self) -> None:
        """The connection is gone: forget what it carried; the ledger knows what is still owed.

        It knows nothing of dead letters: those that were not sent yet wait for the next connection.
        """
        self._connection = None
        self._waiting = {key: each for key, each in self._waiting.items() if each.kind is Kind.DEAD_LETTER}
        self._in_flight.clear()
        self._dead_letters = len(self._waiting)
        self._overflowed = False

    def put(self, publication: Publication) -> bool:
        """Send it when its turn comes. Returns False if there is no connection or no room.

        A dead letter waits for a connection: what the broker had kept for us comes before we may publish.
        """
        key = publication.kind, publication.id
        if self._connection is None and publication.kind is not Kind.DEAD_LETTER:
            return False
        if key in self._waiting or key in self._in_flight:
            return True
        if publication.kind is Kind.DEAD_LETTER:
            if self._dead_letters >= DEAD_LETTER_LIMIT:
                return False
            self._dead_letters += 1
        elif len(self._waiting) >= LIMIT:
            self._overflowed = True
            return False
        if publication.kind is Kind.WITHDRAWAL:
            self._waiting.pop((Kind.OFFER, publication.id), None)  # never shown: no need to flash it up
        self._waiting[key] = publication
        self._pump()
        return True

    def confirm(self, publication: Publication, code: int) -> None:
        """Take the broker's answer."""
        result = result_of(code)
        self._metrics.count_publication(publication.kind, result)
        self._leave(self._in_flight.pop((publication.kind, publication.id), None))
        if result == "refused":
            reason = name_of(code, Packet.PUBACK)
            self._metrics.count_broker_reason(Packet.PUBACK, reason)
            self._refusals.note(reason, self._clock.now(), kind=publication.kind)
        else:
            self._confirmed(publication)
        self._pump()

    def _pump(self) -> None:
        connection = self._connection
        while connection is not None and self._waiting and connection.is_open and connection.capacity:
            key = next(iter(self._waiting))
            publication = self._waiting.pop(key)
            expiry_s = None
            if publication.expires is not None:
                left_ms = publication.expires - self._clock.now()
                if left_ms <= 0:
                    self._metrics.count_publication(publication.kind, "expired")
                    continue
                expiry_s = -(-left_ms // SECOND_MS)
            self._in_flight[key] = publication
            connection.send(
                publication.topic, publication.payload, publication, retain=publication.retain, expiry_s=expiry_s
            )
        if self._overflowed and not self._waiting:
            self._overflowed = False
            self._room()

    def _leave(self, publication: Publication | None) -> None:
        if publication is not None and publication.kind is Kind.DEAD_LETTER:
            self._dead_letters -= 1


def publication_of(owed: Owed) -> Publication:
    """Return how an offer or a withdrawal is published."""
    topic = topic_of(owed.unit, Channel.OFFERS)
    if isinstance(owed, OwedOffer):
        return Publication(Kind.OFFER, owed.id, topic, owed.payload, owed.expires)
    payload = encode_withdrawal(OfferWithdrawn(owed.offer, owed.unit, 0, owed.reason))
    return Publication(Kind.WITHDRAWAL, owed.offer, topic, payload, owed.expires)
