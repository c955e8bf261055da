"""What is handed over to a person: all that is held of them, or their receipts. Handing over is noted first."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gateway.core.units import Instant
from gateway.edge.config import GatewayConfig
from gateway.edge.subject import journals, register
from gateway.edge.subject.holdings import holdings_of

FORMAT = 1


def of(
    config: GatewayConfig, subject: str, purpose: str, ledger: Path, journal_files: Iterable[Path], at: Instant
) -> dict[str, object]:
    """Return everything that is held of a person, as JSON; a person who is not known has nothing of anything.

    Raises:
        StoreError: The ledger cannot be read, or what is done cannot be noted.
        InvalidInput: A journal is damaged.
        OSError: A journal cannot be read.
    """
    held = holdings_of(ledger, subject)
    lines: dict[str, list[dict[str, object]]] = {}
    for each in journal_files:  # two of one name may lie in two folders
        lines.setdefault(each.name, []).extend(journals.lines_of(each, subject, held.offer_ids))
    counts = {**held.counts(), "journal_lines": sum(map(len, lines.values()))}
    noted = register.note(ledger.parent, "export", purpose, counts, at)
    return {
        "format": FORMAT,
        "subject": subject,
        "gateway": config.id,
        "exported": noted["at"],
        "purpose": purpose,
        "found": counts,
        **held.to_json(),
        "consents": held.receipts(config.privacy.party(), config.id),
        "journals": {name: told for name, told in lines.items() if told},
        "cache": "holds nothing of a person",
    }


def receipts(config: GatewayConfig, subject: str, purpose: str, ledger: Path, at: Instant) -> list[dict[str, object]]:
    """Return a person's consent receipts.

    Raises:
        StoreError: The ledger cannot be read, or what is done cannot be noted.
    """
    held = holdings_of(ledger, subject)
    register.note(ledger.parent, "receipts", purpose, {"consents": len(held.consents)}, at)
    return held.receipts(config.privacy.party(), config.id)


def receipt_lines(told: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Return receipts for people: where each purpose stands, and everything that was said of it."""
    if not told:
        yield "Nothing was agreed to or withdrawn."
    for receipt in told:
        record = receipt["consent_record"]
        (use,) = record["pii_processing"]["purposes"]
        yield f"{use['purpose']}: {record['header']['consent_status']}"
        for event in record["events"]:
            notice = event["privacy_notice"]
            shown = f", notice {notice['id']} {notice['version']} ({notice['language']})" if notice else ""
            said = f"{event['event_state']} at {event['unit']}, {event['validity_duration']}"
            yield f"  {event['recorded']} {said}{shown}"
