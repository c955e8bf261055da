"""Reads what is to follow: offers, withdrawals, refusals and moments."""

from collections.abc import Mapping

import yaml

from gateway.core.campaign import Placement
from gateway.core.effects import Stage
from gateway.core.events import Scalar
from gateway.core.moments import MOMENTS
from gateway.edge.scenario import readers
from gateway.edge.scenario.fields import Fields
from gateway.edge.scenario.happening import Names
from gateway.edge.scenario.story import Figure, OfferExpected, RefusalExpected, Then, WithdrawalExpected
from gateway.edge.scenario.words import FACTORS, NOTHING, OFFER, REFUSAL, SLATE, THEN, WITHDRAWN, needed
from gateway.wire.campaign_source import Code, Fault, Reader, Source, has_key

_PLACEMENT = readers.choice({placement.value: placement for placement in Placement})
_STAGE = readers.choice({stage.value: stage for stage in Stage})
_MOMENT = readers.choice({name: name for name in MOMENTS})


def read_then(source: Source, node: yaml.Node, names: Names) -> Then:
    """Return what is to follow; what cannot be read is noted."""
    fields = Fields(source, node, "'then'", needed(THEN))
    offered, withdrawn, refused = map(fields.node_of, ("offered", "withdrawn", "refused"))
    return Then(
        _line(node),
        offered=() if offered is None else _offers(source, offered, names),
        withdrawn=() if withdrawn is None else _withdrawals(source, withdrawn),
        refused=() if refused is None else tuple(_refusals(source, refused, names)),
        noticed=_placed(source, fields.node_of("noticed"), "noticed", _MOMENT),
        unnoticed=_placed(source, fields.node_of("unnoticed"), "unnoticed", _MOMENT),
        not_considered=_placed(source, fields.node_of("not considered"), "not considered", readers.name),
    )


def _withdrawals(source: Source, node: yaml.Node) -> tuple[WithdrawalExpected, ...]:
    return () if _is_nothing(node) else tuple(_withdrawal(source, item) for item in readers.items(node))


def _is_nothing(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == NOTHING


def _offers(source: Source, node: yaml.Node, names: Names) -> tuple[tuple[OfferExpected, ...], ...]:
    if _is_nothing(node):
        return ()
    groups: list[tuple[OfferExpected, ...]] = []
    for item in readers.items(node):
        if has_key(item, "together"):
            together = Fields(source, item, "offers shown together", needed(SLATE)).node_of("together")
            listed = [] if together is None else readers.items(together)
            groups.append(tuple(_offer(source, each, names) for each in listed))
        else:
            groups.append((_offer(source, item, names),))
    return tuple(groups)


def _offer(source: Source, node: yaml.Node, names: Names) -> OfferExpected:
    if isinstance(node, yaml.ScalarNode):
        return OfferExpected(_line(node), _name(source, node, "offered"))
    fields = Fields(source, node, "an offer", needed(OFFER))
    return OfferExpected(
        _line(node),
        fields.value("action", readers.name) or "",
        fields.value("on", _PLACEMENT),
        fields.value("unit", names.unit),
        fields.value("to", names.anybody),
        fields.value("says", readers.several(readers.text)) or (),
        fields.value("reward", readers.text),
        _weighed(source, fields.node_of("weighed")),
    )


def _withdrawal(source: Source, node: yaml.Node) -> WithdrawalExpected:
    if isinstance(node, yaml.ScalarNode):
        return WithdrawalExpected(_line(node), _name(source, node, "withdrawn"))
    fields = Fields(source, node, "a withdrawal", needed(WITHDRAWN))
    return WithdrawalExpected(
        _line(node), fields.value("action", readers.name) or "", fields.value("reason", readers.name)
    )


def _refusals(source: Source, node: yaml.Node, names: Names) -> list[RefusalExpected]:
    if not isinstance(node, yaml.MappingNode):
        source.note(Code.WRONG_TYPE, node, "'refused' must be a mapping, `action: reason`")
        return []
    return [_refusal(source, str(key.value), item, names) for key, value in node.value for item in readers.items(value)]


def _refusal(source: Source, action: str, node: yaml.Node, names: Names) -> RefusalExpected:
    if isinstance(node, yaml.ScalarNode):
        return RefusalExpected(_line(node), action, _name(source, node, action))
    fields = Fields(source, node, f"the refusal of {action!r}", needed(REFUSAL))
    values: dict[str, Scalar] = {}
    told = fields.node_of("with")
    for name, value in told.value if isinstance(told, yaml.MappingNode) else ():
        _note_or_keep(source, values, str(name.value), value, readers.scalar)
    return RefusalExpected(
        _line(node),
        action,
        fields.value("reason", readers.name) or "",
        fields.value("stage", _STAGE),
        fields.value("on", _PLACEMENT),
        fields.value("unit", names.unit),
        values,
        _weighed(source, fields.node_of("weighed")),
    )


def _weighed(source: Source, node: yaml.Node | None) -> Mapping[str, Figure]:
    if node is None:
        return {}
    fields = Fields(source, node, "'weighed'", needed(FACTORS))
    taken = {name: fields.take(name, readers.figure) for name in FACTORS}
    return {name.replace(" ", "_"): found.value for name, found in taken.items() if found}


def _placed(source: Source, node: yaml.Node | None, field: str, read_one: Reader[str]) -> tuple[tuple[str, int], ...]:
    found: dict[str, int] = {}
    for item in [] if node is None else readers.items(node):
        try:
            found[read_one(item, field)] = _line(item)
        except Fault as fault:
            source.note(fault.code, item, fault.message, fault.hint)
    return tuple(found.items())


def _note_or_keep(
    source: Source, kept: dict[str, Scalar], name: str, node: yaml.Node, read_one: Reader[Scalar]
) -> None:
    try:
        kept[name] = read_one(node, name)
    except Fault as fault:
        source.note(fault.code, node, fault.message, fault.hint)


def _name(source: Source, node: yaml.Node, field: str) -> str:
    try:
        return readers.name(node, field)
    except Fault as fault:
        source.note(fault.code, node, fault.message, fault.hint)
        return ""


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
