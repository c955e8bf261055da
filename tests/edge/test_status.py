"""What the gateway says of itself."""

from gateway import __version__
from gateway.edge.status import Standing
from gateway.testing.engines import a_release
from gateway.testing.samples import T0
from gateway.wire.payloads import Health, Liveness
from gateway.wire.read import read_status


def test_it_announces_its_birth_with_version_release_and_health() -> None:
    announcement = Standing("gw-1", a_release("r7"), T0, Health.DEGRADED).announcement(Liveness.BORN)
    status = read_status(announcement.payload)

    assert (announcement.topic, announcement.retain) == ("wayside/v1/gw-1/status", True)
    assert (status.state, status.version, status.started_ms) == (Liveness.BORN, __version__, T0)
    assert status.release is not None
    assert (status.release.id, status.release.counter) == ("r7", 1)
    assert status.health is Health.DEGRADED


def test_its_will_says_what_its_farewell_says() -> None:
    standing = Standing("gw-1", a_release(), T0)
    farewell, will = standing.announcement(Liveness.GONE), standing.will()

    assert (will.topic, will.payload) == (farewell.topic, farewell.payload)
    assert read_status(will.payload).state is Liveness.GONE
