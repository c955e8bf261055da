"""The topics of Wayside: `wayside/v1/{owner}/{channel}`, where the owner is a unit or the gateway itself.

Devices that speak a dialect of their own keep their topics: `owntracks/{user}/{device}` with at most one level more,
and `home/{scanner}/BTtoMQTT/{id}`.
"""

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
    FACTS = "facts"
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


class Dialect(StrEnum):
    """What devices speak that are not built for Wayside."""

    OWNTRACKS = "owntracks"
    THEENGS = "theengs"


class DeviceTopic(NamedTuple):
    """A device's topic, taken apart.

    Attributes:
        sender: Who is bound to a unit: `user/device`, or the name of a scanner.
    """

    dialect: Dialect
    sender: str


DEVICE_ROOTS = ("owntracks/", "home/")
"""What every topic of a device begins with, and none of ours does."""

_OWNTRACKS_LEVELS = ("", "/event", "/beacon")
_SCANNED = "BTtoMQTT"


def parse_device_topic(topic: str) -> DeviceTopic:
    """Return dialect and sender of a device's topic. Remembers none: the last level may name a passer-by.

    Raises:
        InvalidInput: `bad_topic`: it is of neither form.
    """
    levels = topic.split("/")
    if levels[0] == "owntracks" and len(levels) in {3, 4}:
        return DeviceTopic(Dialect.OWNTRACKS, f"{levels[1]}/{levels[2]}")
    if levels[0] == "home" and len(levels) == 4 and levels[2] == _SCANNED:
        return DeviceTopic(Dialect.THEENGS, levels[1])
    raise InvalidInput(Reason.BAD_TOPIC, "no device has such a topic")


def device_filters(dialect: Dialect, sender: str) -> tuple[str, ...]:
    """Return the subscriptions that hear a device, and none beside it.

    >>> device_filters(Dialect.OWNTRACKS, "anna/phone")
    ('owntracks/anna/phone', 'owntracks/anna/phone/event', 'owntracks/anna/phone/beacon')
    >>> device_filters(Dialect.THEENGS, "CarScanner")
    ('home/CarScanner/BTtoMQTT/+',)
    """
    if dialect is Dialect.THEENGS:
        return (f"home/{sender}/{_SCANNED}/+",)
    return tuple(f"owntracks/{sender}{level}" for level in _OWNTRACKS_LEVELS)


def presentable(topic: str) -> str:
    """Return a topic as it may be told to others: of what a scanner heard without who was heard.

    >>> presentable("home/CarScanner/BTtoMQTT/C0FFEE123456")
    'home/CarScanner/BTtoMQTT'
    >>> presentable("wayside/v1/car-7/telemetry")
    'wayside/v1/car-7/telemetry'
    """
    return "/".join(topic.split("/")[:3]) if topic.startswith("home/") else topic
