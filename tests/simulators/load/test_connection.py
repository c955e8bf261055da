"""A connection hears and says surely, and tells what is wrong with the other end."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from gateway.testing.mosquitto import Mosquitto
from simulators.load.connection import Connection

LOOPBACK = "127.0.0.1"
ACCEPTED = b"\x20\x02\x00\x00"


@contextmanager
def _listener(answers: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen for one client and answer it; yield the port."""
    with socket.create_server((LOOPBACK, 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1_024)
                answers(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"\x20\x02\x00\x05", r"refused the connection \(return code 5\)"),
        (b"HTTP/1.1 400", "did not answer as an MQTT broker"),
        (b"", "did not answer as an MQTT broker"),
    ],
)
def test_who_does_not_accept_is_told(answer: bytes, says: str) -> None:
    with _listener(lambda client: client.sendall(answer)) as port, pytest.raises(ConnectionError, match=says):
        Connection(LOOPBACK, port, "c")


def test_a_refused_subscription_is_told() -> None:
    def answers(client: socket.socket) -> None:
        client.sendall(ACCEPTED)
        client.recv(1_024)
        client.sendall(b"\x90\x03\x00\x01\x80")

    with (
        _listener(answers) as port,
        pytest.raises(ConnectionRefusedError, match="subscription"),
        Connection(LOOPBACK, port, "c") as connection,
    ):
        connection.subscribe("a/#")


def test_a_closed_connection_is_told() -> None:
    with (
        _listener(lambda client: client.sendall(ACCEPTED)) as port,
        pytest.raises(ConnectionResetError, match="closed the connection"),
        Connection(LOOPBACK, port, "c") as connection,
    ):
        connection.subscribe("a/#")


@pytest.mark.parametrize("window", [1, 20])
def test_what_is_said_is_heard_whole_and_once(mosquitto: Mosquitto, window: int) -> None:
    said = [(f"a/{number}", b"x" * number) for number in range(100)]
    with (
        Connection(mosquitto.host, mosquitto.port, "speaker") as speaker,
        Connection(mosquitto.host, mosquitto.port, "ear") as ear,
    ):
        ear.subscribe("a/+")
        speaker.say(said, window)
        heard = [arrived.message for arrived in ear.receive()]
        # The broker has acknowledged all of it, but may still be writing to the ear.
        while len(heard) < len(said):
            heard += [arrived.message for arrived in ear.receive()]
    assert [(message.topic, message.payload) for message in heard] == said
