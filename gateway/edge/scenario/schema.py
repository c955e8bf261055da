"""The format as JSON Schema (draft 2020-12), so that editors complete it and say what each word means."""

from gateway.edge.scenario.words import SCENARIO, mapping_of

NAME = "scenario"
"""What the command calls it."""
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, object]:
    """Return the JSON Schema of a scenario file."""
    return {"$schema": _DIALECT, "$id": "urn:wayside:v1:scenario", "title": "A scenario", **mapping_of(SCENARIO)}
