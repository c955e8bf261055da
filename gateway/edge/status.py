"""What the gateway says of itself on its `status`: that it was born, that it goes, and its last will."""

from dataclasses import dataclass

from gateway import __version__
from gateway.core.release import Release
from gateway.core.units import Instant
from gateway.edge.exchange import Will
from gateway.edge.outbox import Kind, Publication
from gateway.wire.payloads import GatewayStatus, Health, Liveness, ReleaseRef
from gateway.wire.topics import Channel, topic_of


@dataclass(frozen=True, slots=True)
class Standing:
    """Who this gateway is, and what it has decided with since when."""

    gateway: str
    release: Release
    started: Instant
    health: Health = Health.OK

    def announcement(self, state: Liveness) -> Publication:
        """Return the retained message that says it is born or gone."""
        return Publication(Kind.STATUS, state.value, self._topic, self._payload(state), retain=True)

    def will(self) -> Will:
        """Return what the broker says when the gateway is gone without a word."""
        return Will(self._topic, self._payload(Liveness.GONE))

    @property
    def _topic(self) -> str:
        return topic_of(self.gateway, Channel.STATUS)

    def _payload(self, state: Liveness) -> bytes:
        return GatewayStatus(
            state=state,
            version=__version__,
            release=ReleaseRef(id=self.release.id, counter=self.release.counter),
            started_ms=self.started,
            health=self.health,
        ).encode()
