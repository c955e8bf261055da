"""What codes mean."""

import re

import pytest

from gateway.edge.reasons import NAMES, SESSION_TAKEN_OVER, UNKNOWN, Packet, name_of, told


@pytest.mark.parametrize(
    ("code", "packet", "name"),
    [
        (0x87, Packet.CONNACK, "not_authorized"),
        (0x97, Packet.PUBACK, "quota_exceeded"),
        (0x8E, Packet.DISCONNECT, "session_taken_over"),
        (0x8B, Packet.DISCONNECT, "server_shutting_down"),
        (0x80, Packet.SUBACK, "unspecified_error"),
        (1, Packet.CONNACK, "unsupported_protocol_version"),
        (4, Packet.CONNACK, "bad_user_name_or_password"),
        (5, Packet.CONNACK, "not_authorized"),
        (5, Packet.SUBACK, UNKNOWN),
        (0xFF, Packet.PUBACK, UNKNOWN),
    ],
)
def test_a_code_has_the_name_of_the_standard(code: int, packet: Packet, name: str) -> None:
    assert name_of(code, packet) == name


def test_names_are_labels_and_each_stands_once() -> None:
    assert len(set(NAMES.values())) == len(NAMES)
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in NAMES.values())
    assert set(range(0x80, 0xA3)) == {code for code in NAMES if code >= 0x80}


def test_where_something_can_be_done_it_is_said() -> None:
    assert "broker.client_id" in told(SESSION_TAKEN_OVER, Packet.DISCONNECT)
    assert told(0x89, Packet.CONNACK) == "server_busy (137)"
