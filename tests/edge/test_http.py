"""Metrics and health over HTTP."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from gateway.edge.http import HttpServer
from gateway.edge.observe import Health, Metrics
from gateway.wire.topics import Channel


class Served:
    """A running server."""

    def __init__(self) -> None:
        self.metrics, self.health = Metrics(), Health()
        self.server = HttpServer("127.0.0.1", 0, self.metrics.registry, self.health)

    def get(self, path: str) -> tuple[int, str, bytes]:
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=5)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.headers["Content-Type"], body


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.server.close()


def test_metrics_are_prometheus_text(served: Served) -> None:
    served.metrics.count_message(Channel.TELEMETRY)
    status, content_type, body = served.get("/metrics")

    assert (status, content_type.split(";")[0]) == (200, "text/plain")
    assert b'wayside_messages_total{channel="telemetry"} 1.0' in body
    assert b"_created" not in body


def test_alive_is_not_ready(served: Served) -> None:
    assert served.get("/healthz")[0] == 200
    status, _, body = served.get("/readyz")

    assert status == 503
    assert json.loads(body)["ready"] is False


def test_ready_tells_what_it_decides_with(served: Served) -> None:
    served.health.started = served.health.connected = True
    served.health.release = {"id": "r1", "counter": 7}
    status, _, body = served.get("/readyz?verbose")

    assert status == 200
    assert json.loads(body)["release"] == {"id": "r1", "counter": 7}


def test_nothing_else_is_served(served: Served) -> None:
    assert served.get("/etc/passwd")[0] == 404


def test_a_taken_port_is_an_error(served: Served) -> None:
    with pytest.raises(OSError, match="in use"):
        HttpServer("127.0.0.1", served.server.port, served.metrics.registry, served.health)
