"""A small story in a folder: a campaign, a scenario file, and what came of playing it."""

from collections.abc import Mapping
from pathlib import Path

from gateway.core.fences.geometry import Fence
from gateway.core.scoring import Scorer
from gateway.edge.scenario.playing import Played, play
from gateway.edge.scenario.reading import read_scenario
from gateway.edge.scenario.verifying import Difference, verify
from gateway.testing.engines import FixedScorer, a_fence

CAMPAIGN = """\
campaign: corner
actions:
  - id: coffee
    kind: marketing
    audience: subject
    when: [{moment: Parked}]
    propensity: {prior: 0.5}
    value: 1.0
    annoyance: 0.2
    cap: {count: 1, within: 2 h}
    valid_for: 10 min
    reward: {id: cup, text: A free cup}
    treatments: [{placement: driver_screen, language: en, title: Coffee, body: Fresh and hot.}]
  - id: cake
    kind: marketing
    audience: subject
    when: [{moment: Parked}]
    eligible: '"sweet" in facts'
    propensity: {prior: 0.4}
    value: 1.0
    annoyance: 0.2
    cap: unlimited
    treatments: [{placement: driver_screen, language: en, title: Cake, body: With cream.}]
"""
GIVEN = """\
scenario: A small one
given:
  now: 2026-11-19 08:00
  zone: Europe/Berlin
  campaigns: corner.yaml
  places: {corner: {kind: cafe, at: [13.4, 52.5]}}
  units: {car-1: {kind: car}}
  people: {anna: {agrees to: everything}}
"""
STORY = """\
story:
  - arrives: {who: anna, unit: car-1}
  - after: 10 s
    signals: {unit: car-1, gear: park}
    then: {offered: coffee, refused: {cake: not_eligible}}
"""


class Bookshelf:
    """A library without files: one fence called `station`, and a scorer that always answers the same."""

    def fences(self, path: Path) -> list[Fence]:
        """Return the one fence there is, whatever the file."""
        del path
        return [a_fence()]

    def model(self, name: str, beside: Path) -> Path:
        """Return where the model would lie."""
        return beside / name

    def scorer(self, folders: Mapping[str, Path]) -> Scorer:
        """Return the scorer."""
        del folders
        return FixedScorer()


def write_story(folder: Path, text: str = GIVEN + STORY) -> Path:
    """Write a scenario beside the campaign it names; return its path."""
    (folder / "corner.yaml").write_text(CAMPAIGN, encoding="utf-8")
    path = folder / "story.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def played(folder: Path, text: str = GIVEN + STORY, case: int = 0) -> Played:
    """Return a story that was written and played.

    Raises:
        ScenariosRefused: It cannot be.
    """
    path = write_story(folder, text)
    return play(path, read_scenario(path).cases[case], Bookshelf())


def differences(folder: Path, text: str, case: int = 0) -> list[Difference]:
    """Return where what followed is not what was to follow.

    Raises:
        ScenariosRefused: The story cannot be.
    """
    return [each for judged in verify(played(folder, text, case)) if judged for each in judged.differences]
