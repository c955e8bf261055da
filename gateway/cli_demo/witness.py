"""The gateway's ledger as a simulation's witness."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import cast

from gateway.core.effects import Decision, Refusal, Verdict
from gateway.edge.explanation import refusal_in_words
from gateway.edge.store.account import Account, AccountReader
from simulators.unit import NotSeen
from simulators.witness import Decided, Record, Refused, Withdrawn

_LOOK_EVERY_S = 0.005
"""A ledger tells nobody that it has grown; asking costs a few microseconds."""


class LedgerWitness:
    """Tells what a gateway's ledger has on record of one unit, while the gateway writes it."""

    def __init__(self, reader: AccountReader, unit: str) -> None:
        self._reader = reader
        self._unit = unit

    async def until(self, awaited: str, condition: Callable[[Record], bool], within_s: float) -> Record:
        """Return the record once the condition holds.

        Raises:
            NotSeen: It did not within that time.
        """
        account = await self.account_until(awaited, lambda each: condition(record_of(each, self._unit)), within_s)
        return record_of(account, self._unit)

    async def account_until(self, awaited: str, condition: Callable[[Account], bool], within_s: float) -> Account:
        """Return the whole account once the condition holds.

        Raises:
            NotSeen: It did not within that time.
        """
        seen, account = self._reader.version(), self._reader.read()
        try:
            async with asyncio.timeout(within_s):
                while not condition(account):
                    seen = await self._grown(seen)
                    account = self._reader.read()
        except TimeoutError:
            raise NotSeen(awaited, within_s, _so_far(record_of(account, self._unit))) from None
        return account

    async def _grown(self, seen: int) -> int:
        """Wait for a commit after the one that was seen."""
        while (version := self._reader.version()) == seen:  # noqa: ASYNC110 -- another process writes: no event
            await asyncio.sleep(_LOOK_EVERY_S)
        return version


def record_of(account: Account, unit: str) -> Record:
    """Return what an account says of one unit, in the words of simulations."""
    entries = {(key.name, key.item): value for key, value in account.units.items() if key.owner == unit}
    drive = cast("Mapping[str, object]", entries.get(("drive", ""), {}))
    present = [
        cast("Mapping[str, object]", value)["subject"] for (name, _), value in entries.items() if name == "presence"
    ]
    return Record(
        decisions=tuple(_decided(decision) for decision in account.decisions if decision.unit == unit),
        withdrawn=tuple(
            Withdrawn(offer.id, offer.action, offer.withdrawn)
            for offer in account.offers
            if offer.unit == unit and offer.withdrawn is not None
        ),
        fences=frozenset(item for name, item in entries if name == "fence"),
        drive=str(drive.get("state", "unknown")),
        moving=bool(drive.get("moving", False)),
        present=frozenset(str(subject) for subject in present if subject is not None),
        consents=len(account.consents),
        answers={entry.offer: entry.outcome.value for entry in account.outcomes},
    )


def _decided(decision: Decision) -> Decided:
    chosen = next((verdict for verdict in decision.verdicts if verdict.refusal is None), None)
    return Decided(
        decision.id,
        decision.unit,
        decision.moments,
        decision.chosen,
        decision.offer,
        "" if chosen is None else _worth(chosen),
        tuple(_refused(each, each.refusal) for each in decision.verdicts if each.refusal is not None),
    )


def _refused(verdict: Verdict, refusal: Refusal) -> Refused:
    stage, reason = refusal.stage.value, refusal.reason
    return Refused(verdict.action, verdict.kind.value, verdict.placement.value, stage, reason, _in_few_words(refusal))


def _in_few_words(refusal: Refusal) -> str:
    """Return why, without the expression it failed: what that read says enough beside its name."""
    values = refusal.detail.get("values")
    if not isinstance(values, dict):
        return refusal_in_words(refusal)
    read = ", ".join(f"{name} {json.dumps(value)}" for name, value in sorted(values.items()))
    return f"{refusal.reason.replace('_', ' ')} ({read})"


def _worth(verdict: Verdict) -> str:
    return f"P {verdict.propensity:.2f}, net value {verdict.net_value:+.2f}"


def _so_far(record: Record) -> str:
    """Return the newest on record, for whoever waited for something else."""
    where = f"it is {record.drive} in {', '.join(sorted(record.fences)) or 'no fence'}"
    if not record.decisions:
        return f"nothing was decided; {where}"
    last = record.decisions[-1]
    return f"the last decision, on {', '.join(last.moments)}, was {last.chosen or 'silence'}; {where}"
