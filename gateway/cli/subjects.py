"""`wayside subject`: all that is held of a person, their receipts, and their erasure."""

import json as formats
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TextIO, TypeAlias

import typer

from gateway.cli.output import Json, say, say_json
from gateway.core.errors import StoreError
from gateway.core.events import SESSION
from gateway.core.units import Instant
from gateway.wire.credentials import keyed_hash
from gateway.wire.topics import is_id

if TYPE_CHECKING:
    from gateway.edge.config import GatewayConfig
    from gateway.edge.subject.erasure import Erased, Plan

app = typer.Typer(help="Export, erase, or show the consent receipts of one person.", no_args_is_help=True)

Subject: TypeAlias = Annotated[
    str, typer.Argument(help="The subject's id, or with --credential the raw number; `-` reads it from standard input.")
]
Config: TypeAlias = Annotated[Path, typer.Option(help="The gateway's configuration.", exists=True, dir_okay=False)]
Purpose: TypeAlias = Annotated[str, typer.Option(help="Why, in a few words: it is written down, for whom is not.")]
Credential: TypeAlias = Annotated[
    bool, typer.Option("--credential", help="SUBJECT is the raw number of a card, key or ticket.")
]
Ledger: TypeAlias = Annotated[
    Path | None, typer.Option(help="Another ledger than the gateway's.", exists=True, dir_okay=False)
]
Journals: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--journal", help="A journal beside the gateway's own; may be given again.", exists=True, dir_okay=False
    ),
]


class _Case(NamedTuple):
    """Whose data are meant, and where they lie."""

    config: "GatewayConfig"
    subject: str
    purpose: str
    ledger: Path
    journals: tuple[Path, ...]


@app.command()
def export(
    subject: Subject,
    config: Config,
    purpose: Purpose,
    ledger: Ledger = None,
    journal: Journals = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to write; left out: standard output.")] = None,
    *,
    credential: Credential = False,
) -> None:
    """Write everything that is held of a person as JSON, receipts and journal lines included.

    A running gateway is not disturbed. That it was done, and why, is noted in `requests.jsonl` beside the ledger.

    Example: `wayside subject export p.anna --config gateway.toml --purpose "her request of 3 May" -o anna.json`
    """
    from gateway.edge.subject import dossier

    case = _case(subject, config, purpose, ledger, journal or (), credential)
    told = dossier.of(case.config, case.subject, case.purpose, case.ledger, case.journals, _now())
    text = formats.dumps(told, indent=2, ensure_ascii=False) + "\n"
    if out is None:
        sys.stdout.write(text)
        return
    _write_privately(out, text)


@app.command()
def receipts(
    subject: Subject,
    config: Config,
    purpose: Purpose,
    ledger: Ledger = None,
    *,
    credential: Credential = False,
    json: Json = False,
) -> None:
    """Show what a person agreed to and withdrew, purpose by purpose; with `--json` the receipts to hand over.

    The receipts have the fields of ISO/IEC TS 27560:2023.

    Example: `wayside subject receipts p.anna --config gateway.toml --purpose "asked at the counter" --json`
    """
    from gateway.edge.subject import dossier

    case = _case(subject, config, purpose, ledger, (), credential)
    told = dossier.receipts(case.config, case.subject, case.purpose, case.ledger, _now())
    say_json(told) if json else say(dossier.receipt_lines(told))


@app.command()
def erase(
    subject: Subject,
    config: Config,
    purpose: Purpose,
    ledger: Ledger = None,
    journal: Journals = None,
    *,
    credential: Credential = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be erased, and erase nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether it is meant.")] = False,
    json: Json = False,
) -> None:
    """Erase a person from ledger and journals, for good; then search every file for what may be left.

    The gateway must be stopped. Exits with 1 if the id still stands in a file, be it as a part of a longer one.

    Example: `wayside subject erase p.anna --config gateway.toml --purpose "her request of 3 May"`
    """
    from gateway.edge.subject import erasure

    case = _case(subject, config, purpose, ledger, journal or (), credential)
    planned = erasure.plan(case.ledger, case.journals, case.subject)
    if not json or dry_run:
        say_json(planned.counts()) if json else say(_plan_lines(planned))
    if dry_run:
        return
    if not yes:
        typer.confirm("Erase this for good?", abort=True, err=True)
    erased = erasure.erase(case.ledger, case.journals, case.subject, case.purpose, _now())
    left = [str(each) for each in erased.found_in]
    if json:
        say_json({**erased.noted, "searched": len(erased.searched), "left_in": left})
    else:
        say(_erased_lines(erased))
    sys.exit(1 if left else 0)


def _write_privately(out: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all; whatever lies in its way is not written into."""
    draft = out.with_name(out.name + ".part")
    draft.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        draft.rename(out)
    finally:
        draft.unlink(missing_ok=True)


def _case(
    subject: str, config: Path, purpose: str, ledger: Path | None, journals: Sequence[Path], is_credential: bool
) -> _Case:
    from gateway.edge.config import read_config
    from gateway.edge.subject.journals import journals_in

    settings = read_config(config)
    given = _input().readline().rstrip("\r\n") if subject == "-" else subject
    if not given:
        raise typer.BadParameter("nobody is named")
    who = _hashed(settings, given) if is_credential else given
    if not is_id(who):
        raise typer.BadParameter("a subject's id is 1 to 64 letters, digits and . _ : @ -")
    if who == SESSION:
        raise typer.BadParameter("a session is nobody in particular, and kept nowhere")
    if not purpose.strip() or len(purpose) > 256:
        raise typer.BadParameter("say why in 1 to 256 characters", param_hint="--purpose")
    if re.search(rf"(?<!\w){re.escape(who)}(?!\w)", purpose) or (is_credential and given in purpose):
        raise typer.BadParameter("it is kept: do not name the person in it", param_hint="--purpose")
    files = dict.fromkeys(each.resolve() for each in (*journals_in(settings.journal.path), *journals))
    return _Case(settings, who, purpose.strip(), ledger or settings.ledger_path, tuple(files))


def _input() -> TextIO:
    return sys.stdin


def _hashed(config: "GatewayConfig", credential: str) -> str:
    """Return the subject that a raw number stands for at this gateway. A missing key is not made here."""
    from gateway.edge.config import credential_key

    if not config.key_path.exists():
        raise StoreError(f"{config.key_path}: there is no credential key, so that no number was ever heard here")
    return keyed_hash(credential, credential_key(config.key_path))


def _now() -> Instant:
    return time.time_ns() // 1_000_000


def _plan_lines(planned: "Plan") -> list[str]:
    counts = planned.counts()
    lines = [f"{name:<14} {count:,}" for name, count in counts.items()]
    lines += [f"rewritten      {found.journal} without {found.lines:,} lines" for found in planned.journals]
    lines += [f"deleted        {path}" for path in planned.set_aside]
    return [*lines, "Offers and outcomes stay counted, without the person."]


def _erased_lines(erased: "Erased") -> list[str]:
    if not erased.found_in:
        return [f"Erased. {len(erased.searched)} files searched byte by byte: the id stands in none."]
    left = [f"  {path}" for path in erased.found_in]
    return ["Erased. The id still stands in these files, be it as a part of a longer one:", *left]
