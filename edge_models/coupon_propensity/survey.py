"""The survey: its answers as features that a device could know, and who gave them.

Rules kept here:

- **No demographics.** Gender, age, marital status, children, education, occupation, income and car never reach a
  feature; with the five visit habits they only name the respondent, so that a split never puts one on both sides.
- **Unknown is NaN**, and nothing is put in its place.

The data are read in place and never written anywhere.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Matrix: TypeAlias = npt.NDArray[np.float32]
Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Row: TypeAlias = Mapping[str, str]

FEATURE_VERSION: Final = 1

# Our category: (its coupon in the survey, the question that asks for visits to such places).
CATEGORIES: Final = {
    "bar": ("Bar", "Bar"),
    "carry_away": ("Carry out & Take away", "CarryAway"),
    "coffee_house": ("Coffee House", "CoffeeHouse"),
    "restaurant_under_20": ("Restaurant(<20)", "RestaurantLessThan20"),
    "restaurant_20_50": ("Restaurant(20-50)", "Restaurant20To50"),
}
CATEGORY_FLAGS: Final = tuple(f"category_{category}" for category in CATEGORIES)
VISITS: Final = (*(f"visits_{category}" for category in CATEGORIES), "visits_in_category")
DESTINATION: Final = ("heading_home", "heading_to_work")
PERSONAL: Final = VISITS + DESTINATION
FEATURES: Final = (
    "hour",
    "alone",
    "air_temperature_c",
    "minutes_away",
    "same_direction",
    "validity_hours",
    *DESTINATION,
    *CATEGORY_FLAGS,
    *VISITS,
)

DEMOGRAPHICS: Final = (
    "gender",
    "age",
    "maritalStatus",
    "has_children",
    "education",
    "occupation",
    "income",
    "car",
)
PROFILE: Final = DEMOGRAPHICS + tuple(question for _, question in CATEGORIES.values())

HOUR: Final = {"7AM": 7.0, "10AM": 10.0, "2PM": 14.0, "6PM": 18.0, "10PM": 22.0}
VALIDITY_HOURS: Final = {"2h": 2.0, "1d": 24.0}
VISITS_PER_MONTH: Final = {"": math.nan, "never": 0.0, "less1": 0.5, "1~3": 2.0, "4~8": 6.0, "gt8": 10.0}


@dataclass(frozen=True, slots=True)
class Survey:
    """What the respondents answered: one row an answer, `profiles` numbering the respondents from 0."""

    features: Matrix
    accepted: Floats
    profiles: Ints


def read(data: Path) -> list[dict[str, str]]:
    """Return the survey's answers as text, the files in order of their names.

    Raises:
        FileNotFoundError: No `*.part.csv` lies in the folder.
    """
    parts = sorted(data.glob("*.part.csv"))
    if not parts:
        raise FileNotFoundError(f"no *.part.csv of the coupon survey in {data}")
    rows: list[dict[str, str]] = []
    for part in parts:
        with part.open(encoding="utf-8", newline="") as lines:
            rows += csv.DictReader(lines)
    return rows


def encode(row: Row) -> list[float]:
    """Return one answer as features, in the order of `FEATURES`.

    Raises:
        ValueError: A column is missing or holds an answer that the survey did not offer.
    """
    try:
        flags = [float(row["coupon"] == coupon) for coupon, _ in CATEGORIES.values()]
        visits = [VISITS_PER_MONTH[row[question]] for _, question in CATEGORIES.values()]
        return [
            HOUR[row["time"]],
            float(row["passanger"] == "Alone"),
            (float(row["temperature"]) - 32.0) / 1.8,
            5.0 + 10.0 * (int(row["toCoupon_GEQ15min"]) + int(row["toCoupon_GEQ25min"])),
            float(row["direction_same"]),
            VALIDITY_HOURS[row["expiration"]],
            float(row["destination"] == "Home"),
            float(row["destination"] == "Work"),
            *flags,
            *visits,
            visits[flags.index(1.0)],
        ]
    except (KeyError, ValueError) as error:
        raise ValueError(f"not an answer of the coupon survey: {error}") from error


def tabulate(rows: Sequence[Row]) -> Survey:
    """Return the answers as arrays; profiles are numbered as they first appear."""
    numbers: dict[tuple[str, ...], int] = {}
    names = [tuple(row[column] for column in PROFILE) for row in rows]
    return Survey(
        features=np.array([encode(row) for row in rows], dtype=np.float32),
        accepted=np.array([float(row["Y"]) for row in rows]),
        profiles=np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64),
    )


def columns(names: Sequence[str]) -> Ints:
    """Return where the named features stand."""
    return np.array([FEATURES.index(name) for name in names], dtype=np.int64)
