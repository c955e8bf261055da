"""What a broker's codes mean, by the names of the standard.

MQTT 5.0 section 2.4 has the codes; of MQTT 3.1.1 section 3.2.2.3 the five refusals of a CONNECT, which mean no other
thing in MQTT 5. The names are an enumeration, so they may be labels of a metric. What a broker adds in words is neither
logged nor kept: it is text from outside.
"""

from enum import StrEnum
from typing import Final

FAILURE: Final = 0x80
"""The least code that says no."""

SESSION_TAKEN_OVER: Final = 0x8E
UNKNOWN: Final = "unknown"

NAMES: Final = {
    0x00: "success",
    0x04: "disconnect_with_will_message",
    0x10: "no_matching_subscribers",
    0x80: "unspecified_error",
    0x81: "malformed_packet",
    0x82: "protocol_error",
    0x83: "implementation_specific_error",
    0x84: "unsupported_protocol_version",
    0x85: "client_identifier_not_valid",
    0x86: "bad_user_name_or_password",
    0x87: "not_authorized",
    0x88: "server_unavailable",
    0x89: "server_busy",
    0x8A: "banned",
    0x8B: "server_shutting_down",
    0x8C: "bad_authentication_method",
    0x8D: "keep_alive_timeout",
    0x8E: "session_taken_over",
    0x8F: "topic_filter_invalid",
    0x90: "topic_name_invalid",
    0x91: "packet_identifier_in_use",
    0x92: "packet_identifier_not_found",
    0x93: "receive_maximum_exceeded",
    0x94: "topic_alias_invalid",
    0x95: "packet_too_large",
    0x96: "message_rate_too_high",
    0x97: "quota_exceeded",
    0x98: "administrative_action",
    0x99: "payload_format_invalid",
    0x9A: "retain_not_supported",
    0x9B: "qos_not_supported",
    0x9C: "use_another_server",
    0x9D: "server_moved",
    0x9E: "shared_subscriptions_not_supported",
    0x9F: "connection_rate_exceeded",
    0xA0: "maximum_connect_time",
    0xA1: "subscription_identifiers_not_supported",
    0xA2: "wildcard_subscriptions_not_supported",
}

_OF_THE_OLD_CONNACK: Final = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}

_ADVICE: Final = {
    "unsupported_protocol_version": "it speaks another version: see broker.protocol",
    "client_identifier_not_valid": "it does not take this client id: see broker.client_id",
    "bad_user_name_or_password": "see broker.username and the password",
    "not_authorized": "see broker.username, the password or certificate, and the broker's access list",
    "banned": "ask whoever operates it",
    "bad_authentication_method": "it wants a way to log in that is not spoken here",
    "session_taken_over": "another client uses this client id: give each its own with broker.client_id",
    "packet_too_large": "it takes no packets of this size: see its limit",
    "quota_exceeded": "see its limits for this client",
    "retain_not_supported": "it keeps no retained messages, and the status is one",
    "qos_not_supported": "it does not take QoS 1, which is spoken here",
    "use_another_server": "see broker.host",
    "server_moved": "see broker.host",
}


class Packet(StrEnum):
    """What a code came in."""

    CONNACK = "connack"
    SUBACK = "suback"
    PUBACK = "puback"
    DISCONNECT = "disconnect"


def name_of(code: int, packet: Packet) -> str:
    """Return the standard's name of a code, or `unknown`.

    >>> name_of(0x87, Packet.PUBACK), name_of(5, Packet.CONNACK), name_of(5, Packet.PUBACK)
    ('not_authorized', 'not_authorized', 'unknown')
    """
    if packet is Packet.CONNACK:
        code = _OF_THE_OLD_CONNACK.get(code, code)
    return NAMES.get(code, UNKNOWN)


def told(code: int, packet: Packet) -> str:
    """Return a code as the log tells it: its name and number, and what to look at where there is something.

    >>> told(0x8B, Packet.DISCONNECT)
    'server_shutting_down (139)'
    """
    name = name_of(code, packet)
    advice = _ADVICE.get(name)
    return f"{name} ({code})" if advice is None else f"{name} ({code}): {advice}"
