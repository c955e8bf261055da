"""What came of a demo: every scene, what the units were sent and said, and the ledger's account; as JSON too."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from gateway.edge.store.account import Account
from simulators.fuel_stop import Scene
from simulators.unit import Unit


@dataclass(frozen=True)
class Report:
    """All of it.

    Attributes:
        units: Those that took part, by what they heard and said over MQTT.
        account: What the ledger says, read after the last scene.
        seconds: How long the story took, in real time.
    """

    scenes: tuple[Scene, ...]
    units: tuple[Unit, ...]
    account: Account
    seconds: float

    def disagreements(self) -> list[str]:
        """Return where the ledger says something else than what was heard and said over MQTT; it should be nowhere."""
        heard, recorded = _over_mqtt(self.units), _in_ledger(self.account)
        return [f"only over MQTT: {fact}" for fact in (heard - recorded).elements()] + [
            f"only in the ledger: {fact}" for fact in (recorded - heard).elements()
        ]

    def to_json(self) -> dict[str, object]:
        """Return it for scripts."""
        account = self.account
        return {
            "demo": "fuel-stop",
            "seconds": round(self.seconds, 3),
            "events": [{"scene": scene.title, "told": scene.told} for scene in self.scenes],
            "messages": {unit.id: {channel.value: n for channel, n in unit.sent.items()} for unit in self.units},
            "moments": [{"scene": scene.title, "moment": moment} for scene in self.scenes for moment in scene.noticed],
            "decisions": [
                {
                    "scene": scene.title,
                    "id": each.id,
                    "moments": each.moments,
                    "chosen": each.chosen,
                    "offer": each.offer,
                }
                for scene in self.scenes
                for each in scene.decisions
            ],
            "offers": [
                {"unit": unit.id, "withdrawn": shown.withdrawn, **shown.offer.model_dump(mode="json")}
                for unit in self.units
                for shown in unit.shown.values()
            ],
            "outcomes": [
                {"unit": unit.id, "offer": offer, "outcome": outcome.value}
                for unit in self.units
                for offer, outcome in unit.reported
            ],
            "refusals": [
                {"scene": scene.title, "decision": each.id, **asdict(refused)}
                for scene in self.scenes
                for each in scene.decisions
                for refused in each.refused
            ],
            "ledger": {
                "decisions": [
                    {"id": each.id, "unit": each.unit, "at_ms": each.at, "moments": each.moments, "chosen": each.chosen}
                    for each in account.decisions
                ],
                "offers": [asdict(offer) for offer in account.offers],
                "outcomes": [asdict(outcome) for outcome in account.outcomes],
                "consents": [asdict(consent) for consent in account.consents],
            },
        }


def _over_mqtt(units: Iterable[Unit]) -> Counter[str]:
    """Return each thing that was heard or said, and how often."""
    facts: Counter[str] = Counter()
    for unit in units:
        for id_, shown in unit.shown.items():
            facts[f"{id_} of {shown.offer.action} offered at {unit.id}"] += 1
            facts[f"{id_} withdrawn: {shown.withdrawn}"] += shown.withdrawn is not None
        facts.update(f"{offer} {outcome} at {unit.id}" for offer, outcome in unit.reported)
    return facts


def _in_ledger(account: Account) -> Counter[str]:
    """Return the same of what is on record."""
    facts: Counter[str] = Counter()
    for offer in account.offers:
        facts[f"{offer.id} of {offer.action} offered at {offer.unit}"] += offer.sent
        facts[f"{offer.id} withdrawn: {offer.withdrawn}"] += offer.withdrawn is not None
    facts.update(f"{entry.offer} {entry.outcome} at {entry.unit}" for entry in account.outcomes)
    return facts
