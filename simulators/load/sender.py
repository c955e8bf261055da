"""Writes the messages of a plan to a socket, each at its due time, whatever becomes of them.

One thread, one socket. Packets are encoded ahead, in the time that is left until the next one falls due. It sleeps
until then rather than spins: it shares the machine with what is measured.
"""

import select
import socket
import struct
import time
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from simulators.load.messages import IDS, Encoder, packet_id_of
from simulators.load.packets import NotMqtt
from simulators.load.plan import Plan
from simulators.load.schedule import NS, Schedule
from simulators.load.spread import Spread

LATE_NS = 5_000_000
"""A message that goes out so long after its due time is late."""
PAUSE_NS = 250_000
"""Between two writes at least, so that a fast load does not cost a wake-up a message."""

_AHEAD = 65_536
_ENCODE_AT_ONCE = 16
_ENCODING_TAKES_NS = 150_000
_WRITE_AT_ONCE = 512
_WAIT_AT_MOST_NS = 250_000_000
_READ_AT_ONCE = 65_536
_PUBACK = struct.Struct(">HH")
_PUBACK_HEADER = 0x4002


class Line(Protocol):
    """Whoever may call the sender off, by whatever makes this readable."""

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        ...


class CalledOff(Exception):
    """The sender was told to stop, or whoever started it is gone."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent.

    Attributes:
        messages: How many were written.
        unsent: How many were due and never written: the broker took no more.
        per_s: The rate that was achieved, from the start to the last write.
        lag: From due time to written.
        late: How many were written more than `LATE_NS` after they were due.
        held_up: How often the broker did not take what was due at once.
        acknowledged: From due time to PUBACK; None at QoS 0.
        unacknowledged: How many were written at QoS 1 and never acknowledged.
        cpu_s: What sending cost.
    """

    messages: int
    unsent: int
    per_s: float
    lag: Spread | None
    late: int
    held_up: int
    acknowledged: Spread | None
    unacknowledged: int
    cpu_s: float


