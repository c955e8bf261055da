"""What happens to files: bits flip, ends are lost, pages come to lie in the wrong place, a folder is put back.

Each kind of damage takes the folder of a ledger and a generator of random numbers, and does it to the files there.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

PAGE = 4096
_HEADER = 100
_LEDGER, _WAL, _SHM, _MARK = "ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.mark"


@dataclass(frozen=True, slots=True)
class Scene:
    """Where damage is done.

    Attributes:
        folder: The folder of the ledger.
        stranger: The folder of another ledger, with a log.
        earlier: The same folder as it once was.
    """

    folder: Path
    stranger: Path
    earlier: Path


Damage: TypeAlias = Callable[[Scene, random.Random], None]


def _flip_bits(name: str) -> Damage:
    def damage(scene: Scene, rng: random.Random) -> None:
        content = bytearray((scene.folder / name).read_bytes())
        for _ in range(rng.choice((1, 1, 1, 2, 8, 64))):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        (scene.folder / name).write_bytes(content)

    return damage


def _flip_bits_in_text(scene: Scene, rng: random.Random) -> None:
    """Flip a bit where somebody's words stand: the shape of the file stays whole."""
    content = bytearray((scene.folder / _LEDGER).read_bytes())
    words = (b'"given"', b"withdrawn", b"profiling", b"offer_display", b'"supersedes"', b"s.", b"pastry", b"coffee")
    word = rng.choice(words)
    places = [at for at in range(len(content)) if content.startswith(word, at)] or [rng.randrange(len(content))]
    content[rng.choice(places) + rng.randrange(len(word))] ^= 1 << rng.randrange(8)
    (scene.folder / _LEDGER).write_bytes(content)


def _truncate(name: str) -> Damage:
    def damage(scene: Scene, rng: random.Random) -> None:
        with (scene.folder / name).open("r+b") as file:
            size = file.seek(0, 2)
            file.truncate(rng.randrange(size) if rng.random() < 0.5 else size - rng.randint(1, min(size, 3 * PAGE)))

    return damage


def _zero_page(name: str) -> Damage:
    def damage(scene: Scene, rng: random.Random) -> None:
        with (scene.folder / name).open("r+b") as file:
            pages = file.seek(0, 2) // PAGE
            file.seek(rng.randrange(pages) * PAGE)
            file.write(bytes(PAGE))

    return damage


def _swap_pages(scene: Scene, rng: random.Random) -> None:
    content = bytearray((scene.folder / _LEDGER).read_bytes())
    one, other = (slice(page * PAGE, (page + 1) * PAGE) for page in rng.sample(range(len(content) // PAGE), 2))
    content[one], content[other] = content[other], content[one]
    (scene.folder / _LEDGER).write_bytes(content)


def _garble_header(scene: Scene, rng: random.Random) -> None:
    with (scene.folder / _LEDGER).open("r+b") as file:
        file.write(rng.randbytes(_HEADER))


def _empty(name: str) -> Damage:
    def damage(scene: Scene, rng: random.Random) -> None:
        del rng
        (scene.folder / name).write_bytes(b"")

    return damage


def _lose(name: str) -> Damage:
    def damage(scene: Scene, rng: random.Random) -> None:
        del rng
        (scene.folder / name).unlink(missing_ok=True)

    return damage


def _garble(name: str) -> Damage:
    def damage(scene: Scene, rng: random.Random) -> None:
        (scene.folder / name).write_bytes(rng.randbytes(rng.choice((1, 103, PAGE, 32_768))))

    return damage


def _strange_log(scene: Scene, rng: random.Random) -> None:
    del rng
    (scene.folder / _WAL).write_bytes((scene.stranger / _WAL).read_bytes())


def _put_back(*names: str) -> Damage:
    """Put files back as they once were, the mark excepted: a restored copy, or a card that lost its last writes."""

    def damage(scene: Scene, rng: random.Random) -> None:
        del rng
        for name in names:
            (scene.folder / name).unlink(missing_ok=True)
            if (scene.earlier / name).exists():
                (scene.folder / name).write_bytes((scene.earlier / name).read_bytes())

    return damage


ANYWHERE: Mapping[str, Damage] = MappingProxyType(
    {
        "bits of the file": _flip_bits(_LEDGER),
        "a bit in a word": _flip_bits_in_text,
        "end of the file": _truncate(_LEDGER),
        "a zeroed page": _zero_page(_LEDGER),
        "two pages swapped": _swap_pages,
        "the header": _garble_header,
        "an empty file": _empty(_LEDGER),
        "shared memory": _garble(_SHM),
        "log of another": _strange_log,
        "the mark garbled": _garble(_MARK),
        "the mark's bits": _flip_bits(_MARK),
        "put back": _put_back(_LEDGER, _WAL),
        "file put back, log not": _put_back(_LEDGER),
    }
)
"""Damage that any ledger can suffer."""

WITH_LOG: Mapping[str, Damage] = MappingProxyType(
    {
        **ANYWHERE,
        "bits of the log": _flip_bits(_WAL),
        "end of the log": _truncate(_WAL),
        "a zeroed piece of the log": _zero_page(_WAL),
        "log lost": _lose(_WAL),
        "log emptied": _empty(_WAL),
        "log garbled": _garble(_WAL),
    }
)
"""Damage that a ledger can suffer whose gateway was killed."""
