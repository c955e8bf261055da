"""A simulated till: a unit of its own, in the shop, that redeems what was offered elsewhere."""

from gateway.wire.payloads import Offer, Outcome
from simulators.unit import Unit


class Till(Unit):
    """A till. It shows nothing; the customer brings along what was offered."""

    async def redeem(self, offer: Offer) -> None:
        """Redeem an offer that was made to another unit."""
        await self.report(offer.id, Outcome.REDEEMED)
