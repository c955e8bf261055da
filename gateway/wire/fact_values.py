"""What a fact is called and what it may be worth, on the wire."""

import math
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticKnownError

from gateway.core.events import Scalar

FACT_PATTERN = r"^[a-z][a-z0-9_]{0,63}$"
"""What the name of a fact looks like."""
LONGEST_TEXT = 256
LARGEST_WHOLE = 2**53
"""Beyond it a whole number is not the same in every language that reads JSON."""


def _bounded(value: Scalar | None) -> Scalar | None:
    """Refuse what no fact may be worth. Here and not at the types, so that it is told as a wrong value and no type."""
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise PydanticKnownError("string_too_long", {"max_length": LONGEST_TEXT})
    if isinstance(value, int) and not -LARGEST_WHOLE <= value <= LARGEST_WHOLE:
        raise PydanticKnownError("less_than_equal", {"le": LARGEST_WHOLE})
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticKnownError("finite_number")
    return value


_Text = Annotated[str, WithJsonSchema({"type": "string", "maxLength": LONGEST_TEXT})]
_Whole = Annotated[int, WithJsonSchema({"type": "integer", "minimum": -LARGEST_WHOLE, "maximum": LARGEST_WHOLE})]
_Number = Annotated[float, Field(allow_inf_nan=True), WithJsonSchema({"type": "number"})]
FactValue = Annotated[bool | _Whole | _Number | _Text | None, AfterValidator(_bounded)]
FactName = Annotated[str, StringConstraints(pattern=FACT_PATTERN)]
