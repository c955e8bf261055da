"""A load on any MQTT consumer, at its due times, and what became of it.

The load is open: each message has its due time, fixed before the start, and goes out whatever the consumer does.
Latency is counted from that due time, so neither a slow consumer nor a slow sender hides what it cost (coordinated
omission). What the tool itself could not keep up with is told as lag, beside the figures it would spoil.

Nothing here speaks through a client library: packets are encoded ahead and written to a socket.
"""

from simulators.load.plan import Plan
from simulators.load.report import Report
from simulators.load.run import run
from simulators.load.schedule import PlanRefused, Schedule

__all__ = ["Plan", "PlanRefused", "Report", "Schedule", "run"]
