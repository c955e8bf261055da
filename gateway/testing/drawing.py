"""Where random things come from: one small interface, so that a seed and hypothesis draw the very same worlds."""

import random
from collections.abc import Sequence
from typing import Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Draw(Protocol):
    """A source of choices."""

    def whole(self, low: int, high: int) -> int:
        """Return a number from `low` to `high`, both included."""
        ...


class SeededDraw:
    """Choices that a seed decides: the same seed, the same choices, on any machine."""

    def __init__(self, seed: int) -> None:
        """Begin the choices of a seed."""
        self._random = random.Random(seed)  # noqa: S311 -- drawn from a seed, so that they can be drawn again

    def whole(self, low: int, high: int) -> int:
        """Return a number from `low` to `high`, both included."""
        return low + int(self._random.random() * (high - low + 1))


class ShrinkingDraw:
    """Choices that hypothesis makes, and makes simpler once something is broken."""

    def __init__(self, data: st.DataObject) -> None:
        """Draw from what a test is given by `st.data()`."""
        self._data = data

    def whole(self, low: int, high: int) -> int:
        """Return a number from `low` to `high`, both included."""
        return self._data.draw(st.integers(low, high))


def among(draw: Draw, options: Sequence[T]) -> T:
    """Return one of several; what stands twice comes twice as often."""
    return options[draw.whole(0, len(options) - 1)]


def chance(draw: Draw, percent: int) -> bool:
    """Return True in so many of a hundred cases."""
    return draw.whole(0, 99) >= 100 - percent


def some(draw: Draw, options: Sequence[T], most: int) -> tuple[T, ...]:
    """Return up to `most` of several, each once, in their order."""
    count = draw.whole(0, min(most, len(options)))
    left = list(range(len(options)))
    picked = sorted(left.pop(draw.whole(0, len(left) - 1)) for _ in range(count))
    return tuple(options[number] for number in picked)
