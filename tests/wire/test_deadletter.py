"""Dead letters: which message and why, never what it said."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.deadletter import dead_letter
from gateway.wire.payloads import DeadLetter
from gateway.wire.reasons import Reason


@given(topic=st.text(), payload=st.binary(), reason=st.sampled_from(Reason), received=st.integers(0, 2**53))
def test_a_dead_letter_can_be_written_of_any_message(topic: str, payload: bytes, reason: Reason, received: int) -> None:
    letter = dead_letter(topic, payload, reason, received)
    assert DeadLetter.model_validate_json(letter.encode()) == letter


def test_a_dead_letter_tells_a_message_by_its_digest_alone() -> None:
    letter = dead_letter("wayside/v1/car-7/identity\udcff", b"6012-3400", "unknown_unit", 5)
    assert letter.topic == "wayside/v1/car-7/identity?"
    assert letter.length == 9
    assert letter.sha256 == "496e3023500c1b08ddb1becd6e8323c3d45e71e040378b1ab72b4f24d115de16"
    assert b"6012" not in letter.encode()
