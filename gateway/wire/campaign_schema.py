"""The JSON Schema of a campaign file as it is written, so that editors complete it and mark what is wrong.

It is written from the grammar that the reader uses. It says what one look at a file can tell; names that nobody knows,
expressions, and what depends on other files are told by `wayside check` alone.
"""

from gateway.wire.campaign_grammar import CAMPAIGN, tables
from gateway.wire.campaign_shapes import Table


def campaign_schema() -> dict[str, object]:
    """Return the schema, without its dialect and name."""
    return {
        "title": "A campaign file",
        **CAMPAIGN.schema(),
        "$defs": {table.key: _definition(table) for table in tables()},
    }


def _definition(table: Table) -> dict[str, object]:
    return {
        "title": table.what.strip("',"),
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {"description": entry.says, **entry.shape.schema()} for name, entry in table.fields.items()
        },
        "required": [name for name, entry in table.fields.items() if entry.required],
        **table.rules,
    }