class Sender:
    """Sends one plan, once.

    Args:
        raw: A socket on which the broker has accepted a client.
        line: Calls it off.
        start_ns: When message 0 is due, by `clock`.
    """

    def __init__(
        self,
        plan: Plan,
        raw: socket.socket,
        line: Line,
        start_ns: int,
        start_ms: int,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._plan, self._schedule, self._count = plan, plan.schedule, plan.schedule.count
        self._raw, self._line = raw, line
        self._start_ns, self._clock = start_ns, clock
        self._encoder = Encoder(plan, start_ms)
        self._encoded: deque[bytes] = deque()
        self._unwritten = memoryview(b"")
        self._begun = self._written = self._held_up = 0
        self._next_write_ns = start_ns
        self._written_until, self._written_ns = array("q"), array("q")
        self._open = [0] * (IDS + 1)
        self._open_count = 0
        self._acknowledged_ns = array("q")
        self._rest = b""

    def send(self) -> Sent:
        """Send all of it; returns when the last message is written and, at QoS 1, acknowledged.

        Raises:
            OSError: The connection broke.
            CalledOff: It was.
        """
        self._raw.settimeout(0)
        give_up_ns = self._start_ns + self._schedule.due_ns(self._count - 1) + int(self._plan.patience_s * NS)
        cpu_s = time.thread_time()
        while self._written < self._count or self._open_count:
            now_ns = self._clock()
            if now_ns > give_up_ns:
                break
            if self._write_due(now_ns) or self._encode_ahead(now_ns):
                self._wait(0)
            else:
                self._wait(min(self._wake_ns() - now_ns, _WAIT_AT_MOST_NS))
        return self._result(time.thread_time() - cpu_s)

    def _write_due(self, now_ns: int) -> bool:
        """Write what is due and permitted; return whether more of it may be written at once."""
        if not self._unwritten:
            due = min(self._schedule.due_by(now_ns - self._start_ns) - self._begun, _WRITE_AT_ONCE)
            if self._plan.qos:
                due = min(due, self._plan.window - self._open_count)
            if due <= 0 or now_ns < self._next_write_ns:
                return False
            self._unwritten = memoryview(b"".join([self._begin() for _ in range(due)]))
        return self._write()

    def _begin(self) -> bytes:
        """Return the next packet, which is under way from now on."""
        number, self._begun = self._begun, self._begun + 1
        if self._plan.qos:
            self._open[packet_id_of(number)] = self._start_ns + self._schedule.due_ns(number)
            self._open_count += 1
        return self._encoded.popleft() if self._encoded else self._encoder.packet(number)

    def _write(self) -> bool:
        try:
            taken = self._raw.send(self._unwritten)
        except BlockingIOError:
            taken = 0
        self._unwritten = self._unwritten[taken:]
        if self._unwritten:
            self._held_up += 1
            return False
        now_ns = self._clock()
        self._written, self._next_write_ns = self._begun, now_ns + PAUSE_NS
        self._written_until.append(self._written)
        self._written_ns.append(now_ns)
        return self._schedule.due_by(now_ns - self._start_ns) > self._written

    def _encode_ahead(self, now_ns: int) -> bool:
        """Use time that is left; return whether it was."""
        known = self._begun + len(self._encoded)
        if known >= self._count or len(self._encoded) >= _AHEAD or self._wake_ns() - now_ns < _ENCODING_TAKES_NS:
            return False
        for number in range(known, min(known + _ENCODE_AT_ONCE, self._count)):
            self._encoded.append(self._encoder.packet(number))
        return True

    def _wake_ns(self) -> int:
        """Return when there is something to write next; what the socket tells comes before."""
        window_is_full = self._plan.qos and self._open_count >= self._plan.window
        if self._unwritten or window_is_full or self._begun == self._count:
            return self._clock() + _WAIT_AT_MOST_NS
        return max(self._start_ns + self._schedule.due_ns(self._begun), self._next_write_ns)

    def _wait(self, for_ns: int) -> None:
        """Wait, but not beyond what the socket or the line has to say."""
        writing = [self._raw] if self._unwritten else []
        readable, _, _ = select.select([self._raw, self._line], writing, [], max(for_ns, 0) / NS)
        if self._line in readable:
            raise CalledOff
        if self._raw in readable:
            self._read(self._raw.recv(_READ_AT_ONCE))

    def _read(self, data: bytes) -> None:
        """Take in acknowledgements: nothing else is sent to who neither subscribes nor pings."""
        now_ns = self._clock()
        if not data:
            raise ConnectionResetError("the broker closed the sending connection")
        data = self._rest + data
        whole = len(data) - len(data) % _PUBACK.size
        self._rest = data[whole:]
        for header, packet_id in _PUBACK.iter_unpack(data[:whole]):
            if header != _PUBACK_HEADER:
                raise NotMqtt("the broker sends what nobody asked for")
            due_ns = self._open[packet_id]
            if due_ns:
                self._open[packet_id] = 0
                self._open_count -= 1
                self._acknowledged_ns.append(now_ns - due_ns)

    def _result(self, cpu_s: float) -> Sent:
        lag_ns = lags_ns(self._schedule, self._start_ns, self._written_until, self._written_ns)
        took_ns = self._written_ns[-1] - self._start_ns + NS / self._schedule.rate if self._written else NS
        return Sent(
            messages=self._written,
            unsent=self._count - self._written,
            per_s=round(self._written / took_ns * NS, 1),
            lag=Spread.of(lag_ns),
            late=int((lag_ns > LATE_NS).sum()),
            held_up=self._held_up,
            acknowledged=Spread.of(self._acknowledged_ns),
            unacknowledged=self._open_count,
            cpu_s=round(cpu_s, 3),
        )


def lags_ns(
    schedule: Schedule, start_ns: int, written_until: Sequence[int], written_ns: Sequence[int]
) -> NDArray[np.int64]:
    """Return how long after its due time each message was written.

    A write was done at `written_ns`, and then `written_until` messages were written altogether.
    """
    until = np.asarray(written_until, dtype=np.int64)
    at_ns = np.repeat(np.asarray(written_ns, dtype=np.int64), np.diff(until, prepend=0))
    return at_ns - start_ns - np.arange(at_ns.size, dtype=np.int64) * NS // schedule.rate
