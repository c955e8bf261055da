"""Setting the ledger's time back, in one transaction: all of its state, of those who are absent too."""

from dataclasses import replace

from gateway.core.rewind import set_back
from gateway.core.units import Instant
from gateway.edge.store.ledger import Ledger
from gateway.edge.store.rows import Recorder, Transaction, lowered_now
from gateway.wire.write import encode_offer


def time_set_back(ledger: Ledger, now: Instant, by_ms: int) -> Transaction:
    """Return what brings a ledger, all of whose transactions are on disk, from `now + by_ms` to `now`.

    Decisions, outcomes and receipts keep the instants they were recorded at: what is history is not written anew.

    Raises:
        StoreError: The ledger cannot be read.
    """
    recorder = Recorder(encode_offer)
    recorder.add(set_back(ledger.whole_state(), now, by_ms))
    gathered = recorder.transaction(now) or Transaction(now, ())
    return replace(gathered, rows=(*gathered.rows, lowered_now(now)))
