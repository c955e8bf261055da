"""`/metrics`, `/healthz` and `/readyz`, on this machine only.

A thread of its own serves them, so that a slow reader never delays a decision.
"""

import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from gateway.edge.observe import Health

_JSON = "application/json"
_PATIENCE_S = 5.0


class HttpServer:
    """Serves until it is closed.

    Args:
        host: A loopback address; the configuration has made sure of that.
        port: 0 lets the system choose; see `port`.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, host: str, port: int, registry: CollectorRegistry, health: Health) -> None:
        handler = type("_Bound", (_Handler,), {"registry": registry, "health": health})
        self._server = _Server((host, port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="http", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_PATIENCE_S)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


class _Handler(BaseHTTPRequestHandler):
    registry: ClassVar[CollectorRegistry]
    health: ClassVar[Health]
    server_version = "wayside"
    sys_version = ""
    timeout = _PATIENCE_S

    def do_GET(self) -> None:
        """Answer one of the three paths."""
        path = self.path.split("?", 1)[0]
        if path == "/metrics":
            self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self.registry))
        elif path == "/healthz":
            self._answer(HTTPStatus.OK, _JSON, b'{"alive": true}')
        elif path == "/readyz":
            status = HTTPStatus.OK if self.health.ready else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, _JSON, json.dumps(self.health.report()).encode())
        else:
            self._answer(HTTPStatus.NOT_FOUND, _JSON, b'{"error": "not found"}')

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name is the library's
        """Say nothing: a probe every second would drown the decisions."""
