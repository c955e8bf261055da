"""Answers a trigger with an offer and does nothing else: what is left of a latency when nobody decides or records.

`python relay.py HOST PORT`; a byte on its standard output says that it listens.
"""

import sys
from itertools import count

from simulators.load import native
from simulators.load.connection import connected
from simulators.load.packets import PUBLISH, Stream, publish, read_publish, subscribe, text

_TRIGGER = b'"OFF"'


def relay(host: str, port: int) -> None:
    """Answer until the broker goes away or a signal ends it."""
    raw = connected(host, port, "bench-relay")
    raw.settimeout(None)
    raw.sendall(subscribe(1, native.TOPIC.replace("{unit}", "+")))
    stream, numbers = Stream(), count(1)
    sys.stdout.write("\n")
    sys.stdout.flush()
    while data := raw.recv(65_536):
        for packet in stream.feed(data):
            if packet.kind == PUBLISH and _TRIGGER in packet.body:
                topic = read_publish(packet).topic.replace("/telemetry", "/offers")
                number = next(numbers)
                raw.sendall(publish(text(topic), b'{"id":"o.%d"}' % number, number))


if __name__ == "__main__":
    relay(sys.argv[1], int(sys.argv[2]))
