"""The topics of Wayside: `wayside/v1/{owner}/{channel}`, where the owner is a unit or the gateway itself."""

import re
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from gateway.core.errors import InvalidInput
from gateway.wire.reasons import Reason

PREFIX = "wayside/v1"

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}$"
"""What an id looks like on the wire. None can hold a wildcard, a level separator or anything beyond ASCII."""

_ID = re.compile(ID_PATTERN.removesuffix("$") + r"\Z")


class Channel(StrEnum):
    """What is said on a topic: its last level."""

    TELEMETRY = "telemetry"
    IDENTITY = "identity"
    OUTCOMES = "outcomes"
    CONSENTS = "consents"
    STATUS = "status"
    OFFERS = "offers"
    DEADLETTER = "deadletter"


class Topic(NamedTuple):
    """A topic, taken apart.

    Attributes:
        owner: The unit, or for `deadletter` and the gateway's own `status`, the gateway.
    """

    owner: str
    channel: Channel


_CHANNELS = {channel.value: channel for channel in Channel}


def is_id(text: str) -> bool:
    """Return whether a text may stand as an id on the wire.

    >>> is_id("car-7"), is_id("car/7"), is_id("")
    (True, False, False)
    """
    return _ID.match(text) is not None


def topic_of(owner: str, channel: Channel) -> str:
    """Return the topic on which an owner's channel lies.

    >>> topic_of("car-7", Channel.OFFERS)
    'wayside/v1/car-7/offers'

    Raises:
        InvalidInput: `bad_topic`: the owner is no id.
    """
    if not is_id(owner):
        raise InvalidInput(Reason.BAD_TOPIC, "the owner is no id")
    return f"{PREFIX}/{owner}/{channel.value}"


def filter_of(channel: Channel) -> str:
    """Return the subscription that hears a channel of every owner.

    >>> filter_of(Channel.TELEMETRY)
    'wayside/v1/+/telemetry'
    """
    return f"{PREFIX}/+/{channel.value}"


@lru_cache(maxsize=4096)
def parse_topic(topic: str) -> Topic:
    """Return owner and channel of a topic. Remembers the last few thousand, and no refused one.

    Raises:
        InvalidInput: `bad_topic`: it is not of the form above.
    """
    levels = topic.split("/")
    if len(levels) != 4 or f"{levels[0]}/{levels[1]}" != PREFIX:
        raise InvalidInput(Reason.BAD_TOPIC, f"expected {PREFIX}/{{unit}}/{{channel}}")
    channel = _CHANNELS.get(levels[3])
    if channel is None or not is_id(levels[2]):
        raise InvalidInput(Reason.BAD_TOPIC, "no such channel" if channel is None else "the unit is no id")
    return Topic(levels[2], channel)
