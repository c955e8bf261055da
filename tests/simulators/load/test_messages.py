"""A message is encoded for its unit, its due time and what it is to bring about."""

from simulators.load import packets
from simulators.load.messages import IDS, Encoder, packet_id_of
from simulators.load.packets import Published, Stream
from simulators.load.plan import Messages, Plan
from simulators.load.schedule import Schedule

START_MS = 1_000
MESSAGES = Messages("t/{unit}", "{unit} {ts_ms} {n}", "arm {unit} {ts_ms} {n}", "trigger {unit} {ts_ms} {n}")


def _encoded(plan: Plan) -> list[Published]:
    encoder = Encoder(plan, START_MS)
    data = b"".join(encoder.packet(number) for number in range(plan.schedule.count))
    return [packets.read_publish(packet) for packet in Stream().feed(data)]


def test_units_speak_in_turn_each_at_the_due_time_of_its_message() -> None:
    said = _encoded(Plan(Schedule(10, 0.4, units=2), messages=MESSAGES))
    assert [(message.topic, message.payload) for message in said] == [
        ("t/car-1", b"car-1 1000 0"),
        ("t/car-2", b"car-2 1100 1"),
        ("t/car-1", b"car-1 1200 2"),
        ("t/car-2", b"car-2 1300 3"),
    ]


def test_a_unit_is_armed_and_triggered_in_place_of_what_else_would_be_said() -> None:
    plan = Plan(Schedule(10, 2, units=2, offers_every_s=1.0), messages=MESSAGES, patience_s=1.0)
    said = {number: message.payload for number, message in enumerate(_encoded(plan))}
    special = {number: payload for number, payload in said.items() if not payload.startswith(b"car")}
    assert special == {
        0: b"arm car-1 1000 0",
        5: b"trigger car-1 1500 5",
        10: b"arm car-2 2000 10",
        15: b"trigger car-2 2500 15",
    }


def test_packet_ids_go_round_without_zero() -> None:
    assert [message.packet_id for message in _encoded(Plan(Schedule(10, 0.3), qos=1))] == [1, 2, 3]
    assert [packet_id_of(number) for number in (IDS - 1, IDS, IDS + 1)] == [IDS, 1, 2]
