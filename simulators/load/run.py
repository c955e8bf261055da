"""A load from its first word to its report."""

import gc
import secrets
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.wire.payloads import Payload
from simulators.load import native
from simulators.load.background import BackgroundSender
from simulators.load.connection import Arrived, Connection
from simulators.load.correlation import Correlation, recognise
from simulators.load.plan import Plan, refuse_strangers_broker
from simulators.load.report import Offers, Report
from simulators.load.schedule import NS
from simulators.load.sender import Sent

LEAD_NS = NS // 2
"""Between the decision to start and the start: time to encode ahead."""
LINGER_NS = NS // 2
"""After the last answer: whatever comes twice comes by then."""
_LOOK_EVERY_S = 0.25
_TELL_EVERY_MS = 1_000
_NS_PER_MS = 1_000_000

Progress = Callable[[int, int], None]
"""Is told how many milliseconds of how many have passed. Called between messages, so it must be quick."""


def run(plan: Plan, progress: Progress | None = None) -> Report:
    """Run a load and return what came of it.

    Raises:
        PlanRefused: The broker is on another machine and nobody vouched for it.
        OSError: The broker cannot be reached, refuses, or goes away.
    """
    refuse_strangers_broker(plan)
    name = f"load-{secrets.token_hex(4)}"
    with BackgroundSender(plan, f"{name}-out") as sender, Connection(plan.host, plan.port, f"{name}-in") as connection:
        connection.subscribe(plan.messages.offer_topic)
        with _people(plan, connection, name), _without_old_garbage():
            sent, correlation = _Measuring(plan, connection, sender, progress).measure()
    return Report(plan, sent, Offers.of(correlation))


@contextmanager
def _people(plan: Plan, connection: Connection, run_name: str) -> Iterator[None]:
    """Have people in the units, if offers are asked for and the units speak to a gateway that knows of people."""
    if not (plan.messages.are_native and plan.schedule.offers_every_s):
        yield
        return
    units = [plan.unit(number) for number in range(plan.schedule.units)]
    connection.say(_encoded(units, run_name, native.boarding), plan.window)
    _let_pass(connection, plan.settle_s)
    yield
    connection.say(_encoded(units, run_name, native.leaving), plan.window)


@contextmanager
def _without_old_garbage() -> Iterator[None]:
    """Keep the collector from looking through what was there before: that takes longer than messages lie apart."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


_Saying = Callable[[str, str, int], Iterator[tuple[str, Payload]]]


def _encoded(units: list[str], run_name: str, saying: _Saying) -> Iterator[tuple[str, bytes]]:
    for unit in units:
        for topic, payload in saying(unit, run_name, time.time_ns() // _NS_PER_MS):
            yield topic, payload.encode()


def _let_pass(connection: Connection, seconds: float) -> None:
    """Wait, and drop what comes meanwhile."""
    until_ns = time.monotonic_ns() + int(seconds * NS)
    while (left_ns := until_ns - time.monotonic_ns()) > 0:
        select.select([connection], [], [], left_ns / NS)
        connection.receive()


class _Measuring:
    """The load itself, and the ear for what comes of it."""

    def __init__(self, plan: Plan, connection: Connection, sender: BackgroundSender, progress: Progress | None) -> None:
        self._plan, self._connection, self._sender, self._progress = plan, connection, sender, progress
        self._start_ns = time.monotonic_ns() + LEAD_NS
        self._told_ms = 0
        schedule = plan.schedule
        due_ns = [
            (plan.unit(each.unit), self._start_ns + schedule.due_ns(each.message)) for each in schedule.triggers()
        ]
        patience_ns = int(plan.patience_s * NS)
        self._correlation = Correlation(due_ns, patience_ns)
        self._give_up_ns = due_ns[-1][1] + patience_ns if due_ns else 0

    def measure(self) -> tuple[Sent, Correlation]:
        """Let it be sent, and listen until nothing is to be expected any more."""
        self._sender.start(self._start_ns, (time.time_ns() + self._start_ns - time.monotonic_ns()) // _NS_PER_MS)
        while not self._listen(self._sender):
            pass
        sent = self._sender.result()
        while self._correlation.open and time.monotonic_ns() < self._give_up_ns:
            self._listen()
        end_ns = time.monotonic_ns() + (LINGER_NS if self._correlation.triggers else 0)
        while time.monotonic_ns() < end_ns:
            self._listen()
        return sent, self._correlation

    def _listen(self, *others: BackgroundSender) -> bool:
        """Take in what comes for a moment; return whether one of the others has something to say."""
        sources: list[Connection | BackgroundSender] = [self._connection, *others]
        readable = select.select(sources, [], [], _LOOK_EVERY_S)[0]
        self._take(self._connection.receive())
        self._tell()
        return any(other in readable for other in others)

    def _take(self, arrived: list[Arrived]) -> None:
        for message, at_ns in arrived:
            if at_ns >= self._start_ns and not message.retained:
                offer = recognise(self._plan.messages.offer_topic, message.topic, message.payload)
                self._correlation.take(offer, at_ns)

    def _tell(self) -> None:
        """Tell how far it is, once a second: it takes time from listening."""
        passed_ms = (time.monotonic_ns() - self._start_ns) // _NS_PER_MS
        if self._progress is not None and passed_ms >= self._told_ms + _TELL_EVERY_MS:
            self._told_ms = passed_ms
            total_ms = int(self._plan.schedule.seconds * 1000)
            self._progress(min(passed_ms, total_ms), total_ms)
