"""Topics: what is taken apart, and what is no topic of ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidInput
from gateway.wire.reasons import Reason
from gateway.wire.topics import Channel, Topic, filter_of, is_id, parse_topic, topic_of

IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}", fullmatch=True)


@given(owner=IDS, channel=st.sampled_from(Channel))
def test_a_topic_is_parsed_to_what_it_was_made_of(owner: str, channel: Channel) -> None:
    assert parse_topic(topic_of(owner, channel)) == Topic(owner, channel)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "/",
        "wayside/v1/car-7",
        "wayside/v1/car-7/telemetry/",
        "wayside/v1/car-7/telemetry/raw",
        "/wayside/v1/car-7/telemetry",
        "wayside/v2/car-7/telemetry",
        "Wayside/v1/car-7/telemetry",
        "wayside/v1//telemetry",
        "wayside/v1/car-7/Telemetry",
        "wayside/v1/car-7/telemetry\n",
        "wayside/v1/car-7/",
        "wayside/v1/+/telemetry",
        "wayside/v1/#",
        "wayside/v1/car 7/telemetry",
        "wayside/v1/-car/telemetry",
        "wayside/v1/car-7\n/telemetry",
        "wayside/v1/c\u00e4r/telemetry",
        "wayside/v1/car\u0000/telemetry",
        "wayside/v1/car\udcff/telemetry",
        f"wayside/v1/{'a' * 65}/telemetry",
        "$SYS/broker/version",
    ],
)
def test_what_is_no_topic_of_ours_is_refused(topic: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_topic(topic)
    assert caught.value.reason == Reason.BAD_TOPIC


@pytest.mark.parametrize("owner", ["", "a/b", "+", "#", "a b", "a" * 65, "a\n"])
def test_no_topic_is_made_of_what_is_no_id(owner: str) -> None:
    assert not is_id(owner)
    with pytest.raises(InvalidInput):
        topic_of(owner, Channel.OFFERS)


def test_a_refusal_does_not_repeat_the_topic() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_topic("wayside/v1/ticket 4711/telemetry")
    assert "4711" not in str(caught.value)


def test_a_filter_names_its_channel_of_every_unit() -> None:
    assert filter_of(Channel.CONSENTS) == "wayside/v1/+/consents"
