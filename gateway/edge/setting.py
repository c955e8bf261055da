"""What a runner works with, and what it must be able to ask of the way to the broker."""

from dataclasses import dataclass
from typing import Protocol

from gateway.core.scoring import Scorer
from gateway.edge.clock import Clock
from gateway.edge.config import GatewayConfig
from gateway.edge.status import Standing
from gateway.edge.store.ledger import Ledger


class Gate(Protocol):
    """The way to the broker, as far as the runner must open and shut it."""

    def hold(self) -> None:
        """Cut the connection and make no new one."""
        ...

    def release(self) -> None:
        """Connect again."""
        ...


@dataclass(frozen=True, slots=True)
class Setting:
    """What a runner works with. The ledger is prepared; the scorer has verified its models."""

    config: GatewayConfig
    scorer: Scorer
    standing: Standing
    credential_key: bytes
    ledger: Ledger
    clock: Clock
