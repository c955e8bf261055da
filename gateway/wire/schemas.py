"""What is written by others as JSON Schema (draft 2020-12).

Payloads, for those who write firmware in another language: a schema says what is accepted, and unknown fields and
signals are: they are ignored, with a count. Campaign files, for the editors of those who write campaigns: there an
unknown field is a mistake.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from gateway.wire import payloads, topics, vss

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_MODELS: Mapping[str, type[payloads.Payload]] = MappingProxyType(
    {
        "telemetry": payloads.Telemetry,
        "identity": payloads.Identity,
        "outcomes": payloads.OutcomeReport,
        "consents": payloads.Consent,
        "facts": payloads.Facts,
        "offers": payloads.Offer,
        "withdrawal": payloads.Withdrawal,
        "unit_status": payloads.UnitStatus,
        "gateway_status": payloads.GatewayStatus,
        "deadletter": payloads.DeadLetter,
    }
)


FILES: Final = ("campaign",)
"""The files of which there is a schema."""


def names() -> tuple[str, ...]:
    """Return the payloads: the channels, and what else is said on `offers` and `status`."""
    return tuple(_MODELS)


def schema(name: str) -> dict[str, object]:
    """Return the JSON Schema of a payload or a file.

    Raises:
        KeyError: There is no such one; `names` and `FILES` list them.
    """
    if name == "campaign":
        from gateway.wire.campaign_schema import campaign_schema  # noqa: PLC0415 -- loads YAML, which payloads need not

        return {"$schema": DIALECT, "$id": "urn:wayside:v2:campaign", **campaign_schema()}
    described: dict[str, object] = _MODELS[name].model_json_schema()
    for part in _objects(described):
        if part.get("additionalProperties") is False:
            part["additionalProperties"] = True
    if name == "telemetry":
        _describe_signals(described)
    return {"$schema": DIALECT, "$id": f"urn:wayside:v1:{name}", **described}


def _objects(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _objects(part)


def _describe_signals(described: dict[str, object]) -> None:
    for part in _objects(described["properties"]):
        if part.get("title") == "Signals":
            part["properties"] = {path: _signal(leaf) for path, leaf in vss.LEAVES.items()}
            part["dependentRequired"] = {vss.LATITUDE: [vss.LONGITUDE], vss.LONGITUDE: [vss.LATITUDE]}


def _signal(leaf: vss.Leaf) -> dict[str, object]:
    """Return the schema of a signal's value; a withheld one is never looked at, so it may be anything."""
    described: dict[str, object] = {"description": f"{leaf.datatype.value} {leaf.unit}".strip()}
    if leaf.use is vss.Use.WITHHELD:
        described["description"] = "ignored: it goes no further than the border"
    elif leaf.datatype is vss.Datatype.BOOLEAN:
        described["type"] = "boolean"
    elif leaf.datatype is vss.Datatype.STRING:
        free = {"pattern": topics.ID_PATTERN} if leaf.use is vss.Use.SIGNAL else {"maxLength": vss.MAX_TEXT}
        described |= {"type": "string", **({"enum": list(leaf.allowed)} if leaf.allowed else free)}
    elif leaf.datatype in vss.INTEGER_RANGES:
        low, high = vss.INTEGER_RANGES[leaf.datatype]
        described |= {"type": "integer", "minimum": low, "maximum": high}
    else:
        described |= {"type": "number", **_COORDINATE_RANGES.get(leaf.path, {})}
    return described


_COORDINATE_RANGES: Mapping[str, dict[str, object]] = MappingProxyType(
    {
        vss.LATITUDE: {"minimum": -90, "maximum": 90},
        vss.LONGITUDE: {"minimum": -180, "maximum": 180},
    }
)
