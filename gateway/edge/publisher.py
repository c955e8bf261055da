"""Publishes what the ledger owes, and notes in the ledger what the broker has taken."""

from collections.abc import Callable, Iterable

from gateway.core.errors import StoreError
from gateway.core.units import Instant
from gateway.edge.clock import Clock, Quality
from gateway.edge.exchange import Carrier
from gateway.edge.observe import Metrics
from gateway.edge.outbox import LIMIT, Kind, Outbox, Publication, publication_of
from gateway.edge.status import Standing
from gateway.edge.store.ledger import Ledger
from gateway.edge.store.rows import Owed, Transaction, offer_sent, withdrawal_sent
from gateway.wire.payloads import Liveness


class Publisher:
    """Between the ledger and the outbox.

    Args:
        submit: Queues a note for the ledger; may drop it, for then the same is published again under the same id.
        failed: Told when the ledger cannot be read.

    Attributes:
        connection: The way to the broker; None while there is none.
    """

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        ledger: Ledger,
        submit: Callable[[Transaction], None],
        failed: Callable[[StoreError], None],
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._submit = submit
        self._failed = failed
        self._outbox = Outbox(clock, metrics, self._published, self._publish_owed)
        self.connection: Carrier | None = None
        self._owed_after: int | None = None

    def __len__(self) -> int:
        return len(self._outbox)

    def attach(self, connection: Carrier, standing: Standing, after: int | None = None) -> None:
        """Announce the gateway and publish what is owed.

        Args:
            connection: The way to the broker.
            standing: What to announce.
            after: The ticket of what is on its way to the disk; None: nothing is. What is owed waits for it: what the
                broker had kept for us came before, and may have been a withdrawal of consent.
        """
        self.connection = connection
        self._outbox.attach(connection)
        self._outbox.put(standing.announcement(Liveness.BORN))
        self._owed_after = after
        self._publish_owed()

    def committed(self, ticket: int) -> None:
        """Publish what is owed and has waited for the commit of a ticket."""
        if self._owed_after is not None and ticket >= self._owed_after:
            self._owed_after = None
            self._publish_owed()

    def detach(self) -> None:
        """Forget what the connection carried; the ledger knows what is owed."""
        self.connection = None
        self._owed_after = None
        self._outbox.detach()

    def put(self, publication: Publication) -> bool:
        """Send it when its turn comes; returns as the outbox does."""
        return self._outbox.put(publication)

    def publish(self, owed: Iterable[Owed]) -> None:
        """Send what is on disk, in this order."""
        for each in owed:
            self._outbox.put(publication_of(each))

    def confirm(self, publication: Publication, code: int) -> None:
        """Take the broker's answer for a publication."""
        self._outbox.confirm(publication, code)

    def time_judged(self) -> None:
        """Publish what was kept back while the time was not known, if it is now."""
        if self.connection is not None and self._clock.quality is not Quality.SUSPECT:
            self._publish_owed()

    def _publish_owed(self) -> None:
        """Publish what the ledger says is owed, as much of it as there is room for; not before it knows all it will.

        While the time is suspect we may be days behind, as after a start in 1970: an offer that rests on a consent
        may have outlived it meanwhile. It waits until the time is known.
        """
        if self._owed_after is not None:
            return
        now: Instant = self._clock.now()
        is_sure = self._clock.quality is not Quality.SUSPECT
        try:
            offers = self._ledger.owed_offers(now, LIMIT, marketing=is_sure)
            owed: list[Owed] = [*self._ledger.owed_withdrawals(now, LIMIT), *offers]
        except StoreError as error:
            self._failed(error)
            return
        self.publish(owed)

    def _published(self, publication: Publication) -> None:
        if publication.kind is Kind.OFFER:
            self._submit(offer_sent(publication.id, self._clock.now()))
        elif publication.kind is Kind.WITHDRAWAL:
            self._submit(withdrawal_sent(publication.id, self._clock.now()))
