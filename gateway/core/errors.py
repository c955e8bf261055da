"""The error tree, split by whose fault it is.

```
WaysideError
 |- InvalidInput         the sender's fault: count it, dead-letter it, go on
 |- ReleaseError         refuse the release, keep the last good one
 |- Unavailable          wait and retry with jitter (broker, centre)
 |- StoreError           fail closed: no record, no offer
 `- InvariantViolation   our bug: crash loudly
```

"No offer", "no consent" and "cap reached" are not errors: they are values with a reason.
"""


class WaysideError(Exception):
    """Any error that Wayside raises on purpose."""


class InvalidInput(WaysideError):
    """The sender's fault. Counted and dead-lettered under `reason`; nothing else is lost.

    Attributes:
        reason: A short enumeration value, safe as a metric label.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class InvalidPosition(InvalidInput):
    """A coordinate that is not finite or lies outside its range. The message does not repeat it."""

    def __init__(self, lon: float, lat: float) -> None:
        super().__init__("invalid_position", "longitude must be -180..180 and latitude -90..90 degrees")
        self.lon = lon
        self.lat = lat


class ReleaseError(WaysideError):
    """A release, campaign, fence file or model that must not be activated; the last good one stays."""


class Unavailable(WaysideError):
    """A counterpart that cannot be reached now. Retry with jitter."""


class StoreError(WaysideError):
    """The ledger could not record. Fail closed: no record, no offer."""


class InvariantViolation(WaysideError):
    """A promise of our own is broken. Never caught: the process ends and is restarted."""
