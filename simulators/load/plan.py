"""What a load is to be: whom it is sent to, how much, and what its messages say."""

import ipaddress
import math
import re
import socket
from dataclasses import dataclass, field

from gateway.wire.topics import is_id
from simulators.load import native
from simulators.load.packets import text
from simulators.load.schedule import PlanRefused, Schedule
from simulators.load.template import unit_in

PATIENCE_S = 10.0
MOST_IN_FLIGHT = 20
"""As many unacknowledged QoS 1 messages as Mosquitto allows unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Messages:
    """What units say, as templates, and where the consumer answers.

    Attributes:
        topic: Where a unit speaks.
        payload: What it says all the time.
        arming: What it says before a trigger.
        trigger: What is to bring an offer about.
        offer_topic: The filter that hears the offers; the level at its `+` is the unit.
    """

    topic: str = native.TOPIC
    payload: str = native.PAYLOAD
    arming: str = native.ARMING
    trigger: str = native.TRIGGER
    offer_topic: str = native.OFFER_TOPIC

    @property
    def are_native(self) -> bool:
        """Whether units speak where a gateway of Wayside listens, so that people can be in them."""
        return self.topic == native.TOPIC


@dataclass(frozen=True, slots=True)
class Plan:
    """A load, and what counts as an answer to it.

    Attributes:
        window: How many QoS 1 messages may be unacknowledged at a time.
        patience_s: An offer that takes longer is lost. At most the time until the unit's next trigger, so that an
            offer is never taken for the answer to a later one.
        settle_s: How long to wait between the people's boarding and the start.
        own_broker: Whether whoever runs it vouches for a broker elsewhere being theirs.
    """

    schedule: Schedule
    host: str = "127.0.0.1"
    port: int = 1883
    qos: int = 0
    unit_prefix: str = "car-"
    messages: Messages = field(default_factory=Messages)
    window: int = MOST_IN_FLIGHT
    patience_s: float = PATIENCE_S
    settle_s: float = 1.0
    own_broker: bool = False

    def __post_init__(self) -> None:
        if self.qos not in {0, 1}:
            raise PlanRefused(f"a load has QoS 0 or 1, not {self.qos}")
        if not 1 <= self.window <= 65_535:
            raise PlanRefused(f"1 to 65,535 messages may be unacknowledged, not {self.window}")
        if not is_id(self.unit(self.schedule.units - 1)):
            raise PlanRefused(f"{self.unit_prefix!r} begins no id of a unit")
        self._check_patience()
        self._check_topics()

    def unit(self, number: int) -> str:
        """Return the id of a unit, numbered from 0 here and from 1 in its id."""
        return f"{self.unit_prefix}{number + 1}"

    def _check_patience(self) -> None:
        for seconds in (self.patience_s, self.settle_s):
            if not 0 <= seconds <= 600 or not math.isfinite(seconds):
                raise PlanRefused(f"waiting takes 0 to 600 s, not {seconds:g}")
        turn_s = self.schedule.units * self.schedule.offers_every_s
        if 0 < turn_s < self.patience_s:
            raise PlanRefused(
                f"each unit's turn to be offered something comes every {turn_s:g} s, "
                f"which is less than the patience of {self.patience_s:g} s: name more units or less patience"
            )

    def _check_topics(self) -> None:
        for topic in (self.messages.topic, self.messages.offer_topic):
            if not topic or "\0" in topic:
                raise PlanRefused(f"{topic!r} is no topic")
            text(topic)
        if re.search("[+#]", unit_in(self.messages.topic, "")):
            raise PlanRefused("nothing can be published on a topic with a wildcard")


def default_patience_s(schedule: Schedule) -> float:
    """Return the usual patience, or the time until a unit's next trigger where that is less."""
    turn_s = schedule.units * schedule.offers_every_s
    return min(PATIENCE_S, turn_s) if turn_s else PATIENCE_S


def is_on_this_machine(host: str) -> bool:
    """Return whether every address that a host has is a loopback address.

    Raises:
        OSError: It has none.
    """
    addresses = {str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(host, None)}
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)


def refuse_strangers_broker(plan: Plan) -> None:
    """Let pass what goes to this machine, or to a broker that is vouched for.

    Raises:
        PlanRefused: It goes elsewhere.
        OSError: Nobody knows where it goes.
    """
    if not plan.own_broker and not is_on_this_machine(plan.host):
        raise PlanRefused(
            f"{plan.host} is not this machine: a load goes elsewhere only to a broker vouched for as one's own"
        )
